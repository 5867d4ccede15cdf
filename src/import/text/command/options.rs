//! Options of the traceroutes of this world, as far as they say what the probes were.

use super::{Program, is_host};
use crate::trace::Protocol;

/// What a command line says.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) target: Option<String>,
    pub(super) protocol: Option<Protocol>,
    pub(super) port: Option<u16>,
    /// There is nothing in it that a sentence would have: one target, and after it only a number or a router's keywords.
    pub(super) plain: bool,
}

/// The most words of a command that are read.
const MOST_WORDS: usize = 60;

/// Words that stand before a router's target.
const BEFORE_TARGET: [&str; 6] = ["ip", "ipv4", "ipv6", "inet", "inet6", "monitor"];

/// Words before a target that take one more with them.
const WITH_NAME: [&str; 4] = ["vrf", "routing-instance", "logical-system", "vpn-instance"];

/// Words behind a router's target.
const BEHIND_TARGET: [&str; 16] = [
    "numeric",
    "timeout",
    "probe",
    "ttl",
    "source",
    "port",
    "verbose",
    "no-resolve",
    "as-number-lookup",
    "vrf",
    "wait",
    "tos",
    "bypass-routing",
    "gateway",
    "interface",
    "routing-instance",
];

impl Told {
    pub(super) fn of(program: Program, arguments: &str) -> Self {
        let mut reader = Reader { program, icmp: false, tcp: false, udp: false, port: None };
        let mut words =
            arguments.split_whitespace().take(MOST_WORDS).map(|word| word.trim_matches(['"', '\'']));
        let mut positional: Vec<&str> = Vec::new();
        while let Some(word) = words.next() {
            if let Some(long) = word.strip_prefix("--") {
                if reader.long(long) {
                    let value = words.next();
                    reader.value(long, value);
                }
            } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
                if let Some(letter) = reader.short(short) {
                    let value = words.next();
                    reader.letter(letter, value.unwrap_or(""));
                }
            } else if positional.is_empty() && BEFORE_TARGET.contains(&word) {
            } else if positional.is_empty() && WITH_NAME.contains(&word) {
                words.next();
            } else {
                positional.push(word);
            }
        }
        let second = positional.get(1).copied();
        let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        let plain = match second {
            None => true,
            Some(word) => number(word) || BEHIND_TARGET.contains(&word),
        };
        let (protocol, port) = reader.protocol(second);
        let target = positional.first().filter(|target| {
            // `traceroute mpls …` has no target of this kind.
            **target != "mpls"
                && (is_host(target) || target.chars().all(|one| one.is_alphanumeric() || one == '-'))
        });
        Self { target: target.map(|target| (*target).to_owned()), protocol, port, plain }
    }
}

struct Reader {
    program: Program,
    icmp: bool,
    tcp: bool,
    udp: bool,
    port: Option<u16>,
}

impl Reader {
    /// Short options that take a value.
    const fn with_value(&self) -> &'static str {
        match self.program {
            Program::Traceroute => "fgimNptlwqszOMP",
            Program::TcpTraceroute => "fimpqstwlz",
            Program::Tracepath => "lmp",
            Program::Mtr => "cimfsBQoaFPLGZMUIy",
            Program::Other => "hwjafmpqs",
        }
    }

    /// Reads joined short options; the letter whose value is the next word, if there is one.
    fn short(&mut self, short: &str) -> Option<char> {
        for (at, letter) in short.char_indices() {
            let rest = &short[at + letter.len_utf8()..];
            if self.with_value().contains(letter) {
                if rest.is_empty() {
                    return Some(letter);
                }
                self.letter(letter, rest);
                return None;
            }
            match (self.program, letter) {
                (Program::Traceroute, 'I') => self.icmp = true,
                (Program::Traceroute | Program::Mtr, 'T') => self.tcp = true,
                (Program::Traceroute, 'U') | (Program::Mtr, 'u') => self.udp = true,
                _ => {}
            }
        }
        None
    }

    fn letter(&mut self, letter: char, value: &str) {
        match (self.program, letter) {
            (Program::Traceroute, 'p') | (Program::Mtr, 'P') => self.port = value.parse().ok(),
            (Program::Traceroute, 'M' | 'P') => self.method(value),
            _ => {}
        }
    }

    fn method(&mut self, value: &str) {
        match value.to_ascii_lowercase().as_str() {
            "icmp" => self.icmp = true,
            "tcp" | "tcpconn" => self.tcp = true,
            // The default of `-M`, with changing ports, is no fixed one.
            _ => {}
        }
    }

    /// Reads a long option; whether its value is the next word.
    fn long(&mut self, long: &str) -> bool {
        const WITH_VALUE: [&str; 16] = [
            "port",
            "first",
            "max-hops",
            "interface",
            "queries",
            "wait",
            "sim-queries",
            "source",
            "sendwait",
            "tos",
            "type",
            "module",
            "sport",
            "report-cycles",
            "interval",
            "psize",
        ];
        if let Some((name, value)) = long.split_once('=') {
            self.value(name, Some(value));
            return false;
        }
        match long {
            "icmp" => self.icmp = true,
            "tcp" => self.tcp = true,
            "udp" => self.udp = true,
            _ => {}
        }
        WITH_VALUE.contains(&long)
    }

    fn value(&mut self, name: &str, value: Option<&str>) {
        match name {
            "port" => self.port = value.and_then(|value| value.parse().ok()),
            "type" | "module" => self.method(value.unwrap_or("")),
            _ => {}
        }
    }

    /// The protocol, and the port where it is the same for every probe.
    fn protocol(&self, second: Option<&str>) -> (Option<Protocol>, Option<u16>) {
        let default = match self.program {
            Program::Traceroute | Program::Tracepath => Some(Protocol::Udp),
            Program::TcpTraceroute => {
                let port = second.map_or(Some(80), |port| port.parse().ok());
                return (Some(Protocol::Tcp), port);
            }
            Program::Mtr => Some(Protocol::Icmp),
            Program::Other => return (None, None),
        };
        match (self.tcp, self.icmp, self.udp) {
            (true, ..) => (Some(Protocol::Tcp), Some(self.port.unwrap_or(80))),
            (_, true, _) => (Some(Protocol::Icmp), None),
            // Only here is the port the same for all probes.
            (.., true) if self.program == Program::Traceroute => {
                (Some(Protocol::Udp), Some(self.port.unwrap_or(53)))
            }
            (.., true) => (Some(Protocol::Udp), self.port),
            _ => (default, None),
        }
    }
}
