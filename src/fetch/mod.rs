//! Files over HTTP, as whole as their publisher has them or not at all.
//!
//! A table decides who is accused, so the one on disk is worth more than any that is on its way: it stays what it was until
//! another has come in full, is what it should be, and is on stable storage. Networks where somebody looks for a culprit are
//! also those where connections break, captive portals answer for everybody, and mirrors are old; each of these is a case
//! here and not an accident. Nothing is fetched that was not asked for, and nothing is told to a server but what was asked,
//! this program's name and version, and a key where its owner gave one.
//!
//! The rules, with the sections of RFC 9110 (HTTP Semantics) they come from:
//!
//! * a download that was cut is taken up where it ended, by `Range` and `If-Range` with a strong validator (§13.1.5, §14.2);
//!   a server that ignores them, or has something newer, is read from the beginning;
//! * a file that is there is asked for conditionally (§13.1.2, §13.1.3) if it is still the one that came;
//! * `Retry-After` (§10.2.3) is waited for once, within reason;
//! * redirections (§15.4) are few, never from https to http, and a key stays with the host it is for;
//! * what comes is bounded in bytes and must come at some pace, however the server frames it;
//! * no content coding is asked for or taken (§8.4): what is kept is the publisher's file, byte for byte.
//!
//! This room knows neither what the files mean nor the time of day: whoever calls checks the first ([`Checked`]) and brings
//! the second ([`Time`]).

mod address;
mod client;
mod download;
mod error;
mod pause;

pub use address::{Address, AddressError};
pub use client::{Client, Credential, Limits, Secret, Time};
pub use download::{Checked, Download, Event, Fetched, Outcome, Provenance, Rejected, Unpack};
pub use error::{Class, Error};
pub use pause::retry_after;
