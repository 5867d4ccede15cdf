//! One binary for all integration tests: it links once.

mod net;
mod packet;
mod rules;
mod session;
mod sim;
mod tidy;
mod words;
mod world;
