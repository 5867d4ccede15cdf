//! `db lookup`: whose addresses these are, and on what grounds.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::super::exit::Exit;
use super::super::failure::{Failure, error_text};
use super::super::live::{self, Data};
use super::super::output;
use crate::asdb::{Info, Kind, Origin, Peering, Piece, Source};
use crate::number::{Asn, AsnClass};
use crate::path::{Attribution, Origins};
use crate::report::safe;
use crate::trace::WallTime;

/// From so many addresses on, the table is unpacked for millions.
const MANY: u64 = 4096;
/// Owners of a split prefix that text lists.
const OWNERS: usize = 16;
/// Pieces of a split prefix that JSON lists.
const PARTS: usize = 1000;

/// What is asked, and how it is answered.
struct Asked<'a> {
    data: &'a Data,
    info: Info,
    as_json: bool,
    today: Date,
    answered: Cell<u64>,
}

/// Answers in the order asked.
pub fn lookup(words: &[String], as_json: bool, data: &Data, now: WallTime) -> Result<Exit, Failure> {
    let asked =
        Asked { data, info: data.table.info(), as_json, today: live::day(now), answered: Cell::new(0) };
    if !as_json && let Some(warning) = data.describe(now).warning {
        output::talk(&format!("table: {warning}"));
    }
    // One bad word of many loses nothing of the others; the status tells of it at the end.
    let mut exit = Exit::Ok;
    output::stdout(|out| {
        for text in words {
            let done = if text == "-" {
                asked.lines(out, io::stdin().lock(), "standard input")?
            } else if let Some(path) = text.strip_prefix('@') {
                match File::open(path) {
                    Ok(file) => asked.lines(out, BufReader::new(file), path)?,
                    Err(error) => {
                        let failure = Failure::input(
                            format!("cannot open {path}: {}", error_text(&error)),
                            Some("behind @ stands a file of addresses, one a line".into()),
                        );
                        asked.told(out, None, failure).map(Err)?
                    }
                }
            } else {
                let bad = "give IPv4 or IPv6 addresses or prefixes, such as 192.0.2.1 or 2001:db8::/32";
                asked.answer(out, text.trim(), || Failure::usage(format!("'{text}' is no address"), bad))?
            };
            if let Err(failure) = done
                && (exit == Exit::Ok || failure.exit == Exit::Usage)
            {
                exit = failure.exit;
            }
        }
        Ok(())
    })?;
    Ok(exit)
}

/// What a word asks for.
enum Question {
    Address(IpAddr),
    Prefix(IpNetwork),
}

/// An address as people write it, brackets allowed, or a prefix.
fn question(text: &str) -> Option<Question> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.contains('/') {
        let network: IpNetwork = bare.parse().ok()?;
        return IpNetwork::new(network.network(), network.prefix()).ok().map(Question::Prefix);
    }
    bare.parse().ok().map(Question::Address)
}

