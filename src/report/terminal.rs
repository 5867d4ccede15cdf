//! Text for a terminal: the hops of target and reference side by side, where they part, and the verdict in words.
//!
//! It fits 80 columns and degrades by leaving columns out, not by wrapping tables. Everything is told without colour;
//! colour only helps the eye.

use std::io::{self, Write};
use std::net::IpAddr;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};
use unicode_width::UnicodeWidthChar;

use super::document::day_and_time;
use super::escape::safe;
use crate::trace::schema::{Balancer, Document, Hop, Path, Responder, TooBig, Verdict};

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
    fn wrap(self, text: &str, first: &str, rest: &str) -> String {
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
    heading(out, document, look)?;
    writeln!(out)?;
    if let Some(target) = &document.target {
        writeln!(out, "{}", single(target, look))?;
        let path: Vec<String> = target.as_path.iter().map(|asn| format!("AS{asn}")).collect();
        if !path.is_empty() {
            writeln!(out)?;
            writeln!(out, "{}", look.wrap(&format!("AS path  {}", path.join(" → ")), "", "         "))?;
        }
        let refusal = refusal(target).map(|(ttl, words)| format!("refused at hop {ttl}: {words}"));
        let end = match (target.reached, target.distance) {
            (true, Some(distance)) => format!("reached at hop {distance}"),
            (true, None) => match refusal {
                Some(refusal) => format!("{refusal}; reached on another flow"),
                None => "reached, beyond the hops shown".to_owned(),
            },
            (false, _) => refusal.unwrap_or_else(|| {
                "not reached; a silent hop alone says nothing: compare with a reference (lasthop diagnose)"
                    .to_owned()
            }),
        };
        writeln!(out, "{}", look.wrap(&end, "", ""))?;
        for one in &document.too_big {
            writeln!(out, "{}", look.wrap(&too_big(one), "", "  "))?;
        }
        if let (Some(now), true) = (target.size, target.size < document.size) {
            let line =
                format!("path MTU discovery works so far: the hops shown are of packets of {now} bytes");
            writeln!(out, "{}", look.wrap(&line, "", "  "))?;
        }
        notes(out, document, look)?;
    }
    if let Some(warning) = document.asdb.as_ref().and_then(|table| table.warning.as_ref()) {
        writeln!(out, "{}", look.wrap(&look.dim(&format!("table: {}", safe(warning))), "", "       "))?;
    }
    let stopped = document.measurement.as_ref().is_some_and(|measurement| measurement.incomplete);
    if stopped && document.error.is_none() {
        incomplete(out, "stopped before every hop had been asked and waited for", look)?;
    }
    trouble(out, document, look)
}

/// A router's word that packets were too big.
fn too_big(one: &TooBig) -> String {
    let place = one.ttl.map(|ttl| format!("hop {ttl}"));
    let known: Vec<String> = place.into_iter().chain(one.asn.map(|asn| format!("AS{asn}"))).collect();
    let place = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    let size = one.size.map_or_else(String::new, |size| format!(" of {size} bytes"));
    format!(
        "{}{place} says that packets{size} are too big; its next link takes {} bytes",
        one.address, one.mtu
    )
}

/// The hop that a refused path ends with, and what is said there: by whom, and traceroute's mark.
fn refusal(path: &Path) -> Option<(u8, String)> {
    let ttl = refused_at(path)?;
    let hop = path.hops.iter().find(|hop| hop.ttl == ttl)?;
    let one = hop.responders.iter().find(|one| !one.replies.unreachable.is_empty())?;
    let row = one.replies.unreachable.first()?;
    let who = one.address.map_or_else(|| "a router".to_owned(), |address| address.to_string());
    let says = match (row.icmp_type, row.code) {
        (3, 3) | (1, 4) => "port unreachable, in the host's place".to_owned(),
        (icmp_type, code) => {
            let mark = mark(icmp_type, code);
            let words = match mark.as_str() {
                "!N" => "network unreachable",
                "!H" => "host unreachable",
                "!P" => "protocol unreachable",
                "!X" => "communication administratively prohibited",
                _ => "destination unreachable",
            };
            format!("{words} ({mark})")
        }
    };
    Some((ttl, format!("{who} answers {says}")))
}

