//! What `!X` means: another thing in every program.
//!
//! The table is the one of the programs' sources: rows are ICMP codes, columns are programs. Read backwards it gives for a
//! mark all codes it may stand for, and only where those say one thing is a kind of reply made of them. The mark itself is
//! kept beside it as it stands in the text.

use crate::trace::ReplyKind;

/// A program whose marks are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Traceroute 2.x for Linux.
    Linux,
    /// FreeBSD; macOS and Junos are of the same family.
    FreeBsd,
    /// OpenBSD; for IPv6 the whole KAME family.
    OpenBsd,
    /// BusyBox.
    BusyBox,
    /// GNU inetutils.
    Inetutils,
    /// tcptraceroute.
    TcpTraceroute,
    /// scamper's text.
    Scamper,
    /// Cisco IOS and its kin, with letters of their own.
    Cisco,
}

/// Any program of the Unix family: a mark counts only if all of them mean the same by it.
pub(super) const ANY: &[Column] = &[Column::Linux, Column::FreeBsd, Column::OpenBsd, Column::BusyBox];

/// Programs with a column in [`V4`], in its order.
const PROGRAMS: [Column; 7] = [
    Column::Linux,
    Column::FreeBsd,
    Column::OpenBsd,
    Column::BusyBox,
    Column::Inetutils,
    Column::TcpTraceroute,
    Column::Scamper,
];

/// Marks by code of ICMP type 3. Empty where the program prints none, or says by printing none that the host was reached.
#[rustfmt::skip]
const V4: [[&str; 7]; 16] = [
    // Linux    FreeBSD   OpenBSD  BusyBox  inetutils tcptr.   scamper
    ["!N",     "!N",     "!N",    "!N",     "!N",    "!N",    "!N"],
    ["!H",     "!H",     "!H",    "!H",     "!H",    "!H",    "!H"],
    ["!P",     "!P",     "!P",    "!P",     "!P",    "!P",    "!P"],
    ["",       "",       "",      "",       "!P",    "!p",    ""],
    ["!F",     "!F",     "!F",    "!F",     "!F",    "!F",    "!F"],
    ["!S",     "!S",     "!S",    "!S",     "!S",    "!S",    "!S"],
    ["!N",     "!U",     "!U",    "!U",     "!*",    "!U",    "!<6>"],
    ["!H",     "!W",     "!U",    "!U",     "!*",    "!U",    "!<7>"],
    ["!N",     "!I",     "!I",    "!I",     "!U",    "!I",    "!<8>"],
    ["!X",     "!A",     "!A",    "!A",     "!*",    "!A",    "!<9>"],
    ["!X",     "!Z",     "!C",    "!C",     "!*",    "!C",    "!<10>"],
    ["!N",     "!Q",     "!T",    "!T",     "!T",    "!T",    "!<11>"],
    ["!H",     "!T",     "!T",    "!T",     "!T",    "!T",    "!<12>"],
    ["!X",     "!X",     "!X",    "!A",     "!X",    "!A",    "!X"],
    ["!V",     "!V",     "!<14>", "!V",     "!X",    "!<14>", "!<14>"],
    ["!C",     "!C",     "!<15>", "!C",     "!X",    "!<15>", "!<15>"],
];

/// Marks by code of ICMPv6 type 1: Linux, KAME (OpenBSD, FreeBSD and scamper too), BusyBox.
#[rustfmt::skip]
const V6: [[&str; 3]; 5] = [
    ["!N", "!N", "!N"],
    ["!X", "!P", "!S"],
    ["!H", "!S", "!<512>"],
    ["!H", "!A", "!H"],
    ["",   "",   ""],
];

/// What a reply with this mark was, by programs of which one wrote it. Where a mark stands for several codes that mean the
/// same (administratively prohibited, no route), the code is the most usual of them. `None` where the mark may mean
/// different things.
pub(super) fn kind(programs: &[Column], v6: bool, mark: &str) -> Option<ReplyKind> {
    if mark.is_empty() {
        return None;
    }
    if programs.contains(&Column::Cisco) {
        return cisco(v6, mark);
    }
    if let Some(mtu) = mark.strip_prefix("!F-") {
        return Some(ReplyKind::TooBig { mtu: mtu.parse().ok()? });
    }
    if v6 && mark == "!F" {
        return Some(ReplyKind::OtherIcmp { icmp_type: 2, code: 0 });
    }
    let mut codes: Vec<u8> = programs.iter().flat_map(|program| codes(*program, v6, mark)).collect();
    codes.sort_unstable();
    codes.dedup();
    if codes.is_empty() {
        return numbered(v6, mark);
    }
    one_meaning(v6, &codes)
}

