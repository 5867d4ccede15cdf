use proptest::prelude::*;

use super::*;

pub(super) const MEMBERS: &[u8] = include_bytes!("../../../tests/data/asdb/netixlan.json");
pub(super) const LANS: &[u8] = include_bytes!("../../../tests/data/asdb/ixpfx.json");
pub(super) const DUMP: &[u8] = include_bytes!("../../../tests/data/asdb/dump.json");
pub(super) const IXF: &[u8] = include_bytes!("../../../tests/data/asdb/members.json");

pub(super) fn of(files: &[&[u8]]) -> Exchanges {
    Exchanges::from_readers(files.iter().map(|bytes| (*bytes, "x.json"))).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    let error = Exchanges::from_readers([(bytes, "x.json")]).unwrap_err();
    assert!(!error.hint().is_empty());
    error.to_string()
}

/// Members, LAN and exchange, as text.
fn told(exchanges: &Exchanges, address: &str) -> Option<(Vec<u32>, Option<String>, Option<String>)> {
    let found = exchanges.lookup(address.parse().unwrap())?;
    let members = found.members.iter().map(|asn| asn.0).collect();
    Some((members, found.prefix.map(|prefix| prefix.to_string()), found.exchange.map(str::to_owned)))
}

#[track_caller]
fn check(exchanges: &Exchanges, address: &str, members: &[u32], prefix: &str, exchange: &str) {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    assert_eq!(told(exchanges, address), Some((members.to_vec(), text(prefix), text(exchange))), "{address}");
}

#[test]
fn an_address_of_a_lan_is_its_members_and_the_rest_of_the_lan_is_the_exchanges() {
    let exchanges = of(&[MEMBERS, LANS]);
    check(&exchanges, "198.51.100.7", &[64500], "198.51.100.0/24", "EXAMPLE-IX");
    check(&exchanges, "2001:db8:100::7", &[64500], "2001:db8:100::/64", "EXAMPLE-IX");
    check(&exchanges, "::ffff:198.51.100.7", &[64500], "198.51.100.0/24", "EXAMPLE-IX");
    check(&exchanges, "198.51.100.200", &[], "198.51.100.0/24", "EXAMPLE-IX");
    check(&exchanges, "203.0.113.1", &[], "203.0.113.0/25", "");
    assert_eq!(told(&exchanges, "203.0.113.128"), None);
    assert_eq!(told(&exchanges, "8.8.8.8"), None);
    assert_eq!((exchanges.addresses(), exchanges.lans()), (3, 3));
}

#[test]
fn a_port_out_of_operation_is_still_its_members_and_a_deleted_one_nobodys() {
    let exchanges = of(&[MEMBERS]);
    check(&exchanges, "198.51.100.8", &[64501], "", "");
    assert_eq!(told(&exchanges, "198.51.100.9"), None);
}

#[test]
fn a_dump_of_everything_is_read_in_one_go() {
    let exchanges = of(&[DUMP]);
    check(&exchanges, "203.0.113.5", &[64500], "203.0.113.0/25", "OTHER-IX");
    assert_eq!(exchanges.name(Asn(64500)), Some("Example Networks"));
    assert_eq!(exchanges.name(Asn(64501)), None);
}

#[test]
fn an_exchanges_own_list_is_read_with_the_oddities_of_its_writers() {
    let exchanges = of(&[IXF]);
    check(&exchanges, "192.0.2.10", &[64500], "192.0.2.0/24", "Small-IX");
    check(&exchanges, "192.0.2.11", &[64503], "192.0.2.0/24", "Small-IX");
    check(&exchanges, "2001:db8:200::10", &[64500], "2001:db8:200::/64", "Small-IX");
    check(&exchanges, "2001:db8:200::11", &[], "2001:db8:200::/64", "Small-IX");
    assert_eq!(exchanges.name(Asn(64504)), Some("No ports yet"));
    assert_eq!(exchanges.name(Asn(64503)), None, "an empty name is none");
}

#[test]
fn files_say_what_they_are_and_of_which_day() {
    let exchanges = of(&[MEMBERS, LANS, IXF]);
    let said: Vec<_> = exchanges.files().iter().map(|file| (&*file.origin, file.built_at)).collect();
    let day = |month, day| Some(jiff::civil::date(2026, month, day));
    assert_eq!(
        said,
        [
            ("PeeringDB (x.json)", day(5, 2)),
            ("PeeringDB (x.json)", day(5, 28)),
            ("IX-F member export (x.json)", day(6, 3)),
        ]
    );
    assert_eq!(exchanges.files()[0].sha256, file::digest(MEMBERS));
    let peering = exchanges.lookup("198.51.100.7".parse().unwrap()).unwrap();
    assert_eq!(peering.file, &exchanges.files()[0], "who says who the member is");
    let peering = exchanges.lookup("198.51.100.200".parse().unwrap()).unwrap();
    assert_eq!(peering.file, &exchanges.files()[1], "who says what the LAN is");
}

