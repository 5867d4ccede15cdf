//! `diagnose --from`: the same question, asked from other people's probes.
//!
//! Keys come from the environment or from a file that only its owner may read, and go into one header. What a measurement
//! costs is shown before it is made. Its numbers are written down as soon as they are known, so that a run that was killed
//! is taken up by the same command; its results are kept, as they came, in the cache folder.

use std::fs::{self, File};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::args;
use super::compare;
use super::exit::Exit;
use super::failure::{Failure, error_text};
use super::live::Files;
use super::request::{self, Endpoint as Host};
use super::{opt_out, output};
use crate::net::Clock;
use crate::remote::{self, Endpoint, Machine, Network, Task};
use crate::report::safe;
use crate::trace::Protocol;

/// How long probes are waited for.
const DEADLINE: Duration = Duration::from_secs(600);
/// A file of keys, or of a measurement's numbers, longer than this is none.
const LONGEST: u64 = 64 << 10;
/// Results longer than this are not ours.
const MOST_KEPT: u64 = 64 << 20;
/// Who asks.
const AGENT: &str = concat!("lasthop/", env!("CARGO_PKG_VERSION"));

/// What is written down of a measurement that was begun.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    from: String,
    ids: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Keys {
    atlas: Option<String>,
    globalping: Option<String>,
}

/// `lasthop diagnose TARGET -r REFERENCE --from …`.
pub fn diagnose(words: &args::Diagnose) -> Exit {
    measure(words).unwrap_or_else(|failure| failure.end(words.output.prints_json()))
}

/// What is concluded of result files, in the networks' own formats.
fn concluded(files: &[PathBuf], words: &args::Diagnose) -> Result<Exit, Failure> {
    let references: Vec<String> =
        words.references.iter().map(|word| Ok(Host::parse(word)?.host)).collect::<Result<_, Failure>>()?;
    let probing = &words.probing;
    let data = Files::of(&probing.knowledge)?;
    let (registry, output) = (&words.registry, &words.output);
    compare::Asked { files, targets: &[], references: &references, registry, output }.answer(data)
}

fn measure(words: &args::Diagnose) -> Result<Exit, Failure> {
    if words.live.wanted() {
        output::talk("no live view: other people's probes answer all at once, minutes later");
    }
    if words.mx.is_some() || words.spf.is_some() || words.service().is_some() || !words.probing.dns.is_empty()
    {
        return Err(Failure::usage(
            "other people's probes resolve names themselves, and make no connection",
            "leave out --mx, --spf, --dns and --app, or leave out --from; name one mail host as TARGET",
        ));
    }
    let mut files = Vec::new();
    let mut machines = Vec::new();
    for from in &words.from {
        match from.strip_prefix("file:") {
            Some(path) if Path::new(path).is_file() => files.push(PathBuf::from(path)),
            Some(path) => {
                return Err(Failure::input(
                    format!("there is no file {path}"),
                    Some("give results of RIPE Atlas or Globalping as they were downloaded".into()),
                ));
            }
            None => machines.push(prepared(words, from)?),
        }
    }
    if words.dry_run {
        return announce(&machines);
    }
    for mut prepared in machines {
        files.extend(run(&mut prepared, words.yes)?);
    }
    concluded(&files, words)
}

/// A measurement that is ready to be made.
struct Prepared {
    from: String,
    machine: Machine,
    endpoint: Endpoint,
    has_key: bool,
    needs_key: bool,
    state: Option<PathBuf>,
}

fn wrong(error: &remote::Error) -> Failure {
    let (message, hint) = (error.to_string(), error.hint().to_owned());
    match error {
        remote::Error::Where(_) => Failure::usage(message, hint),
        _ => Failure::environment("network", message, Some(hint)),
    }
}

