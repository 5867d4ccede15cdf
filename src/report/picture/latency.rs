//! Round-trip times hop by hop: a line from the shortest to the longest, a mark at the mean.

use super::REFERENCES;
use super::canvas::{At, Canvas, Drawing, Pen, SMALL, TEXT, fit};
use crate::report::palette::{Color, INK, MUTED, NETWORKS, RULE};
use crate::report::rows::{Lane, short};
use crate::trace::schema::{Document, RttMs};

const LEFT: f64 = 30.0;
const RIGHT: f64 = 14.0;
const WIDTH: f64 = 360.0;
const HEAD: f64 = 40.0;

pub(in crate::report) fn draw(document: &Document) -> Option<Drawing> {
    let target = document.target.as_ref()?;
    let paths = std::iter::once(target).chain(document.references.iter().take(REFERENCES));
    let lanes: Vec<Lane<'_>> = paths.map(Lane::of).collect();
    let times: Vec<Vec<(u8, RttMs)>> = lanes.iter().map(timed).collect();
    let all = || times.iter().flatten();
    let longest = all().map(|(_, rtt)| rtt.max.max(rtt.avg)).fold(0.0, f64::max);
    let first = all().map(|(ttl, _)| *ttl).min()?;
    let last = all().map(|(ttl, _)| *ttl).max()?;
    let step = nice(longest / 4.0);
    let end = (longest / step).ceil().max(1.0) * step;
    let scale = (WIDTH - LEFT - RIGHT) / end;
    let row = 7.0 * lanes.len() as f64 + 6.0;
    let bottom = HEAD + row * f64::from(u16::from(last - first) + 1);
    let mut canvas = Canvas::default();
    let each = (WIDTH - 8.0) / lanes.len() as f64;
    let mut x = 8.0;
    for (at, lane) in lanes.iter().enumerate() {
        let role = if at == 0 { "target" } else { "reference" };
        let name = format!("{role} {}", crate::report::escape::clip(&lane.path.host));
        let name = fit(&name, each - 16.0, SMALL, false);
        mark(&mut canvas, x + 4.0, 8.0, at);
        canvas.text((x + 12.0, 12.0), Pen { at: At::Start, size: SMALL, color: INK, bold: false }, &name);
        x += each;
    }
    let ticks = (end / step).round() as u32;
    for tick in 0..=ticks {
        let value = f64::from(tick) * step;
        let x = LEFT + value * scale;
        canvas.line((x, HEAD - 6.0), (x, bottom), RULE, 0.7, false);
        canvas.text(
            (x, HEAD - 10.0),
            Pen { at: At::Middle, size: SMALL, color: MUTED, bold: false },
            &label(value, step),
        );
    }
    for ttl in first..=last {
        let y = HEAD + row * (f64::from(ttl - first) + 0.5);
        canvas.text(
            (LEFT - 8.0, y + 4.0),
            Pen { at: At::End, size: SMALL, color: MUTED, bold: false },
            &ttl.to_string(),
        );
        canvas.may_break(y + row / 2.0);
    }
    for (at, lane) in times.iter().enumerate() {
        for (ttl, rtt) in lane {
            let y = HEAD + row * f64::from(ttl - first) + 6.0 + 7.0 * at as f64;
            let x = |time: f64| LEFT + time * scale;
            canvas.line((x(rtt.min), y), (x(rtt.max), y), color(at), 2.0, false);
            mark(&mut canvas, x(rtt.avg), y, at);
        }
    }
    canvas.text(
        (LEFT, bottom + 14.0),
        Pen { at: At::Start, size: SMALL, color: MUTED, bold: false },
        "milliseconds there and back: line from",
    );
    canvas.text(
        (LEFT, bottom + 27.0),
        Pen { at: At::Start, size: SMALL, color: MUTED, bold: false },
        "shortest to longest, mark at the mean",
    );
    Some(canvas.finish(
        WIDTH,
        bottom + 34.0 + (TEXT - SMALL),
        "Round-trip time by hop",
        &describe(&lanes, &times),
    ))
}

/// The times of a path's hops; the nearest responder's where several answered.
fn timed(lane: &Lane<'_>) -> Vec<(u8, RttMs)> {
    lane.hops()
        .filter_map(|hop| hop.responders.iter().find_map(|one| one.rtt_ms).map(|rtt| (hop.ttl, rtt)))
        .collect()
}

/// A step of 1, 2 or 5 times a power of ten, not below `least`.
fn nice(least: f64) -> f64 {
    let least = least.max(0.01);
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|one| one * power)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(least)
}

fn label(value: f64, step: f64) -> String {
    if step < 0.1 {
        format!("{value:.2}")
    } else if step < 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

const fn color(lane: usize) -> Color {
    NETWORKS[lane % NETWORKS.len()]
}

/// A lane's own shape: a disc, a diamond, a square.
fn mark(canvas: &mut Canvas, x: f64, y: f64, lane: usize) {
    let size = 3.6;
    match lane {
        0 => canvas.dot(x, y, size, 1.0),
        1 => {
            let points = [(x, y - 4.6), (x + 4.6, y), (x, y + 4.6), (x - 4.6, y)];
            canvas.shape(&points, color(lane), true);
        }
        _ => canvas.rect(x - size, y - size, 2.0 * size, 2.0 * size, color(lane)),
    }
}

fn describe(lanes: &[Lane<'_>], times: &[Vec<(u8, RttMs)>]) -> String {
    let mut text = String::new();
    for (at, (lane, times)) in lanes.iter().zip(times).enumerate() {
        let role = if at == 0 { "Target" } else { "Reference" };
        if let (Some((first, near)), Some((last, far))) = (times.first(), times.last()) {
            text.push_str(&format!(
                "{role} {}: mean {} ms at hop {first}, {} ms at hop {last}. ",
                crate::report::escape::clip(&lane.path.host),
                short(near.avg),
                short(far.avg)
            ));
        }
    }
    text.push_str("All times are in the table.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_numbers() {
        for (least, step) in [(0.3, 0.5), (1.0, 1.0), (1.1, 2.0), (17.0, 20.0), (60.0, 100.0), (0.0, 0.01)] {
            assert!((nice(least) - step).abs() < 1e-9, "{least}: {}", nice(least));
        }
    }
}
