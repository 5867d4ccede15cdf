//! Raw sockets or ordinary ones, whichever this process may have, as one [`Wire`].

use std::net::IpAddr;

use super::{LiveWire, OpenError, PlainWire, Request, Route};
use crate::probe::wire::{Heard, Transmit, Wire, WireFault};
use crate::trace::{Losses, Moment, Protocol, SendFault, WallTime};

/// Sockets of either kind.
#[derive(Debug)]
pub enum AnyWire {
    /// Raw sockets, which see every packet.
    Raw(Box<LiveWire>),
    /// Ordinary sockets, which are told of some ([`LIMITS`](super::LIMITS)).
    Plain(Box<PlainWire>),
}

impl AnyWire {
    /// Raw sockets.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn raw(request: &Request) -> Result<Self, OpenError> {
        LiveWire::open(request).map(|wire| Self::Raw(Box::new(wire)))
    }

    /// Ordinary sockets.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn plain(request: &Request) -> Result<Self, OpenError> {
        PlainWire::open(request).map(|wire| Self::Plain(Box::new(wire)))
    }

    /// Whether these are ordinary sockets.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// The wall-clock time of [`Moment::START`].
    #[must_use]
    pub fn started_at(&self) -> WallTime {
        match self {
            Self::Raw(wire) => wire.started_at(),
            Self::Plain(wire) => wire.started_at(),
        }
    }

    /// The source address of every packet.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        match self {
            Self::Raw(wire) => wire.source(),
            Self::Plain(wire) => wire.source(),
        }
    }

    /// The interface packets to the first destination leave by.
    #[must_use]
    pub fn interface(&self) -> Option<String> {
        self.routes().first().map(|route| route.interface.clone())
    }

    /// The MTU of that interface in bytes, if it tells.
    #[must_use]
    pub fn mtu(&self) -> Option<u32> {
        self.routes().first().and_then(|route| route.mtu)
    }

    /// The route of every destination, in the order of the request.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        match self {
            Self::Raw(wire) => wire.routes(),
            Self::Plain(wire) => wire.routes(),
        }
    }

    /// The ports held for this run, in random order; echo identifiers only where the system hands them out.
    #[must_use]
    pub fn source_ports(&self, protocol: Protocol) -> &[u16] {
        match self {
            Self::Raw(wire) => wire.source_ports(protocol),
            Self::Plain(wire) => wire.source_ports(protocol),
        }
    }

    fn inner(&mut self) -> &mut dyn Wire {
        match self {
            Self::Raw(wire) => &mut **wire,
            Self::Plain(wire) => &mut **wire,
        }
    }
}

impl Wire for AnyWire {
    fn now(&mut self) -> Moment {
        self.inner().now()
    }

    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
        self.inner().send(transmit)
    }

    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
        self.inner().wait(until)
    }

    fn losses(&mut self) -> Losses {
        self.inner().losses()
    }
}
