//! How fast a register is searched, beside `grep -F` for the same address, which understands nothing of it.
//!
//! `cargo bench --bench registry` writes a dump of 100 MB to a temporary file, the same each time, and prints MB/s and the
//! ratio. Both read it from the page cache; the best of five counts.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::BufReader;
use std::process::{Command, Stdio};
use std::time::Instant;

use lasthop::registry::{self, Format, Question};

const BYTES: usize = 100 << 20;
/// Stands once, near the end.
const ASKED: &str = "203.0.113.77";

/// Rows as the mirror has them: most about a domain with a few addresses, some about addresses alone.
fn dump() -> Vec<u8> {
    let mut text = String::from("Updated: 2025-01-01 05:51:00 +0000\n");
    let mut state = 1u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    };
    while text.len() < BYTES {
        let kind = draw() % 8;
        for place in 0..=draw() % 4 {
            let separator = if place > 0 { " | " } else { "" };
            let (one, two) = (draw(), draw());
            let _ = write!(text, "{separator}20.{}.{}.{}", one % 256, two % 256, two / 256 % 256);
        }
        let name = draw();
        let (domain, url) = match kind {
            0 => (String::new(), String::new()),
            1 => (format!("*.a{name}.example"), String::new()),
            _ => (format!("b{name}.example"), format!("https://b{name}.example/page?id={name}")),
        };
        let _ = writeln!(text, ";{domain};{url};Authority;27-31-2020/{};2024-03-05", name % 10_000);
    }
    let _ = writeln!(text, "{ASKED};;;Authority;1;2024-03-05");
    text.into_bytes()
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("dump.csv");
    fs::write(&path, dump()).expect("room for 100 MB");
    let megabytes = fs::metadata(&path).expect("the dump").len() as f64 / 1e6;
    let best = |job: &dyn Fn()| {
        let times = (0..5).map(|_| {
            let began = Instant::now();
            job();
            began.elapsed().as_secs_f64()
        });
        megabytes / times.fold(f64::INFINITY, f64::min)
    };
    let search = |names: &[&str]| {
        let question = Question::new([ASKED.parse().expect("an address")], names.iter().copied());
        let mut input = BufReader::with_capacity(1 << 18, File::open(&path).expect("the dump"));
        let found = registry::read(&mut input, Format::ZapretCsv, &question).expect("a register");
        assert_eq!(found.matches.len(), 1);
    };
    let address = best(&|| search(&[]));
    let both = best(&|| search(&["mx.example.net"]));
    let grep = best(&|| {
        let status = Command::new("grep").arg("-F").arg(ASKED).arg(&path).stdout(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "grep found nothing");
    });
    println!("address: {address:.0} MB/s; address and name: {both:.0} MB/s; grep -F: {grep:.0} MB/s");
    println!("of grep's pace: {:.2} and {:.2}", address / grep, both / grep);
}
