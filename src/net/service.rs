//! One real connection, to tell a port that is open from a service that works.
//!
//! A SYN-ACK is the kernel's of whoever answers, a load balancer's or a middlebox's as well as the host's. Only the service
//! itself greets, so one exchange is made as its own client would begin it: SMTP's greeting is awaited (RFC 5321 §4.2), TLS
//! is offered a ClientHello with the host's name (RFC 8446 §4.1.2, RFC 6066 §3), HTTP is asked for a status line (RFC 9112
//! §4). Nothing more is sent and the connection is closed. It needs no privilege.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{Clock, Steering};

/// How long an exchange may take with its connection.
pub const WAIT: Duration = Duration::from_secs(10);
/// Bytes read at most.
const MOST_BYTES: usize = 4096;
/// Letters kept of what was said.
const MOST_SAID: usize = 200;

/// A service that can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Mail: a greeting with the code 220.
    Smtp,
    /// A ServerHello.
    Tls,
    /// A status line.
    Http,
}

impl Service {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Tls => "tls",
            Self::Http => "http",
        }
    }

    fn opening(self, host: &str) -> Vec<u8> {
        match self {
            Self::Smtp => Vec::new(),
            Self::Tls => client_hello(host),
            Self::Http => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                let version = env!("CARGO_PKG_VERSION");
                format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: lasthop/{version}\r\nConnection: close\r\n\r\n")
                    .into_bytes()
            }
        }
    }

    /// Whether what came is enough to judge.
    fn is_whole(self, came: &[u8]) -> bool {
        match self {
            Self::Smtp | Self::Http => came.contains(&b'\n'),
            Self::Tls => match came {
                [kind @ (20..=24), 3, _, high, low, rest @ ..] => {
                    let length = usize::from(*high) << 8 | usize::from(*low);
                    rest.len() >= length || (*kind == 22 && came.len() >= MOST_BYTES)
                }
                // The beginning of a record, or no TLS at all.
                [20..=24] | [20..=24, 3, ..] => false,
                came => !came.is_empty(),
            },
        }
    }

    /// What was said, and what is wrong with it.
    fn judge(self, came: &[u8]) -> (Option<String>, Option<String>) {
        let line = came.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).trim_end().chars().take(MOST_SAID).collect::<String>();
        let foreign = |what: &str| Some(format!("what came is no {what}"));
        match self {
            Self::Smtp => match line.as_bytes() {
                [b'2', b'2', b'0', b' ' | b'-', ..] | b"220" => (Some(line), None),
                [b'4' | b'5', b'0'..=b'9', b'0'..=b'9', ..] => {
                    (Some(line), Some("the mail server turns us away".to_owned()))
                }
                _ => (Some(line), foreign("greeting of SMTP")),
            },
            Self::Http => match line.as_bytes() {
                [
                    b'H',
                    b'T',
                    b'T',
                    b'P',
                    b'/',
                    b'1',
                    b'.',
                    _,
                    b' ',
                    b'1'..=b'9',
                    b'0'..=b'9',
                    b'0'..=b'9',
                    ..,
                ] => (Some(line), None),
                _ => (Some(line), foreign("status line of HTTP")),
            },
            Self::Tls => match came {
                [22, 3, _, _, _, 2, hello @ ..] => (Some(format!("ServerHello, {}", version(hello))), None),
                [21, 3, _, _, _, _, alert, ..] => {
                    (Some(format!("alert {alert}")), Some("the server refuses the handshake".to_owned()))
                }
                _ => (Some(line), foreign("TLS")),
            },
        }
    }
}

/// What came of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What the service said first: a line, at most 200 letters, as it came; of TLS what it was.
    pub said: Option<String>,
    /// From the first packet to what was said.
    pub took: Duration,
    /// Why the service does not count as working; `None` if it works.
    pub error: Option<String>,
}