fn prepared(words: &args::Diagnose, from: &str) -> Result<Prepared, Failure> {
    let network = Network::parse(from).map_err(|error| wrong(&error))?;
    let [reference] = words.references.as_slice() else {
        return Err(Failure::usage(
            "--from compares the target with one reference",
            "name one host of the same network that works: -r HOST",
        ));
    };
    let (protocol, port) = request::protocol(&words.probing)?;
    let task = Task {
        target: Host::parse(words.probing.target())?.host,
        reference: Host::parse(reference)?.host,
        protocol: match protocol {
            Protocol::Tcp => "TCP",
            Protocol::Icmp => "ICMP",
            Protocol::Udp => "UDP",
        },
        port,
        family: if words.probing.ipv6 { 6 } else { 4 },
        deadline: DEADLINE,
    };
    let (atlas, variable, usual, resumed) = match &network {
        Network::Atlas(from) => (true, "LASTHOP_ATLAS_URL", "https://atlas.ripe.net/api/v2", &from.resume),
        Network::Globalping(from) => {
            (false, "LASTHOP_GLOBALPING_URL", "https://api.globalping.io", &from.resume)
        }
    };
    let key = key(atlas)?;
    let base = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let has_key = key.is_some();
    let endpoint = Endpoint::new(&base, AGENT, key, now).map_err(|error| wrong(&error))?;
    // The same question of the same network is the same measurement.
    let digest = Sha256::digest(format!("{from}\n{task:?}\n{base}"));
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let state = folder().map(|folder| folder.join(format!("begun-{name}.json")));
    let ids = match (resumed.as_slice(), &state) {
        ([], Some(path)) => begun(path),
        (ids, _) => ids.to_vec(),
    };
    if !ids.is_empty() {
        output::talk(&format!("taken up: measurement {}", safe(&ids.join(" and "))));
    }
    let mut machine = Machine::new(network, task, ids.clone());
    for id in &ids {
        if let Some(json) = kept_results(atlas, id)
            && machine.recall(id, json)
        {
            output::talk(&format!("measurement {}: finished, from the cache", safe(id)));
        }
    }
    Ok(Prepared { from: from.to_owned(), machine, endpoint, has_key, needs_key: atlas, state })
}

/// `--dry-run`: what would be sent.
fn announce(machines: &[Prepared]) -> Result<Exit, Failure> {
    output::stdout(|out| {
        for one in machines {
            for request in one.machine.creations() {
                writeln!(out, "{}", safe_lines(&request.to_string()))?;
                let key = if one.has_key { "Authorization: … (your key)" } else { "without a key" };
                writeln!(out, "{key}\n")?;
            }
            let cost = one.machine.cost().unwrap_or_else(|| "nothing: it was begun already".to_owned());
            writeln!(out, "cost: {cost}")?;
            writeln!(out, "left: {}", safe(&left(one)))?;
        }
        Ok(())
    })?;
    Ok(Exit::Ok)
}

/// What the network still allows, which only it can say: the one question that a dry run asks.
fn left(one: &Prepared) -> String {
    if one.needs_key && !one.has_key {
        return "only who has a key is told".to_owned();
    }
    match one.endpoint.send(&one.machine.balance()) {
        Ok(answer) if answer.status == 200 => {
            one.machine.left(&answer.body).unwrap_or_else(|| "the network does not say".to_owned())
        }
        Ok(answer) => format!("the network does not say (it answers {})", answer.status),
        Err(reason) => format!("the network cannot be asked: {reason}"),
    }
}

/// The time, for servers that give a date and not their own.
fn now() -> Timestamp {
    let nanoseconds = Clock::start().started_at().0;
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Where the results of a measurement are kept; those that may still grow apart from finished ones.
fn results_of(folder: &Path, atlas: bool, id: &str, complete: bool) -> PathBuf {
    let network = if atlas { "atlas" } else { "globalping" };
    folder.join(format!("{network}-{id}{}.json", if complete { "" } else { ".part" }))
}

/// Finished results of an earlier run. A file that cannot be read costs a question to the network and no more.
fn kept_results(atlas: bool, id: &str) -> Option<String> {
    let file = File::open(results_of(&folder()?, atlas, id, true)).ok()?;
    let mut text = String::new();
    file.take(MOST_KEPT).read_to_string(&mut text).ok()?;
    Some(text)
}

fn safe_lines(text: &str) -> String {
    text.lines().map(|line| safe(line).into_owned()).collect::<Vec<_>>().join("\n")
}

fn run(prepared: &mut Prepared, yes: bool) -> Result<Vec<PathBuf>, Failure> {
    if let Some(cost) = prepared.machine.cost() {
        if prepared.needs_key && !prepared.has_key {
            return Err(Failure::environment(
                "key",
                "RIPE Atlas makes no measurement without a key",
                Some(
                    "set LASTHOP_ATLAS_KEY, or write atlas = \"KEY\" to ~/.config/lasthop/keys.toml (0600)"
                        .into(),
                ),
            ));
        }
        output::talk(&format!("this costs {cost}"));
        if !yes && !agreed() {
            return Err(Failure::usage(
                "nothing was sent: it costs, and nobody agreed",
                "say --yes, or answer y on a terminal; --dry-run shows what would be sent",
            ));
        }
    }
    let Some(folder) = folder() else {
        return Err(Failure::environment(
            "output",
            "there is no place for the results",
            Some("set HOME or XDG_CACHE_HOME".into()),
        ));
    };
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| super::failure::unwritable(&folder.display().to_string(), &error))?;
    let Prepared { from, machine, endpoint, state, .. } = prepared;
    let mut known = machine.ids().to_vec();
    let mut said = String::new();
    let results = remote::drive(machine, endpoint, &mut |pause| std::thread::sleep(pause), &mut |machine| {
        if let (true, Some(path)) = (known != machine.ids(), &*state) {
            known = machine.ids().to_vec();
            output::talk(&format!("measurement {}", safe(&known.join(" and "))));
            let begun = Begun { from: from.clone(), ids: known.clone() };
            output::put(path, &serde_json::to_vec(&begun).unwrap_or_default()).map_err(Trouble::Ours)?;
        }
        let progress = machine.progress();
        if progress != said {
            output::talk(&safe(&progress));
            said = progress;
        }
        Ok(())
    });
    let results = results.map_err(|trouble| match trouble {
        Trouble::Ours(failure) => failure,
        Trouble::Theirs(error) => wrong(&error),
    })?;
    let mut files = Vec::new();
    for one in results {
        let path = results_of(&folder, prepared.needs_key, &one.id, one.complete);
        output::put(&path, one.json.as_bytes())?;
        output::talk(&safe(&format!("{}: {} of {} probes", one.target, one.probes.1, one.probes.0)));
        files.push(path);
    }
    if let Some(left) = prepared.machine.allowance() {
        let of = left.limit.map_or_else(String::new, |limit| format!(" of {limit}"));
        let again = left.reset.map_or_else(String::new, |seconds| format!(", all again in {seconds} s"));
        output::talk(&format!("left: {}{of}{again}", left.remaining));
    }
    if let Some(path) = &prepared.state {
        // It is finished: the same command measures anew. One that stays is only taken up once more.
        let _ = fs::remove_file(path);
    }
    Ok(files)
}

