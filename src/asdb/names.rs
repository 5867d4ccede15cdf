//! Names of ASes, in blocks like the ranges: a report names a dozen ASes out of ninety thousand.

use std::path::Path;
use std::sync::OnceLock;

use super::codec::{Columns, Cursor, put_column};
use super::error::{At, Error};

/// Names in a block: fewer compress worse (1024: + 4 %), more take longer to unpack for one name.
const NAMES: usize = 2048;

/// Bytes of an unpacked block: what the builder makes of names of 256 characters, none shorter than four bytes.
const LONGEST: usize = NAMES * 1025;

/// Ends a name. Names hold no control characters.
const END: char = '\0';

/// The name section of a table file. Names stand in the order of the list of AS numbers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Where each block lies, in bytes from the beginning of the file.
    blocks: Vec<std::ops::Range<usize>>,
    unpacked: Vec<OnceLock<Vec<Box<str>>>>,
}

impl Names {
    /// Packs one name for each AS number, in their order.
    pub(crate) fn pack(names: &[Option<String>]) -> Vec<u8> {
        let mut data = Vec::new();
        let mut head = ((names.len().div_ceil(NAMES)) as u32).to_le_bytes().to_vec();
        for names in names.chunks(NAMES) {
            let mut text = String::new();
            for name in names {
                text.extend(name.as_deref());
                text.push(END);
            }
            put_column(&mut data, 1, text.as_bytes());
            head.extend((data.len() as u32).to_le_bytes());
        }
        head.extend(data);
        head
    }

    /// Reads where the blocks are. `start` is where `bytes` begin in the file.
    pub(crate) fn packed(bytes: &[u8], start: usize, at: At<'_>) -> Result<Self, Error> {
        let mut from = Cursor::new(bytes, at, "the list of name blocks");
        let count = from.u32()? as usize;
        if count > bytes.len() / 4 {
            return Err(at.malformed(
                "the number of name blocks",
                "what the section has room for",
                count as u64,
            ));
        }
        let data = 4 + count * 4;
        let mut blocks = Vec::with_capacity(count);
        let mut begin = 0;
        for _ in 0..count {
            let end = from.u32()? as usize;
            if end < begin || data + end > bytes.len() {
                return Err(at.malformed("the end of a name block", "inside its section", end as u64));
            }
            blocks.push(start + data + begin..start + data + end);
            begin = end;
        }
        let unpacked = blocks.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { blocks, unpacked })
    }

    fn unpack(bytes: &[u8], path: &Path, block: &std::ops::Range<usize>) -> Result<Vec<Box<str>>, Error> {
        let at = At { path, offset: block.start as u64 };
        let mut from = Cursor::new(&bytes[block.clone()], at, "a block of names");
        let (_, text) = Columns::new().next(&mut from, LONGEST)?;
        let text = String::from_utf8(text)
            .map_err(|error| at.malformed("a name", "UTF-8", error.utf8_error().valid_up_to() as u64))?;
        let names: Vec<Box<str>> = text.split_terminator(END).map(Box::from).collect();
        if names.len() > NAMES {
            return Err(at.malformed("the number of names in a block", "at most 2048", names.len() as u64));
        }
        Ok(names)
    }

    /// Unpacks every block once and keeps none.
    pub(crate) fn check(&self, bytes: &[u8], path: &Path) -> Result<(), Error> {
        self.blocks.iter().try_for_each(|block| Self::unpack(bytes, path, block).map(drop))
    }

    /// The name at a place in the list of AS numbers; no name is no answer.
    pub(crate) fn get(&self, place: usize, bytes: &[u8]) -> Option<&str> {
        let block = place / NAMES;
        let range = self.blocks.get(block)?;
        let names = self.unpacked[block]
            .get_or_init(|| Self::unpack(bytes, Path::new(""), range).unwrap_or_default());
        names.get(place % NAMES).map(|name| &**name).filter(|name| !name.is_empty())
    }
}
