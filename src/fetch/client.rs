//! One question to a server: redirections, patience and keys.

use std::fmt;
use std::io::Read;
use std::time::Duration;

use jiff::Timestamp;
use ureq::http::{HeaderMap, Response};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::address::{Address, AddressError};
use super::error::Error;
use super::pause::retry_after;

/// The most of an error page that is read, and of it that is shown, in bytes and characters.
const EXCERPT: (u64, usize) = (4096, 160);

/// How patient to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// For a name and a connection, TLS included.
    pub connect: Duration,
    /// For the head of a response, and for silence within its body; also the time within which [`least`](Self::least)
    /// is counted.
    pub idle: Duration,
    /// The slowest pace, in bytes a second.
    pub least: u64,
    /// The most redirections of one question.
    pub redirects: u8,
    /// The longest `Retry-After` that is waited for.
    pub retry_after: Duration,
    /// How often a download is taken up again, or asked for again because the server failed.
    pub tries: u8,
    /// The pause before the first of these, doubled for each further one.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            idle: Duration::from_secs(30),
            // A modem of 1990 did better.
            least: 256,
            redirects: 5,
            retry_after: Duration::from_secs(120),
            tries: 3,
            pause: Duration::from_secs(1),
        }
    }
}

/// The time, which this room does not ask for itself.
pub struct Time {
    /// Since any moment, never back.
    pub elapsed: Box<dyn Fn() -> Duration>,
    /// The wall clock's time at that moment.
    pub started: Timestamp,
}

impl Time {
    pub(super) fn now(&self) -> Timestamp {
        self.started.saturating_add((self.elapsed)()).unwrap_or(self.started)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Time({} s since {})", (self.elapsed)().as_secs(), self.started)
    }
}

/// Something that must not be seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Who asks, for publishers that want to know.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `Authorization: Basic` (RFC 7617).
    Basic {
        /// The account.
        user: Secret,
        /// Its key.
        password: Secret,
    },
    /// A header with the key behind `prefix`.
    Header {
        /// Its name.
        name: &'static str,
        /// What stands before the key, such as `Api-Key `.
        prefix: &'static str,
        /// The key.
        key: Secret,
    },
    /// A field of the query.
    Query {
        /// Its name.
        name: &'static str,
        /// The key.
        key: Secret,
    },
}

impl Credential {
    fn header(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Basic { user, password } => {
                Some(("authorization", format!("Basic {}", base64(&format!("{}:{}", user.0, password.0)))))
            }
            Self::Header { name, prefix, key } => Some((name, format!("{prefix}{}", key.0))),
            Self::Query { .. } => None,
        }
    }

    /// Everything that must not be seen, in every form it is sent in.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = match self {
            Self::Basic { user, password } => vec![user.0.clone(), password.0.clone()],
            Self::Header { key, .. } | Self::Query { key, .. } => vec![key.0.clone()],
        };
        if let Self::Basic { user, password } = self {
            secrets.push(base64(&format!("{}:{}", user.0, password.0)));
        }
        secrets.retain(|secret| !secret.is_empty());
        // The longest first: a shorter one may be a part of it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }
}

/// RFC 4648 §4.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in text.as_bytes().chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// A client for any number of questions.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    pub(super) limits: Limits,
    pub(super) time: Time,
}

/// A question.
pub(super) struct Asked<'a> {
    pub(super) address: &'a Address,
    pub(super) credential: Option<&'a Credential>,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// The response, its body not yet read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// Behind all redirections.
    pub(super) address: Address,
    secrets: Vec<String>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }

    /// The failure that this response is.
    pub(super) fn into_error(self) -> Error {
        let Self { status, body, address, secrets, .. } = self;
        let mut bytes = Vec::new();
        // An error page that cannot be read is one that says nothing.
        let _ = body.into_reader().take(EXCERPT.0).read_to_end(&mut bytes);
        Error::Status { address, status, excerpt: excerpt(&bytes, &secrets) }
    }
}

/// The words of an error page: tags and blanks left out, keys struck out.
fn excerpt(bytes: &[u8], secrets: &[String]) -> String {
    let text = struck(&String::from_utf8_lossy(bytes), secrets);
    let mut words = String::new();
    let mut inside = false;
    for character in text.chars() {
        match character {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                words.push(' ');
            }
            _ if inside => {}
            other => words.push(other),
        }
    }
    let words: Vec<&str> = words.split_whitespace().collect();
    words.join(" ").chars().take(EXCERPT.1).collect()
}

fn struck(text: &str, secrets: &[String]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
}

impl Client {
    /// A client that says it is `agent`, a name and a version.
    #[must_use]
    pub fn new(agent: &str, limits: Limits, time: Time) -> Self {
        Self::with_roots(agent, limits, time, RootCerts::WebPki)
    }

