//! Where the results go: a line each, whole or not at all, and what they say together.
//!
//! A line is written by one call and ends in a line feed. Whoever is killed in the middle of it leaves a line without one,
//! which [`Results::open`] cuts off again with `--resume`; everything before it is a result that is not measured again.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::hash::Hasher as _;
use std::io::{self, BufRead, BufReader, IsTerminal, Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use siphasher::sip::SipHasher13;

#[cfg(feature = "parquet")]
use super::table::Table;
use crate::cli::failure::{Failure, error_text, unwritable};
use crate::number::Asn;
use crate::report::{Document, safe};
use crate::trace::{Losses, schema};
use crate::verdict::Kind;

/// How a result begins.
const BEGINS: &[u8] = br#"{"schema":"lasthop.run/1""#;
/// No result is longer, in bytes.
const LONGEST_LINE: u64 = 64 << 20;

/// What tells results apart: protocol, target and reference as they are written, and their ports.
pub fn key(protocol: &str, target: (&str, u16), reference: Option<(&str, u16)>) -> u64 {
    let mut hasher = SipHasher13::new();
    let mut part = |text: &str, port: u16| {
        hasher.write(text.as_bytes());
        hasher.write_u8(0xff);
        hasher.write_u16(port);
    };
    part(protocol, 0);
    part(target.0, target.1);
    if let Some((host, port)) = reference {
        part(host, port);
    }
    hasher.finish()
}

/// What is read back of a result.
#[derive(Deserialize)]
struct Line {
    schema: String,
    protocol: Option<String>,
    port: Option<u16>,
    target: Option<Side>,
    #[serde(default)]
    references: Vec<Side>,
    verdict: Option<Said>,
    error: Option<schema::Failure>,
}

#[derive(Deserialize)]
struct Side {
    host: String,
    port: Option<u16>,
    chosen: Option<schema::Chosen>,
}

#[derive(Deserialize)]
struct Said {
    kind: String,
    asns: Vec<u32>,
    as_names: Vec<String>,
    reason: Option<String>,
}

/// What all results say together.
#[derive(Debug, Default)]
pub struct Summary {
    results: u64,
    /// Of an earlier run.
    earlier: u64,
    kinds: BTreeMap<String, u64>,
    reasons: BTreeMap<String, u64>,
    /// Results that name an AS, and its name.
    networks: BTreeMap<u32, (u64, String)>,
    errors: u64,
    /// Packets of this run.
    sent: u64,
    /// What the kernel had no room for, or we did not: a reply among them was taken for a silence.
    losses: Losses,
    /// Packets aimed at the sweep's with a wrong key.
    wrong_key: u64,
}

impl Summary {
    /// What the wire tells of one family's measurement.
    pub const fn heard(&mut self, sent: u64, losses: Losses, wrong_key: u64) {
        self.sent += sent;
        self.losses.overflow += losses.overflow;
        self.losses.truncated += losses.truncated;
        self.wrong_key += wrong_key;
    }

    fn verdict(&mut self, kind: &str, asns: &[u32], names: &[String], reason: Option<&str>) {
        *self.kinds.entry(kind.to_owned()).or_default() += 1;
        if let Some(reason) = reason {
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
        }
        let accuses = Kind::ALL.iter().any(|one| one.word() == kind && one.names_somebody());
        for (place, asn) in asns.iter().enumerate().filter(|_| accuses) {
            let row = self.networks.entry(*asn).or_default();
            row.0 += 1;
            if let Some(name) = names.get(place).filter(|_| row.1.is_empty()) {
                row.1.clone_from(name);
            }
        }
    }

    /// The networks, those with the most results first.
    fn ranked(&self) -> Vec<(u32, u64, &str)> {
        let mut rows: Vec<_> =
            self.networks.iter().map(|(asn, (count, name))| (*asn, *count, name.as_str())).collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.1), row.0));
        rows
    }

    fn counts(map: &BTreeMap<String, u64>) -> String {
        let mut rows: Vec<_> = map.iter().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.1));
        rows.iter().map(|(word, count)| format!("{count} {}", safe(word))).collect::<Vec<_>>().join(", ")
    }

    /// In a sentence.
    pub fn sentence(&self) -> String {
        let mut parts = Vec::new();
        if !self.kinds.is_empty() {
            parts.push(Self::counts(&self.kinds));
        }
        if !self.reasons.is_empty() {
            parts.push(format!("why inconclusive: {}", Self::counts(&self.reasons)));
        }
        if self.errors > 0 {
            parts.push(format!("not measured: {}", self.errors));
        }
        let earlier = match self.earlier {
            0 => String::new(),
            earlier => format!(" ({earlier} of an earlier run)"),
        };
        let plural = if self.results == 1 { "result" } else { "results" };
        let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) };
        format!("{} {plural}{earlier}{parts}", self.results)
    }

    /// A line a network, for people.
    pub fn lines(&self) -> Vec<String> {
        let rows = self.ranked();
        let width = rows.iter().map(|row| row.1.to_string().len()).max().unwrap_or(0);
        let line = |(asn, count, name): &(u32, u64, &str)| {
            format!("  {count:>width$}  {} {}", Asn(*asn), safe(name)).trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    }

    /// As a set without runs: those stand in their own lines.
    pub fn document(&self, bad_lines: u64, stopped: bool) -> Value {
        let rows = self.ranked();
        let networks: Vec<Value> = rows
            .iter()
            .map(|(asn, count, name)| json!({"asn": asn, "as_name": name, "results": count}))
            .collect();
        json!({
            "schema": schema::SET,
            "runs": [],
            "conclusion": {
                "kind": "batch",
                "asns": rows.iter().map(|row| row.0).collect::<Vec<_>>(),
                "summary": self.sentence(),
                "results": self.results,
                "earlier": self.earlier,
                "kinds": self.kinds,
                "reasons": self.reasons,
                "networks": networks,
                "not_measured": self.errors,
                "packets": self.sent,
                "kernel_drops": self.losses.overflow,
                "truncated": self.losses.truncated,
                "wrong_key": self.wrong_key,
                "bad_lines": bad_lines,
                "stopped": stopped,
            },
        })
    }
}

