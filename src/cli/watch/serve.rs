//! Figures over HTTP: one page, for whoever asks decently.
//!
//! The listener is on loopback unless it is told otherwise, and what it does for a stranger is bounded: so many at a time, so
//! many bytes, so many seconds. It knows one path and two methods, keeps no connection, and reads nothing it does not need.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::Duration;

use crate::cli::failure::{Failure, error_text};
use crate::net::Clock;
use crate::trace::Moment;

/// Connections at a time.
const MOST: usize = 8;
/// Bytes of a request: the first line and headers.
const LONGEST: usize = 8 << 10;
/// From the first byte to the last.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is served; the loop puts a new one there after each run.
#[derive(Clone, Default)]
pub struct Page(Arc<RwLock<Arc<str>>>);

impl Page {
    pub fn put(&self, text: String) {
        // A reader that panicked has read only.
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = text.into();
    }

    fn get(&self) -> Arc<str> {
        Arc::clone(&self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// Listens there for as long as the program runs; gives the address, which tells the port if none was asked for.
pub fn serve(address: SocketAddr, page: Page) -> Result<SocketAddr, Failure> {
    let fault = |error: std::io::Error| {
        Failure::environment(
            "metrics",
            format!("metrics cannot be served at {address}: {}", error_text(&error)),
            Some("choose another address with --metrics=ADDRESS:PORT".into()),
        )
    };
    let listener = TcpListener::bind(address).map_err(fault)?;
    let bound = listener.local_addr().map_err(fault)?;
    let busy = Arc::new(AtomicUsize::new(0));
    let listen = move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Out of descriptors, perhaps: a pause, or this would spin.
                thread::sleep(Duration::from_millis(100));
                continue;
            };
            if busy.fetch_add(1, Ordering::AcqRel) >= MOST {
                busy.fetch_sub(1, Ordering::AcqRel);
                continue;
            }
            let (page, busy_here) = (page.clone(), Arc::clone(&busy));
            let one = move || {
                // Whoever goes away is not missed.
                let _ = answer(stream, &page);
                busy_here.fetch_sub(1, Ordering::AcqRel);
            };
            if thread::Builder::new().name("metrics".into()).spawn(one).is_err() {
                busy.fetch_sub(1, Ordering::AcqRel);
            }
        }
    };
    thread::Builder::new().name("listen".into()).spawn(listen).map_err(fault)?;
    Ok(bound)
}

fn answer(mut stream: TcpStream, page: &Page) -> std::io::Result<()> {
    let clock = Clock::start();
    let mut request = Vec::new();
    let status = loop {
        let left = (Moment::START + PATIENCE).since(clock.now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&piece[..read]);
        if request.len() > LONGEST {
            break 431;
        }
        if request.windows(4).any(|end| end == b"\r\n\r\n") || request.windows(2).any(|end| end == b"\n\n") {
            break verdict(&request);
        }
    };
    let text = page.get();
    let (reason, body): (&str, &str) = match status {
        200 => ("OK", &text),
        400 => ("Bad Request", "this is no HTTP\n"),
        404 => ("Not Found", "figures are at /metrics\n"),
        405 => ("Method Not Allowed", "figures are read with GET\n"),
        _ => ("Request Header Fields Too Large", "too long\n"),
    };
    let kind =
        if status == 200 { "text/plain; version=0.0.4; charset=utf-8" } else { "text/plain; charset=utf-8" };
    let allow = if status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{allow}X-Content-Type-Options: nosniff\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(head.as_bytes())?;
    if !request.starts_with(b"HEAD ") {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()?;
    // Closing with bytes unread would reset the connection, and the answer with it.
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let _ = stream.read(&mut [0; 1024]);
    Ok(())
}

/// The status that a request deserves.
fn verdict(request: &[u8]) -> u16 {
    let line = request.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return 400 };
    let mut parts = line.split(' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(path), Some("HTTP/1.0" | "HTTP/1.1"), None) => {
            let path = path.split('?').next().unwrap_or_default();
            match (method, path) {
                ("GET" | "HEAD", "/metrics") => 200,
                ("GET" | "HEAD", _) => 404,
                _ => 405,
            }
        }
        _ => 400,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_page_is_served() {
        assert_eq!(verdict(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
        assert_eq!(verdict(b"HEAD /metrics?x=1 HTTP/1.0\r\n\r\n"), 200);
        assert_eq!(verdict(b"GET / HTTP/1.1\r\n\r\n"), 404);
        assert_eq!(verdict(b"GET /metrics/../etc/passwd HTTP/1.1\r\n\r\n"), 404);
        assert_eq!(verdict(b"POST /metrics HTTP/1.1\r\n\r\n"), 405);
        for bad in [
            &b"\r\n\r\n"[..],
            b"GET\r\n\r\n",
            b"GET /metrics HTTP/2\r\n\r\n",
            b"\xff\xfe\r\n\r\n",
            b"GET  /metrics HTTP/1.1\n\n",
        ] {
            assert_eq!(verdict(bad), 400, "{bad:?}");
        }
    }
}