/// Makes one exchange with `service` at `to`, by the way that `steering` says, and closes the connection: at most 10 s and
/// 4 KiB. `host` is the name for SNI and for HTTP's `Host`.
#[must_use]
pub fn attempt(service: Service, to: SocketAddr, host: &str, steering: &Steering) -> Tried {
    let clock = Clock::start();
    let mut came = Vec::new();
    let ended = converse(service, to, host, steering, &clock, &mut came);
    let took = clock.now().since(crate::trace::Moment::START);
    let (said, mut error) = if came.is_empty() { (None, None) } else { service.judge(&came) };
    let error = match ended {
        Err(problem) if came.is_empty() || (error.is_none() && !service.is_whole(&came)) => {
            Some(plain(&problem))
        }
        Ok(()) if came.is_empty() => Some("the connection was closed without a word".to_owned()),
        Ok(()) if error.is_none() && !service.is_whole(&came) => {
            Some("the connection was closed in the middle of the first answer".to_owned())
        }
        _ => error.take(),
    };
    Tried { said, took, error }
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer within {} s", WAIT.as_secs())
        }
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

/// Reads until there is enough, the other side has closed, or time or room is over.
fn converse(
    service: Service,
    to: SocketAddr,
    host: &str,
    steering: &Steering,
    clock: &Clock,
    came: &mut Vec<u8>,
) -> io::Result<()> {
    let until = clock.now() + WAIT;
    let left = || {
        let left = until.since(clock.now());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(left) }
    };
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if let Some(device) = steering.interface.as_ref().or(steering.vrf.as_ref()) {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(source) = steering.source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect_timeout(&to.into(), left()?)?;
    socket.set_write_timeout(Some(left()?))?;
    (&socket).write_all(&service.opening(host))?;
    let mut buffer = [0; MOST_BYTES];
    while came.len() < MOST_BYTES && !service.is_whole(came) {
        socket.set_read_timeout(Some(left()?))?;
        let room = MOST_BYTES - came.len();
        match (&socket).read(&mut buffer[..room]) {
            Ok(0) => break,
            Ok(count) => came.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Bytes with their length before them, in `width` bytes.
fn counted(width: usize, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len().to_be_bytes();
    [&length[length.len() - width..], bytes].concat()
}

/// A ClientHello as common clients send it: TLS 1.3 with 1.2 beside it. The key is random bytes, which X25519 takes for a
/// point as well as any; nobody here will need its secret, since nothing follows.
fn client_hello(host: &str) -> Vec<u8> {
    let words = |list: &[u16]| list.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let extension = |number: u16, body: &[u8]| [&number.to_be_bytes()[..], &counted(2, body)].concat();
    let (random, session, key): ([u8; 32], [u8; 32], [u8; 32]) =
        (rand::random(), rand::random(), rand::random());
    let mut extensions = Vec::new();
    // An address is no name for SNI (RFC 6066 §3).
    if host.parse::<IpAddr>().is_err() && host.len() <= 255 {
        let name = [&[0][..], &counted(2, host.trim_end_matches('.').as_bytes())].concat();
        extensions.extend(extension(0, &counted(2, &name)));
    }
    extensions.extend(extension(10, &counted(2, &words(&[0x001d, 0x0017, 0x0018]))));
    extensions.extend(extension(11, &counted(1, &[0])));
    let signatures = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
    extensions.extend(extension(13, &counted(2, &words(&signatures))));
    extensions.extend(extension(23, &[]));
    extensions.extend(extension(43, &counted(1, &words(&[0x0304, 0x0303]))));
    extensions.extend(extension(45, &counted(1, &[1])));
    let share = [&words(&[0x001d])[..], &counted(2, &key)].concat();
    extensions.extend(extension(51, &counted(2, &share)));
    extensions.extend(extension(0xff01, &[0]));
    let ciphers = [
        0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0x009c, 0x009d, 0x002f,
        0x0035,
    ];
    let body = [
        &[3, 3][..],
        &random,
        &counted(1, &session),
        &counted(2, &words(&ciphers)),
        &counted(1, &[0]),
        &counted(2, &extensions),
    ]
    .concat();
    let handshake = [&[1][..], &counted(3, &body)].concat();
    [&[22, 3, 1][..], &counted(2, &handshake)].concat()
}

/// The version that a ServerHello chooses; `hello` begins behind its type.
fn version(hello: &[u8]) -> &'static str {
    // Length, version, random and session, then cipher suite and compression.
    let chosen = || {
        let session = usize::from(*hello.get(3 + 2 + 32)?);
        let mut rest = hello.get(3 + 2 + 32 + 1 + session + 3 + 2..)?;
        while let [one, two, high, low, after @ ..] = rest {
            let length = usize::from(*high) << 8 | usize::from(*low);
            if [*one, *two] == [0, 43] {
                return Some([*after.first()?, *after.get(1)?]);
            }
            rest = after.get(length..)?;
        }
        None
    };
    match chosen().or_else(|| Some([*hello.get(3)?, *hello.get(4)?])) {
        Some([3, 4]) => "TLS 1.3",
        Some([3, 3]) => "TLS 1.2",
        Some([3, 1 | 2]) => "TLS before 1.2",
        _ => "of an unknown version",
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;

    use super::*;

    /// Tries a service that hears the first bytes (if it `listens`), says this and closes.
    fn tried(service: Service, listens: bool, says: &'static [u8]) -> Tried {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            if listens {
                let mut buffer = [0; 4096];
                assert!(stream.read(&mut buffer).unwrap() > 0);
            }
            // Whoever tries may have heard enough.
            let _ = stream.write_all(says);
        });
        let found = attempt(service, at, "mx1.example", &Steering::default());
        thread.join().unwrap();
        found
    }

    fn told(tried: &Tried) -> (&str, &str) {
        (tried.said.as_deref().unwrap_or("-"), tried.error.as_deref().unwrap_or("works"))
    }

    #[test]
    fn what_a_service_says_first_shows_whether_it_works() {
        use Service::{Http, Smtp, Tls};
        let cases: [(Service, &[u8], (&str, &str)); 11] = [
            (Smtp, b"220 mx1.example ESMTP\r\n", ("220 mx1.example ESMTP", "works")),
            (Smtp, b"220-one\r\n220 two\r\n", ("220-one", "works")),
            (Smtp, b"554 no\r\n", ("554 no", "the mail server turns us away")),
            (Smtp, b"SSH-2.0-x\r\n", ("SSH-2.0-x", "what came is no greeting of SMTP")),
            (Smtp, b"220 cut", ("220 cut", "the connection was closed in the middle of the first answer")),
            (Smtp, b"", ("-", "the connection was closed without a word")),
            (Http, b"HTTP/1.1 403 Forbidden\r\nx: y\r\n", ("HTTP/1.1 403 Forbidden", "works")),
            (Http, b"<html>\n", ("<html>", "what came is no status line of HTTP")),
            (Tls, &[21, 3, 3, 0, 2, 2, 40], ("alert 40", "the server refuses the handshake")),
            (Tls, b"HTTP/1.1 400 Bad\r\n", ("HTTP/1.1 400 Bad", "what came is no TLS")),
            (
                Tls,
                &[22, 3, 3, 0, 9, 2],
                (
                    "ServerHello, of an unknown version",
                    "the connection was closed in the middle of the first answer",
                ),
            ),
        ];
        for (service, says, wanted) in cases {
            assert_eq!(told(&tried(service, service != Smtp, says)), wanted, "{says:?}");
        }
        // Whatever comes, no more is read than there is room for.
        let flood: &'static [u8] = &[b'x'; 100_000];
        let said = tried(Service::Smtp, false, flood).said.unwrap();
        assert_eq!(said.len(), MOST_SAID);
    }

    #[test]
    fn a_refusal_and_silence_are_told_apart() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let found = attempt(Service::Smtp, closed, "x", &Steering::default());
        assert_eq!(told(&found), ("-", "Connection refused"));
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let found = attempt(Service::Smtp, silent.local_addr().unwrap(), "x", &Steering::default());
        assert_eq!(told(&found), ("-", "no answer within 10 s"));
        assert!((9.9..11.0).contains(&found.took.as_secs_f64()), "{:?}", found.took);
    }

    #[test]
    fn the_hello_is_one_that_a_server_answers() {
        let made = rcgen::generate_simple_self_signed(["mx1.example".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        for (versions, wanted) in [
            (&[&rustls::version::TLS13][..], "ServerHello, TLS 1.3"),
            (&[&rustls::version::TLS12][..], "ServerHello, TLS 1.2"),
        ] {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_protocol_versions(versions)
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key.clone_key())
                .unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let at = listener.local_addr().unwrap();
            let thread = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut server = rustls::ServerConnection::new(Arc::new(config)).unwrap();
                server.read_tls(&mut stream).unwrap();
                server.process_new_packets().unwrap();
                server.write_tls(&mut stream).unwrap();
                server.server_name().map(ToString::to_string)
            });
            let found = attempt(Service::Tls, at, "mx1.example", &Steering::default());
            assert_eq!(told(&found), (wanted, "works"));
            assert_eq!(thread.join().unwrap().as_deref(), Some("mx1.example"));
        }
    }
}
