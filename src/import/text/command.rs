//! The command that was typed above a trace: it tells what the output does not.
//!
//! `traceroute -T -p 443 host` says that the probes were SYNs, and to which port; a tracepath says nowhere else where it
//! went. It is believed only if its target is the trace's.

use std::net::IpAddr;

use super::cells;
use crate::trace::foreign::ForeignTrace;
use crate::trace::{Protocol, ReplyKind};

mod options;

use options::Told;

/// What a command line says of the trace it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    target: Option<String>,
    protocol: Option<Protocol>,
    port: Option<u16>,
    /// It was typed at a router's prompt.
    router: bool,
}

/// Programs whose command lines are known, and how their options are read.
const PROGRAMS: [(&str, Program); 17] = [
    ("traceroute", Program::Traceroute),
    ("traceroute4", Program::Traceroute),
    ("traceroute6", Program::Traceroute),
    ("traceroute.db", Program::Traceroute),
    ("inetutils-traceroute", Program::Traceroute),
    ("trace", Program::Traceroute),
    ("tcptraceroute", Program::TcpTraceroute),
    ("tracepath", Program::Tracepath),
    ("tracepath6", Program::Tracepath),
    ("mtr", Program::Mtr),
    ("tracert", Program::Other),
    ("tracert6", Program::Other),
    ("pathping", Program::Other),
    ("hping3", Program::Other),
    ("nexttrace", Program::Other),
    ("paris-traceroute", Program::Other),
    ("scamper", Program::Other),
];

/// How a program's options are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// Linux, BSD, inetutils, routers: UDP unless an option says otherwise.
    Traceroute,
    TcpTraceroute,
    Tracepath,
    Mtr,
    /// Only the target is taken.
    Other,
}

/// The most bytes before a command: a prompt is shorter.
const LONGEST_PROMPT: usize = 100;

/// The command in a line that echoes one: at its beginning, or behind a shell's or a router's prompt.
pub(super) fn echo(line: &str) -> Option<Command> {
    let text = line.trim();
    if let Some((program, arguments)) = program(text) {
        let told = Told::of(program, arguments);
        // Without a prompt it could be a sentence.
        let looks =
            told.target.as_ref().is_some_and(|target| is_host(target)) && told.plain && arguments.len() < 400;
        return looks.then(|| told.command(false));
    }
    let head = text.floor_char_boundary(LONGEST_PROMPT);
    let ends = text[..head].match_indices(['#', '$', '>', '%', ']', ':']);
    for (at, sign) in ends {
        let rest = text[at + sign.len()..].trim_start();
        let Some((program, arguments)) = program(rest) else { continue };
        let first = arguments.split_whitespace().next().unwrap_or("");
        if matches!(first, "to" | "from") || first.starts_with('(') {
            return None;
        }
        let told = Told::of(program, arguments);
        let prompt = text[..at].trim();
        // A log's colon or a sentence's is no prompt.
        if matches!(sign, ":" | "]") && !told.target.as_ref().is_some_and(|target| is_host(target)) {
            return None;
        }
        let router =
            matches!(sign, "#" | ">") && !prompt.contains(['@', '~', '\\', ' ']) && !prompt.is_empty();
        return Some(told.command(router));
    }
    None
}

/// A program's name at the beginning of a text, with the words that may stand before it taken away, and its arguments.
fn program(text: &str) -> Option<(Program, &str)> {
    const BEFORE: [&str; 9] = ["sudo", "doas", "execute", "exec", "run", "do", "time", "/tool", "tool"];
    let mut rest = text;
    for _ in 0..4 {
        let (word, tail) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
        let name = name.strip_suffix(".exe").unwrap_or(name);
        if let Some((_, program)) = PROGRAMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Some((*program, tail.trim()));
        }
        if !BEFORE.contains(&word) {
            return None;
        }
        rest = tail.trim_start();
    }
    None
}

/// Whether a word names a host beyond doubt.
fn is_host(word: &str) -> bool {
    cells::address(word).is_some()
        || (word.contains('.')
            && !word.ends_with(['.', ',', ':'])
            && word.chars().all(|one| one.is_alphanumeric() || matches!(one, '.' | '-' | '_')))
}

impl Told {
    fn command(self, router: bool) -> Command {
        Command { target: self.target, protocol: self.protocol, port: self.port, router }
    }
}

impl Command {
    /// Tells a trace what it does not say itself.
    pub(super) fn tell(&self, trace: &mut ForeignTrace) {
        let Some(target) = self.target.as_deref() else { return };
        let address: Option<IpAddr> = cells::address(target);
        if trace.target.is_empty() && trace.address.is_none() {
            target.clone_into(&mut trace.target);
            trace.address = address;
        } else {
            let named = trace.target.eq_ignore_ascii_case(target);
            if !named && (address.is_none() || address != trace.address) {
                return;
            }
        }
        if self.router && trace.origin.format == "traceroute" && trace.origin.dialect.is_empty() {
            trace.origin.format = "cisco";
            "nxos".clone_into(&mut trace.origin.dialect);
        }
        if trace.protocol.is_none() {
            trace.protocol = self.protocol;
        }
        if trace.port.is_none() && trace.protocol == self.protocol {
            trace.port = self.port;
        }
        if trace.protocol == Some(Protocol::Icmp) {
            echoed(trace);
        }
    }
}

