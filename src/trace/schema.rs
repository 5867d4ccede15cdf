//! The one versioned JSON form of a run: `lasthop.run/1`.
//!
//! Plain data with the names and types of the published contract. Fields may be added, none renamed or removed. Who
//! fills it in knows paths and verdicts; this module only knows how they are written down and read back.

/// The value of `schema` in a single run.
pub const RUN: &str = "lasthop.run/1";
/// The value of `schema` in a set of runs.
pub const SET: &str = "lasthop.set/1";
