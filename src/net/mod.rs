//! Real sockets: the one place where packets leave this machine and where replies come in.
//!
//! A measurement that names somebody's network is only worth what its packets are worth. So this room does four things
//! that a plain socket does not, and refuses to run where it cannot:
//!
//! * **A packet goes the way it was asked to go.** A raw socket with the header included takes any source address into
//!   the packet but routes by the address the *socket* is bound to, so `-s` without `bind` leaves by the wrong uplink.
//!   The sender is bound, its device and mark are read back, and the kernel is asked for the route of every destination
//!   under exactly these options before the first probe ([`Route`]).
//! * **A reply is seen whenever it reached this host, or its loss is counted.** Receivers are raw sockets bound to the
//!   source address and to no device (a reply may come back by another interface), with a kernel filter so that a busy
//!   server's own traffic cannot crowd ours out, a large buffer, and the kernel's drop counter
//!   ([`crate::trace::Losses`]). A strict reverse-path filter that would eat the replies is an error at opening, not a
//!   silent target.
//! * **A moment is the kernel's.** Replies carry the time at which the kernel took them from the device, so that a busy
//!   process does not look like a slow network. See [`Clock`].
//! * **Source ports are ours alone.** Each is held by a bound socket for the whole run, see below.
//!
//! # Half-open connections
//!
//! A SYN that reaches an open port makes the target remember it and answer SYN-ACK. That answer arrives at a port where
//! a TCP socket is bound but neither listens nor connects, so our kernel does what RFC 9293 §3.10.7.1 says of a
//! connection that does not exist: it answers RST, and the target forgets the half-open connection one round trip after
//! it was made. The raw socket has seen the SYN-ACK before. Nothing is sent by this program for it and no firewall
//! rule is needed. Two limits: the RST is routed by the kernel's own rules (without `--fwmark` or `-i`; with the
//! source address, so that `from` rules hold), and a host firewall that drops outgoing RSTs keeps the target waiting
//! for its own timeout. UDP ports are held the same way, by sockets that swallow what comes, so that an answer does not
//! draw a "port unreachable" from us.
//!
//! # Order
//!
//! [`resolve`] names first (it may load libraries and read files), then [`LiveWire::open`], then
//! [`privilege::drop_all`], then [`confine`], then everything else. A wire that is open needs no privilege any more.
//!
//! # Without privilege
//!
//! [`PlainWire`] measures with ordinary sockets, sees less and says what ([`LIMITS`]); [`AnyWire`] is either.
//!
//! # Limits
//!
//! * The kernel routes a header-included packet without looking at its ports. Policy rules that select by `ipproto`,
//!   `sport` or `dport`, and a local multipath route hashed by ports, treat real connections differently from probes.
//! * The IPv6 header is rebuilt from what the kernel tells of it: extension headers are gone and the flow label is 0.

mod clock;
pub mod confine;
pub mod dns;
mod error;
mod filter;
mod footing;
pub mod health;
mod host;
mod interfaces;
mod netlink;
mod plain;
mod ports;
pub mod privilege;
mod receiver;
mod request;
mod resolve;
mod route;
mod service;
mod signals;
pub mod spf;
mod table;
mod timekeeper;
mod way;
mod wire;

pub use clock::{Clock, since_boot};
pub use error::{OpenError, ResolveError};
pub(crate) use footing::Footing;
pub use host::{kernel, kernel_version, program};
pub use interfaces::{Interface, interfaces};
pub use plain::{LIMITS, PlainWire, may_ping};
pub use receiver::Stamps;
pub use request::{DEFAULT_PORTS, DEFAULT_RECEIVE_BUFFER, Family, MOST_PORTS, Request};
pub use resolve::{Resolved, lookup, lookup_by, resolve};
pub use route::Route;
pub use service::{Service, Tried, attempt};
pub(crate) use signals::event_loop;
pub use table::{Steering, steer};
pub use timekeeper::{Synchronisation, synchronisation};
pub use way::AnyWire;
pub use wire::LiveWire;