fn heading(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    let Some(target) = &document.target else { return Ok(()) };
    let how = match document.port {
        Some(port) => format!("{} port {port}", document.protocol.to_uppercase()),
        None => format!("{} echo", document.protocol.to_uppercase()),
    };
    let mut line = format!("{} {how}", endpoint(target));
    if let Some(size) = document.size {
        line.push_str(&format!(", packets of {size} bytes"));
    }
    for reference in &document.references {
        match reference.size {
            None => line.push_str(&format!(", beside {}", endpoint(reference))),
            Some(size) => line.push_str(&format!(", beside the same by packets of {size} bytes")),
        }
    }
    writeln!(out, "{}", look.wrap(&look.bold(&line), "", "  "))?;
    let vantage = &document.vantage;
    let mut from = String::new();
    if let Some(source) = vantage.source {
        from = format!("from {source}");
        if let Some(asn) = vantage.asn {
            from.push_str(&format!(" (AS{asn})"));
        }
        if let Some(interface) = &vantage.interface {
            from.push_str(&format!(" by {}", safe(interface)));
        }
    }
    if let Some(time) = document.started_at.as_deref().and_then(|time| time.split('.').next()) {
        from.push_str(&format!(", {} UTC", time.replace('T', " ").trim_end_matches('Z')));
    }
    writeln!(out, "{}", look.wrap(&look.dim(from.trim_start_matches(", ")), "", "  "))
}

fn endpoint(path: &Path) -> String {
    let host = safe(&path.host).into_owned();
    let mut text = match path.address {
        Some(address) if address.to_string() != path.host => format!("{host} ({address})"),
        _ => host,
    };
    match (&path.protocol, path.port) {
        (Some(protocol), Some(port)) => text.push_str(&format!(" {} port {port}", protocol.to_uppercase())),
        (Some(protocol), None) => text.push_str(&format!(" {}", protocol.to_uppercase())),
        (None, Some(port)) => text.push_str(&format!(" port {port}")),
        (None, None) => {}
    }
    text
}

/// One row of a table: a TTL and one address seen there.
struct Row<'a> {
    ttl: u8,
    responder: Option<&'a Responder>,
    address: Option<IpAddr>,
}

/// The rows that a set of paths makes: each TTL, each address seen there, in order of appearance.
fn rows<'a>(paths: &[&'a Path]) -> Vec<Row<'a>> {
    let last = paths.iter().filter_map(|path| last_worth_showing(path)).max().unwrap_or(0);
    let first = paths.iter().filter_map(|path| path.hops.first()).map(|hop| hop.ttl).min().unwrap_or(1);
    let mut rows = Vec::new();
    for ttl in first..=last {
        let before = rows.len();
        for responder in paths.iter().filter_map(|path| hop_at(path, ttl)).flat_map(|hop| &hop.responders) {
            let known = |row: &Row<'_>| row.ttl == ttl && row.address == responder.address;
            if !rows.iter().any(known) {
                rows.push(Row { ttl, responder: Some(responder), address: responder.address });
            }
        }
        if rows.len() == before {
            rows.push(Row { ttl, responder: None, address: None });
        }
    }
    rows
}

/// The TTL behind which a path shows nothing: its host's distance, the hop that refuses, or one silent hop behind the
/// last that answered.
fn last_worth_showing(path: &Path) -> Option<u8> {
    let answered = path.hops.iter().rev().find(|hop| !hop.responders.is_empty()).map_or(0, |hop| hop.ttl);
    let probed = path.hops.last().map(|hop| hop.ttl)?;
    let end = path.distance.or_else(|| refused_at(path));
    Some(end.unwrap_or_else(|| probed.min(answered.saturating_add(1))))
}

/// The first hop at which somebody refuses to send probes on, if nothing but refusals came from behind it: every probe
/// with a higher TTL was stopped by the same device.
fn refused_at(path: &Path) -> Option<u8> {
    let refuses = |hop: &&Hop| hop.responders.iter().any(|one| !one.replies.unreachable.is_empty());
    let first = path.hops.iter().find(refuses).filter(|_| path.distance.is_none())?.ttl;
    let mut behind = path.hops.iter().filter(|hop| hop.ttl > first).flat_map(|hop| &hop.responders);
    let only = |one: &Responder| replies(one) == refusals(one);
    behind.all(only).then_some(first)
}

