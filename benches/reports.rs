//! How long a report takes, how large it is, and how much memory it needs: `cargo bench --bench reports`.
//!
//! A run of 20 hops with one reference, written 1,000 times in each format. The peer is serde_json, which writes the same
//! run as plain JSON. Fails where a page is larger than 150 kB or takes longer than 20 ms, or a PDF is larger than 300 kB or
//! takes longer than 100 ms.

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use lasthop::report::{self, Format, Options, Runs};
use serde_json::{Value, json};

const TIMES: u32 = 1000;
/// The most bytes and milliseconds of what people look at.
const MOST: [(Format, usize, f64); 2] = [(Format::Html, 150_000, 20.0), (Format::Pdf, 300_000, 100.0)];

fn main() -> ExitCode {
    let saved = serde_json::to_vec(&pair()).unwrap_or_default();
    let runs = match Runs::read(saved) {
        Ok(runs) => runs,
        Err(error) => {
            eprintln!("the run cannot be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    let document = &runs.documents[0];
    let peer = timed(|| serde_json::to_vec(document).map_or(0, |bytes| bytes.len()));
    println!("{:<12} {:>9} {:>10} {:>9} {:>12}", "format", "ms each", "bytes", "peak kB", "x serde_json");
    println!(
        "{:<12} {:>9.3} {:>10} {:>9} {:>12}",
        "(serde_json)", peer.milliseconds, peer.bytes, peer.peak, "1.0"
    );
    let mut good = true;
    for format in Format::ALL {
        let found = timed(|| {
            let mut out = Vec::new();
            match report::write(&mut out, &runs, format, Options::default()) {
                Ok(()) => out.len(),
                Err(_) => 0,
            }
        });
        println!(
            "{:<12} {:>9.3} {:>10} {:>9} {:>12.1}",
            format.word(),
            found.milliseconds,
            found.bytes,
            found.peak,
            found.milliseconds / peer.milliseconds
        );
        good &= found.bytes > 0;
        for (_, bytes, milliseconds) in MOST.into_iter().filter(|(one, ..)| *one == format) {
            if found.bytes > bytes || found.milliseconds > milliseconds {
                eprintln!("{}: more than {bytes} bytes or {milliseconds} ms", format.word());
                good = false;
            }
        }
    }
    if !good {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

struct Found {
    milliseconds: f64,
    bytes: usize,
    /// What the peak of the process grew by, in kB.
    peak: u64,
}

fn timed(mut write: impl FnMut() -> usize) -> Found {
    // The kernel forgets the peak when 5 is written there.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = kilobytes("VmHWM:");
    let start = Instant::now();
    let mut bytes = 0;
    for _ in 0..TIMES {
        bytes = std::hint::black_box(write());
    }
    let milliseconds = start.elapsed().as_secs_f64() * 1e3 / f64::from(TIMES);
    Found { milliseconds, bytes, peak: kilobytes("VmHWM:").saturating_sub(before) }
}

fn kilobytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// The story with a longer way: 20 hops for both, the target silent behind the tenth.
fn pair() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/report/proton.json");
    let mut run: Value =
        fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let hop = run["references"][0]["hops"][5].clone();
    let silent = json!({"ttl": 1, "sent": 5, "answered": 0, "responders": []});
    let hops = |silent_from: u64| -> Vec<Value> {
        (1..=20_u64)
            .map(|ttl| {
                let mut hop = if ttl >= silent_from { silent.clone() } else { hop.clone() };
                hop["ttl"] = json!(ttl);
                if let Some(responder) = hop["responders"].get_mut(0) {
                    responder["address"] = json!(format!("203.0.113.{ttl}"));
                    let asn = 64_500 + ttl / 3;
                    (responder["asn"], responder["asns"]) = (json!(asn), json!([asn]));
                    responder["rtt_ms"] =
                        json!({"min": ttl as f64, "avg": ttl as f64 * 1.3, "max": ttl as f64 * 2.0});
                }
                hop
            })
            .collect()
    };
    run["target"]["hops"] = json!(hops(11));
    run["references"][0]["hops"] = json!(hops(21));
    run["references"][0]["distance"] = json!(20);
    (run["verdict"]["after_ttl"], run["verdict"]["before_ttl"]) = (json!(10), json!(12));
    run
}
