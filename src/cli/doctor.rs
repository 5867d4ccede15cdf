//! `doctor`: what this machine allows and lacks, each with the way out. Sends nothing.

use std::io::{self, IsTerminal};
use std::path::Path;

use serde_json::{Value, json};

use super::exit::Exit;
use super::live::Files;
use super::opt_out::{self, OptOut};
use super::output;
use crate::net::confine::{self, Allowance};
use crate::net::{self, Clock, Family, dns, health, privilege};
use crate::report::safe;

/// The value of `schema` in the document.
const SCHEMA: &str = "lasthop.doctor/1";

/// The command that gives the right to raw sockets.
const SETCAP: &str = "sudo setcap cap_net_raw+ep $(command -v lasthop)";

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As it should be.
    Ok,
    /// Measurements work, but less well.
    Note,
    /// Something that measurements need is not there.
    Missing,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Missing => "missing",
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug)]
struct Check {
    name: &'static str,
    state: State,
    finding: String,
    way_out: Option<String>,
}

impl Check {
    fn ok(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, state: State::Ok, finding: finding.into(), way_out: None }
    }

    fn note(name: &'static str, finding: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { name, state: State::Note, finding: finding.into(), way_out: Some(way_out.into()) }
    }

    fn missing(name: &'static str, finding: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { name, state: State::Missing, finding: finding.into(), way_out: Some(way_out.into()) }
    }
}

/// `lasthop doctor`.
pub fn doctor(as_json: bool, table: Option<&Path>) -> Exit {
    let checks = checks(table);
    let told = match as_json {
        true => output::stdout(|out| {
            serde_json::to_writer_pretty(&mut *out, &document(&checks))?;
            writeln!(out)
        }),
        false => output::stdout(|out| text(out, &checks)),
    };
    match told {
        Err(failure) => failure.end(false),
        Ok(()) if checks.iter().any(|check| check.state == State::Missing) => Exit::Environment,
        Ok(()) => Exit::Ok,
    }
}

fn document(checks: &[Check]) -> Value {
    let listed: Vec<Value> = checks
        .iter()
        .map(|check| {
            json!({
                "name": check.name, "state": check.state.word(), "finding": check.finding, "way_out": check.way_out,
            })
        })
        .collect();
    json!({
        "schema": SCHEMA,
        "tool": {"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")},
        "checks": listed,
        "error": null,
    })
}

fn text(out: &mut dyn io::Write, checks: &[Check]) -> io::Result<()> {
    let width = output::look(super::args::When::Never).width;
    let name = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in checks {
        let head = format!("{:<7}  {:<name$}  ", check.state.word(), check.name);
        let indent = " ".repeat(head.len());
        let options = textwrap::Options::new(width).initial_indent(&head).subsequent_indent(&indent);
        writeln!(out, "{}", textwrap::fill(&safe(&check.finding), options))?;
        if let Some(way_out) = &check.way_out {
            // A command is copied: it is not broken into lines.
            writeln!(out, "{indent}→ {}", safe(way_out))?;
        }
    }
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    writeln!(
        out,
        "{} ok, {} to note, {} missing. Nothing was sent.",
        count(State::Ok),
        count(State::Note),
        count(State::Missing)
    )
}

fn checks(table: Option<&Path>) -> Vec<Check> {
    let mut all = vec![kernel()];
    all.extend(sockets());
    all.extend(confined());
    all.extend(routes());
    all.push(resolver());
    all.push(data(table));
    all.push(clock());
    all.extend(settings());
    all.push(firewall());
    all.push(terminal());
    all.push(own_files());
    all
}

/// The first two numbers of a release.
fn release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|one: char| !one.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn kernel() -> Check {
    let Some(name) = net::kernel() else {
        return Check::note("kernel", "its release cannot be read", "mount /proc");
    };
    match name.split_whitespace().nth(1).and_then(release) {
        Some(release) if release < (5, 7) => Check::note(
            "kernel",
            format!("{name}: choosing an interface (-i, --vrf) takes CAP_NET_RAW, a mark CAP_NET_ADMIN"),
            "Linux 5.17 needs less of both",
        ),
        Some(release) if release < (5, 17) => Check::note(
            "kernel",
            format!("{name}: a mark (--fwmark, --via mark:N) takes CAP_NET_ADMIN"),
            "sudo setcap cap_net_raw,cap_net_admin+ep $(command -v lasthop)",
        ),
        _ => Check::ok("kernel", name),
    }
}

