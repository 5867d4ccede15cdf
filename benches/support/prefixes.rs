//! Ranges as the prefixes that make them up, for those that know nothing else.

/// Calls `each` with the prefixes of `width` bits at most that make up an inclusive range.
pub fn split(first: u128, last: u128, width: u32, mut each: impl FnMut(u128, u8)) {
    let mut at = first;
    loop {
        let mut zeros = at.trailing_zeros().min(width);
        // The largest aligned block that does not pass the end.
        while zeros > 0 && low(zeros) > last - at {
            zeros -= 1;
        }
        each(at, (width - zeros) as u8);
        let end = at | low(zeros);
        if end >= last {
            return;
        }
        at = end + 1;
    }
}

fn low(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}
