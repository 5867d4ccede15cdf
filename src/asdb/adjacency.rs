//! Which ASes are neighbours, told from files of AS relationships or from the AS paths of a routing table.
//!
//! Two hops in a row that belong to ASes without a link between them have a third AS in between that no hop shows; without
//! that knowledge a border is named that does not exist. CAIDA publishes links with their business relation, inferred from
//! BGP paths: *serial-1* (Luckie et al., "AS Relationships, Customer Cones, and Validation", IMC 2013) and *serial-2*, the same with
//! links from traceroutes and of multilateral peering (Giotsas et al., "Inferring Multilateral Peering", CoNEXT 2013).
//!
//! A link in the data is good evidence that two ASes meet. No link is weaker: collectors see few of the peering links at the
//! edge (Oliveira et al., "The (In)Completeness of the Observed Internet AS-level Structure", ToN 2010). So there
//! are three answers, and an AS that the data does not know at all is never called nobody's neighbour.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use jiff::civil::Date;

use super::error::{Digest, Error, Operation, excerpt};
use super::file;
use super::sources::{bytes_of, file_name, unpacking};
use crate::number::Asn;

/// The most bytes of one file that are read, packed or unpacked: 128 MiB. CAIDA's files have some
/// 700,000 links in less than 15 MB.
const LONGEST: u64 = 1 << 27;

/// A line that is longer is none of links, in bytes. Comments may be longer.
const LONGEST_LINE: u64 = 4096;

/// What one AS is to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Relation {
    /// It sells transit to the other.
    Provider,
    /// It buys transit from the other.
    Customer,
    /// Neither pays the other for transit.
    Peer,
}

/// What the data on neighbours says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdjacencyInfo {
    /// Where it comes from, in words, with the file's name.
    pub origin: String,
    /// The latest day of BGP data named in its comments, else the first day in its file name.
    pub built_at: Option<Date>,
    /// SHA-256 of the file as it was read, before unpacking: what `sha256sum` prints. For links inside a table it is the table's.
    pub sha256: Digest,
    /// Pairs of neighbours.
    pub links: u64,
    /// ASes that have a neighbour.
    pub asns: u64,
}

/// Which ASes are neighbours.
///
/// ```
/// use lasthop::{asdb::{Adjacency, Relation}, number::Asn};
///
/// let text = "# source:topology|BGP|20190301|routeviews|route-views2\n22822|19905|-1|bgp\n8359|22822|0|bgp\n";
/// let links = Adjacency::from_reader(text.as_bytes(), "20190301.as-rel2.txt")?;
/// assert_eq!(links.adjacent(Asn(22822), Asn(8359)), Some(true));
/// assert_eq!(links.adjacent(Asn(8359), Asn(19905)), Some(false));
/// assert_eq!(links.adjacent(Asn(8359), Asn(64496)), None);
/// assert_eq!(links.relation(Asn(19905), Asn(22822)), Some(Relation::Customer));
/// # Ok::<(), lasthop::asdb::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Adjacency {
    /// Sorted, each pair once.
    links: Vec<Link>,
    /// Every AS of a link, sorted.
    known: Vec<Asn>,
    info: AdjacencyInfo,
}

/// Two neighbours, the lower number first. Sixteen bytes: whole-Internet data fits in 11 MB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) low: Asn,
    pub(crate) high: Asn,
    pub(crate) kind: LinkKind,
    /// BGP paths in which the two stand next to each other; 0 where only a relation is known.
    pub(crate) paths: u32,
}

