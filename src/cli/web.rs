//! `--url URL`: what somebody cannot open, as they have it in their browser: host, port and service.

use url::{Host, Url};

use super::args::{App, Diagnose};
use super::output;

/// What is measured of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// The host as the DNS has it, or an address without brackets.
    pub host: String,
    /// The port that is written, else the scheme's.
    pub port: u16,
    /// TLS for https, HTTP for http.
    pub app: App,
}

impl Web {
    /// Reads an `http` or `https` address (RFC 9110 §4.2); a host in any script becomes what the DNS has (UTS 46).
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => {
                format!("'{text}' has no scheme: write https://{text}, or give the host as TARGET")
            }
            other => format!("{other}: write it as https://example.net/"),
        })?;
        let app = match url.scheme() {
            "http" => App::Http,
            "https" => App::Tls,
            other => {
                let instead = match other {
                    "ws" => "write http:// instead".to_owned(),
                    "wss" => "write https:// instead".to_owned(),
                    "mailto" => "measure who takes the domain's mail with --mx DOMAIN".to_owned(),
                    "ftp" => "name the host and its port: TARGET 21".to_owned(),
                    "ssh" => "name the host and its port: TARGET 22".to_owned(),
                    "smtp" => "name the host and its port: TARGET 25".to_owned(),
                    // `example.net:8080` reads as a scheme.
                    _ if !text.contains("://") => {
                        format!("for a host and a port give them as TARGET: {text}")
                    }
                    _ => "name the host and its port: TARGET PORT".to_owned(),
                };
                return Err(format!("'{other}' is neither http nor https: {instead}"));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "there is a name or password in it, which would end up in the report: leave it out".into()
            );
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        };
        let port = url.port_or_known_default().filter(|port| *port > 0);
        match (host.is_empty(), port) {
            (false, Some(port)) => Ok(Self { host, port, app }),
            (true, _) => Err("it names no host: write it as https://example.net/".into()),
            (_, None) => Err("0 is no port: a port is a number from 1 to 65535".into()),
        }
    }

    /// The same question in the words that every command has.
    pub fn apply(&self, words: &mut Diagnose) {
        words.probing.target = Some(self.host.clone());
        words.probing.port = Some(self.port);
        words.probing.tcp = true;
        if words.app.is_some() {
            return;
        }
        let marked = words.probing.way.fwmark.is_some() || words.via.iter().any(super::via::Via::marks);
        if marked {
            output::talk("no exchange is made with the service: a marked way has none (see --app)");
        } else if !words.asks_others() {
            words.app = Some(self.app);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_web_are_read_in_every_form() {
        let read = |text: &str| Web::parse(text).map(|web| (web.host, web.port, web.app));
        let is = |host: &str, port, app| Ok((host.to_owned(), port, app));
        assert_eq!(read("https://example.net/a?b#c"), is("example.net", 443, App::Tls));
        assert_eq!(read("HTTP://EXAMPLE.net"), is("example.net", 80, App::Http));
        assert_eq!(read("http://example.net:8080/"), is("example.net", 8080, App::Http));
        assert_eq!(read("https://example.net:80"), is("example.net", 80, App::Tls));
        assert_eq!(read("https://[2001:db8::1]:8443/"), is("2001:db8::1", 8443, App::Tls));
        assert_eq!(read("https://192.0.2.1."), is("192.0.2.1", 443, App::Tls));
        assert_eq!(read("https://пример.испытание/путь"), is("xn--e1afmkfd.xn--80akhbyknj4f", 443, App::Tls));
        assert_eq!(read("https://BÜCHER.example"), is("xn--bcher-kva.example", 443, App::Tls));
    }

    #[test]
    fn what_is_no_address_of_the_web_is_refused_with_the_way_out() {
        for (text, wanted) in [
            ("example.net", "https://example.net"),
            ("example.net:8080", "TARGET: example.net:8080"),
            ("ftp://example.net/", "TARGET 21"),
            ("wss://example.net/", "https://"),
            ("mailto:a@example.net", "--mx"),
            ("gopher://example.net/", "TARGET PORT"),
            ("https://", "https://example.net/"),
            ("https://a:b@example.net/", "password"),
            ("https://example.net:0/", "no port"),
            ("https://example.net:70000/", "port"),
            ("https://a b/", "https://example.net/"),
            ("", "no scheme"),
        ] {
            let error = Web::parse(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
