//! MikroTik RouterOS: a table that is painted anew until it is stopped, of which the last counts.
//!
//! Cells may be empty, so they are found by where they stand under the titles and not by counting. The table has totals; the
//! oldest versions have three times instead. It does not say whom it asked.

use super::Line;
use crate::import::pieces::{self, Draft, Host};
use crate::trace::foreign::{ForeignHop, ForeignReply, ForeignStats, ForeignTrace};
use crate::trace::{MplsLabel, ReplyKind};

/// Whether a line is the titles of a RouterOS traceroute.
pub(super) fn starts(line: &str) -> bool {
    is_list(line) || titles(line).is_some()
}

/// A screen that is painted anew begins with its titles again.
pub(super) fn joins(_: &[Line<'_>], line: &str) -> bool {
    starts(line)
}

/// `Columns: ADDRESS, LOSS, ...`, which version 7 puts first.
fn is_list(line: &str) -> bool {
    line.trim_start().strip_prefix("Columns:").is_some_and(|rest| rest.trim_start().starts_with("ADDRESS"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Number,
    Address,
    Loss,
    Sent,
    Last,
    Avg,
    Best,
    Worst,
    Deviation,
    Status,
}

/// A column with the place of its title, in characters.
type Titles = Vec<(Column, usize, usize)>;

fn titles(line: &str) -> Option<Titles> {
    let mut titles = Titles::new();
    for (start, word) in words(line) {
        let column = match word {
            "#" => Column::Number,
            "ADDRESS" => Column::Address,
            "LOSS" => Column::Loss,
            "SENT" => Column::Sent,
            "LAST" => Column::Last,
            "AVG" => Column::Avg,
            "BEST" => Column::Best,
            "WORST" => Column::Worst,
            "STD-DEV" => Column::Deviation,
            "STATUS" => Column::Status,
            _ => return None,
        };
        titles.push((column, start, start + word.chars().count()));
    }
    let has = |column| titles.iter().any(|(one, ..)| *one == column);
    (has(Column::Address) && (has(Column::Loss) || has(Column::Status))).then_some(titles)
}

/// The words of a line with the place of their first character.
fn words(line: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut begin: Option<(usize, usize)> = None;
    for (place, (at, one)) in line.char_indices().enumerate() {
        if one.is_whitespace() {
            if let Some((place, from)) = begin.take() {
                words.push((place, &line[from..at]));
            }
        } else if begin.is_none() {
            begin = Some((place, at));
        }
    }
    if let Some((place, from)) = begin {
        words.push((place, &line[from..]));
    }
    words
}

/// A table under one line of titles: its rows, and the lines in it that are none.
#[derive(Default)]
struct Table {
    hops: Vec<(ForeignHop, u64)>,
    notes: Vec<(u64, String)>,
    missed: Vec<u64>,
}

pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("mikrotik", "", lines);
    let mut columns = Titles::new();
    let (mut table, mut last) = (Table::default(), Table::default());
    for line in lines {
        let text = line.text.trim();
        // What the console says of itself below the table.
        if text.is_empty() || is_list(text) || text.starts_with("-- [") {
            continue;
        }
        if let Some(titles) = titles(line.text) {
            columns = titles;
            if !table.hops.is_empty() {
                last = std::mem::take(&mut table);
            }
            continue;
        }
        if table.row(&columns, line).is_none() {
            table.missed.push(line.number);
        }
    }
    if table.hops.is_empty() {
        last.missed.append(&mut table.missed);
        table = last;
    }
    for (line, text) in table.notes {
        draft.trace.note(Some(line), text);
    }
    for line in table.missed {
        draft.miss(line);
    }
    for (hop, line) in table.hops {
        let fresh = draft.trace.hops.iter().all(|one| one.ttl != hop.ttl);
        if !fresh {
            draft.once(line, "a hop number stands twice in the table: the last row counts");
        }
        let ttl = hop.ttl;
        *draft.trace.hop_mut(ttl) = hop;
    }
    draft.done()
}

impl Table {
    fn row(&mut self, columns: &Titles, line: &Line<'_>) -> Option<()> {
        if columns.is_empty() {
            return None;
        }
        let row = Row::new(columns, line.text)?;
        let host = Host::new(&row.address);
        let singles = columns.iter().all(|(column, ..)| *column != Column::Loss);
        let mut hop = ForeignHop { ttl: row.ttl.unwrap_or(0), ..ForeignHop::default() };
        if singles {
            row.singles(&mut hop, &host)?;
        } else {
            row.totals(&mut hop, &host);
        }
        if !row.status.is_empty() && !singles {
            self.status(&mut hop, &host, &row.status, line.number);
        }
        if row.ttl.is_some() {
            self.hops.push((hop, line.number));
            return Some(());
        }
        // A row without a number is a further address of the hop above.
        let (above, _) = self.hops.last_mut()?;
        if host.is_nobody() {
            return None;
        }
        for one in hop.responders {
            let at = above.responder_mut(one.address, one.name.as_deref())?;
            *at = one;
        }
        Some(())
    }

    fn status(&mut self, hop: &mut ForeignHop, host: &Host, status: &str, line: u64) {
        let inner = status.trim().trim_start_matches('<').trim_end_matches('>');
        if inner.starts_with("MPLS:") {
            match labels(inner) {
                Some(labels) => {
                    if let Some(one) = hop.responders.iter_mut().find(|one| one.address == host.address) {
                        one.mpls = labels;
                    }
                }
                None => self.notes.push((line, format!("labels not understood: `{}`", pieces::clean(inner)))),
            }
            return;
        }
        let (message, from) = inner.split_once(" from ").unwrap_or((inner, ""));
        let from = Host::new(from);
        let six = from.address.is_some_and(|address| address.is_ipv6());
        let code = match message.trim() {
            "network unreachable" | "net unreachable" => Some(0),
            "host unreachable" => Some(1),
            "protocol unreachable" => Some(2),
            "port unreachable" => Some(3),
            "fragmentation needed" => Some(4),
            "network prohibited" => Some(9),
            "host prohibited" => Some(10),
            "admin prohibited" | "administratively prohibited" | "communication prohibited" => Some(13),
            _ => None,
        };
        let kind = code.filter(|code| *code != 4).map(|code| pieces::unreachable(six, code));
        let reply = ForeignReply { kind, mark: Some(pieces::clean(message)), ..ForeignReply::default() };
        let who = if from.is_nobody() { host } else { &from };
        match hop.responder_mut(who.address, who.name.as_deref()) {
            Some(one) if !who.is_nobody() => one.replies.push(reply),
            _ => {
                hop.responders.retain(|one| one.address.is_some() || one.name.is_some());
                self.notes.push((line, format!("status: `{}`", pieces::clean(inner))));
            }
        }
    }
}

/// The cells of a row.
#[derive(Default)]
struct Row {
    ttl: Option<u8>,
    address: String,
    loss: Option<f64>,
    sent: Option<u32>,
    silent: bool,
    avg: Option<f64>,
    best: Option<f64>,
    worst: Option<f64>,
    status: String,
}

impl Row {
    fn new(columns: &Titles, line: &str) -> Option<Self> {
        let mut row = Self::default();
        let status = columns.iter().find(|(column, ..)| *column == Column::Status);
        let words = words(line);
        for (at, (start, word)) in words.iter().enumerate() {
            let end = start + word.chars().count();
            if at == 0 && row.ttl.is_none() && word.bytes().all(|one| one.is_ascii_digit()) {
                row.ttl = Some(word.parse().ok().filter(|ttl| *ttl > 0)?);
                continue;
            }
            if status.is_some_and(|(_, from, _)| start >= from) || word.starts_with('<') {
                let rest: Vec<&str> = words[at..].iter().map(|(_, word)| *word).collect();
                row.status = rest.join(" ");
                break;
            }
            // The title above it: most of it, or the nearest to the left.
            let over = |(_, from, to): &(Column, usize, usize)| end.min(*to).saturating_sub(*start.max(from));
            let above = columns.iter().filter(|column| over(column) > 0).max_by_key(|column| over(column));
            let left = || columns.iter().rev().find(|(_, from, _)| from <= start);
            let (column, ..) = *above.or_else(left)?;
            match column {
                Column::Address if row.address.is_empty() => row.address = (*word).to_owned(),
                Column::Loss => row.loss = Some(pieces::number(word.trim_end_matches('%'))?),
                Column::Sent => row.sent = Some(pieces::count(word)?),
                Column::Last if *word == "timeout" => row.silent = true,
                Column::Last | Column::Deviation => drop(duration(word)?),
                Column::Avg => row.avg = Some(duration(word)?),
                Column::Best => row.best = Some(duration(word)?),
                Column::Worst => row.worst = Some(duration(word)?),
                Column::Number | Column::Address | Column::Status => return None,
            }
        }
        let empty = row.ttl.is_none() && row.address.is_empty();
        (!empty).then_some(row)
    }

    fn totals(&self, hop: &mut ForeignHop, host: &Host) {
        hop.sent = self.sent;
        let part = self.loss.filter(|loss| *loss <= 100.0).map(|loss| 1.0 - loss / 100.0);
        hop.answered = self.sent.zip(part).map(|(sent, part)| whole(f64::from(sent) * part));
        if host.is_nobody() {
            return;
        }
        let stats =
            ForeignStats { received: hop.answered, best: self.best, avg: self.avg, worst: self.worst };
        if let Some(one) = hop.responder_mut(host.address, host.name.as_deref()) {
            one.name.clone_from(&host.name);
            one.stats = Some(stats);
        }
    }

    /// The oldest form: up to three times, `timeout` for a star, under `STATUS`.
    fn singles(&self, hop: &mut ForeignHop, host: &Host) -> Option<()> {
        let (mut sent, mut times) = (0, Vec::new());
        for word in self.status.split_whitespace() {
            sent += 1;
            if word != "timeout" {
                times.push(duration(word)?);
            }
        }
        hop.sent = Some(sent);
        hop.answered = u32::try_from(times.len()).ok();
        if times.is_empty() {
            return Some(());
        }
        let one = hop.responder_mut(host.address, host.name.as_deref()).filter(|_| !host.is_nobody())?;
        let reply = |ms| ForeignReply {
            rtt_ms: Some(ms),
            kind: Some(ReplyKind::TimeExceeded),
            ..ForeignReply::default()
        };
        one.replies = times.into_iter().take(crate::trace::foreign::most::REPLIES).map(reply).collect();
        Some(())
    }
}

fn whole(value: f64) -> u32 {
    // Saturates; it is a share of a `u32`.
    value.round() as u32
}

/// `0.7ms`, `1s20ms`, `0.7`: milliseconds.
fn duration(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !one.is_ascii_digit() && one != '.').unwrap_or(rest.len());
        let value = pieces::number(&rest[..digits])?;
        let unit_end =
            rest[digits..].find(|one: char| one.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        total += match &rest[digits..unit_end] {
            "us" => value / 1000.0,
            "ms" | "" => value,
            "s" => value * 1000.0,
            "m" => value * 60_000.0,
            _ => return None,
        };
        rest = &rest[unit_end..];
    }
    Some(total).filter(|_| !text.is_empty())
}

/// `MPLS:L=19,E=0`, several joined with `|` or a comma. Neither the bottom's bit nor a TTL is printed; the last is the bottom.
fn labels(text: &str) -> Option<Vec<MplsLabel>> {
    let mut labels: Vec<MplsLabel> = Vec::new();
    let text = text.replace("MPLS:", "");
    for field in text.split([',', '|', ' ', '/']).filter(|field| !field.is_empty()) {
        let (key, value) = field.split_once('=')?;
        let value = pieces::count(value)?;
        match key {
            "L" if labels.len() < crate::trace::foreign::most::LABELS && value < 1 << 20 => {
                labels.push(MplsLabel { label: value, tc: 0, bottom: false, ttl: 0 });
            }
            "E" => labels.last_mut()?.tc = u8::try_from(value).ok().filter(|tc| *tc < 8)?,
            "S" => labels.last_mut()?.bottom = value == 1,
            "T" => labels.last_mut()?.ttl = u8::try_from(value).ok()?,
            _ => return None,
        }
    }
    labels.last_mut()?.bottom = true;
    Some(labels)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests_misc::{lines, plain};
    use super::*;

    pub(in crate::import) const SAMPLE: &str =
        "Columns: ADDRESS, LOSS, SENT, LAST, AVG, BEST, WORST, STD-DEV, STATUS
#  ADDRESS       LOSS  SENT  LAST     AVG  BEST  WORST  STD-DEV  STATUS
1  198.51.100.1  0%       1  0.9ms    0.9  0.9   0.9          0  <MPLS:L=19,E=0>
2                100%     1  timeout
Columns: ADDRESS, LOSS, SENT, LAST, AVG, BEST, WORST, STD-DEV, STATUS
#  ADDRESS       LOSS  SENT  LAST     AVG  BEST  WORST  STD-DEV  STATUS
1  198.51.100.1  0%       3  0.7ms    0.8  0.7   0.9        0.1  <MPLS:L=19,E=1,L=20,E=0>
2                100%     3  timeout
3  203.0.113.9   33.3%    3  1s20ms  12.4  12.1  12.9       0.3  <host unreachable from 203.0.113.1>
-- [Q quit|D dump|C-z pause]
";

    #[test]
    fn the_last_table_counts() {
        let (trace, missed) = read(&lines(SAMPLE));
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!(
            plain(&trace),
            [
                "1 3/3 198.51.100.1 L19 L20 {3 0.7 0.8 0.9}",
                "2 3/0",
                "3 3/2 203.0.113.9 {2 12.1 12.4 12.9} 203.0.113.1 - Unreachable { icmp_type: 3, code: 1 } host unreachable",
            ]
        );
        assert_eq!(trace.findings, []);
    }

    #[test]
    fn version_6_aligns_to_the_right() {
        let text =
            " # ADDRESS                          LOSS SENT    LAST     AVG    BEST   WORST STD-DEV STATUS
 1 198.51.100.1                       0%    4   0.2ms     0.3     0.2     0.4     0.1
 2                                  100%    4 timeout
 3 2001:db8:aaaa:bbbb:cccc::1        25%    4    12ms    12.3    11.2    13.4     0.9
   198.51.100.5                       0%    4   0.2ms     0.3     0.2     0.4     0.1
";
        let (trace, missed) = read(&lines(text));
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!(
            plain(&trace),
            [
                "1 4/4 198.51.100.1 {4 0.2 0.3 0.4}",
                "2 4/0",
                "3 4/3 2001:db8:aaaa:bbbb:cccc::1 {3 11.2 12.3 13.4} 198.51.100.5 {4 0.2 0.3 0.4}",
            ]
        );
    }

    #[test]
    fn version_2_has_three_times() {
        let text = "     ADDRESS                                    STATUS
   1       198.51.100.1                               3ms 2ms timeout
   2            0.0.0.0                               timeout timeout timeout
";
        let (trace, missed) = read(&lines(text));
        assert_eq!(
            (missed.as_slice(), plain(&trace)),
            (
                &[][..],
                vec!["1 3/2 198.51.100.1 3 TimeExceeded 2 TimeExceeded".to_owned(), "2 3/0".to_owned()]
            )
        );
    }
}
