//! One binary for all integration tests: it links once.

mod bundle;
mod evidence;
mod grounds;
mod laws;
mod net;
mod packet;
mod rules;
mod search;
mod session;
mod sim;
mod sweep;
mod tidy;
mod words;
mod world;
