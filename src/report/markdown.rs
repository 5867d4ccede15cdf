//! Markdown, for issues and wikis: GitHub's and GitLab's tables, all foreign text escaped.

use std::io::{self, Write};

use super::escape::markdown as text;
use super::rows::{Cell, Lane, address_text, asn_text, cell, marks, network, replies, rows, short, stop};
use super::runs::Runs;
use super::words;
use crate::trace::schema::{Document, Path};

/// Writes all runs.
pub(super) fn runs(out: &mut dyn Write, runs: &Runs) -> io::Result<()> {
    if !runs.is_set {
        return runs.documents.iter().try_for_each(|document| one(out, document, "#"));
    }
    let count = runs.documents.len();
    match runs.conclusion.as_ref().and_then(words::together) {
        Some((title, summary)) => writeln!(out, "# {}\n\n{}\n", text(&title), text(&summary))?,
        None => writeln!(out, "# {count} {}\n", if count == 1 { "run" } else { "runs" })?,
    }
    let facts: Vec<Vec<String>> = runs
        .conclusion
        .iter()
        .flat_map(words::joint_facts)
        .map(|(name, fact)| vec![text(&name), text(&fact)])
        .collect();
    if !facts.is_empty() {
        table(out, &["", ""], "ll", &facts)?;
        writeln!(out)?;
    }
    let rows: Vec<Vec<String>> = (1..)
        .zip(&runs.documents)
        .map(|(at, document)| {
            let words = [words::place, words::asked, words::fate].map(|say| text(&say(document)));
            std::iter::once(format!("{at}")).chain(words).collect()
        })
        .collect();
    table(out, &["run", "from", "to", "what became of it"], "rlll", &rows)?;
    for document in &runs.documents {
        writeln!(out)?;
        one(out, document, "##")?;
    }
    Ok(())
}

fn one(out: &mut dyn Write, document: &Document, mark: &str) -> io::Result<()> {
    writeln!(out, "{mark} {}\n", text(&words::headline(document)))?;
    writeln!(out, "{}\n", text(&words::summary(document)))?;
    if let Some(why) = words::trouble(document) {
        writeln!(out, "**Incomplete:** {}\n", text(&why))?;
    }
    let mut facts = vec![("from", words::from(document)), ("to", words::target(document))];
    if let Some(owner) = document.target.as_ref().and_then(words::owner) {
        facts.push(("in", owner));
    }
    facts.extend(words::when(document).map(|when| ("when", when)));
    for reference in &document.references {
        let how = reference
            .chosen
            .as_ref()
            .map_or_else(String::new, |chosen| format!(", {}", super::escape::clip_to(&chosen.words, 200)));
        let answers = if reference.reached { "answers" } else { "does not answer" };
        facts.push(("beside", format!("{} ({answers}{how})", words::beside(reference))));
    }
    facts.extend(words::facts(document).into_iter().filter(|(name, _)| *name != "table"));
    let rows: Vec<Vec<String>> =
        facts.iter().map(|(name, fact)| vec![(*name).to_owned(), text(fact)]).collect();
    table(out, &["", ""], "ll", &rows)?;
    if let Some(target) = &document.target {
        writeln!(out, "\n{mark}# Hop by hop\n")?;
        paths(out, document, target)?;
    }
    if !document.matrix.is_empty() {
        writeln!(out, "\n{mark}# Ports and protocols of the target\n")?;
        let rows: Vec<Vec<String>> = document
            .matrix
            .iter()
            .take(64)
            .map(|row| words::variant(row).map(|one| text(&one)).to_vec())
            .collect();
        table(out, &["tried", "came back", "seen as far as"], "lll", &rows)?;
    }
    for note in words::notes(document, 2) {
        writeln!(out, "\n{}", text(&note))?;
    }
    if let Some(question) = words::question(document) {
        writeln!(out, "\n{mark}# Question\n\n{}", text(&question))?;
        writeln!(out, "\nThe way back can only be traced from the far end:\n")?;
        writeln!(out, "```sh\n{}\n```", words::reverse_command(document))?;
        writeln!(out, "\n{}", words::CAVEAT)?;
    }
    writeln!(out, "\n---\n")?;
    if let Some(table) = &document.asdb {
        let link = match words::has_db_ip(table) {
            true => format!(" [IP Geolocation by DB-IP]({})", words::DB_IP),
            false => String::new(),
        };
        writeln!(out, "AS numbers: {}.{link}\n", text(&words::table(table)))?;
    }
    writeln!(out, "Made by {}.", text(&words::tool(document)))
}

fn paths(out: &mut dyn Write, document: &Document, target: &Path) -> io::Result<()> {
    let references = document.references.iter().take(2);
    let lanes: Vec<Lane<'_>> = std::iter::once(target).chain(references).map(Lane::of).collect();
    let mut header = vec!["hop", "address", "AS", "network", "target"];
    header.extend(lanes[1..].iter().map(|_| "reference"));
    let stop = stop(document);
    let lines: Vec<Vec<String>> = rows(&lanes)
        .iter()
        .map(|row| {
            let address = format!("`{}`", address_text(row));
            let mut cells = vec![row.ttl.to_string(), address, asn_text(row.responder)];
            cells.push(text(&network(row.responder)));
            cells.extend(lanes.iter().enumerate().map(|(at, lane)| {
                let behind = at == 0 && stop.is_some_and(|(after, _)| row.ttl > after);
                match cell(lane, row) {
                    Cell::Empty => String::new(),
                    Cell::Silent { sent } if behind => format!("**0/{sent}**"),
                    Cell::Silent { sent } => format!("0/{sent}"),
                    Cell::Answered { sent, responder } => {
                        let mut words = vec![format!("{}/{sent}", replies(responder))];
                        words.extend(marks(responder).iter().map(|mark| text(mark)));
                        words.extend(responder.rtt_ms.map(|rtt| format!("{} ms", short(rtt.avg))));
                        words.join(" ")
                    }
                }
            }));
            cells
        })
        .collect();
    table(out, &header, &format!("rlll{}", "r".repeat(lanes.len())), &lines)?;
    if let Some((after, before)) = stop {
        let before = before.map_or_else(String::new, |ttl| format!(", and are proven lost before hop {ttl}"));
        writeln!(out, "\nThe target's packets are proven to reach hop {after}{before}.")?;
    }
    Ok(())
}

/// A table; its cells are escaped already.
fn table(out: &mut dyn Write, header: &[&str], sides: &str, rows: &[Vec<String>]) -> io::Result<()> {
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<&str> = cells.collect();
        format!("| {} |", cells.join(" | "))
    };
    writeln!(out, "{}", line(&mut header.iter().copied()))?;
    writeln!(out, "{}", line(&mut sides.chars().map(|side| if side == 'r' { "--:" } else { "---" })))?;
    rows.iter().try_for_each(|row| writeln!(out, "{}", line(&mut row.iter().map(String::as_str))))
}
