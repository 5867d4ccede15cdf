//! What this host says of itself: its kernel, and the program that runs.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The kernel's name and release, such as `Linux 6.1.0`.
#[must_use]
pub fn kernel() -> Option<String> {
    let read = |name: &str| {
        let text = fs::read_to_string(Path::new("/proc/sys/kernel").join(name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    Some(format!("{} {}", read("ostype")?, read("osrelease")?))
}

/// The kernel's version, major and minor. `None` if it is not told.
#[must_use]
pub fn kernel_version() -> Option<(u32, u32)> {
    version_in(&fs::read_to_string("/proc/sys/kernel/osrelease").ok()?)
}

fn version_in(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.trim().split(|one: char| !one.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// SHA-256 of the running program, in hexadecimal. `None` where it may not read itself: a program that was given
/// capabilities by its file is hidden from its own user.
#[must_use]
pub fn program() -> Option<String> {
    let mut file = fs::File::open("/proc/self/exe").ok()?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => digest.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_has_a_name_and_a_release() {
        let kernel = kernel().unwrap();
        let (name, release) = kernel.split_once(' ').unwrap();
        assert_eq!(name, "Linux");
        assert!(release.starts_with(|one: char| one.is_ascii_digit()), "{kernel}");
    }

    #[test]
    fn versions_of_kernels_are_read() {
        for (release, version) in [
            ("6.18.44-fc", Some((6, 18))),
            ("4.18.0-553.el8.x86_64\n", Some((4, 18))),
            ("5.8", Some((5, 8))),
            ("x", None),
        ] {
            assert_eq!(version_in(release), version, "{release}");
        }
    }

    #[test]
    fn the_running_program_has_the_digest_that_sha256sum_gives() {
        let path = std::env::current_exe().unwrap();
        let output = std::process::Command::new("sha256sum").arg(path).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.trim_start_matches('\\').split(' ').next(), program().as_deref());
    }
}
