//! A result as it stands in the file, in buffers that serve one result after the other.
//!
//! Keys come in any order (the kind of a reply depends on `dst_addr`, which may follow it), so that a result is first read
//! into flat lists and then understood. No text is kept where a number or an address will do.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::import::data::json::{Flag, Float, Int, List, Object, Text, With, otherwise};
use crate::import::data::words::{address, clean, milliseconds, sentence};
use crate::trace::foreign::most;
use crate::trace::{MplsLabel, Protocol};

/// Replies of one result that are kept: real ones have up to some thousand.
const ITEMS: usize = 1 << 16;

/// Hops of one result that are kept, repeated ones among them.
const HOPS: usize = 1024;

/// Texts of one result that are kept: errors and marks.
const TEXTS: usize = 4096;

/// What a result says of one TTL.
#[derive(Clone, Debug, Default)]
pub(super) struct RawHop {
    /// As written; hops without a number (no name could be resolved) have none.
    pub(super) ttl: Option<i64>,
    /// Which of [`Raw::items`].
    pub(super) items: Range<usize>,
    /// What went wrong, in [`Raw::texts`].
    pub(super) error: Option<u32>,
    pub(super) sent: u32,
    pub(super) answered: u32,
}

/// What became of a probe, or a late or second answer to one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Item {
    pub(super) from: Option<IpAddr>,
    pub(super) edst: Option<IpAddr>,
    pub(super) rtt: Option<f64>,
    pub(super) mtu: Option<u32>,
    /// In [`Raw::texts`].
    pub(super) err: Option<u32>,
    /// In [`Raw::texts`].
    pub(super) error: Option<u32>,
    pub(super) late: u32,
    pub(super) labels: (u32, u8),
    /// The flag byte of a TCP answer.
    pub(super) flags: Option<u8>,
    pub(super) ttl: Option<u8>,
    pub(super) ittl: Option<u8>,
    pub(super) silent: bool,
    pub(super) dup: bool,
    /// It quotes a probe, so that it is an error and no answer of the destination's.
    pub(super) quotes: bool,
    /// Index of the hop that it belongs to; no hop if it is left out.
    pub(super) hop: Option<u32>,
}

/// One result.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) firmware: Option<i64>,
    pub(super) protocol: Option<Protocol>,
    pub(super) size: Option<i64>,
    pub(super) began: Option<i64>,
    pub(super) ended: Option<i64>,
    pub(super) synced: Option<i64>,
    pub(super) measurement: Option<i64>,
    pub(super) probe: Option<u64>,
    pub(super) source: Option<IpAddr>,
    pub(super) public: Option<IpAddr>,
    pub(super) address: Option<IpAddr>,
    pub(super) name: String,
    /// What it is, if no traceroute.
    pub(super) other: Option<String>,
    /// The text that firmware 1 sent.
    pub(super) classic: String,
    pub(super) hops: Vec<RawHop>,
    pub(super) items: Vec<Item>,
    pub(super) labels: Vec<MplsLabel>,
    pub(super) texts: Vec<String>,
    /// Items, hops and texts beyond what is kept.
    pub(super) left: u64,
    /// It has a list of hops or a text.
    pub(super) has_result: bool,
    /// The last address as it was written, for most replies come in threes.
    recent: Recent,
}

/// A text and the address that it is.
#[derive(Debug)]
struct Recent {
    text: [u8; 40],
    length: usize,
    address: Option<IpAddr>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { text: [0; 40], length: 0, address: None }
    }
}

impl Raw {
    /// Makes it ready for the next result; the buffers stay.
    pub(super) fn clear(&mut self) {
        let mut fresh = Self {
            hops: std::mem::take(&mut self.hops),
            items: std::mem::take(&mut self.items),
            labels: std::mem::take(&mut self.labels),
            texts: std::mem::take(&mut self.texts),
            ..Self::default()
        };
        fresh.hops.clear();
        fresh.items.clear();
        fresh.labels.clear();
        fresh.texts.clear();
        *self = fresh;
    }

    fn address(&mut self, text: &str) -> Option<IpAddr> {
        let recent = &mut self.recent;
        if recent.length == text.len() && recent.text[..text.len()] == *text.as_bytes() {
            return recent.address;
        }
        let found = address(text);
        if let Some(room) = recent.text.get_mut(..text.len()) {
            room.copy_from_slice(text.as_bytes());
            recent.length = text.len();
            recent.address = found;
        }
        found
    }

    fn text(&mut self, text: Option<&str>) -> Option<u32> {
        let text = text?;
        if self.texts.len() >= TEXTS {
            self.left += 1;
            return None;
        }
        self.texts.push(sentence(text));
        Some(self.texts.len() as u32 - 1)
    }
}

