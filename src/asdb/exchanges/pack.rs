//! The section of a table file that holds exchanges: their LANs, and which member has which address.
//!
//! Four counts (LANs and addresses of IPv4, then of IPv6), then columns, sorted by address so that steps are small. The sources are numbers into the
//! list that the table's description has. Unpacked whole at the first question: PeeringDB knows some hundred thousand addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{ExchangeFile, Exchanges, Lan, Member};
use crate::asdb::codec::{Columns, Cursor, put_column, put_varint};
use crate::asdb::error::{At, Error};
use crate::asdb::range::Key;
use crate::number::Asn;

/// More LANs, or addresses of members, of one family are not kept: 4,194,304, some forty times what there are.
pub(crate) const MOST: usize = 1 << 22;

/// The columns' numbers in the file, those of IPv6 above those of IPv4 by [`column::SIX`]. A reader skips numbers it does not know.
mod column {
    /// Names of exchanges, each ended by a zero byte.
    pub(super) const NAMES: u8 = 1;
    /// A varint a LAN: how far its first address is behind that of the LAN before.
    pub(super) const LAN: u8 = 2;
    /// A byte a LAN: its prefix length.
    pub(super) const BITS: u8 = 3;
    /// A varint a LAN: 0 if nobody says which exchange, else 1 + the place of its name.
    pub(super) const NAME: u8 = 4;
    /// A varint a LAN: its source.
    pub(super) const LAN_FILE: u8 = 5;
    /// A varint for each member of an address: how far it is behind the address before.
    pub(super) const ADDRESS: u8 = 6;
    /// A varint for each: the member's AS number.
    pub(super) const ASN: u8 = 7;
    /// A varint for each: its source.
    pub(super) const FILE: u8 = 8;
    pub(super) const SIX: u8 = 16;
    /// One more than the highest number.
    pub(super) const END: usize = 32;
}

impl Exchanges {
    /// The section's bytes. Of several rows for one LAN the first is kept, which is the one that answers.
    ///
    /// # Errors
    /// More LANs or members than the section holds.
    pub(crate) fn pack(&self) -> Result<Vec<u8>, Error> {
        for (what, got) in
            [("LANs of exchanges", self.lans.len()), ("members of exchanges", self.members.len())]
        {
            if got > MOST {
                return Err(Error::TooMany { what, got: got as u64, limit: MOST as u64 });
            }
        }
        let mut names: BTreeMap<&str, usize> =
            self.lans.iter().filter_map(|lan| lan.exchange.as_deref()).map(|name| (name, 0)).collect();
        let mut text = Vec::new();
        for (place, (name, number)) in names.iter_mut().enumerate() {
            *number = place + 1;
            text.extend(name.bytes().filter(|byte| *byte != 0));
            text.push(0);
        }
        let mut lans: Vec<&Lan> = self.lans.iter().collect();
        // Stable: of equal prefixes the one that was read first stays in front.
        lans.sort_by_key(|lan| lan.prefix);
        lans.dedup_by_key(|lan| lan.prefix);
        let mut columns: Vec<(u8, Vec<u8>)> = vec![(column::NAMES, text)];
        let mut counts = Vec::new();
        for (six, base) in [(false, 0), (true, column::SIX)] {
            let mut raw: [Vec<u8>; 9] = Default::default();
            let (mut count, mut before) = (0u128, 0);
            for lan in lans.iter().filter(|lan| lan.prefix.is_ipv6() == six) {
                let at = wide(lan.prefix.network());
                put_varint(&mut raw[usize::from(column::LAN)], at - before);
                raw[usize::from(column::BITS)].push(lan.prefix.prefix());
                let name = lan.exchange.as_deref().and_then(|name| names.get(name)).copied().unwrap_or(0);
                put_varint(&mut raw[usize::from(column::NAME)], name as u128);
                put_varint(&mut raw[usize::from(column::LAN_FILE)], lan.file as u128);
                (count, before) = (count + 1, at);
            }
            put_varint(&mut counts, count);
            (count, before) = (0, 0);
            for member in self.members.iter().filter(|member| member.address.is_ipv6() == six) {
                let at = wide(member.address);
                put_varint(&mut raw[usize::from(column::ADDRESS)], at - before);
                put_varint(&mut raw[usize::from(column::ASN)], member.asn.0.into());
                put_varint(&mut raw[usize::from(column::FILE)], member.file as u128);
                (count, before) = (count + 1, at);
            }
            put_varint(&mut counts, count);
            columns.extend((0..).map(|number: u8| number + base).zip(raw));
        }
        for (number, raw) in columns {
            put_column(&mut counts, number, &raw);
        }
        Ok(counts)
    }