fn sockets() -> Vec<Check> {
    let both = [Family::V4, Family::V6];
    let raw: Vec<_> = both.iter().map(|family| health::raw_socket(*family)).collect();
    let queue = both.map(health::error_queue);
    let whose = match nix::unistd::geteuid().is_root() {
        true => "as root",
        false => "by its file or its service",
    };
    let privilege = match (privilege::holds_net_raw(), &raw[0]) {
        (true, Ok(())) => Check::ok(
            "privilege",
            format!("CAP_NET_RAW is there, {whose}; it is given up once sockets are open"),
        ),
        (true, Err(error)) => Check::note(
            "privilege",
            format!("CAP_NET_RAW is there, and yet: {error}"),
            "a container or sandbox forbids it; run outside, or allow raw sockets there",
        ),
        (false, _) => Check::note(
            "privilege",
            "no CAP_NET_RAW: trace, diagnose and watch measure with ordinary sockets, which see less; batch, --pcap, \
             --bundle and --size cannot be had",
            SETCAP,
        ),
    };
    let raw = match (&raw[0], &raw[1]) {
        (Ok(()), Ok(())) => Check::ok("raw sockets", "IPv4 and IPv6"),
        (Ok(()), Err(error)) => {
            Check::note("raw sockets", format!("IPv4 only: {error}"), "nothing, if there is no IPv6 here")
        }
        (Err(_), _) => Check::note("raw sockets", "not allowed", SETCAP),
    };
    let ordinary = match queue {
        [true, true] => Check::ok("error queue", "ordinary sockets are told of ICMP errors, IPv4 and IPv6"),
        [true, false] => Check::note("error queue", "IPv4 only", "nothing, if there is no IPv6 here"),
        [false, _] if raw.state == State::Ok => Check::note(
            "error queue",
            "ordinary sockets are not told of ICMP errors",
            "raw ones are, and are allowed",
        ),
        [false, _] => Check::missing("error queue", "neither raw nor ordinary sockets can measure", SETCAP),
    };
    let range = health::setting("net/ipv4/ping_group_range").unwrap_or_else(|| "unknown".to_owned());
    let ping = match net::may_ping(Family::V4) {
        true => Check::ok("ping sockets", format!("allowed (net.ipv4.ping_group_range is {range})")),
        false if privilege::holds_net_raw() => Check::ok(
            "ping sockets",
            format!("not allowed (net.ipv4.ping_group_range is {range}), and not needed"),
        ),
        false => Check::note(
            "ping sockets",
            format!("not allowed (net.ipv4.ping_group_range is {range}): no ICMP echo without raw sockets"),
            "sudo sysctl net.ipv4.ping_group_range='0 2147483647'",
        ),
    };
    vec![privilege, raw, ordinary, ping]
}

/// What a run takes from itself before it reads what strangers wrote: tried in a thread that ends at once.
fn confined() -> Vec<Check> {
    let version = confine::landlock_version();
    let held = std::thread::spawn(|| {
        let _ = privilege::drop_here();
        confine::confine(&Allowance::default())
    })
    .join()
    .unwrap_or_default();
    let files = match (version, held.files) {
        (Some(version), true) => Check::ok(
            "landlock",
            format!(
                "version {version}: a run reads the system's files and writes where it was told to{}",
                if held.connections { ", and makes no TCP connections" } else { "" }
            ),
        ),
        _ => Check::note(
            "landlock",
            "not in this kernel: a run could read and write whatever its user can",
            "Linux 5.13 or later, with landlock among its security modules (lsm=)",
        ),
    };
    let calls = match held.calls {
        true => Check::ok(
            "seccomp",
            "system calls that a run does not make are refused; so are programs, but for the clock's",
        ),
        false => Check::note(
            "seccomp",
            "not in this kernel, or not for this processor: every system call stays allowed",
            "a kernel with CONFIG_SECCOMP_FILTER, on x86-64 or arm64",
        ),
    };
    let user = match nix::unistd::geteuid().is_root() {
        true => {
            "capabilities and the bounding set are given up, no new ones can be had; the user stays root, so that files are root's"
        }
        false => "capabilities are given up and no new ones can be had; files are written as this user",
    };
    // A watch opens sockets as long as it runs, and its commands are the user's own.
    let watch = "watch keeps CAP_NET_RAW in one thread, which opens sockets, and is not confined by landlock and seccomp: \
                 its --exec commands must be able to do what they are for";
    vec![files, calls, Check::ok("given up", format!("{user}; {watch}"))]
}

