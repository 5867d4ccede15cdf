//! The same messages in every language, plurals and dates by its rules, and nothing claimed beyond the verdict.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::verdict::Kind;

/// The variables of each message.
fn variables(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let (resource, errors) = match FluentResource::try_new(language.messages().to_owned()) {
        Ok(resource) => (resource, Vec::new()),
        Err((resource, errors)) => (resource, errors),
    };
    assert!(errors.is_empty(), "{language:?}: {errors:?}");
    let mut found = BTreeMap::new();
    // The syntax tree has no visitor: a variable is what stands behind a dollar sign.
    let mut message = None;
    for line in resource.source().lines() {
        let head = line.split_once(" =").map(|(id, _)| id);
        if let Some(id) = head.filter(|id| id.starts_with(|first: char| first.is_ascii_lowercase())) {
            message = Some(id.to_owned());
            assert!(found.insert(id.to_owned(), BTreeSet::new()).is_none(), "{language:?}: {id} twice");
        }
        let Some(set) = message.as_ref().and_then(|id| found.get_mut(id)) else { continue };
        for piece in line.split('$').skip(1) {
            let end = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            set.insert(piece.split(end).next().unwrap_or_default().to_owned());
        }
    }
    assert_eq!(found.len(), resource.entries().filter(is_message).count(), "{language:?}");
    found
}

fn is_message(entry: &&fluent_syntax::ast::Entry<&str>) -> bool {
    matches!(entry, fluent_syntax::ast::Entry::Message(_))
}

#[test]
fn every_language_has_every_message_with_the_same_variables() {
    let english = variables(Language::English);
    for language in Language::ALL {
        assert_eq!(variables(*language), english, "{language:?}");
    }
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Reachable) {
        assert!(english.contains_key(&format!("finding-{kind}")), "{kind}");
    }
}

/// Every message that the program asks for is there: a name that is none would stand in the letter.
#[test]
fn every_message_that_is_asked_for_exists() {
    let known = variables(Language::English);
    let source = include_str!("mod.rs");
    let asked = source.split('"').skip(1).step_by(2).filter(|word| {
        word.contains('-') && word.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '_'))
    });
    let mut count = 0;
    for id in asked {
        assert!(known.contains_key(id), "{id}");
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn plurals_and_dates_are_right_in_both_languages() {
    let russian = Words::new(Language::Russian);
    let probes = |count: u32| {
        let text = ["when", "source", "target", "seconds", "how"].map(|name| (name, Value::Text("x")));
        let values: Vec<_> = text.into_iter().chain([("probes", Value::Count(count))]).collect();
        russian.say("tested-alone", &values)
    };
    for (count, words) in [
        (1, "был отправлен 1 пакет "),
        (2, "были отправлены 2 пакета "),
        (5, "было отправлено 5 пакетов "),
        (11, "было отправлено 11 пакетов "),
        (21, "был отправлен 21 пакет "),
        (104, "были отправлены 104 пакета "),
        (112, "было отправлено 112 пакетов "),
    ] {
        assert!(probes(count).contains(words), "{count}: {}", probes(count));
    }
    let at: Zoned = "2019-03-03T23:30:05+03:00[+03:00]".parse().unwrap();
    let mut document: Document = serde_json::from_str(EMPTY).unwrap();
    document.started_at = Some(at.timestamp().to_string());
    document.vantage.utc_offset = Some("+03:00".to_owned());
    let said = |language| {
        let words = Words::new(language);
        let letter = Letter { language, to: None };
        let (target, verdict) = cause(&document).unwrap();
        Facts { document: &document, target, verdict, letter: &letter, words: &words }.when()
    };
    assert_eq!(said(Language::English), "3 March 2019, 20:30:05 UTC (3 March, 23:30:05 local time, UTC+3)");
    assert_eq!(
        said(Language::Russian),
        "3 марта 2019 г., 20:30:05 UTC (3 марта, 23:30:05 местного времени, UTC+3)"
    );
}

/// The least that a document may hold and give cause for a letter.
const EMPTY: &str = r#"{
    "schema": "lasthop.run/1", "tool": {"name": "lasthop", "version": "0"}, "started_at": null, "finished_at": null,
    "vantage": {"source": null, "interface": null, "asn": null, "label": null}, "asdb": null, "protocol": "icmp", "port": null,
    "target": {"host": "h", "address": null, "asn": null, "as_name": null, "prefix": null, "reached": false, "distance": null,
               "hops": [], "as_path": []},
    "references": [], "error": null,
    "verdict": {"kind": "inconclusive", "asns": [], "as_names": [], "after_ttl": null, "before_ttl": null, "after": null,
                "before": null, "mechanism": "unknown", "scope": "unknown", "location_confidence": 0, "attribution_confidence": 0,
                "evidence": {"pairs": 0, "target_answered": 0, "reference_answered": 0, "e_value": 0, "posterior": 0, "flows": 0,
                             "references": 0},
                "reason": "weak", "summary": "", "next_step": null}
}"#;

/// Whatever kind is concluded, in whatever language: a letter that fits its lines, and names nobody whom the verdict does not.
#[test]
fn every_kind_makes_a_letter_that_names_nobody_else() {
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Reachable) {
        for language in Language::ALL {
            let mut document: Document = serde_json::from_str(EMPTY).unwrap();
            if let Some(verdict) = &mut document.verdict {
                verdict.kind = kind.word().to_owned();
                verdict.asns = vec![64500, 64501];
                verdict.as_names = vec!["Net\u{202e}A\u{1b}[2J".to_owned(), String::new()];
                verdict.after = Some("192.0.2.1".to_owned());
                verdict.after_ttl = Some(4);
            }
            let mut text = Vec::new();
            let words = Letter { language: *language, to: Some("ISP \u{7}") };
            letter(&mut text, &document, &words).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{kind} {text}");
            assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{kind} {text}");
            assert!(!text.contains('{') || text.contains("\\u{"), "{kind}: a variable is left: {text}");
            let silent = matches!(
                kind,
                Kind::Inconclusive
                    | Kind::HostOrReturnPath
                    | Kind::Intercepted
                    | Kind::Local
                    | Kind::DestinationNetwork
            );
            assert_eq!(text.contains("AS64500"), !silent, "{kind} {text}");
        }
    }
}

#[test]
fn there_is_no_letter_about_a_host_that_answers() {
    let mut document: Document = serde_json::from_str(EMPTY).unwrap();
    if let Some(verdict) = &mut document.verdict {
        verdict.kind = "reachable".to_owned();
    }
    assert_eq!(cause(&document), Err(NoLetter::Reachable));
    document.verdict = None;
    assert_eq!(cause(&document), Err(NoLetter::NoVerdict));
}
