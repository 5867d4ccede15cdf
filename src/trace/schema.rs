//! The one versioned JSON form of a run: `lasthop.run/1`.
//!
//! Plain data with the names and types of the published contract. Fields may be added, none renamed or removed, and a
//! reader ignores what it does not know. Who fills it in knows paths and verdicts; this module only knows how they are
//! written down and read back. Words of fixed lists (verdict kinds, mechanisms and the like) are strings here: their
//! lists belong to the rooms that use them, and [`json_schema`] is given them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The value of `schema` in a single run.
pub const RUN: &str = "lasthop.run/1";
/// The value of `schema` in a set of runs.
pub const SET: &str = "lasthop.set/1";

/// Lists in a document that is read may not be longer than this: no run comes near, and a hostile file must not make its
/// reader ask for more memory than the file has bytes.
mod most {
    /// Runs of a set.
    pub const RUNS: usize = 10_000;
    /// Hops of a path: the TTL has eight bits.
    pub const HOPS: usize = 255;
    /// Addresses that answer at one TTL.
    pub const RESPONDERS: usize = 64;
    /// References.
    pub const REFERENCES: usize = 64;
    /// Numbers of ASes in one place.
    pub const ASNS: usize = 1024;
    /// Whatever else is listed.
    pub const OTHERS: usize = 1024;
}

/// Reads a list of at most `MOST` values.
fn few<'de, const MOST: usize, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    struct Few<T, const MOST: usize>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MOST: usize> serde::de::Visitor<'de> for Few<T, MOST> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a list of at most {MOST}")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut found = Vec::new();
            while let Some(one) = list.next_element()? {
                if found.len() == MOST {
                    return Err(serde::de::Error::invalid_length(MOST + 1, &self));
                }
                found.push(one);
            }
            Ok(found)
        }
    }

    deserializer.deserialize_seq(Few::<T, MOST>(std::marker::PhantomData))
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`RUN`].
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// RFC 3339 UTC with fraction.
    pub started_at: Option<String>,
    /// RFC 3339 UTC with fraction.
    pub finished_at: Option<String>,
    /// Where it was measured from.
    pub vantage: Vantage,
    /// The IP-to-AS table that was used.
    pub asdb: Option<AsTable>,
    /// `tcp`, `icmp` or `udp`; null where an imported file does not say.
    pub protocol: Option<String>,
    /// Destination port; null for ICMP.
    pub port: Option<u16>,
    /// Bytes of the target's packets with their IP header, as asked for; null where size is not in question.
    #[serde(default)]
    pub size: Option<u16>,
    /// The host in question.
    pub target: Option<Path>,
    /// What it was compared with.
    #[serde(deserialize_with = "few::<{most::REFERENCES}, _, _>")]
    pub references: Vec<Path>,
    /// The conclusion; null where none is drawn (`trace`).
    pub verdict: Option<Verdict>,
    /// The search for references; null if none was made.
    #[serde(default)]
    pub search: Option<Search>,
    /// The target's ports and protocols that were tried, where a matrix was asked for; the target's own first.
    #[serde(default, deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub matrix: Vec<Variant>,
    /// The far host that is known to work, where one was named.
    #[serde(default)]
    pub check: Option<FarHost>,
    /// Routers that said that the target's packets were too big; the largest packets first.
    #[serde(default)]
    pub too_big: Vec<TooBig>,
    /// Hops that are several routers side by side, nearest first.
    #[serde(default, deserialize_with = "few::<{most::HOPS}, _, _>")]
    pub balancing: Vec<Balancer>,
    /// What went wrong, if anything.
    pub error: Option<Failure>,
    /// What the measurement cost and met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<Measurement>,
    /// Which tool measured, where it was another one; of imported runs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What is doubtful in an imported file.
    #[serde(
        default,
        deserialize_with = "few::<{most::OTHERS}, _, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub findings: Vec<Finding>,
    /// What lists of what is to be blocked say of the target, where some were named.
    #[serde(
        default,
        deserialize_with = "few::<{most::OTHERS}, _, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub registry: Vec<Listing>,
    /// How the names became addresses: every question of the run to a resolver.
    #[serde(
        default,
        deserialize_with = "few::<{most::OTHERS}, _, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub dns: Vec<Lookup>,
    /// The exchange with the service, where one was asked for and the target is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<App>,
    /// Which side of a domain's mail the target is: `incoming` where it takes mail (`--mx`), `outgoing` where it sends it
    /// (`--spf`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
}

