//! Captures in, down to the IP packets: pcapng and classic pcap, of any byte order and resolution, as tcpdump, dumpcap
//! and this program write them.

use pcap_parser::pcapng::{Block, OptionCode, PcapNGOption};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{
    nom, parse_block_be, parse_block_le, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header,
};

use super::note;
use crate::trace::WallTime;

/// More packets than any run and what surrounds it.
const MOST_PACKETS: usize = 4_000_000;

/// A capture, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capture {
    /// The IP packets, in the order of the file.
    pub packets: Vec<Packet>,
    /// Comments of sections and interfaces.
    pub opening: Vec<String>,
    /// Comments of statistics.
    pub closing: Vec<String>,
    /// Packets that are not IP, or of a link type that is not read here.
    pub others: u64,
    /// The file ends inside a block: whoever wrote it was stopped there.
    pub cut_short: bool,
}

/// An IP packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When.
    pub at: WallTime,
    /// From the IP header on, without what the link put behind it.
    pub bytes: Vec<u8>,
    /// It was captured whole.
    pub whole: bool,
    /// Its comments.
    pub comments: Vec<String>,
}

/// What is wrong with a capture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// It is no capture.
    #[error("it is neither a pcapng nor a pcap file")]
    NoCapture,
    /// A block or packet cannot be read.
    #[error("{what} {number}, at byte {at}, cannot be read")]
    Unreadable {
        /// `block` or `packet`.
        what: &'static str,
        /// From 1.
        number: usize,
        /// Where it begins.
        at: usize,
    },
    /// It is larger than any run.
    #[error("it has more than {MOST_PACKETS} packets")]
    TooLarge,
}

/// What is known of an interface.
struct Interface {
    link: i32,
    /// Units of time in a second; `None` if that is no power this format can have.
    units: Option<u64>,
}

/// Reads a capture. One that ends in the middle of a block is read up to there.
///
/// # Errors
/// [`CaptureError`] if it is none, or damaged.
pub fn read(bytes: &[u8]) -> Result<Capture, CaptureError> {
    match bytes.first_chunk::<4>() {
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => read_pcapng(bytes),
        Some(
            [0xd4, 0xc3, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0xc3, 0xd4]
            | [0x4d, 0x3c, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0x3c, 0x4d],
        ) => read_pcap(bytes),
        _ => Err(CaptureError::NoCapture),
    }
}

fn read_pcapng(bytes: &[u8]) -> Result<Capture, CaptureError> {
    let mut capture = Capture::default();
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut big_endian = false;
    let mut at = 0;
    let mut number = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        number += 1;
        let unreadable = CaptureError::Unreadable { what: "block", number, at };
        // The byte order of a section is in its own header.
        if rest.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
            match rest.get(8..12) {
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => big_endian = true,
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => big_endian = false,
                Some(_) => return Err(unreadable),
                None => {}
            }
        }
        let Some(length) = block_length(rest, big_endian).filter(|length| *length <= rest.len()) else {
            // It says that it is longer than what is left of the file, as one does that was being written.
            capture.cut_short = true;
            break;
        };
        // The parser is given one block of a length that a block can have, and none of a kind that is not used here.
        if length < SHORTEST_BLOCK {
            return Err(unreadable);
        }
        let whole = &rest[..length];
        at += length;
        if !is_read(whole, big_endian) {
            continue;
        }
        let parsed = if big_endian { parse_block_be(whole) } else { parse_block_le(whole) };
        let Ok((_, block)) = parsed else { return Err(unreadable) };
        match block {
            Block::SectionHeader(section) => {
                interfaces.clear();
                capture.opening.extend(comments(&section.options));
            }
            Block::InterfaceDescription(interface) => {
                capture.opening.extend(comments(&interface.options));
                let units = units(interface.if_tsresol);
                interfaces.push(Interface { link: interface.linktype.0, units });
            }
            Block::InterfaceStatistics(statistics) => {
                capture.closing.extend(comments(&statistics.options));
            }
            Block::EnhancedPacket(packet) => {
                let interface = interfaces.get(packet.if_id as usize).ok_or(unreadable.clone())?;
                let raw = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let time = interface.units.and_then(|units| wall(raw, units)).ok_or(unreadable)?;
                let comments = comments(&packet.options);
                let cut = packet.truncated();
                capture.add(interface.link, time, packet.packet_data(), cut, comments)?;
            }
            _ => {}
        }
    }
    Ok(capture)
}

/// Type, twice the length: the least a block has (draft-ietf-opsawg-pcapng, section 3.1).
const SHORTEST_BLOCK: usize = 12;

/// How long a block says it is, if so much of it is there.
fn block_length(rest: &[u8], big_endian: bool) -> Option<usize> {
    word(rest, 4, big_endian).and_then(|length| usize::try_from(length).ok())
}

/// Whether anything in a block of this type is of use: sections, interfaces, packets and statistics.
fn is_read(block: &[u8], big_endian: bool) -> bool {
    matches!(word(block, 0, big_endian), Some(0x0a0d_0d0a | 1 | 5 | 6))
}

fn word(bytes: &[u8], at: usize, big_endian: bool) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk::<4>()?;
    Some(if big_endian { u32::from_be_bytes(*field) } else { u32::from_le_bytes(*field) })
}

