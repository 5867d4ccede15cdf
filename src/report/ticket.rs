//! Plain text for a trouble ticket: at most 72 columns, a summary of at most 15 lines first, then the tables.
//!
//! It leads with the end-to-end result and the control beside it, not with loss at routers, which operators rightly wave
//! away; addresses are whole and names are not looked up; the time is UTC; and it ends with the command for the one trace
//! that only the far end can make. No line begins with a blank, `>` or `From`, which mail programs would change (RFC 3676,
//! section 4.4), and typographic marks are ASCII.

use std::io::{self, Write};

use super::escape::plain;
use super::rows::{Cell, Lane, address_text, asn_text, cell, marks, replies, rows, short, stop};
use super::runs::Runs;
use super::words;
use crate::trace::schema::{Document, Path};

/// Columns of a line.
pub(super) const WIDTH: usize = 72;
/// Lines of the summary.
pub(super) const SUMMARY: usize = 15;

/// Writes all runs.
pub(super) fn runs(out: &mut dyn Write, runs: &Runs) -> io::Result<()> {
    if runs.is_set {
        several(out, runs)?;
    }
    for (at, document) in (1..).zip(&runs.documents) {
        if runs.is_set {
            writeln!(out, "\n{}", rule(&format!("run {at} of {}", runs.documents.len())))?;
        }
        one(out, document)?;
    }
    Ok(())
}

fn several(out: &mut dyn Write, runs: &Runs) -> io::Result<()> {
    if let Some((title, summary)) = runs.conclusion.as_ref().and_then(words::together) {
        for line in wrapped(&format!("{title}. {summary}")).into_iter().take(8) {
            writeln!(out, "{line}")?;
        }
        for (name, fact) in runs.conclusion.iter().flat_map(words::joint_facts) {
            for line in wrapped(&format!("{name}: {fact}")) {
                writeln!(out, "{line}")?;
            }
        }
        writeln!(out)?;
    }
    for (at, document) in (1..).zip(&runs.documents) {
        let [place, asked, fate] = [words::place, words::asked, words::fate].map(|say| say(document));
        for line in wrapped(&format!("{at}. {place} -> {asked}: {fate}")) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn one(out: &mut dyn Write, document: &Document) -> io::Result<()> {
    for line in summary(document) {
        writeln!(out, "{line}")?;
    }
    if let Some(target) = &document.target {
        side_by_side(out, document, target)?;
        for (path, name) in paths(document, target) {
            single(out, path, &name)?;
        }
    }
    if !document.matrix.is_empty() {
        writeln!(out, "\n{}", rule("the target's ports and protocols"))?;
        let mut lines = vec![["tried", "came back", "seen as far as"].map(str::to_owned).to_vec()];
        lines.extend(document.matrix.iter().take(64).map(|row| words::variant(row).to_vec()));
        columns(out, lines)?;
    }
    writeln!(out, "\n{}", rule("how it was measured"))?;
    let mut say = |text: String| wrapped(&text).iter().try_for_each(|line| writeln!(out, "{line}"));
    for (name, text) in words::facts(document) {
        if !matches!(name, "table" | "next") {
            say(format!("{name}: {text}"))?;
        }
    }
    for note in words::notes(document, usize::MAX) {
        say(note)?;
    }
    if document.verdict.as_ref().is_some_and(|verdict| verdict.kind != "reachable") {
        say(words::CAVEAT.to_owned())?;
    }
    if let Some(table) = &document.asdb {
        say(format!("AS numbers: {}", words::table(table)))?;
    }
    let seed = document.measurement.as_ref().map(|measurement| format!(", seed {}", measurement.seed));
    say(format!("Made by {}{}.", words::tool(document), seed.unwrap_or_default()))?;
    writeln!(out, "\n{}", rule("the way back, from the far end"))?;
    let mut say = |text: String| wrapped(&text).iter().try_for_each(|line| writeln!(out, "{line}"));
    let private = match words::knows_public_address(document) {
        true => "",
        false => " (our address is private: put in the public one that your logs show)",
    };
    say(format!("Please run this at {} or next to it, and send the output{private}:", far_end(document)))?;
    say(words::reverse_command(document))
}

fn far_end(document: &Document) -> String {
    document.target.as_ref().map_or_else(|| "the far end".to_owned(), words::host)
}

/// What, from where, to where, when, the result with its figures and a question: at most [`SUMMARY`] lines. Where that is
/// more, the least needed is left out first.
fn summary(document: &Document) -> Vec<String> {
    let mut lines = Vec::new();
    for (with_owner, with_more) in [(true, true), (false, true), (false, false)] {
        lines = parts(document, with_owner, with_more);
        if lines.iter().map(Vec::len).sum::<usize>() <= SUMMARY {
            return lines.concat();
        }
    }
    let [title, fixed, result, question] = <[Vec<String>; 4]>::try_from(lines).unwrap_or_default();
    let left = SUMMARY.saturating_sub(title.len() + fixed.len() + question.len());
    [title, fixed, cut(result, left), question].concat()
}

/// The title, the facts, the result and the question, in lines.
fn parts(document: &Document, with_owner: bool, with_more: bool) -> Vec<Vec<String>> {
    let mut fixed = Vec::new();
    let mut add = |name: &str, text: &str| fixed.extend(cut(wrapped(&format!("{name}: {text}")), 2));
    add("From", &words::from(document));
    let owner = document.target.as_ref().and_then(words::owner).filter(|_| with_owner);
    let owner = owner.map_or_else(String::new, |owner| format!(", in {owner}"));
    add("To", &format!("{}{owner}", words::target(document)));
    if let Some(when) = words::when(document) {
        add("When", &when);
    }
    let works: Vec<String> = (document.references.iter())
        .filter(|path| path.reached)
        .map(|path| {
            let at = path.distance.map_or_else(String::new, |ttl| format!(" at hop {ttl}"));
            format!("{}{at}", words::beside(path))
        })
        .collect();
    if !works.is_empty() {
        add("Works meanwhile", &works.join(", "));
    }
    let mut result = format!("Result: {}", words::summary(document));
    if let Some(why) = words::trouble(document) {
        result = format!("Incomplete: {why}. {result}");
    }
    let question = words::question(document).unwrap_or_default();
    // What follows the first question only sharpens it.
    let question = match question.find('?').filter(|_| !with_more) {
        Some(end) => question[..=end].to_owned(),
        None => question,
    };
    let title = cut(wrapped(&words::headline(document)), 2);
    let question = if question.is_empty() { Vec::new() } else { cut(wrapped(&question), 4) };
    vec![title, fixed, wrapped(&result), question]
}

/// The first lines, the last of them marked where something is left out.
fn cut(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            while last.chars().count() > WIDTH - 4 {
                last.pop();
            }
            last.push_str(" ...");
        }
    }
    lines
}

