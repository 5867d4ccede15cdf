//! `db fetch`: a publisher's file, whole, recognised, in its place; or the file that was there.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::Fetch;
use super::exit::Exit;
use super::failure::{Failure, error_text};
use super::opt_out::usual;
use super::output;
use super::progress;
use super::publishers::{self, Content, Key, Part, Place, SOURCES, Source};
use super::recognise::recognise;
use crate::fetch::{
    Address, Class, Client, Credential, Download, Error, Event, Fetched, Limits, Outcome, Rejected, Secret,
    Time, Unpack,
};
use crate::net::{Clock, privilege};
use crate::report::safe;
use crate::trace::Moment;

/// What an address that nobody documents may bring, in MiB.
const ANY: u64 = 4096;
/// A list of files, or a key's file, that is longer is none, in bytes.
const LONGEST_LIST: u64 = 16 << 20;
const LONGEST_KEY: u64 = 4 << 10;

/// A file to bring.
struct Job {
    source: &'static str,
    terms: &'static str,
    key: Option<Key>,
    content: Content,
    most: u64,
    place: At,
    sum: Option<Address>,
    in_archive: Option<&'static str>,
    to: PathBuf,
}

enum At {
    /// The first of these that is there.
    Any(Vec<Address>),
    /// What this list names, in this folder.
    Listed { folder: Address, list: Address },
}

/// `lasthop db fetch`.
pub fn fetch(words: &Fetch) -> Exit {
    let begun = if words.list { list(words.json) } else { run(words) };
    begun.unwrap_or_else(|failure| {
        if words.json {
            failure.line();
        }
        failure.say();
        failure.exit
    })
}

fn list(as_json: bool) -> Result<Exit, Failure> {
    let address = |place: Place| match place {
        Place::Fixed(address) | Place::Dated(address, _) => address.to_owned(),
        Place::Listed { folder, list } => format!("{folder}{list}"),
    };
    output::stdout(|out| {
        if as_json {
            let sources: Vec<Value> = SOURCES
                .iter()
                .map(|source| {
                    let key = source.key.map(|key| json!({ "needed": key.is_needed(), "environment": key.variables() }));
                    let files: Vec<Value> = (source.parts.iter())
                        .map(|part| json!({ "file": part.file, "address": address(part.place) }))
                        .collect();
                    json!({ "name": source.name, "about": source.about, "terms": source.terms, "key": key, "files": files })
                })
                .collect();
            return writeln!(out, "{}", json!({ "schema": "lasthop.sources/1", "sources": sources }));
        }
        for source in SOURCES {
            writeln!(out, "{}\n    {}", source.name, source.about)?;
            for part in source.parts {
                writeln!(out, "    {}", address(part.place))?;
            }
            writeln!(out, "    terms: {}", source.terms)?;
            if let Some(key) = source.key {
                let need = if key.is_needed() { "needed" } else { "optional" };
                writeln!(
                    out,
                    "    key: {need}, in {}, or a file that only you can read: --key-file, ~/.config/lasthop/keys/{}",
                    key.variables().join(" and "),
                    source.name
                )?;
            }
        }
        Ok(())
    })?;
    Ok(Exit::Ok)
}