fn read_pcap(bytes: &[u8]) -> Result<Capture, CaptureError> {
    let mut capture = Capture::default();
    let (mut rest, header) = match parse_pcap_header(bytes) {
        Ok(parsed) => parsed,
        Err(nom::Err::Incomplete(_)) => return Ok(Capture { cut_short: true, ..capture }),
        Err(_) => return Err(CaptureError::NoCapture),
    };
    let unit: i64 = if header.is_nanosecond_precision() { 1 } else { 1000 };
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let at = bytes.len() - rest.len();
        let parsed = if header.is_bigendian() { parse_pcap_frame_be(rest) } else { parse_pcap_frame(rest) };
        let (after, frame) = match parsed {
            Ok(parsed) => parsed,
            Err(nom::Err::Incomplete(_)) => {
                capture.cut_short = true;
                break;
            }
            Err(_) => return Err(CaptureError::Unreadable { what: "packet", number, at }),
        };
        rest = after;
        let time = i64::from(frame.ts_sec) * 1_000_000_000 + i64::from(frame.ts_usec) * unit;
        let cut = frame.caplen < frame.origlen;
        // The upper bits of the field say whether a frame check sequence is there (pcap format, "FCS length").
        let link = header.network.0 & 0x0fff_ffff;
        capture.add(link, WallTime(time), frame.data, cut, Vec::new())?;
    }
    Ok(capture)
}

impl Capture {
    fn add(
        &mut self,
        link: i32,
        at: WallTime,
        frame: &[u8],
        cut: bool,
        comments: Vec<String>,
    ) -> Result<(), CaptureError> {
        if self.packets.len() >= MOST_PACKETS {
            return Err(CaptureError::TooLarge);
        }
        let Some(packet) = inside(link, frame) else {
            self.others += 1;
            return Ok(());
        };
        let length = claimed(packet);
        let whole = !cut && length.is_some_and(|length| length <= packet.len());
        let bytes = match length {
            Some(length) if whole => packet[..length].to_vec(),
            _ => packet.to_vec(),
        };
        self.packets.push(Packet { at, bytes, whole, comments });
        Ok(())
    }
}

/// The IP packet inside a frame of this link type (the numbers of the pcap registry).
fn inside(link: i32, frame: &[u8]) -> Option<&[u8]> {
    let of_type = |kind: &[u8], rest: usize| {
        matches!(kind, [0x08, 0x00] | [0x86, 0xdd]).then(|| frame.get(rest..)).flatten()
    };
    match link {
        // RAW, and what BSDs call it; IPv4 and IPv6 alone.
        101 | 12 | 14 | 228 | 229 => Some(frame),
        // EN10MB, behind at most two VLAN tags (IEEE 802.1Q).
        1 => {
            let mut at = 12;
            for _ in 0..2 {
                if matches!(frame.get(at..at + 2)?, [0x81, 0x00] | [0x88, 0xa8]) {
                    at += 4;
                }
            }
            of_type(frame.get(at..at + 2)?, at + 2)
        }
        // NULL and LOOP: four bytes of address family, in the writer's byte order; the packet says its version itself.
        0 | 108 => frame.get(4..),
        // LINUX_SLL and LINUX_SLL2.
        113 => of_type(frame.get(14..16)?, 16),
        276 => of_type(frame.get(0..2)?, 20),
        _ => None,
    }
}

/// How long an IP packet says that it is; `None` if it is none.
fn claimed(packet: &[u8]) -> Option<usize> {
    let word =
        |at: usize| packet.get(at..at + 2).map(|word| usize::from(u16::from_be_bytes([word[0], word[1]])));
    match packet.first()? >> 4 {
        4 => word(2),
        6 => word(4).map(|length| length + 40),
        _ => None,
    }
}

/// Units in a second (if_tsresol): a power of ten, or of two where the top bit is set.
fn units(resolution: u8) -> Option<u64> {
    match resolution {
        power @ 0..=19 => Some(10_u64.pow(u32::from(power))),
        power if power & 0x80 != 0 => 1_u64.checked_shl(u32::from(power & 0x7f)),
        _ => None,
    }
}

fn wall(raw: u64, units: u64) -> Option<WallTime> {
    let nanoseconds = u128::from(raw) * 1_000_000_000 / u128::from(units);
    i64::try_from(nanoseconds).ok().map(WallTime)
}

fn comments(options: &[PcapNGOption<'_>]) -> Vec<String> {
    let comments = options.iter().filter(|option| option.code == OptionCode::Comment);
    note::joined(comments.map(|option| {
        let value = option.as_bytes().unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section of nothing, and a block of `kind` that says it is `length` long, with zeros behind it.
    fn with_block(kind: u32, length: u32) -> Vec<u8> {
        let mut bytes = vec![0x0a, 0x0d, 0x0d, 0x0a];
        for word in [28, 0x1a2b_3c4d, 0x0001_0000, u32::MAX, u32::MAX, 28, kind, length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend([0; 64]);
        bytes
    }

    #[test]
    fn a_block_shorter_than_any_is_told_with_its_place_whatever_its_kind() {
        // Known kinds, among them those nobody reads here, and one that nobody knows.
        let kinds = [1, 2, 3, 4, 5, 6, 9, 10, 0xbad, 0x4000_0bad, 0x8000_0001, 0x7777, 0x0a0d_0d0a];
        for kind in kinds {
            for length in 0..12 {
                let told = CaptureError::Unreadable { what: "block", number: 2, at: 28 };
                assert_eq!(read(&with_block(kind, length)).err(), Some(told), "{kind:#x} of {length}");
            }
            for length in 12..64 {
                // Whatever comes of it, it is no panic.
                let _ = read(&with_block(kind, length));
            }
            // A section without its magic number is damaged, however long; the rest was being written.
            let long = read(&with_block(kind, 4096));
            assert!(long.map_or(kind == 0x0a0d_0d0a, |capture| capture.cut_short), "{kind:#x}");
        }
    }
}