/// A path's hop as it is shown: none behind the one that refuses.
fn hop_at(path: &Path, ttl: u8) -> Option<&Hop> {
    if refused_at(path).is_some_and(|end| ttl > end) {
        return None;
    }
    path.hops.iter().find(|hop| hop.ttl == ttl)
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
    let references: Vec<&Path> =
        document.references.iter().take(if look.width >= 76 { 2 } else { 1 }).collect();
    let mut paths = vec![target];
    paths.extend(&references);
    let rows = rows(&paths);
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
        paths.iter().enumerate().map(named).collect()
    };
    let figures = |with_times: bool| -> usize {
        let header = if with_times { "reference" } else { "target" };
        let of = |path: &&Path| longest(&mut rows.iter().map(|row| cell(path, row, with_times)));
        paths.iter().map(|path| of(path).unwrap_or(0).max(header.len()) + 2).sum()
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
        for path in &paths {
            cells.push(cell(path, row, with_times));
        }
        table.add_row(cells);
    }
    let figures = 2 + usize::from(with_asn) + usize::from(with_names);
    pad(&mut table, &[&[0][..], &(figures..figures + paths.len()).collect::<Vec<_>>()].concat());
    let mut lines = tidy(&table, look);
    if let Some(at) = parting(document, &rows) {
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

/// Behind which row the target's path ends while the reference's goes on.
fn parting(document: &Document, rows: &[Row<'_>]) -> Option<usize> {
    let verdict = document.verdict.as_ref()?;
    let lost = !matches!(
        verdict.kind.as_str(),
        "reachable" | "inconclusive" | "intercepted" | "host_or_return_path"
    );
    let after = verdict.after_ttl.unwrap_or(0);
    if !lost || verdict.before_ttl.is_none() && verdict.after_ttl.is_none() {
        return None;
    }
    let shown = rows.iter().filter(|row| row.ttl <= after).count();
    (shown < rows.len()).then_some(shown)
}

fn single(target: &Path, look: Look) -> String {
    let rows = rows(&[target]);
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
        let hop = hop_at(target, row.ttl);
        let answers = row.responder.map_or(0, replies);
        cells.push(hop.map_or_else(String::new, |hop| format!("{answers}/{}", hop.sent.unwrap_or(0))));
        let times = row.responder.and_then(|one| one.rtt_ms).map_or_else(
            || "–".to_owned(),
            |rtt| match (look.width >= 70) && rtt.max - rtt.min >= 0.05 {
                true => format!("{} {} {}", short(rtt.min), short(rtt.avg), short(rtt.max)),
                false => short(rtt.avg),
            },
        );
        let marks = row.responder.map(marks).unwrap_or_default();
        cells.push(format!("{times}{marks}"));
        table.add_row(cells);
    }
    let columns = if with_names { vec![0, 4] } else { vec![0, 3] };
    pad(&mut table, &columns);
    tidy(&table, look).join("\n")
}

fn address_text(row: &Row<'_>) -> String {
    row.address.map_or_else(|| "*".to_owned(), |address| address.to_string())
}

fn asn_text(responder: Option<&Responder>) -> String {
    let Some(responder) = responder else { return String::new() };
    match responder.asns.as_slice() {
        [] => match responder.kind.as_str() {
            "ixp" => "IXP".to_owned(),
            other => other.to_owned(),
        },
        [one] => format!("AS{one}"),
        [one, rest @ ..] => format!("AS{one}+{}", rest.len()),
    }
}

fn name_text(responder: Option<&Responder>, room: usize) -> String {
    let Some(responder) = responder else { return String::new() };
    let name = responder.as_name.as_deref().map(safe).unwrap_or_default();
    let name = match responder.asns.is_empty() || responder.kind != "ixp" {
        true => name.into_owned(),
        // A member's address in an exchange: the number alone would hide that.
        false => format!("IXP {name}"),
    };
    let mut text = shorten(&name, room);
    if !responder.mpls.is_empty() {
        let labels: Vec<String> = responder.mpls.iter().map(|label| label.label.to_string()).collect();
        text = shorten(&format!("MPLS {} {text}", labels.join("/")), room);
    }
    text
}

/// At most `room` columns of `text`.
fn shorten(text: &str, room: usize) -> String {
    let width = |character: char| character.width().unwrap_or(0);
    if text.chars().map(width).sum::<usize>() <= room {
        return text.to_owned();
    }
    let mut used = 0;
    let mut out: String = text
        .chars()
        .take_while(|one| {
            used += width(*one);
            used < room
        })
        .collect();
    out.push('…');
    out
}

fn replies(responder: &Responder) -> u32 {
    let counts = &responder.replies;
    let answers = counts.syn_ack + counts.rst + counts.echo_reply + counts.udp_answer;
    counts.time_exceeded + answers + counts.too_big + refusals(responder)
}

fn refusals(responder: &Responder) -> u32 {
    responder.replies.unreachable.iter().map(|row| row.count).sum()
}

/// What a path drew at a row's TTL from the row's address: `3/4 12.1 !X`.
fn cell(path: &Path, row: &Row<'_>, with_times: bool) -> String {
    let Some(hop) = hop_at(path, row.ttl) else { return String::new() };
    let sent = hop.sent.unwrap_or(0);
    let responder = hop.responders.iter().find(|one| one.address == row.address);
    match responder {
        None if row.address.is_none() || (hop.responders.is_empty() && !with_times) => match with_times {
            true => format!("0/{sent}      –"),
            false => format!("0/{sent}"),
        },
        // Another address answered here: this row is not this path's.
        None if !hop.responders.is_empty() => String::new(),
        None => format!("0/{sent}      –"),
        Some(one) if !with_times => format!("{}/{sent}{}", replies(one), marks(one)),
        Some(one) => {
            let time = one.rtt_ms.map_or_else(|| "–".to_owned(), |rtt| short(rtt.avg));
            format!("{}/{sent}{}{time:>7}", replies(one), marks(one))
        }
    }
}

fn short(milliseconds: f64) -> String {
    if milliseconds < 99.95 { format!("{milliseconds:.1}") } else { format!("{milliseconds:.0}") }
}

/// What the replies were, where they were no time exceeded: traceroute's marks, and the names of TCP answers.
fn marks(responder: &Responder) -> String {
    let counts = &responder.replies;
    let mut marks = String::new();
    for row in &counts.unreachable {
        marks.push(' ');
        marks.push_str(&mark(row.icmp_type, row.code));
    }
    if counts.too_big > 0 {
        marks.push_str(" !F");
    }
    if counts.syn_ack > 0 {
        marks.push_str(" open");
    }
    if counts.rst > 0 {
        marks.push_str(" RST");
    }
    if counts.echo_reply > 0 {
        marks.push_str(" echo");
    }
    if counts.udp_answer > 0 {
        marks.push_str(" UDP");
    }
    marks
}

/// The target's ports and protocols, where a matrix was asked for.
fn matrix(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    if document.matrix.is_empty() {
        return Ok(());
    }
    let mut table = table();
    table.set_header(["tried", "came back", "seen as far as"]);
    for row in &document.matrix {
        let name = match row.port {
            Some(port) => format!("{}/{port}", row.protocol),
            None => row.protocol.clone(),
        };
        let reply = match row.reply.as_deref() {
            Some("syn_ack") => "open",
            Some("rst") => "closed (RST)",
            Some("echo_reply") => "echo",
            Some("udp_answer") => "an answer",
            Some("unreachable") if row.answered => "closed (port unreachable)",
            Some("unreachable") => "refused (ICMP)",
            _ => "nothing",
        };
        let far = row.furthest_ttl.map_or_else(|| "–".to_owned(), |ttl| format!("hop {ttl}"));
        table.add_row([name, reply.to_owned(), far]);
    }
    pad(&mut table, &[]);
    writeln!(out)?;
    writeln!(out, "{}", tidy(&table, look).join("\n"))
}

/// Who was asked to serve as a reference, in a line.
fn search(document: &Document) -> Option<String> {
    let search = document.search.as_ref()?;
    let found = search.found.iter().map(|found| {
        let why = match (found.why.as_str(), found.outcome.as_str()) {
            ("hint", "closed") => " (a hint; its port is closed)",
            ("hint", _) => " (a hint)",
            ("alias", _) => " (another address of the target's name)",
            (_, "closed") => " (its port is closed)",
            _ => "",
        };
        format!("{}{why}", found.address)
    });
    let found: Vec<String> = found.collect();
    let result = if found.is_empty() { "nobody answered".to_owned() } else { found.join(", ") };
    let asked = match search.touched.len() {
        1 => "1 address asked".to_owned(),
        count => format!("{count} addresses asked"),
    };
    let when = day_and_time(&search.searched_at);
    Some(match (search.prefix.as_deref(), search.from_cache) {
        (Some(prefix), false) => format!("Search for references in {prefix}, {asked}: {result}."),
        (Some(prefix), true) => {
            let now = if search.touched.is_empty() { String::new() } else { format!("; now {asked}") };
            format!("Search for references in {prefix} of {when}, from the cache{now}: {result}.")
        }
        (None, _) if search.touched.is_empty() => {
            "No search for references: no announced prefix covers the target.".to_owned()
        }
        (None, _) => format!("Search for references among the hints, {asked}: {result}."),
    })
}

/// traceroute's mark for an ICMP (3) or ICMPv6 (1) destination unreachable. It has none for a port, which it takes for the
/// host's own answer.
fn mark(icmp_type: u8, code: u8) -> String {
    match (icmp_type, code) {
        (3, 0 | 6 | 8 | 11) | (1, 0) => "!N".to_owned(),
        (3, 1 | 7 | 12) | (1, 2 | 3) => "!H".to_owned(),
        (3, 2) => "!P".to_owned(),
        (3, 3) | (1, 4) => "port!".to_owned(),
        (3, 5) => "!S".to_owned(),
        (3, 9 | 10 | 13) | (1, 1) => "!X".to_owned(),
        (3, 14) => "!V".to_owned(),
        (3, 15) => "!C".to_owned(),
        (_, code) => format!("!<{code}>"),
    }
}

/// What the table cannot show: answers without a hop, and places where no AS can be told.
fn notes(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    let Some(target) = &document.target else { return Ok(()) };
    let mut say = |text: String| writeln!(out, "{}", look.wrap(&look.dim(&text), "", "  "));
    let inside = target.asn.is_none() && target.address.is_some();
    if inside {
        say("The target's address has no origin AS (private, reserved or unannounced): no AS can be told there.".into())?;
    }
    if let Some(line) = search(document) {
        say(safe(&line).into_owned())?;
    }
    if let Some(far) = &document.check {
        let what = match (far.answered, far.distance) {
            (false, _) => "does not answer".to_owned(),
            (true, Some(ttl)) => format!("answers from hop {ttl}"),
            (true, None) => "answers".to_owned(),
        };
        say(format!("The far host {} ({}) {what}.", safe(&far.host), far.address))?;
    }
    if let Some(measurement) = &document.measurement {
        if measurement.overflow > 0 {
            say(format!(
                "{} packets were lost in this host's own receive buffer and are missing from the counts.",
                measurement.overflow
            ))?;
        }
        if document.references.len() > 2 {
            say(format!("{} more references are in the JSON.", document.references.len() - 2))?;
        }
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
    let title = title(verdict);
    writeln!(out, "{}", look.paint(style, &look.wrap(&title, "", "  ")))?;
    writeln!(out, "{}", look.wrap(&safe(&verdict.summary), "  ", "  "))?;
    writeln!(out)?;
    let mut row = |name: &str, text: &str| {
        let first = format!("  {name:<9} ");
        writeln!(out, "{}", look.wrap(&safe(text), &first, &" ".repeat(first.len())))
    };
    let evidence = &verdict.evidence;
    if evidence.pairs > 0 {
        row(
            "evidence",
            &format!(
                "{} pairs: reference answered {}, target {}; e-value {}; posterior {:.3}; {} flows; {} reference{}",
                evidence.pairs,
                evidence.reference_answered,
                evidence.target_answered,
                big(evidence.e_value),
                evidence.posterior,
                evidence.flows,
                evidence.references,
                if evidence.references == 1 { "" } else { "s" },
            ),
        )?;
    }
    if verdict.location_confidence > 0.0 {
        let owner = match verdict.attribution_confidence {
            none if none <= 0.0 => String::new(),
            share => format!("; whose it is {}", percent(share)),
        };
        row("certainty", &format!("where it is {}{owner}", percent(verdict.location_confidence)))?;
        let limits: Vec<&str> = [&verdict.location_limit, &verdict.attribution_limit]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        if !limits.is_empty() {
            row("limits", &limits.join("; "))?;
        }
    }
    if verdict.kind != "reachable" && verdict.mechanism != "unknown" {
        row("how", &how(verdict))?;
    } else if !matches!(verdict.scope.as_str(), "unknown") {
        row("what", scope(&verdict.scope))?;
    }
    if !document.balancing.is_empty() {
        let list: Vec<String> = document.balancing.iter().map(balancer).collect();
        row("balance", &list.join("; "))?;
    }
    if let Some(table) = &document.asdb {
        let date = table.built_at.as_deref().and_then(|time| time.get(..10)).unwrap_or("of unknown date");
        let warning = table.warning.as_ref().map_or(String::new(), |warning| format!("; {warning}"));
        row("table", &format!("{}, {date}{warning}", table.origin))?;
    }
    if let Some(measurement) = &document.measurement {
        row(
            "cost",
            &format!(
                "{} probes in {:.1} s{}",
                measurement.probes,
                measurement.seconds.0 as f64 / 1e9,
                if measurement.incomplete { "; stopped before it was complete" } else { "" }
            ),
        )?;
    }
    if let Some(step) = &verdict.next_step {
        row("next", step)?;
    }
    if verdict.kind != "reachable" {
        let caveat = "This shows where packets stop, or where they leave the reference's way without a trace. It does not show who ordered it: the operator, equipment imposed on it, \
                      or the destination network itself.";
        writeln!(out)?;
        writeln!(out, "{}", look.wrap(&look.dim(caveat), "  ", "  "))?;
    }
    Ok(())
}

/// One line that names the kind and the ASes: `LOST INSIDE AS8359 (MTS PJSC)`.
fn title(verdict: &Verdict) -> String {
    let names: Vec<String> = verdict
        .asns
        .iter()
        .enumerate()
        .map(|(at, asn)| match verdict.as_names.get(at).filter(|name| !name.is_empty()) {
            Some(name) => format!("AS{asn} ({})", safe(name)),
            None => format!("AS{asn}"),
        })
        .collect();
    let list = names.join(", ");
    match verdict.kind.as_str() {
        "reachable" => "REACHABLE".to_owned(),
        "lost_inside_as" => format!("LOST INSIDE {list}"),
        "lost_at_as_border" => format!("LOST AT THE BORDER OF {}", names.join(" AND ")),
        "lost_in_as_range" => format!("LOST SOMEWHERE AMONG {list}"),
        "destination_network" => format!("LOST IN OR AT THE EDGE OF THE DESTINATION NETWORK {list}"),
        "host_or_return_path" => "THE HOST ITSELF IS SILENT, OR ITS ANSWERS ARE LOST".to_owned(),
        "rejected" => format!("REJECTED BY {list}"),
        "injected" => format!("ANSWERED BY SOMETHING ELSE, IN {list}"),
        "intercepted" => "INTERCEPTED ON THE WAY".to_owned(),
        "routing_fault" => format!("ROUTING FAULT IN {list}"),
        "partial" if names.is_empty() => "LOST ON SOME FLOWS".to_owned(),
        "partial" => format!("LOST ON SOME FLOWS, IN {list}"),
        "local" => "LOST IN YOUR OWN NETWORK OR ACCESS LINE".to_owned(),
        _ => format!("INCONCLUSIVE ({})", verdict.reason.as_deref().unwrap_or("weak").replace('_', " ")),
    }
}

fn how(verdict: &Verdict) -> String {
    let words = crate::verdict::Mechanism::ALL.iter().find(|known| known.word() == verdict.mechanism);
    let scopes = crate::verdict::Scope::ALL.iter().find(|known| known.word() == verdict.scope);
    match (words, scopes) {
        (Some(mechanism), Some(scope)) => crate::verdict::how(*mechanism, *scope),
        // A document of a newer version may know more words.
        _ => format!("{}, {}", verdict.mechanism, verdict.scope),
    }
}

fn scope(word: &str) -> &str {
    match word {
        "host" => "everything tried to this address",
        "port" => "this port only: another port of the host passes",
        "protocol" => "this protocol only: another one to the host passes",
        "prefix" => "the references' addresses as well",
        other => other,
    }
}

/// Hops that are several routers: `hops 4 to 5 are 2 routers each, chosen by flow`.
fn balancer(found: &Balancer) -> String {
    let Balancer { from_ttl, to_ttl, by, routers } = found;
    let hops = if from_ttl == to_ttl {
        format!("hop {from_ttl} is {routers} routers")
    } else {
        format!("hops {from_ttl} to {to_ttl} are up to {routers} routers each")
    };
    match by.as_str() {
        "flow" => format!("{hops}, chosen by flow"),
        "destination" => format!("{hops}, chosen by destination"),
        "packet" => format!("{hops}, packet by packet"),
        _ => hops,
    }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // Rounding up to 100 % would claim what no measurement gives.
    if percent > 99.9 { ">99.9 %".to_owned() } else { format!("{:.1} %", (percent * 10.0).floor() / 10.0) }
}

fn big(value: f64) -> String {
    if value >= 1e6 { format!("{value:.1e}") } else { format!("{value:.0}") }
}

fn trouble(out: &mut dyn Write, document: &Document, look: Look) -> io::Result<()> {
    match &document.error {
        Some(error) => incomplete(out, &safe(&error.message), look),
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