fn run(words: &Fetch) -> Result<Exit, Failure> {
    let clock = Clock::start();
    let now = Timestamp::from_nanosecond(i128::from(clock.started_at().0)).unwrap_or_default();
    let jobs = jobs(words, now)?;
    if words.sha256.is_some() && jobs.len() > 1 {
        return Err(Failure::usage("one checksum cannot be that of several files", "fetch them one by one"));
    }
    // What comes is a stranger's. Nothing here needs privilege, and a program that has it by its file gives it up.
    if nix::unistd::geteuid().is_root() {
        output::talk("db fetch needs no privilege: run it as an ordinary user where you can");
    } else {
        privilege::drop_all().map_err(|error| {
            Failure::environment("privilege", error.to_string(), Some("start it without capabilities".into()))
        })?;
    }
    let mut limits = Limits::default();
    limits.idle = Duration::from_secs_f64(words.timeout);
    limits.connect = limits.connect.min(limits.idle);
    limits.pause = limits.pause.min(limits.idle / 10);
    let elapsed = Box::new(move || clock.now().since(Moment::START));
    let agent = concat!("lasthop/", env!("CARGO_PKG_VERSION"));
    let client = Client::new(agent, limits, Time { elapsed, started: now });

    let mut told = Vec::new();
    let mut first: Option<Failure> = None;
    let mut terms: Option<&str> = None;
    for job in &jobs {
        if terms != Some(job.terms) && !job.terms.is_empty() {
            output::talk(&format!("{}: {}", job.source, job.terms));
            terms = Some(job.terms);
        }
        let bar = Bar::new(&job.to);
        let done = bring(&client, job, words, &bar);
        bar.end();
        match done {
            Ok(fetched) => {
                if !words.json {
                    output::stdout(|out| writeln!(out, "{}", line(job, &fetched)))?;
                }
                told.push(entry(job, Some(&fetched), None));
            }
            Err(failure) => {
                failure.say();
                told.push(entry(job, None, Some(&failure)));
                first.get_or_insert(failure);
            }
        }
    }
    if words.json {
        let document = json!({
            "schema": "lasthop.fetch/1",
            "tool": { "name": "lasthop", "version": env!("CARGO_PKG_VERSION") },
            "files": told,
            "error": first.as_ref().map(Failure::schema),
        });
        output::stdout(|out| writeln!(out, "{document}"))?;
    }
    Ok(first.map_or(Exit::Ok, |failure| failure.exit))
}

/// What the words ask for.
fn jobs(words: &Fetch, now: Timestamp) -> Result<Vec<Job>, Failure> {
    let urls = words.urls.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    let base = words.from.as_deref().map(address).transpose()?;
    let names = || SOURCES.iter().map(|source| source.name).collect::<Vec<_>>().join(", ");
    if words.sources.is_empty() && urls.is_empty() {
        return Err(Failure::usage(
            "nothing is fetched that is not named",
            format!("name a source: {}; --list tells of each, --url takes any address", names()),
        ));
    }
    let mut sources: Vec<&'static Source> = Vec::new();
    for name in &words.sources {
        let source = publishers::named(name).ok_or_else(|| {
            let hint = format!("the sources are {}; --list tells of each, --url takes any address", names());
            Failure::usage(format!("'{name}' is no source"), hint)
        })?;
        if !sources.iter().any(|known| known.name == source.name) {
            sources.push(source);
        }
    }
    let parts: Vec<(&'static Source, &'static Part)> =
        sources.iter().flat_map(|source| source.parts.iter().map(move |part| (*source, part))).collect();
    if !parts.is_empty() && !urls.is_empty() && urls.len() != parts.len() {
        let files: Vec<&str> = parts.iter().map(|(_, part)| part.file).collect();
        return Err(Failure::usage(
            format!("{} addresses for {} files", urls.len(), files.len()),
            format!("give --url once for each of {}", files.join(", ")),
        ));
    }
    let count = if parts.is_empty() { urls.len() } else { parts.len() };
    if words.output.is_some() && count != 1 {
        return Err(Failure::usage(
            format!("{count} files cannot all be written to one"),
            "name a directory with --dir instead of -o",
        ));
    }
    let place = |name: &str| words.output.clone().unwrap_or_else(|| words.dir.join(name));
    if parts.is_empty() {
        return urls
            .into_iter()
            .map(|url| {
                let name = url.file_name().to_owned();
                if words.output.is_none() && (name.is_empty() || name.starts_with('.')) {
                    return Err(Failure::usage(format!("{url} names no file"), "name one with -o"));
                }
                Ok(Job {
                    source: "url",
                    terms: "",
                    key: None,
                    content: Content::Table,
                    most: ANY << 20,
                    place: At::Any(vec![url]),
                    sum: None,
                    in_archive: None,
                    to: place(&name),
                })
            })
            .collect();
    }
    let known = |text: &str| -> Result<Address, Failure> {
        let address = address(text)?;
        match &base {
            Some(base) => {
                address.moved_to(base).map_err(|error| Failure::usage(format!("{base}: {error}"), URL_HINT))
            }
            None => Ok(address),
        }
    };
    let mut urls = urls.into_iter();
    parts
        .into_iter()
        .map(|(source, part)| {
            let own = urls.next();
            let at = match (&own, part.place) {
                (Some(url), _) => At::Any(vec![url.clone()]),
                (None, Place::Fixed(text)) => At::Any(vec![known(text)?]),
                (None, Place::Dated(pattern, every)) => {
                    let all = publishers::editions(pattern, every, now);
                    At::Any(all.iter().map(|text| known(text)).collect::<Result<_, _>>()?)
                }
                (None, Place::Listed { folder, list }) => {
                    At::Listed { folder: known(folder)?, list: known(&format!("{folder}{list}"))? }
                }
            };
            // The publisher's checksum is of the publisher's file, and a file from elsewhere comes as it is kept.
            let elsewhere = own.is_some();
            let sum = part.sum.filter(|_| !elsewhere).map(known).transpose()?;
            Ok(Job {
                source: source.name,
                terms: source.terms,
                key: source.key,
                content: part.content,
                most: part.most << 20,
                place: at,
                sum,
                in_archive: part.in_archive.filter(|_| !elsewhere),
                to: place(part.file),
            })
        })
        .collect()
}

