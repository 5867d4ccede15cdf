//! `db lookup` and `db info`: the offline table, asked by itself.

use std::borrow::Cow;
use std::io::{self, BufRead as _, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{Db, DbCommand};
use super::exit::Exit;
use super::failure::{Failure, error_text};
use super::live::{Data, Files};
use super::output;
use crate::path::{Attribution, Origins};
use crate::report::safe;

/// `lasthop db …`.
pub fn db(words: &Db) -> Exit {
    let (result, as_json) = match &words.command {
        DbCommand::Lookup { addresses, json, db, ixp } => {
            (open(db.as_deref(), ixp).and_then(|data| lookup(addresses, *json, &data)), *json)
        }
        DbCommand::Info { json, db } => (open(db.as_deref(), &[]).and_then(|data| info(*json, &data)), *json),
        #[cfg(feature = "fetch")]
        DbCommand::Fetch(words) => return super::fetch::fetch(words),
    };
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            if as_json {
                // One line, as everything these commands print.
                failure.line();
            }
            failure.say();
            failure.exit
        }
    }
}

fn open(table: Option<&Path>, exchanges: &[PathBuf]) -> Result<Data, Failure> {
    Files::open(table, None, exchanges)?.read()
}

fn lookup(addresses: &[String], as_json: bool, data: &Data) -> Result<Exit, Failure> {
    // One bad word of many loses nothing of the others; the status tells of it at the end.
    let mut exit = Exit::Ok;
    output::stdout(|out| {
        for text in addresses {
            if text != "-" {
                let bad = "give IPv4 or IPv6 addresses, such as 192.0.2.1 or 2001:db8::1";
                let bad = || Failure::usage(format!("'{text}' is no address"), bad);
                if let Err(failure) = answer(out, data, text.trim(), as_json, bad)? {
                    exit = failure.exit;
                }
                continue;
            }
            if let Err(failure) = answer_lines(out, data, as_json)?
                && exit == Exit::Ok
            {
                exit = failure.exit;
            }
        }
        Ok(())
    })?;
    Ok(exit)
}

/// Answers standard input line by line; gives the last failure, which has been told.
fn answer_lines(out: &mut dyn Write, data: &Data, as_json: bool) -> io::Result<Result<(), Failure>> {
    let mut result = Ok(());
    for (number, line) in (1..).zip(io::stdin().lock().split(b'\n')) {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                let failure = Failure::input(
                    format!("cannot read standard input: {}", error_text(&error)),
                    Some(
                        "give a file with `<` or the output of a program with `|`, or name the addresses"
                            .into(),
                    ),
                );
                return told(out, None, as_json, failure).map(Err);
            }
        };
        // Whatever is no text is no address either.
        let line = String::from_utf8_lossy(&line);
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let bad = || {
            Failure::input(
                format!("line {number}: '{text}' is no address"),
                Some("a line is one IPv4 or IPv6 address, such as 192.0.2.1 or 2001:db8::1".into()),
            )
        };
        if let Err(failure) = answer(out, data, text, as_json, bad)? {
            result = Err(failure);
        }
    }
    Ok(result)
}

/// Says whose address it is, or what is wrong with it.
fn answer(
    out: &mut dyn Write,
    data: &Data,
    text: &str,
    as_json: bool,
    bad: impl FnOnce() -> Failure,
) -> io::Result<Result<(), Failure>> {
    match address(text) {
        Some(address) => write_origin(out, data, address, as_json).map(Ok),
        None => told(out, Some(text), as_json, bad()).map(Err),
    }
}

/// Tells of a bad word, in its place in the stream as well if that is for programs.
fn told(out: &mut dyn Write, text: Option<&str>, as_json: bool, failure: Failure) -> io::Result<Failure> {
    if as_json {
        writeln!(out, "{}", json!({ "address": text, "error": failure.schema() }))?;
    }
    failure.say();
    Ok(failure)
}

/// An address as people write it, brackets allowed.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

fn write_origin(out: &mut dyn Write, data: &Data, address: IpAddr, as_json: bool) -> io::Result<()> {
    let Attribution { asns, name, prefix, kind } = data.grounds().attribute(address);
    let peering = data.exchanges.as_ref().and_then(|exchanges| exchanges.lookup(address));
    let origin = data.table.lookup(address);
    let source = match &peering {
        Some(peering) => Cow::Borrowed(peering.file.origin.as_str()),
        None => data.table.source_name(origin.source),
    };
    let prefix = prefix.map(|prefix| prefix.to_string());
    if as_json {
        let line = json!({
            "address": address,
            "asn": asns.first(),
            "asns": asns,
            "as_name": name,
            "prefix": prefix,
            "kind": kind,
            "source": source,
        });
        return writeln!(out, "{line}");
    }
    let numbers: Vec<String> = asns.iter().map(ToString::to_string).collect();
    let what = match (&peering, origin.special) {
        (Some(peering), _) => {
            let exchange = peering.exchange.map_or(String::new(), |name| format!(" {}", safe(name)));
            let members =
                if numbers.is_empty() { String::new() } else { format!("{} at ", numbers.join(" ")) };
            format!("{members}{kind}{exchange}")
        }
        (None, Some(special)) if numbers.is_empty() => format!("{kind} ({}, {})", special.name, special.rfc),
        (None, _) if numbers.is_empty() => kind.to_string(),
        (None, _) => numbers.join(" "),
    };
    let name = name.map_or(String::new(), |name| format!("  {}", safe(&name)));
    let prefix = prefix.map_or(String::new(), |prefix| format!("  {prefix}"));
    writeln!(out, "{address}  {what}{name}{prefix}  [{}]", safe(&source))
}

fn info(as_json: bool, data: &Data) -> Result<Exit, Failure> {
    let described = data.describe();
    if as_json {
        output::stdout(|out| {
            let line = serde_json::to_string(&described).map_err(io::Error::other)?;
            writeln!(out, "{line}")
        })?;
        return Ok(Exit::Ok);
    }
    output::stdout(|out| {
        writeln!(out, "origin    {}", safe(&described.origin))?;
        writeln!(out, "data of   {}", described.built_at.as_deref().unwrap_or("an unknown day"))?;
        writeln!(out, "prefixes  {}", described.prefixes)?;
        writeln!(out, "sha256    {}", described.sha256)
    })?;
    Ok(Exit::Ok)
}
