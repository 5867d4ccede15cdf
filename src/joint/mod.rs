//! Several runs, one conclusion.