fn codes(program: Column, v6: bool, mark: &str) -> Vec<u8> {
    let matching = |column: usize, rows: &[&[&str]]| {
        let codes = (0_u8..).zip(rows).filter(|(_, row)| row[column] == mark);
        codes.map(|(code, _)| code).collect()
    };
    if v6 {
        let column = match program {
            Column::Linux => 0,
            Column::OpenBsd | Column::FreeBsd | Column::Scamper => 1,
            Column::BusyBox => 2,
            _ => return Vec::new(),
        };
        return matching(column, &V6.each_ref().map(<[&str; 3]>::as_slice));
    }
    let Some(column) = PROGRAMS.iter().position(|known| *known == program) else { return Vec::new() };
    matching(column, &V4.each_ref().map(<[&str; 7]>::as_slice))
}

const fn unreachable(v6: bool, code: u8) -> ReplyKind {
    ReplyKind::Unreachable { icmp_type: if v6 { 1 } else { 3 }, code }
}

/// The kind that stands for all of these codes, if they mean one thing.
fn one_meaning(v6: bool, codes: &[u8]) -> Option<ReplyKind> {
    let meaning = |code: u8| {
        let kind = unreachable(v6, code);
        let known = (kind.is_prohibited(), kind.is_no_route(), kind.is_port_unreachable());
        (known, if known == (false, false, false) { Some(code) } else { None })
    };
    // inetutils has one mark for a filter and for the precedences of RFC 1812 §5.2.7.1, which no router refuses today.
    let precedence = |code: &&u8| !v6 && matches!(code, 14 | 15) && codes.contains(&13);
    let codes: Vec<u8> = codes.iter().filter(|code| !precedence(code)).copied().collect();
    let first = *codes.first()?;
    if codes.iter().any(|code| meaning(*code) != meaning(first)) {
        return None;
    }
    // RFC 1812 §5.2.7.1 has routers filter with code 13, which is what nearly all do.
    let usual = if !v6 && codes.contains(&13) { 13 } else { first };
    Some(unreachable(v6, usual))
}

/// `!<10>`, `!<4-0>`, `!<11,1>`: codes and types by number.
fn numbered(v6: bool, mark: &str) -> Option<ReplyKind> {
    let inner = mark.strip_prefix("!<")?.strip_suffix('>')?;
    let Some((icmp_type, code)) = inner.split_once(['-', ',']) else {
        return Some(unreachable(v6, inner.parse().ok()?));
    };
    let (icmp_type, code): (u8, u8) = (icmp_type.parse().ok()?, code.parse().ok()?);
    Some(match (v6, icmp_type) {
        (false, 3) | (true, 1) => unreachable(v6, code),
        (false, 11) | (true, 3) if code == 0 => ReplyKind::TimeExceeded,
        _ => ReplyKind::OtherIcmp { icmp_type, code },
    })
}

