//! One binary for all integration tests: it links once.

mod grounds;
mod laws;
mod net;
mod packet;
mod rules;
mod search;
mod session;
mod sim;
mod size;
mod sweep;
mod tidy;
mod words;
mod world;
