use std::io::{BufReader, Read};

use proptest::prelude::*;

use super::*;

const DUMP: &str = "Updated: 2025-01-01 05:51:00 +0000
198.51.100.7 | 198.51.100.8/29;;;Роскомнадзор;1234-РИ;2024-03-05
203.0.113.5|203.0.113.6;*.example.net;;Роскомнадзор;77-РИ;2024-04-01
;пример.рф;https://пример.рф/a;b | https://x.example/;Генпрокуратура;27-31-2024;2024-05-01
198.51.100.99;;https://mail.example.org/p;q?x=1;ФНС;5;2024-06-01
0.0.0.0|300.1.2.3|198.51.100.0/24;;;Суд;9;2024-07-01
2001:db8::7|2001:db8:1::5/48;;;Роскомнадзор;10;2024-08-01
;192.0.2.44;;ФНС;11;2024-09-01

";

fn cyrillic(text: &str) -> Vec<u8> {
    encoding_rs::WINDOWS_1251.encode(text).0.into_owned()
}

fn ask(addresses: &[&str], names: &[&str]) -> Question {
    Question::new(addresses.iter().map(|text| text.parse().unwrap()), names.iter().copied())
}

fn of(bytes: &[u8], question: &Question) -> Result<Found, Error> {
    read(&mut &*bytes, Format::of(&bytes[..bytes.len().min(HEAD)]).ok_or(Error::Unknown)?, question)
}

/// Level, what was asked, entry and line of every match.
fn hits(found: &Found) -> Vec<(&'static str, &str, &str, u64)> {
    let tell = |one| {
        let Match { level, asked, entry, line, .. }: &Match = one;
        (level.word(), asked.as_str(), entry.as_str(), *line)
    };
    found.matches.iter().map(tell).collect()
}

#[test]
fn a_dump_of_the_mirror_says_what_it_lists_and_how() {
    let bytes = cyrillic(DUMP);
    let found = of(&bytes, &ask(&["198.51.100.7", "203.0.113.6", "2001:db8:1::1"], &[])).unwrap();
    assert_eq!(found.format, Format::ZapretCsv);
    assert_eq!(found.dated.as_deref(), Some("2025-01-01T05:51:00Z"));
    assert_eq!(found.entries, 7);
    assert_eq!(
        hits(&found),
        [
            ("address", "198.51.100.7", "198.51.100.7", 2),
            ("under_entry", "203.0.113.6", "203.0.113.6: *.example.net", 3),
            ("subnet", "198.51.100.7", "198.51.100.0/24", 6),
            ("subnet", "2001:db8:1::1", "2001:db8:1::5/48", 7),
        ]
    );
    let first = &found.matches[0];
    assert_eq!(
        (first.decision.as_deref(), first.date.as_deref(), first.authority.as_deref()),
        (Some("1234-РИ"), Some("2024-03-05"), Some("Роскомнадзор"))
    );
    let warned: Vec<_> = found.warnings.iter().map(|one| (one.what, one.count, one.first)).collect();
    assert_eq!(warned, [("an address at which nobody can be", 1, 6), ("an address that is none", 1, 6)]);
}

#[test]
fn semicolons_and_bars_of_urls_do_not_shift_the_fields() {
    let bytes = cyrillic(DUMP);
    let found = of(&bytes, &ask(&["198.51.100.99"], &["mail.example.org", "sub.example.net"])).unwrap();
    assert_eq!(
        hits(&found),
        [
            ("name_mask", "sub.example.net", "*.example.net", 3),
            ("under_entry", "198.51.100.99", "198.51.100.99: https://mail.example.org/p;q?x=1", 5),
            ("url", "mail.example.org", "https://mail.example.org/p;q?x=1", 5),
            ("subnet", "198.51.100.99", "198.51.100.0/24", 6),
        ]
    );
    assert_eq!(found.matches[1].decision.as_deref(), Some("5"));
    let found = of(&bytes, &ask(&["192.0.2.44"], &["xn--e1afmkfd.xn--p1ai"])).unwrap();
    assert_eq!(
        hits(&found),
        [("name", "xn--e1afmkfd.xn--p1ai", "пример.рф", 4), ("address", "192.0.2.44", "192.0.2.44", 8)],
        "a name in its own letters, and an address where the domain should be"
    );
    assert_eq!(hits(&of(&bytes, &ask(&["192.0.2.1"], &["example.com"])).unwrap()), []);
}