impl Link {
    /// A link between two different ASes, in either order; `kind` is seen from `a` as the lower one.
    pub(crate) fn new(a: Asn, b: Asn, kind: LinkKind, paths: u32) -> Self {
        let kind = if a < b { kind } else { kind.turned() };
        Self { low: a.min(b), high: a.max(b), kind, paths }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LinkKind {
    /// The lower number is the provider.
    LowProvides,
    HighProvides,
    Peers,
    /// Lines contradict each other.
    Disputed,
    /// Nobody says who pays whom.
    #[default]
    Untold,
}

impl LinkKind {
    fn turned(self) -> Self {
        match self {
            Self::LowProvides => Self::HighProvides,
            Self::HighProvides => Self::LowProvides,
            same => same,
        }
    }
}

impl Adjacency {
    /// Reads a file of AS relationships: CAIDA's serial-1 or serial-2, plain or packed (gzip, bzip2, Zstandard, xz).
    ///
    /// # Errors
    /// The file cannot be read or unpacked, is longer than 128 MiB, has no link, or has a line that is none: `provider|customer|-1`
    /// or `peer|peer|0`, with a fourth field or without, or a comment that begins with `#`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = fs::File::open(path).map_err(|source| Error::Io {
            operation: Operation::Open,
            path: path.to_path_buf(),
            source,
        })?;
        Self::from_reader(file, path)
    }

    /// The same from anything that can be read; `name` stands for the path in errors and in [`AdjacencyInfo::origin`].
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_reader(reader: impl Read, name: impl AsRef<Path>) -> Result<Self, Error> {
        let path = name.as_ref();
        let bytes = bytes_of(reader, path, LONGEST)?;
        let read = read(&bytes, path)?;
        let info = AdjacencyInfo {
            origin: format!("AS relationships, {} ({})", read.form(), file_name(path)),
            built_at: read.date,
            sha256: file::digest(&bytes),
            links: 0,
            asns: 0,
        };
        Ok(Self::of(read.links, info))
    }

    /// From links sorted by their ASes, each pair once; `info` gets the counts.
    pub(crate) fn of(links: Vec<Link>, info: AdjacencyInfo) -> Self {
        let mut known: Vec<Asn> = links.iter().flat_map(|link| [link.low, link.high]).collect();
        known.sort_unstable();
        known.dedup();
        known.shrink_to_fit();
        let info = AdjacencyInfo { links: links.len() as u64, asns: known.len() as u64, ..info };
        Self { links, known, info }
    }

    /// Whether two ASes are neighbours: `Some(true)` where a link is recorded, `Some(false)` where both are in the data and no link
    /// is, `None` where either is not in the data at all. An AS of the data is its own neighbour. The order does not matter.
    #[must_use]
    pub fn adjacent(&self, a: Asn, b: Asn) -> Option<bool> {
        let known = |asn: Asn| self.known.binary_search(&asn).is_ok();
        (known(a) && known(b)).then(|| a == b || self.find(a, b).is_some())
    }

    /// What `a` is to `b`; nothing where no link is recorded, or where lines of the file contradict each other.
    #[must_use]
    pub fn relation(&self, a: Asn, b: Asn) -> Option<Relation> {
        match (self.find(a, b)?.kind, a < b) {
            (LinkKind::LowProvides, true) | (LinkKind::HighProvides, false) => Some(Relation::Provider),
            (LinkKind::LowProvides, false) | (LinkKind::HighProvides, true) => Some(Relation::Customer),
            (LinkKind::Peers, _) => Some(Relation::Peer),
            (LinkKind::Disputed | LinkKind::Untold, _) => None,
        }
    }

    /// In how many BGP paths the two stand next to each other: 0 where the link is known from relations alone, nothing where
    /// no link is recorded. Many paths make a link certain; one may be an error of somebody's (RFC 7908's leaks, a forged path).
    #[must_use]
    pub fn paths(&self, a: Asn, b: Asn) -> Option<u32> {
        self.find(a, b).map(|link| link.paths)
    }

    fn find(&self, a: Asn, b: Asn) -> Option<&Link> {
        let pair = (a.min(b), a.max(b));
        let place = self.links.binary_search_by_key(&pair, |link| (link.low, link.high)).ok()?;
        self.links.get(place)
    }

    /// What the data says of itself.
    #[must_use]
    pub const fn info(&self) -> &AdjacencyInfo {
        &self.info
    }
}

/// Where such files are.
const HINT: &str = "CAIDA publishes them: https://publicdata.caida.org/datasets/as-relationships/serial-2/";

