//! One picture from what is known of the measurements and how it is looked at: a pure function, of any size.
//!
//! What does not fit is left out, the least needed first: hints, what is being asked, costs; of the table names, then times,
//! then AS numbers. Everything is told without colour; colour only helps the eye.

use std::sync::Arc;
use std::time::Duration;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::keys::{Base, Extent, Figures, State};
use super::model::Model;
#[cfg(feature = "watch")]
use crate::cli::progress::Watched;
use crate::report::rows::{
    self, Cell, Lane, Row, address_text, asn_text, marks, network, replies, short, shorten,
};
use crate::report::words::{self, Tone};
use crate::report::{Document, safe};
use crate::trace::schema::{Path, Responder};

/// One of the measurements that are looked at.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Which of several it is; else empty.
    pub name: String,
    /// How it stands; none before the first look.
    pub model: Option<Arc<Model>>,
    /// How long it has been going on since that look.
    pub since: Duration,
    /// It is over.
    pub over: bool,
    /// How it stands among runs of the same.
    #[cfg(feature = "watch")]
    pub watched: Option<Watched>,
}

/// All that goes into a picture.
#[derive(Debug)]
pub struct Scene<'a> {
    pub runs: &'a [Shown],
    pub state: &'a State,
    /// What the program has to say meanwhile, the last at the end.
    pub said: &'a [String],
    pub color: bool,
}

/// The keys, for the list and the manual.
pub const KEYS: [(&str, &str); 13] = [
    ("q, Ctrl-C", "end the measurement and report; Ctrl-C again ends at once"),
    ("p, space", "stop the picture, not the measurement; space again goes on"),
    ("d", "figures: answers and mean time; least, mean and most; each probe"),
    ("n", "names of networks, or none"),
    ("z", "AS numbers, or none"),
    ("r", "count from here on; the verdict still rests on everything"),
    ("↑ ↓, k j", "mark a hop; page up and down, home, end; Esc takes it back"),
    ("Enter", "more of the marked hop"),
    ("← →", "another reference first"),
    ("Tab, 1–9", "another measurement, where there are several"),
    ("+ -", "simulated time faster, slower"),
    ("l", "draw everything anew"),
    ("?, h", "this list"),
];

/// The keys that are needed most, in the last line.
const HINTS: &str = "q end  p pause  d figures  n names  r reset  ↑↓ hop  Enter more  ? keys";

/// What there is to look at, for the keys.
pub fn extent(scene: &Scene<'_>, area: Rect) -> Extent {
    let rows = model(scene).map_or(0, |model| Table::of(model).rows.len());
    let references = model(scene).map_or(0, |model| model.document.references.len());
    let page = usize::from(area.height.saturating_sub(9));
    Extent { runs: scene.runs.len(), rows, references, page }
}

/// Counts as they stand, to count from here on.
pub fn base(model: &Model) -> Base {
    let mut base = Base::default();
    for path in Table::of(model).lanes.iter().map(|lane| lane.path) {
        for hop in &path.hops {
            base.sent.insert((key(path), hop.ttl), hop.sent.unwrap_or(0));
            for one in &hop.responders {
                base.replies.insert((key(path), hop.ttl, one.address), replies(one));
            }
        }
    }
    base
}

/// What tells one path of a measurement from the others, whatever their order.
fn key(path: &Path) -> String {
    format!("{:?} {:?} {:?} {:?}", path.address, path.protocol, path.port, path.size)
}

fn model<'a>(scene: &'a Scene<'_>) -> Option<&'a Model> {
    scene.runs.get(scene.state.run)?.model.as_deref()
}