impl Document {
    /// The protocol that `path`, or else the run, was measured with; empty where an imported file does not say.
    #[must_use]
    pub fn protocol_of<'a>(&'a self, path: &'a Path) -> &'a str {
        path.protocol.as_ref().or(self.protocol.as_ref()).map_or("", String::as_str)
    }
}

/// Which tool wrote what was imported, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The family: `traceroute`, `mtr`, `cisco`, `atlas` and so on.
    pub format: String,
    /// Which of its kinds; null where there is but one.
    pub dialect: Option<String>,
    /// The program's version, where the file tells.
    #[serde(default)]
    pub version: Option<String>,
    /// The file, as it was named.
    pub file: Option<String>,
    /// First and last line of it (of binary formats: record), counted from 1.
    pub lines: Option<[u64; 2]>,
    /// Number or name of the measurement in its network (RIPE Atlas, Globalping).
    #[serde(default)]
    pub measurement: Option<String>,
}

/// A real exchange with the target's service, after it was found to be reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// `smtp`, `tls` or `http`.
    pub protocol: String,
    /// The service answered as one that works.
    pub works: bool,
    /// What it said first: a line of at most 200 letters, as it came; null if nothing came.
    pub said: Option<String>,
    /// From the first packet until it was said, or nothing more was awaited.
    pub seconds: f64,
    /// Why it does not count as working; null if it does.
    pub error: Option<String>,
}

/// One question to a resolver, and the answer that the run was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// The name that was asked for.
    pub name: String,
    /// `A`, `AAAA` or `MX`; null where the system's resolver chose.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The server, address and port; null for the system's resolver.
    pub server: Option<String>,
    /// RFC 3339 UTC with fraction.
    pub asked_at: String,
    /// The records, in the order of the answer, aliases on the way to them first.
    #[serde(deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub answers: Vec<LookupAnswer>,
    /// Why there is no answer; null if there is one, if only an empty one.
    pub error: Option<String>,
}

/// One record of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupAnswer {
    /// An address; an MX record's preference and host, `10 mx1.example.`; or `alias of NAME`.
    pub data: String,
    /// How long the server says that it holds, in seconds; null from the system's resolver.
    pub ttl: Option<u32>,
}

/// What one published list says of the target; true of that file and of nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The file, as it was named.
    pub file: String,
    /// SHA-256 of it as given, hexadecimal.
    pub sha256: String,
    /// The date that it gives itself.
    pub dated: Option<String>,
    /// `zapret-csv`, `register-xml`, `plain-list` or `csv-profile`.
    pub format: String,
    /// What was looked for: addresses and names.
    #[serde(deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub asked: Vec<String>,
    /// Something of it stands there.
    pub listed: bool,
    /// Where; the first hundred.
    #[serde(deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub matches: Vec<ListingMatch>,
    /// Matches beyond those.
    #[serde(default)]
    pub more: u64,
    /// What of the file was not understood.
    #[serde(deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub warnings: Vec<String>,
}

/// One entry of a list that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingMatch {
    /// `address`, `subnet`, `under_entry`, `name`, `name_mask` or `url`.
    pub level: String,
    /// The address or name.
    pub asked: String,
    /// What stands in the file.
    pub entry: String,
    /// Its line, counted from 1; of XML the entry.
    pub line: u64,
    /// Number of the decision.
    pub decision: Option<String>,
    /// Its date.
    pub date: Option<String>,
    /// Whose decision it is.
    #[serde(default)]
    pub authority: Option<String>,
}

/// A doubt about something imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The line, counted from 1; null if it is about the whole.
    pub line: Option<u64>,
    /// What it is.
    pub text: String,
}

/// Several runs, and what they say together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Set {
    /// [`SET`].
    pub schema: String,
    /// The runs.
    #[serde(deserialize_with = "few::<{most::RUNS}, _, _>")]
    pub runs: Vec<Document>,
    /// An object with `kind`, `asns`, `summary` and more; null where nothing is concluded from all of them.
    #[serde(default)]
    pub conclusion: Option<Value>,
}

