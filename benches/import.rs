//! RIPE Atlas results: makes a file of them, and reads one. `benches/import.sh` runs it beside other readers.
//!
//! ```text
//! import write FILE [--mb N] [--array] [--like FILE]
//! import read FILE
//! ```
//!
//! `--like` repeats the lines of a file of real results; without it they are drawn by chance in their likeness. Called
//! without words (as `cargo bench` does) it makes and reads a small file in memory.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Instant;

use lasthop::import;
use nix::sys::resource::{UsageWho, getrusage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("import: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[String]) -> Result<(), String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => {
            let mut file = Vec::new();
            write(&mut file, 16 << 20, false, &samples(1000)).map_err(|error| error.to_string())?;
            read(&mut file.as_slice(), file.len() as u64)
        }
        ["write", file, ref options @ ..] => {
            let (mut bytes, mut array, mut lines) = (1 << 30, false, None);
            let mut options = options.iter();
            while let Some(option) = options.next() {
                match *option {
                    "--array" => array = true,
                    "--mb" => {
                        let value = options.next().and_then(|value| value.parse::<u64>().ok());
                        bytes = value.ok_or("--mb needs a number")? << 20;
                    }
                    "--like" => {
                        let name = options.next().ok_or("--like needs a file")?;
                        let text = fs::read_to_string(name).map_err(|error| format!("{name}: {error}"))?;
                        lines = Some(text.lines().map(str::to_owned).collect());
                    }
                    other => return Err(format!("unknown option {other}")),
                }
            }
            let out = File::create(file).map_err(|error| format!("{file}: {error}"))?;
            let mut out = BufWriter::with_capacity(1 << 20, out);
            let lines = lines.unwrap_or_else(|| samples(5000));
            write(&mut out, bytes, array, &lines)
                .and_then(|()| out.flush())
                .map_err(|error| format!("{file}: {error}"))
        }
        ["read", file] => {
            let mut source = File::open(file).map_err(|error| format!("{file}: {error}"))?;
            let bytes = source.metadata().map_err(|error| format!("{file}: {error}"))?.len();
            read(&mut source, bytes)
        }
        _ => Err("say `write FILE …` or `read FILE`".to_owned()),
    }
}

fn write(out: &mut impl Write, bytes: u64, array: bool, lines: &[String]) -> io::Result<()> {
    let mut written = 0;
    for (at, line) in lines.iter().cycle().enumerate() {
        if written >= bytes {
            break;
        }
        if array {
            out.write_all(if at == 0 { b"[" } else { b"," })?;
        }
        out.write_all(line.as_bytes())?;
        if !array {
            out.write_all(b"\n")?;
        }
        written += line.len() as u64 + 1;
    }
    if array { out.write_all(b"]\n") } else { Ok(()) }
}

/// Results of probes that trace one target: twelve hops or so, three answers each, some silent.
fn samples(count: u32) -> Vec<String> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    (0..count)
        .map(|probe| {
            let began = 1_735_689_600 + probe;
            let mut text = format!(
                r#"{{"fw":5080,"mver":"2.6.2","lts":{},"endtime":{},"dst_name":"192.0.2.10","dst_addr":"192.0.2.10","src_addr":"10.0.{}.{}","proto":"ICMP","af":4,"size":48,"paris_id":{},"result":["#,
                random.random_range(1..60),
                began + 20,
                probe / 250,
                probe % 250 + 1,
                probe % 16,
            );
            let hops = random.random_range(8..18);
            for hop in 1..=hops {
                let silent = hop > 2 && hop < hops && random.random_bool(0.2);
                let from = if hop == hops { "192.0.2.10".to_owned() } else { format!("198.51.{}.{}", hop, random.random_range(1..255)) };
                let rtt = f64::from(hop) * 1.7;
                let _ = write!(text, "{}{{\"hop\":{hop},\"result\":[", if hop > 1 { "," } else { "" });
                for nth in 0..3 {
                    let comma = if nth > 0 { "," } else { "" };
                    let _ = if silent {
                        write!(text, "{comma}{{\"x\":\"*\"}}")
                    } else {
                        let rtt = rtt + f64::from(random.random_range(0..1000)) / 1000.0;
                        write!(text, "{comma}{{\"from\":\"{from}\",\"ttl\":{},\"size\":76,\"rtt\":{rtt:.3}}}", 255 - hop)
                    };
                }
                text += "]}";
            }
            let _ = write!(
                text,
                r#"],"msm_id":90000001,"prb_id":{},"timestamp":{began},"msm_name":"Traceroute","from":"203.0.113.{}","type":"traceroute","group_id":90000001,"stored_timestamp":{}}}"#,
                probe + 1,
                probe % 250 + 1,
                began + 60,
            );
            text
        })
        .collect()
}

fn read(source: &mut dyn Read, bytes: u64) -> Result<(), String> {
    let (start, before) = (Instant::now(), processor());
    let (mut hops, mut replies) = (0, 0);
    let outcome = import::read(source, &mut |trace| {
        hops += trace.hops.len();
        let responders = trace.hops.iter().flat_map(|hop| &hop.responders);
        replies += responders.map(|one| one.replies.len()).sum::<usize>();
        ControlFlow::Continue(())
    });
    let outcome = outcome.map_err(|error| error.to_string())?;
    let (wall, busy) = (start.elapsed().as_secs_f64(), processor() - before);
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{} traces, {hops} hops, {replies} replies, {} findings; {megabytes:.0} MB in {wall:.2} s, {busy:.2} s of CPU: \
         {:.0} MB/s of CPU; peak {}",
        outcome.traces,
        outcome.findings.len(),
        megabytes / busy,
        peak().unwrap_or_default(),
    );
    Ok(())
}

/// Seconds of CPU that this process has had: what else runs on the machine does not count.
fn processor() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel knows its processes");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// The most memory that this process had, in the kernel's words.
fn peak() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}