/// Draws the picture.
pub fn frame(scene: &Scene<'_>, area: Rect, buf: &mut Buffer) {
    let mut pen = Pen { buf, area, color: scene.color };
    if area.is_empty() {
        return;
    }
    if scene.state.help {
        return help(&mut pen);
    }
    let height = area.height;
    let mut top = 0;
    let lines = heading(scene, area);
    for (text, style) in lines {
        if top + 1 < height || height == 1 {
            pen.line(top, &text, style);
            top += 1;
        }
    }
    let mut bottom = height;
    if height >= 8 {
        bottom -= 1;
        pen.line(bottom, HINTS, Style::new().add_modifier(Modifier::DIM));
    }
    if height >= 10
        && let Some(said) = scene.said.last()
    {
        bottom -= 1;
        pen.line(bottom, &safe(said), Style::new().add_modifier(Modifier::DIM));
    }
    if height >= 12 {
        top += 1;
    }
    let Some(model) = model(scene) else { return };
    let table = Table::of(model);
    if scene.state.details && bottom.saturating_sub(top) >= 9 {
        let lines = details(scene, model, &table);
        let first = bottom.saturating_sub(lines.len().min(6) as u16);
        for (at, line) in (first..bottom).zip(&lines) {
            pen.line(at, line, Style::new());
        }
        bottom = first.saturating_sub(1);
    }
    let counts = scene.state.base.as_ref().filter(|base| base.0 == scene.state.run).map(|base| &base.1);
    table.draw(&mut pen, scene.state, model, counts, top, bottom);
}

/// What is written on.
struct Pen<'a> {
    buf: &'a mut Buffer,
    area: Rect,
    color: bool,
}

impl Pen<'_> {
    /// Writes a line, cut where the view ends. Lines beyond it are nobody's.
    fn line(&mut self, at: u16, text: &str, style: Style) {
        self.text(0, at, text, style);
    }

    fn text(&mut self, left: u16, at: u16, text: &str, style: Style) {
        if at >= self.area.height || left >= self.area.width {
            return;
        }
        let room = usize::from(self.area.width - left);
        self.buf.set_stringn(self.area.x + left, self.area.y + at, shorten(text, room), room, style);
    }

    fn paint(&self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// A whole line in another style.
    fn set(&mut self, at: u16, style: Style) {
        if at < self.area.height {
            self.buf.set_style(Rect { y: self.area.y + at, height: 1, ..self.area }, style);
        }
    }
}

/// The lines above the table, as many as such a height bears.
fn heading(scene: &Scene<'_>, area: Rect) -> Vec<(String, Style)> {
    let (state, height) = (scene.state, area.height);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let dim = Style::new().add_modifier(Modifier::DIM);
    let Some(shown) = scene.runs.get(state.run) else { return Vec::new() };
    let mut lines = Vec::new();
    lines.extend(targets(scene, area));
    if lines.is_empty() && scene.runs.len() > 1 && height >= 6 {
        lines.push((tabs(scene), Style::new()));
    }
    let Some(model) = shown.model.as_deref() else {
        lines.push((format!("{} beginning", safe(&shown.name)), bold));
        return lines;
    };
    if height >= 4 {
        lines.push((safe(&title(model)).into_owned(), bold));
    }
    let (verdict, tone) = verdict(&model.document);
    let mark = if state.ending {
        "ending: "
    } else if state.paused {
        "paused: "
    } else {
        ""
    };
    lines.push((format!("{mark}{}", safe(&verdict)), tone_style(tone, scene.color)));
    if height >= 7 {
        lines.push((cost(model, shown, state.paused), Style::new()));
    }
    if height >= 10 {
        let doing = if shown.over { "over" } else { model.doing.as_str() };
        lines.push((format!("now: {}", safe(doing)), dim));
    }
    lines
}

