//! Names the network in which packets to a host stop.
pub mod asdb;
pub mod cli;
pub mod net;
pub mod number;
pub mod packet;
pub mod path;
pub mod probe;
pub mod report;
pub mod session;
pub mod sim;
pub mod trace;
pub mod verdict;
