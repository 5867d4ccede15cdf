//! The list of files, as `sha256sum -c` reads it.

use std::fmt::Write as _;

use super::archive::{Files, hash};
use super::name;

/// A file that is not what the list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub file: String,
    pub problem: String,
}

/// The list of these files.
pub fn text(files: &Files) -> String {
    let mut text =
        String::from("# lasthop.bundle/1: SHA-256 and name of every file, and below its size in bytes\n");
    for (name, bytes) in listed(files) {
        let _ = writeln!(text, "{}  {name}\n# {} {name}", hash(bytes), bytes.len());
    }
    text
}

/// Every file but the list and its signature.
fn listed(files: &Files) -> impl Iterator<Item = &(String, Vec<u8>)> {
    files.0.iter().filter(|(name, _)| name != name::MANIFEST && name != name::SIGNATURE)
}

/// What does not agree with the list; the files come before the list itself.
pub fn faults(files: &Files) -> Vec<Fault> {
    let fault = |file: &str, problem: &str| Fault { file: file.to_owned(), problem: problem.to_owned() };
    let Some(list) = files.get(name::MANIFEST) else {
        return vec![fault(name::MANIFEST, "it is missing")];
    };
    let list = String::from_utf8_lossy(list);
    let named: Vec<(&str, &str)> =
        list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once("  ")).collect();
    let mut faults = Vec::new();
    for (name, bytes) in listed(files) {
        match named.iter().find(|(_, known)| known == name) {
            None => faults.push(fault(name, "it is not in the MANIFEST")),
            Some((digest, _)) if *digest != hash(bytes) => {
                faults.push(fault(name, "its SHA-256 is not the one in the MANIFEST"));
            }
            Some(_) => {}
        }
    }
    for (_, name) in &named {
        if files.get(name).is_none() {
            faults.push(fault(name, "it is in the MANIFEST and not in the archive"));
        }
    }
    if faults.is_empty() && list != text(files) {
        faults.push(fault(name::MANIFEST, "it is not written as a list of these files is"));
    }
    faults
}
