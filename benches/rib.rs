//! Routing dumps: makes one, and turns one into a table. `benches/against_bgpdump.sh` runs it beside other readers.
//!
//! ```text
//! rib write FILE [--four N] [--six N] [--peers N] [--seed N] [--add-path] [--old]
//! rib read FILE [--table OUT]
//! ```
//!
//! Called without words (as `cargo bench` does) it makes a small dump in memory and reads it.

#[path = "../tests/it/rib.rs"]
mod rib;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use lasthop::asdb::build::Builder;
use lasthop::asdb::sources::{Options, Read as Summary, read_any};
use rib::Plan;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("rib: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[String]) -> Result<(), String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => {
            let mut dump = Vec::new();
            let plan = Plan { four: 17_000, six: 3_000, ..Plan::default() };
            rib::write(&plan, &mut dump).map_err(|error| error.to_string())?;
            read(dump.as_slice(), Path::new("in memory"), None)
        }
        ["write", file, ref options @ ..] => {
            let mut plan = Plan::default();
            let mut options = options.iter();
            while let Some(option) = options.next() {
                let mut number = || {
                    let value = options.next().ok_or(format!("{option} needs a number"))?;
                    value.parse::<u32>().map_err(|_| format!("{option}: '{value}' is no number"))
                };
                match *option {
                    "--four" => plan.four = number()?,
                    "--six" => plan.six = number()?,
                    "--peers" => plan.peers = number()?.clamp(1, 200) as u16,
                    "--seed" => plan.seed = number()?.into(),
                    "--add-path" => plan.add_path = true,
                    "--old" => plan.old = true,
                    other => return Err(format!("unknown option {other}")),
                }
            }
            let out = File::create(file).map_err(|error| format!("{file}: {error}"))?;
            let mut out = BufWriter::with_capacity(1 << 20, out);
            let routes = rib::write(&plan, &mut out).and_then(|routes| out.flush().map(|()| routes));
            let routes = routes.map_err(|error| format!("{file}: {error}"))?;
            println!("{routes}");
            Ok(())
        }
        ["read", file] => read(open(file)?, Path::new(file), None),
        ["read", file, "--table", table] => read(open(file)?, Path::new(file), Some(table)),
        _ => Err("say `write FILE …` or `read FILE [--table OUT]`".to_owned()),
    }
}

fn open(file: &str) -> Result<File, String> {
    File::open(file).map_err(|error| format!("{file}: {error}"))
}

/// Reads a source and, if asked, writes the table; both are part of the time.
fn read(source: impl Read, path: &Path, table: Option<&str>) -> Result<(), String> {
    let start = Instant::now();
    let mut builder = Builder::plain("bench");
    let read =
        read_any(source, path, &mut builder, &Options::default(), &mut |_| {}).map_err(|e| e.to_string())?;
    let reading = start.elapsed();
    if let Some(table) = table {
        let bytes = builder.write().map_err(|error| error.to_string())?;
        std::fs::write(table, bytes).map_err(|error| format!("{table}: {error}"))?;
    }
    let mut out = io::stdout().lock();
    say(&mut out, &read).map_err(|error| error.to_string())?;
    let all = start.elapsed();
    let each = reading.as_secs_f64() / read.routes.max(1) as f64 * 1e9;
    println!(
        "{:.3} s to read ({each:.0} ns a route), {:.3} s in all",
        reading.as_secs_f64(),
        all.as_secs_f64()
    );
    Ok(())
}

fn say(out: &mut impl Write, read: &Summary) -> io::Result<()> {
    writeln!(
        out,
        "{}, {}: {} bytes, {} records, {} routes",
        read.format, read.packing, read.bytes, read.records, read.routes
    )?;
    writeln!(out, "kept {} prefixes, {} links; peers {:?}", read.kept, read.links, read.peers)?;
    for (why, count) in &read.dropped {
        writeln!(out, "dropped {count}: {why}")?;
    }
    for warning in &read.warnings {
        writeln!(
            out,
            "warning: {} ({} times, first at byte {})",
            warning.what, warning.count, warning.offset
        )?;
    }
    Ok(())
}
