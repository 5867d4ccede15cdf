//! `verify`: whether a bundle is what it claims to be, and its conclusion follows from its packets.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::failure::{Failure, error_text};
use super::live::Files;
use super::output;
use crate::bundle::{self, AtHand, Given, Outcome, PublicKey, Verification};
use crate::capture;
use crate::net::Clock;
use crate::report::{self, safe};

/// A file longer than this is no bundle, and no capture of a run.
const LONGEST: u64 = 1 << 30;

/// `lasthop verify`.
pub fn verify(words: &args::Verify) -> Exit {
    check(words).unwrap_or_else(|failure| failure.end(words.json))
}

fn check(words: &args::Verify) -> Result<Exit, Failure> {
    let bytes = read(&words.bundle, "bundle")?;
    let key = words.key.as_deref().map(public_key).transpose()?;
    let beside = match &words.packets {
        None => None,
        Some(path) => {
            let bytes = read(path, "capture")?;
            Some(capture::read(&bytes).map_err(|error| {
                Failure::input(
                    format!("the capture {}: {error}", path.display()),
                    Some("pcap and pcapng are read, as tcpdump -w and dumpcap write them".into()),
                )
            })?)
        }
    };
    let data = Files::open(words.db.as_deref(), words.as_rel.as_deref(), &words.ixp)?.read()?;
    let grounds = data.grounds();
    let given = Given {
        at_hand: AtHand { origins: &grounds, table: data.describe(Clock::start().started_at()) },
        key: key.as_ref(),
        beside: beside.as_ref(),
    };
    let found = bundle::verify(&bytes, &given).map_err(|error| {
        Failure::input(
            format!("{}: {error}", words.bundle.display()),
            Some("lasthop diagnose TARGET --bundle FILE makes one".into()),
        )
    })?;
    output::stdout(
        |out| {
            if words.json { report::json(out, &found) } else { text(out, &words.bundle, &found) }
        },
    )?;
    Ok(if found.verified { Exit::Ok } else { Exit::Unverified })
}

fn text(out: &mut dyn std::io::Write, path: &Path, found: &Verification) -> std::io::Result<()> {
    let name = safe(&path.display().to_string()).into_owned();
    match &found.first_difference {
        None => writeln!(out, "{name}: verified")?,
        Some(difference) => writeln!(out, "{name}: DOES NOT VERIFY: {}", safe(difference))?,
    }
    if let Some(scenario) = &found.simulated {
        writeln!(out, "SIMULATED ({}): no packet of it was ever on a wire", safe(scenario))?;
    }
    if found.redacted {
        writeln!(out, "addresses of whoever measured are hidden in it")?;
    }
    writeln!(out)?;
    for check in &found.checks {
        let word = match check.outcome {
            Outcome::Holds => "holds",
            Outcome::Fails => "FAILS",
            Outcome::NotMade => "not checked",
        };
        writeln!(out, "  {word:11}  {:12}  {}", check.check, safe(&check.detail))?;
    }
    if let Some(verdict) = &found.verdict {
        writeln!(out, "\nfrom the packets follows: {}", safe(&verdict.summary))?;
    }
    Ok(())
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    let bad = |problem: String| {
        Failure::input(
            format!("cannot read the {what} {}: {problem}", path.display()),
            Some("name a file".into()),
        )
    };
    let file = File::open(path).map_err(|error| bad(error_text(&error)))?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| bad(error_text(&error)))?;
    if bytes.len() as u64 > LONGEST {
        return Err(bad("it is longer than any".to_owned()));
    }
    Ok(bytes)
}

/// The key itself, or the file it is in.
fn public_key(word: &str) -> Result<PublicKey, Failure> {
    let text = if Path::new(word).is_file() {
        std::fs::read_to_string(word).map_err(|error| {
            Failure::input(
                format!("cannot read the key {word}: {}", error_text(&error)),
                Some("make the file readable, or give the key itself".into()),
            )
        })?
    } else {
        word.to_owned()
    };
    PublicKey::read(&text).map_err(|error| {
        Failure::input(
            format!("the public key '{word}': {error}"),
            Some("give the .pub file that minisign -G wrote, or its second line".into()),
        )
    })
}
