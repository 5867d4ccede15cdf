//! Peering LANs with their members: whose router an address in an exchange is.
//!
//! [`ixp`](super::ixp) only tells that an address is of some exchange. Who was given it is told by the exchanges: each in its IX-F
//! member export (Euro-IX JSON schema, 0.3 to 1.0), and most of them in PeeringDB (`/api/netixlan`, `/api/ixpfx`, and for names `/api/ix`,
//! `/api/ixlan`, `/api/net`; or CAIDA's daily dump, which is all of these in one file). The member is the AS that the packet
//! enters next, so a hop in a LAN has an owner as certain as any.
//!
//! Nothing is fetched here: the user gives files, in any number and of either form, told apart by what is in them. Of two files
//! that speak of the same address the first one is believed; an address that one file gives to two members has two.

mod pack;
mod read;

use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnetwork::IpNetwork;
use jiff::civil::Date;

use self::read::Exchange;
pub(crate) use self::read::{Contents, Form, read as read_contents};
use super::error::{Digest, Error, Operation};
use super::file;
use super::ixp::{by_family, find};
use super::range::Segment;
use super::sources::{bytes_of, file_name};
use crate::number::Asn;

/// One of the files that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeFile {
    /// Where it comes from, in words, with the file's name.
    pub origin: String,
    /// The day it was written, or of the latest change in it.
    pub built_at: Option<Date>,
    /// SHA-256 of the file as it was read, before unpacking: what `sha256sum` prints.
    pub sha256: Digest,
}

/// What is known of an address in an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peering<'a> {
    /// The members it was given to: one, or none if that is not known, or several if a file says so.
    pub members: Vec<Asn>,
    /// The LAN around it, if a file says that.
    pub prefix: Option<IpNetwork>,
    /// What the exchange is called. Foreign text: escape it before it is printed.
    pub exchange: Option<&'a str>,
    /// The file that says who the member is, or else what the LAN is.
    pub file: &'a ExchangeFile,
}

/// Peering LANs and their members.
///
/// ```
/// use lasthop::{asdb::Exchanges, number::Asn};
///
/// let members = r#"{"data": [{"ixlan_id": 1, "name": "IX", "asn": 64500, "ipaddr4": "198.51.100.7"}]}"#;
/// let lans = r#"{"data": [{"ixlan_id": 1, "prefix": "198.51.100.0/24"}]}"#;
/// let exchanges = Exchanges::from_readers([(members.as_bytes(), "netixlan.json"), (lans.as_bytes(), "ixpfx.json")])?;
/// let peering = exchanges.lookup("198.51.100.7".parse().unwrap()).unwrap();
/// assert_eq!((peering.members, peering.exchange), (vec![Asn(64500)], Some("IX")));
/// assert_eq!(exchanges.lookup("198.51.100.8".parse().unwrap()).unwrap().members, []);
/// # Ok::<(), lasthop::asdb::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Exchanges {
    /// By address; of one address all rows are of one file.
    members: Vec<Member>,
    lans: Vec<Lan>,
    /// Sorted disjoint segments; a segment's value is the place of its LAN.
    four: Vec<Segment<u32>>,
    six: Vec<Segment<u128>>,
    /// Sorted by AS.
    names: Vec<(Asn, String)>,
    files: Vec<ExchangeFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    address: IpAddr,
    asn: Asn,
    file: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Lan {
    prefix: IpNetwork,
    exchange: Option<String>,
    file: usize,
}

