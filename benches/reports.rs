//! How long a report takes, how large it is, and how much memory it needs: `cargo bench --bench reports`.
//!
//! A run of 20 hops with one reference, written 1,000 times in each format. The peer is serde_json, which writes the same
//! run as plain JSON. Fails where a page is larger than 150 kB or takes longer than 20 ms, or a PDF is larger than 300 kB or
//! takes longer than 100 ms.
//!
//! Then a bundle of the simulated story is made and verified 200 times. No other program makes a conclusion anew from
//! packets; the peers do the part that is not ours: `zip` and `sha256sum` pack the same files with their digests, `unzip`
//! and `sha256sum -c` check those. Each time includes the start of those programs.

#[path = "support/evidence.rs"]
mod evidence;

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use lasthop::report::{self, Format, Options, Runs};
use serde_json::{Value, json};

const TIMES: u32 = 1000;
/// For bundles, which hold a page and a PDF each.
const BUNDLES: u32 = 200;
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
    let peer = timed(TIMES, || serde_json::to_vec(document).map_or(0, |bytes| bytes.len()));
    println!("{:<12} {:>9} {:>10} {:>9} {:>12}", "format", "ms each", "bytes", "peak kB", "x serde_json");
    println!(
        "{:<12} {:>9.3} {:>10} {:>9} {:>12}",
        "(serde_json)", peer.milliseconds, peer.bytes, peer.peak, "1.0"
    );
    let mut good = true;
    for format in Format::ALL {
        let found = timed(TIMES, || {
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
    good &= bundles().is_some();
    if !good {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Bundles made and verified. `None` if one cannot be made or does not verify.
fn bundles() -> Option<()> {
    let case = evidence::Case::story()?;
    let bytes = case.make();
    if !evidence::verifies(&bytes) {
        eprintln!("the bundle does not verify");
        return None;
    }
    let folder = tempfile::tempdir().ok()?;
    let archive = folder.path().join("bundle.zip");
    fs::write(&archive, &bytes).ok()?;
    let tools =
        evidence::peer(folder.path(), "unzip -q bundle.zip -d files && zip -v && sha256sum --version");
    let files = folder.path().join("files");
    println!("\nbundle of {} packets, {} bytes; {BUNDLES} times each", case.packets(), bytes.len());
    println!("{:<12} {:>9} {:>9} {:>12}  peer", "", "ms each", "peak kB", "x peer");
    let row = |name: &str, work: &mut dyn FnMut() -> usize, command: &str| {
        let found = timed(BUNDLES, work);
        let ratio = tools.then(|| {
            let peer = timed(BUNDLES, || usize::from(evidence::peer(&files, command)));
            (peer.bytes == 1).then(|| format!("{:.1}", found.milliseconds / peer.milliseconds))
        });
        let ratio = ratio.flatten().unwrap_or_else(|| "not there".to_owned());
        println!("{name:<12} {:>9.3} {:>9} {ratio:>12}  {command}", found.milliseconds, found.peak);
    };
    row(
        "bundle",
        &mut || case.make().len(),
        "sha256sum [a-z]* > ../SUMS && rm -f ../p.zip && zip -q ../p.zip *",
    );
    row(
        "verify",
        &mut || usize::from(evidence::verifies(&bytes)),
        "unzip -tq ../bundle.zip && sha256sum -c MANIFEST",
    );
    Some(())
}

struct Found {
    milliseconds: f64,
    bytes: usize,
    /// What the peak of the process grew by, in kB.
    peak: u64,
}

fn timed(times: u32, mut write: impl FnMut() -> usize) -> Found {
    // The kernel forgets the peak when 5 is written there.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = kilobytes("VmHWM:");
    let start = Instant::now();
    let mut bytes = 0;
    for _ in 0..times {
        bytes = std::hint::black_box(write());
    }
    let milliseconds = start.elapsed().as_secs_f64() * 1e3 / f64::from(times);
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
