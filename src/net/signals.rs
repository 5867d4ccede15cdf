//! SIGINT and SIGTERM as something that a wait can be told of.

use std::future::poll_fn;
use std::io;
use std::os::unix::net::UnixStream;
use std::task::Poll;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::OpenError;
use super::error::io as failed;

/// What waits for packets, moments and signals.
///
/// # Errors
/// Where the system gives no descriptors for it. The library that it is of panics if it gets no pair of sockets to tell
/// itself of signals by, so one is asked for first, with as many more descriptors as it will hold.
pub(crate) fn event_loop() -> io::Result<Runtime> {
    let held = [UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?];
    drop(held);
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Both signals, which no longer end the process from then on.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    runtime: Runtime,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, OpenError> {
        let runtime = event_loop().map_err(failed("start the event loop"))?;
        let (interrupt, terminate) = {
            let _inside = runtime.enter();
            let listen = |kind| signal(kind).map_err(failed("listen for signals"));
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?)
        };
        Ok(Self { interrupt, terminate, runtime })
    }

    /// Whether one came since this was last asked. Never waits.
    pub(super) fn came(&mut self) -> bool {
        let Self { interrupt, terminate, runtime } = self;
        runtime.block_on(async {
            // One turn of the event loop, or the signal would go unnoticed.
            tokio::task::yield_now().await;
            poll_fn(|context| {
                let asked = [interrupt.poll_recv(context), terminate.poll_recv(context)];
                Poll::Ready(asked.iter().any(Poll::is_ready))
            })
            .await
        })
    }
}