impl Exchanges {
    /// Reads files of exchanges' members and LANs, plain or packed (gzip, bzip2, Zstandard, xz).
    ///
    /// # Errors
    /// A file cannot be read or unpacked, is longer than 512 MiB, is no JSON or has a value that is none of its kind, or nothing of
    /// exchanges is in it; or all files together have neither a member nor a LAN.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self, Error> {
        let mut files = Vec::new();
        for path in paths.iter().map(AsRef::as_ref) {
            let file = fs::File::open(path).map_err(|source| Error::Io {
                operation: Operation::Open,
                path: path.to_path_buf(),
                source,
            })?;
            files.push((file, path));
        }
        Self::from_readers(files)
    }

    /// The same from anything that can be read; the names stand for the paths in errors and in [`ExchangeFile::origin`].
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_readers<R: Read, P: AsRef<Path>>(
        readers: impl IntoIterator<Item = (R, P)>,
    ) -> Result<Self, Error> {
        let mut all = Vec::new();
        let mut files = Vec::new();
        let mut last = PathBuf::new();
        for (reader, name) in readers {
            let path = name.as_ref();
            let bytes = bytes_of(reader, path, read::LONGEST)?;
            let contents = read::read(&bytes, path)?;
            files.push(ExchangeFile {
                origin: format!("{} ({})", contents.form, file_name(path)),
                built_at: contents.date,
                sha256: file::digest(&bytes),
            });
            all.push(contents);
            path.clone_into(&mut last);
        }
        let exchanges = Self::of(all, files);
        if exchanges.members.is_empty() && exchanges.lans.is_empty() {
            return Err(Error::Unsuited {
                path: last,
                found: "without a member's address and without a LAN",
                wanted: read::WANTED,
                hint: read::HINT,
            });
        }
        Ok(exchanges)
    }

    /// From the contents of files, the one that is believed first in front; one of `files` for each.
    pub(crate) fn of(all: Vec<Contents>, files: Vec<ExchangeFile>) -> Self {
        let exchange_name = |exchange: &Exchange| match exchange {
            Exchange::Named(name) => name.clone(),
            // PeeringDB gives an exchange one LAN of the same number; `ixlan` says so where it is not so.
            Exchange::Lan(lan) => {
                all.iter().find_map(|contents| contents.lan_names.get(lan)).cloned().or_else(|| {
                    let exchange =
                        all.iter().find_map(|contents| contents.exchange_of.get(lan)).unwrap_or(lan);
                    all.iter().find_map(|contents| contents.exchange_names.get(exchange)).cloned()
                })
            }
        };
        let mut lans = Vec::new();
        let mut members = Vec::new();
        for (file, contents) in all.iter().enumerate() {
            lans.extend(contents.lans.iter().map(|(prefix, exchange)| Lan {
                prefix: *prefix,
                exchange: exchange_name(exchange),
                file,
            }));
            members.extend(contents.members.iter().map(|(address, asn)| Member {
                address: *address,
                asn: *asn,
                file,
            }));
        }
        let mut names: Vec<(Asn, String)> = all.into_iter().flat_map(|contents| contents.names).collect();
        // Stable sorts: what was read first stays first.
        names.sort_by_key(|(asn, _)| *asn);
        names.dedup_by_key(|(asn, _)| *asn);
        members.sort_by_key(|member| (member.address, member.file));
        let mut kept: Vec<Member> = Vec::with_capacity(members.len());
        for member in members {
            let same = kept.iter().rev().take_while(|one| one.address == member.address);
            if same.clone().all(|one| one.file == member.file && one.asn != member.asn)
                && same.count() < MOST_MEMBERS
            {
                kept.push(member);
            }
        }
        Self::of_parts(kept, lans, names, files)
    }

    /// `members` are sorted by address, `names` by AS.
    fn of_parts(
        members: Vec<Member>,
        lans: Vec<Lan>,
        names: Vec<(Asn, String)>,
        files: Vec<ExchangeFile>,
    ) -> Self {
        let (four, six) = by_family(lans.iter().map(|lan| lan.prefix));
        Self { members, four, six, lans, names, files }
    }

    /// The same as contents of files, one for each, for a table built from another.
    pub(crate) fn contents(&self) -> Vec<Contents> {
        let mut all: Vec<Contents> = self.files.iter().map(|_| Contents::new(Form::PeeringDb)).collect();
        for member in &self.members {
            all[member.file].members.push((member.address, member.asn));
        }
        for lan in &self.lans {
            all[lan.file].lans.push((lan.prefix, Exchange::Named(lan.exchange.clone())));
        }
        all
    }

    /// The prefixes of all LANs.
    pub fn lan_prefixes(&self) -> impl Iterator<Item = IpNetwork> + '_ {
        self.lans.iter().map(|lan| lan.prefix)
    }

    #[cfg(test)]
    /// Every address that was given to a member.
    pub(crate) fn member_addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.members.iter().map(|member| member.address)
    }

    /// What is known of an address; nothing if no file has it as a member's or in a LAN. The narrowest LAN answers.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Option<Peering<'_>> {
        let address = address.to_canonical();
        let first = self.members.partition_point(|member| member.address < address);
        let members: Vec<Member> =
            self.members[first..].iter().take_while(|member| member.address == address).copied().collect();
        let lan = match address {
            IpAddr::V4(address) => find(&self.four, u32::from(address)),
            IpAddr::V6(address) => find(&self.six, u128::from(address)),
        };
        let lan = lan.and_then(|place| self.lans.get(place as usize));
        let file = members.first().map(|member| member.file).or(lan.map(|lan| lan.file))?;
        Some(Peering {
            members: members.iter().map(|member| member.asn).collect(),
            prefix: lan.map(|lan| lan.prefix),
            exchange: lan.and_then(|lan| lan.exchange.as_deref()),
            file: self.files.get(file)?,
        })
    }

    /// What a member is called, where a file says it. Foreign text: escape it before it is printed.
    #[must_use]
    pub fn name(&self, asn: Asn) -> Option<&str> {
        let place = self.names.binary_search_by_key(&asn, |(asn, _)| *asn).ok()?;
        Some(&self.names[place].1)
    }

    /// The files, in the order given.
    #[must_use]
    pub fn files(&self) -> &[ExchangeFile] {
        &self.files
    }

    /// Addresses with a member.
    #[must_use]
    pub fn addresses(&self) -> u64 {
        self.members.chunk_by(|a, b| a.address == b.address).count() as u64
    }

    /// LANs, IPv4 and IPv6 apart.
    #[must_use]
    pub fn lans(&self) -> u64 {
        self.lans.len() as u64
    }
}

/// More members of one address than this are not kept; more than one is a mistake already.
const MOST_MEMBERS: usize = 16;

#[cfg(test)]
mod tests;
