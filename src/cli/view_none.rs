//! In place of the live view, where it was not built in: nobody can ask for one.

use crate::path::Origins;
use crate::probe::{Budget, Heard, Transmit, Wire, WireFault};
use crate::session::Glimpse;
use crate::trace::{Losses, Moment, SendFault};

use super::failure::Failure;

/// A terminal that is ready for a view. There is none.
pub struct Stage(std::convert::Infallible);

impl Stage {
    pub const fn open(_: bool, _: super::args::When) -> Option<Self> {
        None
    }

    pub const fn begin(self, _: &[String]) -> Result<View, Failure> {
        match self.0 {}
    }
}

/// A view.
pub struct View(std::convert::Infallible);

impl View {
    pub const fn handle(&self) -> Handle {
        match self.0 {}
    }
}

/// What measurements know of a view.
#[derive(Clone, Copy)]
pub struct Handle(std::convert::Infallible);

impl Handle {
    #[cfg(feature = "watch")]
    pub const fn tell(&self, _: usize, _: super::progress::Watched) {
        match self.0 {}
    }

    pub const fn watcher<'a>(&self, _: usize, _: &'a dyn Origins, _: Budget, _: Option<f64>) -> Watcher<'a> {
        match self.0 {}
    }
}

/// Simulated time, which passes at once.
pub struct Unslowed<'a, W>(&'a mut W);

pub const fn slowed<'a, W: Wire>(wire: &'a mut W, _: Option<&Handle>) -> Unslowed<'a, W> {
    Unslowed(wire)
}

impl<W: Wire> Wire for Unslowed<'_, W> {
    fn now(&mut self) -> Moment {
        self.0.now()
    }

    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
        self.0.send(transmit)
    }

    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
        self.0.wait(until)
    }

    fn losses(&mut self) -> Losses {
        self.0.losses()
    }
}

/// Somebody who watches.
pub struct Watcher<'a>(std::convert::Infallible, std::marker::PhantomData<&'a ()>);

impl Watcher<'_> {
    pub const fn see(&mut self, _: &Glimpse<'_>) {
        match self.0 {}
    }

    pub const fn end(&self) {
        match self.0 {}
    }
}
