//! `db info`: everything that a table says of itself.

use std::path::Path;

use serde_json::{Value, json};

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::live::Data;
use super::super::output;
use crate::asdb::{Details, Format, Info};
use crate::report::safe;
use crate::trace::WallTime;

/// `lasthop db info`.
pub fn info(path: Option<&Path>, as_json: bool, data: &Data, now: WallTime) -> Result<Exit, Failure> {
    let described = data.describe(now);
    let (info, details) = (data.table.info(), data.table.details());
    if as_json {
        let mut all = serde_json::to_value(&described).unwrap_or_default();
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), value(&info, &details)) {
            for (key, value) in more {
                // A run's document names sources in fewer words.
                if key == "sources" || !all.contains_key(&key) {
                    all.insert(key, value);
                }
            }
        }
        return super::print(&all);
    }
    output::stdout(|out| {
        let place = path.map_or_else(|| "inside the program".to_owned(), |path| path.display().to_string());
        writeln!(out, "table      {}", safe(&place))?;
        writeln!(out, "format     {}", info.format)?;
        writeln!(out, "origin     {}", safe(&described.origin))?;
        let age = described.age_days.map_or(String::new(), |days| format!(", {days} days ago"));
        let by_file = if info.built_at_is_file_time { " (the day of the file)" } else { "" };
        writeln!(out, "data of    {}{age}{by_file}", super::day(info.built_at))?;
        if let Some(warning) = &described.warning {
            writeln!(out, "warning    {}", safe(warning))?;
        }
        writeln!(out, "prefixes   {} IPv4, {} IPv6", details.prefixes[0], details.prefixes[1])?;
        writeln!(out, "ASes       {}, {} with a name", details.asns, details.names)?;
        writeln!(out, "countries  {} ranges", details.countries)?;
        writeln!(out, "links      {}", details.links)?;
        writeln!(out, "exchanges  {} LANs, {} addresses of members", details.lans, details.members)?;
        if let Some(bytes) = details.bytes {
            writeln!(out, "size       {bytes} bytes")?;
        }
        writeln!(out, "sha256     {}", described.sha256)?;
        for (number, source) in (1..).zip(&info.sources) {
            let overrides = if source.overrides { ", overrides" } else { "" };
            writeln!(
                out,
                "source {number}   {}, {}{overrides}",
                safe(&source.name),
                super::day(source.date)
            )?;
            if let Some(licence) = &source.licence {
                writeln!(out, "           {}", safe(licence))?;
            }
            for file in &source.files {
                writeln!(out, "           {} {}", safe(&file.sha256), safe(&file.name))?;
            }
        }
        Ok(())
    })?;
    Ok(Exit::Ok)
}

/// The same for programs, without what hangs on the day it is asked.
pub fn value(info: &Info, details: &Details) -> Value {
    let version = match info.format {
        Format::Table(version) => Some(version),
        _ => None,
    };
    let sources: Vec<Value> = (info.sources.iter())
        .map(|source| {
            let files: Vec<Value> = (source.files.iter())
                .map(|file| json!({ "name": file.name, "sha256": file.sha256 }))
                .collect();
            json!({
                "name": source.name,
                "date": source.date.map(|date| date.to_string()),
                "licence": source.licence,
                "overrides": source.overrides,
                "files": files,
            })
        })
        .collect();
    json!({
        "origin": info.origin,
        "built_at": info.built_at.map(|day| format!("{day}T00:00:00Z")),
        "sha256": info.sha256.to_string(),
        "prefixes": info.prefixes,
        "format": info.format.to_string(),
        "format_version": version,
        "bytes": details.bytes,
        "ipv4_prefixes": details.prefixes[0],
        "ipv6_prefixes": details.prefixes[1],
        "asns": details.asns,
        "names": details.names,
        "country_ranges": details.countries,
        "links": details.links,
        "exchange_lans": details.lans,
        "exchange_members": details.members,
        "sources": sources,
    })
}
