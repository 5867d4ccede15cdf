//! What can be said of a bundle by whoever receives it.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

use super::archive::{self, ArchiveError, Files};
use super::origins::{self, Answers, Owner, Stated};
use super::write::{WRITERS, derive};
use super::{BundleError, Environment, Name, PublicKey, compare, gist, manifest, name, redact};
use crate::capture::{self, Capture, Replayed};
use crate::path::Origins;
use crate::report::Document;
use crate::session::search;
use crate::trace::record::{Head, Settings};
use crate::trace::{Role, Run, schema};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// It could not be made, and the conclusion does not rest on it.
    NotMade,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A word for programs: `archive`, `manifest`, `signature`, `packets`, `record`, `search`, `origins`, `conclusion`,
    /// `texts`, `surroundings`, `beside`.
    pub check: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// In words; of one that fails, the first difference.
    pub detail: String,
}

/// The outcome of all checks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// `lasthop.verification/1`.
    pub schema: &'static str,
    /// All that was checked holds.
    pub verified: bool,
    /// The first check that fails.
    pub first_difference: Option<String>,
    /// The scenario, where no packet was ever on a wire.
    pub simulated: Option<String>,
    /// Addresses are hidden.
    pub redacted: bool,
    /// The checks in order.
    pub checks: Vec<Check>,
    /// The conclusion drawn anew from the packets, if that could be done.
    pub verdict: Option<schema::Verdict>,
}

/// What is at hand to answer whose addresses these are.
pub struct AtHand<'a> {
    /// Asked anew.
    pub origins: &'a dyn Origins,
    /// What it is.
    pub table: schema::AsTable,
}

/// What a verification is given beside the bundle.
pub struct Given<'a> {
    /// The table at hand.
    pub at_hand: AtHand<'a>,
    /// Whose signature is demanded.
    pub key: Option<&'a PublicKey>,
    /// What another program captured beside the run.
    pub beside: Option<&'a Capture>,
}

/// Checks a bundle.
///
/// # Errors
/// [`ArchiveError::NoBundle`] if it is none; one that is damaged is verified as such.
pub fn verify(bytes: &[u8], given: &Given<'_>) -> Result<Verification, ArchiveError> {
    let mut checks = Checks::default();
    let unpacked = match archive::unpack(bytes) {
        Ok(unpacked) => unpacked,
        Err(ArchiveError::Damaged(problem)) => {
            checks.fails("archive", format!("the archive is damaged: {problem}"));
            return Ok(checks.done(None, None));
        }
        Err(error) => return Err(error),
    };
    for (file, problem) in &unpacked.unreadable {
        checks.fails("archive", format!("{file} cannot be unpacked: {problem}"));
    }
    let files = &unpacked.files;
    let faults = manifest::faults(files);
    for fault in &faults {
        let known = unpacked.unreadable.iter().any(|(name, _)| *name == fault.file);
        if !known {
            checks.fails("manifest", format!("{}: {}", fault.file, fault.problem));
        }
    }
    if faults.is_empty() {
        checks.holds("manifest", format!("{} files, each with the SHA-256 it should have", files.0.len()));
    }
    match unpacked.sealed {
        Some(true) => checks.holds("archive", "not a byte of it has changed".to_owned()),
        Some(false) if faults.is_empty() && unpacked.unreadable.is_empty() => checks.fails(
            "archive",
            "the archive itself (its headers, or the bytes between its files) has changed; the files in it have not"
                .to_owned(),
        ),
        Some(false) => {}
        None => checks.skips("archive", "it was packed anew by another program; its files are checked".to_owned()),
    }
    signature(files, given.key, &mut checks);
    let environment = files.json::<Environment>(name::ENVIRONMENT);
    let environment = match environment {
        Ok(environment) => Some(environment),
        Err(error) => {
            checks.fails("surroundings", error.to_string());
            None
        }
    };
    let verdict = match anew(files, environment.as_ref(), given, &mut checks) {
        Ok(verdict) => verdict,
        Err(error) => {
            checks.fails("packets", error.to_string());
            None
        }
    };
    Ok(checks.done(environment.as_ref(), verdict))
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, check: &'static str, outcome: Outcome, detail: String) {
        self.0.push(Check { check, outcome, detail });
    }

    fn holds(&mut self, check: &'static str, detail: String) {
        self.add(check, Outcome::Holds, detail);
    }

    fn fails(&mut self, check: &'static str, detail: String) {
        self.add(check, Outcome::Fails, detail);
    }

    fn skips(&mut self, check: &'static str, detail: String) {
        self.add(check, Outcome::NotMade, detail);
    }

    /// Holds, or fails with the difference.
    fn judge(&mut self, check: &'static str, difference: Option<String>, held: &str) {
        match difference {
            Some(difference) => self.fails(check, difference),
            None => self.holds(check, held.to_owned()),
        }
    }

    fn done(self, environment: Option<&Environment>, verdict: Option<schema::Verdict>) -> Verification {
        let first = self.0.iter().find(|check| check.outcome == Outcome::Fails);
        Verification {
            schema: "lasthop.verification/1",
            verified: first.is_none(),
            first_difference: first.map(|check| check.detail.clone()),
            simulated: environment.and_then(|environment| environment.simulated.clone()),
            redacted: environment.is_some_and(|environment| environment.redaction.is_some()),
            verdict,
            checks: self.0,
        }
    }
}

