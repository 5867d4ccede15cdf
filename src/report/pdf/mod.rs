//! Sheets of A4 to print, to sign or to send: what the HTML page shows, in its order, with text that can be found and copied.
//!
//! The file holds all it needs: the used part of its fonts (`data/fonts`) and the shapes of `picture`. It takes no time but
//! the run's, so that the same document gives the same bytes.
//!
//! * `font`: faces, widths, lines; strangers' text is escaped there, and so is what no face can show
//! * `sheet`: what stands where

mod font;
mod sheet;

use std::io::{self, Write};

use font::Style;
use pdf_writer::Ref;
use sheet::{About, BODY, CODE, Column, NOTE, Row, Sheets, Way, room};

use super::palette::{INK, LOSS, WELL};
use super::picture::{lanes, latency, matrix};
use super::rows::{Cell, Lane, address_text, asn_text, cell, marks, network, replies, rows, short, stop};
use super::runs::Runs;
use super::words::{self, Tone};
use crate::trace::schema::{Document, Path};

/// Runs that get pictures of their own, as on a page.
const MOST_PICTURED: usize = 24;
/// References that have a column in the table.
const SHOWN: usize = 3;
/// Room that a title keeps with what follows it.
const KEEP: f32 = 60.0;

/// Numbers of the file's objects.
#[derive(Default)]
struct Refs(i32);