/// Where lines go.
#[derive(Debug)]
enum Out {
    Standard,
    /// With the length of what is whole in it.
    File {
        path: PathBuf,
        file: File,
        whole: u64,
    },
}

/// The results so far, and room for more.
#[derive(Debug)]
pub struct Results {
    out: Out,
    resumes: bool,
    /// What an earlier run has found.
    known: HashSet<u64>,
    /// What it could not measure, and has told of.
    failed: HashSet<u64>,
    pub summary: Summary,
    /// Nobody reads standard output any more.
    pub closed: bool,
    /// The same as a table.
    #[cfg(feature = "parquet")]
    table: Option<Table>,
    /// Why there is none any more.
    #[cfg(feature = "parquet")]
    no_table: Option<Failure>,
}

impl Results {
    /// Opens the file, and makes sure that nobody else writes to it.
    pub fn open(path: Option<&Path>, resumes: bool) -> Result<Self, Failure> {
        let path = path.filter(|path| *path != Path::new("-"));
        let out = match path {
            None if resumes => {
                return Err(Failure::usage("--resume needs a file to go on with", "name it: -o FILE"));
            }
            None => Out::Standard,
            Some(path) => Out::File { path: path.to_owned(), file: open(path, resumes)?, whole: 0 },
        };
        Ok(Self {
            out,
            resumes,
            known: HashSet::new(),
            failed: HashSet::new(),
            summary: Summary::default(),
            closed: false,
            #[cfg(feature = "parquet")]
            table: None,
            #[cfg(feature = "parquet")]
            no_table: None,
        })
    }

    /// Every result goes to this table as well, those of an earlier run included.
    #[cfg(feature = "parquet")]
    pub fn with_table(self, table: Table) -> Self {
        Self { table: Some(table), ..self }
    }

    /// Whether lines go to a terminal, where a progress line would be in their way.
    pub fn on_terminal(&self) -> bool {
        matches!(self.out, Out::Standard) && io::stdout().is_terminal()
    }

    /// Whether they go to standard output.
    pub const fn on_stdout(&self) -> bool {
        matches!(self.out, Out::Standard)
    }

