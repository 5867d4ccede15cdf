//! Whether what came is what was asked for: before it takes the place of anything.
//!
//! A captive portal answers every question with a page, a mirror with what it had last year, and a connection ends where it
//! likes. So a file is unpacked to its end, in a fixed amount of memory, and then shown to the reader that will have to read it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::failure::error_text;
use super::publishers::Content;
use crate::asdb::sources::{Packing, ris};
use crate::asdb::{Adjacency, Error, Exchanges, Format, Table};
use crate::fetch::{Checked, Rejected};
use crate::number::Asn;

/// What is looked at of text and of MRT, in bytes.
const HEAD: usize = 64 << 10;
/// A file may always become this long, in bytes.
const ALWAYS: u64 = 64 << 20;
/// Behind that, at most this many times as long as it is packed. Tables of text shrink to a tenth, routing tables too.
const RATIO: u64 = 100;

/// The beginning of a file, unpacked to its end.
struct Look {
    head: Vec<u8>,
    /// Nothing comes behind `head`.
    whole: bool,
    packed: bool,
}

/// Says what a file is.
///
/// # Errors
/// It is not what it should be: the sentence that says why.
pub fn recognise(path: &Path, content: Content) -> Result<Checked, Rejected> {
    let look = look(path)?;
    let begin = look.head.trim_ascii_start();
    if begin.is_empty() {
        return Err(rejected("is empty", AGAIN));
    }
    if begin.first() == Some(&b'<') {
        return Err(rejected(
            "is a web page, not data",
            "a network's login page, or a publisher's error page: look at the address with a browser",
        ));
    }
    let (what, date, has_end) = match content {
        Content::Table => of_table(path, None)?,
        Content::Mmdb => of_table(path, Some(Format::Mmdb))?,
        Content::Pfx2As => of_table(path, Some(Format::Pfx2As))?,
        Content::IpToAsn => of_table(path, Some(Format::IpToAsn))?,
        Content::RangeCsv => of_table(path, Some(Format::RangeCsv))?,
        Content::Mrt => of_mrt(&look.head)?,
        Content::RisWhois => (of_lines(&look, "a RIS whois dump", ris::is_ris)?, None, false),
        Content::AsNames => (of_lines(&look, "a list of AS names", is_as_name)?, None, false),
        Content::AsLinks => {
            let links = Adjacency::open(path).map_err(|error| unreadable(&error))?;
            let info = links.info();
            (format!("{} AS relationships", info.links), info.built_at, false)
        }
        Content::PeeringDb => of_peeringdb(path)?,
    };
    Ok(Checked { what, date, has_end: has_end || look.packed })
}

const AGAIN: &str = "run the same command again; what is there stays";

fn rejected(reason: impl Into<String>, hint: &str) -> Rejected {
    Rejected { reason: reason.into(), hint: hint.to_owned() }
}

fn unreadable(error: &Error) -> Rejected {
    rejected(format!("is not what it should be: {}", error_text(error)), error.hint())
}

/// Reads a file to its end, unpacking it, and keeps the beginning.
fn look(path: &Path) -> Result<Look, Rejected> {
    let broken = |error: &io::Error| rejected(format!("cannot be read: {}", error_text(error)), AGAIN);
    let file = File::open(path).map_err(|error| broken(&error))?;
    let size = file.metadata().map_err(|error| broken(&error))?.len();
    let mut file = BufReader::with_capacity(HEAD, file);
    let magic = io::BufRead::fill_buf(&mut file).map_err(|error| broken(&error))?;
    let packing = Packing::of(magic);
    let mut reader = packing.unpack(file);
    let packed = packing != Packing::Plain;
    let most = if packed { ALWAYS.max(size.saturating_mul(RATIO)) } else { u64::MAX };
    let mut head = Vec::new();
    let mut length = 0;
    let mut piece = vec![0; HEAD];
    loop {
        let count = reader.read(&mut piece).map_err(|error| {
            let what = if packed {
                format!("is cut or damaged ({packing}: {})", error_text(&error))
            } else {
                broken(&error).reason
            };
            rejected(what, AGAIN)
        })?;
        if count == 0 {
            return Ok(Look { whole: length == head.len() as u64, head, packed });
        }
        length += count as u64;
        if length > most {
            return Err(rejected(
                format!("unpacks to more than {most} bytes, {RATIO} times its size"),
                "this is not the publisher's file: look at the address with a browser",
            ));
        }
        let room = HEAD - head.len();
        head.extend_from_slice(&piece[..count.min(room)]);
    }
}