    /// Whose signatures are believed is no choice of a user's: only a test has others, for a server of its own.
    fn with_roots(agent: &str, limits: Limits, time: Time, roots: RootCerts) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(agent)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .accept("*/*")
            .accept_encoding("identity")
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_send_request(Some(limits.idle))
            .timeout_recv_response(Some(limits.idle))
            .timeout_per_read(Some(limits.idle))
            .timeout_per_write(Some(limits.idle))
            .build();
        Self { agent: Agent::new_with_config(config), limits, time }
    }

    /// The text of a short file.
    ///
    /// # Errors
    /// The network's, any status but 200, more than `most` bytes, or bytes that are no UTF-8.
    pub fn text(
        &self,
        address: &Address,
        credential: Option<&Credential>,
        most: u64,
    ) -> Result<String, Error> {
        let answer = self.ask(&Asked { address, credential, headers: Vec::new() }, &mut |_| {})?;
        if answer.status != 200 {
            return Err(answer.into_error());
        }
        let address = answer.address.clone();
        let mut bytes = Vec::new();
        let (began, mut body) = ((self.time.elapsed)(), answer.body.into_reader());
        let mut piece = [0; 16 << 10];
        loop {
            let count = body.read(&mut piece).map_err(|error| Error::Network {
                address: address.clone(),
                reason: words(&error, &answer.secrets),
            })?;
            if count == 0 {
                break;
            }
            bytes.extend_from_slice(&piece[..count]);
            if bytes.len() as u64 > most {
                return Err(Error::Long { address, limit: most });
            }
            let taken = (self.time.elapsed)().saturating_sub(began);
            if taken > self.limits.idle * 4 {
                return Err(Error::Slow { address, got: bytes.len() as u64, window: taken });
            }
        }
        String::from_utf8(bytes).map_err(|_| Error::Unasked { address, what: "what is no text".to_owned() })
    }

    /// Asks, follows redirections, and waits once if the server says how long. `waiting` hears of that.
    pub(super) fn ask(&self, asked: &Asked<'_>, waiting: &mut dyn FnMut(Duration)) -> Result<Answer, Error> {
        let answer = self.follow(asked)?;
        if !matches!(answer.status, 429 | 503) {
            return Ok(answer);
        }
        let Some(wait) =
            answer.header("retry-after").and_then(|text| retry_after(text, None, self.time.now()))
        else {
            return Ok(answer);
        };
        if wait > self.limits.retry_after {
            return Err(Error::Later { address: answer.address, status: answer.status, wait });
        }
        drop(answer);
        waiting(wait);
        std::thread::sleep(wait);
        self.follow(asked)
    }

    fn follow(&self, asked: &Asked<'_>) -> Result<Answer, Error> {
        let begin = asked.address;
        let secrets = asked.credential.map(Credential::secrets).unwrap_or_default();
        let mut address = begin.clone();
        if asked.credential.is_some() && !begin.is_secure() && !begin.is_loopback() {
            return Err(Error::Clear { address });
        }
        if let Some(Credential::Query { name, key }) = asked.credential {
            address = begin.with_query(name, &key.0).map_err(|_| Error::Network {
                address: begin.clone(),
                reason: "the key has characters that no key of this publisher has".to_owned(),
            })?;
        }
        let mut seen = vec![address.clone()];
        loop {
            let response = self.once(asked, &address, &secrets)?;
            let status = response.status().as_u16();
            let (parts, body) = response.into_parts();
            let answer = Answer { status, headers: parts.headers, body, address, secrets: secrets.clone() };
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let Some(location) = answer.header("location") else { return Err(answer.into_error()) };
            let next = next(&answer.address, location).map_err(|why| Error::Redirect {
                from: answer.address.clone(),
                to: struck(location.split('?').next().unwrap_or_default(), &secrets)
                    .chars()
                    .take(200)
                    .collect(),
                why,
            })?;
            let circle = seen.contains(&next);
            if circle || seen.len() > usize::from(self.limits.redirects) {
                let limit = self.limits.redirects;
                return Err(Error::Redirects { address: begin.clone(), limit, circle });
            }
            seen.push(next.clone());
            address = next;
        }
    }

    fn once(
        &self,
        asked: &Asked<'_>,
        address: &Address,
        secrets: &[String],
    ) -> Result<Response<Body>, Error> {
        let mut request = self.agent.get(address.uri());
        for (name, value) in &asked.headers {
            request = request.header(*name, value);
        }
        if let Some((name, value)) = asked.credential.and_then(Credential::header)
            && address.same_origin(asked.address)
        {
            request = request.header(name, value);
        }
        request
            .call()
            .map_err(|error| Error::Network { address: address.clone(), reason: words(&error, secrets) })
    }
}

/// Where a redirection leads, or why it is not followed.
fn next(here: &Address, location: &str) -> Result<Address, &'static str> {
    let next = here.join(location).map_err(|error| match error {
        AddressError::Scheme => "which is neither http nor https",
        AddressError::Password => "which has a password in it",
        AddressError::Malformed => "which is no address",
    })?;
    if here.is_secure() && !next.is_secure() {
        return Err("from https down to http");
    }
    if next.is_loopback() && !here.is_loopback() {
        return Err("which is this machine itself");
    }
    Ok(next)
}