/// Where targets are measured again and again: a line for each, at most a third of the view, the chosen one among them.
#[cfg(feature = "watch")]
fn targets(scene: &Scene<'_>, area: Rect) -> Vec<(String, Style)> {
    let all: Vec<(usize, &Shown, &Watched)> = (scene.runs.iter().enumerate())
        .filter_map(|(at, shown)| Some((at, shown, shown.watched.as_ref()?)))
        .collect();
    let seen = usize::from(area.height / 3).max(1).min(all.len());
    let first = first_row(all.len(), seen, scene.state.run);
    let all = &all[first..first + seen];
    let width = |text: &str| text.width();
    let names = all.iter().map(|(_, shown, _)| width(&safe(&shown.name))).max().unwrap_or(0).min(32);
    let states = all.iter().map(|(.., watched)| width(&watched.state)).max().unwrap_or(0);
    let line = |(at, shown, watched): &(usize, &Shown, &Watched)| {
        let next = match (watched.running, watched.due) {
            (true, _) => "now".to_owned(),
            (false, Some(due)) => format!("in {}:{:02}", due.as_secs() / 60, due.as_secs() % 60),
            (false, None) => String::new(),
        };
        let name = shorten(&safe(&shown.name), names);
        let mark = if *at == scene.state.run { '>' } else { ' ' };
        let gap = " ".repeat(names.saturating_sub(width(&name)));
        let before = format!("{mark}{} {name}{gap}  {:<states$}  {next:<8} ", at + 1, watched.state);
        // As many of the last runs as there is room for.
        let room = usize::from(area.width).saturating_sub(width(&before));
        let count = watched.runs.chars().count();
        let runs: String = watched.runs.chars().skip(count.saturating_sub(room)).collect();
        let tone = match watched.lost {
            Some(true) => Tone::Loss,
            Some(false) => Tone::Well,
            None => Tone::Other,
        };
        (format!("{before}{runs}"), tone_style(tone, scene.color))
    };
    all.iter().map(line).collect()
}

#[cfg(not(feature = "watch"))]
const fn targets(_: &Scene<'_>, _: Rect) -> Vec<(String, Style)> {
    Vec::new()
}

fn tabs(scene: &Scene<'_>) -> String {
    let tab = |(at, shown): (usize, &Shown)| {
        let name = shorten(&safe(&shown.name), 24);
        let end = if shown.over { " ✓" } else { "" };
        match at == scene.state.run {
            true => format!("[{} {name}{end}]", at + 1),
            false => format!(" {} {name}{end} ", at + 1),
        }
    };
    scene.runs.iter().enumerate().map(tab).collect::<Vec<_>>().join("")
}

fn title(model: &Model) -> String {
    let mut title = words::target(&model.document);
    for reference in model.document.references.iter().take(2) {
        title.push_str(&format!(", beside {}", words::beside(reference)));
    }
    title
}

/// What can be said so far.
fn verdict(document: &Document) -> (String, Tone) {
    match &document.verdict {
        Some(verdict) => (format!("so far: {}", words::title(verdict)), words::tone(verdict)),
        None if document.references.is_empty() => ("looking at the path".to_owned(), Tone::Other),
        None => ("looking at the paths".to_owned(), Tone::Other),
    }
}

fn tone_style(tone: Tone, color: bool) -> Style {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    match tone {
        _ if !color => bold,
        Tone::Well => bold.fg(Color::Green),
        Tone::Loss => bold.fg(Color::Red),
        Tone::Other => bold.fg(Color::Yellow),
    }
}

/// `4.2/180 s  85/600 probes  71 answered  where 99.4 %  whose 97.0 %  wanted 99 %`.
fn cost(model: &Model, shown: &Shown, paused: bool) -> String {
    let since = if paused || shown.over { Duration::ZERO } else { shown.since };
    let seconds = (model.now + since).as_secs_f64();
    let (probes, answered) = model.probes;
    let most = (model.budget.time.as_secs(), model.budget.probes);
    let mut line = format!("{seconds:.1}/{} s  {probes}/{} probes  {answered} answered", most.0, most.1);
    if let (Some(verdict), Some(wanted)) = (&model.document.verdict, model.confidence) {
        let shares = [("where", verdict.location_confidence), ("whose", verdict.attribution_confidence)];
        let told: String = (shares.iter().filter(|(_, share)| *share > 0.0))
            .map(|(word, share)| format!("  {word} {}", words::percent(*share)))
            .collect();
        if !told.is_empty() {
            let wanted = (wanted * 10_000.0).round() / 100.0;
            line.push_str(&format!("{told}  wanted {wanted} %"));
        }
    }
    line
}