/// Lines of at most [`WIDTH`] columns that no mail program changes.
fn wrapped(text: &str) -> Vec<String> {
    let text = plain(text);
    let lines = |width: usize| -> Vec<String> {
        let options = textwrap::Options::new(width)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .break_words(true);
        textwrap::wrap(&text, options).iter().map(|line| harmless(line.trim_end())).collect()
    };
    // A line that would be changed gets a column more.
    let found = lines(WIDTH);
    if found.iter().any(|line| line.chars().count() > WIDTH) { lines(WIDTH - 1) } else { found }
}

/// A line without a beginning that mail programs change.
fn harmless(line: &str) -> String {
    match line.starts_with([' ', '>']) || line.starts_with("From ") {
        true => format!(".{line}"),
        false => line.to_owned(),
    }
}

fn rule(title: &str) -> String {
    format!("--- {title} {}", "-".repeat((WIDTH - 5).saturating_sub(title.len())))
}

/// The paths with their names, the target first.
fn paths<'a>(document: &'a Document, target: &'a Path) -> Vec<(&'a Path, String)> {
    let references = document.references.iter().take(8);
    let references = references.map(|path| (path, format!("reference {}", words::beside(path))));
    let target = std::iter::once((target, format!("target {}", words::target(document))));
    target.chain(references).collect()
}

