//! States of several things over time: as lines, as a picture, as a page.
//!
//! It knows no history: whoever has one fills in lanes of spans. A state differs by its pattern and its words as well as by its
//! colour, and all that a picture shows stands in a table.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::escape::{clip, html as escaped, safe};
use super::html::{close_table, figure, head, header_row, open_table};
use super::palette::{Color, DOUBT, INK, LOSS, MUTED, NOBODY, RULE, WELL};
use super::picture::canvas::{At, Canvas, Pen};
use super::picture::{Picture, svg};
use super::terminal::Look;
use crate::trace::WallTime;

/// What a span of time was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It works.
    Well,
    /// It does not.
    Loss,
    /// It changed at some moment in this span.
    Between,
    /// Nothing is known.
    Unknown,
}

impl Weather {
    const ALL: [Self; 4] = [Self::Well, Self::Loss, Self::Between, Self::Unknown];

    const fn letter(self) -> char {
        match self {
            Self::Well => '-',
            Self::Loss => '#',
            Self::Between => '/',
            Self::Unknown => '.',
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Well => "answers",
            Self::Loss => "lost",
            Self::Between => "changed in this time",
            Self::Unknown => "not known",
        }
    }

    const fn color(self) -> Color {
        match self {
            Self::Well => WELL,
            Self::Loss => LOSS,
            Self::Between => DOUBT,
            Self::Unknown => NOBODY,
        }
    }
}

/// A span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: WallTime,
    /// Its end.
    pub to: WallTime,
    /// What it was like.
    pub weather: Weather,
}

/// One thing over time.
#[derive(Clone, Debug, Default)]
pub struct ChartLane {
    /// What it is.
    pub name: String,
    /// What is to be said of it.
    pub note: String,
    /// In order of time; what no span covers is not known.
    pub spans: Vec<Span>,
    /// Rows of its table: state, since, until, what was found.
    pub rows: Vec<[String; 4]>,
}

/// Several things over time.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Its title.
    pub title: String,
    /// Where it begins.
    pub from: WallTime,
    /// Where it ends.
    pub to: WallTime,
    /// The things.
    pub lanes: Vec<ChartLane>,
    /// Said below.
    pub notes: Vec<String>,
}

/// Heads of the table.
const COLUMNS: [&str; 4] = ["state", "since", "until", "what was found"];
/// Width of the picture, in its units.
const WIDTH: f64 = 960.0;
/// Space at its sides.
const SIDE: f64 = 16.0;
/// Height of a lane with its name.
const LANE: f64 = 58.0;
/// Height of its bar.
const BAR: f64 = 22.0;
/// Lanes in one picture: more are in the tables.
const MOST: usize = 40;

impl Chart {
    fn span(&self) -> f64 {
        (self.to.0.saturating_sub(self.from.0)).max(1) as f64
    }

    /// What it was like at a share of the whole time: whatever is worst there, so that nothing short is overlooked.
    fn at(&self, lane: &ChartLane, low: f64, high: f64) -> Weather {
        let moment = |share: f64| self.from.0.saturating_add((self.span() * share) as i64);
        let (low, high) = (moment(low), moment(high));
        let rank = |weather: Weather| match weather {
            Weather::Loss => 3,
            Weather::Between => 2,
            Weather::Well => 1,
            Weather::Unknown => 0,
        };
        let inside = lane.spans.iter().filter(|span| span.from.0 <= high && span.to.0 >= low);
        inside.map(|span| span.weather).max_by_key(|one| rank(*one)).unwrap_or(Weather::Unknown)
    }
}

/// Writes it as lines.
///
/// # Errors
/// Whatever writing fails with.
pub fn text(out: &mut dyn Write, chart: &Chart, look: Look) -> io::Result<()> {
    writeln!(out, "{}", safe(&chart.title))?;
    let columns = look.width.clamp(30, 120);
    for lane in &chart.lanes {
        writeln!(out, "\n{}", safe(&lane.name))?;
        let bar: String = (0..columns)
            .map(|at| {
                let share = |at: usize| at as f64 / columns as f64;
                chart.at(lane, share(at), share(at + 1)).letter()
            })
            .collect();
        writeln!(out, "{bar}")?;
        for [state, since, until, found] in &lane.rows {
            writeln!(out, "{}", look.wrap(&safe(&format!("{state:8} {since} – {until}")), "  ", "      "))?;
            if !found.is_empty() {
                writeln!(out, "{}", look.wrap(&safe(found), "      ", "      "))?;
            }
        }
        if !lane.note.is_empty() {
            writeln!(out, "{}", look.wrap(&safe(&lane.note), "  ", "  "))?;
        }
    }
    if !chart.lanes.is_empty() {
        let legend: Vec<String> =
            Weather::ALL.iter().map(|one| format!("{} {}", one.letter(), one.words())).collect();
        let (from, to) = (second(chart.from), second(chart.to));
        writeln!(out, "\n{}", look.wrap(&format!("{from} to {to}; {}", legend.join(", ")), "", ""))?;
    }
    for note in &chart.notes {
        writeln!(out, "{}", look.wrap(&safe(note), "", ""))?;
    }
    Ok(())
}

