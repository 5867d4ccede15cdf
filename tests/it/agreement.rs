//! Other people's readers find the same ASes in the same files: libmaxminddb, mmdblookup and pyasn, by
//! `benches/agreement.py`, over tables drawn by chance. `benches/agreement.sh` does the same on a million addresses of real ones.
//!
//! On Debian they are `mmdb-bin`, `python3-maxminddb` and `python3-pyasn`. Without them the test says so and skips; with
//! `LASTHOP_REQUIRE_NET=1` that is a failure.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{mmdb, net, prefixes};

/// A python3 that has both bindings; Debian's own before one that somebody put in front of it.
fn python() -> Option<&'static str> {
    ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let words = ["-c", "import maxminddb.extension, pyasn"];
        let status = Command::new(python).args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    })
}

/// Disjoint ranges, most of them no prefixes, as an MMDB.
fn database(dice: &mut ChaCha8Rng) -> Vec<u8> {
    let mut writer = mmdb::Writer::new();
    let mut ends: Vec<u32> = (0..600).map(|_| dice.random()).collect();
    ends.sort_unstable();
    for pair in ends.chunks_exact(2) {
        writer.four(pair[0], pair[1].max(pair[0] + 1) - 1, dice.random_range(1..400_000), "EXAMPLE");
    }
    let mut ends: Vec<u128> =
        (0..600).map(|_| 0x2000 << 112 | dice.random::<u128>() >> dice.random_range(3..60)).collect();
    ends.sort_unstable();
    for pair in ends.chunks_exact(2) {
        writer.six(pair[0], pair[1].max(pair[0] + 1) - 1, dice.random_range(1..400_000), "");
    }
    writer.finish(1_780_000_000)
}

/// Prefixes that nest, with several origins and sets of them.
fn announcements(dice: &mut ChaCha8Rng) -> String {
    let mut text = String::new();
    let origins = |dice: &mut ChaCha8Rng| {
        let mut list = dice.random_range(1..400_000u32).to_string();
        for _ in 0..dice.random_range(0..3) {
            let _ =
                write!(list, "{}{}", ["_", ","][dice.random_range(0..2)], dice.random_range(1..400_000u32));
        }
        list
    };
    for _ in 0..2000 {
        let bits = dice.random_range(1..=32u32);
        // A tenth of the space, so that they do nest.
        let network = (0x1400_0000 | dice.random::<u32>() >> 6) & (u32::MAX << (32 - bits));
        let _ = writeln!(text, "{}\t{bits}\t{}", Ipv4Addr::from(network), origins(dice));
    }
    for _ in 0..2000 {
        let bits = dice.random_range(4..=128u32);
        let network = (0x2a00 << 112 | dice.random::<u128>() >> dice.random_range(12..100))
            & (u128::MAX << (128 - bits));
        let _ = writeln!(text, "{}\t{bits}\t{}", Ipv6Addr::from(network), origins(dice));
    }
    text
}

#[test]
fn libmaxminddb_and_pyasn_find_the_same() {
    let test = "libmaxminddb_and_pyasn_find_the_same";
    let Some(python) = python() else {
        net::skip::<()>(test, "no python3 with maxminddb and pyasn (python3-maxminddb, python3-pyasn)");
        return;
    };
    let mut dice = ChaCha8Rng::seed_from_u64(4);
    let folder = tempfile::tempdir().unwrap();
    let (tree, text) = (folder.path().join("random.mmdb"), folder.path().join("random.pfx2as"));
    fs::write(&tree, database(&mut dice)).unwrap();
    fs::write(&text, announcements(&mut dice)).unwrap();
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/agreement.py"))
        .args([env!("CARGO_BIN_EXE_lasthop"), "20000", "1"])
        .arg(format!("mmdb:{}", tree.display()))
        .arg(format!("pfx2as:{}", text.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(3) {
        net::skip::<()>(test, &said);
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said.matches(" agree ").count(), 3, "{said}");
}

#[test]
fn the_writer_of_prefixes_makes_up_the_range() {
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    for round in 0..2000 {
        let (a, b) = (dice.random::<u32>() >> (round % 32), dice.random::<u32>() >> (round % 31));
        let (first, last) = (a.min(b), a.max(b));
        let mut at = u64::from(first);
        prefixes::split(first.into(), last.into(), 32, |network, bits| {
            let size = 1u64 << (32 - bits);
            assert_eq!((network as u64, network as u64 % size), (at, 0));
            at += size;
        });
        assert_eq!(at, u64::from(last) + 1);
    }
}