fn side_by_side(out: &mut dyn Write, document: &Document, target: &Path) -> io::Result<()> {
    if document.references.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", rule("answered / sent, side by side"))?;
    // Addresses stay whole: what does not fit beside long ones is in the tables of each path.
    let widest = [(2, true), (1, true), (2, false), (1, false)]
        .map(|(references, with_as)| compared(document, target, references, with_as));
    let (lines, parted) = first_that_fits(widest);
    let mut text = Vec::new();
    columns(&mut text, lines)?;
    for (at, line) in String::from_utf8_lossy(&text).lines().enumerate() {
        if parted == Some(at) {
            writeln!(out, "--- the target's packets are not seen beyond this ---")?;
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Lines of cells, the first the header, and the line before which the target's path ends.
type Lines = (Vec<Vec<String>>, Option<usize>);

fn compared(document: &Document, target: &Path, references: usize, with_as: bool) -> Lines {
    let references = document.references.iter().take(references);
    let lanes: Vec<Lane<'_>> = std::iter::once(target).chain(references).map(Lane::of).collect();
    let mut header = vec!["hop", "address"];
    header.extend(with_as.then_some("AS"));
    header.push("target");
    header.extend(lanes[1..].iter().map(|_| "reference"));
    let mut lines = vec![header.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    let mut parted = None;
    for row in &rows(&lanes) {
        if stop(document).is_some_and(|(after, _)| row.ttl > after) {
            parted.get_or_insert(lines.len());
        }
        let mut cells = vec![row.ttl.to_string(), address_text(row)];
        cells.extend(with_as.then(|| asn_text(row.responder)));
        cells.extend(lanes.iter().map(|lane| match cell(lane, row) {
            Cell::Empty => String::new(),
            Cell::Silent { sent } => format!("0/{sent}"),
            Cell::Answered { sent, responder } => {
                let mut words = vec![format!("{}/{sent}", replies(responder))];
                words.extend(marks(responder));
                words.join(" ")
            }
        }));
        lines.push(cells);
    }
    (lines, parted)
}

fn single(out: &mut dyn Write, path: &Path, name: &str) -> io::Result<()> {
    writeln!(out)?;
    for line in cut(wrapped(&format!("--- {name}")), 3) {
        writeln!(out, "{line}")?;
    }
    let lane = Lane::of(path);
    let widest: [&[&str]; 3] = [&["min ms", "avg", "max"], &["ms"], &[]];
    let (lines, _) = first_that_fits(widest.map(|times| (of_path(&lane, times), None)));
    columns(out, lines)?;
    for line in wrapped(&format!("End: {}.", lane.end())) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn of_path(lane: &Lane<'_>, times: &[&str]) -> Vec<Vec<String>> {
    let header = ["hop", "address", "AS", "answered"].iter().chain(times);
    let mut lines = vec![header.map(|word| (*word).to_owned()).collect::<Vec<_>>()];
    for row in rows(&[*lane]) {
        let mut cells = vec![row.ttl.to_string(), address_text(&row), asn_text(row.responder)];
        cells.push(match cell(lane, &row) {
            Cell::Empty => String::new(),
            Cell::Silent { sent } => format!("0/{sent}"),
            Cell::Answered { sent, responder } => format!("{}/{sent}", replies(responder)),
        });
        if let Some(rtt) = row.responder.and_then(|one| one.rtt_ms) {
            let all = match times.len() {
                0 => Vec::new(),
                1 => vec![rtt.avg],
                _ => vec![rtt.min, rtt.avg, rtt.max],
            };
            cells.extend(all.into_iter().map(short));
        }
        lines.push(cells);
    }
    lines
}

/// The first lines that are not wider than a ticket; the last, if none is.
fn first_that_fits<const N: usize>(all: [Lines; N]) -> Lines {
    let mut last = Lines::default();
    for lines in all {
        let sum: usize = widths(&lines.0).iter().map(|width| width + 2).sum();
        last = lines;
        if sum <= WIDTH + 2 {
            break;
        }
    }
    last
}

/// The widest cell of each column.
fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|text| text.chars().count()).max();
    (0..count).map(|at| width(at).unwrap_or(0)).collect()
}

/// Writes rows as columns with two blanks between them; a line that grows too long is cut.
fn columns(out: &mut dyn Write, rows: Vec<Vec<String>>) -> io::Result<()> {
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.iter().map(|text| plain(text)).collect()).collect();
    let widths = widths(&rows);
    for row in &rows {
        let mut line = String::new();
        for (text, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{text:<width$}  "));
        }
        let line: String = line.trim_end().chars().take(WIDTH).collect();
        writeln!(out, "{}", harmless(line.trim_end()))?;
    }
    Ok(())
}