/// With ICMP probes a bare `!` was the target's echo, not its port.
fn echoed(trace: &mut ForeignTrace) {
    let replies = trace.hops.iter_mut().flat_map(|hop| &mut hop.responders).flat_map(|one| &mut one.replies);
    for reply in replies.filter(|reply| reply.mark.as_deref() == Some("!")) {
        if reply.kind.is_some_and(ReplyKind::is_port_unreachable) {
            reply.kind = Some(ReplyKind::EchoReply);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> (Option<&'static str>, Option<Protocol>, Option<u16>) {
        let command = echo(line).unwrap_or_else(|| panic!("no command: {line}"));
        let known = ["192.0.2.1", "a.example", "2001:db8::1"];
        let target = command.target.as_deref();
        assert!(target.is_none_or(|target| known.contains(&target)), "{line}: {target:?}");
        let target = known.into_iter().find(|one| Some(*one) == target);
        (target, command.protocol, command.port)
    }

    #[test]
    fn prompts_of_shells_and_routers() {
        let (udp, icmp, tcp) = (Some(Protocol::Udp), Some(Protocol::Icmp), Some(Protocol::Tcp));
        let (v4, name) = (Some("192.0.2.1"), Some("a.example"));
        for (line, expected) in [
            ("$ traceroute 192.0.2.1", (v4, udp, None)),
            ("traceroute -n -q 3 -w1 192.0.2.1", (v4, udp, None)),
            ("user@host:~$ sudo traceroute -T -p 443 a.example", (name, tcp, Some(443))),
            ("root@host:/# /usr/sbin/traceroute -nTp25 a.example 60", (name, tcp, Some(25))),
            ("# traceroute --tcp --port=443 a.example", (name, tcp, Some(443))),
            ("$ traceroute -T a.example", (name, tcp, Some(80))),
            ("$ traceroute -I a.example", (name, icmp, None)),
            ("$ traceroute -U -p 53 a.example", (name, udp, Some(53))),
            ("$ traceroute -p 33500 a.example", (name, udp, None)),
            ("$ traceroute -M icmp a.example", (name, icmp, None)),
            ("mac:~ user$ traceroute -a -P icmp a.example", (name, icmp, None)),
            ("% tcptraceroute -n a.example 443", (name, tcp, Some(443))),
            ("$ tcptraceroute a.example", (name, tcp, Some(80))),
            ("$ tracepath -n a.example", (name, udp, None)),
            ("$ mtr -rwc 10 a.example", (name, icmp, None)),
            ("$ mtr --tcp -P 443 -r a.example", (name, tcp, Some(443))),
            (
                "router#traceroute 192.0.2.1 numeric timeout 1 probe 3 ttl 1 15 source 10.0.0.1",
                (v4, udp, None),
            ),
            ("router#traceroute vrf red ip 192.0.2.1", (v4, udp, None)),
            ("RP/0/RP0/CPU0:router#traceroute ipv6 2001:db8::1", (Some("2001:db8::1"), udp, None)),
            ("user@router> traceroute 192.0.2.1 no-resolve", (v4, udp, None)),
            ("FGT # execute traceroute 192.0.2.1", (v4, udp, None)),
            ("<HUAWEI>tracert -v 192.0.2.1", (v4, None, None)),
            ("C:\\Users\\me>tracert -d a.example", (name, None, None)),
            ("[admin@MikroTik] > /tool traceroute 192.0.2.1", (v4, udp, None)),
            ("router#traceroute", (None, udp, None)),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
    }

    #[test]
    fn sentences_and_headers_are_no_commands() {
        for line in [
            "traceroute to 192.0.2.1 (192.0.2.1), 30 hops max, 60 byte packets",
            "-> traceroute to 192.0.2.1 and check the label",
            "traceroute shows that packets stop at example.net",
            "traceroute from 192.0.2.1 to 192.0.2.2",
            "the traceroute 192.0.2.1",
            "mtr report follows:",
            "Here is the output: traceroute stops",
            "",
        ] {
            assert_eq!(echo(line), None, "{line}");
        }
    }

    #[test]
    fn only_the_command_of_this_trace_is_believed() {
        let command = echo("$ traceroute -I 192.0.2.9").unwrap();
        let mut trace = ForeignTrace { target: "a.example".into(), ..ForeignTrace::default() };
        command.tell(&mut trace);
        assert_eq!(trace.protocol, None);
        let mut trace = ForeignTrace::default();
        command.tell(&mut trace);
        assert_eq!((trace.target.as_str(), trace.protocol), ("192.0.2.9", Some(Protocol::Icmp)));
        assert_eq!(trace.address, Some("192.0.2.9".parse().unwrap()));
    }
}