/// Cisco's letters; old images print them without `!`.
fn cisco(v6: bool, mark: &str) -> Option<ReplyKind> {
    let code = |v4: u8, six: u8| Some(unreachable(v6, if v6 { six } else { v4 }));
    match mark.trim_start_matches('!') {
        "A" => code(13, 1),
        "H" => code(1, 3),
        "N" => code(0, 0),
        "U" => code(3, 4),
        // RFC 4443 §3.4: a next header that is not known is a parameter problem.
        "P" if v6 => Some(ReplyKind::OtherIcmp { icmp_type: 4, code: 1 }),
        "P" => code(2, 0),
        "Q" if !v6 => Some(ReplyKind::OtherIcmp { icmp_type: 4, code: 0 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(program: Column, mark: &str) -> Option<ReplyKind> {
        kind(&[program], false, mark)
    }

    fn v6(program: Column, mark: &str) -> Option<ReplyKind> {
        kind(&[program], true, mark)
    }

    const fn three(code: u8) -> Option<ReplyKind> {
        Some(ReplyKind::Unreachable { icmp_type: 3, code })
    }

    const fn one(code: u8) -> Option<ReplyKind> {
        Some(ReplyKind::Unreachable { icmp_type: 1, code })
    }

    /// Every column names the net, host, protocol and source route alike; nobody prints a mark for the target's own port.
    #[test]
    fn what_all_agree_on() {
        for program in PROGRAMS {
            assert_eq!(v4(program, "!N"), three(0), "{program:?}");
            assert_eq!(v4(program, "!H"), three(1), "{program:?}");
            assert_eq!(v4(program, "!P"), three(2), "{program:?}");
            assert_eq!(v4(program, "!F"), three(4), "{program:?}");
            assert_eq!(v4(program, "!F-1400"), Some(ReplyKind::TooBig { mtu: 1400 }), "{program:?}");
            assert_eq!(v4(program, "!S"), three(5), "{program:?}");
            assert_eq!(v4(program, ""), None, "{program:?}");
            assert_eq!(v4(program, "!<200>"), three(200), "{program:?}");
            assert_eq!(v4(program, "!<500>"), None, "{program:?}");
        }
    }

    #[test]
    fn linux() {
        assert_eq!(v4(Column::Linux, "!X"), three(13));
        assert_eq!(v4(Column::Linux, "!V"), three(14));
        assert_eq!(v4(Column::Linux, "!C"), three(15));
        assert_eq!(v4(Column::Linux, "!A"), None);
        assert_eq!(v4(Column::Linux, "!<4-0>"), Some(ReplyKind::OtherIcmp { icmp_type: 4, code: 0 }));
        assert_eq!(v6(Column::Linux, "!X"), one(1));
        assert_eq!(v6(Column::Linux, "!N"), one(0));
        // Beyond scope and address unreachable: no way there.
        assert_eq!(v6(Column::Linux, "!H"), one(2));
        assert_eq!(v6(Column::Linux, "!F-1280"), Some(ReplyKind::TooBig { mtu: 1280 }));
    }

    #[test]
    fn freebsd() {
        for (mark, code) in [
            ("!U", 6),
            ("!W", 7),
            ("!I", 8),
            ("!A", 9),
            ("!Z", 10),
            ("!Q", 11),
            ("!T", 12),
            ("!X", 13),
            ("!V", 14),
            ("!C", 15),
        ] {
            assert_eq!(v4(Column::FreeBsd, mark), three(code), "{mark}");
        }
    }

    #[test]
    fn openbsd_and_kame() {
        for (mark, code) in [
            ("!U", 6),
            ("!I", 8),
            ("!A", 9),
            ("!C", 10),
            ("!T", 11),
            ("!X", 13),
            ("!<14>", 14),
            ("!<15>", 15),
        ] {
            assert_eq!(v4(Column::OpenBsd, mark), three(code), "{mark}");
        }
        for (mark, code) in [("!N", 0), ("!P", 1), ("!S", 2), ("!A", 3)] {
            assert_eq!(v6(Column::OpenBsd, mark), one(code), "{mark}");
        }
        assert_eq!(v6(Column::Scamper, "!F"), Some(ReplyKind::OtherIcmp { icmp_type: 2, code: 0 }));
    }

    #[test]
    fn busybox() {
        for (mark, code) in [("!U", 6), ("!I", 8), ("!A", 13), ("!C", 10), ("!T", 11), ("!V", 14)] {
            // 15 is `!C` as 10 is: one is a policy, the other is not.
            let expected = if mark == "!C" { None } else { three(code) };
            assert_eq!(v4(Column::BusyBox, mark), expected, "{mark}");
        }
        for (mark, code) in [("!N", 0), ("!S", 1), ("!<512>", 2), ("!H", 3)] {
            assert_eq!(v6(Column::BusyBox, mark), one(code), "{mark}");
        }
    }

    #[test]
    fn inetutils() {
        // Four codes, of which two are no route and two are policy.
        assert_eq!(v4(Column::Inetutils, "!*"), None);
        assert_eq!(v4(Column::Inetutils, "!U"), three(8));
        assert_eq!(v4(Column::Inetutils, "!T"), three(11));
        // 13, 14 and 15.
        assert_eq!(v4(Column::Inetutils, "!X"), three(13));
    }

    #[test]
    fn tcptraceroute() {
        for (mark, code) in [
            ("!p", 3),
            ("!U", 6),
            ("!I", 8),
            ("!A", 13),
            ("!C", 10),
            ("!T", 11),
            ("!<14>", 14),
            ("!<15>", 15),
        ] {
            assert_eq!(v4(Column::TcpTraceroute, mark), three(code), "{mark}");
        }
    }

    #[test]
    fn scamper() {
        for code in (6..=12).chain([14, 15]) {
            assert_eq!(v4(Column::Scamper, &format!("!<{code}>")), three(code));
        }
        assert_eq!(v4(Column::Scamper, "!X"), three(13));
        assert_eq!(v4(Column::Scamper, "!<11,1>"), Some(ReplyKind::OtherIcmp { icmp_type: 11, code: 1 }));
    }

    #[test]
    fn cisco_with_its_exclamation_mark_and_without() {
        for (mark, code) in [("A", 13), ("H", 1), ("N", 0), ("P", 2), ("U", 3)] {
            assert_eq!(v4(Column::Cisco, mark), three(code));
            assert_eq!(v4(Column::Cisco, &format!("!{mark}")), three(code));
        }
        assert_eq!(v4(Column::Cisco, "!Q"), Some(ReplyKind::OtherIcmp { icmp_type: 4, code: 0 }));
        assert_eq!(v6(Column::Cisco, "!A"), one(1));
        assert_eq!(v4(Column::Cisco, "?"), None);
    }

    #[test]
    fn a_program_that_is_not_known_says_only_what_all_say() {
        assert_eq!(kind(ANY, false, "!X"), three(13));
        assert_eq!(kind(ANY, false, "!H"), three(1));
        // Cutoff in effect, or host administratively prohibited.
        assert_eq!(kind(ANY, false, "!C"), None);
        assert_eq!(kind(ANY, true, "!S"), None);
        assert_eq!(kind(&[Column::FreeBsd, Column::OpenBsd], false, "!A"), three(9));
    }
}
