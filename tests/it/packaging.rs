//! The Debian package as `packaging/deb` makes it, around a small program that stands for ours: what lies where, what the
//! scripts do, and that the same input gives the same bytes. That it installs and goes is tried by `packaging/try-deb`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::net::skip;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a command prints; it must end well.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Everything that goes into the package beside the binary, as `packaging/release` has the program write it.
fn share(folder: &Path) -> PathBuf {
    let share = folder.join("share");
    fs::create_dir_all(share.join("completions")).unwrap();
    said(Command::new(PROGRAM).args(["man", "--dir"]).arg(share.join("man")));
    for (shell, file) in [("bash", "lasthop.bash"), ("zsh", "_lasthop"), ("fish", "lasthop.fish")] {
        let script = said(Command::new(PROGRAM).args(["completions", shell]));
        fs::write(share.join("completions").join(file), script).unwrap();
    }
    fs::write(share.join("THIRD-PARTY"), "notices\n").unwrap();
    share
}

fn package(share: &Path, folder: &Path, umask: &str) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let file = folder.join("made.deb");
    let binary = folder.join("stands-for-lasthop");
    fs::write(&binary, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o700)).unwrap();
    let script = format!("umask {umask}; exec \"$0\" \"$@\"");
    let name = said(
        Command::new("sh")
            .args(["-c", &script])
            .arg(root().join("packaging/deb"))
            .arg(share)
            .arg(&binary)
            .args(["9.8.7", ""])
            .arg(&file)
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .env("DEBEMAIL", "somebody@lasthop.example"),
    );
    assert!(name.starts_with("lasthop_9.8.7-1_") && name.trim_end().ends_with(".deb"), "{name}");
    file
}

#[test]
fn the_package_holds_what_it_should_and_is_the_same_each_time() {
    let test = "the_package_holds_what_it_should_and_is_the_same_each_time";
    let able = Command::new("dpkg-deb").arg("--version").output().is_ok_and(|output| output.status.success());
    if !able {
        skip::<()>(test, "needs dpkg-deb");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let share = share(folder.path());
    let file = package(&share, &folder.path().join("a"), "022");
    let again = package(&share, &folder.path().join("another"), "077");
    assert!(fs::read(&file).unwrap() == fs::read(again).unwrap(), "not the same bytes");

    let listing = said(Command::new("dpkg-deb").arg("--contents").arg(&file));
    let mut files = BTreeSet::new();
    for line in listing.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (mode, path) = (words[0], words[5].trim_start_matches("./").to_owned());
        assert_eq!(words[1], "root/root", "{line}");
        assert_eq!(&words[3], &"2023-11-14", "{line}");
        let usual = match path.as_str() {
            "usr/bin/lasthop" => "-rwxr-xr-x",
            _ if path.is_empty() || path.ends_with('/') => "drwxr-xr-x",
            _ => "-rw-r--r--",
        };
        assert_eq!(mode, usual, "{line}");
        files.insert(path);
    }
    // A page for each command: as many as the program has written, the main ones among them.
    let pages: Vec<&String> = files.iter().filter(|path| path.starts_with("usr/share/man/man1/l")).collect();
    assert_eq!(pages.len(), fs::read_dir(share.join("man")).unwrap().count());
    for path in [
        "usr/bin/lasthop",
        "usr/share/man/man1/lasthop.1.gz",
        "usr/share/man/man1/lasthop-diagnose.1.gz",
        "usr/share/man/man1/lasthop-db-lookup.1.gz",
        "usr/share/bash-completion/completions/lasthop",
        "usr/share/zsh/vendor-completions/_lasthop",
        "usr/share/fish/vendor_completions.d/lasthop.fish",
        "usr/lib/systemd/system/lasthop-watch@.service",
        "usr/share/doc/lasthop/copyright",
        "usr/share/doc/lasthop/changelog.gz",
        "usr/share/doc/lasthop/changelog.Debian.gz",
        "usr/share/doc/lasthop/NOTICES",
        "usr/share/doc/lasthop/THIRD-PARTY.gz",
        "usr/share/doc/lasthop/examples/watch.conf",
    ] {
        assert!(files.contains(path), "no {path} in\n{listing}");
    }

    let told = |field: &str| said(Command::new("dpkg-deb").arg("--field").arg(&file).arg(field));
    assert_eq!(told("Depends").trim(), "libcap2-bin");
    assert_eq!(told("Version").trim(), "9.8.7-1");
    assert!(told("Maintainer").contains("<somebody@lasthop.example>"));
    let out = folder.path().join("control");
    said(Command::new("dpkg-deb").arg("--control").arg(&file).arg(&out));
    let script = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert!(script("postinst").contains("setcap cap_net_raw+ep /usr/bin/lasthop"));
    for name in ["postinst", "prerm", "postrm"] {
        said(Command::new("sh").arg("-n").arg(out.join(name)));
        assert!(!script(name).contains("chmod u+s"), "{name}");
    }
    let unpacked = folder.path().join("unpacked");
    said(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(&unpacked));
    let copyright = fs::read_to_string(unpacked.join("usr/share/doc/lasthop/copyright")).unwrap();
    assert!(copyright.contains("SIL OPEN FONT LICENSE") && !copyright.contains('@'), "{copyright}");
}

/// The unit starts the program where the package puts it, by words that the program takes, and keeps what the scripts remove.
#[test]
fn the_unit_and_the_scripts_speak_of_the_same_places() {
    let unit = fs::read_to_string(root().join("packaging/lasthop-watch@.service")).unwrap();
    let purge = fs::read_to_string(root().join("packaging/debian/postrm")).unwrap();
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
    assert!(value("ExecStart=").starts_with("/usr/bin/lasthop watch "));
    assert_eq!(
        (value("StateDirectory="), value("CacheDirectory=")),
        ("lasthop-watch".into(), "lasthop-watch".into())
    );
    assert!(value("EnvironmentFile=").starts_with("/etc/lasthop/"));
    for place in [
        "/var/lib /var/cache",
        "$folder/private/lasthop-watch",
        "$folder/lasthop-watch",
        "/etc/lasthop/*.conf",
    ] {
        assert!(purge.contains(place), "{place}");
    }
    let example = fs::read_to_string(root().join("packaging/debian/watch.example.conf")).unwrap();
    let set = |key: &str| {
        let line = example.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_matches('"').split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let mut words = vec!["lasthop".to_owned(), "watch".to_owned()];
    words.extend(set("TARGET="));
    words.extend(["--json", "--history", "/var/lib/lasthop-watch/x.db"].map(str::to_owned));
    words.extend(set("OPTIONS="));
    #[cfg(feature = "watch")]
    lasthop::cli::accepts(words.into_iter().map(Into::into)).unwrap();
}
