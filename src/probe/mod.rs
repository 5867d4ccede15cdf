//! The measuring side without its instruments: what to send next, and what an arrived packet means.
//!
//! The [`Engine`] opens no socket and asks for no time. `now` comes in with each input, packets go out as bytes, and a
//! [`Wire`] carries them: real sockets (`net`), the simulator (`sim`), or a capture that is replayed. A measurement of
//! forty seconds is therefore a test of a millisecond.

pub mod wire;