impl Asked<'_> {
    /// Answers line by line; gives the last failure, which has been told.
    fn lines(&self, out: &mut dyn Write, input: impl BufRead, name: &str) -> io::Result<Result<(), Failure>> {
        let mut result = Ok(());
        for (number, line) in (1..).zip(input.split(b'\n')) {
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    let failure = Failure::input(
                        format!("cannot read {name}: {}", error_text(&error)),
                        Some("give a file with @FILE or `<`, or the output of a program with `|`, or name the addresses".into()),
                    );
                    return self.told(out, None, failure).map(Err);
                }
            };
            // Whatever is no text is no address either.
            let line = String::from_utf8_lossy(&line);
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let bad = || {
                Failure::input(
                    format!("line {number}: '{text}' is no address"),
                    Some("a line is one address or prefix, such as 192.0.2.1 or 2001:db8::/32".into()),
                )
            };
            if let Err(failure) = self.answer(out, text, bad)? {
                result = Err(failure);
            }
        }
        Ok(result)
    }

    /// Says whose address it is, or what is wrong with it.
    fn answer(
        &self,
        out: &mut dyn Write,
        text: &str,
        bad: impl FnOnce() -> Failure,
    ) -> io::Result<Result<(), Failure>> {
        self.answered.set(self.answered.get() + 1);
        if self.answered.get() == MANY {
            let _ = self.data.table.index();
        }
        match question(text) {
            Some(Question::Address(address)) => self.address(out, address).map(Ok),
            Some(Question::Prefix(prefix)) => self.prefix(out, prefix).map(Ok),
            None => self.told(out, Some(text), bad()).map(Err),
        }
    }

    /// Tells of a bad word, in its place in the stream as well if that is for programs.
    fn told(&self, out: &mut dyn Write, text: Option<&str>, failure: Failure) -> io::Result<Failure> {
        if self.as_json {
            writeln!(out, "{}", json!({ "address": text, "error": failure.schema() }))?;
        }
        failure.say();
        Ok(failure)
    }

    fn address(&self, out: &mut dyn Write, address: IpAddr) -> io::Result<()> {
        let known = self.known(address);
        if self.as_json {
            return writeln!(out, "{}", Value::Object(known.json(&address.to_string())));
        }
        writeln!(out, "{address}  {}", known.text())
    }

    fn known(&self, address: IpAddr) -> Known<'_> {
        let data = self.data;
        let owner = data.grounds().attribute(address);
        let peering = data.peering(address);
        let origin = data.table.lookup(address);
        let (source, date) = match &peering {
            Some(peering) => (Cow::Borrowed(peering.file.origin.as_str()), peering.file.built_at),
            None => {
                let date = match origin.source {
                    Source::Table(number) => {
                        self.info.sources.get(usize::from(number)).and_then(|one| one.date)
                    }
                    _ => None,
                };
                (data.table.source_name(origin.source), date)
            }
        };
        let built_at = date.or(match (&peering, origin.source) {
            (None, Source::Table(_)) => self.info.built_at,
            _ => None,
        });
        let age = built_at.filter(|day| *day <= self.today).map(|day| (self.today - day).get_days());
        let country = data.table.registered_country(address);
        let country = country.map(|code| String::from_utf8_lossy(&code).into_owned());
        Known { owner, peering, origin, source, built_at, age, country }
    }

    fn prefix(&self, out: &mut dyn Write, prefix: IpNetwork) -> io::Result<()> {
        let cuts: Vec<IpNetwork> =
            self.data.exchanges.iter().flat_map(|exchanges| exchanges.lan_prefixes()).collect();
        let pieces = self.data.table.pieces(prefix, &cuts);
        let known: Vec<Known<'_>> = pieces.iter().map(|piece| self.known_piece(piece)).collect();
        // Pieces of one owner, whatever ranges they were announced as.
        let mut owners: BTreeMap<(Vec<Asn>, &str), (u128, usize)> = BTreeMap::new();
        for (piece, known) in pieces.iter().zip(&known) {
            let owner = owners.entry((known.owner.asns.clone(), known.owner.kind.as_str())).or_default();
            owner.0 = owner.0.saturating_add(piece.addresses());
            owner.1 += 1;
        }
        let mut owners: Vec<_> = owners.into_iter().collect();
        owners.sort_by_key(|(_, (addresses, _))| std::cmp::Reverse(*addresses));
        let all = pieces.iter().fold(0u128, |sum, piece| sum.saturating_add(piece.addresses()));
        let share = |addresses: u128| if all == 0 { 0.0 } else { addresses as f64 / all as f64 };
        let one = match known.as_slice() {
            [one] => Some(one),
            _ => None,
        };
        // What was announced around all of it: of a split prefix, the answer of a piece that narrower ranges left over.
        let covering = |piece: &&Piece| {
            let ends = (prefix.network().to_canonical(), prefix.broadcast().to_canonical());
            piece.origin.range.is_some_and(|(first, last)| {
                first.is_ipv4() == ends.0.is_ipv4() && first <= ends.0 && ends.1 <= last
            })
        };
        let cover = pieces.iter().find(covering).map(|piece| &piece.origin);
        let name = |asns: &[Asn]| asns.first().and_then(|asn| self.data.grounds().name(*asn));
        if self.as_json {
            let first = one.or(known.first());
            let mut object = first.map(|known| known.json(&prefix.to_string())).unwrap_or_default();
            let owner_row = |((asns, kind), (addresses, parts)): &((Vec<Asn>, &str), (u128, usize))| {
                json!({
                    "asns": asns, "as_name": name(asns), "kind": kind,
                    "share": share(*addresses), "parts": parts,
                })
            };
            if one.is_none() {
                let largest = owners.first();
                let mut asns: Vec<Asn> = Vec::new();
                for asn in owners.iter().flat_map(|((asns, _), _)| asns) {
                    if !asns.contains(asn) {
                        asns.push(*asn);
                    }
                }
                object.insert("leak".to_owned(), known.iter().any(Known::leaks).into());
                object.insert("as_set".to_owned(), known.iter().any(|known| known.origin.as_set).into());
                object.insert("asn".to_owned(), Value::Null);
                object.insert("asns".to_owned(), json!(asns));
                object.insert("as_name".to_owned(), Value::Null);
                object.insert("kind".to_owned(), largest.map_or("unannounced", |((_, kind), _)| kind).into());
                object.insert("prefix".to_owned(), json!(cover.and_then(|origin| origin.prefix)));
                let origin = cover.map(|origin| self.data.table.source_name(origin.source));
                object.insert("source".to_owned(), origin.unwrap_or(Cow::Borrowed("several ranges")).into());
                for key in ["range", "special", "exchange", "country", "built_at", "age_days"] {
                    object.insert(key.to_owned(), Value::Null);
                }
            }
            let parts: Vec<Value> = (pieces.iter().zip(&known).take(PARTS))
                .map(|(piece, known)| {
                    json!({
                        "first": piece.first, "last": piece.last, "asns": known.owner.asns,
                        "kind": known.owner.kind, "prefix": known.owner.prefix, "source": known.source,
                    })
                })
                .collect();
            object.insert("split".to_owned(), one.is_none().into());
            object.insert("owners".to_owned(), owners.iter().map(owner_row).collect());
            object.insert("parts".to_owned(), parts.into());
            object.insert("parts_left_out".to_owned(), pieces.len().saturating_sub(PARTS).into());
            return writeln!(out, "{}", Value::Object(object));
        }
        if let Some(known) = one {
            return writeln!(out, "{prefix}  {}", known.text());
        }
        let around = match cover.map(|origin| (origin.prefix, numbers(&origin.asns))) {
            Some((Some(prefix), asns)) if !asns.is_empty() => {
                format!("; {asns} announces {prefix} around it")
            }
            _ => String::new(),
        };
        writeln!(out, "{prefix}  splits into {} parts of {} owners{around}", pieces.len(), owners.len())?;
        for ((asns, kind), (addresses, parts)) in owners.iter().take(OWNERS) {
            let who = if asns.is_empty() { (*kind).to_owned() } else { numbers(asns) };
            let name = name(asns).map_or(String::new(), |name| format!("  {}", safe(&name)));
            let plural = if *parts == 1 { "part" } else { "parts" };
            writeln!(out, "  {:>8.4} %  {who}{name}  {parts} {plural}", share(*addresses) * 100.0)?;
        }
        match owners.len().saturating_sub(OWNERS) {
            0 => Ok(()),
            more => writeln!(out, "  … and {more} owners more (--json has the parts)"),
        }
    }

    fn known_piece(&self, piece: &Piece) -> Known<'_> {
        let mut known = self.known(piece.first);
        // Of a LAN the piece is the whole, not what its first address was given to.
        if known.owner.kind == Kind::Ixp && piece.first != piece.last {
            known.owner.asns.clear();
            known.owner.name = None;
            if let Some(peering) = &mut known.peering {
                peering.members.clear();
            }
        }
        known
    }
}

