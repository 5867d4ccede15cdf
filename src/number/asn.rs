//! Autonomous system numbers (RFC 6793: four octets).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An autonomous system number.
///
/// Displayed in the `asplain` form with the usual prefix (`AS8359`, RFC 5396); serialised as a bare integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Asn(pub u32);

/// What the IANA AS number registry says of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsnClass {
    /// Can be an origin on the public Internet.
    Public,
    /// Private use (RFC 6996). Seen in public tables only as a leak.
    Private,
    /// Documentation (RFC 5398).
    Documentation,
    /// Reserved: 0 (RFC 7607), 23456 (RFC 6793), the last of each range (RFC 7300).
    Reserved,
}

impl Asn {
    /// The registry class of this number.
    #[must_use]
    pub const fn class(self) -> AsnClass {
        match self.0 {
            0 | 23_456 | 65_535 | 65_552..=131_071 | 4_294_967_295 => AsnClass::Reserved,
            64_496..=64_511 | 65_536..=65_551 => AsnClass::Documentation,
            64_512..=65_534 | 4_200_000_000..=4_294_967_294 => AsnClass::Private,
            _ => AsnClass::Public,
        }
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("AS{}", self.0))
    }
}

/// The text is no AS number: expected `8359`, `AS8359`, or the `asdot` form `1.10`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no AS number")]
pub struct ParseAsnError {
    /// What was given.
    pub text: String,
}

impl FromStr for Asn {
    type Err = ParseAsnError;

    /// Reads `8359`, `AS8359` (any case) and `asdot` (`1.10`, RFC 5396).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseAsnError { text: text.chars().take(40).collect() };
        let digits = match text.get(..2) {
            Some(head) if head.eq_ignore_ascii_case("as") => &text[2..],
            _ => text,
        };
        let plain = |part: &str| {
            // `u32::from_str` takes a leading plus sign; an AS number has none.
            part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten()
        };
        match digits.split_once('.') {
            None => plain(digits).map(Asn).ok_or_else(error),
            Some((high, low)) => match (plain(high), plain(low)) {
                (Some(high @ 0..=0xffff), Some(low @ 0..=0xffff)) => Ok(Asn(high << 16 | low)),
                _ => Err(error()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_written_form() {
        for (text, number) in
            [("8359", 8359), ("AS8359", 8359), ("as8359", 8359), ("1.10", 65546), ("AS4294967295", u32::MAX)]
        {
            assert_eq!(text.parse::<Asn>().unwrap(), Asn(number), "{text}");
        }
        for text in ["", "AS", "ASx", "+8359", "-1", "4294967296", "1.65536", "AS 8359", "8359 ", "Аs1"] {
            assert!(text.parse::<Asn>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn classes_follow_the_registry() {
        assert_eq!(Asn(8359).class(), AsnClass::Public);
        assert_eq!(Asn(64_512).class(), AsnClass::Private);
        assert_eq!(Asn(64_500).class(), AsnClass::Documentation);
        assert_eq!(Asn(23_456).class(), AsnClass::Reserved);
        assert_eq!(format!("{:>8}", Asn(8359)), "  AS8359");
    }
}
