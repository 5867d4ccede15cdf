//! `compare`: runs from several places, our own and other tools', to one matrix and one conclusion.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::failure::{Failure, error_text};
use super::import::{MOST, Reader};
use super::live::Files;
use super::output::{self, Sink};
use super::report::saved;
use crate::bundle;
use crate::import::HEAD;
use crate::joint::{self, Hints, Joint};
use crate::number::Asn;
use crate::path::Origins as _;
use crate::report::Runs;
use crate::trace::schema::Document;

/// `lasthop compare`.
pub fn compare(words: &args::Compare) -> Exit {
    match matched(words) {
        Ok(exit) => exit,
        Err(failure) => {
            if words.output.prints_json() {
                failure.document();
            }
            failure.say();
            failure.exit
        }
    }
}

fn matched(words: &args::Compare) -> Result<Exit, Failure> {
    let mut sink = Sink::open(&words.output)?;
    let data = Files::open(words.db.as_deref(), words.as_rel.as_deref(), &words.ixp)?.read()?;
    let reader = Reader::new(&data, None, None);
    let mut hints =
        Hints { targets: words.target.clone(), references: words.reference.clone(), ..Hints::default() };
    let mut documents = Vec::new();
    for file in &words.files {
        let before = documents.len();
        let with_packets = open(file, &reader, &mut documents)?;
        if with_packets {
            hints.with_packets.extend(before..documents.len());
        }
        if words.output.verbose > 0 {
            output::talk(&format!("{}: {} runs", file.display(), documents.len() - before));
        }
    }
    let grounds = data.grounds();
    let adjacent = |one: u32, other: u32| grounds.adjacent(Asn(one), Asn(other));
    hints.adjacent = Some(&adjacent);
    let joint = joint::conclude(&documents, &hints);
    let exit = joint.as_ref().map_or(Exit::Inconclusive, exit_of);
    let conclusion = joint.as_ref().and_then(|joint| serde_json::to_value(joint).ok());
    sink.write_set(Runs::set(documents, conclusion))?;
    Ok(exit)
}

/// The status of a joint conclusion.
pub fn exit_of(joint: &Joint) -> Exit {
    match joint.kind {
        "reachable" => Exit::Ok,
        "lost_inside_as" | "lost_at_as_border" | "rejected" | "injected" | "routing_fault" | "partial" => {
            Exit::Named
        }
        "inconclusive" => Exit::Inconclusive,
        _ => Exit::Unnamed,
    }
}

/// Reads whatever kind of runs a file holds; says whether their packets are kept with them.
fn open(path: &Path, reader: &Reader<'_>, documents: &mut Vec<Document>) -> Result<bool, Failure> {
    let standard = path == Path::new("-");
    let unreadable = |error: &io::Error| {
        Failure::input(
            format!("cannot read {}: {}", path.display(), error_text(error)),
            Some("give runs of lasthop, bundles, or the output of other tools".into()),
        )
    };
    let mut head = Vec::new();
    if !standard {
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        file.take(HEAD as u64).read_to_end(&mut head).map_err(|error| unreadable(&error))?;
        if is_ours(&head) {
            documents.extend(saved(path)?.documents);
            return Ok(bundle::is_bundle(&head));
        }
    }
    let mut take = |document: Document| {
        if documents.len() == MOST {
            return ControlFlow::Break(());
        }
        documents.push(document);
        ControlFlow::Continue(())
    };
    if !standard {
        reader.file(path, &mut take)?;
    } else {
        let mut bytes = BufReader::with_capacity(HEAD, io::stdin().lock());
        let start = io::BufRead::fill_buf(&mut bytes).map_err(|error| unreadable(&error))?;
        if is_ours(start) {
            let mut whole = Vec::new();
            bytes
                .take(crate::report::LARGEST + 1)
                .read_to_end(&mut whole)
                .map_err(|error| unreadable(&error))?;
            let runs = Runs::read(whole).map_err(|error| {
                Failure::input(format!("cannot read standard input: {error}"), Some(error.hint().into()))
            })?;
            documents.extend(runs.documents);
        } else {
            reader.stream(&mut bytes, "standard input", &mut take)?;
        }
    }
    Ok(false)
}

/// A bundle or a run of our own, by its first bytes.
fn is_ours(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&head[..head.len().min(512)]);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    bundle::is_bundle(head) || (text.starts_with('{') && text.contains("\"lasthop."))
}
