//! Documents as they are kept: deflated, with the target's first document as dictionary. All runs of a target look alike, so
//! that most take a tenth of what they would take alone.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use rusqlite::Row;

use super::HistoryError;

/// The longest document that is read back: no run comes near.
const LONGEST: usize = 64 << 20;
/// Bytes of a dictionary that deflate can look back to.
pub(super) const WINDOW: usize = 32 << 10;

pub(super) fn pack(text: &[u8], dictionary: &[u8]) -> Result<Vec<u8>, HistoryError> {
    let fault =
        |error: &dyn std::fmt::Display| HistoryError::Other(format!("a run cannot be packed: {error}"));
    let mut packer = Compress::new(Compression::new(6), true);
    packer.set_dictionary(dictionary).map_err(|error| fault(&error))?;
    let mut packed = Vec::with_capacity(text.len() / 2 + 1024);
    loop {
        let read = usize::try_from(packer.total_in()).unwrap_or(usize::MAX);
        let status = packer.compress_vec(&text[read.min(text.len())..], &mut packed, FlushCompress::Finish);
        match status.map_err(|error| fault(&error))? {
            Status::StreamEnd => return Ok(packed),
            Status::Ok | Status::BufError => packed.reserve(packed.capacity().max(4096)),
        }
    }
}

/// A run's number and text.
pub(super) fn unpacked(row: &Row<'_>, dictionary: &[u8]) -> Result<(u64, Vec<u8>), HistoryError> {
    let (id, length): (u64, usize) = (row.get(0)?, row.get(1)?);
    let packed = row.get_ref(2)?.as_blob().map_err(|error| HistoryError::Damaged(error.to_string()))?;
    let damaged = || HistoryError::Damaged(format!("run {id} cannot be unpacked"));
    if length > LONGEST {
        return Err(damaged());
    }
    let mut unpacker = Decompress::new(true);
    // A deflated byte stands for at most 1,032: a length that is a lie asks for no more memory than that.
    let mut text = Vec::with_capacity(length.min(packed.len().saturating_mul(1032)) + 1);
    loop {
        let read = usize::try_from(unpacker.total_in()).unwrap_or(usize::MAX).min(packed.len());
        match unpacker.decompress_vec(&packed[read..], &mut text, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) if text.len() == length => return Ok((id, text)),
            Err(error) if error.needs_dictionary().is_some() => {
                unpacker.set_dictionary(dictionary).map_err(|_| damaged())?;
            }
            _ => return Err(damaged()),
        }
    }
}