const XML: &str = r#"<?xml version="1.0" encoding="windows-1251"?>
<reg:register updateTime="2025-01-01T10:00:00+03:00" xmlns:reg="http://rsoc.ru" formatVersion="2.4">
<content id="1" blockType="ip"><decision date="2024-03-05" number="1234-РИ" org="Роскомнадзор &amp; Ко"/>
<ip ts="2024-03-05T00:00:00+03:00">198.51.100.7</ip><ipSubnet>198.51.100.8/29</ipSubnet><ipv6>2001:db8::7</ipv6></content>
<content id="2"><url><![CDATA[https://x.example/a?b]]></url><domain><![CDATA[x.example]]></domain><ip>203.0.113.5</ip>
<decision date="2024-04-01" number="2" org="ФНС"/></content>
<content id="3" blockType="domain-mask"><decision date="2024-05-01" number="3" org="ФНС"/><domain>*.пример.рф</domain></content>
<content id="4"><decision date="2024-05-02" number="4" org="ФНС"/><url>http://y.example/?a=1&amp;b=2</url></content>
<content id="5"/>
</reg:register>
"#;

#[test]
fn the_register_in_xml_says_what_is_to_be_blocked() {
    let bytes = cyrillic(XML);
    let question = ask(
        &["198.51.100.7", "198.51.100.9", "203.0.113.5", "2001:db8::7"],
        &["x.example", "a.xn--e1afmkfd.xn--p1ai", "y.example"],
    );
    let found = of(&bytes, &question).unwrap();
    assert_eq!((found.format, found.entries), (Format::Xml, 5));
    assert_eq!(found.dated.as_deref(), Some("2025-01-01T10:00:00+03:00"));
    assert_eq!(
        hits(&found),
        [
            ("address", "198.51.100.7", "198.51.100.7", 1),
            ("subnet", "198.51.100.9", "198.51.100.8/29", 1),
            ("address", "2001:db8::7", "2001:db8::7", 1),
            ("name", "x.example", "x.example", 2),
            ("under_entry", "203.0.113.5", "203.0.113.5", 2),
            ("name_mask", "a.xn--e1afmkfd.xn--p1ai", "*.пример.рф", 3),
            ("url", "y.example", "http://y.example/?a=1&b=2", 4),
        ]
    );
    assert_eq!(found.matches[0].authority.as_deref(), Some("Роскомнадзор & Ко"));
    assert_eq!(found.matches[4].decision.as_deref(), Some("2"), "a decision that comes last counts too");
    for cut in [bytes.len() / 2, bytes.len() - 5] {
        assert!(matches!(of(&bytes[..cut], &question), Err(Error::Broken { .. })), "cut at {cut}");
    }
}

#[test]
fn lists_of_all_tools_are_read_as_the_same() {
    let question = ask(&["198.51.100.7", "2001:db8::7"], &["mx.example.net"]);
    for (text, wanted) in [
        ("198.51.100.7\n198.51.100.8 # other\n", &["address"][..]),
        ("; note\r\n198.51.100.0/24\r\n", &["subnet"]),
        ("\"ip\"\n\"198.51.100.7\"\n\"198.51.100.9\"\n\"198.51.100.10\"\n", &["address"]),
        ("create x hash:net family inet\nadd x 198.51.100.0/25 timeout 0\nadd x 192.0.2.1\n", &["subnet"]),
        (
            "table inet filter {\n set bad {\n  type ipv4_addr\n  flags interval\n  elements = { 192.0.2.1, 192.0.2.9,\n   198.51.100.1-198.51.100.9 }\n }\n}\n",
            &["subnet"],
        ),
        ("add element inet filter bad { 198.51.100.7, 192.0.2.3 }\n", &["address"]),
        (
            "/ip firewall address-list\nadd address=198.51.100.0/24 list=bad\nadd list=bad address=192.0.2.0/24\n",
            &["subnet"],
        ),
        ("route 198.51.100.0 255.255.255.0\npush \"route 192.0.2.0 255.255.255.0\"\n", &["subnet"]),
        ("push \"route 198.51.100.7 255.255.255.255\"\n", &["address"]),
        ("0.0.0.0 mx.example.net\n127.0.0.1 other.example\n", &["name"]),
        ("mx.example.net\n*.example.net\n2001:db8::/32\n", &["name", "name_mask", "subnet"]),
        ("192.0.2.1\nexample.org\n", &[]),
    ] {
        let found = of(text.as_bytes(), &question).unwrap_or_else(|error| panic!("{text}: {error}"));
        let levels: Vec<&str> = found.matches.iter().map(|one| one.level.word()).collect();
        assert_eq!(levels, wanted, "{text}");
    }
}

#[test]
fn what_is_no_register_is_refused_and_not_called_silent() {
    let question = ask(&["198.51.100.7"], &[]);
    for text in [
        "<!DOCTYPE html><html>login</html>",
        "{\"a\": 1}",
        "these are\nwords of a letter\nand no list\n",
        "\u{0}\u{1}\u{2}",
        "<?xml version=\"1.0\"?><other/>",
    ] {
        assert!(matches!(of(text.as_bytes(), &question), Err(Error::Unknown)), "{text}");
    }
    assert!(matches!(of(b"", &question), Err(Error::Empty)));
    assert!(matches!(of(b"# nothing\n", &question), Err(Error::Empty)));
    let half = "198.51.100.7\nthree words here\nthree words there\n";
    let error = of(half.as_bytes(), &question).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it looks like plain-list, but 2 of 3 rows were not understood, the first of them at 2"
    );
    assert!(of(b"Updated: 2025-01-01 05:51:00 +0000\n", &question).is_ok(), "a dump of a date alone");
}

#[test]
fn any_csv_is_read_by_a_profile() {
    let profile: Profile = r#"
        name = "somewhere"
        encoding = "windows-1251"
        delimiter = ","
        skip_lines = 2
        address_separator = " "
        date_format = "%d.%m.%Y"
        updated = "as of %d.%m.%Y %H:%M %z"
        [columns]
        address = 3
        domain = 2
        number = 4
        date = 5
    "#
    .parse()
    .unwrap();
    let text = "as of 02.01.2025 03:04 +0300\nid,domain,ip,no,date\n\
                1,,198.51.100.7 198.51.100.0/28,\"12, б\",31.12.2024\n2,Пример.рф,203.0.113.5,7,bad\n";
    let found =
        read_profile(&mut &*cyrillic(text), &profile, &ask(&["198.51.100.7", "203.0.113.5"], &["пример.рф"]))
            .unwrap();
    assert_eq!(found.dated.as_deref(), Some("2025-01-02T00:04:00Z"));
    assert_eq!(
        hits(&found),
        [
            ("address", "198.51.100.7", "198.51.100.7", 3),
            ("subnet", "198.51.100.7", "198.51.100.0/28", 3),
            ("under_entry", "203.0.113.5", "203.0.113.5", 4),
            ("name", "пример.рф", "Пример.рф", 4),
        ]
    );
    assert_eq!(
        (found.matches[0].decision.as_deref(), found.matches[0].date.as_deref()),
        (Some("12, б"), Some("2024-12-31"))
    );
    assert_eq!(found.matches[2].date.as_deref(), Some("bad"));
    for (bad, wanted) in [
        ("name='x'", "columns"),
        ("name='x'\n[columns]\ndate=1", "names none"),
        ("name='x'\nencoding='utf-16'\n[columns]\naddress=1", "encoding"),
        ("name='x'\ndelimiter=';;'\n[columns]\naddress=1", "delimiter"),
        ("name='x'\ncolour='red'\n[columns]\naddress=1", "colour"),
        ("name='x'\n[columns]\naddress=0", "outside"),
    ] {
        let error = bad.parse::<Profile>().unwrap_err().to_string();
        assert!(error.contains(wanted), "{bad}: {error}");
    }
}

#[test]
fn a_match_is_found_in_the_last_line_without_an_end_and_many_are_counted() {
    let mut text = "198.51.100.7\n".repeat(MOST_MATCHES + 5);
    text.push_str("198.51.100.7");
    let found = of(text.as_bytes(), &ask(&["198.51.100.7"], &[])).unwrap();
    assert_eq!((found.matches.len(), found.more), (MOST_MATCHES, 6));
}

#[test]
fn a_line_without_an_end_costs_no_memory() {
    let endless = std::io::repeat(b'1').take(64 << 20);
    let mut input = BufReader::new(endless.chain(&b"\n198.51.100.7\n"[..]));
    let mut lines = lines::Lines::new(&mut input, 1 << 20);
    assert!(matches!(lines.next().unwrap(), Some(lines::Line::TooLong)));
    assert!(lines.capacity() <= 1 << 21, "{}", lines.capacity());
    assert!(matches!(lines.next().unwrap(), Some(lines::Line::Whole(b"198.51.100.7"))));
    assert_eq!(lines.number, 2);
    // In each form: passed over and told, or refused; what follows is read.
    let question = ask(&["198.51.100.7"], &[]);
    let long = |head: &'static str, tail: &'static str| {
        BufReader::new(head.as_bytes().chain(std::io::repeat(b'a').take(10 << 20)).chain(tail.as_bytes()))
    };
    let mut plain = long("192.0.2.1\n192.0.2.2\n", "\n198.51.100.7\n");
    let found = read(&mut plain, Format::PlainList, &question).unwrap();
    assert_eq!((found.matches.len(), found.warnings[0].count, found.warnings[0].first), (1, 1, 3));
    let mut dump =
        long("Updated: x\n;a;;b;c;2024-01-01\n;a;;b;c;2024-01-01\n", "\n198.51.100.7;;;a;b;2024-01-01\n");
    let found = read(&mut dump, Format::ZapretCsv, &question).unwrap();
    assert_eq!((found.matches.len(), found.warnings[0].count), (1, 1));
    let mut xml = long("<register><content blockType=\"", "\"/></register>");
    let error = read(&mut xml, Format::Xml, &question).unwrap_err();
    assert!(error.to_string().contains("longer than 4 MiB"), "{error}");
    let deep = "<register>".repeat(50);
    assert!(matches!(read(&mut deep.as_bytes(), Format::Xml, &question), Err(Error::Broken { .. })));
}

fn every_form(bytes: &[u8]) {
    let question = ask(&["198.51.100.7", "2001:db8::7"], &["mx.example.net", "пример.рф"]);
    for format in [Format::ZapretCsv, Format::Xml, Format::PlainList] {
        let _ = read(&mut &*bytes, format, &question);
    }
    for quote in ["\\\"", ""] {
        let profile = format!(
            "name='x'\nquote=\"{quote}\"\ndelimiter=';'\naddress_separator='|'\n[columns]\naddress=1\ndomain=2\nurl=3\ndate=6"
        );
        let _ = read_profile(&mut &*bytes, &profile.parse().unwrap(), &question);
    }
    let _ = Format::of(bytes);
}

#[test]
fn cuts_of_every_form_are_read_or_refused() {
    for whole in
        [cyrillic(DUMP), cyrillic(XML), b"route 198.51.100.0 255.255.255.0\nadd x 1.2.3.4/5".to_vec()]
    {
        for cut in 0..whole.len() {
            every_form(&whole[..cut]);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_any_reader(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        every_form(&bytes);
    }

    #[test]
    fn no_likely_bytes_either(text in "([0-9.:/|;*, \\n<>&a-cx\"{}=%#-]|xn--|route |add |content|<!\\[CDATA\\[|\\]\\]>|://){0,300}") {
        every_form(text.as_bytes());
    }

    /// The reader of addresses beside the standard library's.
    #[test]
    fn addresses_are_those_of_the_standard_library(text in "([0-9]{1,3}\\.){3}[0-9]{1,3}", length in 0u8..40) {
        let ours = item::quad(text.as_bytes()).filter(|(_, rest)| rest.is_empty()).map(|(bits, _)| bits);
        prop_assert_eq!(ours, text.parse::<std::net::Ipv4Addr>().ok().map(|address| address.to_bits()));
        if let (Some(bits), Ok(item::Item::V4(from, to))) = (ours, Item::parse(format!("{text}/{length}").as_bytes())) {
            let network = ipnetwork::Ipv4Network::new(bits.into(), length).unwrap();
            prop_assert_eq!((from, to), (network.network().to_bits(), network.broadcast().to_bits()));
        }
    }
}
