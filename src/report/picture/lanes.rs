//! Paths as lanes, from the sender above to the host below.

use super::REFERENCES;
use super::canvas::{At, Canvas, Drawing, Pen, SMALL, TEXT, fit, width};
use crate::report::escape::clip;
use crate::report::palette::{INK, LOSS, MUTED, NOBODY, RULE};
use crate::report::rows::{Lane, asn_text, marks, replies, stop};
use crate::report::words;
use crate::trace::schema::{Document, Hop, Responder};

const LEFT: f64 = 30.0;
const LANE: f64 = 165.0;
const BAND: f64 = 14.0;
const ROW: f64 = 22.0;
/// Room above a row for the name of a network, or a mark.
const SLOT: f64 = 15.0;
const HEAD: f64 = 46.0;

/// A picture's networks, numbered as they appear.
struct Networks(Vec<u32>);

impl Networks {
    fn of(&mut self, responder: &Responder) -> Option<usize> {
        let asn = responder.asns.first().copied()?;
        Some(self.0.iter().position(|known| *known == asn).unwrap_or_else(|| {
            self.0.push(asn);
            self.0.len() - 1
        }))
    }
}

/// Where the rows are.
struct Rows {
    first: u8,
    /// The middle of each row.
    middles: Vec<f64>,
    /// The lines on which the interval's two marks are written.
    marks: [f64; 2],
    bottom: f64,
}

impl Rows {
    fn y(&self, ttl: u8) -> f64 {
        let at = usize::from(ttl.saturating_sub(self.first));
        self.middles.get(at).copied().unwrap_or(self.bottom)
    }
}

pub(in crate::report) fn draw(document: &Document) -> Option<Drawing> {
    let target = document.target.as_ref()?;
    let paths = std::iter::once(target).chain(document.references.iter().take(REFERENCES));
    let lanes: Vec<Lane<'_>> = paths.map(Lane::of).collect();
    let first = lanes.iter().filter_map(|lane| lane.path.hops.first()).map(|hop| hop.ttl).min()?;
    let last = lanes.iter().filter_map(|lane| lane.last).max()?.max(first);
    let stop = stop(document);
    let mut networks = Networks(Vec::new());
    let mut canvas = Canvas::default();
    let whole = LEFT + LANE * lanes.len().max(2) as f64;
    let rows = place(&lanes, first, last, stop);
    heads(&mut canvas, document, &lanes);
    for ttl in first..=last {
        let y = rows.y(ttl);
        canvas.text(
            (LEFT - 8.0, y + 4.0),
            Pen { at: At::End, size: SMALL, color: MUTED, bold: false },
            &ttl.to_string(),
        );
        let foot = y + ROW / 2.0;
        canvas.line((LEFT, foot), (whole, foot), RULE, 0.5, false);
        canvas.may_break(foot);
    }
    for (at, lane) in lanes.iter().enumerate() {
        let x = LEFT + LANE * at as f64;
        draw_lane(&mut canvas, lane, x, &rows, &mut networks, (first, last));
    }
    if let Some((after, before)) = stop {
        interval(&mut canvas, &rows, after.max(first.saturating_sub(1)), before, first);
    }
    let height = legend(&mut canvas, rows.bottom + 14.0, whole, stop.is_some());
    Some(canvas.finish(whole, height, "Paths hop by hop", &describe(document, &lanes, stop)))
}

/// Gives each TTL its place, with room for the names of networks that begin there and for the marks of the interval.
fn place(lanes: &[Lane<'_>], first: u8, last: u8, stop: Option<(u8, Option<u8>)>) -> Rows {
    let mut middles = Vec::new();
    let mut marks = [HEAD; 2];
    let mut y = HEAD;
    for ttl in first..=last {
        let begins = |lane: &Lane<'_>| {
            let name = shown(lane, ttl).map(name_of);
            name.as_ref().is_some_and(|name| !name.is_empty())
                && name != ttl.checked_sub(1).and_then(|ttl| shown(lane, ttl)).map(name_of)
        };
        if stop.is_some_and(|(_, before)| before == Some(ttl)) {
            y += SLOT;
            marks[1] = y - 4.0;
        }
        if lanes.iter().any(begins) {
            y += SLOT;
        }
        middles.push(y + ROW / 2.0);
        y += ROW;
        if stop.is_some_and(|(after, _)| after == ttl) {
            y += SLOT;
            marks[0] = y - 4.0;
        }
    }
    Rows { first, middles, marks, bottom: y }
}