fn signature(files: &Files, key: Option<&PublicKey>, checks: &mut Checks) {
    let signed = files.get(name::SIGNATURE).map(String::from_utf8_lossy);
    match (key, signed) {
        (None, None) => {}
        (None, Some(_)) => {
            checks.skips("signature", "it is signed; --key PUBLIC checks whose signature it is".to_owned());
        }
        (Some(_), None) => {
            checks.fails("signature", format!("{} is missing: it is not signed", name::SIGNATURE))
        }
        (Some(key), Some(signed)) => {
            let list = files.get(name::MANIFEST).unwrap_or_default();
            match key.verify(list, &signed) {
                Ok(comment) => checks.holds("signature", format!("by the key given: {comment}")),
                Err(problem) => checks.fails("signature", format!("{}: {problem}", name::SIGNATURE)),
            }
        }
    }
}

/// The record and the conclusion made anew, and compared.
fn anew(
    files: &Files,
    environment: Option<&Environment>,
    given: &Given<'_>,
    checks: &mut Checks,
) -> Result<Option<schema::Verdict>, BundleError> {
    let packets = capture::read(files.need(name::PACKETS)?)
        .map_err(|error| BundleError::file(name::PACKETS, error.to_string()))?;
    if packets.cut_short {
        checks.fails("packets", format!("{}: it ends in the middle", name::PACKETS));
    }
    let replayed =
        capture::replay(&packets).map_err(|fault| BundleError::file(name::PACKETS, fault.to_string()))?;
    if !replayed.complete {
        checks.fails("packets", format!("{}: it was not ended by the program that wrote it", name::PACKETS));
    }
    let sent = replayed.run.probes.iter().filter(|probe| probe.was_sent()).count();
    checks.holds(
        "packets",
        format!(
            "{} packets; the {sent} probes of the measurement are those it would have sent",
            packets.packets.len()
        ),
    );
    let (stated, settings) = files.record(name::PROBES)?;
    let difference = of_records(name::PROBES, (&stated, settings), &replayed.run, replayed.settings);
    checks.judge("record", difference, "every probe and reply is as the packets have it");
    let document: Document = files.json(name::RUN)?;
    searched(files, &replayed, &document, checks)?;
    let answers: Answers = files.json(name::ORIGINS)?;
    let derived = owned(&answers, environment, given, &document, &replayed, checks);
    surroundings(files, environment, &document, &replayed.run, checks);
    texts(files, &document, checks);
    if let Some(beside) = given.beside {
        self::beside(beside, &replayed, &answers, &document, checks);
    }
    Ok(derived.verdict)
}

