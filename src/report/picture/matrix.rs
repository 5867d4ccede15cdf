//! Several runs as a table in colour: places down the side, targets across.

use super::canvas::{At, Canvas, Drawing, Pen, SMALL, TEXT, fit, width};
use super::{PLACES, TARGETS};
use crate::report::palette::{Color, DOUBT, INK, LOSS, PANEL, RULE, WELL};
use crate::report::runs::Runs;
use crate::report::words;
use crate::trace::schema::Document;

const SIDE: f64 = 130.0;
const CELL: f64 = 150.0;
const HEAD: f64 = 40.0;
const ROW: f64 = 54.0;

/// How a run ended, in three words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Reached,
    Lost,
    Unknown,
}

fn fate(document: &Document) -> Fate {
    let kind = document.verdict.as_ref().map(|verdict| verdict.kind.as_str());
    match (kind, document.target.as_ref().map(|path| path.reached)) {
        (Some("reachable"), _) | (None, Some(true)) => Fate::Reached,
        (Some("inconclusive"), _) | (None, _) => Fate::Unknown,
        (Some(_), _) => Fate::Lost,
    }
}

pub(in crate::report) fn draw(runs: &Runs) -> Option<Drawing> {
    let (mut places, mut targets) = (Vec::new(), Vec::new());
    for document in &runs.documents {
        let (place, target) = (words::place(document), words::asked(document));
        if !places.contains(&place) {
            places.push(place);
        }
        if !targets.contains(&target) {
            targets.push(target);
        }
        if places.len() > PLACES || targets.len() > TARGETS {
            return None;
        }
    }
    if runs.documents.len() < 2 {
        return None;
    }
    let mut canvas = Canvas::default();
    let whole = SIDE + CELL * targets.len() as f64;
    for (at, target) in targets.iter().enumerate() {
        let x = SIDE + CELL * at as f64 + CELL / 2.0;
        let (name, service) = target.rsplit_once(' ').unwrap_or((target, ""));
        canvas.text(
            (x, 15.0),
            Pen { at: At::Middle, size: TEXT, color: INK, bold: true },
            &fit(name, CELL - 10.0, TEXT, true),
        );
        canvas.text(
            (x, 30.0),
            Pen { at: At::Middle, size: SMALL, color: INK, bold: false },
            &fit(service, CELL - 10.0, SMALL, false),
        );
    }
    for (row, place) in places.iter().enumerate() {
        let y = HEAD + ROW * row as f64;
        canvas.line((0.0, y), (whole, y), RULE, 1.0, false);
        canvas.may_break(y);
        for (at, line) in few_lines(place, SIDE - 12.0, TEXT, true, 2).iter().enumerate() {
            canvas.text(
                (4.0, y + 20.0 + 14.0 * at as f64),
                Pen { at: At::Start, size: TEXT, color: INK, bold: true },
                line,
            );
        }
        for (column, target) in targets.iter().enumerate() {
            let here = |one: &&Document| words::place(one) == *place && words::asked(one) == *target;
            let Some(document) = runs.documents.iter().rev().find(here) else { continue };
            let count = runs.documents.iter().filter(here).count();
            draw_cell(&mut canvas, SIDE + CELL * column as f64, y, document, count);
        }
    }
    let height = HEAD + ROW * places.len() as f64 + 2.0;
    let description: Vec<String> = (runs.documents.iter().take(PLACES * TARGETS))
        .map(|one| format!("{} to {}: {}.", words::place(one), words::asked(one), words::fate(one)))
        .collect();
    Some(canvas.finish(whole, height, "What became of each target, from each place", &description.join(" ")))
}

fn draw_cell(canvas: &mut Canvas, x: f64, y: f64, document: &Document, count: usize) {
    let fate = fate(document);
    let color: Color = match fate {
        Fate::Reached => WELL,
        Fate::Lost => LOSS,
        Fate::Unknown => DOUBT,
    };
    canvas.rect(x + 3.0, y + 3.0, CELL - 6.0, ROW - 6.0, PANEL);
    let (left, middle) = (x + 9.0, y + ROW / 2.0);
    match fate {
        Fate::Reached => {
            canvas.shape(
                &[(left, middle), (left + 4.0, middle + 5.0), (left + 12.0, middle - 6.0)],
                color,
                false,
            );
        }
        Fate::Lost => {
            canvas.shape(&[(left, middle - 5.0), (left + 10.0, middle + 5.0)], color, false);
            canvas.shape(&[(left, middle + 5.0), (left + 10.0, middle - 5.0)], color, false);
        }
        Fate::Unknown => {
            canvas.text((left + 1.0, middle + 6.0), Pen { at: At::Start, size: 16.0, color, bold: true }, "?")
        }
    }
    let mut text = words::fate(document);
    if count > 1 {
        text.push_str(&format!(" (last of {count})"));
    }
    let lines = few_lines(&text, CELL - 34.0, SMALL, false, 3);
    let start = middle + 4.0 - 6.5 * (lines.len() - 1) as f64;
    for (at, line) in lines.iter().enumerate() {
        canvas.text(
            (x + 28.0, start + 13.0 * at as f64),
            Pen { at: At::Start, size: SMALL, color: INK, bold: false },
            line,
        );
    }
}

/// Text in at most `most` lines, the last cut where it does not fit.
fn few_lines(text: &str, room: f64, size: f64, bold: bool, most: usize) -> Vec<String> {
    let text = crate::report::escape::safe(text);
    let columns = (room / width(size, bold)).max(4.0) as usize;
    let options = textwrap::Options::new(columns)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(true);
    let lines = textwrap::wrap(&text, options);
    let mut shown: Vec<String> = lines.iter().take(most).map(|line| line.to_string()).collect();
    if lines.len() > most {
        shown[most - 1] = fit(&lines[most - 1..].join(" "), room, size, bold);
    }
    shown
}