#[test]
fn of_two_files_the_first_is_believed_and_two_members_in_one_are_both_kept() {
    let row = |asn: u32| format!(r#"{{"ixlan_id": 1, "asn": {asn}, "ipaddr4": "192.0.2.1"}}"#);
    let one = format!(r#"{{"data": [{}, {}, {}]}}"#, row(2), row(1), row(2)).into_bytes();
    let other = format!(r#"{{"data": [{}]}}"#, row(3)).into_bytes();
    check(&of(&[&one, &other]), "192.0.2.1", &[2, 1], "", "");
    check(&of(&[&other, &one]), "192.0.2.1", &[3], "", "");
    assert_eq!(of(&[&one, &other]).addresses(), 1);
    let many: Vec<String> = (1..200).map(row).collect();
    let many = format!(r#"{{"data": [{}]}}"#, many.join(",")).into_bytes();
    assert_eq!(told(&of(&[&many]), "192.0.2.1").unwrap().0.len(), MOST_MEMBERS);
}

#[test]
fn the_narrowest_lan_answers() {
    let text = br#"{"data": [{"ixlan_id": 1, "prefix": "192.0.2.0/24"}, {"ixlan_id": 2, "prefix": "192.0.2.129/25"}]}"#;
    let exchanges = of(&[text]);
    check(&exchanges, "192.0.2.1", &[], "192.0.2.0/24", "");
    check(&exchanges, "192.0.2.200", &[], "192.0.2.128/25", "");
}

#[test]
fn a_wrong_value_is_named_with_its_place() {
    let member =
        |value: &str| format!("{{\"data\": [\n{{\"ixlan_id\": 1, \"asn\": 1, \"ipaddr4\": {value}}}]}}");
    let error = refused(member("\"192.0.2.256\"").as_bytes());
    assert_eq!(
        error,
        "x.json line 2 column 50: invalid value: string \"192.0.2.256\", expected an IPv4 or IPv6 address"
    );
    assert!(refused(member("7").as_bytes()).contains("line 2"), "{}", refused(member("7").as_bytes()));
    let lan = |prefix: &str| {
        refused(format!("{{\"data\": [{{\"ixlan_id\": 1, \"prefix\": \"{prefix}\"}}]}}").as_bytes())
    };
    assert!(lan("192.0.2.0").contains("it has no length"));
    assert!(lan("192.0.2.0/33").contains("it is no prefix"));
    for wide in ["0.0.0.0/0", "192.0.0.0/15", "::/0", "2001:d00::/31"] {
        assert!(lan(wide).contains("no LAN is that wide"), "{}", lan(wide));
    }
    let block = br#"{"ixp_list": [{"vlan": [{"ipv4": {"prefix": "192.0.2.0", "mask_length": 8}}]}], "member_list": []}"#;
    assert!(refused(block).contains("line 1 column"), "{}", refused(block));
    let error = refused(b"{\"data\": [{\"asn\": \"\\u001b[31m\"}]}");
    assert!(!error.contains('\x1b'), "{error}");
}

#[test]
fn what_is_no_data_on_exchanges_is_told_apart() {
    assert!(refused(b"").contains("is empty"));
    assert!(refused(b"<html>429</html>").contains("a web page"));
    assert!(refused(b"1|2|0\n").contains("no JSON object"));
    assert!(refused(b"[]").contains("no JSON object"));
    assert!(refused(br#"{"message": "Request was throttled."}"#).contains("without a row of exchanges"));
    assert!(refused(br#"{"data": [], "meta": {}}"#).contains("without a row of exchanges"));
    assert!(
        refused(br#"{"data": [{"id": 1, "name": "IX", "media": "Ethernet"}]}"#).contains("without a LAN")
    );
    assert!(refused(br#"{"data": [{"id": 1"#).contains("line 1 column 18"));
    assert!(refused(br#"{"data": []} and more"#).contains("line 1"));
}

#[test]
fn a_deep_file_is_refused_or_skipped() {
    let deep = "[".repeat(100_000);
    refused(format!("{{\"data\": {deep}").as_bytes());
    refused(format!("{{\"other\": {deep}").as_bytes());
    refused(format!("{{\"data\": [{{\"media\": {deep}").as_bytes());
}

#[test]
fn every_cut_of_every_file_is_refused() {
    for text in [MEMBERS, LANS, DUMP, IXF] {
        for length in 0..text.trim_ascii_end().len() {
            refused(&text[..length]);
        }
    }
}

#[test]
fn peeringdbs_own_samples_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/peeringdb");
    let all = ["ix", "ixlan", "ixpfx", "net", "netixlan"].map(|name| folder.join(format!("{name}-0.json")));
    if !all.iter().all(|path| path.exists()) {
        return;
    }
    let exchanges = Exchanges::open(&all).unwrap();
    check(&exchanges, "206.223.116.101", &[63312], "206.223.116.0/23", "ix b7b05aa8");
    check(&exchanges, "2001:504:0:3::65", &[63313], "2001:504:0:3::/64", "ix e7eccd56");
    check(&exchanges, "206.223.123.1", &[], "206.223.123.0/24", "ix e7eccd56");
    assert_eq!(exchanges.name(Asn(63312)), Some("net 25304adc"));
    assert_eq!((exchanges.addresses(), exchanges.lans()), (4, 4));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for head in [&b""[..], b"{\"data\":[{\"asn\":1,\"ixlan_id\":2,\"ipaddr4\":\"", b"{\"member_list\":[", b"\x1f\x8b\x08", b"BZh91AY&SY"] {
            let _ = Exchanges::from_readers([([head, &bytes].concat().as_slice(), "x")]);
        }
    }

    #[test]
    fn damaged_files_are_read_or_refused(place in 0usize..2000, value: u8, which in 0usize..4) {
        let mut bytes = [MEMBERS, LANS, DUMP, IXF][which].to_vec();
        let place = place % bytes.len();
        bytes[place] = value;
        if let Ok(exchanges) = Exchanges::from_readers([(bytes.as_slice(), "x")]) {
            let _ = exchanges.lookup("198.51.100.7".parse().unwrap());
        }
    }
}
