//! One binary for all integration tests: it links once.

mod grounds;
mod net;
mod packet;
mod rules;
mod search;
mod session;
mod sim;
mod tidy;
mod words;
mod world;