/// What made a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `lasthop`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Where a run was measured from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    /// Source address of the probes.
    pub source: Option<IpAddr>,
    /// The interface they left by.
    pub interface: Option<String>,
    /// Origin AS of the source address.
    pub asn: Option<u32>,
    /// The user's name for the place.
    pub label: Option<String>,
    /// The router that the probes were handed to, as the kernel's tables have it; of runs that compare uplinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The uplink as it was asked for (`--via`): `eth0`, `src:203.0.113.7`, `vrf:blue`, `mark:5`, `table:100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// `ordinary` where the probes went out of ordinary sockets, for want of the right to raw ones; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<String>,
    /// What could not be seen or done for that, a sentence each.
    #[serde(
        default,
        deserialize_with = "few::<{most::OTHERS}, _, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub limits: Vec<String>,
    /// How far the clocks on the wall there were ahead of UTC, `+03:00`; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_offset: Option<String>,
    /// The address under which the world saw it, where a measurement network tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<IpAddr>,
    /// ISO 3166 code of the country, where a measurement network tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The network's name, where a measurement network tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The probe's number in its measurement network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<u64>,
}

/// Hops at which several routers answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balancer {
    /// The first TTL with several routers.
    pub from_ttl: u8,
    /// The last one of them.
    pub to_ttl: u8,
    /// What chooses: `flow`, `destination`, `packet` or `unknown`.
    pub by: String,
    /// The most routers seen at one of these TTLs.
    pub routers: u8,
}

/// The IP-to-AS table that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsTable {
    /// Where it came from.
    pub origin: String,
    /// Date of its data, RFC 3339.
    pub built_at: Option<String>,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
    /// Prefixes or ranges in it.
    pub prefixes: u64,
    /// Days from that date to the beginning of the run; null if the date is not known or later.
    #[serde(default)]
    pub age_days: Option<u32>,
    /// What should be known of the table, in words, if it is old.
    #[serde(default)]
    pub warning: Option<String>,
    /// What it was made of, and under which terms; empty where the table does not say.
    #[serde(
        default,
        deserialize_with = "few::<{most::OTHERS}, _, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub sources: Vec<TableSource>,
    /// Which ASes are neighbours, where the user or the table tells that.
    #[serde(default)]
    pub adjacency: Option<AsLinks>,
    /// Members and LANs of exchanges, where the user or the table tells them.
    #[serde(default)]
    pub exchanges: Option<ExchangeData>,
}

/// A source of a table, and what its licence asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSource {
    /// What to call it.
    pub name: String,
    /// The day its data is of, `2026-06-17`.
    pub date: Option<String>,
    /// The terms it comes under, with whom to credit.
    pub licence: Option<String>,
}

/// The AS relationships that were used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsLinks {
    /// Where they came from.
    pub origin: String,
    /// Date of the data, RFC 3339.
    pub built_at: Option<String>,
    /// SHA-256 of the file as given, hexadecimal.
    pub sha256: String,
    /// Pairs of neighbours in it.
    pub links: u64,
}

/// The data on exchanges that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeData {
    /// The files, the one that is believed first.
    #[serde(deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub files: Vec<DataFile>,
    /// Peering LANs in them, IPv4 and IPv6 apart.
    pub lans: u64,
    /// Addresses with a member.
    pub addresses: u64,
}

/// A file that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Where it came from.
    pub origin: String,
    /// Date of the data, RFC 3339.
    pub built_at: Option<String>,
    /// SHA-256 of the file as given, hexadecimal.
    pub sha256: String,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A word for programs.
    pub kind: String,
    /// A sentence for people.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

/// A search for references: whom it asked, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// The target's announced prefix; null if it has none, and then no neighbour is asked.
    pub prefix: Option<String>,
    /// The neighbours are those of an earlier search, kept in the cache.
    pub from_cache: bool,
    /// When the neighbours were asked, RFC 3339.
    pub searched_at: String,
    /// Every address asked in this run, in order.
    #[serde(deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub touched: Vec<Touched>,
    /// Who serves as a reference.
    #[serde(deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub found: Vec<Found>,
}

/// An address that a search asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Which.
    pub address: IpAddr,
    /// When first, RFC 3339.
    pub at: String,
    /// Packets.
    pub tries: u32,
    /// `hint`, `alias`, `bracket`, `subnet` or `prefix`.
    pub why: String,
    /// `open`, `closed`, `unreachable`, `silent` or `not_sent`.
    pub outcome: String,
}

/// A host that a search found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its address.
    pub address: IpAddr,
    /// As in [`Touched`].
    pub why: String,
    /// `open` or `closed`.
    pub outcome: String,
}

/// A far host of another network, and whether it answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarHost {
    /// As the user wrote it.
    pub host: String,
    /// The address probed.
    pub address: IpAddr,
    /// It answered for itself.
    pub answered: bool,
    /// The lowest TTL at which it did.
    pub distance: Option<u8>,
}