fn help(pen: &mut Pen<'_>) {
    pen.line(0, "Keys (any of them closes this list)", Style::new().add_modifier(Modifier::BOLD));
    for (at, (key, does)) in (2..).zip(KEYS) {
        pen.line(at, &format!("  {key:<10} {does}"), Style::new());
    }
    let at = KEYS.len() as u16 + 3;
    pen.line(
        at,
        "  Each probe: . answered, ? not, ~ still open. Answers/probes, then milliseconds.",
        Style::new(),
    );
}

/// The hops of the paths side by side.
struct Table<'a> {
    lanes: Vec<Lane<'a>>,
    rows: Vec<Row<'a>>,
    /// Behind which row the target's path ends.
    parting: Option<usize>,
}

impl<'a> Table<'a> {
    fn of(model: &'a Model) -> Self {
        let document = &model.document;
        let lanes: Vec<Lane<'a>> = document.target.iter().chain(&document.references).map(Lane::of).collect();
        let rows = rows::rows(&lanes);
        let parting = rows::parting(document, &rows);
        Self { lanes, rows, parting }
    }

    /// The places of the lanes in the order in which they are shown: the target, then the references from the chosen one on.
    fn order(&self, reference: usize) -> Vec<usize> {
        let references = self.lanes.len().saturating_sub(1);
        let turned = (0..references).map(|at| 1 + (reference + at) % references);
        std::iter::once(0).take(self.lanes.len().min(1)).chain(turned).collect()
    }

    fn draw(
        &self,
        pen: &mut Pen<'_>,
        state: &State,
        model: &Model,
        base: Option<&Base>,
        top: u16,
        bottom: u16,
    ) {
        let room = usize::from(bottom.saturating_sub(top));
        if self.rows.is_empty() || room == 0 {
            return;
        }
        let columns = self.columns(state, model, base, usize::from(pen.area.width));
        let with_header = room >= 4;
        let mut at = top;
        if with_header {
            pen.line(at, &columns.header, Style::new().add_modifier(Modifier::DIM));
            at += 1;
        }
        // The rule takes a line of its own.
        let rule = self.parting.filter(|_| room >= 6);
        let seen = usize::from(bottom - at).saturating_sub(usize::from(rule.is_some())).max(1);
        let look = state.row.or(self.parting.map(|row| row + 1)).unwrap_or(self.rows.len());
        let first = first_row(self.rows.len(), seen, look);
        for (row, line) in columns.lines.iter().enumerate().skip(first).take(seen) {
            if rule == Some(row) && row > 0 {
                let style = pen.paint(Color::Red);
                let width = usize::from(pen.area.width);
                let words = match width {
                    54.. => "the target's packets are not seen beyond this",
                    _ => "not seen beyond this",
                };
                let dash = "─".repeat(width.saturating_sub(words.len() + 5).min(25));
                pen.line(at, &format!("─── {words} {dash}"), style);
                at += 1;
            }
            if at >= bottom {
                return;
            }
            let (text, style) = line;
            let style = match style {
                Shade::Plain => Style::new(),
                Shade::Silent => Style::new().add_modifier(Modifier::DIM),
                Shade::Lost => pen.paint(Color::Red),
            };
            pen.line(at, text, style);
            if state.row.map(|marked| marked.min(self.rows.len() - 1)) == Some(row) {
                pen.set(at, Style::new().add_modifier(Modifier::REVERSED));
            }
            at += 1;
        }
    }

    /// The table as text, as wide as it may be.
    fn columns(&self, state: &State, model: &Model, base: Option<&Base>, width: usize) -> Columns {
        let order = self.order(state.reference);
        // Two references beside the target, where there is room for them.
        for lanes in (1..=order.len().min(3)).rev() {
            let order = &order[..lanes];
            let wishes = [
                (state.asns, state.names, state.figures),
                (state.asns, false, state.figures),
                (state.asns, false, Figures::Mean),
                (false, false, Figures::Mean),
                (false, false, Figures::Counts),
            ];
            for (asns, names, figures) in wishes {
                let columns = self.laid_out(order, asns, names, figures, model, base, width);
                let fits = columns.width <= width;
                if fits {
                    return columns;
                }
            }
        }
        // It is cut where the view ends.
        self.laid_out(&order[..order.len().min(1)], false, false, Figures::Counts, model, base, width)
    }