type Found = (String, Option<Date>, bool);

fn of_table(path: &Path, wanted: Option<Format>) -> Result<Found, Rejected> {
    let table = Table::open(path).map_err(|error| unreadable(&error))?;
    let info = table.info();
    if let Some(wanted) = wanted.filter(|wanted| *wanted != info.format) {
        return Err(rejected(format!("is {}, not {wanted}", info.format), "name another address with --url"));
    }
    if info.prefixes == 0 {
        return Err(rejected("has no range of addresses", AGAIN));
    }
    let date = info.built_at.filter(|_| !info.built_at_is_file_time);
    // A table of ours has a checksum, an MMDB its description at its end.
    let has_end = matches!(info.format, Format::Mmdb | Format::Table(_));
    Ok((format!("{}, {} ranges", info.format, info.prefixes), date, has_end))
}

/// RFC 6396 §4.3: a table begins with the list of peers; §4.2 for the older kind.
fn of_mrt(head: &[u8]) -> Result<Found, Rejected> {
    let &[a, b, c, d, 0, kind @ (12 | 13), 0, subtype, ..] = head else {
        return Err(rejected(
            "is no MRT routing table",
            "name the address of a RIB, not of updates, with --url",
        ));
    };
    if kind == 13 && subtype != 1 {
        return Err(rejected("begins in the middle of an MRT routing table", AGAIN));
    }
    let time = jiff::Timestamp::from_second(i64::from(u32::from_be_bytes([a, b, c, d]))).ok();
    let date = time.map(|time| TimeZone::UTC.to_datetime(time).date());
    Ok((
        format!("MRT routing table ({})", if kind == 13 { "TABLE_DUMP_V2" } else { "TABLE_DUMP" }),
        date,
        false,
    ))
}

/// Text of which all lines at the beginning are of one kind.
fn of_lines(look: &Look, what: &str, is_one: impl Fn(&str) -> bool) -> Result<String, Rejected> {
    let text = String::from_utf8_lossy(&look.head);
    let end = if look.whole { text.len() } else { text.rfind('\n').unwrap_or(0) };
    let lines = text[..end].lines().map(str::trim_end).enumerate();
    let data = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(['%', '#']));
    let mut count = 0;
    for (place, line) in data {
        if !is_one(line) {
            let line: String = line.chars().take(60).collect();
            return Err(rejected(format!("is not {what}: line {} is '{line}'", place + 1), AGAIN));
        }
        count += 1;
    }
    if count == 0 {
        return Err(rejected(format!("is not {what}: it has no line of data"), AGAIN));
    }
    Ok(what.trim_start_matches("a ").to_owned())
}

/// `number name`, none of them an address.
fn is_as_name(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(number, name)| {
        number.bytes().all(|byte| byte.is_ascii_digit())
            && number.parse::<Asn>().is_ok()
            && !name.trim().is_empty()
            && name.parse::<IpAddr>().is_err()
    })
}

#[derive(Deserialize)]
struct Listing {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "id")]
    _id: u64,
}