/// Visits maps by a function for each of their keys, after one that begins; any other value is passed.
macro_rules! map_seed {
    ($name:ident, $begin:expr, |$raw:ident, $key:ident, $map:ident| $body:expr) => {
        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_any(self)
            }
        }

        impl<'de> Visitor<'de> for $name<'_> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<(), A::Error> {
                let $raw: &mut Raw = self.0;
                let begin: fn(&mut Raw) = $begin;
                begin($raw);
                while let Some($key) = $map.next_key_seed(KeySeed)? {
                    $body
                }
                Ok(())
            }

            otherwise!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));
            otherwise!(unit);
            otherwise!(seq);
        }
    };
}

/// The keys that are read, of all levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Key {
    #[default]
    Other,
    From,
    Ttl,
    Rtt,
    Silent,
    Err,
    Late,
    Dup,
    Ittl,
    Edst,
    Mtu,
    Flags,
    Icmpext,
    Error,
    Hop,
    Result,
    Firmware,
    Proto,
    Size,
    Timestamp,
    Endtime,
    Lts,
    Msm,
    Probe,
    Source,
    Destination,
    Name,
    Type,
}

/// Reads a key as bytes: whether a key that is compared anyway is UTF-8 need not be asked; asking took 7 % of the time.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Key, E> {
        Ok(Key::of(key))
    }
}

impl Key {
    #[inline]
    fn of(text: &[u8]) -> Self {
        match text {
            b"from" => Self::From,
            b"ttl" => Self::Ttl,
            b"rtt" => Self::Rtt,
            b"x" => Self::Silent,
            b"err" => Self::Err,
            b"late" => Self::Late,
            b"dup" => Self::Dup,
            b"ittl" => Self::Ittl,
            b"edst" => Self::Edst,
            b"mtu" => Self::Mtu,
            b"flags" => Self::Flags,
            b"icmpext" => Self::Icmpext,
            b"error" => Self::Error,
            b"hop" => Self::Hop,
            b"result" => Self::Result,
            b"fw" => Self::Firmware,
            b"proto" => Self::Proto,
            b"size" => Self::Size,
            b"timestamp" => Self::Timestamp,
            b"endtime" => Self::Endtime,
            b"lts" => Self::Lts,
            b"msm_id" => Self::Msm,
            b"prb_id" => Self::Probe,
            b"src_addr" => Self::Source,
            b"dst_addr" => Self::Destination,
            b"dst_name" => Self::Name,
            b"type" => Self::Type,
            _ => Self::Other,
        }
    }
}

/// A whole result.
pub(super) struct Top<'a>(pub(super) &'a mut Raw);

map_seed!(Top, |_| {}, |raw, key, map| match key {
    Key::Firmware => raw.firmware = map.next_value::<Int>()?.0,
    Key::Proto => raw.protocol = map.next_value_seed(With(protocol))?,
    Key::Size => raw.size = map.next_value::<Int>()?.0,
    Key::Timestamp => raw.began = map.next_value::<Int>()?.0,
    Key::Endtime => raw.ended = map.next_value::<Int>()?.0,
    Key::Lts => raw.synced = map.next_value::<Int>()?.0,
    Key::Msm => raw.measurement = map.next_value::<Int>()?.0,
    Key::Probe => raw.probe = map.next_value::<Int>()?.to(),
    Key::Source => raw.source = map.next_value_seed(With(address))?,
    Key::From => raw.public = map.next_value_seed(With(address))?,
    Key::Destination => raw.address = map.next_value_seed(With(address))?,
    Key::Name => raw.name = map.next_value_seed(With(clean))?,
    Key::Type => {
        raw.other = map.next_value_seed(With(|text: &str| (text != "traceroute").then(|| clean(text))))?;
    }
    Key::Result => map.next_value_seed(Hops(&mut *raw))?,
    Key::Error => {
        // Of the measurement as a whole, as where no name could be resolved.
        let text = map.next_value::<Text<'_>>()?;
        let error = raw.text(text.get());
        let items = raw.items.len()..raw.items.len();
        raw.hops.push(RawHop { error, items, ..RawHop::default() });
    }
    _ => {
        map.next_value::<IgnoredAny>()?;
    }
});

fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "ICMP" | "I" => Some(Protocol::Icmp),
        "UDP" | "U" => Some(Protocol::Udp),
        "TCP" | "T" => Some(Protocol::Tcp),
        _ => None,
    }
}

/// The list of hops, or a text.
struct Hops<'a>(&'a mut Raw);

impl<'de> DeserializeSeed<'de> for Hops<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Hops<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.0.has_result = true;
        while self.0.hops.len() < HOPS {
            if list.next_element_seed(OneHop(&mut *self.0))?.is_none() {
                return Ok(());
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            self.0.left += 1;
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.has_result = true;
        text.clone_into(&mut self.0.classic);
        Ok(())
    }

    otherwise!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
    otherwise!(unit);
    otherwise!(map);
}