    /// Reads what is there, and cuts off a last line that is not whole.
    pub fn read_back(&mut self) -> Result<(), Failure> {
        let Out::File { path, file, whole } = &mut self.out else { return Ok(()) };
        if !self.resumes {
            return Ok(());
        }
        let unreadable = |error: &io::Error| {
            Failure::input(
                format!("cannot read the results in {}: {}", path.display(), error_text(error)),
                Some("make the file readable, or write to a new one".into()),
            )
        };
        let mut input = BufReader::new(&mut *file);
        let mut text = Vec::new();
        let mut number = 0_u64;
        loop {
            text.clear();
            let mut some = (&mut input).take(LONGEST_LINE);
            let length = some.read_until(b'\n', &mut text).map_err(|error| unreadable(&error))?;
            let torn = text.last() != Some(&b'\n');
            if length == 0 {
                break;
            }
            number += 1;
            // Only a line that could have become one of ours is cut off.
            let begins = BEGINS.iter().zip(&text).all(|(ours, theirs)| ours == theirs);
            if torn && begins && (length as u64) < LONGEST_LINE {
                break;
            }
            let line: Line = serde_json::from_slice(&text)
                .ok()
                .filter(|line: &Line| line.schema == schema::RUN)
                .ok_or_else(|| {
                    Failure::input(
                        format!("{} line {number} is no result of lasthop batch", path.display()),
                        Some("go on with the file that an earlier batch wrote, or write to a new one".into()),
                    )
                })?;
            *whole += length as u64;
            #[cfg(feature = "parquet")]
            if let Some(table) = &mut self.table {
                let document = serde_json::from_slice(&text);
                table.tell(&document.map_err(|error| {
                    Failure::input(
                        format!("cannot read {} line {number} back: {error}", path.display()),
                        Some("leave out --resume, and name another file for the results with -o".to_owned()),
                    )
                })?)?;
            }
            let port = line.port.unwrap_or(0);
            let given = |side: &&Side| side.chosen.as_ref().is_some_and(|chosen| chosen.how == "given");
            let reference = line.references.iter().find(given);
            // What was not measured is measured now, if it can be.
            let keys = if line.verdict.is_some() { &mut self.known } else { &mut self.failed };
            if let Some(target) = &line.target {
                let reference = reference.map(|side| (side.host.as_str(), side.port.unwrap_or(port)));
                keys.insert(key(line.protocol.as_deref().unwrap_or(""), (&target.host, port), reference));
            }
            self.summary.results += 1;
            self.summary.earlier += 1;
            match &line.verdict {
                Some(said) => {
                    self.summary.verdict(&said.kind, &said.asns, &said.as_names, said.reason.as_deref());
                }
                None => self.summary.errors += u64::from(line.error.is_some()),
            }
        }
        let cut = file.set_len(*whole).and_then(|()| file.seek(SeekFrom::Start(*whole)));
        cut.map_err(|error| unwritable(&path.display().to_string(), &error))?;
        Ok(())
    }

    /// Whether an earlier run has this result.
    pub fn has(&self, key: u64) -> bool {
        self.known.contains(&key)
    }

    /// Whether an earlier run has told that this could not be measured.
    pub fn has_failed(&self, key: u64) -> bool {
        self.failed.contains(&key)
    }

    /// Writes a result.
    pub fn tell(&mut self, document: &Document) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(document).map_err(|error| {
            let hint = "this is a fault of lasthop: please report it with this line";
            Failure::environment(
                "output",
                format!("a result cannot be written as JSON: {error}"),
                Some(hint.into()),
            )
        })?;
        line.push(b'\n');
        match &mut self.out {
            Out::Standard => {
                let mut out = io::stdout().lock();
                match out.write_all(&line).and_then(|()| out.flush()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        self.closed = true;
                        return Ok(());
                    }
                    Err(error) => return Err(unwritable("standard output", &error)),
                }
            }
            Out::File { path, file, whole } => {
                if let Err(error) = file.write_all(&line) {
                    // What was begun is taken back, so that the file holds whole lines even if nobody resumes it; if that
                    // fails as well, `--resume` does it.
                    let _ = file.set_len(*whole);
                    return Err(unwritable(&path.display().to_string(), &error));
                }
                *whole += line.len() as u64;
            }
        }
        #[cfg(feature = "parquet")]
        if let Some(table) = &mut self.table
            && let Err(failure) = table.tell(document)
        {
            // The results themselves are not lost to a table that cannot be written.
            self.table = None;
            self.no_table.get_or_insert(failure);
        }
        self.summary.results += 1;
        match &document.verdict {
            Some(said) => {
                self.summary.verdict(&said.kind, &said.asns, &said.as_names, said.reason.as_deref())
            }
            None => self.summary.errors += 1,
        }
        Ok(())
    }

    /// Makes sure that the file survives the machine.
    pub fn close(&mut self) -> Result<(), Failure> {
        #[cfg(feature = "parquet")]
        let table = match (self.no_table.take(), self.table.take()) {
            (Some(failure), _) => Err(failure),
            (None, Some(table)) => table.close(),
            (None, None) => Ok(()),
        };
        let synced = match &mut self.out {
            // A pipe or device has nothing to sync.
            Out::File { path, file, .. } if file.metadata().is_ok_and(|metadata| metadata.is_file()) => {
                file.sync_all().map_err(|error| unwritable(&path.display().to_string(), &error))
            }
            _ => Ok(()),
        };
        #[cfg(feature = "parquet")]
        let synced = synced.and(table);
        synced
    }
}