enum Trouble {
    Ours(Failure),
    Theirs(remote::Error),
}

impl From<remote::Error> for Trouble {
    fn from(error: remote::Error) -> Self {
        Self::Theirs(error)
    }
}

fn agreed() -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    output::talk("send it? [y/N]");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}

fn folder() -> Option<PathBuf> {
    opt_out::usual("XDG_CACHE_HOME", ".cache", "remote")
}

/// The numbers of a measurement that was begun and not finished; a file that is not ours is none.
fn begun(path: &Path) -> Vec<String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    let Some(begun) = read.ok().and_then(|_| serde_json::from_str::<Begun>(&text).ok()) else {
        return Vec::new();
    };
    let plain =
        |id: &String| id.len() <= 64 && !id.is_empty() && id.bytes().all(|one| one.is_ascii_alphanumeric());
    if begun.ids.len() <= 2 && begun.ids.iter().all(plain) { begun.ids } else { Vec::new() }
}

/// The value of `Authorization`.
fn key(atlas: bool) -> Result<Option<String>, Failure> {
    let (variable, scheme) = match atlas {
        true => ("LASTHOP_ATLAS_KEY", "Key"),
        false => ("LASTHOP_GLOBALPING_TOKEN", "Bearer"),
    };
    let given = std::env::var(variable).ok().filter(|key| !key.is_empty());
    let key = match given {
        Some(key) => Some(key),
        None => {
            let keys = kept()?;
            if atlas { keys.atlas } else { keys.globalping }
        }
    };
    let Some(key) = key.map(|key| key.trim().to_owned()) else { return Ok(None) };
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) || key.len() < 8 {
        return Err(Failure::environment(
            "key",
            format!("the key for {variable} is none: too short, or with characters that no key has"),
            Some("copy it again, whole".into()),
        ));
    }
    Ok(Some(format!("{scheme} {key}")))
}

/// `keys.toml` of the user.
fn kept() -> Result<Keys, Failure> {
    let Some(path) = opt_out::usual("XDG_CONFIG_HOME", ".config", "keys.toml") else {
        return Ok(Keys::default());
    };
    let unusable = |problem: String, hint: String| {
        Failure::environment("key", format!("cannot use {}: {problem}", path.display()), Some(hint))
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Keys::default()),
        Err(error) => return Err(unusable(error_text(&error), "make it readable for yourself".into())),
    };
    // Of the file that is open, not of whatever has its name by then.
    let mode = file.metadata().map(|metadata| metadata.permissions().mode());
    if mode.map_or(true, |mode| mode & 0o077 != 0) {
        let hint = format!("chmod 600 {}", path.display());
        return Err(unusable("others may read it".into(), hint));
    }
    let mut text = String::new();
    let read = file.take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| unusable(error_text(&error), "write it anew".into()))?;
    // What the parser says may quote the line, and in it the key.
    toml::from_str(&text).map_err(|_| {
        unusable("it is no TOML".into(), "write atlas = \"KEY\" and globalping = \"TOKEN\"".into())
    })
}