/// One hop.
struct OneHop<'a>(&'a mut Raw);

map_seed!(
    OneHop,
    |raw| {
        let items = raw.items.len()..raw.items.len();
        raw.hops.push(RawHop { items, ..RawHop::default() });
    },
    |raw, key, map| match key {
        Key::Hop => {
            let ttl = map.next_value::<Int>()?.0;
            if let Some(hop) = raw.hops.last_mut() {
                hop.ttl = ttl;
            }
        }
        Key::Error => {
            let text = map.next_value::<Text<'_>>()?;
            let at = raw.text(text.get());
            if let Some(hop) = raw.hops.last_mut() {
                hop.error = at;
            }
        }
        Key::Result => {
            map.next_value_seed(Items(&mut *raw))?;
            let end = raw.items.len();
            if let Some(hop) = raw.hops.last_mut() {
                hop.items.end = end;
            }
        }
        _ => {
            map.next_value::<IgnoredAny>()?;
        }
    }
);

/// The list of what became of a hop's probes.
struct Items<'a>(&'a mut Raw);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let room = ITEMS.min(self.0.items.len() + most::REPLIES);
        while self.0.items.len() < room {
            if list.next_element_seed(OneItem(&mut *self.0))?.is_none() {
                return Ok(());
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            self.0.left += 1;
        }
        Ok(())
    }

    otherwise!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));
    otherwise!(unit);
    otherwise!(map);
}

/// One of them.
struct OneItem<'a>(&'a mut Raw);

impl<'de> DeserializeSeed<'de> for OneItem<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneItem<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let raw = self.0;
        let mut item = Item::default();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            match key {
                Key::From => item.from = map.next_value_seed(With(|text: &str| raw.address(text)))?,
                Key::Ttl => item.ttl = map.next_value::<Int>()?.to(),
                Key::Rtt => item.rtt = map.next_value::<Float>()?.0.and_then(milliseconds),
                Key::Silent => {
                    map.next_value::<IgnoredAny>()?;
                    item.silent = true;
                }
                Key::Err => item.err = raw.text(map.next_value::<Text<'_>>()?.get()),
                Key::Error => item.error = raw.text(map.next_value::<Text<'_>>()?.get()),
                Key::Late => item.late = map.next_value::<Int>()?.to().unwrap_or(0),
                Key::Dup => item.dup = map.next_value::<Flag>()?.0 == Some(true),
                Key::Ittl => {
                    item.ittl = map.next_value::<Int>()?.to();
                    item.quotes = true;
                }
                Key::Edst => {
                    item.edst = map.next_value_seed(With(address))?;
                    item.quotes = true;
                }
                Key::Mtu => item.mtu = map.next_value::<Int>()?.to(),
                Key::Flags => item.flags = map.next_value_seed(With(|text: &str| Some(flags(text))))?,
                Key::Icmpext => {
                    let objects = map.next_value::<Object<Extensions>>()?.0.unwrap_or_default();
                    item.labels = raw.stack(&objects);
                    item.quotes = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        raw.items.push(item);
        Ok(())
    }

    otherwise!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));
    otherwise!(unit);
    otherwise!(seq);
}

/// The flag byte of letters (RFC 9293 §3.1).
fn flags(letters: &str) -> u8 {
    letters.bytes().fold(0, |flags, letter| {
        flags
            | match letter {
                b'F' => 1,
                b'S' => 2,
                b'R' => 4,
                b'P' => 8,
                b'A' => 16,
                b'U' => 32,
                _ => 0,
            }
    })
}

/// RFC 4884 extensions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extensions {
    obj: List<Object<Extension>, 16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extension {
    mpls: List<Object<Label>, { most::LABELS }>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Label {
    label: Int,
    exp: Int,
    s: Int,
    ttl: Int,
}

impl Raw {
    fn stack(&mut self, extensions: &Extensions) -> (u32, u8) {
        let from = self.labels.len();
        let entries =
            extensions.obj.kept.iter().filter_map(|one| one.0.as_ref()).flat_map(|one| &one.mpls.kept);
        for entry in entries.filter_map(|one| one.0.as_ref()).take(most::LABELS) {
            if let (Some(label), Some(ttl)) =
                (entry.label.to().filter(|label| *label < 1 << 20), entry.ttl.to())
            {
                let tc = entry.exp.to().unwrap_or(0) & 7;
                self.labels.push(MplsLabel { label, tc, bottom: entry.s.0 == Some(1), ttl });
            }
        }
        (from as u32, (self.labels.len() - from) as u8)
    }
}
