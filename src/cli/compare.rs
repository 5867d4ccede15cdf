//! `compare`: runs from several places, our own and other tools', to one matrix and one conclusion.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::args;
use super::exit::Exit;
use super::failure::{Failure, error_text};
use super::import::{MOST, Reader};
use super::live::{Data, Files};
use super::output::{self, Sink};
use super::registry;
use super::report::saved;
use crate::bundle;
use crate::import::HEAD;
use crate::joint::{self, Hints, Joint};
use crate::number::Asn;
use crate::path::Origins as _;
use crate::report::Runs;
use crate::trace::schema::{Document, Listing};

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
    let asked = Asked {
        files: &words.files,
        targets: &words.target,
        references: &words.reference,
        registry: &words.registry,
        output: &words.output,
    };
    let files = Files::open(words.db.as_deref(), words.as_rel.as_deref(), &words.ixp)?;
    asked.answer(files)
}

/// A comparison, whichever command asks for it.
pub struct Asked<'a> {
    /// Files of runs of any kind.
    pub files: &'a [PathBuf],
    /// Hosts that the question is about.
    pub targets: &'a [String],
    /// Hosts that they are compared with.
    pub references: &'a [String],
    /// Published lists.
    pub registry: &'a [PathBuf],
    /// Where the answer goes.
    pub output: &'a args::Output,
}

impl Asked<'_> {
    /// Reads everything, concludes, and writes the set.
    pub fn answer(&self, data: Files<'_>) -> Result<Exit, Failure> {
        let mut sink = Sink::open(self.output)?;
        // A wrong name is told before anything is read.
        registry::open(self.registry)?;
        let data = data.read()?;
        let reader = Reader::new(&data, None, None);
        let mut hints = Hints {
            targets: self.targets.to_vec(),
            references: self.references.to_vec(),
            ..Hints::default()
        };
        let mut documents = Vec::new();
        for file in self.files {
            let before = documents.len();
            let with_packets = open(file, &reader, &mut documents)?;
            if with_packets {
                hints.with_packets.extend(before..documents.len());
            }
            if self.output.verbose > 0 {
                output::talk(&format!("{}: {} runs", file.display(), documents.len() - before));
            }
        }
        let joint = joint_of(&documents, &data, &hints);
        let exit = joint.as_ref().map_or(Exit::Inconclusive, exit_of);
        let unread = self.look_up(&mut documents).err();
        let conclusion = joint.as_ref().and_then(|joint| serde_json::to_value(joint).ok());
        sink.write_set(Runs::set(documents, conclusion))?;
        match unread {
            None => Ok(exit),
            Some(failure) => {
                failure.say();
                Ok(failure.exit)
            }
        }
    }
}

impl Asked<'_> {
    /// What the lists say of each target. Lists are long and targets few: each list is read once for every target.
    fn look_up(&self, documents: &mut [Document]) -> Result<(), Failure> {
        let mut known: HashMap<(String, Option<IpAddr>), Vec<Listing>> = HashMap::new();
        for document in documents.iter_mut().filter(|_| !self.registry.is_empty()) {
            let Some(target) = &document.target else { continue };
            let key = (target.host.clone(), target.address);
            document.registry = match known.get(&key) {
                Some(listings) => listings.clone(),
                None => {
                    let listings = registry::look_up(registry::open(self.registry)?, document)?;
                    known.entry(key).or_insert(listings).clone()
                }
            };
        }
        Ok(())
    }
}

/// What runs say together, with what `data` knows of neighbours.
pub fn joint_of(documents: &[Document], data: &Data, hints: &Hints<'_>) -> Option<Joint> {
    let grounds = data.grounds();
    let adjacent = |one: u32, other: u32| grounds.adjacent(Asn(one), Asn(other));
    joint::conclude(documents, &Hints { adjacent: Some(&adjacent), ..hints.clone() })
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
