//! `compare`: runs from several places, our own and other tools', to one matrix and one conclusion.

use std::io::BufRead as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::args;
use super::exit::Exit;
use super::failure::{self, Failure};
use super::import::{MOST, Reader, input, name_of, unreadable};
use super::live::{Data, Files};
use super::output::{self, Sink};
use super::registry;
use super::report::{all, parsed};
use crate::bundle;
use crate::joint::{self, Hints, Joint};
use crate::number::Asn;
use crate::path::Origins as _;
use crate::report::{Runs, safe};
use crate::trace::schema::Document;

/// `lasthop compare`.
pub fn compare(words: &args::Compare) -> Exit {
    matched(words).unwrap_or_else(|failure| failure.end(words.output.prints_json()))
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
        let mut lists = registry::open(self.registry)?;
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
        let exit = joint.as_ref().and_then(|joint| Exit::of_word(joint.kind)).unwrap_or(Exit::Inconclusive);
        let unread = registry::look_up(&mut lists, &mut documents).err();
        let conclusion = joint.as_ref().and_then(|joint| serde_json::to_value(joint).ok());
        let runs = documents.len();
        let unwritten = sink.write_all(&Runs::set(documents, conclusion))?;
        let files: Vec<Failure> = unwritten.into_iter().chain(unread).collect();
        Ok(failure::ending(runs, &[], &files, Some(exit)))
    }
}

/// What runs say together, with what `data` knows of neighbours.
pub fn joint_of(documents: &[Document], data: &Data, hints: &Hints<'_>) -> Option<Joint> {
    let grounds = data.grounds();
    let adjacent = |one: u32, other: u32| grounds.adjacent(Asn(one), Asn(other));
    joint::conclude(documents, &Hints { adjacent: Some(&adjacent), ..hints.clone() })
}

/// Reads whatever kind of runs a file holds; says whether their packets are kept with them.
fn open(path: &Path, reader: &Reader<'_>, documents: &mut Vec<Document>) -> Result<bool, Failure> {
    let name = name_of(path);
    let mut input = input(path)?;
    let head = input.fill_buf().map_err(|error| unreadable(path, &error))?;
    if is_ours(head) {
        let with_packets = bundle::is_bundle(head);
        let bytes = all(input).map_err(|error| unreadable(path, &error))?;
        documents.extend(parsed(bytes, &name)?.documents);
        return Ok(with_packets);
    }
    reader.stream(&mut *input, &name, &mut |document| {
        if documents.len() == MOST {
            output::talk(&format!("{}: only {MOST} runs are compared, the rest is left out", safe(&name)));
            return ControlFlow::Break(());
        }
        documents.push(document);
        ControlFlow::Continue(())
    })?;
    Ok(false)
}

/// A bundle or a run of our own, by its beginning: programs that sort the keys of JSON put `schema` behind the paths.
fn is_ours(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    bundle::is_bundle(head)
        || (text.starts_with('{') && (text.contains("\"lasthop.run/") || text.contains("\"lasthop.set/")))
}
