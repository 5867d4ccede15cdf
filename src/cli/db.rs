//! `db lookup` and `db info`: the offline table, asked by itself.

use std::borrow::Cow;
use std::io::{self, BufRead, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{Db, DbCommand};
use super::exit::Exit;
use super::failure::Failure;
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
    };
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            if as_json {
                failure.document();
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
    let mut exit = Exit::Ok;
    let mut answer = |out: &mut dyn Write, text: &str| -> io::Result<()> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(());
        }
        match address(text) {
            Some(address) => write_origin(out, data, address, as_json),
            None => {
                // One bad line of many loses nothing of the others.
                exit = Exit::Usage;
                output::talk(&format!("lasthop: '{}' is no address", safe(text)));
                output::talk("hint: give IPv4 or IPv6 addresses, such as 192.0.2.1 or 2001:db8::1");
                Ok(())
            }
        }
    };
    output::stdout(|out| {
        for text in addresses {
            if text != "-" {
                answer(out, text)?;
                continue;
            }
            for line in io::stdin().lock().lines() {
                answer(out, &line?)?;
            }
        }
        Ok(())
    })?;
    Ok(exit)
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
