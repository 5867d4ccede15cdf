//! The two forms, read row by row: a dump of all exchanges is a hundred megabytes of which a few are kept.
//!
//! A form is told from the keys of the outermost object and of its rows. Keys that are not known are skipped, as both publishers
//! ask readers to; a known key with a value that is none of its kind is an error with its place, for an address read wrongly
//! would name the wrong network. Only what is plainly "nothing" (null, an empty text, PHP's `[]`) is taken as that.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufReader, Read};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::path::Path;

use ipnetwork::IpNetwork;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use crate::asdb::error::{Error, Operation};
use crate::asdb::sources::unpacking;
use crate::number::Asn;

/// The most bytes of one file that are read, packed or unpacked: 512 MiB.
pub(super) const LONGEST: u64 = 1 << 29;

pub(super) const WANTED: &str = "a list of exchanges' members or LANs";

pub(super) const HINT: &str = "give what https://www.peeringdb.com/api/netixlan and .../api/ixpfx answer (fetched once and kept), or an \
                               exchange's IX-F member export";

/// An exchange's LAN is never wider than this: the widest known are /20 and /48, and a wider one would swallow what is none.
const WIDEST: (u8, u8) = (16, 32);

/// The objects of PeeringDB that are read; in a dump each is a key of its own.
const OBJECTS: [&str; 5] = ["net", "ix", "ixlan", "ixpfx", "netixlan"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    PeeringDb,
    IxF,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PeeringDb => "PeeringDB",
            Self::IxF => "IX-F member export",
        })
    }
}

/// How a file names the exchange of a LAN.
#[derive(Clone, Debug)]
pub(crate) enum Exchange {
    Named(Option<String>),
    /// PeeringDB's number of the LAN.
    Lan(u64),
}

/// What one file says.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    pub(crate) form: Form,
    pub(crate) date: Option<Date>,
    pub(crate) members: Vec<(IpAddr, Asn)>,
    pub(crate) lans: Vec<(IpNetwork, Exchange)>,
    /// Names of members.
    pub(crate) names: Vec<(Asn, String)>,
    /// PeeringDB: the exchange's name by the number of its LAN, from the members' rows.
    pub(super) lan_names: HashMap<u64, String>,
    /// PeeringDB: the exchange of a LAN.
    pub(super) exchange_of: HashMap<u64, u64>,
    /// PeeringDB: an exchange's name.
    pub(super) exchange_names: HashMap<u64, String>,
    /// Rows that were understood.
    pub(crate) rows: u64,
}

/// Reads a file, packed or not.
pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Contents, Error> {
    let (operation, unpacked) = unpacking(bytes);
    let mut text = BufReader::new(unpacked.take(LONGEST + 1));
    let mut contents = Contents::new(Form::PeeringDb);
    let result = {
        let mut json = serde_json::Deserializer::from_reader(&mut text);
        json.deserialize_map(Whole(&mut contents)).and_then(|()| json.end())
    };
    if text.get_ref().limit() == 0 {
        return Err(Error::TooLong { path: path.to_path_buf(), limit: LONGEST });
    }
    let unsuited = |found| Error::Unsuited { path: path.to_path_buf(), found, wanted: WANTED, hint: HINT };
    if let Err(error) = result {
        let begins = bytes.trim_ascii_start().first();
        return Err(match (operation, begins) {
            _ if error.is_io() => {
                Error::Io { operation, path: path.to_path_buf(), source: std::io::Error::from(error) }
            }
            (Operation::Read, None) => unsuited("empty"),
            (Operation::Read, Some(b'<')) => unsuited("a web page or XML"),
            (Operation::Read, Some(byte)) if *byte != b'{' => unsuited("no JSON object"),
            _ => Error::Json {
                path: path.to_path_buf(),
                line: error.line(),
                column: error.column(),
                problem: problem(&error),
            },
        });
    }
    if contents.rows == 0 {
        return Err(unsuited("JSON without a row of exchanges"));
    }
    Ok(contents)
}

/// What the reader says, without the place, which is said before it.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
    text.chars().map(|one| if one.is_control() { '\u{fffd}' } else { one }).take(160).collect()
}

/// The outermost object.
struct Whole<'a>(&'a mut Contents);

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with 'data' (PeeringDB) or 'member_list' (IX-F)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let contents = self.0;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "data" => map.next_value_seed(Each::new(|row| contents.peeringdb(row)))?,
                "meta" => contents.generated(&map.next_value()?),
                "timestamp" => {
                    let written: Option<String> = map.next_value()?;
                    contents.changed(written.as_deref());
                }
                "ixp_list" => map.next_value_seed(Each::new(|row| contents.exchange(row)))?,
                "member_list" => map.next_value_seed(Each::new(|row| contents.member(row)))?,
                object if OBJECTS.contains(&object) => map.next_value_seed(Part(&mut *contents))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// One kind of objects in a dump of PeeringDB.
