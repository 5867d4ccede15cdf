//! Bytes of the table file: integers of variable length, and columns packed with deflate (RFC 1951).
//!
//! Columns of like values are packed apart from each other, because each then gets Huffman codes of its own; that, and not a
//! stronger compressor, is what makes the shipped table small enough. The figures are in `benches/asdb/README.md`.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::error::{At, Error};

/// Appends `value` in groups of seven bits, lowest first, the top bit set on all but the last (LEB128).
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads forward through a part of a table file; every fault names its byte.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    at: At<'a>,
    what: &'static str,
}

impl<'a> Cursor<'a> {
    /// `at` is where `bytes` begin in the file, `what` what they are called in an error.
    pub(crate) fn new(bytes: &'a [u8], at: At<'a>, what: &'static str) -> Self {
        Self { rest: bytes, at, what }
    }

    pub(crate) fn at(&self) -> At<'a> {
        self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let Some((head, tail)) = self.rest.split_at_checked(count) else {
            return Err(Error::Truncated {
                path: self.at.path.to_path_buf(),
                what: self.what,
                expected: self.at.offset.saturating_add(count as u64),
                got: self.at.offset + self.rest.len() as u64,
            });
        };
        self.rest = tail;
        self.at = self.at.plus(count);
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn varint(&mut self) -> Result<u128, Error> {
        let at = self.at;
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(at.malformed("an integer", "at most 128 bits", u64::MAX))
    }

    /// A varint that counts or points, no greater than `most`.
    pub(crate) fn size(&mut self, what: &'static str, most: usize) -> Result<usize, Error> {
        let at = self.at;
        let value = self.varint()?;
        match usize::try_from(value) {
            Ok(size) if size <= most => Ok(size),
            _ => Err(at.malformed(
                what,
                "no more than the table says it holds",
                u64::try_from(value).unwrap_or(u64::MAX),
            )),
        }
    }
}

/// Appends a column: its number, its length, and its bytes, deflated where that is shorter. An empty column is left out.
pub(crate) fn put_column(out: &mut Vec<u8>, number: u8, raw: &[u8]) {
    if raw.is_empty() {
        return;
    }
    let packed = deflate(raw).filter(|packed| packed.len() < raw.len());
    out.push(number);
    put_varint(out, raw.len() as u128);
    match packed {
        Some(packed) => {
            put_varint(out, packed.len() as u128);
            out.extend(packed);
        }
        None => {
            put_varint(out, 0);
            out.extend(raw);
        }
    }
}

/// Raw deflate at the best level; nothing if the encoder refuses, which leaves the column stored.
fn deflate(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len() + 64);
    let mut encoder = Compress::new(Compression::best(), false);
    let status = encoder.compress_vec(raw, &mut out, FlushCompress::Finish).ok()?;
    (status == Status::StreamEnd).then_some(out)
}

/// Unpacks columns; holds the decoder's window so that a block of columns allocates it once.
pub(crate) struct Columns {
    inflate: Decompress,
}

impl Columns {
    pub(crate) fn new() -> Self {
        Self { inflate: Decompress::new(false) }
    }

    /// The next column of `from`: its number and bytes. `most` bounds the bytes, so a hostile length allocates nothing.
    pub(crate) fn next(&mut self, from: &mut Cursor<'_>, most: usize) -> Result<(u8, Vec<u8>), Error> {
        let number = from.byte()?;
        let length = from.size("the length of a column", most)?;
        let packed = from.size("the packed length of a column", most)?;
        let at = from.at();
        if packed == 0 {
            return Ok((number, from.take(length)?.to_vec()));
        }
        let packed = from.take(packed)?;
        // Deflate cannot do better than 258 bytes in 2 bits: what promises more would only make us allocate.
        if length / 1032 > packed.len() {
            return Err(at.malformed("the length of a column", "what deflate can yield", length as u64));
        }
        let mut out = vec![0; length];
        self.inflate.reset(false);
        let status = self.inflate.decompress(packed, &mut out, FlushDecompress::Finish);
        let whole =
            self.inflate.total_out() == length as u64 && self.inflate.total_in() == packed.len() as u64;
        if matches!(status, Ok(Status::StreamEnd)) && whole {
            Ok((number, out))
        } else {
            Err(at.malformed(
                "a packed column",
                "deflate data of the length stated",
                self.inflate.total_out(),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn here() -> At<'static> {
        At { path: Path::new("t"), offset: 0 }
    }

    proptest! {
        #[test]
        fn integers_come_back(values in prop::collection::vec(any::<u128>().prop_flat_map(|v| (0u32..128).prop_map(move |s| v >> s)), 0..20)) {
            let mut bytes = Vec::new();
            values.iter().for_each(|value| put_varint(&mut bytes, *value));
            let mut cursor = Cursor::new(&bytes, here(), "test");
            for value in &values {
                prop_assert_eq!(cursor.varint().unwrap(), *value);
            }
            prop_assert!(cursor.is_empty());
        }

        #[test]
        fn columns_come_back_and_cut_ones_do_not(raw in prop::collection::vec(0u8..4, 1..300), noise: Vec<u8>) {
            let mut bytes = Vec::new();
            put_column(&mut bytes, 9, &raw);
            let mut columns = Columns::new();
            let (number, got) = columns.next(&mut Cursor::new(&bytes, here(), "test"), raw.len()).unwrap();
            prop_assert_eq!((number, got), (9, raw.clone()));
            for cut in 0..bytes.len() {
                prop_assert!(columns.next(&mut Cursor::new(&bytes[..cut], here(), "test"), raw.len()).is_err());
            }
            // A length above what the caller allows is refused before anything is allocated.
            prop_assert!(columns.next(&mut Cursor::new(&bytes, here(), "test"), raw.len() - 1).is_err());
            let _ = columns.next(&mut Cursor::new(&noise, here(), "test"), 1000);
        }
    }

    #[test]
    fn an_endless_integer_is_refused() {
        assert!(Cursor::new(&[0xff; 40], here(), "test").varint().is_err());
        let mut top = vec![0x80; 18];
        top.push(0x03);
        assert_eq!(Cursor::new(&top, here(), "test").varint().unwrap(), 3 << 126);
        top[18] = 0x04;
        assert!(Cursor::new(&top, here(), "test").varint().is_err());
    }
}