    #[expect(clippy::too_many_arguments, reason = "what is shown, and of what")]
    fn laid_out(
        &self,
        order: &[usize],
        asns: bool,
        names: bool,
        figures: Figures,
        model: &Model,
        base: Option<&Base>,
        width: usize,
    ) -> Columns {
        let mut header = vec!["hop".to_owned(), "address".to_owned()];
        if asns {
            header.push("AS".to_owned());
        }
        let name_at = header.len();
        if names {
            header.push("network".to_owned());
        }
        let figures_at = header.len();
        let word = |place: &usize| match (place, self.lanes.len()) {
            (0, _) => "target".to_owned(),
            (_, 2) => "reference".to_owned(),
            (place, _) => format!("ref. {place}"),
        };
        header.extend(order.iter().map(word));
        let mut lines = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            let first = at == 0 || self.rows[at - 1].ttl != row.ttl;
            let mut cells = vec![
                if first { row.ttl.to_string() } else { String::new() },
                safe(&address_text(row)).into_owned(),
            ];
            if asns {
                cells.push(asn_text(row.responder));
            }
            if names {
                cells.push(safe(&network(row.responder)).into_owned());
            }
            for place in order {
                let strip =
                    model.strips.get(*place).and_then(|strips| strips.get(&row.ttl)).filter(|_| first);
                cells.push(figure(&self.lanes[*place], row, figures, base, strip));
            }
            lines.push((cells, self.shade(at, row)));
        }
        let widths = |at: usize| {
            let cells = lines.iter().map(|(cells, _)| cells[at].width());
            cells.chain([header[at].width()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..header.len()).map(widths).collect();
        if names {
            // Names take what is left, as far as they need it.
            let rest: usize = widths.iter().sum::<usize>() - widths[name_at] + 2 * (widths.len() - 1);
            widths[name_at] = widths[name_at].min(width.saturating_sub(rest)).clamp(9, 40);
        }
        let layout = |cells: &[String]| {
            let mut text = String::new();
            for (at, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let cell = shorten(cell, *width);
                let pad = " ".repeat(width.saturating_sub(cell.width()));
                let gap = if at == 0 { "" } else { "  " };
                let right = at == 0 || at >= figures_at && figures != Figures::Strip;
                text.push_str(&if right { format!("{gap}{pad}{cell}") } else { format!("{gap}{cell}{pad}") });
            }
            text.trim_end().to_owned()
        };
        Columns {
            header: layout(&header),
            lines: lines.iter().map(|(cells, shade)| (layout(cells), *shade)).collect(),
            width: widths.iter().sum::<usize>() + 2 * (widths.len() - 1),
        }
    }

    /// Where packets are lost, and where nobody answers anybody.
    fn shade(&self, at: usize, row: &Row<'_>) -> Shade {
        let Some(target) = self.lanes.first() else { return Shade::Plain };
        if self.parting.is_some_and(|parting| at >= parting)
            && matches!(rows::cell(target, row), Cell::Silent { .. } | Cell::Empty)
        {
            return Shade::Lost;
        }
        if row.responder.is_none() { Shade::Silent } else { Shade::Plain }
    }
}

/// The weight of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shade {
    Plain,
    Silent,
    Lost,
}

struct Columns {
    header: String,
    lines: Vec<(String, Shade)>,
    width: usize,
}

/// The first of so many rows to be shown, that the one looked at is among them, with some behind it.
fn first_row(rows: usize, seen: usize, look: usize) -> usize {
    let behind = (seen / 3).min(seen.saturating_sub(1));
    (look + 1 + behind).saturating_sub(seen).min(rows.saturating_sub(seen))
}