/// The first difference between a record that is stated and one made anew.
fn of_records(file: &str, stated: (&Run, Settings), derived: &Run, settings: Settings) -> Option<String> {
    let told = |way: String, one: String, other: String| {
        format!("{file}: {way} is {one}; the packets make it {other}")
    };
    let heads = [(stated.0, stated.1), (derived, settings)]
        .map(|(run, settings)| compare::as_read(&Head::of(run, settings)));
    if let Some((way, one, other)) = compare::first(&heads[0], &heads[1]) {
        return Some(told(way, one, other));
    }
    let mut both = stated.0.probes.iter().zip(&derived.probes);
    if let Some((stated, derived)) = both.find(|(one, other)| one != other) {
        let found = compare::first(&compare::as_read(stated), &compare::as_read(derived));
        let (way, one, other) = found.unwrap_or_default();
        return Some(told(format!("probe {}, {way}", derived.id.0), one, other));
    }
    let (one, other) = (stated.0.probes.len(), derived.probes.len());
    (one != other).then(|| told("the number of probes".to_owned(), one.to_string(), other.to_string()))
}

/// The search: its record, and what the document says of it.
fn searched(
    files: &Files,
    replayed: &Replayed,
    document: &Document,
    checks: &mut Checks,
) -> Result<(), BundleError> {
    let told = document.search.as_ref().filter(|searched| !searched.touched.is_empty());
    let (stated, run) = match (files.get(name::SEARCH), &replayed.search) {
        (None, None) if told.is_none() => return Ok(()),
        (Some(_), Some(run)) => (files.record(name::SEARCH)?, run),
        (None, _) => {
            checks.fails("search", format!("{} is missing", name::SEARCH));
            return Ok(());
        }
        (Some(_), None) => {
            checks.fails("search", format!("{}: there is no packet of a search", name::SEARCH));
            return Ok(());
        }
    };
    let mut difference = of_records(name::SEARCH, (&stated.0, stated.1), run, replayed.settings);
    for touched in told.iter().flat_map(|told| &told.touched) {
        let shown = search::shown(run, touched.address)
            .map(|(at, tries, outcome)| (at.rfc3339(), tries, outcome.word().to_owned()));
        let said = Some((touched.at.clone(), touched.tries, touched.outcome.clone()));
        if shown != said {
            difference.get_or_insert_with(|| {
                format!("{}: search.touched, {}: the packets show {shown:?}", name::RUN, touched.address)
            });
        }
    }
    let searched = told.filter(|told| !told.from_cache);
    for found in searched.iter().flat_map(|told| &told.found) {
        let shown = search::shown(run, found.address).map(|(_, _, outcome)| outcome.word());
        if shown != Some(found.outcome.as_str()) {
            difference.get_or_insert_with(|| {
                format!("{}: search.found, {}: the packets show {shown:?}", name::RUN, found.address)
            });
        }
    }
    checks.judge("search", difference, "every neighbour asked answered as it says");
    Ok(())
}

/// Whose addresses they are, and the document that follows.
fn owned(
    answers: &Answers,
    environment: Option<&Environment>,
    given: &Given<'_>,
    stated: &Document,
    replayed: &Replayed,
    checks: &mut Checks,
) -> Document {
    match origins_hold(answers, environment, given, stated, replayed) {
        Ok(held) => checks.holds("origins", held),
        Err(problem) => checks.fails("origins", problem),
    }
    let origins = Stated::new(answers);
    let derived = derive(&replayed.run, replayed.settings.confidence, &origins, stated);
    if let Some(address) = origins.missing() {
        checks.fails("origins", format!("{}: nothing is said of {address}", name::ORIGINS));
    }
    let ours = env!("CARGO_PKG_VERSION");
    if stated.tool.version != ours {
        // Another version may say more or less, and word it otherwise; what it comes to has to be the same.
        let difference = gist::difference(stated, &derived).map(|(way, one, other)| {
            format!(
                "{}: {way} is {one}; from the packets follows {other} (by the rules of {ours}; the bundle was made by {})",
                name::RUN,
                stated.tool.version
            )
        });
        checks.judge("conclusion", difference, "paths, attribution and verdict follow from the packets");
        return derived;
    }
    // The order of the contract's fields is not that of a difference's weight: what is concluded comes first.
    let (said, made) = (compare::as_read(stated), compare::as_read(&derived));
    let whole = compare::first(&said, &made);
    let part = |way: &str| {
        let of = |value: &Value| value.get(way).cloned().unwrap_or(Value::Null);
        compare::first(&of(&said), &of(&made)).map(|(rest, one, other)| (format!("{way}.{rest}"), one, other))
    };
    let kind = said.pointer("/verdict/kind") != made.pointer("/verdict/kind");
    let kind = kind.then(|| {
        let of = |value: &Value| value.pointer("/verdict/kind").cloned().unwrap_or(Value::Null).to_string();
        ("verdict.kind".to_owned(), of(&said), of(&made))
    });
    let difference = kind.or_else(|| part("verdict")).or(whole);
    let difference = difference
        .map(|(way, one, other)| format!("{}: {way} is {one}; from the packets follows {other}", name::RUN));
    checks.judge("conclusion", difference, "paths, attribution and verdict follow from the packets");
    derived
}

