//! Packed files, unpacked piece by piece: a routing dump of gigabytes is never in memory whole.
//!
//! gzip (RFC 1952), bzip2, Zstandard (RFC 8878) and xz, each also of several members or frames one after the other, as `cat`
//! and parallel packers leave them. The first bytes decide, never the name. A stream that ends in the middle of a
//! member is an error; what was unpacked before it is then worth nothing.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::rc::Rc;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use sha2::{Digest as _, Sha256};

use crate::asdb::error::{Digest, Operation};

/// Bytes asked of a file, and of a decompressor, at a time.
const CHUNK: usize = 1 << 18;

/// How much of the unpacked beginning is looked at before anything is read: 64 KiB.
pub(crate) const HEAD: usize = 1 << 16;

/// The most memory a packed stream may ask for its window: 128 MiB. `zstd --ultra` and `xz -9` ask for that and 64 MiB.
const LARGEST_WINDOW: u32 = 128 << 20;

/// How a file is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Packing {
    /// Not at all.
    #[default]
    Plain,
    /// gzip, RFC 1952.
    Gzip,
    /// bzip2.
    Bzip2,
    /// Zstandard, RFC 8878.
    Zstd,
    /// xz.
    Xz,
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "not packed",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
        })
    }
}

impl Packing {
    /// Told from the first bytes; eight are enough.
    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // "BZh", the block size, and the first mark: of a block (pi) or of the end (its square root).
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Self::Bzip2,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A frame that holds no data (RFC 8878 §3.1.2); parallel packers begin with one.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::Plain,
        }
    }

    pub(crate) fn operation(self) -> Operation {
        match self {
            Self::Plain => Operation::Read,
            Self::Gzip => Operation::Gunzip,
            Self::Bzip2 => Operation::Bunzip2,
            Self::Zstd => Operation::Unzstd,
            Self::Xz => Operation::Unxz,
        }
    }

    /// What is inside `input`.
    pub(crate) fn unpack<'r>(self, input: impl BufRead + 'r) -> Box<dyn Read + 'r> {
        match self {
            Self::Plain => Box::new(input),
            Self::Gzip => Box::new(MultiGzDecoder::new(input)),
            Self::Bzip2 => Box::new(MultiBzDecoder::new(input)),
            Self::Zstd => Box::new(Zstd::new(input)),
            Self::Xz => Box::new(XzReader::new_mem_limit(input, true, LARGEST_WINDOW >> 10)),
        }
    }
}

/// Zstandard of any number of frames, skippable ones included, checksums compared.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R> Zstd<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW.into());
        Self { source, decoder, in_frame: false }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.reset(&mut self.source) {
                    Ok(()) => self.in_frame = true,
                    Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                        length,
                        ..
                    })) => {
                        let length = u64::from(length);
                        if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? < length {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                    }
                    Err(error) => return Err(io::Error::other(error)),
                }
            } else if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            } else if self.decoder.is_finished() {
                let wanted = self.decoder.get_checksum_from_data();
                if wanted.is_some() && wanted != self.decoder.get_calculated_checksum() {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame's checksum is wrong"));
                }
                self.in_frame = false;
            } else {
                let step = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, step).map_err(io::Error::other)?;
            }
        }
    }
}

/// Counts what passes, and tells of it.
struct Counted<R, F> {
    inner: R,
    count: Rc<Cell<u64>>,
    tell: F,
}

impl<R: Read, F: FnMut(u64)> Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.count.set(self.count.get() + got as u64);
        (self.tell)(self.count.get());
        Ok(got)
    }
}

/// Takes the digest of what is read through it.
pub(crate) struct Hashed<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: BufRead> Hashed<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new() }
    }

    /// SHA-256 of all there is, what nobody has read included.
    pub(crate) fn digest(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Digest(self.hasher.finalize().into()))
    }
}

impl<R: BufRead> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..got]);
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Hashed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // What is consumed was filled before, so that nothing is read here and nothing can fail.
        if let Ok(filled) = self.inner.fill_buf() {
            self.hasher.update(&filled[..count.min(filled.len())]);
        }
        self.inner.consume(count);
    }
}

/// A file being unpacked, its beginning already seen.
pub(crate) struct Stream<'r> {
    input: io::Chain<Cursor<Vec<u8>>, BufReader<Box<dyn Read + 'r>>>,
    pub(crate) packing: Packing,
    /// The head is all there is.
    pub(crate) complete: bool,
    offsets: Offsets,
}

/// How far a stream is.
#[derive(Clone, Default)]
pub(crate) struct Offsets {
    packed: Rc<Cell<u64>>,
    unpacked: Rc<Cell<u64>>,
}

impl Offsets {
    /// Bytes taken from the file.
    pub(crate) fn packed(&self) -> u64 {
        self.packed.get()
    }

    /// Bytes that came out.
    pub(crate) fn unpacked(&self) -> u64 {
        self.unpacked.get()
    }
}

impl<'r> Stream<'r> {
    /// Begins to unpack `reader`; `progress` is told how many bytes of it were taken. On failure also says what was being done,
    /// and how far it was.
    pub(crate) fn open(
        reader: impl Read + 'r,
        progress: &'r mut dyn FnMut(u64),
    ) -> Result<Self, (Packing, Offsets, io::Error)> {
        let offsets = Offsets::default();
        let counted = Counted { inner: reader, count: offsets.packed.clone(), tell: progress };
        let mut file = BufReader::with_capacity(CHUNK, counted);
        let mut mark = Vec::new();
        let failed = |packing, error| (packing, offsets.clone(), error);
        (&mut file).take(8).read_to_end(&mut mark).map_err(|error| failed(Packing::Plain, error))?;
        let packing = Packing::of(&mark);
        let unpacked = Counted {
            inner: packing.unpack(Cursor::new(mark).chain(file)),
            count: offsets.unpacked.clone(),
            tell: |_| {},
        };
        let unpacked: Box<dyn Read + 'r> = Box::new(unpacked);
        let mut unpacked = BufReader::with_capacity(CHUNK, unpacked);
        let mut head = Vec::new();
        (&mut unpacked).take(HEAD as u64).read_to_end(&mut head).map_err(|error| failed(packing, error))?;
        let complete = unpacked.fill_buf().map_err(|error| failed(packing, error))?.is_empty();
        Ok(Self { input: Cursor::new(head).chain(unpacked), packing, complete, offsets })
    }

    /// The first [`HEAD`] bytes, or all if there are fewer.
    pub(crate) fn head(&self) -> &[u8] {
        self.input.get_ref().0.get_ref()
    }

    pub(crate) fn offsets(&self) -> Offsets {
        self.offsets.clone()
    }

    /// All that is unpacked, from the beginning.
    pub(crate) fn input(&mut self) -> &mut (impl BufRead + use<'r>) {
        &mut self.input
    }
}