/// A router's word that packets of the target's were too big (ICMP 3/4, ICMPv6 type 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TooBig {
    /// Who sent it.
    pub address: IpAddr,
    /// The first of its origin ASes.
    pub asn: Option<u32>,
    /// The TTL at which it answers as a hop, where it does.
    pub ttl: Option<u8>,
    /// Bytes of the packets that it was about; null where size was not in question.
    pub size: Option<u16>,
    /// Bytes that it says the next link takes, as received.
    pub mtu: u32,
    /// How often it came.
    pub count: u32,
}

/// One port or protocol of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// `tcp`, `icmp` or `udp`.
    pub protocol: String,
    /// Destination port; null for ICMP.
    pub port: Option<u16>,
    /// Something came in the host's name.
    pub answered: bool,
    /// The highest TTL at which a router, or the host, answered a probe with a limited TTL.
    pub furthest_ttl: Option<u8>,
    /// What came: `syn_ack`, `rst`, `echo_reply`, `udp_answer`, `unreachable`, or null.
    pub reply: Option<String>,
}

/// What the measurement cost and met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// Why it ended: `decided`, `out_of_probes`, `out_of_time`, `interrupted`, `cannot_send`.
    pub end: Option<String>,
    /// The user stopped it, or something broke: the record is not whole.
    pub incomplete: bool,
    /// Probes sent.
    pub probes: u32,
    /// Probes answered.
    pub answered: u32,
    /// Seconds from the first probe to the end.
    pub seconds: Seconds,
    /// Seed of every random choice.
    pub seed: u64,
    /// Packets that belonged to no probe.
    pub strays: u64,
    /// Packets the kernel dropped before they could be read.
    pub overflow: u64,
}

/// Seconds with a fraction, kept as nanoseconds so that documents can be compared for equality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seconds(pub u64);

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1e9)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Ok(Self((seconds.max(0.0) * 1e9).round() as u64))
    }
}

/// One destination's path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// As the user wrote it.
    pub host: String,
    /// The address probed.
    pub address: Option<IpAddr>,
    /// Its origin AS.
    pub asn: Option<u32>,
    /// That AS's name.
    pub as_name: Option<String>,
    /// The prefix that covers it.
    pub prefix: Option<String>,
    /// The host answered.
    pub reached: bool,
    /// The lowest TTL at which it did.
    pub distance: Option<u8>,
    /// By ascending TTL.
    #[serde(deserialize_with = "few::<{most::HOPS}, _, _>")]
    pub hops: Vec<Hop>,
    /// The ASes of the hops in order, repeats left out.
    #[serde(deserialize_with = "few::<{most::ASNS}, _, _>")]
    pub as_path: Vec<u32>,
    /// The protocol it was probed with, where it is not the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The port it was probed on, where it is not the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Bytes of the packets that these hops are of, with their IP header, where size is in question. The target's are fewer
    /// than asked for once a router has called them too big.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u16>,
    /// How it came to be a reference; of references only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
}

/// How a reference was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// `given`, `same_host`, `hint` or `found`.
    pub how: String,
    /// The same in words.
    pub words: String,
}

/// One TTL of a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// TTL or hop limit.
    pub ttl: u8,
    /// Probes sent.
    pub sent: Option<u32>,
    /// Probes answered.
    pub answered: Option<u32>,
    /// Who answered, most replies first.
    #[serde(deserialize_with = "few::<{most::RESPONDERS}, _, _>")]
    pub responders: Vec<Responder>,
}

/// One address that answered at a TTL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Responder {
    /// Its address.
    pub address: Option<IpAddr>,
    /// Origin AS, if there is exactly one or a first among several.
    pub asn: Option<u32>,
    /// All origin ASes.
    #[serde(deserialize_with = "few::<{most::ASNS}, _, _>")]
    pub asns: Vec<u32>,
    /// The first one's name.
    pub as_name: Option<String>,
    /// `as`, `private`, `ixp`, `unannounced` or `reserved`.
    pub kind: String,
    /// Round-trip times in milliseconds.
    pub rtt_ms: Option<RttMs>,
    /// Its replies by kind.
    pub replies: Replies,
    /// MPLS label stack of its replies, top first.
    #[serde(deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub mpls: Vec<Label>,
    /// The different TTLs its replies arrived with.
    #[serde(deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub reply_ttl: Vec<u8>,
    /// Its name in an imported file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// AS numbers that an imported file gives: claims, made from another table on another day.
    #[serde(
        default,
        deserialize_with = "few::<{most::OTHERS}, _, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub claims: Vec<u32>,
    /// The different marks in an imported file, as they stand there (`!X`).
    #[serde(
        default,
        deserialize_with = "few::<{most::OTHERS}, _, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub marks: Vec<String>,
    /// The destination that its replies quote, if it is not the one asked: it was translated on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewritten_to: Option<IpAddr>,
}