fn open(path: &Path, resumes: bool) -> Result<File, Failure> {
    let name = path.display().to_string();
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    // A pipe or device cannot be read back.
    let file = file.or_else(|error| match resumes {
        true => Err(error),
        false => File::options().write(true).open(path),
    });
    let file = file.map_err(|error| unwritable(&name, &error))?;
    let metadata = file.metadata().map_err(|error| unwritable(&name, &error))?;
    if resumes && !metadata.is_file() {
        return Err(Failure::usage(format!("{name} is no file that can be resumed"), "name a file with -o"));
    }
    if metadata.is_file() {
        if file.try_lock().is_err() {
            return Err(Failure::environment(
                "output",
                format!("another batch is writing to {name}"),
                Some("wait for it, or write to another file".into()),
            ));
        }
        if !resumes && metadata.len() > 0 {
            return Err(Failure::usage(
                format!("{name} holds results already"),
                "--resume goes on with them; or write to another file",
            ));
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(host: &str, kind: Option<&str>) -> Document {
        let mut value = json!({
            "schema": schema::RUN, "tool": {"name": "lasthop", "version": "0"}, "started_at": null,
            "finished_at": null, "vantage": {"source": null, "interface": null, "asn": null, "label": null},
            "asdb": null, "protocol": "tcp", "port": 25, "references": [], "verdict": null, "error": null,
            "target": {"host": host, "address": null, "asn": null, "as_name": null, "prefix": null,
                       "reached": false, "distance": null, "hops": [], "as_path": []},
        });
        if let Some(kind) = kind {
            value["verdict"] = json!({
                "kind": kind, "asns": [8359], "as_names": ["MTS"], "after_ttl": null, "before_ttl": null,
                "after": null, "before": null, "mechanism": "none", "scope": "host", "location_confidence": 0.0,
                "attribution_confidence": 0.0, "reason": null, "summary": "", "next_step": null,
                "evidence": {"pairs": 0, "target_answered": 0, "reference_answered": 0, "e_value": 0.0,
                             "posterior": 0.0, "flows": 0, "references": 0},
            });
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_torn_line_is_cut_off_and_nothing_is_lost_or_doubled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let mut results = Results::open(Some(&path), false).unwrap();
        for host in ["one.example", "two.example"] {
            results.tell(&document(host, Some("lost_inside_as"))).unwrap();
        }
        drop(results);
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for cut in [0, 1, first - 1, first, first + 1, whole.len() - 1, whole.len()] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut results = Results::open(Some(&path), true).unwrap();
            results.read_back().unwrap();
            for host in ["one.example", "two.example"] {
                if !results.has(key("tcp", (host, 25), None)) {
                    results.tell(&document(host, Some("lost_inside_as"))).unwrap();
                }
            }
            assert_eq!(results.summary.networks[&8359].0, 2);
            drop(results);
            assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_file_of_something_else_is_refused_and_a_full_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "dear diary\n").unwrap();
        assert_eq!(Results::open(Some(&path), false).unwrap_err().kind, "usage");
        let mut results = Results::open(Some(&path), true).unwrap();
        let other = Results::open(Some(&path), true).unwrap_err();
        assert!(other.message.contains("another batch"), "{}", other.message);
        assert!(results.read_back().unwrap_err().message.contains("line 1"));
        assert_eq!(std::fs::read(&path).unwrap(), b"dear diary\n");
        // Without a line's end it is no torn result either.
        let key = folder.path().join("key");
        for text in ["a key", "{\"schema\":\"lasthop.set/1\"}", "{\"b"] {
            std::fs::write(&key, text).unwrap();
            let mut results = Results::open(Some(&key), true).unwrap();
            assert!(results.read_back().unwrap_err().message.contains("line 1"), "{text}");
            assert_eq!(std::fs::read(&key).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn the_sum_counts_networks_that_are_named() {
        let mut summary = Summary::default();
        for kind in ["lost_inside_as", "lost_inside_as", "reachable"] {
            summary.verdict(kind, &[8359], &["MTS".to_owned()], None);
            summary.results += 1;
        }
        summary.verdict("inconclusive", &[], &[], Some("weak"));
        summary.results += 1;
        assert_eq!(
            summary.sentence(),
            "4 results: 2 lost_inside_as, 1 inconclusive, 1 reachable; why inconclusive: 1 weak"
        );
        assert_eq!(summary.lines(), ["  2  AS8359 MTS"]);
        assert_eq!(summary.document(3, false)["conclusion"]["networks"][0]["results"], 2);
    }

    #[test]
    fn keys_tell_pairs_apart() {
        let all = [
            key("tcp", ("a", 25), None),
            key("tcp", ("a", 26), None),
            key("icmp", ("a", 25), None),
            key("tcp", ("a", 25), Some(("b", 25))),
            key("tcp", ("a", 25), Some(("b", 26))),
            key("tcp", ("ab", 25), None),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }
}
