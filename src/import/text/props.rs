//! No bytes bring a reader down, and what comes out keeps its limits: every dialect's own reader, without the dispatcher
//! that would keep strange lines from it.

use std::io::BufRead;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::super::mtr::{self, csv, json, raw, report, winmtr, xml};
use super::super::{Each, Error, Outcome};
use super::tests_misc::lines;
use super::{Line, hping, mikrotik, nexttrace, paris, tcptraceroute, tracepath, windows};
use crate::trace::foreign::{ForeignTrace, most};

type Reader = fn(&[Line<'_>]) -> (ForeignTrace, Vec<u64>);
type Starts = fn(&str) -> bool;
type Joins = fn(&[Line<'_>], &str) -> bool;
type File = fn(&mut dyn BufRead, &mut Each<'_>) -> Result<Outcome, Error>;

const READERS: &[(Reader, Starts, Joins)] = &[
    (windows::read, windows::starts, windows::joins),
    (tracepath::read, tracepath::starts, |_, _| false),
    (tcptraceroute::read, tcptraceroute::starts, tcptraceroute::joins),
    (hping::read, hping::starts, hping::joins),
    (paris::read, paris::starts, |_, _| false),
    (mikrotik::read, mikrotik::starts, mikrotik::joins),
    (nexttrace::read, nexttrace::starts, nexttrace::joins),
    (report::read, report::starts, report::joins),
    (winmtr::read, winmtr::starts, winmtr::joins),
    (csv::read_lines, csv::starts, csv::joins),
    (raw::read_lines, raw::starts, raw::joins),
];

const FILES: &[File] = &[json::read, xml::read, csv::read, raw::read];

const SAMPLES: &[&str] = &[
    windows::tests::ENGLISH,
    windows::tests::PATHPING,
    windows::tests::POWERSHELL,
    tracepath::tests::SAMPLE,
    tcptraceroute::tests::SAMPLE,
    hping::tests::SAMPLE,
    paris::tests::SAMPLE,
    mikrotik::tests::SAMPLE,
    nexttrace::tests::SAMPLE,
    mtr::tests::REPORT,
    mtr::tests::WIDE,
    mtr::tests::JSON,
    mtr::tests::CSV,
    mtr::tests::OLD_CSV,
    mtr::tests::XML,
    mtr::tests::RAW,
    mtr::tests::WINMTR,
];

fn holds(trace: &ForeignTrace) {
    assert!(trace.hops.windows(2).all(|pair| pair[0].ttl < pair[1].ttl), "hops ascend");
    assert!(trace.findings.len() <= most::FINDINGS);
    for hop in &trace.hops {
        assert!(hop.ttl > 0 && hop.responders.len() <= most::RESPONDERS);
        let replies: usize = hop.responders.iter().map(|one| one.replies.len()).sum();
        assert!(replies <= most::REPLIES, "{replies}");
        for one in &hop.responders {
            assert!(one.mpls.len() <= most::LABELS && one.claims.len() <= most::LABELS);
            assert!(one.name.as_ref().is_none_or(|name| !name.is_empty() && name.len() <= most::NAME));
            assert!(
                one.replies.iter().all(|reply| reply.rtt_ms.is_none_or(|ms| ms.is_finite() && ms >= 0.0))
            );
        }
    }
}

fn try_all(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = lines(&text);
    for (read, starts, joins) in READERS {
        for (at, line) in lines.iter().enumerate() {
            let _ = (starts(line.text), joins(&lines[..at], line.text));
        }
        let (trace, missed) = read(&lines);
        holds(&trace);
        assert!(missed.windows(2).all(|pair| pair[0] < pair[1]), "numbers of lines ascend");
        assert!(missed.iter().all(|number| (1..=lines.len() as u64).contains(number)));
    }
    for read in FILES {
        let _ = read(&mut &bytes[..], &mut |trace| {
            holds(&trace);
            ControlFlow::Continue(())
        });
    }
}

#[test]
fn samples_cut_anywhere() {
    for sample in SAMPLES {
        // Every length at the beginning and around the first hops, then every seventh: the lines repeat.
        for cut in (0..sample.len()).filter(|cut| *cut < 300 || cut % 7 == 0) {
            try_all(&sample.as_bytes()[..cut]);
        }
    }
}

#[test]
fn more_than_there_is_room_for() {
    let mut text = String::from("1 1 ms 1 ms 1 ms 192.0.2.1\n");
    for number in 0..3000 {
        let (high, low) = (number / 250, number % 250);
        text += &format!("x 1 {number}\nh 1 10.0.{high}.{low}\np 1 5 {number}\n");
        text += &format!(
            " 2:  10.1.{high}.{low}  1.0ms\n 3  10.2.{high}.{low}  1.0 ms\n    10.3.{high}.{low}  1.0 ms\n"
        );
        text += &format!(
            "hop=4 TTL 0 during transit from ip=10.4.{high}.{low}\n9|10.5.{high}.{low}|x|1.0|1||||||||\nwhat\n"
        );
    }
    let lines = lines(&text);
    for (read, ..) in READERS {
        holds(&read(&lines).0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        try_all(&bytes);
    }

    #[test]
    fn any_words(words in proptest::collection::vec("[0-9]{1,4}|ms|\\*|\n|\n *|[|(<\\[\\])>:!%/=-]|192\\.0\\.2\\.1|AS[0-9]{1,3}|MPLS:|Lbl|[xhdpm] |мс|HOST: |Loss%|Snt", 0..60), glue in "[ ]{0,2}") {
        try_all(words.join(&glue).as_bytes());
    }

    #[test]
    fn flipped(which in 0..SAMPLES.len(), flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = SAMPLES[which].as_bytes().to_vec();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        try_all(&bytes);
    }
}
