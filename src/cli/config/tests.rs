//! Settings, without a file or an environment of the machine.

use std::collections::BTreeSet;

use clap::{Arg, Command};

use super::flags::{self, Flag, Shape};
use crate::cli::examples;

fn walk<'a>(command: &'a Command, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'a Arg)>) {
    for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
        found.push((path.clone(), arg));
    }
    for below in command.get_subcommands() {
        path.push(below.get_name().to_owned());
        walk(below, path, found);
        path.pop();
    }
}

#[test]
fn every_flag_of_the_parser_has_its_names() {
    let command = examples::command();
    let known = flags::all(&command);
    let mut all = Vec::new();
    walk(&command, &mut Vec::new(), &mut all);
    all.retain(|(path, _)| !path.is_empty());
    assert!(all.len() > 150, "{}", all.len());
    assert_eq!(all.len(), known.len(), "a flag without a setting, or twice");
    for (path, arg) in all {
        let flag = known.iter().find(|flag| flag.command == path && flag.id == arg.get_id().as_str());
        let flag = flag.unwrap_or_else(|| panic!("{path:?} {}", arg.get_id()));
        assert!(flag.variables()[0].starts_with("LASTHOP_"), "{flag:?}");
        assert!(!flag.key.is_empty() && flag.words.starts_with('-'), "{flag:?}");
    }
}

#[test]
fn no_two_flags_of_different_meaning_share_a_name() {
    let known = flags::all(&examples::command());
    let own: Vec<String> = known.iter().map(|flag| flag.variables()[0].clone()).collect();
    assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), own.len(), "two flags of one name");
    for flag in &known {
        for variable in flag.variables() {
            let bare = variable.strip_prefix(flags::PREFIX).unwrap();
            assert!(!flags::TAKEN.contains(&bare), "{variable} means something else");
        }
        if let Some(general) = flag.variables().get(1) {
            assert!(!own.contains(general), "{general} is another flag's own name");
        }
    }
    let port = known.iter().find(|flag| flag.section() == "diagnose" && flag.key == "port").unwrap();
    assert_eq!(port.variables(), ["LASTHOP_DIAGNOSE_PORT"], "watch --exec tells LASTHOP_PORT");
    let demo = known.iter().find(|flag| flag.section() == "batch" && flag.key == "demo").unwrap();
    assert!(!demo.general.key, "[demo] is a section");
}

#[test]
fn what_may_do_harm_can_only_be_said() {
    let known = flags::all(&examples::command());
    let refused = |section: &str, key: &str| {
        let flag = known.iter().find(|flag| flag.section() == section && flag.key == key);
        flag.unwrap_or_else(|| panic!("{section} {key}")).refused.is_some()
    };
    assert!(refused("diagnose", "output") && refused("diagnose", "mx") && refused("report", "share-address"));
    assert!(refused("verify", "db") && refused("batch", "rate"));
    assert!(refused("config", "json") && refused("man", "dir"), "they read none");
    assert!(
        !refused("diagnose", "confidence") && !refused("diagnose", "db") && !refused("diagnose", "no-search")
    );
    #[cfg(feature = "fetch")]
    assert!(refused("diagnose", "yes") && refused("diagnose", "from") && refused("db-fetch", "key-file"));
    #[cfg(feature = "watch")]
    assert!(refused("watch", "exec"));
    // None is refused by a name that no flag has any more.
    #[cfg(all(feature = "fetch", feature = "watch"))]
    for id in flags::refused_ids() {
        assert!(known.iter().any(|flag| flag.id == id), "{id}");
    }
    // A flag that must be given cannot come from a setting, which the parser takes for a default.
    let command = examples::command();
    let mut all = Vec::new();
    walk(&command, &mut Vec::new(), &mut all);
    for (path, arg) in all.iter().filter(|(_, arg)| arg.is_required_set()) {
        assert!(flags::why_not(path, arg.get_id().as_str()).is_some(), "{path:?} {}", arg.get_id());
    }
}

#[test]
fn contradictions_are_those_of_the_parser() {
    let mut command = examples::command();
    command.build();
    let diagnose = command.find_subcommand("diagnose").unwrap();
    for (one, other) in
        [("tcp", "icmp"), ("ipv4", "ipv6"), ("via", "interface"), ("no_search", "hints"), ("json", "format")]
    {
        assert!(
            flags::contradict(diagnose, one, other) && flags::contradict(diagnose, other, one),
            "{one} {other}"
        );
    }
    assert!(!flags::contradict(diagnose, "db", "confidence") && !flags::contradict(diagnose, "json", "json"));
}

#[test]
fn a_name_that_is_nearly_right_is_found() {
    let known = flags::all(&examples::command());
    let keys = || known.iter().map(|flag: &Flag| flag.key.as_str());
    assert_eq!(flags::nearest("confidance", keys()), Some("confidence"));
    assert_eq!(flags::nearest("max-hosp", keys()), Some("max-hops"));
    assert_eq!(flags::nearest("quite-another-thing", keys()), None);
    assert!(known.iter().any(|flag| flag.shape == Shape::Many));
}