/// What a path drew at a row.
fn figure(
    lane: &Lane<'_>,
    row: &Row<'_>,
    figures: Figures,
    base: Option<&Base>,
    strip: Option<&String>,
) -> String {
    let cell = rows::cell(lane, row);
    let key = base.map(|base| (base, key(lane.path)));
    let sent_since = |sent: u32| {
        let before = key.as_ref().and_then(|(base, key)| base.sent.get(&(key.clone(), row.ttl)));
        sent.saturating_sub(before.copied().unwrap_or(0))
    };
    let came_since = |one: &Responder| {
        let before =
            key.as_ref().and_then(|(base, key)| base.replies.get(&(key.clone(), row.ttl, one.address)));
        replies(one).saturating_sub(before.copied().unwrap_or(0))
    };
    match (figures, cell) {
        (_, Cell::Empty) => String::new(),
        (Figures::Strip, Cell::Silent { .. }) => strip.cloned().unwrap_or_default(),
        (Figures::Strip, Cell::Answered { responder, .. }) => {
            format!("{}{}", strip.cloned().unwrap_or_default(), marked(responder))
        }
        (Figures::Counts, Cell::Silent { sent }) => format!("0/{}", sent_since(sent)),
        (Figures::Counts, Cell::Answered { sent, responder }) => {
            format!("{}/{}", came_since(responder), sent_since(sent))
        }
        (_, Cell::Silent { sent }) => format!("0/{}      –", sent_since(sent)),
        (figures, Cell::Answered { sent, responder }) => {
            let times = match (responder.rtt_ms, figures) {
                (None, _) => "–".to_owned(),
                (Some(rtt), Figures::Span) => {
                    format!("{} {} {}", short(rtt.min), short(rtt.avg), short(rtt.max))
                }
                (Some(rtt), _) => short(rtt.avg),
            };
            // However long the times are, they stay apart from the counts.
            let times = format!(" {times}");
            format!("{}/{}{}{times:>7}", came_since(responder), sent_since(sent), marked(responder))
        }
    }
}

fn marked(responder: &Responder) -> String {
    marks(responder).iter().map(|mark| format!(" {mark}")).collect()
}

/// More of the marked hop.
fn details(scene: &Scene<'_>, model: &Model, table: &Table<'_>) -> Vec<String> {
    let Some(row) = scene.state.row.and_then(|at| table.rows.get(at.min(table.rows.len().saturating_sub(1))))
    else {
        return vec!["no hop yet".to_owned()];
    };
    let mut lines = Vec::new();
    let who = [address_text(row), asn_text(row.responder), network(row.responder)];
    let who = who.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("  ");
    lines.push(format!("hop {}: {}", row.ttl, safe(&who)));
    for (place, lane) in table.lanes.iter().enumerate().take(4) {
        let whom =
            if place == 0 { "target".to_owned() } else { safe(&words::beside(lane.path)).into_owned() };
        let strip = model.strips.get(place).and_then(|strips| strips.get(&row.ttl));
        let strip = strip.cloned().unwrap_or_default();
        let told = match rows::cell(lane, row) {
            Cell::Empty => "nothing from here".to_owned(),
            Cell::Silent { sent } => format!("no answer to {sent} probes  {strip}"),
            Cell::Answered { sent, responder } => {
                let time = responder.rtt_ms.map_or_else(String::new, |rtt| {
                    format!(", {} {} {} ms", short(rtt.min), short(rtt.avg), short(rtt.max))
                });
                let ttls: Vec<String> = responder.reply_ttl.iter().take(4).map(u8::to_string).collect();
                let ttls = if ttls.is_empty() {
                    String::new()
                } else {
                    format!(", answers came with TTL {}", ttls.join(", "))
                };
                format!("{} of {sent}{}{time}{ttls}  {strip}", replies(responder), marked(responder))
            }
        };
        lines.push(format!("  {whom}: {told}"));
    }
    if let Some(raise) = model.document.verdict.as_ref().and_then(|verdict| verdict.raise.as_ref()) {
        lines.push(format!("surer by: {}", safe(raise)));
    }
    lines
}