impl Refs {
    fn take(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

/// Data as the filter FlateDecode reads it.
fn pack(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(data)?;
    packer.finish()
}

const fn title(size: f32) -> Way {
    Way { style: Style::Bold, size, color: INK }
}

/// Text as sheets of A4, each line as it is, in characters of one width: columns stay columns. Lines of up to 80 characters
/// are not wrapped. `language` is the text's, as RFC 5646 writes it: `en`, `ru`. Characters that a reader would act upon, or
/// that the font lacks (it has Latin, Cyrillic and Greek), are written as `\u{…}`. The same text gives the same bytes.
///
/// ```
/// let mut file = Vec::new();
/// lasthop::report::pdf::plain(&mut file, "Жалоба", "ru", "Здравствуйте!\n\nПакеты теряются.")?;
/// assert!(file.starts_with(b"%PDF-1.7"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Whatever writing fails with.
pub fn plain(out: &mut dyn Write, title: &str, language: &str, text: &str) -> io::Result<()> {
    let mut sheets = Sheets::new(About {
        title: title.to_owned(),
        language: language.to_owned(),
        created: None,
        head: title.to_owned(),
        // In any language.
        count: ["", " / "],
    })?;
    sheets.heading(title, self::title(13.0), KEEP);
    sheets.skip(6.0);
    sheets.verbatim(text, Way { size: 10.0, ..CODE });
    out.write_all(&sheets.finish()?)
}

/// Writes all runs.
pub(super) fn runs(out: &mut dyn Write, runs: &Runs) -> io::Result<()> {
    let title = words::title_of(runs);
    let created = runs.documents.iter().find_map(|document| document.started_at.clone());
    let when = created.as_deref().map(words::day_and_time);
    let what = match (runs.is_set, runs.documents.as_slice()) {
        (false, [one]) => words::target(one),
        (_, all) => format!("{} runs", all.len()),
    };
    let head = when.map_or_else(|| what.clone(), |when| format!("{what}, {when}"));
    let count = ["page ", " of "];
    let language = "en".to_owned();
    let mut sheets = Sheets::new(About { title: title.clone(), language, created, head, count })?;
    match (runs.is_set, runs.documents.as_slice()) {
        (false, [one]) => run(&mut sheets, one, 1, true),
        _ => set(&mut sheets, runs, &title),
    }
    sheets.skip(10.0);
    for table in words::tables(runs) {
        let link = match words::has_db_ip(table) {
            true => format!(" IP Geolocation by DB-IP: {}", words::DB_IP),
            false => String::new(),
        };
        sheets.paragraph(&format!("AS numbers: {}.{link}", words::table(table)), NOTE);
    }
    sheets.paragraph(&format!("Made by {}.", words::tools(runs)), NOTE);
    out.write_all(&sheets.finish()?)
}

fn set(sheets: &mut Sheets, runs: &Runs, headline: &str) {
    sheets.heading(headline, title(16.0), KEEP);
    let summary = runs.conclusion.as_ref().and_then(words::together).map(|(_, summary)| summary);
    if let Some(summary) = summary.filter(|summary| !summary.is_empty()) {
        sheets.paragraph(&summary, BODY);
    }
    let facts: Vec<(String, String)> = runs.conclusion.iter().flat_map(words::joint_facts).collect();
    for (name, fact) in facts {
        sheets.paragraph(&format!("{name}: {fact}"), NOTE);
    }
    if let Some(matrix) = matrix::draw(runs) {
        sheets.heading("From where to where", title(12.0), room(&matrix));
        sheets.drawing(&matrix, "What became of each target, from each place.");
    }
    sheets.heading("The runs", title(12.0), KEEP);
    let columns = [("run", true, 1.0), ("from", false, 2.0), ("to", false, 2.0), ("when", false, 2.0)];
    let columns = columns.into_iter().chain([("what became of it", false, 3.0)]).map(column);
    let rows: Vec<Row> = (1..)
        .zip(&runs.documents)
        .map(|(at, document): (usize, _)| {
            Row::Cells(vec![
                at.to_string(),
                words::place(document),
                words::asked(document),
                document.started_at.as_deref().map(words::to_the_second).unwrap_or_default(),
                words::fate(document),
            ])
        })
        .collect();
    let columns: Vec<Column> = columns.collect();
    sheets.table("Every run, in the order in which they are in the file.", &columns, &rows);
    for (at, document) in (1..).zip(&runs.documents) {
        run(sheets, document, at, false);
    }
}

const fn column((name, right, weight): (&'static str, bool, f32)) -> Column {
    Column { name, right, weight }
}

/// A run; `alone` in the file, or as one of several.
fn run(sheets: &mut Sheets, document: &Document, number: usize, alone: bool) {
    let headline = words::headline(document);
    let (headline, size) = match alone {
        true => (headline, 16.0),
        false => (format!("Run {number}: {headline}"), 14.0),
    };
    let color = match document.verdict.as_ref().map(words::tone) {
        Some(Tone::Well) => WELL,
        Some(Tone::Loss) => LOSS,
        Some(Tone::Other) | None => INK,
    };
    if !alone {
        sheets.skip(14.0);
        // A run begins with what it says, not with its name at the foot of a sheet.
        sheets.need(140.0);
        sheets.mark(&headline);
    }
    let (outer, inner) = (title(size - 4.0), title(size - 5.5));
    sheets.heading(&headline, Way { color, ..title(size) }, KEEP);
    sheets.paragraph(&words::summary(document), Way { size: 10.5, ..BODY });
    if let Some(why) = words::trouble(document) {
        sheets.paragraph(&format!("Incomplete: {why}"), Way { style: Style::Bold, ..BODY });
    }
    sheets.skip(4.0);
    sheets.facts(&words::key_facts(document));
    if let Some(question) = words::question(document) {
        sheets.heading("What to ask", outer, KEEP);
        sheets.paragraph(&question, BODY);
        sheets.heading("The way back", inner, KEEP);
        sheets.paragraph("Only the far end can trace it. Please run there, or next to it:", BODY);
        sheets.command(&words::reverse_command(document));
        sheets.paragraph(words::CAVEAT, NOTE);
    }
    if let Some(target) = &document.target {
        let pictured = number <= MOST_PICTURED;
        let lanes = lanes::draw(document).filter(|_| pictured);
        sheets.heading("The paths", outer, lanes.as_ref().map_or(KEEP, room));
        if let Some(lanes) = lanes {
            let caption =
                "Each lane is a path, from here down to the host; its colour and pattern are the network’s.";
            sheets.drawing(&lanes, caption);
        }
        paths(sheets, document, target);
        if let Some(latency) = latency::draw(document).filter(|_| pictured) {
            let caption = "Time there and back, hop by hop. Routers answer when they have time: a long time at one \
                           hop alone says nothing.";
            sheets.drawing(&latency, caption);
        }
        for note in words::notes(document, SHOWN) {
            sheets.paragraph(&note, NOTE);
        }
    }
    if !document.matrix.is_empty() {
        sheets.heading("Ports and protocols of the target", outer, KEEP);
        let columns = [("tried", false, 1.0), ("came back", false, 1.0), ("seen as far as", false, 1.0)];
        let rows = document.matrix.iter().take(64).map(|row| Row::Cells(words::variant(row).to_vec()));
        let rows: Vec<Row> = rows.collect();
        sheets.table("What came back from the target on each.", &columns.map(column), &rows);
    }
}

fn paths(sheets: &mut Sheets, document: &Document, target: &Path) {
    let references = document.references.iter().take(SHOWN);
    let lanes: Vec<Lane<'_>> = std::iter::once(target).chain(references).map(Lane::of).collect();
    let mut columns = vec![
        column(("hop", true, 1.0)),
        column(("address", false, 3.3)),
        column(("AS", false, 1.4)),
        column(("network", false, 2.0)),
    ];
    for at in 0..lanes.len() {
        columns.push(column((if at == 0 { "target" } else { "reference" }, true, 1.0)));
        columns.push(column(("ms", true, 1.0)));
    }
    let stop = stop(document);
    let mut parted = false;
    let mut out = Vec::new();
    for row in rows(&lanes) {
        if let Some((after, before)) = stop
            && row.ttl > after
            && !parted
        {
            parted = true;
            out.push(Row::Across(words::parted(after, before)));
        }
        let mut cells =
            vec![row.ttl.to_string(), address_text(&row), asn_text(row.responder), network(row.responder)];
        for lane in &lanes {
            cells.extend(match cell(lane, &row) {
                Cell::Empty => [String::new(), String::new()],
                Cell::Silent { sent } => [format!("0/{sent}"), "–".to_owned()],
                Cell::Answered { sent, responder } => {
                    let marks: String = marks(responder).iter().map(|mark| format!(" {mark}")).collect();
                    let times = responder.rtt_ms.map_or_else(
                        || "–".to_owned(),
                        |rtt| match rtt.max - rtt.min >= 0.05 {
                            true => format!("{} {} {}", short(rtt.min), short(rtt.avg), short(rtt.max)),
                            false => short(rtt.avg),
                        },
                    );
                    [format!("{}/{sent}{marks}", replies(responder)), times]
                }
            });
        }
        out.push(Row::Cells(cells));
    }
    let caption =
        "Answers of those sent, and the shortest, mean and longest time there and back in milliseconds.";
    sheets.table(caption, &columns, &out);
}
