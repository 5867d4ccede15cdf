//! One binary for all integration tests: it links once.

mod grounds;
mod laws;
mod net;
mod packet;
mod report;
mod rules;
mod search;
mod session;
mod sim;
mod sweep;
mod tidy;
mod words;
mod world;