const URL_HINT: &str = "give an address such as https://mirror.example/path/file.gz";

fn address(text: &str) -> Result<Address, Failure> {
    // The text itself may hold a key, so it is not repeated.
    text.parse()
        .map_err(|error| Failure::usage(format!("this address cannot be fetched from: {error}"), URL_HINT))
}

fn bring(client: &Client, job: &Job, words: &Fetch, bar: &Bar) -> Result<Fetched, Failure> {
    // A publisher's key is for the publisher: elsewhere it goes only if it was named for that very command.
    let elsewhere = words.from.is_some() || !words.urls.is_empty();
    let credential = match job.key.filter(|_| !elsewhere || words.key_file.is_some()) {
        Some(key) => credential(key, job.source, words.key_file.as_deref())?,
        None => None,
    };
    let addresses = match &job.place {
        At::Any(addresses) => addresses.clone(),
        At::Listed { folder, list } => {
            let text =
                client.text(list, credential.as_ref(), LONGEST_LIST).map_err(|error| failure(&error))?;
            let named = publishers::listed(&text).and_then(|path| folder.join(path).ok());
            vec![named.ok_or_else(|| {
                Failure::input(
                    format!("{list} is not the list of files it should be"),
                    Some("name the file itself with --url".into()),
                )
            })?]
        }
    };
    let unpack =
        job.in_archive.map(|ending| move |from: &mut File, to: &mut File| out_of_archive(from, to, ending));
    let mut missing = None;
    for address in addresses {
        let wanted = Download {
            address,
            credential: credential.clone(),
            to: &job.to,
            most: job.most,
            sha256: words.sha256,
            sum: job.sum.clone(),
            force: words.force,
            unpack: unpack.as_ref().map(|unpack| unpack as &Unpack),
            source: job.source,
            terms: job.terms,
        };
        match client.download(&wanted, &mut |path| recognise(path, job.content), &mut |event| bar.see(event))
        {
            Ok(fetched) => return Ok(fetched),
            // The newest edition may not be out yet.
            Err(error) if error.is_missing() => missing = Some(error),
            Err(error) => return Err(failure(&error)),
        }
    }
    Err(missing
        .as_ref()
        .map_or_else(|| Failure::usage("there is no address to fetch from", URL_HINT), failure))
}

