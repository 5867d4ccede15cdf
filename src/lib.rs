//! Names the network in which packets to a host stop.
pub mod asdb;
pub mod number;
pub mod packet;
pub mod probe;
pub mod trace;
