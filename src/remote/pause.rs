//! `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).

use std::time::SystemTime;

/// How many seconds to wait. A date is compared with the server's own (`Date`), else with `now`; one that has passed is no wait.
pub(super) fn seconds(value: &str, date: Option<&str>, now: SystemTime) -> Option<u64> {
    let value = value.trim();
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too long for us is too long to wait as well.
        return (!value.is_empty()).then(|| value.parse().unwrap_or(u64::MAX));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = date.and_then(|text| httpdate::parse_http_date(text.trim()).ok()).unwrap_or(now);
    Some(until.duration_since(now).map_or(0, |left| left.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn seconds_and_dates_of_every_form_are_read() {
        // Sun, 06 Nov 1994 08:49:37 GMT.
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(seconds(date, None, now), Some(60), "{date}");
            // A clock that is wrong here does not matter where the server tells its own.
            let by = Some("Sun, 06 Nov 1994 08:49:30 GMT");
            assert_eq!(seconds(date, by, now), Some(7), "{date}");
            assert_eq!(seconds(date, Some("Mon, 07 Nov 1994 08:49:30 GMT"), now), Some(0), "{date}");
            assert_eq!(seconds(date, Some("yesterday"), now), Some(60), "{date}");
        }
        assert_eq!(seconds(" 120 ", None, now), Some(120));
        assert_eq!(seconds("99999999999999999999999", None, now), Some(u64::MAX));
        for bad in ["", "-5", "1.5", "soon", "Sun, 40 Nov 1994 08:49:37 GMT"] {
            assert_eq!(seconds(bad, None, now), None, "{bad}");
        }
    }
}
