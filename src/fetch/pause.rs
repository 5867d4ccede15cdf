//! `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).

use std::time::Duration;

use jiff::Timestamp;

/// How long to wait. A date is compared with the server's own (`Date`) where that is given, else with `now`; one that has passed
/// is no wait.
#[must_use]
pub fn retry_after(value: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too long for us is too long to wait as well.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(value)?;
    let now = date.and_then(http_date).unwrap_or(now);
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, and the two older forms that a recipient has to take (RFC 9110 §5.6.7).
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let usual = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    usual.or_else(|| Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_of_every_form_are_read() {
        let seconds = |value, date, now| retry_after(value, date, now).map(|wait| wait.as_secs());
        // Sun, 06 Nov 1994 08:49:37 GMT.
        let now = Timestamp::from_second(784_111_777 - 60).unwrap();
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(http_date(date).unwrap().as_second(), 784_111_777, "{date}");
            assert_eq!(seconds(date, None, now), Some(60), "{date}");
            // A clock that is wrong here does not matter where the server tells its own.
            let by = Some("Sun, 06 Nov 1994 08:49:30 GMT");
            assert_eq!(seconds(date, by, now), Some(7), "{date}");
            assert_eq!(seconds(date, Some("Mon, 07 Nov 1994 08:49:30 GMT"), now), Some(0), "{date}");
            assert_eq!(seconds(date, Some("yesterday"), now), Some(60), "{date}");
        }
        assert_eq!(http_date("yesterday"), None);
        assert_eq!(seconds(" 120 ", None, now), Some(120));
        assert_eq!(seconds("99999999999999999999999", None, now), Some(u64::MAX));
        for bad in ["", "-5", "1.5", "soon", "Sun, 40 Nov 1994 08:49:37 GMT"] {
            assert_eq!(seconds(bad, None, now), None, "{bad}");
        }
    }
}
