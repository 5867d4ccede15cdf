//! What was measured and concluded, written down: pure functions from a document to bytes.
//!
//! Nothing is computed here. A fresh run becomes a [`Document`] by [`document()`]; a saved one is read back as the same
//! thing; every writer takes that. Foreign text (host names, AS names) is escaped before it reaches a terminal.

mod document;
mod escape;
mod json;
mod letter;
mod terminal;

pub use crate::trace::schema::Document;
pub use document::{Measured, Session, document, failure};
pub use escape::safe;
pub use json::json;
pub use letter::{Language, Letter, NoLetter, cause, letter};
pub use terminal::{Look, conclusion, run, story, trace, truth};