    /// Reads the section; `files` are its sources.
    pub(crate) fn unpack(bytes: &[u8], at: At<'_>, files: Vec<ExchangeFile>) -> Result<Self, Error> {
        let mut from = Cursor::new(bytes, at, "the list of exchanges");
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = from.size("the number of LANs or members", MOST)?;
        }
        let most = counts.iter().max().copied().unwrap_or_default();
        let mut raw: [Vec<u8>; column::END] = Default::default();
        let mut columns = Columns::new();
        while !from.is_empty() {
            // A varint of 128 bits takes 19 bytes, a name of an exchange is no book.
            let (number, values) = columns.next(&mut from, most.saturating_mul(256))?;
            if let Some(column) = raw.get_mut(usize::from(number)) {
                *column = values;
            }
        }
        let names = std::str::from_utf8(&raw[usize::from(column::NAMES)])
            .map_err(|error| at.malformed("the name of an exchange", "UTF-8", error.valid_up_to() as u64))?;
        let names: Vec<&str> = names.split_terminator('\0').collect();
        let [lans_four, members_four, lans_six, members_six] = counts;
        let reader = Reader { raw: &raw, at, names, files: files.len() };
        let mut lans = reader.lans::<u32>(0, lans_four)?;
        lans.extend(reader.lans::<u128>(column::SIX, lans_six)?);
        let mut members = reader.members::<u32>(0, members_four)?;
        members.extend(reader.members::<u128>(column::SIX, members_six)?);
        Ok(Self::of_parts(members, lans, Vec::new(), files))
    }
}

/// An address as an integer, in its own family.
fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

struct Reader<'a> {
    raw: &'a [Vec<u8>; column::END],
    at: At<'a>,
    names: Vec<&'a str>,
    files: usize,
}

impl<'a> Reader<'a> {
    fn values(&self, base: u8, number: u8) -> Cursor<'a> {
        Cursor::new(&self.raw[usize::from(base + number)], self.at, "a column of exchanges")
    }

    fn address<K: Key>(&self, before: &mut u128, from: &mut Cursor<'_>) -> Result<K, Error> {
        let step = from.varint()?;
        let next = before.checked_add(step);
        *before = next.unwrap_or_default();
        next.and_then(K::narrow)
            .ok_or_else(|| self.at.malformed("an address of an exchange", "inside its family", step as u64))
    }

    fn file(&self, from: &mut Cursor<'_>) -> Result<usize, Error> {
        let file = from.size("the source of an exchange", self.files)?;
        (file < self.files).then_some(file).ok_or_else(|| {
            self.at.malformed("the source of an exchange", "one of those described", file as u64)
        })
    }

    fn lans<K: Key>(&self, base: u8, count: usize) -> Result<Vec<Lan>, Error> {
        let (mut addresses, mut bits) = (self.values(base, column::LAN), self.values(base, column::BITS));
        let (mut names, mut files) = (self.values(base, column::NAME), self.values(base, column::LAN_FILE));
        let mut lans = Vec::new();
        let mut before = 0;
        for _ in 0..count {
            let address: K = self.address(&mut before, &mut addresses)?;
            let bits = u32::from(bits.byte()?);
            let prefix = address.network(bits);
            if bits > K::BITS || prefix.network() != address.address() {
                return Err(self.at.malformed(
                    "the length of a LAN",
                    "that of a prefix at its address",
                    bits.into(),
                ));
            }
            let name = names.size("the name of a LAN", self.names.len())?;
            let exchange = name.checked_sub(1).map(|place| self.names[place].to_owned());
            lans.push(Lan { prefix, exchange, file: self.file(&mut files)? });
        }
        Ok(lans)
    }

    fn members<K: Key>(&self, base: u8, count: usize) -> Result<Vec<Member>, Error> {
        let (mut addresses, mut asns) = (self.values(base, column::ADDRESS), self.values(base, column::ASN));
        let mut files = self.values(base, column::FILE);
        let mut members = Vec::new();
        let mut before = 0;
        for _ in 0..count {
            let address: K = self.address(&mut before, &mut addresses)?;
            let asn = Asn(asns.size("a member", u32::MAX as usize)? as u32);
            members.push(Member { address: address.address(), asn, file: self.file(&mut files)? });
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{DUMP, IXF, LANS, MEMBERS, of};
    use super::*;

    fn here() -> At<'static> {
        At { path: Path::new("t"), offset: 0 }
    }

    #[test]
    fn exchanges_come_back_with_their_members_names_and_sources() {
        for files in [&[MEMBERS, LANS][..], &[DUMP], &[IXF], &[MEMBERS, LANS, DUMP, IXF]] {
            let whole = of(files);
            let bytes = whole.pack().unwrap();
            let back = Exchanges::unpack(&bytes, here(), whole.files.clone()).unwrap();
            assert_eq!(back.members, whole.members);
            for address in whole.member_addresses().chain(whole.lan_prefixes().map(|lan| lan.broadcast())) {
                assert_eq!(back.lookup(address), whole.lookup(address), "{address}");
            }
            assert_eq!(back.pack().unwrap(), bytes);
            for cut in 0..bytes.len() {
                assert!(Exchanges::unpack(&bytes[..cut], here(), whole.files.clone()).is_err(), "{cut}");
            }
            let mut flipped = bytes.clone();
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    flipped[at] ^= 1 << bit;
                    // Whatever it says now, it is said without a panic.
                    let _ = Exchanges::unpack(&flipped, here(), whole.files.clone());
                    flipped[at] ^= 1 << bit;
                }
            }
        }
    }

    #[test]
    fn a_source_that_is_not_described_is_refused() {
        let whole = of(&[MEMBERS, LANS]);
        let error = Exchanges::unpack(&whole.pack().unwrap(), here(), Vec::new()).unwrap_err().to_string();
        assert!(error.contains("the source of an exchange"), "{error}");
    }
}