/// Round-trip times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RttMs {
    /// Shortest.
    pub min: f64,
    /// Mean.
    pub avg: f64,
    /// Longest.
    pub max: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like that")]
const fn none(count: &u32) -> bool {
    *count == 0
}

/// Replies by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replies {
    /// ICMP time exceeded.
    pub time_exceeded: u32,
    /// TCP SYN-ACK.
    pub syn_ack: u32,
    /// TCP RST.
    pub rst: u32,
    /// ICMP echo reply.
    pub echo_reply: u32,
    /// UDP datagram.
    #[serde(default)]
    pub udp_answer: u32,
    /// ICMP fragmentation needed or packet too big.
    #[serde(default, skip_serializing_if = "none")]
    pub too_big: u32,
    /// Replies of which an imported file does not tell the kind.
    #[serde(default, skip_serializing_if = "none")]
    pub other: u32,
    /// ICMP destination unreachable.
    #[serde(deserialize_with = "few::<{most::OTHERS}, _, _>")]
    pub unreachable: Vec<Unreachable>,
}

/// Unreachable messages of one type and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreachable {
    /// ICMP type.
    #[serde(rename = "type")]
    pub icmp_type: u8,
    /// ICMP code.
    pub code: u8,
    /// Messages.
    pub count: u32,
}

/// One MPLS label stack entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// 20-bit label.
    pub label: u32,
    /// Traffic class.
    pub tc: u8,
    /// Bottom of stack.
    pub bottom: bool,
    /// TTL.
    pub ttl: u8,
}

/// The conclusion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// One of the contract's kinds.
    pub kind: String,
    /// The ASes that may own the place where packets stop.
    #[serde(deserialize_with = "few::<{most::ASNS}, _, _>")]
    pub asns: Vec<u32>,
    /// Their names, in the same order.
    #[serde(deserialize_with = "few::<{most::ASNS}, _, _>")]
    pub as_names: Vec<String>,
    /// TTL of the last router proven reached.
    pub after_ttl: Option<u8>,
    /// TTL of the first control hop proven not reached.
    pub before_ttl: Option<u8>,
    /// Address of the former.
    pub after: Option<String>,
    /// Address of the latter.
    pub before: Option<String>,
    /// How packets are lost.
    pub mechanism: String,
    /// What is lost.
    pub scope: String,
    /// How sure the place is.
    pub location_confidence: f64,
    /// How sure its owners are.
    pub attribution_confidence: f64,
    /// What keeps the place from being surer.
    #[serde(default)]
    pub location_limit: Option<String>,
    /// What keeps the owners from being surer.
    #[serde(default)]
    pub attribution_limit: Option<String>,
    /// What would raise the lower of the two.
    #[serde(default)]
    pub raise: Option<String>,
    /// The figures.
    pub evidence: Evidence,
    /// Sizes of the target's packets; null where size was not in question.
    #[serde(default)]
    pub packet_size: Option<PacketSize>,
    /// Why nothing is concluded.
    pub reason: Option<String>,
    /// One or two sentences.
    pub summary: String,
    /// The cheapest thing to do next.
    pub next_step: Option<String>,
}

/// Sizes of packets to the target, in bytes with the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketSize {
    /// As asked for.
    pub asked: u16,
    /// The size that the conclusion says is lost.
    pub lost: Option<u16>,
    /// The largest that was answered.
    pub passes: Option<u16>,
}

/// The figures a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Pairs at the hop that decides.
    pub pairs: u32,
    /// Pairs in which the target was answered.
    pub target_answered: u32,
    /// Pairs in which the reference was answered.
    pub reference_answered: u32,
    /// The paired test's e-value.
    pub e_value: f64,
    /// Posterior probability of the interval.
    pub posterior: f64,
    /// Flows.
    pub flows: u32,
    /// References that got through.
    pub references: u32,
}