fn routes() -> Vec<Check> {
    let ways = [(Family::V4, "IPv4 route"), (Family::V6, "IPv6 route")];
    let found = ways.map(|(family, name)| (name, health::way_out(family)));
    let any = found.iter().any(|(_, way)| way.is_ok());
    found
        .into_iter()
        .map(|(name, way)| match way {
            Ok((source, interface)) => Check::ok(name, format!("from {source} by '{interface}'")),
            Err(error) => {
                let way_out = format!(
                    "`ip {}route` shows the table; a default route is missing",
                    if name.starts_with("IPv6") { "-6 " } else { "" }
                );
                match any {
                    true => Check::note(name, format!("none to the rest of the world: {error}"), way_out),
                    false => Check::missing(name, format!("none to the rest of the world: {error}"), way_out),
                }
            }
        })
        .collect()
}

fn resolver() -> Check {
    let Ok(text) = std::fs::read_to_string(health::RESOLVER) else {
        return Check::note(
            "resolver",
            format!("{} cannot be read: only addresses can be given", health::RESOLVER),
            "name a server with --dns ADDRESS",
        );
    };
    let named = text.lines().any(|line| line.trim_start().starts_with("nameserver"));
    let servers: Vec<String> = dns::configured(&text).iter().map(|one| one.ip().to_string()).collect();
    match named {
        true => {
            Check::ok("resolver", format!("{} by {}; not asked now", servers.join(", "), health::RESOLVER))
        }
        false => Check::note(
            "resolver",
            format!("{} names no server: this host itself would be asked", health::RESOLVER),
            "name a server with --dns ADDRESS, or measure addresses",
        ),
    }
}

fn data(path: Option<&Path>) -> Check {
    let read = Files::open(path, None, &[]).and_then(Files::read);
    let read = match read {
        Ok(read) => read,
        Err(failure) => {
            return Check::missing("table", failure.message, failure.hint.unwrap_or_default());
        }
    };
    let described = read.describe(Clock::start().started_at());
    let age =
        described.age_days.map_or_else(|| "of unknown age".to_owned(), |days| format!("{days} days old"));
    let what = format!("{}, {} prefixes, {age}", described.origin, described.prefixes);
    match described.warning {
        None => Check::ok("table", what),
        Some(_) => Check::note(
            "table",
            format!("{what}: networks may have moved since"),
            "lasthop db build makes a new one, --db takes it",
        ),
    }
}

fn clock() -> Check {
    let found = net::synchronisation();
    let by = found.source.clone().unwrap_or_default();
    let off = found
        .most_wrong_ns
        .map_or(String::new(), |most| format!(", off by {} ms at most", most / 1_000_000 + 1));
    match found.synchronised {
        Some(true) => Check::ok("clock", format!("kept right by {by}{off}")),
        Some(false) => Check::note(
            "clock",
            format!("{by} says that it is not synchronised"),
            "wait for it, or see its sources; times in reports may be wrong",
        ),
        None if found.source.is_some() => Check::note(
            "clock",
            format!("{by} runs and does not say how right the clock is"),
            "install the program that asks it",
        ),
        None => Check::note(
            "clock",
            "no time daemon is known to run: times in reports may be wrong",
            "sudo apt install chrony",
        ),
    }
}