fn failure(error: &Error) -> Failure {
    let (message, hint) = (error_text(error), Some(error.hint()));
    match error.class() {
        Class::Network => Failure::environment("network", message, hint),
        Class::File => Failure::environment("output", message, hint),
        Class::Content => Failure::input(message, hint),
    }
}

/// The key: a file that was named, the environment, or the user's own file. It is never shown.
fn credential(key: Key, source: &str, file: Option<&Path>) -> Result<Option<Credential>, Failure> {
    let from_environment = || -> Option<Vec<String>> {
        let values = key
            .variables()
            .into_iter()
            .map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        values.collect()
    };
    let own = || usual("XDG_CONFIG_HOME", ".config", &format!("keys/{source}")).filter(|path| path.exists());
    let values = match file {
        Some(path) => Some(vec![read_key(path)?]),
        None => match from_environment() {
            Some(values) => Some(values),
            None => own().map(|path| read_key(&path)).transpose()?.map(|text| vec![text]),
        },
    };
    let Some(values) = values else {
        if !key.is_needed() {
            return Ok(None);
        }
        return Err(Failure::environment(
            "key",
            format!("{source} gives nothing without a key"),
            Some(format!(
                "get one from the publisher; put it in {}, or in ~/.config/lasthop/keys/{source} (mode 600)",
                key.variables().join(" and ")
            )),
        ));
    };
    let odd = || {
        Failure::environment(
            "key",
            format!("the key for {source} is not of the form it should have"),
            Some(match key {
                Key::Account { .. } => "write ACCOUNT:KEY, in one line".to_owned(),
                _ => "write nothing but the key, in one line".to_owned(),
            }),
        )
    };
    if values.iter().any(|value| value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(odd());
    }
    Ok(Some(match (key, &values[..]) {
        (Key::Account { .. }, [user, password]) => {
            Credential::Basic { user: Secret::new(user), password: Secret::new(password) }
        }
        (Key::Account { .. }, [both]) => {
            let (user, password) = both.split_once(':').ok_or_else(odd)?;
            Credential::Basic { user: Secret::new(user), password: Secret::new(password) }
        }
        (Key::Query { field, .. }, [key]) => Credential::Query { name: field, key: Secret::new(key) },
        (Key::Header { prefix, .. }, [key]) => {
            Credential::Header { name: "authorization", prefix, key: Secret::new(key) }
        }
        _ => return Err(odd()),
    }))
}

/// A key in a file that nobody else can read.
fn read_key(path: &Path) -> Result<String, Failure> {
    let refused = |why: String, hint: &str| {
        Failure::environment(
            "key",
            format!("cannot use the key in {}: {why}", path.display()),
            Some(hint.to_owned()),
        )
    };
    let mut file = File::open(path)
        .map_err(|error| refused(error_text(&error), "name a file that you can read with --key-file"))?;
    let metadata = file.metadata().map_err(|error| refused(error_text(&error), "name another file"))?;
    if !metadata.is_file() {
        return Err(refused("it is no file".to_owned(), "name a file with --key-file"));
    }
    let owner = metadata.uid() == nix::unistd::geteuid().as_raw() || metadata.uid() == 0;
    if metadata.permissions().mode() & 0o077 != 0 || !owner {
        return Err(refused("others can read or change it".to_owned(), "make it yours alone with chmod 600"));
    }
    let mut text = String::new();
    (&mut file)
        .take(LONGEST_KEY)
        .read_to_string(&mut text)
        .map_err(|error| refused(error_text(&error), "write the key in one line of text"))?;
    Ok(text.trim().to_owned())
}

