//! Other tools and lasthop on the same kernel routers: what an imported file says is what was measured there.
//!
//! Every tool that a Debian package has is run in its forms against four worlds: a clear path, a router that keeps silent, a
//! drop, a refusal. Its output is imported as it was printed and compared hop by hop with lasthop's own trace of the same
//! protocol: who answered at each TTL, whether the target did, and what the last router said.
//!
//! Tools that take every ICMP message for their own (BusyBox, inetutils, hping3) run one after another, the others at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::net::skip;
use super::world::{FORWARD, FOUR, Names, ROUTERS, SIX, World, address};

/// Of the target in both families.
const TARGET: &str = "mx.example.net";

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");

/// By the names that tell them from each other: `traceroute` is whichever was installed last.
const TOOLS: [&str; 10] = [
    "traceroute.db",
    "mtr",
    "scamper",
    "tcptraceroute.mt",
    "tracepath",
    "inetutils-traceroute",
    "busybox",
    "hping3",
    "nmap",
    "dublin-traceroute",
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Clear,
    Silent,
    Dropped,
    Refused,
}

/// What a form says of a refusal.
#[derive(Clone, Copy, PartialEq)]
enum Marks {
    /// Nothing: mtr counts any answer.
    None,
    /// That there was one; which, the kernel's error number hides.
    Some,
    /// Its type and code.
    Exact,
}

/// A tool with its words.
struct Case {
    words: Vec<String>,
    v6: bool,
    /// What its probes are.
    how: How,
    /// It must have the network for itself.
    alone: bool,
    marks: Marks,
    /// The first TTL that it asks.
    first: u8,
    /// Its output is a file of this name, not what it prints.
    file: Option<&'static str>,
    /// It prints names alone, so that the target is known by its name or not at all.
    named: bool,
}

impl Case {
    const fn new(words: Vec<String>, v6: bool, how: How) -> Self {
        Self { words, v6, how, alone: false, marks: Marks::Exact, first: 1, file: None, named: false }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum How {
    Udp,
    Tcp,
    Icmp,
}

/// What one program saw.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    hops: BTreeMap<u8, BTreeSet<String>>,
    reached: bool,
    /// Where a router refused, and with which ICMP code.
    refused: BTreeSet<(u8, u64)>,
}

impl Seen {
    /// Of a run; `names` says whose a name is, for forms that print no address.
    fn of(run: &Value, names: &BTreeMap<String, [String; 2]>, v6: bool) -> Self {
        let mut seen = Self { reached: run["target"]["reached"] == true, ..Self::default() };
        for hop in run["target"]["hops"].as_array().unwrap() {
            let ttl = u8::try_from(hop["ttl"].as_u64().unwrap()).unwrap();
            for one in hop["responders"].as_array().unwrap() {
                let named = || names.get(one["name"].as_str()?).map(|both| both[usize::from(v6)].clone());
                let who = one["address"].as_str().map(str::to_owned).or_else(named);
                seen.hops.entry(ttl).or_default().insert(who.unwrap_or_else(|| one.to_string()));
                let codes = one["replies"]["unreachable"].as_array().unwrap().iter();
                // Of a host without an address a form cannot tell the family.
                let port = if v6 && one["address"].is_string() { 4 } else { 3 };
                let codes = codes.map(|one| one["code"].as_u64().unwrap()).filter(|code| *code != port);
                seen.refused.extend(codes.map(|code| (ttl, code)));
            }
        }
        seen
    }

