//! Names the network in which packets to a host stop, with the evidence.
//!
//! A host cannot be reached. A traceroute shows the last router that answered, and that proves little: the next one may
//! be silent, limited, or numbered from its neighbour's space. This crate probes the **target** and, interleaved with it,
//! a **reference host in the same network**, over the same protocol and port. Where the reference is answered and the
//! target is not, again and again and in an order drawn by coin, the target's packets do not arrive. The place is an
//! interval between two hops, and the answer is the set of autonomous systems that may own it, or why it cannot be told.
//!
//! # The flow
//!
//! arguments → [`probe::Plan`] → [`probe::Engine`] ⇄ [`probe::Wire`] (real sockets or simulated ones) →
//! [`trace::Run`] → [`path::Path`] → [`verdict::Verdict`] → [`report::Document`] → exit status
//!
//! # The rooms
//!
//! One wing measures, one understands; they meet in [`trace`] and nowhere else, and [`session`] keeps the loop between
//! them. ARCHITECTURE.md has the reasons, and a test holds every room to its walls.
//!
//! * [`number`]: AS numbers and special-purpose ranges: values only
//! * [`packet`]: headers, quoted packets and ICMP extensions, read from any bytes and built whole
//! * [`trace`]: the observation record: what was sent, what came back, nothing concluded
//! * [`probe`]: the engine: what to send next and what an arrived packet means, without sockets and without a clock
//! * [`sim`]: a simulated Internet from a text file: a wire in virtual time
//! * [`net`]: real sockets: a wire on Linux
//! * [`asdb`]: the offline IP-to-AS table
//! * [`import`]: other tools' output, of any kind
//! * [`path`]: hops with what the table says of their addresses
//! * [`verdict`]: from two paths to a conclusion, by rules in order
//! * [`registry`]: lists of what is to be blocked: whether an address or a name stands in one
//! * [`remote`]: RIPE Atlas and Globalping: asked for traceroutes, not understood
//! * [`joint`]: several runs and one conclusion: which network is common to the paths that fail and on none that works
//! * [`sweep`]: very many hosts asked once: who answers at all
//! * [`session`]: one measurement from a plan to its conclusion, or very many
//! * [`report`]: the conclusion written down: text, JSON
//! * `fetch`: files over HTTP, whole or not at all (with the feature of that name)
//! * `watch`: the same measurement over time: what changed and when, kept in one file (with the feature of that name)
//! * [`cli`]: the program
//!
//! # The story in twelve lines
//!
//! ```
//! use lasthop::{asdb::Table, path::{Origins, Overlay}, session, sim, trace::WallTime, verdict::Kind};
//!
//! let (_, text) = sim::scenarios()[0];
//! let topology: sim::Topology = text.parse()?;
//! let mut network = sim::Network::new(&topology, false, 1)?;
//! let plan = network.plan(&topology, 1)?;
//! // The simulated prefixes go before the real table.
//! let under: Option<&dyn Origins> = Some(Table::embedded());
//! let origins = Overlay { entries: topology.prefixes(), ixps: vec![], links: None, under };
//! let found = session::diagnose(plan, WallTime(0), &mut network, &origins, 0.99, &mut |_| {})?;
//! assert_eq!(found.verdict.kind, Kind::LostInsideAs);
//! assert_eq!(found.verdict.asns[0].0, 8359);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/library.md` goes on from there to a report, and `examples/diagnose.rs` is the same as a program.

pub mod asdb;
pub mod bundle;
pub mod capture;
pub mod cli;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod import;
pub mod joint;
pub mod net;
pub mod number;
pub mod packet;
pub mod path;
pub mod probe;
pub mod registry;
pub mod remote;
pub mod report;
pub mod session;
pub mod sim;
pub mod sweep;
pub mod trace;
pub mod verdict;
#[cfg(feature = "watch")]
pub mod watch;

/// The examples of the book's page about the library run as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
pub struct LibraryPage;
