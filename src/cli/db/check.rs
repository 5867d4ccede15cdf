//! `db check`: what moved between two tables.

use std::path::Path;

use serde_json::{Value, json};

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::output;
use crate::asdb::check::{Changes, Move, Space, compare};
use crate::asdb::{Intake, Settings};
use crate::number::Asn;
use crate::report::safe;

/// `lasthop db check`.
pub fn check(old: &Path, new: &Path, as_json: bool, top: usize) -> Result<Exit, Failure> {
    let open = |path: &Path| {
        let mut intake = Intake::new(Settings::default());
        super::take(&mut intake, path, &mut |_| {})?;
        let builder = intake.done();
        match builder.is_empty() {
            true => Err(Failure::input(
                format!("{} holds no range of addresses", path.display()),
                Some("give two tables, of any kind that db build takes".into()),
            )),
            false => Ok(builder),
        }
    };
    let (before, now) = (open(old)?, open(new)?);
    let changes = compare(before, now);
    if as_json {
        return super::print(&value(&changes, top));
    }
    output::stdout(|out| {
        if changes.is_empty() {
            return writeln!(out, "the same answers, names and links");
        }
        let Changes { covered, same, changed, appeared, vanished, .. } = &changes;
        writeln!(out, "{:<22}{:>15}{:>10}{:>17}{:>10}", "", "IPv4 addresses", "", "IPv6 in /48s", "")?;
        for (what, space) in [
            ("same origins", same),
            ("other origins", changed),
            ("new", appeared),
            ("gone", vanished),
            ("several origins now", &changes.several_now),
            ("several before", &changes.several_before),
        ] {
            let four = share(space.four as f64, covered.four as f64);
            let six = share(space.six, covered.six);
            writeln!(out, "{what:<22}{:>15}{four:>10}{:>17.1}{six:>10}", space.four, space.six)?;
        }
        for one in changes.moves.iter().take(top) {
            writeln!(out, "{} → {}: {}", asns(&one.from), asns(&one.to), size(&one.space))?;
        }
        more(out, changes.moves.len().saturating_sub(top), "moves")?;
        writeln!(
            out,
            "names: {} changed, {} new, {} gone; links: {} new, {} gone",
            changes.renamed.len(),
            changes.names_appeared,
            changes.names_vanished,
            changes.links_appeared,
            changes.links_vanished
        )?;
        for (asn, before, now) in changes.renamed.iter().take(top) {
            writeln!(out, "{asn}: {} → {}", safe(before), safe(now))?;
        }
        more(out, changes.renamed.len().saturating_sub(top), "names")
    })?;
    Ok(Exit::Ok)
}

fn more(out: &mut dyn std::io::Write, count: usize, what: &str) -> std::io::Result<()> {
    match count {
        0 => Ok(()),
        count => writeln!(out, "… {count} more {what} (--top shows more)"),
    }
}

fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.3} %", part / whole * 100.0) } else { "–".to_owned() }
}

fn asns(asns: &[Asn]) -> String {
    if asns.is_empty() {
        return "nobody".to_owned();
    }
    asns.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
}

fn size(space: &Space) -> String {
    let four = (space.four > 0).then(|| format!("{} IPv4 addresses", space.four));
    let six = (space.six > 0.0).then(|| format!("{:.4} IPv6 /48s", space.six));
    four.into_iter().chain(six).collect::<Vec<_>>().join(", ")
}

fn value(changes: &Changes, top: usize) -> Value {
    let space = |space: &Space| json!({ "ipv4_addresses": space.four, "ipv6_48s": space.six });
    let moved = |one: &Move| json!({ "from": one.from, "to": one.to, "space": space(&one.space) });
    json!({
        "equal": changes.is_empty(),
        "covered": space(&changes.covered),
        "same": space(&changes.same),
        "changed": space(&changes.changed),
        "appeared": space(&changes.appeared),
        "vanished": space(&changes.vanished),
        "several_origins_now": space(&changes.several_now),
        "several_origins_before": space(&changes.several_before),
        "moves": changes.moves.iter().take(top).map(moved).collect::<Vec<_>>(),
        "moves_left_out": changes.moves.len().saturating_sub(top),
        "names": {
            "changed": changes.renamed.len(),
            "appeared": changes.names_appeared,
            "vanished": changes.names_vanished,
            "list": changes.renamed.iter().take(top)
                .map(|(asn, before, now)| json!({ "asn": asn, "before": before, "now": now }))
                .collect::<Vec<_>>(),
        },
        "links": { "appeared": changes.links_appeared, "vanished": changes.links_vanished },
    })
}
