//! Who owns an address, told offline.
//!
//! A verdict names a network, so everything here is built around two fears: naming the wrong one, and not being able to say
//! who said so. An answer ([`Origin`]) therefore always has a kind, its grounds and the range it rests on; what is
//! unknown, private, of an exchange or of several origins is a value of its own and never rounded to "the" AS. And the table
//! comes with the program: a machine that cannot reach the Internet is just the one on which somebody asks where packets stop.
//!
//! ```
//! use lasthop::asdb::{Kind, Table};
//!
//! let table = Table::embedded();
//! let origin = table.lookup("8.8.8.8".parse().unwrap());
//! assert_eq!(origin.kind, Kind::As);
//! assert_eq!(origin.asn().map(|asn| asn.0), Some(15169));
//! assert_eq!(table.name(origin.asns[0]), Some("Google LLC"));
//! assert_eq!(table.lookup("10.0.0.1".parse().unwrap()).kind, Kind::Private);
//! ```
//!
//! | part | job |
//! |---|---|
//! | [`Table`] | opens the shipped table or any file a user has, answers one address at a time |
//! | [`Index`] | the same, unpacked, for millions of addresses |
//! | [`ixp`] | peering LANs, which no table of origins gets right |
//! | [`Exchanges`] | which member has which address of them, from PeeringDB or the exchanges' own lists |
//! | [`Adjacency`] | which ASes are neighbours, from CAIDA's AS relationships |
//! | [`build`] | rows of sources to a table: what wins over what |
//! | [`Intake`] | files of any kind to such rows, with what was left out and why |
//! | [`check`] | what is different in another table |
//! | [`sources`] | a reader for each format people have |
//! | `file`, `block`, `codec`, `names`, `links`, `exchanges::pack` | the table file |
//! | `range`, `registry` | address arithmetic, overlaps; the special-purpose registries as ranges |

mod adjacency;
mod block;
pub mod build;
pub mod check;
mod codec;
mod error;
mod exchanges;
mod file;
mod index;
mod intake;
pub mod ixp;
mod links;
mod names;
mod origin;
mod range;
mod registry;
pub mod sources;
mod table;
#[cfg(test)]
mod tests;

pub use adjacency::{Adjacency, AdjacencyInfo, Relation};
pub use error::{Digest, Error, Operation};
pub use exchanges::{ExchangeFile, Exchanges, Peering};
pub use file::{SourceFile, SourceInfo};
pub use index::Index;
pub use intake::{Intake, Settings, Taken};
pub use origin::{Asns, Kind, Origin, Source};
pub use sources::Format;
pub use table::{Details, Info, Piece, Table};
