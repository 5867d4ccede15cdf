//! A complaint to a network operator, in the reader's language, that says no more than the evidence does.
//!
//! An operator's first answer is "it is not us". The letter leaves no room for it and gives no ground for it: what was
//! tested, when and from where, one sentence of what was found, the figures, what they do not show, a question that has an
//! answer, what to look at, and the paths as an annex. It never says that the operator does anything; it asks.
//!
//! Every sentence is a message of a Fluent file (`en.ftl`, `ru.ftl`), with plurals by the rules of its language (CLDR); a test
//! holds the files to the same messages and the same variables.

use std::io::{self, Write};

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::escape::safe;
use super::rows::{self, Cell, Lane, address_text, asn_text};
use super::words;
use crate::trace::schema::{Document, Path, Verdict};

/// Columns of an address beside others; a longer one has a line of its own.
const ADDRESS: usize = 24;
/// The widest line, in columns: what ticket systems quote without breaking it.
const WIDTH: usize = 72;

/// The languages a letter can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// English.
    English,
    /// Russian.
    Russian,
}

impl Language {
    /// Every one.
    pub const ALL: &[Self] = &[Self::English, Self::Russian];

    /// Its two letters (ISO 639-1).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
        }
    }

    /// The language with these letters.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|language| language.code() == code)
    }

    const fn messages(self) -> &'static str {
        match self {
            Self::English => include_str!("en.ftl"),
            Self::Russian => include_str!("ru.ftl"),
        }
    }

    const fn decimal(self) -> char {
        match self {
            Self::English => '.',
            Self::Russian => ',',
        }
    }
}

/// What a letter needs beyond the evidence.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The language.
    pub language: Language,
    /// The addressee, as the user writes it.
    pub to: Option<&'a str>,
}

/// Why there is no letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoLetter {
    /// The run has no verdict.
    #[error("this run draws no conclusion, and a complaint needs one")]
    NoVerdict,
    /// The target answers.
    #[error("the target answers in this run, so there is nothing to complain of")]
    Reachable,
}

/// Whether a document gives cause for a letter.
///
/// # Errors
/// [`NoLetter`] says why not.
pub fn cause(document: &Document) -> Result<(&Path, &Verdict), NoLetter> {
    let (target, verdict) =
        document.target.as_ref().zip(document.verdict.as_ref()).ok_or(NoLetter::NoVerdict)?;
    if verdict.kind == "reachable" { Err(NoLetter::Reachable) } else { Ok((target, verdict)) }
}

/// Writes the letter about a document that [gives cause](cause) for one.
///
/// # Errors
/// Whatever writing fails with; [`NoLetter`] as [`io::ErrorKind::InvalidInput`].
pub fn letter(out: &mut dyn Write, document: &Document, letter: &Letter<'_>) -> io::Result<()> {
    let (target, verdict) =
        cause(document).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let words = Words::new(letter.language);
    let facts = Facts { document, target, verdict, letter, words: &words };
    for (place, paragraph) in facts.paragraphs().iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        match paragraph {
            Paragraph::Text(text) => writeln!(out, "{}", textwrap::fill(text, WIDTH))?,
            Paragraph::List { head, items, mark } => {
                writeln!(out, "{}", textwrap::fill(head, WIDTH))?;
                for (number, item) in (1..).zip(items) {
                    let first = if *mark { "- ".to_owned() } else { format!("{number}. ") };
                    let rest = " ".repeat(first.len());
                    let options =
                        textwrap::Options::new(WIDTH).initial_indent(&first).subsequent_indent(&rest);
                    writeln!(out, "{}", textwrap::fill(item, options))?;
                }
            }
            Paragraph::Lines(lines) => {
                for line in lines {
                    writeln!(out, "{}", line.trim_end())?;
                }
            }
        }
    }
    Ok(())
}

enum Paragraph {
    Text(String),
    List { head: String, items: Vec<String>, mark: bool },
    Lines(Vec<String>),
}

/// A language's messages.
struct Words {
    bundle: FluentBundle<FluentResource>,
    language: Language,
}