/// What lists say, for [`json_schema`].
fn registry() -> Value {
    let object = |properties: Value, required: &[&str]| json!({"type": "object", "properties": properties, "required": required});
    let (text, optional) = (json!({"type": "string"}), json!({"type": ["string", "null"]}));
    let count = json!({"type": "integer", "minimum": 0});
    let found = object(
        json!({
            "level": {"enum": ["address", "subnet", "under_entry", "name", "name_mask", "url"]},
            "asked": text, "entry": text, "line": count, "decision": optional, "date": optional, "authority": optional,
        }),
        &["level", "asked", "entry", "line", "decision", "date"],
    );
    let listing = object(
        json!({
            "file": text, "sha256": text, "dated": optional, "format": text, "more": count,
            "asked": {"type": "array", "items": text}, "listed": {"type": "boolean"},
            "matches": {"type": "array", "items": found}, "warnings": {"type": "array", "items": text},
        }),
        &["file", "sha256", "dated", "format", "asked", "listed", "matches", "warnings"],
    );
    json!({"type": "array", "items": listing})
}

/// The exchange with the service, for [`json_schema`].
fn app() -> Value {
    let optional = json!({"type": ["string", "null"]});
    json!({
        "type": "object", "required": ["protocol", "works", "said", "seconds", "error"],
        "properties": {
            "protocol": {"enum": ["smtp", "tls", "http"]}, "works": {"type": "boolean"}, "said": optional,
            "seconds": {"type": "number", "minimum": 0}, "error": optional,
        },
    })
}

/// What resolvers said, for [`json_schema`].
fn dns() -> Value {
    let (text, optional) = (json!({"type": "string"}), json!({"type": ["string", "null"]}));
    let answer = json!({
        "type": "object", "required": ["data", "ttl"],
        "properties": {"data": text, "ttl": {"type": ["integer", "null"], "minimum": 0}},
    });
    json!({"type": "array", "items": {
        "type": "object", "required": ["name", "type", "server", "asked_at", "answers", "error"],
        "properties": {
            "name": text, "type": {"enum": ["A", "AAAA", "MX", "TXT", null]}, "server": optional, "asked_at": text,
            "answers": {"type": "array", "items": answer}, "error": optional,
        },
    }})
}

/// The fixed lists of words, for [`json_schema`].
#[derive(Clone, Debug)]
pub struct WordLists {
    /// Verdict kinds.
    pub kinds: Vec<&'static str>,
    /// Mechanisms.
    pub mechanisms: Vec<&'static str>,
    /// Scopes.
    pub scopes: Vec<&'static str>,
    /// Reasons for `inconclusive`.
    pub reasons: Vec<&'static str>,
}

