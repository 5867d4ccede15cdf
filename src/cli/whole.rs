//! Files that are whole or as they were.
//!
//! A disk fills up, a write fails, a process is killed: whoever opens the file afterwards must not find half a report, and
//! an older one must not be lost for one that never came to be. So content is written beside the file and renamed into its
//! place. A file is opened before anything is measured, though: a mistyped name must not cost minutes, and privilege that
//! was there to make files in a folder may be gone when there is something to put there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use nix::libc;

use super::failure::{Failure, unwritable};

/// A file that is written when there is something to write.
#[derive(Debug)]
pub struct OutFile {
    path: PathBuf,
    file: File,
    /// There was none before.
    fresh: bool,
    written: bool,
}

impl OutFile {
    /// Opens it. One that exists keeps its content until there is something to put in its place.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fresh = !path.exists();
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        Ok(Self { path: path.to_owned(), file, fresh, written: false })
    }

    /// The same for a report.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        Self::open(path).map_err(|error| unwritable(&path.display().to_string(), &error))
    }

    /// Empties it, and gives it to be written as things come.
    ///
    /// # Errors
    /// The system's.
    pub fn stream(&self) -> io::Result<File> {
        if self.file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            self.file.set_len(0)?;
        }
        self.file.try_clone()
    }

    /// As it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a report in the place of what the file held.
    pub fn replace(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let mut content = Vec::new();
        let written = write(&mut content).and_then(|()| self.write(&content));
        written.map_err(|error| unwritable(&self.path.display().to_string(), &error))
    }

    /// Puts content in the place of what the file held.
    ///
    /// # Errors
    /// The system's. The file is then as it was, unless it can only be written in place.
    pub fn write(&mut self, content: &[u8]) -> io::Result<()> {
        // A device or pipe is written to, not replaced.
        let plain = self.file.metadata().is_ok_and(|metadata| metadata.is_file());
        let done = if plain { put(&self.path, content) } else { Err(io::ErrorKind::InvalidInput.into()) };
        let done = match done {
            Err(error) if !plain || only_in_place(&error) => self.in_place(plain, content),
            done => done,
        };
        self.written = done.is_ok();
        done
    }

    fn in_place(&mut self, plain: bool, content: &[u8]) -> io::Result<()> {
        if plain {
            self.file.rewind()?;
            self.file.set_len(0)?;
        }
        let mut out = BufWriter::new(&mut self.file);
        out.write_all(content)?;
        out.flush()
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        let empty = self.file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
        if self.fresh && !self.written && empty {
            // An empty file is no report; that it may stay is no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether nothing is wrong with the disk, but no file may be made or renamed there.
fn only_in_place(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EACCES
                | libc::EPERM
                | libc::EROFS
                | libc::EXDEV
                | libc::ENAMETOOLONG
                | libc::EMFILE
                | libc::ENFILE
        )
    )
}

/// Puts content in the place of a file, there or not: written beside it, then renamed, so that whoever reads meanwhile finds
/// the old one or the new one, and a disk that fills up costs nothing that was there.
///
/// # Errors
/// The system's; the file is as it was.
pub fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    // A link stays one: what it points to is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let there = target.metadata().ok();
    if there.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::other("it is there and no file"));
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.{:08x}", std::process::id(), rand::random::<u32>()));
    let beside = folder.join(name);
    let mut file = File::options().write(true).create_new(true).open(&beside)?;
    let mut fill = || {
        if let Some(metadata) = &there {
            // What only some could read stays theirs.
            file.set_permissions(metadata.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, &target)
    };
    let written = fill();
    if written.is_err() {
        // What was begun is of no use; if it cannot be removed either, nothing more can be done.
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let all = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = all.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_its_rights_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.txt");
        fs::write(&path, "a longer old report").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut file = OutFile::open(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a longer old report", "until there is another");
        file.replace(|out| out.write_all(b"new")).unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(files(folder.path()), ["r.txt"]);
    }

    #[test]
    fn a_report_that_breaks_off_leaves_the_old_one_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.txt");
        let half = |out: &mut dyn Write| {
            out.write_all(b"half of it")?;
            Err(io::Error::from_raw_os_error(libc::EIO))
        };
        let failure = OutFile::create(&path).unwrap().replace(half).unwrap_err();
        assert!(failure.message.contains("r.txt: Input/output error") && failure.hint.is_some());
        assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
        fs::write(&path, "old").unwrap();
        OutFile::create(&path).unwrap().replace(half).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(files(folder.path()), ["r.txt"]);
    }

    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("r.txt"), folder.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        OutFile::open(&link).unwrap().write(b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        OutFile::open(Path::new("/dev/null")).unwrap().write(b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
