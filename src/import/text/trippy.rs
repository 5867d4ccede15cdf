//! trippy's tables, `trip -m pretty` and `trip -m markdown`: totals of each hop over all rounds.
//!
//! A hop with several addresses goes on in rows without a number, and its times are of all of them together. The table does
//! not say what was traced.

use super::Line;
use crate::import::pieces::{self, Draft, Host};
use crate::trace::foreign::{ForeignStats, ForeignTrace};

const BARS: [char; 4] = ['│', '┆', '|', '║'];

/// What stands between the bars of a row; the outer ones may be gone as a frame.
fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim_end();
    let inner = inner.trim_start().strip_prefix(BARS).unwrap_or(inner);
    let inner = inner.strip_suffix(BARS).unwrap_or(inner);
    inner.split(BARS).map(str::trim).collect()
}

/// Whether a line holds the titles of the table.
pub(super) fn starts(line: &str) -> bool {
    line.contains("Hop")
        && line.contains(BARS)
        && matches!(cells(line).as_slice(), ["Hop", "IPs", "Addrs", "Loss%", ..])
}

pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let Some((first, rest)) = lines.split_first() else { return Default::default() };
    let mut draft = Draft::new("trippy", if first.text.contains('┆') { "pretty" } else { "markdown" }, lines);
    let titles = cells(first.text);
    let mut last: Option<u8> = None;
    for line in rest {
        let rule = |one: char| {
            one.is_whitespace() || matches!(one, '\u{2500}'..='\u{257f}' | '-' | '|' | '+' | '=' | ':')
        };
        if line.text.chars().all(rule) {
            continue;
        }
        if row(&mut draft, &titles, &mut last, line).is_none() {
            draft.miss(line.number);
        }
    }
    draft.trace.note(Some(first.number), "the table does not say what was traced: the target is unknown");
    draft.done()
}

fn row(draft: &mut Draft, titles: &[&str], last: &mut Option<u8>, line: &Line<'_>) -> Option<()> {
    let cells = cells(line.text);
    if cells.len() != titles.len() {
        return None;
    }
    let cell = |title: &str| titles.iter().position(|one| *one == title).map(|at| cells[at]);
    let host = |cells: &[&str]| {
        let address = pieces::address(cells[1]);
        let name = address.map_or_else(|| pieces::name(cells[1]), |one| pieces::name_beside(cells[2], one));
        Host { address, name }
    };
    if cells[0].is_empty() {
        let ttl = (*last)?;
        draft.once(
            line.number,
            "the times of a hop with several addresses are of all of them together and left out",
        );
        for one in &mut draft.trace.hop_mut(ttl).responders {
            one.stats = None;
        }
        draft.responder(ttl, &host(&cells), line.number)?;
        return Some(());
    }
    let ttl = cells[0].parse::<u8>().ok().filter(|ttl| *ttl > 0)?;
    *last = Some(ttl);
    let received = cell("Recv").and_then(pieces::count);
    let hop = draft.trace.hop_mut(ttl);
    hop.sent = cell("Snt").and_then(pieces::count);
    hop.answered = received;
    let time = |title: &str| cell(title).and_then(pieces::number);
    let stats = ForeignStats { received, best: time("Best"), avg: time("Avg"), worst: time("Wrst") };
    if let Some(one) = draft.responder(ttl, &host(&cells), line.number) {
        one.stats = Some(stats);
    }
    Some(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests_misc::{lines, plain};
    use super::*;

    const PRETTY: &str = "\
┌─────┬──────────────┬──────────┬───────┬─────┬──────┬──────┬─────┬──────┬──────┬────────┐
│ Hop ┆ IPs          ┆ Addrs    ┆ Loss% ┆ Snt ┆ Recv ┆ Last ┆ Avg ┆ Best ┆ Wrst ┆ StdDev │
╞═════╪══════════════╪══════════╪═══════╪═════╪══════╪══════╪═════╪══════╪══════╪════════╡
│ 1   ┆ 198.51.100.1 ┆ gw.lan   ┆ 10.0  ┆ 10  ┆ 9    ┆ 0.5  ┆ 0.6 ┆ 0.4  ┆ 0.9  ┆ 0.1    │
├╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌┼╌╌╌╌╌┼╌╌╌╌╌╌┼╌╌╌╌╌╌┼╌╌╌╌╌┼╌╌╌╌╌╌┼╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌┤
│ 2   ┆ ???          ┆ ???      ┆ 100.0 ┆ 10  ┆ 0    ┆ ???  ┆ ??? ┆ ???  ┆ ???  ┆ ???    │
├╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌┼╌╌╌╌╌┼╌╌╌╌╌╌┼╌╌╌╌╌╌┼╌╌╌╌╌┼╌╌╌╌╌╌┼╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌┤
│ 3   ┆ 203.0.113.1  ┆ r1       ┆ 0.0   ┆ 10  ┆ 10   ┆ 9.5  ┆ 9.6 ┆ 9.4  ┆ 9.9  ┆ 0.1    │
│     ┆ 203.0.113.5  ┆ r2       ┆       ┆     ┆      ┆      ┆     ┆      ┆      ┆        │
└─────┴──────────────┴──────────┴───────┴─────┴──────┴──────┴─────┴──────┴──────┴────────┘
";

    #[test]
    fn both_tables_are_read() {
        let markdown: String = PRETTY
            .lines()
            .filter(|line| !line.starts_with(['┌', '├', '└']))
            .map(|line| line.replace(['│', '┆'], "|").replace(['╞', '╪', '╡'], "|").replace('═', "-") + "\n")
            .collect();
        for text in [PRETTY, &markdown] {
            let lines = lines(text);
            let start = lines.iter().position(|line| starts(line.text)).unwrap();
            let (trace, missed) = read(&lines[start..]);
            assert!(missed.is_empty(), "{missed:?}");
            assert_eq!(
                plain(&trace),
                [
                    "1 10/9 gw.lan 198.51.100.1 {9 0.4 0.6 0.9}",
                    "2 10/0",
                    "3 10/10 r1 203.0.113.1 r2 203.0.113.5"
                ]
            );
        }
    }
}