fn numbers(asns: &[Asn]) -> String {
    asns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// All that is known of an address.
struct Known<'a> {
    owner: Attribution,
    peering: Option<Peering<'a>>,
    origin: Origin,
    source: Cow<'a, str>,
    built_at: Option<Date>,
    /// Days from then to now.
    age: Option<i32>,
    country: Option<String>,
}

impl Known<'_> {
    /// The contract's fields, and the grounds.
    fn json(&self, address: &str) -> Map<String, Value> {
        let Attribution { asns, name, prefix, kind } = &self.owner;
        let range = self.origin.range.filter(|_| self.peering.is_none());
        let value = json!({
            "address": address,
            "asn": asns.first(),
            "asns": asns,
            "as_name": name,
            "prefix": prefix.map(|prefix| prefix.to_string()),
            "kind": kind,
            "source": self.source,
            "range": range.map(|(first, last)| json!({ "first": first, "last": last })),
            "as_set": self.origin.as_set && self.peering.is_none(),
            "leak": self.leaks(),
            "special": self.origin.special.map(|special| json!({ "name": special.name, "rfc": special.rfc })),
            "exchange": self.peering.as_ref().and_then(|peering| peering.exchange),
            "country": self.country,
            "built_at": self.built_at.map(|day| format!("{day}T00:00:00Z")),
            "age_days": self.age,
        });
        match value {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }

    fn leaks(&self) -> bool {
        // In an exchange's list it is the exchange's doing, and mostly a test's.
        self.peering.is_none() && self.owner.asns.iter().any(|asn| asn.class() != AsnClass::Public)
    }

    /// The same in a line.
    fn text(&self) -> String {
        let Attribution { asns, name, prefix, kind } = &self.owner;
        let numbers = numbers(asns);
        let what = match (&self.peering, self.origin.special) {
            (Some(peering), _) => {
                let exchange = peering.exchange.map_or(String::new(), |name| format!(" {}", safe(name)));
                let members = if numbers.is_empty() { String::new() } else { format!("{numbers} at ") };
                format!("{members}{kind}{exchange}")
            }
            (None, Some(special)) if numbers.is_empty() => {
                format!("{kind} ({}, {})", special.name, special.rfc)
            }
            (None, _) if numbers.is_empty() => kind.to_string(),
            (None, _) => numbers,
        };
        let mut remarks = Vec::new();
        if self.peering.is_none() && asns.len() > 1 {
            remarks.push(match self.origin.as_set {
                true => "one of an AS_SET, the data does not say which".to_owned(),
                false => "several origins".to_owned(),
            });
        }
        for asn in asns.iter().filter(|_| self.peering.is_none()) {
            match asn.class() {
                AsnClass::Public => {}
                AsnClass::Private => remarks.push(format!("leak: {asn} is for private use")),
                AsnClass::Documentation => remarks.push(format!("leak: {asn} is for documentation")),
                _ => remarks.push(format!("leak: {asn} is reserved")),
            }
        }
        let remarks = if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join("; ")) };
        let name = name.as_ref().map_or(String::new(), |name| format!("  {}", safe(name)));
        let prefix = prefix.map_or(String::new(), |prefix| format!("  {prefix}"));
        let country = self.country.as_ref().map_or(String::new(), |code| format!("  {}", safe(code)));
        format!("{what}{remarks}{name}{prefix}{country}  [{}]", safe(&self.source))
    }
}
