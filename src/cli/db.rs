//! `db lookup` and `db info`: the offline table, asked by itself.

use std::io::{self, BufRead, Write};
use std::net::IpAddr;
use std::path::Path;

use serde_json::json;

use super::args::{Db, DbCommand};
use super::exit::Exit;
use super::failure::Failure;
use super::{live, output};
use crate::asdb::{Origin, Table};
use crate::report::safe;

/// `lasthop db …`.
pub fn db(words: &Db) -> Exit {
    let (result, as_json) = match &words.command {
        DbCommand::Lookup { addresses, json, db } => (lookup(addresses, *json, db.as_deref()), *json),
        DbCommand::Info { json, db } => (info(*json, db.as_deref()), *json),
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

fn open(path: Option<&Path>) -> Result<live::TableInUse, Failure> {
    live::table(live::table_file(path)?)
}

fn lookup(addresses: &[String], as_json: bool, path: Option<&Path>) -> Result<Exit, Failure> {
    let table = open(path)?;
    let mut exit = Exit::Ok;
    let mut answer = |out: &mut dyn Write, text: &str| -> io::Result<()> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(());
        }
        match address(text) {
            Some(address) => write_origin(out, &table, address, as_json),
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

fn write_origin(out: &mut dyn Write, table: &Table, address: IpAddr, as_json: bool) -> io::Result<()> {
    let origin: Origin = table.lookup(address);
    let first = origin.asn();
    let name = first.and_then(|asn| table.name(asn));
    let source = table.source_name(origin.source);
    let prefix = origin.prefix.map(|prefix| prefix.to_string());
    if as_json {
        let line = json!({
            "address": address,
            "asn": first,
            "asns": origin.asns.as_slice(),
            "as_name": name,
            "prefix": prefix,
            "kind": origin.kind,
            "source": source,
        });
        return writeln!(out, "{line}");
    }
    let asns: Vec<String> = origin.asns.into_iter().map(ToString::to_string).collect();
    let what = if asns.is_empty() {
        match origin.special {
            Some(special) => format!("{} ({}, {})", origin.kind, special.name, special.rfc),
            None => origin.kind.to_string(),
        }
    } else {
        asns.join(" ")
    };
    let name = name.map_or(String::new(), |name| format!("  {}", safe(name)));
    let prefix = prefix.map_or(String::new(), |prefix| format!("  {prefix}"));
    writeln!(out, "{address}  {what}{name}{prefix}  [{}]", safe(&source))
}

fn info(as_json: bool, path: Option<&Path>) -> Result<Exit, Failure> {
    let table = open(path)?;
    let described = live::describe(&table);
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