/// Writes it as a picture that stands alone.
///
/// # Errors
/// Whatever writing fails with.
pub fn picture(out: &mut dyn Write, chart: &Chart) -> io::Result<()> {
    out.write_all(drawn(chart).svg.as_bytes())
}

/// Writes it as a page that needs no other file.
///
/// # Errors
/// Whatever writing fails with.
pub fn page(out: &mut dyn Write, chart: &Chart) -> io::Result<()> {
    let mut page = String::with_capacity(32 << 10);
    head(&mut page, &chart.title);
    let _ = writeln!(page, "<main>\n<h1>{}</h1>", escaped(&chart.title));
    if !chart.lanes.is_empty() {
        let caption = "Time runs to the right, in UTC. Every span stands in a table below.";
        figure(&mut page, &drawn(chart), caption, "Timeline");
    }
    for lane in &chart.lanes {
        let _ = writeln!(page, "<h2><bdi>{}</bdi></h2>", escaped(&lane.name));
        if !lane.note.is_empty() {
            let _ = writeln!(page, "<p>{}</p>", escaped(&lane.note));
        }
        open_table(&mut page, "Periods", "Periods of one state, oldest first.");
        header_row(&mut page, &COLUMNS.map(|name| (name, false)));
        for row in &lane.rows {
            page.push_str("<tr>");
            for cell in row {
                let _ = write!(page, "<td><bdi>{}</bdi></td>", escaped(cell));
            }
            page.push_str("</tr>\n");
        }
        close_table(&mut page);
    }
    page.push_str("</main>\n<footer>\n");
    for note in &chart.notes {
        let _ = writeln!(page, "<p>{}</p>", escaped(note));
    }
    page.push_str(
        "<p>This page holds all it shows and asks nobody for anything.</p>\n</footer>\n</body>\n</html>\n",
    );
    out.write_all(page.as_bytes())
}

fn drawn(chart: &Chart) -> Picture {
    let mut canvas = Canvas::default();
    let plain = |at, color, bold| Pen { at, size: 11.0, color, bold };
    let lanes = &chart.lanes[..chart.lanes.len().min(MOST)];
    let top = 34.0;
    let bottom = top + LANE * lanes.len() as f64;
    let wide = WIDTH - 2.0 * SIDE;
    let x = |at: WallTime| {
        let share = at.0.saturating_sub(chart.from.0) as f64 / chart.span();
        SIDE + wide * share.clamp(0.0, 1.0)
    };
    canvas.text((SIDE, 16.0), plain(At::Start, INK, true), &clip(&chart.title));
    for (at, label) in ticks(chart.from, chart.to) {
        canvas.line((x(at), top - 6.0), (x(at), bottom), RULE, 1.0, false);
        let place = if x(at) > WIDTH - 60.0 { At::End } else { At::Start };
        canvas.text((x(at) + 2.0, bottom + 14.0), plain(place, MUTED, false), &label);
    }
    for (number, lane) in lanes.iter().enumerate() {
        let y = top + LANE * number as f64;
        canvas.text((SIDE, y + 12.0), plain(At::Start, INK, true), &clip(&lane.name));
        canvas.line((SIDE, y + 20.0 + BAR / 2.0), (SIDE + wide, y + 20.0 + BAR / 2.0), NOBODY, 1.0, true);
        for span in &lane.spans {
            // A short block is still to be seen: two units at least.
            let (left, right) = (x(span.from), x(span.to));
            let width = (right - left).max(if span.weather == Weather::Loss { 2.0 } else { 0.5 });
            match span.weather {
                // Told apart without colour: full height and solid, half height and hatched, a thin line.
                Weather::Loss => canvas.rect(left, y + 20.0, width, BAR, LOSS),
                Weather::Between => canvas.hatched(left, y + 20.0, width, BAR, DOUBT),
                Weather::Well => canvas.rect(left, y + 20.0 + BAR * 0.35, width, BAR * 0.3, WELL),
                Weather::Unknown => {}
            }
        }
    }
    let mut left = SIDE;
    for weather in Weather::ALL {
        let y = bottom + 26.0;
        match weather {
            Weather::Loss => canvas.rect(left, y, 18.0, 12.0, LOSS),
            Weather::Between => canvas.hatched(left, y, 18.0, 12.0, DOUBT),
            Weather::Well => canvas.rect(left, y + 4.0, 18.0, 4.0, WELL),
            Weather::Unknown => {
                canvas.line((left, y + 6.0), (left + 18.0, y + 6.0), weather.color(), 1.0, true)
            }
        }
        canvas.text((left + 24.0, y + 10.0), plain(At::Start, MUTED, false), weather.words());
        left += 40.0 + 6.5 * weather.words().len() as f64;
    }
    let described = format!(
        "{} from {} to {}. Every span stands in a table beside it.",
        match lanes.len() {
            1 => "One lane".to_owned(),
            many => format!("{many} lanes"),
        },
        second(chart.from),
        second(chart.to)
    );
    svg::svg(&canvas.finish(WIDTH, bottom + 48.0, &chart.title, &described), "t")
}