fn shown<'a>(lane: &Lane<'a>, ttl: u8) -> Option<&'a Hop> {
    lane.hop(ttl).filter(|hop| lane.last.is_some_and(|last| hop.ttl <= last))
}

/// The network of a hop: its number and name; empty for a silent hop.
fn name_of(hop: &Hop) -> String {
    let Some(one) = hop.responders.first() else { return String::new() };
    let word = asn_text(Some(one));
    match one.as_name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => format!("{word} {}", clip(name)),
        None => word,
    }
}

fn heads(canvas: &mut Canvas, document: &Document, lanes: &[Lane<'_>]) {
    for (at, lane) in lanes.iter().enumerate() {
        let x = LEFT + LANE * at as f64;
        let role = if at == 0 { "target" } else { "reference" };
        let protocol = document.protocol_of(lane.path).to_uppercase();
        let port = lane.path.port.or(document.port).map_or_else(String::new, |port| format!("/{port}"));
        let head = format!("{role} {}{port}", clip(&protocol));
        let head = fit(&head, LANE - 8.0, SMALL, true);
        canvas.text((x, 14.0), Pen { at: At::Start, size: SMALL, color: INK, bold: true }, &head);
        let host = fit(&clip(&lane.path.host), LANE - 8.0, TEXT, false);
        canvas.text((x, 29.0), Pen { at: At::Start, size: TEXT, color: INK, bold: false }, &host);
    }
}

fn draw_lane(
    canvas: &mut Canvas,
    lane: &Lane<'_>,
    x: f64,
    rows: &Rows,
    networks: &mut Networks,
    (first, last): (u8, u8),
) {
    let middle = x + BAND / 2.0;
    let mut before: Option<(String, f64)> = None;
    for ttl in first..=last {
        let Some(hop) = shown(lane, ttl) else { continue };
        let y = rows.y(ttl);
        let (top, bottom) = (y - ROW / 2.0, y + ROW / 2.0);
        let name = name_of(hop);
        let goes_on = before.as_ref().filter(|(known, _)| *known == name);
        // A band goes on over the room that other lanes and marks need.
        let from = goes_on.map_or(top, |(_, end)| *end);
        match hop.responders.first() {
            Some(one) => match networks.of(one) {
                Some(network) => canvas.band(x, from, BAND, bottom - from, network),
                None => canvas.rect(x + 4.0, from, BAND - 8.0, bottom - from, NOBODY),
            },
            None => canvas.line((middle, from), (middle, bottom), MUTED, 1.2, true),
        }
        if goes_on.is_none() && !name.is_empty() {
            let text = fit(&name, LANE - BAND - 12.0, SMALL, false);
            canvas.text(
                (x + BAND + 6.0, top - 3.0),
                Pen { at: At::Start, size: SMALL, color: INK, bold: false },
                &text,
            );
        }
        figures(canvas, hop, x, y);
        before = Some((name, bottom));
    }
    if let Some(end) = lane.last.map(|ttl| rows.y(ttl) + ROW / 2.0)
        && lane.path.reached
        && lane.path.distance.is_some()
    {
        canvas.line((x - 3.0, end), (x + BAND + 3.0, end), INK, 2.0, false);
    }
}

/// The dot of a hop, who answered, and how often.
fn figures(canvas: &mut Canvas, hop: &Hop, x: f64, y: f64) {
    let sent = hop.sent.unwrap_or(0);
    let answers = hop.responders.iter().fold(0, |sum: u32, one| sum.saturating_add(replies(one)));
    let share = if sent == 0 { f64::from(answers.min(1)) } else { f64::from(answers) / f64::from(sent) };
    canvas.dot(x + BAND / 2.0, y, 4.6, share);
    let right = x + LANE - 10.0;
    let mut count = format!("{answers}/{sent}");
    if let Some(mark) = hop.responders.first().and_then(|one| marks(one).into_iter().next()) {
        count.push_str(&format!(" {mark}"));
    }
    canvas.text(
        (right, y + 4.0),
        Pen { at: At::End, size: SMALL, color: INK, bold: false },
        &fit(&count, 66.0, SMALL, false),
    );
    let more = hop.responders.len().saturating_sub(1);
    let room = LANE - BAND - 22.0 - width(SMALL, false) * count.chars().count() as f64;
    let (text, color) = match hop.responders.first().map(|one| one.address) {
        Some(Some(address)) => {
            let more = if more > 0 { format!(" +{more}") } else { String::new() };
            let room = ((room / width(SMALL, false)) as usize).saturating_sub(more.len());
            (format!("{}{more}", both_ends(&address.to_string(), room)), INK)
        }
        Some(None) => ("address unknown".to_owned(), MUTED),
        None => ("silent".to_owned(), MUTED),
    };
    canvas.text((x + BAND + 6.0, y + 4.0), Pen { at: At::Start, size: SMALL, color, bold: false }, &text);
}

/// A long address with its middle left out: both ends tell it apart.
fn both_ends(text: &str, room: usize) -> String {
    if text.len() <= room || room < 5 {
        return text.to_owned();
    }
    let head = room / 2;
    let tail = room - head - 1;
    format!("{}…{}", &text[..head], &text[text.len() - tail..])
}

/// The place where packets stop: not a point, but all that lies between what is proven.
fn interval(canvas: &mut Canvas, rows: &Rows, after: u8, before: Option<u8>, first: u8) {
    let x = LEFT;
    let top = if after < first { HEAD - 4.0 } else { rows.y(after) + 7.0 };
    let bottom = before.map_or(rows.bottom, |ttl| rows.y(ttl) - 7.0).max(top + 8.0);
    canvas.hatched(x - 3.0, top, BAND + 6.0, bottom - top, LOSS);
    // A bracket, for whoever does not see the hatching.
    let side = x - 7.0;
    canvas.shape(&[(side + 3.0, top), (side, top), (side, bottom), (side + 3.0, bottom)], LOSS, false);
    let label = x + BAND + 6.0;
    if after >= first {
        let y = rows.marks[0];
        arrow(canvas, label, y, true);
        canvas.text(
            (label + 11.0, y),
            Pen { at: At::Start, size: SMALL, color: LOSS, bold: true },
            "reached to here",
        );
    }
    if before.is_some() {
        let y = rows.marks[1];
        arrow(canvas, label, y, false);
        canvas.text(
            (label + 11.0, y),
            Pen { at: At::Start, size: SMALL, color: LOSS, bold: true },
            "lost before here",
        );
    }
}

fn arrow(canvas: &mut Canvas, x: f64, y: f64, up: bool) {
    let (tip, base) = if up { (y - 8.0, y - 1.0) } else { (y - 1.0, y - 8.0) };
    canvas.shape(&[(x, base), (x + 7.0, base), (x + 3.5, tip)], LOSS, true);
}

/// What the signs mean; gives the height of the picture.
fn legend(canvas: &mut Canvas, y: f64, whole: f64, stops: bool) -> f64 {
    canvas.line((0.0, y - 12.0), (whole, y - 12.0), RULE, 1.0, false);
    let mut x = 8.0;
    for (share, word) in [(1.0, "all answered"), (0.5, "some"), (0.0, "none")] {
        canvas.dot(x, y, 4.6, share);
        canvas.text((x + 9.0, y + 4.0), Pen { at: At::Start, size: SMALL, color: MUTED, bold: false }, word);
        x += 26.0 + width(SMALL, false) * word.len() as f64;
    }
    if !stops {
        return y + 12.0;
    }
    canvas.hatched(2.0, y + 12.0, 14.0, 11.0, LOSS);
    let text = "the target's packets stop somewhere in here";
    canvas.text((22.0, y + 21.0), Pen { at: At::Start, size: SMALL, color: MUTED, bold: false }, text);
    y + 30.0
}

/// The same in words.
fn describe(document: &Document, lanes: &[Lane<'_>], stop: Option<(u8, Option<u8>)>) -> String {
    let mut text = String::new();
    for (at, lane) in lanes.iter().enumerate() {
        let role = if at == 0 { "Target" } else { "Reference" };
        let end = match (lane.path.reached, lane.path.distance, lane.last_answer()) {
            (true, Some(ttl), _) => format!("reached at hop {ttl}"),
            (true, None, _) => "reached".to_owned(),
            (false, _, Some((ttl, one))) => {
                let address = one.address.map_or_else(String::new, |address| format!("{address}, "));
                format!("last answer at hop {ttl} from {address}{}", asn_text(Some(one)))
            }
            (false, _, None) => "no answer".to_owned(),
        };
        text.push_str(&format!("{role} {}: {end}. ", words::host(lane.path)));
    }
    match stop {
        Some((after, Some(before))) => {
            text.push_str(&format!("The target's packets stop after hop {after} and before hop {before}. "));
        }
        Some((after, None)) => text.push_str(&format!("The target's packets stop after hop {after}. ")),
        None => {}
    }
    if document.references.len() > REFERENCES {
        text.push_str(&format!("{} more references are not drawn. ", document.references.len() - REFERENCES));
    }
    text.push_str("All numbers are in the table.");
    text
}