/// What a file of AS relationships says.
pub(crate) struct Contents {
    /// Sorted, each pair once.
    pub(crate) links: Vec<Link>,
    /// Lines that are links, repeats included.
    pub(crate) lines: u64,
    /// A fourth field was seen.
    has_sources: bool,
    /// The latest day of its sources, else of its name.
    pub(crate) date: Option<Date>,
}

impl Contents {
    /// Which of CAIDA's two forms it is.
    pub(crate) const fn form(&self) -> &'static str {
        if self.has_sources { "serial-2" } else { "serial-1" }
    }
}

/// Whether a text begins as such a file does: its first line that is no comment is a link.
pub(crate) fn is_one(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut rows = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    rows.find(|row| !row.is_empty() && !row.starts_with(b"#")).is_some_and(|row| link(row).is_some())
}

/// Reads a file, packed or not.
pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Contents, Error> {
    let mut found = read_lines(bytes, path)?;
    found.lines = found.links.len() as u64;
    found.links.sort_unstable();
    found.links.dedup_by(|later, earlier| {
        let same = (later.low, later.high) == (earlier.low, earlier.high);
        if same && later.kind != earlier.kind {
            earlier.kind = LinkKind::Disputed;
        }
        same
    });
    found.links.shrink_to_fit();
    if found.links.is_empty() {
        return Err(Error::Unsuited {
            path: path.to_path_buf(),
            found: if bytes.is_empty() { "empty" } else { "without a single link" },
            wanted: "a list of AS relationships",
            hint: HINT,
        });
    }
    found.date = found.date.or_else(|| days(file_name(path).as_bytes()).next());
    Ok(found)
}

fn read_lines(bytes: &[u8], path: &Path) -> Result<Contents, Error> {
    let (operation, unpacked) = unpacking(bytes);
    let mut text = BufReader::new(unpacked.take(LONGEST + 1));
    let io = |source| Error::Io { operation, path: path.to_path_buf(), source };
    let mut found = Contents { links: Vec::new(), lines: 0, has_sources: false, date: None };
    let mut line = Vec::new();
    let mut offset = 0;
    for number in 1.. {
        line.clear();
        let start = offset;
        offset += text.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(io)? as u64;
        if line.is_empty() {
            break;
        }
        let is_cut = !line.ends_with(b"\n") && line.len() as u64 == LONGEST_LINE;
        let mut row = line.trim_ascii();
        if number == 1 {
            row = row.strip_prefix(b"\xef\xbb\xbf").unwrap_or(row);
        }
        let comment = row.strip_prefix(b"#");
        if is_cut && comment.is_some() {
            offset += skip_line(&mut text).map_err(io)?;
        }
        if offset > LONGEST {
            return Err(Error::TooLong { path: path.to_path_buf(), limit: LONGEST });
        }
        if let Some(comment) = comment {
            // `# source:topology|BGP|20230701|ripe|rrc00`, one line for each collector and day.
            if comment.trim_ascii_start().starts_with(b"source:") {
                found.date = days(comment).chain(found.date).max();
            }
            continue;
        }
        if row.is_empty() {
            continue;
        }
        let Some((link, has_source)) = link(row).filter(|_| !is_cut) else {
            return Err(Error::Line {
                path: path.to_path_buf(),
                line: number,
                offset: start,
                expected: "provider|customer|-1 or peer|peer|0 (AS relationships, serial-1 or serial-2)",
                got: excerpt(row),
            });
        };
        found.has_sources |= has_source;
        found.links.push(link);
    }
    Ok(found)
}

/// Reads past the end of the line; gives the bytes of that.
fn skip_line(text: &mut impl BufRead) -> std::io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = text.fill_buf()?;
        let (length, ends) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(place) => (place + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        text.consume(length);
        skipped += length as u64;
        if ends {
            return Ok(skipped);
        }
    }
}

