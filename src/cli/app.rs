//! `--app`: a real exchange with a target whose port answers.

use std::net::SocketAddr;

use super::args;
use super::failure::Failure;
use crate::net::{self, Steering};
use crate::trace::{Run, schema};
use crate::verdict::Kind;

/// Refuses what an ordinary connection cannot do as the probes do it.
pub fn refuse(words: &args::Diagnose, socket: &Steering) -> Result<(), Failure> {
    if words.service().is_none() {
        return Ok(());
    }
    if words.probing.icmp || words.probing.udp {
        return Err(Failure::usage(
            "--app makes a TCP connection",
            "leave out -I and -U, or leave out --app",
        ));
    }
    if socket.mark.is_some() {
        return Err(Failure::usage(
            "--app cannot mark its packets: the privilege for that is given up when the sockets of the probes are open",
            "choose the way out with -i, -s or --vrf, or leave out --app",
        ));
    }
    Ok(())
}

/// Makes the exchange, where one is asked for and the target is reached: from the same source address, by the same
/// interface or VRF.
pub fn attempt(words: &args::Diagnose, run: &Run, kind: Kind, socket: &Steering) -> Option<schema::App> {
    let service = words.service().filter(|_| kind == Kind::Reachable)?;
    let target = run.destination(Run::TARGET);
    let to = SocketAddr::new(target.address, target.port?);
    let tried =
        net::attempt(service, to, &target.host, &Steering { source: Some(run.source), ..socket.clone() });
    Some(schema::App {
        protocol: service.word().to_owned(),
        works: tried.error.is_none(),
        said: tried.said,
        seconds: tried.took.as_secs_f64(),
        error: tried.error,
    })
}
