//! One binary for all integration tests: it links once.

mod agreement;
mod batch;
mod batch_shared;
mod bundle;
mod config;
mod confined;
mod db;
mod docs;
mod doctor;
mod evidence;
mod faults;
#[cfg(feature = "fetch")]
mod fetch;
mod forger;
mod grounds;
mod import_data;
mod import_misc;
mod import_text;
mod joint;
mod laws;
#[cfg(feature = "live")]
mod live;
mod mail;
/// Shared with the benches, as `prefixes` is.
#[path = "../../benches/support/mmdb.rs"]
mod mmdb;
mod mx;
mod net;
mod packaging;
mod packet;
mod pdf;
#[path = "../../benches/support/prefixes.rs"]
mod prefixes;
#[cfg(feature = "fetch")]
mod remote;
mod report;
mod rib;
mod roundtrip;
mod rules;
mod search;
mod session;
mod sim;
mod size;
mod sweep;
mod tables;
mod targets;
mod tidy;
mod unprivileged;
mod upset;
mod version;
mod via;
mod views;
#[cfg(feature = "watch")]
mod watch;
mod words;
mod world;