/// Whether what the bundle says of whose addresses these are is what the table at hand says.
fn origins_hold(
    answers: &Answers,
    environment: Option<&Environment>,
    given: &Given<'_>,
    stated: &Document,
    replayed: &Replayed,
) -> Result<String, String> {
    if answers.schema != origins::SCHEMA {
        return Err(format!("{}: its schema is not {}", name::ORIGINS, origins::SCHEMA));
    }
    if let Some(simulated) = environment.and_then(|environment| environment.simulated.as_ref()) {
        return Ok(format!(
            "simulated ('{simulated}'): no table knows these networks; they are taken as the bundle has them"
        ));
    }
    let stand_ins =
        environment.and_then(|environment| environment.redaction.as_ref()).map(|one| &one.stand_ins);
    let hidden = |address: IpAddr| stand_ins.is_some_and(|known| known.contains_key(&address));
    for address in stand_ins.iter().flat_map(|known| known.keys()) {
        if !redact::is_stand_in(*address) {
            return Err(format!("{}: {address} cannot stand for another", name::ENVIRONMENT));
        }
    }
    let at_hand = &given.at_hand;
    let same = stated.asdb.as_ref().is_some_and(|table| digests(table) == digests(&at_hand.table));
    let mut checked = 0;
    for (address, owner) in &answers.addresses {
        let (address, file) = (*address, name::ORIGINS);
        if hidden(address) {
            // A router that is hidden is nobody's, so that nobody can be accused by it.
            if address != replayed.run.source && !owner.asns.is_empty() && owner.kind != "private" {
                let translated = |reply: &crate::trace::Reply| reply.from == address;
                if replayed.run.probes.iter().flat_map(|probe| &probe.replies).any(translated) {
                    return Err(format!("{file}: {address} is hidden, and still given to an AS"));
                }
            }
            continue;
        }
        let known = Owner::of(&at_hand.origins.attribute(address));
        checked += 1;
        if same && known != *owner {
            return Err(format!("{file}: {address} is {}; the table says {}", words(owner), words(&known)));
        }
        let sets = |owner: &Owner| {
            (owner.asns.iter().copied().collect::<std::collections::BTreeSet<_>>(), owner.kind.clone())
        };
        if !same && sets(&known) != sets(owner) {
            return Err(format!(
                "{file}: {address} is {}; the table at hand says {}, but it is another one than the bundle's ({}): --db, \
                 --as-rel and --ixp name the files that were used",
                words(owner),
                words(&known),
                stated.asdb.as_ref().map_or("none", |table| table.sha256.as_str())
            ));
        }
    }
    for (a, b, adjacent) in &answers.neighbours {
        let told = at_hand.origins.adjacent(crate::number::Asn(*a), crate::number::Asn(*b));
        if told != Some(*adjacent) {
            return Err(format!(
                "{}: AS{a} and AS{b} are said {}to be neighbours, which the data at hand do not say: --as-rel names those \
                 that were used",
                name::ORIGINS,
                if *adjacent { "" } else { "not " }
            ));
        }
    }
    let by = if same { "the same table" } else { "another table, which says the same of each" };
    Ok(format!("{checked} addresses, by {by} ({})", at_hand.table.sha256))
}

/// What tells one set of data from another.
fn digests(table: &schema::AsTable) -> Vec<&str> {
    let mut digests = vec![table.sha256.as_str()];
    digests.extend(table.adjacency.iter().map(|links| links.sha256.as_str()));
    digests.extend(table.exchanges.iter().flat_map(|data| &data.files).map(|file| file.sha256.as_str()));
    digests
}