struct Part<'a>(&'a mut Contents);

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with 'data'")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let contents = self.0;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "data" => map.next_value_seed(Each::new(|row| contents.peeringdb(row)))?,
                "meta" => contents.generated(&map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A list of which one row at a time is held.
struct Each<T, F>(F, PhantomData<T>);

impl<T, F: FnMut(T)> Each<T, F> {
    const fn new(each: F) -> Self {
        Self(each, PhantomData)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> DeserializeSeed<'de> for Each<T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Each<T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(row) = list.next_element()? {
            (self.0)(row);
        }
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A row of any of PeeringDB's objects. Which one it is, its keys tell.
#[derive(Deserialize)]
struct Row {
    id: Option<u64>,
    ix_id: Option<u64>,
    ixlan_id: Option<u64>,
    #[serde(default)]
    asn: Number,
    name: Option<String>,
    #[serde(default)]
    prefix: Lan,
    #[serde(default)]
    ipaddr4: Address,
    #[serde(default)]
    ipaddr6: Address,
    status: Option<String>,
    updated: Option<String>,
    /// Only exchanges have it.
    media: Option<IgnoredAny>,
    /// Facilities are of no use here.
    fac_id: Option<IgnoredAny>,
}

/// `meta` of an answer: seconds since 1970 when PeeringDB wrote it, if it came from its store.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    generated: Option<f64>,
}

/// An exchange of an IX-F export.
#[derive(Default, Deserialize)]
#[serde(default)]
struct IxfExchange {
    shortname: Option<String>,
    name: Option<String>,
    vlan: Option<Vec<IxfVlan>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IxfVlan {
    ipv4: Option<IxfBlock>,
    ipv6: Option<IxfBlock>,
}

#[derive(Default, Deserialize)]
#[serde(try_from = "IxfBlockRow")]
struct IxfBlock(Option<IpNetwork>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct IxfBlockRow {
    prefix: Option<String>,
    mask_length: Number,
}

impl TryFrom<IxfBlockRow> for IxfBlock {
    type Error = String;

    fn try_from(row: IxfBlockRow) -> Result<Self, String> {
        let Some(prefix) = row.prefix.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(Self(None));
        };
        let text = match row.mask_length.0 {
            Some(length) if !prefix.contains('/') => format!("{prefix}/{length}"),
            _ => prefix.to_owned(),
        };
        lan(&text).map(|lan| Self(Some(lan)))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IxfMember {
    asnum: Number,
    name: Option<String>,
    connection_list: Option<Vec<IxfConnection>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IxfConnection {
    vlan_list: Option<Vec<IxfPlace>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IxfPlace {
    ipv4: Option<IxfAddress>,
    ipv6: Option<IxfAddress>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IxfAddress {
    address: Address,
}

impl Contents {
    /// Nothing yet.
    pub(crate) fn new(form: Form) -> Self {
        Self {
            form,
            date: None,
            members: Vec::new(),
            lans: Vec::new(),
            names: Vec::new(),
            lan_names: HashMap::new(),
            exchange_of: HashMap::new(),
            exchange_names: HashMap::new(),
            rows: 0,
        }
    }

    fn peeringdb(&mut self, row: Row) {
        self.changed(row.updated.as_deref());
        // Deleted and pending rows are told apart by their status; one without a status is there.
        if row.status.is_some_and(|status| status != "ok") {
            return;
        }
        let name = row.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let asn = row.asn.0.filter(|asn| *asn != 0).map(Asn);
        match (row.ixlan_id, asn, row.prefix.0) {
            (Some(lan), Some(asn), _) => {
                let addresses = [row.ipaddr4.0, row.ipaddr6.0];
                self.members.extend(addresses.into_iter().flatten().map(|address| (address, asn)));
                if let Some(name) = name {
                    self.lan_names.entry(lan).or_insert(name);
                }
                if let Some(exchange) = row.ix_id {
                    self.exchange_of.insert(lan, exchange);
                }
            }
            (Some(lan), None, Some(prefix)) => self.lans.push((prefix, Exchange::Lan(lan))),
            (None, Some(asn), None) => self.names.extend(name.map(|name| (asn, name))),
            (None, None, None) if row.fac_id.is_none() => match (row.id, row.ix_id) {
                (Some(lan), Some(exchange)) => {
                    self.exchange_of.insert(lan, exchange);
                }
                (Some(exchange), None) if row.media.is_some() => {
                    self.exchange_names.extend(name.map(|name| (exchange, name)));
                }
                _ => return,
            },
            _ => return,
        }
        self.rows += 1;
    }

    fn exchange(&mut self, row: IxfExchange) {
        self.form = Form::IxF;
        self.rows += 1;
        let named = |name: Option<String>| name.filter(|name| !name.trim().is_empty());
        let name = named(row.shortname).or(named(row.name));
        for vlan in row.vlan.unwrap_or_default() {
            let blocks = [vlan.ipv4, vlan.ipv6].into_iter().flatten().filter_map(|block| block.0);
            self.lans.extend(blocks.map(|prefix| (prefix, Exchange::Named(name.clone()))));
        }
    }

    fn member(&mut self, row: IxfMember) {
        self.form = Form::IxF;
        let Some(asn) = row.asnum.0.filter(|asn| *asn != 0).map(Asn) else { return };
        self.rows += 1;
        let name = row.name.filter(|name| !name.trim().is_empty());
        self.names.extend(name.map(|name| (asn, name)));
        let places = row
            .connection_list
            .unwrap_or_default()
            .into_iter()
            .flat_map(|one| one.vlan_list.unwrap_or_default());
        let addresses = places.flat_map(|place| [place.ipv4, place.ipv6]).flatten();
        self.members.extend(addresses.filter_map(|one| one.address.0).map(|address| (address, asn)));
    }

    fn generated(&mut self, meta: &Meta) {
        // What is no time is none: the words of the file do not hang on it.
        let time = meta.generated.and_then(|seconds| Timestamp::from_second(seconds as i64).ok());
        self.date = time.map(|time| TimeZone::UTC.to_datetime(time).date()).max(self.date);
    }

    /// The day of an RFC 3339 time, if it is the latest.
    fn changed(&mut self, time: Option<&str>) {
        let date = time.and_then(|time| time.get(..10)).and_then(|day| day.parse::<Date>().ok());
        self.date = date.max(self.date);
    }
}

/// A number, or its digits as text, in front of which an AS number may have `AS`.
#[derive(Clone, Copy, Debug, Default)]
struct Number(Option<u32>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl Visitor<'_> for Numbers {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of at most 32 bits")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                let number = u32::try_from(value);
                number
                    .map(|number| Number(Some(number)))
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                if text.trim().is_empty() {
                    return Ok(Number(None));
                }
                let number = text.trim().parse::<Asn>();
                number
                    .map(|asn| Number(Some(asn.0)))
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Number, E> {
                Ok(Number(None))
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

/// An address, with the length of its LAN behind it or without.
#[derive(Clone, Copy, Debug, Default)]
struct Address(Option<IpAddr>);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Addresses;
        impl Visitor<'_> for Addresses {
            type Value = Address;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an IPv4 or IPv6 address")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Address, E> {
                let bare = text.split('/').next().unwrap_or_default().trim();
                if bare.is_empty() {
                    return Ok(Address(None));
                }
                match bare.parse::<IpAddr>() {
                    Ok(address) => Ok(Address(Some(address.to_canonical()))),
                    Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
            fn visit_unit<E: de::Error>(self) -> Result<Address, E> {
                Ok(Address(None))
            }
        }
        deserializer.deserialize_any(Addresses)
    }
}

/// The prefix of a LAN.
#[derive(Clone, Copy, Debug, Default)]
struct Lan(Option<IpNetwork>);

impl<'de> Deserialize<'de> for Lan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        match text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => lan(text).map(|lan| Self(Some(lan))).map_err(de::Error::custom),
            None => Ok(Self(None)),
        }
    }
}

fn lan(text: &str) -> Result<IpNetwork, String> {
    let wrong = |what: &str| format!("'{text}' is no prefix of an exchange's LAN: {what}");
    if !text.contains('/') {
        return Err(wrong("it has no length"));
    }
    let prefix: IpNetwork = text.parse().map_err(|_| wrong("it is no prefix"))?;
    let widest = if prefix.is_ipv4() { WIDEST.0 } else { WIDEST.1 };
    if prefix.prefix() < widest {
        return Err(wrong("no LAN is that wide"));
    }
    IpNetwork::new(prefix.network(), prefix.prefix()).map_err(|_| wrong("it is no prefix"))
}
