//! The values every room shares: AS numbers and the address ranges that belong to nobody.
//!
//! Nothing here knows where a value came from. Prefixes are [`ipnetwork::IpNetwork`]; ports and TTLs are the
//! integers the headers carry.

mod asn;
pub mod special;

pub use asn::{Asn, AsnClass, ParseAsnError};