fn words(owner: &Owner) -> String {
    match owner.asns.as_slice() {
        [] => owner.kind.clone(),
        asns => asns.iter().map(|asn| format!("AS{asn}")).collect::<Vec<_>>().join("/"),
    }
}

/// What else the bundle says, as far as one file can be held against another.
fn surroundings(
    files: &Files,
    environment: Option<&Environment>,
    document: &Document,
    run: &Run,
    checks: &mut Checks,
) {
    let Some(environment) = environment else { return };
    let file = name::ENVIRONMENT;
    let mut difference = None;
    let mut must = |holds: bool, what: &str| {
        if !holds {
            difference.get_or_insert_with(|| format!("{file}: {what}"));
        }
    };
    must(environment.schema == Environment::SCHEMA, "its schema is another one");
    must(environment.seed == run.seed, "the seed is not that of the run");
    must(environment.losses == run.losses, "the losses are not those of the run");
    must(environment.strays == run.strays, "the strays are not those of the run");
    must(environment.tool == document.tool, "the program is not the one that wrote run.json");
    must(environment.table == document.asdb, "the table is not the one of run.json");
    must(environment.interface == document.vantage.interface, "the interface is not the one of run.json");
    match files.json::<Vec<Name>>(name::DNS) {
        Ok(names) => {
            let lost = run.destinations.iter().find(|one| {
                let literal = one
                    .host
                    .trim_matches(['[', ']'])
                    .split('%')
                    .next()
                    .is_some_and(|host| host.parse::<IpAddr>().is_ok());
                let known =
                    names.iter().any(|name| name.host == one.host && name.addresses.contains(&one.address));
                let asked = matches!(one.role, Role::Target | Role::Reference(_) | Role::Check);
                asked && !literal && !known && environment.simulated.is_none()
            });
            if let Some(lost) = lost {
                difference.get_or_insert_with(|| {
                    format!("{}: it does not say how {} became {}", name::DNS, lost.host, lost.address)
                });
            }
        }
        Err(error) => {
            difference.get_or_insert_with(|| error.to_string());
        }
    }
    checks.judge("surroundings", difference, "seed, losses, program, table and names agree with the run");
}

/// The reports for people, written again.
fn texts(files: &Files, document: &Document, checks: &mut Checks) {
    let ours = env!("CARGO_PKG_VERSION");
    if document.tool.version != ours {
        checks.skips(
            "texts",
            format!(
                "made by lasthop {}, this is {ours}: its reports are checked by their hashes, its conclusion by its packets",
                document.tool.version
            ),
        );
        return;
    }
    let difference = WRITERS.iter().find_map(|(name, render)| {
        let mut text = Vec::new();
        let written = render(&mut text, document).is_ok();
        match files.get(name) {
            None => Some(format!("{name}: it is missing")),
            Some(stated) if !written || stated != text.as_slice() => {
                Some(format!("{name}: it does not say what run.json says"))
            }
            Some(_) => None,
        }
    });
    checks.judge("texts", difference, "the reports say what run.json says");
}

/// What somebody else captured beside the run must lead to the same conclusion.
fn beside(capture: &Capture, replayed: &Replayed, answers: &Answers, stated: &Document, checks: &mut Checks) {
    let again =
        match capture::replay_beside(capture, &replayed.run, replayed.search.as_ref(), replayed.settings) {
            Ok(again) => again,
            Err(fault) => {
                checks.fails("beside", format!("the other capture: {fault}"));
                return;
            }
        };
    let origins = Stated::new(answers);
    let derived = derive(&again.run, again.settings.confidence, &origins, stated);
    let difference = gist::difference(stated, &derived).map(|(way, one, other)| {
        format!("the other capture: {way} is {one} in {}; from it follows {other}", name::RUN)
    });
    let replies: usize = again.run.probes.iter().map(|probe| probe.replies.len()).sum();
    let held = format!(
        "the other capture has all {} probes and {replies} replies, and leads to the same paths and verdict",
        again.run.probes.iter().filter(|probe| probe.was_sent()).count()
    );
    checks.judge("beside", difference, &held);
}