    /// What another program saw is the same, as far as it asked and can tell.
    fn differs(&self, theirs: &Self, case: &Case) -> Option<String> {
        let (last, end) = self.hops.last_key_value()?;
        for ttl in case.first..=*last {
            let (ours, theirs) = (self.hops.get(&ttl), theirs.hops.get(&ttl));
            if ours != theirs {
                return Some(format!("hop {ttl} is {ours:?} and they say {theirs:?}"));
            }
        }
        // What was on its way already, or does not end where it is refused.
        if let Some(beyond) = theirs.hops.range(last + 1..).find(|(_, who)| !who.is_subset(end)) {
            return Some(format!("behind hop {last} they say {beyond:?}"));
        }
        if self.reached != theirs.reached {
            return Some(format!("reached is {} and they say {}", self.reached, theirs.reached));
        }
        let theirs = &theirs.refused;
        let same = match case.marks {
            Marks::None => theirs.is_empty(),
            Marks::Some => theirs.iter().map(|(ttl, _)| ttl).eq(self.refused.iter().map(|(ttl, _)| ttl)),
            // Some go on after a refusal, and are refused again.
            Marks::Exact => {
                self.refused.is_subset(theirs)
                    && theirs.iter().all(|(_, code)| self.refused.iter().any(|(_, one)| one == code))
            }
        };
        (!same).then(|| format!("refused at {:?} and they say {theirs:?}", self.refused))
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Every tool in every form that suits a world.
fn cases(kind: Kind) -> Vec<Case> {
    let mut cases = Vec::new();
    // Beyond the last answer each silent TTL costs a tool a second for each probe.
    let most = if matches!(kind, Kind::Clear | Kind::Silent) { 15 } else { 8 };
    let full = kind == Kind::Clear;
    let few = if full { 3 } else { 1 };
    for names in [FOUR, SIX] {
        let (v6, target) = (names.v6, names.target);
        let mut add = |line: String, how, alone, marks| {
            cases.push(Case { alone, marks, ..Case::new(words(&line), v6, how) });
        };
        for (how, flags) in
            [(How::Udp, ""), (How::Udp, "-U -p 33434"), (How::Tcp, "-T -p 443"), (How::Icmp, "-I")]
        {
            // Its TCP sockets take answers to each other's probes.
            let alone = how == How::Tcp;
            let forms = ["-n", "", "-n -q 1", "-n -e", "-q 5", "-n --back", "-n -N 1 -q 1"];
            for form in &forms[..if full { 7 } else { 2 }] {
                let line = format!("traceroute.db -w 1 -m {most} {flags} {form} {target}");
                add(line, how, alone, Marks::Exact);
            }
        }
        add(
            format!("traceroute.db -w 1 -m {most} -n -T -p 443 -O info {target}"),
            How::Tcp,
            true,
            Marks::Exact,
        );
        add(format!("traceroute.db -w 1 -m {most} -n --mtu -q 1 {target}"), How::Udp, false, Marks::Exact);
        for (how, flags) in [(How::Icmp, ""), (How::Udp, "-u"), (How::Tcp, "-T -P 443")] {
            let forms = [
                "-w -n",
                "-j -n",
                "-C -b",
                "-x -n",
                "-l -n",
                "-w",
                "-j",
                "-r -b",
                "-r -n",
                "-w -b",
                "-w -n -o LSRDNBAWVGJMXI",
                "-w -n -z",
                "-j -b",
                "-C -n",
                "-C -n -z",
                "-x -b",
                "-l",
            ];
            // Where the way does not lead to the end mtr's TCP sockets report errors of their own.
            let count = if full {
                forms.len()
            } else if how == How::Tcp {
                0
            } else {
                8
            };
            for form in &forms[..count] {
                let named = ["-w", "-j", "-r -b"].contains(form);
                let family = if v6 { "-6" } else { "-4" };
                let target = if named { TARGET } else { target };
                let line = format!("mtr {family} -c 2 -i 0.2 -G 1 -Z 1 -m {most} {flags} {form} {target}");
                cases.push(Case { marks: Marks::None, named, ..Case::new(words(&line), v6, how) });
            }
        }
        for (how, method) in [
            (How::Udp, "udp"),
            (How::Udp, "udp-paris"),
            (How::Icmp, "icmp"),
            (How::Icmp, "icmp-paris"),
            (How::Tcp, "tcp"),
            (How::Tcp, "tcp-ack"),
        ] {
            // This one hears no answer over IPv6 in any of its forms (version 20211212).
            if v6 && method == "udp-paris" {
                continue;
            }
            let port = if how == How::Tcp { "-d 443 " } else { "" };
            for form in ["text", "json", "warts"] {
                let mut line = words(&format!("scamper -O {form} -I"));
                line.push(format!("trace -w 1 -m {most} -q {few} -P {method} {port}{target}"));
                cases.push(Case::new(line, v6, how));
            }
        }
        for form in ["-n", "-b", ""] {
            let marks = if v6 { Marks::Exact } else { Marks::Some };
            let line = format!("tracepath -m {most} {form} {target}");
            let named = form.is_empty();
            cases.push(Case { marks, named, ..Case::new(words(&line), v6, How::Udp) });
        }
        let mut add = |line: String, how, alone, marks| {
            cases.push(Case { alone, marks, ..Case::new(words(&line), v6, how) });
        };
        for form in ["-n -oX -", "-n"] {
            let family = if v6 { "-6" } else { "" };
            add(
                format!("nmap {family} -Pn -p 443 --traceroute {form} {target}"),
                How::Tcp,
                false,
                Marks::None,
            );
        }
        let applets: &[(How, &str)] = if v6 {
            &[(How::Udp, "traceroute6")]
        } else {
            &[(How::Udp, "traceroute"), (How::Icmp, "traceroute -I")]
        };
        for (how, applet) in applets {
            for form in ["-n", "", "-n -v"] {
                let line = format!("busybox {applet} -w 1 -q {few} -m {most} {form} {target}");
                add(line, *how, true, Marks::Exact);
            }
        }
        if v6 {
            continue;
        }
        for form in ["-n", "", "-n -q 1", "-n -A"] {
            let line = format!("tcptraceroute.mt -w 1 -m {most} -q {few} {form} {target} 443");
            add(line, How::Tcp, false, Marks::Exact);
        }
        for (how, flag) in [(How::Udp, ""), (How::Icmp, "-I")] {
            for form in ["", "--resolve-hostnames"] {
                let line = format!("inetutils-traceroute -w 1 -q {few} -m {most} {flag} {form} {target}");
                add(line, how, true, Marks::Exact);
            }
        }
        // It waits for an answer of a TTL before it asks the next.
        if kind != Kind::Silent {
            for (how, form) in [(How::Tcp, "-n -S -p 443"), (How::Icmp, "-n -1"), (How::Tcp, "-S -p 443")] {
                let count = if kind == Kind::Clear { 14 } else { 9 };
                add(
                    format!("hping3 --traceroute {form} -c {count} -i u50000 {target}"),
                    how,
                    true,
                    Marks::Exact,
                );
            }
        }
        let line = format!("dublin-traceroute -n 2 -T {most} {target}");
        add(line.clone(), How::Udp, true, Marks::Exact);
        add(line, How::Udp, true, Marks::Exact);
        cases.last_mut().unwrap().file = Some("trace.json");
    }
    for names in [FOUR, SIX] {
        let line = words(&format!("traceroute.db -w 1 -n -f 3 -m {most} {}", names.target));
        cases.push(Case { first: 3, ..Case::new(line, names.v6, How::Udp) });
    }
    cases
}

/// Names for all routers and the target, as a hosts file has them.
fn hosts() -> (String, BTreeMap<String, [String; 2]>) {
    let mut names = BTreeMap::new();
    // A router answers with the address that its near link has.
    let mut chain = vec![("you", 0)];
    chain.extend(ROUTERS);
    for (number, pair) in chain.windows(2).enumerate() {
        let (four, six) = address(pair[0].1, number as u32 + 1, 2);
        names.insert(format!("ae-{number}-30.{}.example.net", pair[1].0), [four, six]);
    }
    names.insert(TARGET.to_owned(), [FOUR.target, SIX.target].map(str::to_owned));
    let mut text = "127.0.0.1 localhost\n".to_owned();
    for (name, both) in &names {
        for one in both {
            text += &format!("{one} {name}\n");
        }
    }
    (text, names)
}

/// A folder for what the tools write, and what they are to find in /etc.
struct Desk {
    folder: tempfile::TempDir,
    names: BTreeMap<String, [String; 2]>,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (hosts, names) = hosts();
        fs::write(folder.path().join("hosts"), hosts).unwrap();
        // Nobody is there; a tool that asks is refused at once.
        let resolver = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
        fs::write(folder.path().join("resolv.conf"), resolver).unwrap();
        Self { folder, names }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a tool at the prober's place; what it prints goes to a file.
    fn start(&self, world: &World, number: usize, case: &Case) -> std::process::Child {
        // The mounts are of this process alone. scamper makes a folder below /var for itself.
        const PLACE: &str = "mount --bind \"$1/hosts\" /etc/hosts && mount --bind \"$1/resolv.conf\" /etc/resolv.conf &&
            mount -t tmpfs none /var && mkdir /var/empty && mkdir -p \"$1/$2\" && cd \"$1/$2\" && shift 2 && exec timeout 40 \"$@\"";
        let place = format!("run{number}");
        let out = fs::File::create(self.path(&format!("{number}.out"))).unwrap();
        let errors = fs::File::create(self.path(&format!("{number}.err"))).unwrap();
        Command::new("ip")
            .args(["netns", "exec", &world.space("you"), "sh", "-c", PLACE, "sh"])
            .args([self.folder.path(), Path::new(&place)])
            .args(&case.words)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .spawn()
            .unwrap()
    }

    /// What a tool wrote, as lasthop reads it.
    fn import(&self, number: usize, case: &Case) -> Result<Seen, String> {
        let file = match case.file {
            Some(name) => self.path(&format!("run{number}")).join(name),
            None => self.path(&format!("{number}.out")),
        };
        let printed = || {
            let read = |name: String| fs::read(self.path(&name)).unwrap_or_default();
            let both = [read(format!("{number}.out")), read(format!("{number}.err"))].concat();
            String::from_utf8_lossy(&both).into_owned()
        };
        let target = match (case.named, case.v6) {
            (true, _) => TARGET,
            (_, true) => SIX.target,
            (_, false) => FOUR.target,
        };
        let output =
            Command::new(PROGRAM).args(["import", "--json", "--target", target]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let set: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("{error} {said}"))?;
        let runs = set["runs"].as_array().unwrap();
        match runs.as_slice() {
            [run] if run["error"].is_null() => Ok(Seen::of(run, &self.names, case.v6)),
            _ => Err(format!("{} runs: {said}\n{}", runs.len(), printed())),
        }
    }
}

/// lasthop's own trace with each protocol in each family.
fn measured(world: &World, names: &BTreeMap<String, [String; 2]>) -> BTreeMap<(bool, How), Seen> {
    let mut seen = BTreeMap::new();
    std::thread::scope(|scope| {
        let mut traces = Vec::new();
        for family in [FOUR, SIX] {
            for (how, line) in [(How::Udp, "-U -p 33434"), (How::Tcp, "-T -p 443"), (How::Icmp, "-I")] {
                let trace = move || {
                    let mut words = vec!["trace", family.target, "--json", "-m", "15"];
                    words.extend(line.split(' '));
                    let output = world.lasthop(&words);
                    super::world::document(&output)
                };
                traces.push((family.v6, how, scope.spawn(trace)));
            }
        }
        for (v6, how, trace) in traces {
            seen.insert((v6, how), Seen::of(&trace.join().unwrap(), names, v6));
        }
    });
    seen
}

fn there(tool: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].iter().any(|folder| Path::new(folder).join(tool).exists())
}

fn round_trips(test: &str, kind: Kind, prepare: impl Fn(&World, Names)) {
    let Some(world) = World::build(test) else { return };
    for tool in TOOLS.into_iter().filter(|tool| !there(tool)) {
        skip::<()>(test, &format!("{tool} is not installed: its part is left out"));
    }
    for names in [FOUR, SIX] {
        prepare(&world, names);
    }
    // A tool that asks for a name is refused at once where loopback is up.
    world.batch("you", "link set lo up", false);
    let desk = Desk::new();
    let ours = measured(&world, &desk.names);
    let last = if kind == Kind::Dropped {
        6
    } else if kind == Kind::Refused {
        7
    } else {
        12
    };
    for ((v6, how), seen) in &ours {
        assert_eq!(seen.hops.keys().next_back(), Some(&last), "{test} v6={v6} {how:?}: {seen:?}");
        assert_eq!(seen.reached, last == 12, "{test} v6={v6} {how:?}: {seen:?}");
        assert_eq!(seen.refused.is_empty(), kind != Kind::Refused, "{test} v6={v6} {how:?}: {seen:?}");
    }
    let cases: Vec<Case> = cases(kind).into_iter().filter(|case| there(&case.words[0])).collect();
    for (number, case) in cases.iter().enumerate().filter(|(_, case)| case.alone) {
        let _ = desk.start(&world, number, case).wait();
    }
    let together: Vec<(usize, &Case)> = cases.iter().enumerate().filter(|(_, case)| !case.alone).collect();
    for some in together.chunks(64) {
        let children: Vec<_> = some.iter().map(|(number, case)| desk.start(&world, *number, case)).collect();
        for mut child in children {
            let _ = child.wait();
        }
    }
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let look = || match desk.import(number, case) {
            Ok(theirs) => ours[&(case.v6, case.how)].differs(&theirs, case),
            Err(fault) => Some(fault),
        };
        let mut fault = look();
        if fault.is_some() {
            // Some tools take the answers to another process for theirs: alone, it must agree.
            let _ = desk.start(&world, number, case).wait();
            fault = look();
        }
        if let Some(fault) = fault {
            let text = fs::read(desk.path(&format!("{number}.out"))).unwrap_or_default();
            let text: String = String::from_utf8_lossy(&text).chars().take(2000).collect();
            wrong.push(format!("{}: {fault}\n{text}", case.words.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{test}: {} of {} forms:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn other_tools_on_a_clear_path_are_read_as_lasthop_measures_it() {
    let test = "other_tools_on_a_clear_path_are_read_as_lasthop_measures_it";
    round_trips(test, Kind::Clear, |_, _| {});
}

#[test]
fn other_tools_past_a_silent_router_are_read_as_lasthop_measures_it() {
    let test = "other_tools_past_a_silent_router_are_read_as_lasthop_measures_it";
    round_trips(test, Kind::Silent, |world, names| {
        let hook = if names.v6 { "output priority 0" } else { "output priority 00" };
        world.nft("c2", names, hook, "ICMP type time-exceeded drop");
    });
}

#[test]
fn other_tools_before_a_drop_are_read_as_lasthop_measures_it() {
    let test = "other_tools_before_a_drop_are_read_as_lasthop_measures_it";
    round_trips(test, Kind::Dropped, |world, names| {
        world.nft("c2", names, if names.v6 { FORWARD } else { "forward priority 00" }, "DST drop");
    });
}

#[test]
fn other_tools_that_are_refused_are_read_as_lasthop_measures_it() {
    let test = "other_tools_that_are_refused_are_read_as_lasthop_measures_it";
    round_trips(test, Kind::Refused, |world, names| {
        let rule = "DST reject with ICMP type admin-prohibited";
        world.nft("c2", names, if names.v6 { FORWARD } else { "forward priority 00" }, rule);
    });
}
