//! The pcapng blocks that are written here (draft-ietf-opsawg-pcapng): little-endian, each in one call, so that a file is
//! whole up to the last block whenever the program ends.

use std::io::{self, Write};

use crate::trace::{Losses, WallTime};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
const COMMENT: u16 = 1;
/// Packets begin with the IP header; its version says which.
const LINKTYPE_RAW: u16 = 101;
/// Most bytes of one comment: an option's length has 16 bits.
const LONGEST_COMMENT: usize = 60_000;

/// What a capture says of the program and the place it was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Name and version of the program.
    pub application: String,
    /// The system's name and version, if known.
    pub system: Option<String>,
    /// The interface that probes left by, if known.
    pub interface: Option<String>,
}

/// Writes blocks.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Writes section and interface.
    pub fn begin(out: W, about: &About, comment: &str) -> io::Result<Self> {
        let mut writer = Self { out };
        let mut body = Vec::new();
        body.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        body.extend_from_slice(&[1, 0, 0, 0]);
        body.extend_from_slice(&(-1_i64).to_le_bytes());
        let mut options = Options::default();
        options.comment(comment);
        if let Some(system) = &about.system {
            options.add(3, system.as_bytes());
        }
        options.add(4, about.application.as_bytes());
        writer.block(SECTION, body, options)?;
        let mut body = Vec::new();
        body.extend_from_slice(&LINKTYPE_RAW.to_le_bytes());
        // Two reserved bytes, and no limit to a packet's length.
        body.extend_from_slice(&[0; 6]);
        let mut options = Options::default();
        if let Some(interface) = &about.interface {
            options.add(2, interface.as_bytes());
        }
        options.add(3, b"probes of this program and the replies that belong to them");
        // Units of 10^-9 s.
        options.add(9, &[9]);
        if let Some(system) = &about.system {
            options.add(12, system.as_bytes());
        }
        writer.block(INTERFACE, body, options)?;
        Ok(writer)
    }

    /// Writes a packet.
    pub fn packet(
        &mut self,
        at: WallTime,
        outbound: bool,
        bytes: &[u8],
        comments: &[String],
    ) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut body = Vec::with_capacity(bytes.len() + 32);
        body.extend_from_slice(&0_u32.to_le_bytes());
        body.extend_from_slice(&moment(at));
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(bytes);
        let mut options = Options::default();
        for comment in comments {
            options.comment(comment);
        }
        options.add(2, &(if outbound { 2_u32 } else { 1 }).to_le_bytes());
        self.block(PACKET, body, options)
    }

    /// Writes the counters that end a capture.
    pub fn end(
        &mut self,
        started: WallTime,
        ended: WallTime,
        kept: u64,
        losses: Losses,
        comments: &[String],
    ) -> io::Result<()> {
        let mut body = Vec::new();
        body.extend_from_slice(&0_u32.to_le_bytes());
        body.extend_from_slice(&moment(ended));
        let mut options = Options::default();
        for comment in comments {
            options.comment(comment);
        }
        options.add(2, &moment(started));
        options.add(3, &moment(ended));
        options.add(7, &losses.overflow.to_le_bytes());
        options.add(8, &kept.to_le_bytes());
        self.block(STATISTICS, body, options)
    }

    fn block(&mut self, kind: u32, mut body: Vec<u8>, options: Options) -> io::Result<()> {
        pad(&mut body);
        body.extend_from_slice(&options.finish());
        let length = u32::try_from(body.len() + 12).map_err(io::Error::other)?.to_le_bytes();
        let mut block = Vec::with_capacity(body.len() + 12);
        block.extend_from_slice(&kind.to_le_bytes());
        block.extend_from_slice(&length);
        block.extend_from_slice(&body);
        block.extend_from_slice(&length);
        self.out.write_all(&block)?;
        self.out.flush()
    }
}

/// High half first, each half little-endian. Times before 1970 cannot be written.
fn moment(at: WallTime) -> [u8; 8] {
    let nanoseconds = u64::try_from(at.0).unwrap_or(0);
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&((nanoseconds >> 32) as u32).to_le_bytes());
    bytes[4..].copy_from_slice(&(nanoseconds as u32).to_le_bytes());
    bytes
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[derive(Debug, Default)]
struct Options(Vec<u8>);

impl Options {
    fn add(&mut self, code: u16, value: &[u8]) {
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        self.0.extend_from_slice(&code.to_le_bytes());
        self.0.extend_from_slice(&(value.len() as u16).to_le_bytes());
        self.0.extend_from_slice(value);
        pad(&mut self.0);
    }

    /// A comment too long for one option becomes several, each further one marked.
    fn comment(&mut self, text: &str) {
        let mut rest = text;
        let mut mark = "";
        loop {
            let (now, later) = rest.split_at(rest.floor_char_boundary(LONGEST_COMMENT));
            self.add(COMMENT, format!("{mark}{now}").as_bytes());
            if later.is_empty() {
                return;
            }
            (rest, mark) = (later, super::note::CONTINUED);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if !self.0.is_empty() {
            self.0.extend_from_slice(&[0; 4]);
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_of_any_length_is_read_back_whole() {
        // Characters of two bytes, so that no part may end just anywhere.
        let long = "\u{e9}".repeat(100_000);
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(&mut bytes, &About::default(), &long).unwrap();
        let comments = ["one".to_owned(), long.clone(), String::new(), "two".to_owned()];
        writer.packet(WallTime(1_000_000_001), true, &[0x45, 0, 0, 3], &comments).unwrap();
        writer.end(WallTime(0), WallTime(2), 1, Losses::default(), &comments).unwrap();
        let read = super::super::read(&bytes).unwrap();
        assert_eq!(read.opening[0], long);
        assert_eq!(read.packets[0].comments, comments);
        assert_eq!(read.packets[0].at, WallTime(1_000_000_001));
        assert_eq!(read.packets[0].bytes, [0x45, 0, 0], "three bytes, as the packet says");
        assert_eq!(read.closing, comments);
        assert!(!read.cut_short);
    }
}