/// `a|b|relation`, with a fourth field or without. An AS is not its own neighbour in any such file.
fn link(row: &[u8]) -> Option<(Link, bool)> {
    let mut fields = std::str::from_utf8(row).ok()?.split('|');
    let (a, b): (Asn, Asn) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let kind = match fields.next()? {
        "-1" => LinkKind::LowProvides,
        "0" => LinkKind::Peers,
        _ => return None,
    };
    let has_source = fields.next().is_some();
    (a != b && fields.next().is_none()).then_some((Link::new(a, b, kind, 0), has_source))
}

/// The days written in a text as eight digits, none before or behind them.
pub(crate) fn days(text: &[u8]) -> impl Iterator<Item = Date> + '_ {
    let runs = text.split(|byte| !byte.is_ascii_digit()).filter(|run| run.len() == 8);
    runs.filter_map(|run| {
        let value: u32 = std::str::from_utf8(run).ok()?.parse().ok()?;
        let (year, month, day) = (value / 10_000, value / 100 % 100, value % 100);
        let date = Date::new(year as i16, month as i8, day as i8).ok()?;
        // BGP is of 1989.
        (1989..2200).contains(&year).then_some(date)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    const SERIAL_1: &[u8] = include_bytes!("../../tests/data/asdb/as-rel.txt");
    const SERIAL_1_GZ: &[u8] = include_bytes!("../../tests/data/asdb/as-rel.txt.gz");
    const SERIAL_2: &[u8] = include_bytes!("../../tests/data/asdb/as-rel2.txt");
    const SERIAL_2_BZ2: &[u8] = include_bytes!("../../tests/data/asdb/as-rel2.txt.bz2");

    fn read(bytes: &[u8]) -> Adjacency {
        Adjacency::from_reader(bytes, "20260615.as-rel.txt").unwrap()
    }

    fn refused(bytes: &[u8]) -> String {
        let error = Adjacency::from_reader(bytes, "links.txt").unwrap_err();
        assert!(!error.hint().is_empty());
        error.to_string()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn a_recorded_link_is_a_yes_in_both_directions_and_no_link_between_known_ases_a_no() {
        let links = read(SERIAL_1);
        let asked = |a, b| links.adjacent(Asn(a), Asn(b));
        assert_eq!((asked(64496, 64497), asked(64497, 64496)), (Some(true), Some(true)));
        assert_eq!((asked(64500, 64501), asked(64501, 64500)), (Some(true), Some(true)));
        assert_eq!((asked(64501, 64496), asked(64496, 64501)), (Some(false), Some(false)));
        assert_eq!(asked(64500, 64500), Some(true));
    }

    #[test]
    fn an_as_that_the_data_does_not_know_is_nobodys_neighbour_and_nobodys_stranger() {
        let links = read(SERIAL_1);
        // 64511 stands in a comment only.
        for unknown in [0, 64_499, 64_511, u32::MAX] {
            for known in [64_496, 64_500, unknown] {
                assert_eq!(links.adjacent(Asn(known), Asn(unknown)), None);
                assert_eq!(links.adjacent(Asn(unknown), Asn(known)), None);
                assert_eq!(links.relation(Asn(unknown), Asn(known)), None);
            }
        }
    }

    #[test]
    fn who_pays_whom_is_told_from_either_side() {
        let links = read(SERIAL_1);
        let asked = |a, b| links.relation(Asn(a), Asn(b));
        assert_eq!(asked(64496, 64500), Some(Relation::Provider));
        assert_eq!(asked(64500, 64496), Some(Relation::Customer));
        assert_eq!(asked(64501, 64500), Some(Relation::Provider));
        assert_eq!(asked(64500, 64501), Some(Relation::Customer));
        assert_eq!((asked(64496, 64497), asked(64497, 64496)), (Some(Relation::Peer), Some(Relation::Peer)));
        assert_eq!(asked(64496, 64501), None);
    }

    #[test]
    fn lines_that_contradict_each_other_leave_a_link_without_a_relation() {
        let links = read(b"1|2|-1\n2|1|-1\n3|4|0\n3|4|0\n");
        assert_eq!(links.adjacent(Asn(1), Asn(2)), Some(true));
        assert_eq!(links.relation(Asn(1), Asn(2)), None);
        assert_eq!(links.relation(Asn(4), Asn(3)), Some(Relation::Peer));
        assert_eq!(links.info().links, 2);
    }

    #[test]
    fn a_file_says_what_it_is_and_of_which_day() {
        let info = read(SERIAL_1).info().clone();
        assert_eq!(info.origin, "AS relationships, serial-1 (20260615.as-rel.txt)");
        assert_eq!(info.built_at, Some(jiff::civil::date(2026, 7, 5)), "the latest day of its sources");
        assert_eq!((info.links, info.asns), (4, 5));
        let info = read(SERIAL_2).info().clone();
        assert!(info.origin.contains("serial-2"), "{}", info.origin);
        assert_eq!((info.built_at, info.links), (Some(jiff::civil::date(2026, 8, 1)), 4));
        let day = |text: &[u8]| read(text).info().built_at;
        assert_eq!(day(b"1|2|0\n"), Some(jiff::civil::date(2026, 6, 15)), "the file's name");
        assert_eq!(day(b"# input clique: 20200101\n1|2|0\n"), Some(jiff::civil::date(2026, 6, 15)));
        let unnamed = Adjacency::from_reader(&b"# source:x|20261301|\n1|2|0\n"[..], "links").unwrap();
        assert_eq!(unnamed.info().built_at, None, "there is no thirteenth month");
    }

    #[test]
    fn packed_files_say_the_same_and_the_digest_is_of_the_packed_file() {
        let (plain, packed) = (read(SERIAL_2), read(SERIAL_2_BZ2));
        assert_eq!(plain.links, packed.links);
        assert_eq!(plain.known, packed.known);
        assert_eq!(packed.info().sha256, file::digest(SERIAL_2_BZ2));
        assert_eq!(read(SERIAL_1).links, read(SERIAL_1_GZ).links);
        assert_eq!(read(SERIAL_1).links, read(&gzip(SERIAL_1)).links);
        // Two members, as `cat a.gz b.gz` makes them.
        let both = [gzip(b"1|2|0\n"), gzip(b"2|3|0\n")].concat();
        assert_eq!(read(&both).info().links, 2);
        let both = [SERIAL_2_BZ2, SERIAL_2_BZ2].concat();
        assert_eq!(read(&both).links, plain.links);
    }

    #[test]
    fn other_line_ends_blank_lines_and_a_missing_last_one_are_taken() {
        let links = read(b"\xef\xbb\xbf# made by hand\r\n1|2|0\r\n\r\n  \nAS3|as4|-1");
        assert_eq!(links.info().links, 2);
        assert_eq!(links.relation(Asn(3), Asn(4)), Some(Relation::Provider));
    }

    #[test]
    fn a_line_that_is_no_link_is_named_with_its_place() {
        let wanted = "expected provider|customer|-1 or peer|peer|0 (AS relationships, serial-1 or serial-2)";
        for (row, what) in [
            ("1|2", "half a link"),
            ("1|2|", "no relation"),
            ("1|2|1", "no relation of these files"),
            ("1|2|-1|bgp|x", "five fields"),
            ("1|x|0", "no number"),
            ("-1|2|0", "no number"),
            ("1|4294967296|0", "33 bits"),
            ("7|7|0", "its own neighbour"),
            ("1 2 -1", "blanks"),
            ("<html>", "a web page"),
        ] {
            let error = refused(format!("# c\n8|9|0\n{row}\n").as_bytes());
            assert_eq!(error, format!("links.txt line 3 (byte 10): {wanted}, got '{row}'"), "{what}");
        }
        assert!(refused(b"1|2|0\n\xff\xfe|\x1b[31m|0\n").contains("line 2 (byte 6)"));
        assert!(!refused(b"\x1b[31m|2|0\n").contains('\x1b'));
    }

    #[test]
    fn what_holds_no_link_is_no_data_on_neighbours() {
        assert_eq!(refused(b""), "links.txt is empty, not a list of AS relationships");
        assert!(refused(b"# only\n# words\n").contains("without a single link"));
    }

    #[test]
    fn a_packed_file_that_is_cut_is_an_error_and_not_half_the_links() {
        for (packed, word) in [(SERIAL_1_GZ, "unpack (gzip)"), (SERIAL_2_BZ2, "unpack (bzip2)")] {
            for length in 6..packed.len() {
                let error = refused(&packed[..length]);
                assert!(error.contains(word), "{length}: {error}");
            }
        }
    }

    #[test]
    fn a_long_comment_is_skipped_and_a_long_line_refused() {
        let long = "9 ".repeat(50_000);
        let links = read(format!("# IXP ASes: {long}\n1|2|0\n# {long}").as_bytes());
        assert_eq!(links.info().links, 1);
        let error = refused(format!("1|2|0|{long}\n").as_bytes());
        assert!(error.starts_with("links.txt line 1 (byte 0)") && error.len() < 300, "{error}");
    }

    #[test]
    fn a_small_file_cannot_unpack_to_more_than_is_read() {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        let row = b"1|2|0\n".repeat(1 << 14);
        for _ in 0..LONGEST / row.len() as u64 + 2 {
            packer.write_all(&row).unwrap();
        }
        let error = refused(&packer.finish().unwrap());
        assert_eq!(error, "links.txt is longer than 134217728 bytes");
    }

    fn rows() -> impl Strategy<Value = Vec<(u32, u32, bool)>> {
        prop::collection::vec((0u32..12, 0u32..12, any::<bool>()), 1..40)
            .prop_map(|rows| rows.into_iter().filter(|(a, b, _)| a != b).collect::<Vec<_>>())
            .prop_filter("a link", |rows| !rows.is_empty())
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Adjacency::from_reader(bytes.as_slice(), "x");
            for head in [&b"\x1f\x8b\x08"[..], b"BZh91AY&SY", b"1|2|0\n"] {
                let _ = Adjacency::from_reader([head, &bytes].concat().as_slice(), "x");
            }
        }

        #[test]
        fn damaged_files_are_read_or_refused(
            place in 0usize..400, value: u8, cut in 0usize..400, which in 0usize..4,
        ) {
            let mut bytes = [SERIAL_1, SERIAL_2, SERIAL_1_GZ, SERIAL_2_BZ2][which].to_vec();
            let place = place % bytes.len();
            bytes[place] = value;
            bytes.truncate(bytes.len() - cut % bytes.len());
            let _ = Adjacency::from_reader(bytes.as_slice(), "x");
        }

        #[test]
        fn links_answer_like_the_list_they_were_read_from(rows in rows()) {
            let text: String =
                rows.iter().map(|(a, b, pays)| format!("{a}|{b}|{}\n", if *pays { "-1" } else { "0" })).collect();
            let links = read(text.as_bytes());
            let mut said: BTreeMap<(u32, u32), BTreeSet<Option<u32>>> = BTreeMap::new();
            let mut known = BTreeSet::new();
            for (a, b, pays) in rows {
                said.entry((a.min(b), a.max(b))).or_default().insert(pays.then_some(a));
                known.extend([a, b]);
            }
            for a in 0..13 {
                for b in 0..13 {
                    let answers = said.get(&(a.min(b), a.max(b)));
                    let wanted = (known.contains(&a) && known.contains(&b)).then(|| a == b || answers.is_some());
                    prop_assert_eq!(links.adjacent(Asn(a), Asn(b)), wanted);
                    let relation = answers.filter(|answers| answers.len() == 1).and_then(|one| one.first());
                    let wanted = relation.map(|provider| match provider {
                        Some(one) if *one == a => Relation::Provider,
                        Some(_) => Relation::Customer,
                        None => Relation::Peer,
                    });
                    prop_assert_eq!(links.relation(Asn(a), Asn(b)), wanted);
                }
            }
        }
    }
}
