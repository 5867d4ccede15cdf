//! Addresses of files: only http and https, never with a password in them, displayed without what may be a key.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ureq::http::Uri;

/// An `http` or `https` address (RFC 9110 §4.2). Displayed without its query, which may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    // Errors carry several of these about.
    uri: Arc<Uri>,
}

/// Why a text is no address to fetch from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Another scheme, or none.
    #[error("not an http:// or https:// address")]
    Scheme,
    /// `user:password@` (RFC 9110 §4.2.4 has done away with it).
    #[error("a name or password in an address would end up in logs")]
    Password,
    /// Not what RFC 3986 calls a URI.
    #[error("malformed")]
    Malformed,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.split('#').next().unwrap_or_default();
        let uri: Uri = text.parse().map_err(|_| AddressError::Malformed)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(AddressError::Scheme);
        }
        let authority = uri.authority().ok_or(AddressError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::Password);
        }
        if authority.host().is_empty() {
            return Err(AddressError::Malformed);
        }
        Ok(Self { uri: Arc::new(uri) })
    }
}

impl Address {
    /// Whether it is https.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Whether what is sent there stays in this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.eq_ignore_ascii_case("localhost")
            || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether both are of the same scheme, host and port (RFC 9110 §4.3.1).
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        let origin = |address: &Self| {
            let uri = &address.uri;
            let default = if address.is_secure() { 443 } else { 80 };
            let host = uri.host().unwrap_or_default().to_ascii_lowercase();
            (address.is_secure(), host, uri.port_u16().unwrap_or(default))
        };
        origin(self) == origin(other)
    }

    /// What a `Location` means when it is found here (RFC 3986 §5.2, without dot segments, which servers resolve as well).
    ///
    /// # Errors
    /// As for any address.
    pub fn join(&self, location: &str) -> Result<Self, AddressError> {
        let location = location.trim();
        let (scheme, authority) = (self.uri.scheme_str().unwrap_or("http"), self.authority());
        let path = self.uri.path();
        let head = location.find(['/', '?', '#']).unwrap_or(location.len());
        if location[..head].contains(':') {
            return location.parse();
        }
        if location.starts_with("//") {
            return format!("{scheme}:{location}").parse();
        }
        let path = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            Some(_) => format!("{}{location}", &path[..=path.rfind('/').unwrap_or(0)]),
            None => path.to_owned(),
        };
        format!("{scheme}://{authority}{path}").parse()
    }

    /// The same path and query at another place: scheme, host and port of `base`, its path before this one.
    ///
    /// # Errors
    /// If the two together are no address.
    pub fn moved_to(&self, base: &Self) -> Result<Self, AddressError> {
        let scheme = base.uri.scheme_str().unwrap_or("http");
        let before = base.uri.path().trim_end_matches('/');
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        format!("{scheme}://{}{before}{path}", base.authority()).parse()
    }

    /// The same with one more field in its query. `value` must need no escaping there.
    ///
    /// # Errors
    /// If it does.
    pub fn with_query(&self, name: &str, value: &str) -> Result<Self, AddressError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !value.bytes().all(plain) {
            return Err(AddressError::Malformed);
        }
        let mark = if self.uri.query().is_some() { '&' } else { '?' };
        format!("{}{mark}{name}={value}", self.uri).parse()
    }

    /// The last part of the path.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.uri.path().rsplit('/').next().unwrap_or_default()
    }

    fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = if self.uri.query().is_some() { "?…" } else { "" };
        let scheme = self.uri.scheme_str().unwrap_or("http");
        write!(f, "{scheme}://{}{}{query}", self.authority(), self.uri.path())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn locations_are_resolved() {
        let here = address("https://a.example:8443/x/y.gz?v=1");
        for (location, there) in [
            ("http://b.example/z", "http://b.example/z"),
            ("//b.example/z", "https://b.example/z"),
            ("/z?k=2", "https://a.example:8443/z?k=2"),
            ("z.gz", "https://a.example:8443/x/z.gz"),
            ("?v=2", "https://a.example:8443/x/y.gz?v=2"),
            ("", "https://a.example:8443/x/y.gz"),
        ] {
            assert_eq!(here.join(location).unwrap(), address(there), "{location}");
        }
        assert_eq!(here.join("ftp://b.example/z"), Err(AddressError::Scheme));
        assert!(here.join("javascript:alert(1)").is_err());
        assert_eq!(here.join("http://u:p@b.example/"), Err(AddressError::Password));
    }

    #[test]
    fn what_may_be_a_key_is_not_shown() {
        let with = address("https://a.example/f").with_query("token", "s3cret").unwrap();
        assert_eq!(with.uri().query(), Some("token=s3cret"));
        assert_eq!(format!("{with} {with:?}"), "https://a.example/f?… Address(https://a.example/f?…)");
        assert!(address("https://a.example/f").with_query("token", "a&b").is_err());
    }

    #[test]
    fn origins_and_places() {
        assert!(address("https://A.example/x").same_origin(&address("https://a.example:443/y")));
        assert!(!address("https://a.example/").same_origin(&address("http://a.example/")));
        assert!(!address("https://a.example/").same_origin(&address("https://a.example:444/")));
        assert!(
            ["http://127.9.9.9:1/", "http://[::1]/", "http://localhost/"]
                .map(address)
                .iter()
                .all(Address::is_loopback)
        );
        assert!(!address("http://localhost.example/").is_loopback());
        let moved = address("https://a.example/x/y?z").moved_to(&address("http://127.0.0.1:9/m/")).unwrap();
        assert_eq!(moved, address("http://127.0.0.1:9/m/x/y?z"));
    }
}