/// Members and LANs are read as they will be; exchanges alone are a list of things with numbers.
fn of_peeringdb(path: &Path) -> Result<Found, Rejected> {
    match Exchanges::open(&[path]) {
        Ok(all) => Ok((
            format!("PeeringDB, {} members' addresses, {} LANs", all.addresses(), all.lans()),
            None,
            true,
        )),
        Err(Error::Unsuited { .. }) => {
            let file = File::open(path)
                .map_err(|error| rejected(format!("cannot be read: {}", error_text(&error)), AGAIN))?;
            let listing: Result<Listing, _> = serde_json::from_reader(BufReader::new(file));
            match listing {
                Ok(listing) if !listing.data.is_empty() => {
                    Ok((format!("PeeringDB, {} exchanges", listing.data.len()), None, true))
                }
                _ => Err(rejected("is JSON, but no list of PeeringDB", AGAIN)),
            }
        }
        Err(error) => Err(unreadable(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn of(bytes: &[u8], content: Content) -> Result<Checked, Rejected> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        recognise(file.path(), content)
    }

    #[test]
    fn a_file_is_what_it_should_be_or_the_sentence_says_what() {
        let good: [(&[u8], Content, &str); 6] = [
            (
                b"% RIS\n\n64500\t192.0.2.0/24\t300\n{64500,64501}\t2001:db8::/32\t2\n",
                Content::RisWhois,
                "RIS whois dump",
            ),
            (b"0 -Reserved AS-, ZZ\n1 LVLT-1, US\n", Content::AsNames, "list of AS names"),
            (b"192.0.2.0\t24\t64500\n", Content::Pfx2As, "1 ranges"),
            (b"1|2|-1|bgp\n", Content::AsLinks, "1 AS relationships"),
            (br#"{"data": [{"id": 1, "name": "IX"}]}"#, Content::PeeringDb, "1 exchanges"),
            (b"\x53\x7f\x20\x00\x00\x0d\x00\x01\x00\x00\x00\x00", Content::Mrt, "TABLE_DUMP_V2"),
        ];
        for (bytes, content, word) in good {
            let found = of(bytes, content).unwrap();
            assert!(found.what.contains(word), "{found:?}");
        }
        let bad: [(&[u8], Content, &str); 9] = [
            (b" \n", Content::Pfx2As, "empty"),
            (b"\n<!DOCTYPE html><title>Log in</title>", Content::Table, "web page"),
            (b"64500\t192.0.2.0/24\t300\nlog in\n", Content::RisWhois, "line 2 is 'log in'"),
            (b"% nothing\n", Content::RisWhois, "no line of data"),
            (b"192.0.2.0\t24\t64500\n", Content::Mmdb, "not MMDB"),
            (b"\x53\x7f\x20\x00\x00\x0d\x00\x02\x00\x00\x00\x00", Content::Mrt, "middle"),
            (b"192.0.2.0\t24\t64500\n", Content::Mrt, "no MRT"),
            (br#"{"data": []}"#, Content::PeeringDb, "PeeringDB"),
            (b"log in\n", Content::AsNames, "line 1"),
        ];
        for (bytes, content, word) in bad {
            let said = of(bytes, content).unwrap_err();
            assert!(said.reason.contains(word), "{said:?}");
        }
    }

    #[test]
    fn whatever_a_table_may_be_packed_with_is_seen_to_its_end() {
        let text = b"192.0.2.0\t24\t64500\n";
        let xz = {
            let mut out = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).unwrap();
            out.write_all(text).unwrap();
            out.finish().unwrap()
        };
        let bzip2 = {
            let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        };
        let zstd = ruzstd::encoding::compress_to_vec(&text[..], ruzstd::encoding::CompressionLevel::Fastest);
        for (name, packed) in [("xz", xz), ("bzip2", bzip2), ("zstd", zstd)] {
            assert!(of(&packed, Content::Pfx2As).unwrap().has_end, "{name}");
            let said = of(&packed[..packed.len() - 3], Content::Pfx2As).unwrap_err().reason;
            assert!(said.contains("cut or damaged") && said.contains(name), "{said}");
        }
    }

    #[test]
    fn what_is_packed_is_read_to_its_end_and_no_farther_than_it_is_worth() {
        let pack = |bytes: &[u8]| {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        };
        let whole = pack(b"192.0.2.0\t24\t64500\n");
        assert!(of(&whole, Content::Pfx2As).unwrap().has_end);
        assert!(
            of(&whole[..whole.len() - 3], Content::Pfx2As).unwrap_err().reason.contains("cut or damaged")
        );
        let bomb = pack(&vec![b'#'; (ALWAYS + 1) as usize]);
        assert!(bomb.len() < 100_000);
        assert!(of(&bomb, Content::Pfx2As).unwrap_err().reason.contains("unpacks to more than"));
    }
}