/// What a failure says, keys struck out, without the number of the system's error.
pub(super) fn words(error: &dyn std::error::Error, secrets: &[String]) -> String {
    let mut text = error.to_string();
    for plain in ["io: ", "protocol: "] {
        text = text.strip_prefix(plain).map_or(text.clone(), str::to_owned);
    }
    let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
    struck(&text, secrets)
}

impl Answer {
    pub(super) fn words(&self, error: &dyn std::error::Error) -> String {
        words(error, &self.secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use ureq::tls::Certificate;

    #[test]
    fn basic_credentials_are_those_of_the_rfc() {
        // RFC 7617 §2, RFC 4648 §10.
        assert_eq!(base64("Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain), coded);
        }
    }

    #[test]
    fn no_key_is_seen_in_any_form() {
        let credential =
            Credential::Basic { user: Secret::new("77001"), password: Secret::new("open sesame") };
        assert!(!format!("{credential:?}").contains("sesame"));
        let coded = credential.header().unwrap().1;
        let page = format!("<p>You sent {coded}\n and 77001:open sesame</p>");
        let said = excerpt(page.as_bytes(), &credential.secrets());
        assert_eq!(said, "You sent Basic … and …:…");
    }

    /// A server on loopback that answers `requests` of them, with TLS if it has a key; each by `answer`, told the path. What it
    /// gives is its port, and the number of connections there were.
    fn server(
        tls: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(&str) -> String + Send + 'static,
    ) -> (u16, Arc<AtomicU32>) {
        fn serve(stream: &mut (impl Read + Write), answer: impl Fn(&str) -> String) -> std::io::Result<()> {
            let mut head = Vec::new();
            let mut byte = [0];
            while head.len() < 4096 && !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            stream.write_all(answer(head.split(' ').nth(1).unwrap_or_default()).as_bytes())?;
            stream.flush()
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::<AtomicU32>::default();
        let counted = count.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(20) {
                let Ok(mut stream) = stream else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                // A client that does not believe the certificate hangs up.
                let _ = match &tls {
                    None => serve(&mut stream, &answer),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(config.clone()).unwrap();
                        let mut stream = rustls::StreamOwned::new(connection, stream);
                        let served = serve(&mut stream, &answer);
                        stream.conn.send_close_notify();
                        served.and_then(|()| stream.flush())
                    }
                };
            }
        });
        (port, count)
    }

    #[test]
    fn with_tls_a_redirection_down_is_refused_and_nothing_is_asked_there() {
        let moved = |to: String| {
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        };
        let found = || "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nthere".to_owned();
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let certificate = signed.cert.der().clone();
        let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();

        let (plain, asked_in_the_clear) = server(None, move |_| found());
        let (secure, _) = server(Some(Arc::new(config)), move |path| match path {
            "/down" => moved(format!("http://127.0.0.1:{plain}/x")),
            "/along" => moved("/there".to_owned()),
            _ => found(),
        });
        let client = |roots| {
            let limits = Limits { connect: Duration::from_secs(10), ..Limits::default() };
            let time = Time { elapsed: Box::new(|| Duration::ZERO), started: Timestamp::UNIX_EPOCH };
            Client::with_roots("a test", limits, time, roots)
        };
        let own = Certificate::from_der(&certificate).to_owned();
        let believing = client(RootCerts::Specific(Arc::new(vec![own])));
        let ask = |client: &Client, path: &str| {
            let address = format!("https://127.0.0.1:{secure}{path}").parse().unwrap();
            client.text(&address, None, 100)
        };
        assert_eq!(ask(&believing, "/there").unwrap(), "there");
        assert_eq!(ask(&believing, "/along").unwrap(), "there");
        let refused = ask(&believing, "/down").unwrap_err();
        assert!(matches!(&refused, Error::Redirect { why: "from https down to http", .. }), "{refused:?}");
        assert_eq!(asked_in_the_clear.load(Ordering::SeqCst), 0, "{refused}");
        // The server in the clear does answer, so that it was the rule which kept the client from it.
        let there = format!("http://127.0.0.1:{plain}/x").parse().unwrap();
        assert_eq!(believing.text(&there, None, 100).unwrap(), "there");

        // Whoever signs for himself is believed by nobody else.
        let stranger = ask(&client(RootCerts::WebPki), "/there").unwrap_err();
        assert!(
            matches!(&stranger, Error::Network { reason, .. } if reason.contains("certificate")),
            "{stranger}"
        );
    }

    #[test]
    fn redirections_never_go_down() {
        let https: Address = "https://a.example/x".parse().unwrap();
        assert!(next(&https, "http://a.example/x").is_err());
        assert!(next(&https, "https://localhost/x").is_err());
        assert!(next(&https, "//b.example/x").is_ok());
        assert!(next(&"http://a.example/x".parse().unwrap(), "https://a.example/x").is_ok());
    }
}