impl Words {
    fn new(language: Language) -> Self {
        let locale = match language {
            Language::English => unic_langid::langid!("en"),
            Language::Russian => unic_langid::langid!("ru"),
        };
        let mut bundle = FluentBundle::new(vec![locale]);
        // Marks around every variable would end up in tickets; names are escaped instead.
        bundle.set_use_isolating(false);
        // A broken file is found by a test. What can be read of it is better than no letter.
        let messages =
            FluentResource::try_new(language.messages().to_owned()).unwrap_or_else(|(read, _)| read);
        let _ = bundle.add_resource(messages);
        Self { bundle, language }
    }

    /// A message with its variables filled in.
    fn say(&self, id: &str, values: &[(&str, Value<'_>)]) -> String {
        let Some(pattern) = self.bundle.get_message(id).and_then(|message| message.value()) else {
            return id.to_owned();
        };
        let mut arguments = FluentArgs::new();
        for (name, value) in values {
            arguments.set(
                *name,
                match value {
                    Value::Text(text) => FluentValue::from(text.to_string()),
                    Value::Count(count) => FluentValue::from(*count),
                },
            );
        }
        let text = self.bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned();
        // A message over several lines is one sentence.
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn plain(&self, id: &str) -> String {
        self.say(id, &[])
    }

    fn list(&self, items: &[String], last: &str) -> String {
        match items {
            [] => String::new(),
            [one] => one.clone(),
            [most @ .., end] => format!("{} {} {end}", most.join(", "), self.plain(last)),
        }
    }

    fn decimal(&self, value: f64) -> String {
        format!("{value:.1}").replace('.', &self.language.decimal().to_string())
    }

    /// A share as per cent, rounded down: 100 % is claimed by no measurement.
    fn percent(&self, share: f64) -> String {
        self.decimal(((share * 1000.0).floor() / 10.0).min(99.9))
    }
}

/// A variable of a message.
enum Value<'a> {
    Text(&'a str),
    Count(u32),
}

/// Sizes in words: `1500 bytes`.
struct Sizes {
    large: String,
    small: String,
}

impl Sizes {
    fn large(&self) -> (&'static str, Value<'_>) {
        ("large", Value::Text(&self.large))
    }

    fn values(&self) -> [(&'static str, Value<'_>); 2] {
        [self.large(), ("small", Value::Text(&self.small))]
    }
}

struct Facts<'a> {
    document: &'a Document,
    target: &'a Path,
    verdict: &'a Verdict,
    letter: &'a Letter<'a>,
    words: &'a Words,
}

impl Facts<'_> {
    fn paragraphs(&self) -> Vec<Paragraph> {
        let words = self.words;
        let target = host(self.target);
        let lost = self.sizes().filter(|_| self.is_of_size());
        let subject = match &lost {
            Some(lost) => words.say("subject-size", &[("target", Value::Text(&target)), lost.large()]),
            None => words.say("subject", &[("target", Value::Text(&target))]),
        };
        let mut all = vec![
            Paragraph::Text(match self.letter.to {
                Some(to) => words.say("greeting", &[("to", Value::Text(&safe(to)))]),
                None => words.plain("greeting-nobody"),
            }),
            Paragraph::Text(subject),
            Paragraph::Text(words.plain("dear")),
            Paragraph::Text(self.tested(&target)),
            Paragraph::Text(self.finding(&target)),
        ];
        if let Some(lost) = &lost {
            all.push(Paragraph::Text(words.say("finding-size", &lost.values())));
        }
        if let Some(figures) = self.figures() {
            all.push(Paragraph::Text(figures));
        }
        all.push(Paragraph::Text(words.plain("limit")));
        all.push(self.question());
        all.push(self.checks());
        all.push(Paragraph::Lines(self.annex()));
        all.push(Paragraph::Text(self.credit()));
        all
    }

    fn tested(&self, target: &str) -> String {
        let references: Vec<String> = self.document.references.iter().map(host).collect();
        let names = self.words.list(&references, "and");
        let (probes, seconds) = match &self.document.measurement {
            Some(measurement) => (measurement.probes, measurement.seconds.0 as f64 / 1e9),
            None => (self.sent(), 0.0),
        };
        let (when, source, how) = (self.when(), self.source(), self.how());
        let seconds = self.words.decimal(seconds);
        let mut values = vec![
            ("when", Value::Text(&when)),
            ("source", Value::Text(&source)),
            ("target", Value::Text(target)),
            ("probes", Value::Count(probes)),
            ("seconds", Value::Text(&seconds)),
            ("how", Value::Text(&how)),
        ];
        if let Some(sizes) = self.sizes() {
            values.extend(sizes.values());
            return self.words.say("tested-size", &values);
        }
        if references.is_empty() {
            return self.words.say("tested-alone", &values);
        }
        values.push(("references", Value::Text(&names)));
        values.push(("count", Value::Count(references.len() as u32)));
        self.words.say("tested", &values)
    }

    /// The sizes of the packets, where the target is compared with itself by small ones.
    fn sizes(&self) -> Option<Sizes> {
        let asked = self.verdict.packet_size?;
        let small = self.document.references.first()?.size?;
        let bytes = |size: u16| self.words.say("bytes", &[("count", Value::Count(size.into()))]);
        Some(Sizes { large: bytes(asked.lost.unwrap_or(asked.asked)), small: bytes(small) })
    }

    /// Whether the verdict is that packets are lost for their size.
    fn is_of_size(&self) -> bool {
        self.verdict.packet_size.is_some_and(|sizes| sizes.lost.is_some())
    }

    /// Probes that the paths show, where the record of their cost is missing.
    fn sent(&self) -> u32 {
        let paths = std::iter::once(self.target).chain(&self.document.references);
        paths.flat_map(|path| &path.hops).filter_map(|hop| hop.sent).sum()
    }

    fn source(&self) -> String {
        let vantage = &self.document.vantage;
        let address = vantage.source.map_or_else(|| "?".to_owned(), |address| address.to_string());
        match vantage.asn {
            Some(asn) => {
                let asn = asn.to_string();
                let values = [("address", Value::Text(&address)), ("asn", Value::Text(&asn))];
                self.words.say("source-in", &values)
            }
            None => address,
        }
    }

    fn how(&self) -> String {
        let port = self.document.port.map(|port| port.to_string()).unwrap_or_default();
        let id = match self.document.protocol.as_deref().unwrap_or_default() {
            "tcp" => "how-tcp",
            "udp" => "how-udp",
            _ => "how-icmp",
        };
        self.words.say(id, &[("port", Value::Text(&port))])
    }

    fn when(&self) -> String {
        let started = self.document.started_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        let Some(started) = started else { return self.words.plain("when-unknown") };
        let utc = self.date("when", &started.to_zoned(TimeZone::UTC), None);
        let offset = self.document.vantage.utc_offset.as_deref().and_then(words::offset);
        let Some(offset) = offset else { return utc };
        let local = started.to_zoned(offset.to_time_zone());
        if local.offset() == Offset::UTC { utc } else { self.date("when-local", &local, Some(&utc)) }
    }

    fn date(&self, id: &str, at: &Zoned, utc: Option<&str>) -> String {
        let (day, year) = (at.day().to_string(), at.year().to_string());
        let time = format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
        let minutes = at.offset().seconds() / 60;
        let sign = if minutes < 0 { '−' } else { '+' };
        let offset = match (minutes.abs() / 60, minutes.abs() % 60) {
            (hours, 0) => format!("{sign}{hours}"),
            (hours, minutes) => format!("{sign}{hours}:{minutes:02}"),
        };
        self.words.say(
            id,
            &[
                ("day", Value::Text(&day)),
                ("month", Value::Count(at.month().unsigned_abs().into())),
                ("year", Value::Text(&year)),
                ("time", Value::Text(&time)),
                ("offset", Value::Text(&offset)),
                ("utc", Value::Text(utc.unwrap_or_default())),
            ],
        )
    }

    fn place(&self) -> String {
        let Verdict { after, before, after_ttl, before_ttl, .. } = self.verdict;
        let number = |ttl: Option<u8>| ttl.map(|ttl| ttl.to_string()).unwrap_or_default();
        let (after_ttl, before_ttl) = (number(*after_ttl), number(*before_ttl));
        let shown = |address: &Option<String>| address.as_deref().map(|text| safe(text).into_owned());
        let (after, before) = (shown(after), shown(before));
        let id = match (&after, &before) {
            (Some(_), Some(_)) => "place-between",
            (None, Some(_)) => "place-before",
            (Some(_), None) => "place-after",
            (None, None) => "place-unknown",
        };
        self.words.say(
            id,
            &[
                ("after", Value::Text(after.as_deref().unwrap_or_default())),
                ("after_ttl", Value::Text(&after_ttl)),
                ("before", Value::Text(before.as_deref().unwrap_or_default())),
                ("before_ttl", Value::Text(&before_ttl)),
            ],
        )
    }

    fn finding(&self, target: &str) -> String {
        let alternatives = !matches!(self.verdict.kind.as_str(), "lost_inside_as" | "lost_at_as_border");
        let named = |(place, asn): (usize, &u32)| {
            let name = self.verdict.as_names.get(place).map(String::as_str);
            safe(&words::as_with_name(*asn, name)).into_owned()
        };
        let names: Vec<String> = self.verdict.asns.iter().enumerate().map(named).collect();
        let networks = match names.as_slice() {
            [] => self.words.plain("networks-unknown"),
            names => self.words.list(names, if alternatives { "or" } else { "and" }),
        };
        let place = self.place();
        let known = format!("finding-{}", self.verdict.kind);
        // A record of a newer version may know more kinds; nothing is claimed of those.
        let id = if self.words.bundle.has_message(&known) { known.as_str() } else { "finding-inconclusive" };
        self.words.say(
            id,
            &[
                ("target", Value::Text(target)),
                ("networks", Value::Text(&networks)),
                ("place", Value::Text(&place)),
            ],
        )
    }

    fn figures(&self) -> Option<String> {
        let (words, verdict, evidence) = (self.words, self.verdict, &self.verdict.evidence);
        let mut said = Vec::new();
        if evidence.pairs > 0 && evidence.e_value >= 1.0 {
            let odds = format!("{:.0}", evidence.e_value.floor());
            said.push(words.say(
                if self.sizes().is_some() { "evidence-size" } else { "evidence" },
                &[
                    ("pairs", Value::Count(evidence.pairs)),
                    ("reference", Value::Count(evidence.reference_answered)),
                    ("answered", Value::Count(evidence.target_answered)),
                    ("odds", Value::Text(&odds)),
                ],
            ));
        }
        if let scope @ ("port" | "protocol" | "prefix") = verdict.scope.as_str() {
            said.push(words.plain(&format!("scope-{scope}")));
        }
        if verdict.location_confidence > 0.0 && verdict.attribution_confidence > 0.0 {
            let location = words.percent(verdict.location_confidence);
            let attribution = words.percent(verdict.attribution_confidence);
            let values = [("location", Value::Text(&location)), ("attribution", Value::Text(&attribution))];
            said.push(words.say("certainty", &values));
        }
        (!said.is_empty()).then(|| said.join(" "))
    }

    fn address(&self) -> String {
        self.target.address.map_or_else(|| host(self.target), |address| address.to_string())
    }

    fn question(&self) -> Paragraph {
        let address = self.address();
        let first = match self.sizes().filter(|_| self.is_of_size()) {
            Some(lost) => {
                self.words.say("question-size", &[("address", Value::Text(&address)), lost.large()])
            }
            None => self.words.say("question-filter", &[("address", Value::Text(&address))]),
        };
        Paragraph::List {
            head: self.words.plain("question-head"),
            items: vec![first, self.words.plain("question-since"), self.words.plain("question-else")],
            mark: false,
        }
    }

    fn checks(&self) -> Paragraph {
        let (address, place, how) = (self.address(), self.place(), self.how());
        let prefix = self.target.address.map_or_else(|| address.clone(), words::route);
        let reference =
            self.document.references.iter().find_map(|path| path.address).map(|one| one.to_string());
        let mut trace = vec![("address", Value::Text(&address)), ("how", Value::Text(&how))];
        let sizes = self.sizes();
        let id = match (&reference, &sizes) {
            (_, Some(sizes)) => {
                trace.extend(sizes.values());
                "check-trace-size"
            }
            (Some(reference), None) => {
                trace.push(("reference", Value::Text(reference)));
                "check-trace"
            }
            (None, None) => "check-trace-alone",
        };
        let route = if self.is_of_size() {
            self.words.say("check-size", &[("place", Value::Text(&place))])
        } else {
            self.words.say("check-route", &[("prefix", Value::Text(&prefix)), ("place", Value::Text(&place))])
        };
        Paragraph::List {
            head: self.words.plain("check-head"),
            items: vec![route, self.words.say(id, &trace), self.words.plain("check-counters")],
            mark: true,
        }
    }

    /// The paths side by side, at most 72 columns: the target and the first reference.
    fn annex(&self) -> Vec<String> {
        let words = self.words;
        let reference = self.document.references.first();
        let hint = words.plain("annex-hint");
        let mut lines = vec![format!("{} ({hint})", words.plain("annex-head"))];
        let row = |hop: &str, address: &str, asn: &str, target: &str, other: &str| {
            format!("{hop:>3}  {address:<ADDRESS$} {asn:<12} {target:>13} {other:>13}")
        };
        let small = if self.sizes().is_some() { "annex-small" } else { "annex-reference" };
        let other = reference.map(|_| words.plain(small)).unwrap_or_default();
        lines.push(row(&words.plain("annex-hop"), "", "", &words.plain("annex-target"), &other));
        let lanes: Vec<Lane<'_>> = std::iter::once(self.target).chain(reference).map(Lane::of).collect();
        for shown in rows::rows(&lanes) {
            let ttl = shown.ttl.to_string();
            let cells: Vec<String> = lanes.iter().map(|lane| cell(rows::cell(lane, &shown))).collect();
            let (own, their) = (&cells[0], cells.get(1).map_or("", String::as_str));
            let (address, asn) = (address_text(&shown), asn_text(shown.responder));
            if address.len() > ADDRESS {
                lines.push(format!("{ttl:>3}  {address}"));
                lines.push(row("", "", &asn, own, their));
            } else {
                lines.push(row(&ttl, &address, &asn, own, their));
            }
        }
        if let Some(reference) = reference.filter(|path| path.reached) {
            lines.push(format!("     {}: {}", host(reference), words.plain("annex-host")));
        }
        lines
    }

    fn credit(&self) -> String {
        let tool = &self.document.tool;
        let (name, version) = (safe(&tool.name), safe(&tool.version));
        let made =
            self.words.say("made", &[("tool", Value::Text(&name)), ("version", Value::Text(&version))]);
        let Some(table) = &self.document.asdb else { return made };
        let sha256 = safe(&table.sha256);
        // Where terms are known they are owed: they stand with the day of each source.
        let terms = table.sources.iter().any(|source| source.licence.is_some());
        let date = table.built_at.as_deref().and_then(|time| time.get(..10)).filter(|_| !terms);
        let origin = if terms { words::credits(table).join("; ") } else { table.origin.clone() };
        let origin = safe(&origin);
        let mut values = vec![("origin", Value::Text(&origin)), ("sha256", Value::Text(&sha256))];
        values.extend(date.map(|date| ("date", Value::Text(date))));
        let id = if date.is_some() { "table" } else { "table-undated" };
        format!("{} {made}", self.words.say(id, &values))
    }
}

/// Answered of sent, and the best round trip: `4/4 26.3`.
fn cell(cell: Cell<'_>) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Silent { sent } => format!("0/{sent}"),
        Cell::Answered { sent, responder } => {
            let counts = format!("{}/{sent}", rows::replies(responder));
            responder.rtt_ms.map_or(counts.clone(), |rtt| format!("{counts} {}", rows::short(rtt.min)))
        }
    }
}

/// A host with its address.
fn host(path: &Path) -> String {
    safe(&words::host(path)).into_owned()
}

#[cfg(test)]
mod tests;
