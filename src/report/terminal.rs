//! Text for a terminal: the hops of target and reference side by side, where they part, and the verdict in words.
//!
//! It fits 80 columns and degrades by leaving columns out, not by wrapping tables. Everything is told without colour;
//! colour only helps the eye.

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};
use std::io::{self, Write};

use super::escape::safe;
use super::rows::{self, Cell, Lane, Row, address_text, asn_text, marks, replies, rows, short, shorten};
use super::runs::Runs;
use super::words;
use crate::trace::schema::{AsTable, Document, Path, Responder, Verdict};

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal, or of the page.
    pub width: usize,
    /// Use colour.
    pub color: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 80, color: false }
    }
}

impl Look {
    fn paint(self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    fn dim(self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// Text broken into lines of the look's width, each after the first indented.
    pub(super) fn wrap(self, text: &str, first: &str, rest: &str) -> String {
        let options = textwrap::Options::new(self.width.max(20))
            .initial_indent(first)
            .subsequent_indent(rest)
            // A date or a host name is not split at its hyphens.
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .break_words(true);
        textwrap::fill(text, options)
    }
}

/// Writes a whole run: what was probed, both paths, the verdict.
///
/// # Errors
/// Whatever writing fails with.
pub fn run(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    heading(out, document, look)?;
    writeln!(out)?;
    if let Some(target) = &document.target {
        writeln!(out, "{}", side_by_side(target, document, look))?;
        notes(out, document, look)?;
        matrix(out, document, look)?;
    }
    if let Some(verdict) = &document.verdict {
        writeln!(out)?;
        conclusion(out, document, verdict, look)?;
    }
    trouble(out, document, look)
}

/// Writes one path, as a traceroute with the AS of every hop.
///
/// # Errors
/// Whatever writing fails with.
pub fn trace(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    path(out, document, look)?;
    if let (Some(table), Some(_)) = (&document.asdb, &document.target) {
        credit(out, table, look)?;
    }
    trouble(out, document, look)
}

/// Who is to be credited for the AS numbers.
fn credit(out: &mut dyn Write, table: &AsTable, look: Look) -> io::Result<()> {
    let line = format!("AS numbers: {}", words::table(table));
    writeln!(out, "{}", look.wrap(&look.dim(&safe(&line)), "", "  "))
}

/// A single path, without the table that its AS numbers are from.
fn path(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    heading(out, document, look)?;
    writeln!(out)?;
    if let Some(target) = &document.target {
        writeln!(out, "{}", single(target, look))?;
        let path: Vec<String> = target.as_path.iter().map(|asn| format!("AS{asn}")).collect();
        if !path.is_empty() {
            writeln!(out)?;
            writeln!(out, "{}", look.wrap(&format!("AS path  {}", path.join(" → ")), "", "         "))?;
        }
        let end = Lane::of(target).end_alone();
        writeln!(out, "{}", look.wrap(&end, "", ""))?;
        notes(out, document, look)?;
    }
    Ok(())
}

fn heading(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    if document.target.is_none() {
        return Ok(());
    }
    let mut line = words::target(document);
    for reference in &document.references {
        line.push_str(&format!(", beside {}", words::beside(reference)));
    }
    let line = safe(&line);
    writeln!(out, "{}", look.wrap(&look.bold(&line), "", "  "))?;
    let mut from = match words::vantage(document) {
        place if place.is_empty() => place,
        place => format!("from {place}"),
    };
    if let Some(time) = document.started_at.as_deref() {
        from.push_str(&format!(", {}", words::to_the_second(time)));
    }
    let from = from.trim_start_matches(", ");
    if from.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", look.wrap(&look.dim(&safe(from)), "", "  "))
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

fn pad(table: &mut Table, right: &[usize]) {
    let columns = table.column_count();
    for at in 0..columns {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((u16::from(at > 0), u16::from(at + 1 < columns)));
            if right.contains(&at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
}

/// Lines without the blanks that table cells leave at their ends.
fn tidy(table: &Table, look: Look) -> Vec<String> {
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    // The table counts columns; it is painted when it has done so.
    if let Some(header) = lines.first_mut() {
        *header = look.dim(header);
    }
    lines
}

fn side_by_side(target: &Path, document: &Document, look: Look) -> String {
    // Two references fit beside the target; more are counted in the evidence and shown in JSON.
    let references = document.references.iter().take(if look.width >= 76 { 2 } else { 1 });
    let lanes: Vec<Lane<'_>> = std::iter::once(target).chain(references).map(Lane::of).collect();
    let rows = rows(&lanes);
    // What does not fit is left out, the least needed first: names, then times, then AS numbers.
    let longest = |texts: &mut dyn Iterator<Item = String>| texts.map(|text| text.chars().count()).max();
    let addresses = longest(&mut rows.iter().map(address_text)).unwrap_or(0).max("address".len());
    let asns = longest(&mut rows.iter().map(|row| asn_text(row.responder))).unwrap_or(0).max(2) + 2;
    // Where size is in question it tells the two apart, both being the same host.
    let headers = |with_times: bool| -> Vec<String> {
        let word = |place| {
            if place == 0 {
                "target"
            } else if with_times {
                "reference"
            } else {
                "ref."
            }
        };
        let sized = |path: &Path| path.size.map(|size| format!("{size} B"));
        let named = |(place, path): (usize, &&Path)| sized(path).unwrap_or_else(|| word(place).to_owned());
        lanes.iter().map(|lane| lane.path).enumerate().map(|(place, path)| named((place, &path))).collect()
    };
    let figures = |with_times: bool| -> usize {
        let header = if with_times { "reference" } else { "target" };
        let of = |lane: &Lane<'_>| longest(&mut rows.iter().map(|row| cell(lane, row, with_times)));
        lanes.iter().map(|lane| of(lane).unwrap_or(0).max(header.len()) + 2).sum()
    };
    let base = "hop  ".len() + addresses;
    let with_times = base + asns + figures(true) <= look.width;
    let with_asn = with_times || base + asns + figures(false) <= look.width;
    let used = base + if with_asn { asns } else { 0 } + figures(with_times);
    let with_names = with_times && used + 2 + LEAST_NAME <= look.width;
    let room = look.width.saturating_sub(used + 2).clamp(LEAST_NAME, 32);
    let mut table = table();
    let mut header = vec!["hop".to_owned(), "address".to_owned()];
    if with_asn {
        header.push("AS".to_owned());
    }
    if with_names {
        header.push("network".to_owned());
    }
    header.extend(headers(with_times));
    table.set_header(header);
    for row in &rows {
        let mut cells = vec![row.ttl.to_string(), address_text(row)];
        if with_asn {
            cells.push(asn_text(row.responder));
        }
        if with_names {
            cells.push(name_text(row.responder, room));
        }
        for lane in &lanes {
            cells.push(cell(lane, row, with_times));
        }
        table.add_row(cells);
    }
    let figures = 2 + usize::from(with_asn) + usize::from(with_names);
    pad(&mut table, &[&[0][..], &(figures..figures + lanes.len()).collect::<Vec<_>>()].concat());
    let mut lines = tidy(&table, look);
    if let Some(at) = rows::parting(document, &rows) {
        let end =
            if with_times { "the target's packets are not seen beyond this" } else { "the target ends here" };
        let rule = format!(
            "{} {end} {}",
            "─".repeat(3),
            "─".repeat(look.width.saturating_sub(end.len() + 6).min(25))
        );
        lines.insert(at + 1, look.paint(Style::new().fg_color(Some(AnsiColor::Red.into())), &rule));
    }
    lines.join("\n")
}

/// Columns below which a network's name says too little.
const LEAST_NAME: usize = 9;

fn single(target: &Path, look: Look) -> String {
    let lane = Lane::of(target);
    let rows = rows(&[lane]);
    let with_names = look.width >= 60;
    let mut table = table();
    let mut header = vec!["hop", "address", "AS"];
    if with_names {
        header.push("network");
    }
    header.extend(["answers", "ms"]);
    table.set_header(header);
    let longest = rows.iter().filter_map(|row| row.address).map(|address| address.to_string().len()).max();
    let fixed = 5 + longest.unwrap_or(7).max(7) + 2 + 11 + 10 + 22;
    let room = look.width.saturating_sub(fixed).clamp(6, 32);
    for row in &rows {
        let mut cells = vec![row.ttl.to_string(), address_text(row), asn_text(row.responder)];
        if with_names {
            cells.push(name_text(row.responder, room));
        }
        let hop = lane.hop(row.ttl);
        let answers = row.responder.map_or(0, replies);
        cells.push(hop.map_or_else(String::new, |hop| format!("{answers}/{}", hop.sent.unwrap_or(0))));
        let times = row.responder.and_then(|one| one.rtt_ms).map_or_else(
            || "–".to_owned(),
            |rtt| match (look.width >= 70) && rtt.max - rtt.min >= 0.05 {
                true => format!("{} {} {}", short(rtt.min), short(rtt.avg), short(rtt.max)),
                false => short(rtt.avg),
            },
        );
        cells.push(format!("{times}{}", row.responder.map(marked).unwrap_or_default()));
        table.add_row(cells);
    }
    let columns = if with_names { vec![0, 4] } else { vec![0, 3] };
    pad(&mut table, &columns);
    tidy(&table, look).join("\n")
}

fn name_text(responder: Option<&Responder>, room: usize) -> String {
    shorten(&safe(&rows::network(responder)), room)
}

/// The marks of a responder's replies, each behind a blank.
fn marked(responder: &Responder) -> String {
    marks(responder).iter().map(|mark| format!(" {mark}")).collect()
}

/// What a path drew at a row's TTL from the row's address: `3/4 12.1 !X`.
fn cell(lane: &Lane<'_>, row: &Row<'_>, with_times: bool) -> String {
    match rows::cell(lane, row) {
        Cell::Empty => String::new(),
        Cell::Silent { sent } if with_times => format!("0/{sent}      –"),
        Cell::Silent { sent } => format!("0/{sent}"),
        Cell::Answered { sent, responder } if !with_times => {
            format!("{}/{sent}{}", replies(responder), marked(responder))
        }
        Cell::Answered { sent, responder } => {
            let time = responder.rtt_ms.map_or_else(|| "–".to_owned(), |rtt| short(rtt.avg));
            format!("{}/{sent}{}{time:>7}", replies(responder), marked(responder))
        }
    }
}

/// The target's ports and protocols, where a matrix was asked for.
fn matrix(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    if document.matrix.is_empty() {
        return Ok(());
    }
    let mut table = table();
    table.set_header(["tried", "came back", "seen as far as"]);
    for row in &document.matrix {
        table.add_row(words::variant(row).map(|text| safe(&text).into_owned()));
    }
    pad(&mut table, &[]);
    writeln!(out)?;
    writeln!(out, "{}", tidy(&table, look).join("\n"))
}

/// What the table cannot show.
fn notes(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    for note in words::notes(document, 2) {
        writeln!(out, "{}", look.wrap(&look.dim(&safe(&note)), "", "  "))?;
    }
    Ok(())
}

/// Writes the verdict in words, its evidence in numbers, and what to do next.
///
/// # Errors
/// Whatever writing fails with.
pub fn conclusion(out: &mut dyn Write, document: &Document, verdict: &Verdict, look: Look) -> io::Result<()> {
    let color = match verdict.kind.as_str() {
        "reachable" => AnsiColor::Green,
        "inconclusive"
        | "intercepted"
        | "local"
        | "host_or_return_path"
        | "destination_network"
        | "lost_in_as_range" => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    let style = Style::new().bold().fg_color(Some(color.into()));
    let title = words::title(verdict);
    writeln!(out, "{}", look.paint(style, &look.wrap(&safe(&title), "", "  ")))?;
    writeln!(out, "{}", look.wrap(&safe(&words::summary(document)), "  ", "  "))?;
    writeln!(out)?;
    for (name, text) in words::facts(document) {
        let first = format!("  {name:<9} ");
        writeln!(out, "{}", look.wrap(&safe(&text), &first, &" ".repeat(first.len())))?;
    }
    if verdict.kind != "reachable" {
        writeln!(out)?;
        writeln!(out, "{}", look.wrap(&look.dim(words::CAVEAT), "  ", "  "))?;
    }
    Ok(())
}

fn trouble(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    match words::trouble(document) {
        Some(why) => incomplete(out, &safe(&why), look),
        None => Ok(()),
    }
}

fn incomplete(out: &mut dyn Write, why: &str, look: Look) -> io::Result<()> {
    writeln!(out)?;
    let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    writeln!(out, "{}", look.paint(style, &look.wrap(&format!("incomplete: {why}"), "", "  ")))
}

/// Writes a simulated story's opening.
///
/// # Errors
/// Whatever writing fails with.
pub fn story(out: &mut dyn Write, title: &str, lines: &[String], look: Look) -> io::Result<()> {
    writeln!(out, "{}", look.wrap(&look.bold(&safe(title)), "", ""))?;
    if !lines.is_empty() {
        writeln!(out, "{}", look.wrap(&safe(&lines.join(" ")), "", ""))?;
    }
    writeln!(out)
}

/// Writes how a simulated story ends: what is true, and whether that was the conclusion.
///
/// # Errors
/// Whatever writing fails with.
pub fn truth(out: &mut dyn Write, truth: &str, right: bool, look: Look) -> io::Result<()> {
    let (said, color) = if right {
        ("The conclusion is what can be known of it from here.", AnsiColor::Green)
    } else {
        ("The conclusion is NOT the right one.", AnsiColor::Red)
    };
    writeln!(out)?;
    writeln!(out, "{}", look.wrap(&format!("Truth: {}", safe(truth)), "", "       "))?;
    let style = Style::new().bold().fg_color(Some(color.into()));
    writeln!(out, "{}", look.paint(style, &look.wrap(said, "", "")))
}

/// Most runs that are shown behind what thousands say together.
const MOST_RUNS: usize = 100;

/// Writes one run or several, with what they say together.
pub(super) fn runs(out: &mut dyn Write, runs: &Runs, look: Look) -> io::Result<()> {
    if !runs.is_set {
        return runs.documents.iter().try_for_each(|document| one(out, document, look));
    }
    if let Some((title, summary)) = runs.conclusion.as_ref().and_then(words::together) {
        writeln!(out, "{}", look.wrap(&look.bold(&safe(&title)), "", "  "))?;
        if !summary.is_empty() {
            writeln!(out, "{}", look.wrap(&safe(&summary), "  ", "  "))?;
        }
        for (name, fact) in runs.conclusion.iter().flat_map(words::joint_facts) {
            writeln!(out, "{}", look.wrap(&safe(&format!("{name}: {fact}")), "  ", "      "))?;
        }
        writeln!(out)?;
    }
    let count = runs.documents.len();
    writeln!(out, "{}", if count == 1 { "1 run".to_owned() } else { format!("{count} runs") })?;
    let shown = if runs.conclusion.is_some() { count.min(MOST_RUNS) } else { count };
    for (at, document) in (1..).zip(&runs.documents[..shown]) {
        let [place, asked, fate] = [words::place, words::asked, words::fate].map(|say| say(document));
        let line = format!("{place} -> {asked}: {fate}");
        writeln!(out, "{}", look.wrap(&safe(&line), &format!("{at:>4}  "), "      "))?;
    }
    if shown < count {
        writeln!(out, "      and {} more, which are in the other formats", count - shown)?;
    }
    for (at, document) in (1..).zip(&runs.documents[..shown]) {
        let label = document.vantage.label.as_deref().or(document.vantage.via.as_deref()).unwrap_or_default();
        let label = shorten(&safe(label), 30);
        let head = format!("─── run {at} of {count} {label}{}", if label.is_empty() { "" } else { " " });
        let rule = "─".repeat(look.width.saturating_sub(head.chars().count()).min(50));
        writeln!(out, "\n{}\n", look.bold(&format!("{head}{rule}")))?;
        match is_single(document) {
            true => {
                path(out, document, look)?;
                trouble(out, document, look)?;
            }
            false => run(out, document, look)?,
        }
    }
    // The table of the traces is told once.
    let mut tables: Vec<&AsTable> = Vec::new();
    for table in runs.documents.iter().filter(|one| is_single(one)).filter_map(|one| one.asdb.as_ref()) {
        if !tables.iter().any(|known| known.sha256 == table.sha256) {
            tables.push(table);
            writeln!(out)?;
            credit(out, table, look)?;
        }
    }
    Ok(())
}

/// A path that is compared with none.
fn is_single(document: &Document) -> bool {
    document.verdict.is_none() && document.references.is_empty()
}

/// Writes a run, as a comparison or as a single path.
fn one(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    match is_single(document) {
        true => trace(out, document, look),
        false => run(out, document, look),
    }
}