/// Round moments in a span, six of them or fewer, with their labels.
fn ticks(from: WallTime, to: WallTime) -> Vec<(WallTime, String)> {
    const SECOND: i64 = 1_000_000_000;
    const STEPS: [i64; 16] = [
        60,
        300,
        900,
        1800,
        3600,
        10_800,
        21_600,
        43_200,
        86_400,
        172_800,
        604_800,
        1_209_600,
        2_592_000,
        7_776_000,
        31_536_000,
        157_680_000,
    ];
    let span = to.0.saturating_sub(from.0) / SECOND;
    let step = STEPS.into_iter().find(|step| span / step <= 6).unwrap_or(1_576_800_000) * SECOND;
    let first = from.0.div_euclid(step).saturating_add(1).saturating_mul(step);
    (0..7)
        .map(|number| WallTime(first.saturating_add(step.saturating_mul(number))))
        .take_while(|at| at.0 <= to.0)
        .map(|at| {
            let whole = at.rfc3339();
            let cut = |range: std::ops::Range<usize>| whole.get(range).unwrap_or_default().replace('T', " ");
            (at, if step >= 86_400 * SECOND { cut(0..10) } else { cut(5..16) })
        })
        .collect()
}

fn second(at: WallTime) -> String {
    let whole = at.rfc3339();
    format!("{} UTC", whole.get(..19).unwrap_or(&whole).replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    fn chart() -> Chart {
        let span = |from: i64, to: i64, weather| Span {
            from: WallTime(from * HOUR),
            to: WallTime(to * HOUR),
            weather,
        };
        let lane = ChartLane {
            name: "<b>a\u{1b}[31m".into(),
            note: "a & b".into(),
            spans: vec![
                span(0, 40, Weather::Well),
                span(40, 41, Weather::Between),
                span(41, 100, Weather::Loss),
            ],
            rows: vec![["lost".into(), "x".into(), "y".into(), "<script>".into()]],
        };
        Chart {
            title: "T".into(),
            from: WallTime(0),
            to: WallTime(100 * HOUR),
            lanes: vec![lane],
            notes: vec![],
        }
    }

    #[test]
    fn the_bar_of_letters_shows_the_worst_of_each_column() {
        let mut out = Vec::new();
        text(&mut out, &chart(), Look { width: 100, color: false }).unwrap();
        let out = String::from_utf8(out).unwrap();
        let bar = out.lines().nth(3).unwrap();
        assert_eq!(bar.len(), 100);
        assert!(bar.starts_with("------") && bar.ends_with("#####"), "{bar}");
        assert_eq!(bar.matches('/').count(), 1, "{bar}");
    }

    #[test]
    fn strangers_text_stays_text() {
        let mut out = Vec::new();
        page(&mut out, &chart()).unwrap();
        let html = String::from_utf8(out).unwrap();
        assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains('\u{1b}'));
        assert!(html.contains("&lt;script&gt;") && html.contains("<svg "));
        let mut out = Vec::new();
        text(&mut out, &chart(), Look::default()).unwrap();
        assert!(!String::from_utf8(out).unwrap().contains('\u{1b}'));
    }

    #[test]
    fn ticks_are_few_and_inside() {
        for hours in [0, 1, 5, 24, 100, 1000, 24 * 365, 24 * 365 * 20] {
            let (from, to) = (WallTime(17 * HOUR + 12_345), WallTime((17 + hours) * HOUR));
            let ticks = ticks(from, to);
            assert!(ticks.len() <= 7, "{hours}: {}", ticks.len());
            assert!(ticks.iter().all(|(at, _)| *at >= from && *at <= to), "{hours}");
        }
    }
}