/// The JSON Schema (2020-12) of [`Document`] and of a set of them.
#[must_use]
pub fn json_schema(words: &WordLists) -> Value {
    let nullable = |kind: &str| json!({"type": [kind, "null"]});
    let list = |items: Value| json!({"type": "array", "items": items});
    let object = |properties: Value, required: &[&str]| json!({"type": "object", "properties": properties, "required": required});
    let count = json!({"type": "integer", "minimum": 0});
    let ttl = json!({"type": ["integer", "null"], "minimum": 0, "maximum": 255});
    let size = json!({"type": ["integer", "null"], "minimum": 20, "maximum": 65535});
    let share = json!({"type": "number", "minimum": 0, "maximum": 1});
    let mut reasons: Vec<Value> = words.reasons.iter().map(|word| json!(word)).collect();
    reasons.push(Value::Null);
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": RUN,
        "oneOf": [{"$ref": "#/$defs/run"}, {"$ref": "#/$defs/set"}],
        "$defs": {
            "set": object(
                json!({
                    "schema": {"const": SET},
                    "runs": list(json!({"$ref": "#/$defs/run"})),
                    "conclusion": {"type": ["object", "null"]},
                }),
                &["schema", "runs", "conclusion"],
            ),
            "run": object(
                json!({
                    "schema": {"const": RUN},
                    "tool": object(json!({"name": {"type": "string"}, "version": {"type": "string"}}), &["name", "version"]),
                    "started_at": nullable("string"),
                    "finished_at": nullable("string"),
                    "vantage": object(
                        json!({
                            "source": nullable("string"), "interface": nullable("string"),
                            "asn": nullable("integer"), "label": nullable("string"),
                            "gateway": {"type": "string"}, "via": {"type": "string"},
                            "utc_offset": {"type": "string"}, "public": {"type": "string"},
                            "sockets": {"const": "ordinary"}, "limits": {"type": "array", "items": {"type": "string"}},
                            "country": {"type": "string"}, "network": {"type": "string"}, "probe": count,
                        }),
                        &["source", "interface", "asn", "label"],
                    ),
                    "asdb": {"anyOf": [{"type": "null"}, object(
                        json!({
                            "origin": {"type": "string"}, "built_at": nullable("string"),
                            "sha256": {"type": "string"}, "prefixes": count,
                            "age_days": {"type": ["integer", "null"], "minimum": 0}, "warning": nullable("string"),
                            "sources": list(object(
                                json!({
                                    "name": {"type": "string"}, "date": nullable("string"),
                                    "licence": nullable("string"),
                                }),
                                &["name", "date", "licence"],
                            )),
                            "adjacency": {"anyOf": [{"type": "null"}, object(
                                json!({
                                    "origin": {"type": "string"}, "built_at": nullable("string"),
                                    "sha256": {"type": "string"}, "links": count,
                                }),
                                &["origin", "built_at", "sha256", "links"],
                            )]},
                            "exchanges": {"anyOf": [{"type": "null"}, object(
                                json!({
                                    "files": list(object(
                                        json!({
                                            "origin": {"type": "string"}, "built_at": nullable("string"),
                                            "sha256": {"type": "string"},
                                        }),
                                        &["origin", "built_at", "sha256"],
                                    )),
                                    "lans": count, "addresses": count,
                                }),
                                &["files", "lans", "addresses"],
                            )]},
                        }),
                        &["origin", "built_at", "sha256", "prefixes"],
                    )]},
                    "protocol": {"enum": ["tcp", "icmp", "udp", null]},
                    "port": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
                    "size": size,
                    "origin": object(
                        json!({
                            "format": {"type": "string"}, "dialect": nullable("string"), "version": nullable("string"),
                            "file": nullable("string"), "measurement": nullable("string"),
                            "lines": {"type": ["array", "null"], "items": count, "minItems": 2, "maxItems": 2},
                        }),
                        &["format", "dialect", "file", "lines"],
                    ),
                    "findings": list(object(
                        json!({"line": nullable("integer"), "text": {"type": "string"}}),
                        &["line", "text"],
                    )),
                    "target": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/path"}]},
                    "references": list(json!({"$ref": "#/$defs/path"})),
                    "verdict": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/verdict"}]},
                    "error": {"anyOf": [{"type": "null"}, object(
                        json!({"kind": {"type": "string"}, "message": {"type": "string"}, "hint": nullable("string")}),
                        &["kind", "message", "hint"],
                    )]},
                    "search": {"anyOf": [{"type": "null"}, object(
                        json!({
                            "prefix": nullable("string"), "from_cache": {"type": "boolean"},
                            "searched_at": {"type": "string"},
                            "touched": list(object(
                                json!({
                                    "address": {"type": "string"}, "at": {"type": "string"}, "tries": count,
                                    "why": {"enum": ["hint", "alias", "bracket", "subnet", "prefix"]},
                                    "outcome": {"enum": ["open", "closed", "unreachable", "silent", "not_sent"]},
                                }),
                                &["address", "at", "tries", "why", "outcome"],
                            )),
                            "found": list(object(
                                json!({
                                    "address": {"type": "string"},
                                    "why": {"enum": ["hint", "alias", "bracket", "subnet", "prefix"]},
                                    "outcome": {"enum": ["open", "closed"]},
                                }),
                                &["address", "why", "outcome"],
                            )),
                        }),
                        &["prefix", "from_cache", "searched_at", "touched", "found"],
                    )]},
                    "matrix": list(object(
                        json!({
                            "protocol": {"enum": ["tcp", "icmp", "udp"]},
                            "port": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
                            "answered": {"type": "boolean"}, "furthest_ttl": ttl,
                            "reply": {"enum": ["syn_ack", "rst", "echo_reply", "udp_answer", "unreachable", null]},
                        }),
                        &["protocol", "port", "answered", "furthest_ttl", "reply"],
                    )),
                    "check": {"oneOf": [{"type": "null"}, object(
                        json!({
                            "host": {"type": "string"}, "address": {"type": "string"},
                            "answered": {"type": "boolean"}, "distance": ttl,
                        }),
                        &["host", "address", "answered", "distance"],
                    )]},
                    "too_big": list(object(
                        json!({
                            "address": {"type": "string"}, "asn": nullable("integer"), "ttl": ttl, "size": size,
                            "mtu": count, "count": count,
                        }),
                        &["address", "asn", "ttl", "size", "mtu", "count"],
                    )),
                    "balancing": list(object(
                        json!({
                            "from_ttl": ttl, "to_ttl": ttl, "by": {"enum": ["flow", "destination", "packet", "unknown"]},
                            "routers": count,
                        }),
                        &["from_ttl", "to_ttl", "by", "routers"],
                    )),
                    "measurement": {"type": "object"},
                }),
                &[
                    "schema", "tool", "started_at", "finished_at", "vantage", "asdb", "protocol", "port", "target",
                    "references", "verdict", "error",
                ],
            ),
            "path": object(
                json!({
                    "host": {"type": "string"}, "address": nullable("string"), "asn": nullable("integer"),
                    "as_name": nullable("string"), "prefix": nullable("string"), "reached": {"type": "boolean"},
                    "distance": ttl, "hops": list(json!({"$ref": "#/$defs/hop"})), "as_path": list(count.clone()),
                    "size": size,
                    "chosen": object(
                        json!({
                            "how": {"enum": ["given", "same_host", "hint", "found"]},
                            "words": {"type": "string"},
                        }),
                        &["how", "words"],
                    ),
                }),
                &["host", "address", "asn", "as_name", "prefix", "reached", "distance", "hops", "as_path"],
            ),
            "hop": object(
                json!({
                    "ttl": {"type": "integer", "minimum": 0, "maximum": 255},
                    "sent": nullable("integer"), "answered": nullable("integer"),
                    "responders": list(json!({"$ref": "#/$defs/responder"})),
                }),
                &["ttl", "sent", "answered", "responders"],
            ),
            "responder": object(
                json!({
                    "address": nullable("string"), "asn": nullable("integer"), "asns": list(count.clone()),
                    "as_name": nullable("string"),
                    "kind": {"enum": ["as", "private", "ixp", "unannounced", "reserved"]},
                    "rtt_ms": {"anyOf": [{"type": "null"}, object(
                        json!({"min": {"type": "number"}, "avg": {"type": "number"}, "max": {"type": "number"}}),
                        &["min", "avg", "max"],
                    )]},
                    "replies": object(
                        json!({
                            "time_exceeded": count, "syn_ack": count, "rst": count, "echo_reply": count,
                            "udp_answer": count, "too_big": count, "other": count,
                            "unreachable": list(object(
                                json!({"type": count, "code": count, "count": count}),
                                &["type", "code", "count"],
                            )),
                        }),
                        &["time_exceeded", "syn_ack", "rst", "echo_reply", "unreachable"],
                    ),
                    "mpls": list(json!({"type": "object"})),
                    "reply_ttl": list(count.clone()), "name": {"type": "string"}, "claims": list(count.clone()),
                    "marks": list(json!({"type": "string"})), "rewritten_to": {"type": "string"},
                }),
                &["address", "asn", "asns", "as_name", "kind", "rtt_ms", "replies", "mpls", "reply_ttl"],
            ),
            "verdict": object(
                json!({
                    "kind": {"enum": words.kinds}, "asns": list(count.clone()), "as_names": list(json!({"type": "string"})),
                    "after_ttl": ttl, "before_ttl": ttl, "after": nullable("string"), "before": nullable("string"),
                    "mechanism": {"enum": words.mechanisms}, "scope": {"enum": words.scopes},
                    "location_confidence": share,
                    "attribution_confidence": {"type": "number", "minimum": 0, "maximum": 0.98},
                    "location_limit": {"type": ["string", "null"]},
                    "attribution_limit": {"type": ["string", "null"]},
                    "raise": {"type": ["string", "null"]},
                    "evidence": object(
                        json!({
                            "pairs": count, "target_answered": count, "reference_answered": count,
                            "e_value": {"type": "number"}, "posterior": share, "flows": count, "references": count,
                        }),
                        &["pairs", "target_answered", "reference_answered", "e_value", "posterior", "flows", "references"],
                    ),
                    "packet_size": {"anyOf": [{"type": "null"}, object(
                        json!({"asked": {"type": "integer"}, "lost": size, "passes": size}),
                        &["asked", "lost", "passes"],
                    )]},
                    "reason": {"enum": reasons}, "summary": {"type": "string"}, "next_step": nullable("string"),
                }),
                &[
                    "kind", "asns", "as_names", "after_ttl", "before_ttl", "after", "before", "mechanism", "scope",
                    "location_confidence", "attribution_confidence", "evidence", "reason", "summary", "next_step",
                ],
            ),
        },
    });
    // Apart, since the macro above is as deep as macros go.
    whole["$defs"]["run"]["properties"]["registry"] = registry();
    whole["$defs"]["run"]["properties"]["dns"] = dns();
    whole["$defs"]["run"]["properties"]["app"] = app();
    whole["$defs"]["run"]["properties"]["mail"] = json!({"enum": ["incoming", "outgoing"]});
    whole
}
