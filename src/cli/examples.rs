//! Examples of every command, for the help, the man pages and the test that runs them.

use clap::{Command, CommandFactory};

use super::args::Args;

/// Examples of a command.
struct Examples {
    /// The subcommands that lead to it.
    of: &'static [&'static str],
    /// Command, and what it is for.
    list: &'static [(&'static str, &'static str)],
}

const EXAMPLES: &[Examples] = &[
    Examples {
        of: &[],
        list: &[
            ("lasthop demo", "see what it is about: no root, no network"),
            (
                "lasthop diagnose mx1.example 25 -r mx2.example",
                "a host that fails, beside one of its network that works",
            ),
            ("lasthop compare mine.json their-mail.txt", "what several places say together"),
        ],
    },
    Examples {
        of: &["diagnose"],
        list: &[
            (
                "lasthop diagnose mx1.example 25 -r mx2.example",
                "beside a host of the same network that works",
            ),
            ("lasthop diagnose mx1.example:25", "no reference: one is looked for"),
            (
                "lasthop diagnose mx1.example 25 -r mx2.example --bundle evidence.zip",
                "keep everything, for a complaint",
            ),
            ("lasthop diagnose www.example --matrix 80,443,icmp", "which ports and protocols are lost?"),
            (
                "lasthop diagnose www.example -I --size 1500",
                "small packets pass, large ones hang: who swallows them?",
            ),
            ("lasthop diagnose --mx example.org", "every mail host of a domain"),
        ],
    },
    Examples {
        of: &["trace"],
        list: &[
            ("lasthop trace www.example 443", "by TCP, with the AS of every hop"),
            ("lasthop trace -I 2001:db8::1 --json", "by ICMP echo, as one document"),
        ],
    },
    Examples {
        of: &["batch"],
        list: &[
            ("lasthop batch targets.txt -p 25 -o results.jsonl", "a result a line"),
            ("lasthop batch targets.txt -p 25 -o results.jsonl --resume", "go on after a kill"),
        ],
    },
    Examples {
        of: &["verify"],
        list: &[
            ("lasthop verify evidence.zip", "does the conclusion follow from the packets?"),
            (
                "lasthop verify evidence.zip --packets tcpdump.pcap",
                "and from a capture taken beside the run?",
            ),
        ],
    },
    Examples {
        of: &["demo"],
        list: &[
            ("lasthop demo", "the story"),
            #[cfg(feature = "live")]
            ("lasthop demo --live", "the same as it happens, hop by hop"),
            ("lasthop demo --list", "all scenarios"),
            ("lasthop demo border --json -o border.json", "a saved run to try the other commands with"),
            ("lasthop demo proton --bundle evidence.zip", "a bundle of evidence"),
        ],
    },
    Examples {
        of: &["compare"],
        list: &[
            ("lasthop compare moscow.json berlin.json their-mail.txt", "own runs and pasted text together"),
            ("lasthop compare *.json --target mx1.example --json", "about one host, for a program"),
        ],
    },
    Examples {
        of: &["import"],
        list: &[
            ("lasthop import tracert.txt -o run.json", "as a run, for compare and report"),
            ("lasthop import - --json", "from a pipe"),
        ],
    },
    Examples {
        of: &["report"],
        list: &[
            ("lasthop report run.json -o report.html", "a page with pictures"),
            ("lasthop report evidence.zip --format ticket", "to paste into a ticket"),
            ("lasthop report evidence.zip --complaint --lang ru --to 'My provider'", "a letter"),
        ],
    },
    Examples {
        of: &["watch"],
        list: &[
            (
                "lasthop watch mx1.example 25 -r mx2.example --interval 5m",
                "tell when it begins and when it ends",
            ),
            (
                "lasthop watch --simulate clear:20,blackhole:10,clear:20 --history demo.db",
                "try it without a network",
            ),
        ],
    },
    Examples {
        of: &["watch", "report"],
        list: &[("lasthop watch report --history demo.db -o timeline.html", "what was reached, and when")],
    },
    Examples {
        of: &["watch", "export"],
        list: &[("lasthop watch export --history demo.db -o runs.jsonl", "its runs, for compare and report")],
    },
    Examples {
        of: &["db"],
        list: &[("lasthop db lookup 192.0.2.1 2001:db8::1", "whose addresses are these?")],
    },
    Examples {
        of: &["db", "build"],
        list: &[("lasthop db build rib.bz2 as-rel2.txt.bz2 builtin -o my.lht", "the first is believed most")],
    },
    Examples {
        of: &["db", "lookup"],
        list: &[
            ("lasthop db lookup 8.8.8.8 2001:db8::/32", "whose are these?"),
            ("lasthop db lookup --json -", "an object a line, from a pipe"),
        ],
    },
    Examples { of: &["db", "check"], list: &[("lasthop db check builtin my.lht", "what moved?")] },
    Examples { of: &["db", "info"], list: &[("lasthop db info", "the table inside the program")] },
    Examples {
        of: &["db", "fetch"],
        list: &[
            ("lasthop db fetch --list", "what there is, and under which terms"),
            ("lasthop db fetch riswhois asnames", "from their publishers"),
        ],
    },
    Examples {
        of: &["config"],
        list: &[
            ("lasthop config", "what is set, and where"),
            ("lasthop config diagnose", "every key of one command"),
        ],
    },
    Examples {
        of: &["doctor"],
        list: &[
            ("lasthop doctor", "what this machine allows, and what to do where it does not"),
            ("lasthop doctor --json", "the same for a program"),
        ],
    },
    Examples { of: &["schema"], list: &[("lasthop schema", "the JSON schema of the documents")] },
    Examples {
        of: &["completions"],
        list: &[("lasthop completions bash", "put it where the shell looks for completions")],
    },
    Examples {
        of: &["man"],
        list: &[
            ("lasthop man diagnose", "the page of one command"),
            ("lasthop man --dir man1", "a file for each command"),
        ],
    },
];

/// The whole definition of the command line, with examples in the help of every command.
pub fn command() -> Command {
    EXAMPLES.iter().fold(Args::command(), |command, examples| with(command, examples.of, examples.list))
}

fn with(command: Command, of: &[&str], list: &[(&str, &str)]) -> Command {
    let Some((name, rest)) = of.split_first() else {
        let mut text = String::from("Examples:");
        for (line, what) in list {
            text.push_str(&format!("\n  {line}\n      {what}"));
        }
        if let Some(before) = command.get_after_long_help() {
            text.push_str(&format!("\n\n{before}"));
        }
        return command.after_long_help(text);
    };
    // A command that this build leaves out has no help either.
    match command.find_subcommand(name).is_some() {
        true => command.mut_subcommand(name, |below| with(below, rest, list)),
        false => command,
    }
}

/// The commands of all examples of this build, each with the words that lead to its command.
pub fn all() -> impl Iterator<Item = (&'static [&'static str], &'static str)> {
    let known = Args::command();
    let there = move |of: &[&str]| {
        of.iter().try_fold(&known, |command, name| command.find_subcommand(name)).is_some()
    };
    EXAMPLES
        .iter()
        .filter(move |examples| there(examples.of))
        .flat_map(|examples| examples.list.iter().map(|(command, _)| (examples.of, *command)))
}
