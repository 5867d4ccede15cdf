//! One binary for all integration tests: it links once.

mod net;
mod packet;
mod sim;
mod tidy;
mod world;