/// Takes the one file with this ending out of a packed archive.
fn out_of_archive(from: &mut File, to: &mut File, ending: &str) -> Result<(), Rejected> {
    let hint = || "this is not the publisher's file: look at the address with a browser".to_owned();
    let broken = |error: io::Error| Rejected {
        reason: format!("is no archive that can be read: {}", error_text(&error)),
        hint: hint(),
    };
    // A database unpacks to less than ten times its size; whoever reads it has a limit as well.
    let most = (from.metadata().map_err(broken)?.len()).saturating_mul(100).max(64 << 20);
    let mut archive = tar::Archive::new(MultiGzDecoder::new(from).take(most));
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let wanted = entry.header().entry_type().is_file()
            && entry.path().is_ok_and(|path| path.to_string_lossy().ends_with(ending));
        if wanted {
            io::copy(&mut entry, to).map_err(broken)?;
            return to.flush().map_err(broken);
        }
    }
    Err(Rejected { reason: format!("is an archive without a {ending} file"), hint: hint() })
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::New => "new",
        Outcome::Replaced => "replaced",
        Outcome::Current => "current",
    }
}

fn line(job: &Job, fetched: &Fetched) -> String {
    let note = &fetched.provenance;
    let state = match fetched.outcome {
        Outcome::New => "new",
        Outcome::Replaced => "replaced",
        Outcome::Current => "already current",
    };
    let resumed =
        if fetched.resumed_at > 0 { format!(", from byte {} on", fetched.resumed_at) } else { String::new() };
    let date = note.date.map_or(String::new(), |date| format!(", of {date}"));
    let file = job.to.display().to_string();
    format!("{}  {state}, {} bytes{resumed}: {}{date}", safe(&file), note.bytes, safe(&note.content))
}

fn entry(job: &Job, fetched: Option<&Fetched>, failure: Option<&Failure>) -> Value {
    let note = fetched.map(|fetched| &fetched.provenance);
    json!({
        "source": job.source,
        "file": job.to,
        "outcome": fetched.map_or("failed", |fetched| word(fetched.outcome)),
        "resumed_at": fetched.map(|fetched| fetched.resumed_at),
        "address": note.map(|note| &note.address),
        "fetched_at": note.map(|note| &note.fetched_at),
        "bytes": note.map(|note| note.bytes),
        "sha256": note.map(|note| &note.sha256),
        "etag": note.and_then(|note| note.etag.as_ref()),
        "last_modified": note.and_then(|note| note.last_modified.as_ref()),
        "content": note.map(|note| &note.content),
        "date": note.and_then(|note| note.date),
        "terms": job.terms,
        "error": failure.map(Failure::schema),
    })
}

/// How far it is, on a terminal.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(file: &Path) -> Self {
        let bar =
            progress::bar(true, None, 10, "{msg} {bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}");
        if let Some(bar) = &bar {
            bar.set_message(safe(&file.file_name().unwrap_or_default().to_string_lossy()).into_owned());
        }
        Self(bar)
    }

    fn see(&self, event: Event) {
        match (event, &self.0) {
            (Event::Got { bytes, total }, Some(bar)) => {
                if let Some(total) = total {
                    bar.set_length(total);
                }
                bar.set_position(bytes);
            }
            (Event::Got { .. }, None) => {}
            (Event::Waiting(wait), _) => {
                self.say(&format!("the server asks for patience: waiting {} s", wait.as_secs()));
            }
            (Event::Again { at }, _) => self.say(&format!("going on from byte {at}")),
        }
    }

    fn say(&self, text: &str) {
        match &self.0 {
            Some(bar) => bar.suspend(|| output::talk(text)),
            None => output::talk(text),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A SHA-256 as people write it.
pub fn sha256(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "a SHA-256 is 64 hexadecimal digits".to_owned();
    if text.len() != 64 || !text.is_ascii() {
        return Err(wrong());
    }
    let mut digest = [0; 32];
    for (byte, place) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[place..place + 2], 16).map_err(|_| wrong())?;
    }
    Ok(digest)
}

/// A directory that is there.
pub fn directory(text: &str) -> Result<PathBuf, String> {
    match fs::metadata(text) {
        Ok(metadata) if metadata.is_dir() => Ok(text.into()),
        Ok(_) => Err("it is no directory".to_owned()),
        Err(error) => Err(error_text(&error)),
    }
}