fn settings() -> Vec<Check> {
    let number = |name: &str| health::setting(name).and_then(|text| text.parse::<u64>().ok());
    let mut all = Vec::new();
    // All of them and each: the larger holds.
    let filter = |who: &str| number(&format!("net/ipv4/conf/{who}/rp_filter")).unwrap_or(0);
    let strict: Vec<String> = net::interfaces()
        .into_iter()
        .filter(|one| !one.loopback && one.up && filter("all").max(filter(&one.name)) == 1)
        .map(|one| one.name)
        .collect();
    all.push(match strict.as_slice() {
        [] => Check::ok("rp_filter", "replies are taken by whichever interface they come in"),
        [_] => Check::ok("rp_filter", "strict, which does no harm with one uplink"),
        several => Check::note(
            "rp_filter",
            format!("strict on {}: with -i, --via or a mark this host may drop replies", several.join(", ")),
            format!(
                "sudo sysctl {}",
                several
                    .iter()
                    .map(|name| format!("net.ipv4.conf.{name}.rp_filter=2"))
                    .collect::<Vec<_>>()
                    .join(" ")
            ),
        ),
    });
    let (rate, sum) = (number("net/ipv4/icmp_ratelimit"), number("net/ipv4/icmp_msgs_per_sec"));
    let told = |value: Option<u64>| value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
    all.push(Check::ok(
        "icmp limits",
        format!(
            "net.ipv4.icmp_ratelimit is {}, icmp_msgs_per_sec {}: they limit what this host answers others, not what it hears",
            told(rate),
            told(sum)
        ),
    ));
    let wanted = net::DEFAULT_RECEIVE_BUFFER as u64;
    all.push(match number("net/core/rmem_max") {
        Some(most) if most >= wanted => Check::ok("receive buffer", format!("net.core.rmem_max is {most}")),
        Some(most) => Check::note(
            "receive buffer",
            format!("net.core.rmem_max is {most}: without CAP_NET_ADMIN a flood may push out replies, which is counted"),
            format!("sudo sysctl net.core.rmem_max={wanted}"),
        ),
        None => Check::ok("receive buffer", "its limit is not told here (a network namespace)"),
    });
    all
}

/// Its rules are nobody's to read but the administrator's.
fn firewall() -> Check {
    Check::note(
        "firewall",
        "this host's own rules cannot be seen from here; what they refuse is told as such, what they drop on its way in is not",
        "sudo nft list ruleset",
    )
}

fn terminal() -> Check {
    if !io::stdout().is_terminal() {
        return Check::ok("terminal", "standard output is none: plain text, 80 columns");
    }
    let look = output::look(super::args::When::Auto);
    let colour = if look.color { "colours" } else { "no colours" };
    match look.width {
        width if width < 60 => {
            Check::note("terminal", format!("{width} columns, {colour}"), "tables are made for 80 columns")
        }
        width => Check::ok("terminal", format!("{width} columns, {colour}")),
    }
}

/// What the user keeps for this program.
fn own_files() -> Check {
    let Some(path) = opt_out::usual("XDG_CONFIG_HOME", ".config", "opt-out") else {
        return Check::note(
            "own files",
            "no home: no opt-out list, and searches are not kept",
            "set HOME, or XDG_CONFIG_HOME and XDG_CACHE_HOME",
        );
    };
    match OptOut::open(None).and_then(OptOut::read) {
        Err(failure) => Check::missing("own files", failure.message, failure.hint.unwrap_or_default()),
        Ok(entries) if path.exists() => {
            Check::ok("own files", format!("{}: {} entries", path.display(), entries.len()))
        }
        Ok(_) => Check::ok("own files", format!("no opt-out list ({})", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_as_numbers() {
        assert_eq!(release("6.1.0-28-amd64"), Some((6, 1)));
        assert_eq!(release("5.4"), Some((5, 4)));
        assert!(release("5.10.2") > release("5.9.16"));
        assert_eq!(release("unknown"), None);
    }

    #[test]
    fn every_check_has_its_own_name_and_whatever_is_not_ok_a_way_out() {
        let all = checks(None);
        let mut names: Vec<&str> = all.iter().map(|check| check.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!((names.len(), count >= 15), (count, true), "{names:?}");
        for check in &all {
            assert_eq!(
                check.state != State::Ok,
                check.way_out.as_ref().is_some_and(|way| !way.is_empty()),
                "{check:?}"
            );
        }
    }
}
