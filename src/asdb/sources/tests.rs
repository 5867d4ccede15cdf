//! Each reader on a sample of what its publisher writes, packing, recognition, and what becomes of cut and hostile bytes.

use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::asdb::{Kind, Table};

/// What came of a source: the summary, and a table of it.
struct Outcome {
    read: Read,
    table: Table,
    links: usize,
}

fn read_with(bytes: &[u8], options: &Options) -> Result<Outcome, Error> {
    let mut builder = Builder::plain("test");
    let read = read_any(bytes, Path::new("sample"), &mut builder, options, &mut |_| {})?;
    let links = builder.links().len();
    let table = Table::of_builder(builder, read.format);
    Ok(Outcome { read, table, links })
}

fn outcome(bytes: impl AsRef<[u8]>) -> Outcome {
    read_with(bytes.as_ref(), &Options::default()).unwrap_or_else(|error| panic!("{error}"))
}

impl Outcome {
    fn origins(&self, address: &str) -> Vec<u32> {
        let origin = self.table.lookup(address.parse().unwrap());
        origin.asns.iter().map(|asn| asn.0).collect()
    }

    fn name(&self, asn: u32) -> Option<&str> {
        self.table.name(Asn(asn))
    }

    fn dropped(&self, why: &str) -> u64 {
        self.read.dropped.get(why).copied().unwrap_or(0)
    }
}

#[test]
fn ris_whois_dump() {
    let text = "% RIS whois dump\n% Generated at 2026-06-17 08:00\n\n\
        13335\t1.1.1.0/24\t250\n15169\t1.1.1.0/24\t300\n64500\t1.1.1.0/24\t300\n\
        {8359,9002}\t5.8.0.0/19\t40\n3356\t4.0.0.0/9\t9\n174\t0.0.0.0/0\t30\n174\t10.0.0.0/8\t30\n\
        174\t2.0.0.0/25\t30\n174\t128.0.0.0/1\t30\n15169\t2001:4860::/32\t200\n174\t2001:db8::/32\t20\n";
    let got = outcome(text);
    assert_eq!(got.read.format, Format::RisWhois);
    assert_eq!(got.read.date.map(|date| date.to_string()).as_deref(), Some("2026-06-17"));
    assert!(!got.read.date_is_of_name);
    assert_eq!((got.read.records, got.read.routes, got.read.kept), (11, 11, 3));
    assert_eq!(got.origins("1.1.1.1"), [15169, 13335]);
    assert_eq!(got.origins("5.8.1.1"), [8359, 9002]);
    assert!(got.table.lookup("5.8.1.1".parse().unwrap()).as_set);
    assert!(!got.table.lookup("1.1.1.1".parse().unwrap()).as_set);
    assert_eq!(got.origins("2001:4860::1"), [15169]);
    assert!(got.origins("4.1.1.1").is_empty());
    let dropped = [
        ("default route", 1),
        ("prefix wider than /8 (IPv6: /12)", 1),
        ("prefix in special-purpose space", 2),
        ("prefix longer than /24 (IPv6: /48)", 1),
        ("route whose origin is a private or reserved AS", 1),
        ("origin seen by too few peers", 1),
    ];
    for (why, count) in dropped {
        assert_eq!(got.dropped(why), count, "{why}");
    }
    assert_eq!(got.read.dropped.len(), dropped.len());
    let all = Options { min_peers: Some(1), narrow_prefixes: true, bogons: true };
    let all = read_with(text.as_bytes(), &all).unwrap();
    assert_eq!(all.origins("4.1.1.1"), [3356]);
    assert_eq!(all.origins("2.0.0.1"), [174]);
    assert_eq!(all.origins("1.1.1.1"), [15169, 64500, 13335]);
}

#[test]
fn bgp_tools() {
    let json = "{\"CIDR\":\"1.1.1.0/24\",\"ASN\":13335,\"Hits\":900}\n{\"CIDR\":\"1.1.1.0/24\",\"ASN\":15169,\"Hits\":2}\n\
        {\"CIDR\":\"2606:4700::/32\",\"ASN\":13335,\"Hits\":800}\n";
    let got = outcome(json);
    assert_eq!((got.read.format, got.read.records, got.read.kept), (Format::JsonLines, 3, 2));
    assert_eq!(got.origins("1.1.1.1"), [13335]);
    assert_eq!(got.origins("2606:4700::1"), [13335]);
    assert_eq!(got.dropped("origin seen by too few peers"), 1);

    let got = outcome("1.1.1.0/24 13335\n1.1.1.0/24 15169\n2606:4700::/32 13335\n::/0 6939\n");
    assert_eq!((got.read.format, got.read.kept), (Format::TableTxt, 2));
    assert_eq!(got.origins("1.1.1.1"), [13335, 15169]);
    assert_eq!(got.dropped("default route"), 1);

    let got = outcome("asn,name,class,cc\nAS13335,\"Cloudflare, Inc.\",Content,US\nAS0,nobody,,\n");
    assert_eq!((got.read.format, got.read.names, got.read.kept), (Format::NamedColumns, 1, 0));
    assert_eq!(got.name(13335), Some("Cloudflare, Inc."));
}

#[test]
fn columns_by_name() {
    let samples = [
        "network,asn,as_name\n1.1.1.0/24,AS13335,\"Cloudflare, Inc.\"\n",
        "Prefix\tAS Number\tOrganization\n1.1.1.0/24\t13335\tCloudflare, Inc.\n",
        "start_ip,end_ip,country,asn,as_name,as_domain\n1.1.1.0,1.1.1.255,US,AS13335,\"Cloudflare, Inc.\",x\n",
        "\"ip_from\",\"ip_to\",\"cidr\",\"asn\",\"as\"\n\"16843008\",\"16843263\",\"1.1.1.0/24\",\"13335\",\"Cloudflare, Inc.\"\n",
        "\u{feff}first;last;origin;description\r\n1.1.1.0;1.1.1.255;AS13335;Cloudflare, Inc.\r\n",
        "cidr,autonomous_system_number,org\n1.1.1.0/24,13335,\"Cloudflare, Inc.\"\n",
        "asn,name,network,registered_country\n13335,\"Cloudflare, Inc.\",1.1.1.0/24,AU\n",
        "{\"network\":\"1.1.1.0/24\",\"asn\":\"AS13335\",\"as_name\":\"Cloudflare, Inc.\",\"country\":\"AU\"}\n",
    ];
    for sample in samples {
        let got = outcome(sample);
        assert!(matches!(got.read.format, Format::NamedColumns | Format::JsonLines), "{sample}");
        assert_eq!(got.origins("1.1.1.77"), [13335], "{sample}");
        assert!(got.origins("1.1.2.0").is_empty(), "{sample}");
        assert_eq!(got.name(13335), Some("Cloudflare, Inc."), "{sample}");
        assert_eq!((got.read.records, got.read.kept), (1, 1), "{sample}");
        assert_eq!(got.read.countries, u64::from(sample.contains("registered")), "{sample}");
    }
    let gaps = outcome(
        "network,asn\n1.1.1.0/24,\n2.2.2.0/24,-\n3.3.3.0/24,0\n4.4.4.0/24,64500_64501\n5.5.5.0/24,{1,2}\n",
    );
    assert_eq!(gaps.dropped("range of nobody (AS 0 or none)"), 3);
    assert_eq!(gaps.origins("4.4.4.4"), [64500, 64501]);
    assert!(gaps.table.lookup("4.4.4.4".parse().unwrap()).is_leak());
    let bad = read_with(b"network,asn\n1.1.1.0/24,13335\n1.1.1.0/33,13335\n", &Options::default());
    assert!(matches!(bad, Err(Error::Line { line: 3, offset: 29, .. })), "{:?}", bad.err());
}

#[test]
fn names_and_countries() {
    let got = outcome(
        "0 -Reserved AS-, ZZ\n1 LVLT-1 - Level 3 Parent, LLC, US\n13335 CLOUDFLARENET - Cloudflare, Inc., US\n",
    );
    assert_eq!((got.read.format, got.read.names), (Format::AsNames, 2));
    assert_eq!(got.name(1), Some("LVLT-1 - Level 3 Parent, LLC"));
    assert_eq!(got.dropped("name of a reserved AS"), 1);

    let text = "# name: AS Org\n# format:org_id|changed|org_name|country|source\nORG-1|20120101|Example Ltd|US|ARIN\n\
        # format:aut|changed|aut_name|org_id|opaque_id|source\n1|20240101|EX-1|ORG-1||ARIN\n2|20240101|EX-2|ORG-9||ARIN\n";
    let got = outcome(text.replace("org_name", "name"));
    assert_eq!((got.read.format, got.read.names), (Format::As2Org, 2));
    assert_eq!((got.name(1), got.name(2)), (Some("Example Ltd"), Some("EX-2")));

    let text = "2|ripencc|1781654399|5|19830705|20260616|+0200\nripencc|*|ipv4|*|2|summary\n\
        ripencc|NL|ipv4|193.0.0.0|1536|19930901|allocated|x\nripencc||ipv4|193.0.6.0|256||available|\n\
        ripencc|NL|ipv6|2001:610::|32|19990819|allocated|y\nripencc|NL|asn|1103|1|19930901|allocated|z\n";
    let mut builder = Builder::plain("test");
    let read =
        read_any(text.as_bytes(), Path::new("x"), &mut builder, &Options::default(), &mut |_| {}).unwrap();
    assert_eq!((read.format, read.countries, read.records), (Format::Delegated, 2, 4));
    assert_eq!(read.date.map(|date| date.to_string()).as_deref(), Some("2026-06-16"));
    let table = Table::from_reader(builder.write().unwrap().as_slice(), "x").unwrap();
    let country = |address: &str| table.registered_country(address.parse().unwrap());
    assert_eq!(country("193.0.5.255"), Some(*b"NL"));
    assert_eq!(country("193.0.6.0"), None);
    assert_eq!(country("2001:610::1"), Some(*b"NL"));

    let got = outcome("1.0.0.0,1.0.0.255,AU\n");
    assert_eq!((got.read.format, got.read.countries), (Format::CountryCsv, 1));
}

#[test]
fn the_older_formats() {
    let got =
        outcome("1.0.0.0\t1.0.0.255\t13335\tUS\tCLOUDFLARENET\n1.0.1.0\t1.0.3.255\t0\tNone\tNot routed\n");
    assert_eq!((got.read.format, got.read.kept), (Format::IpToAsn, 1));
    assert_eq!(got.dropped("range of nobody (AS 0 or none)"), 1);
    assert_eq!((got.origins("1.0.0.1"), got.origins("1.0.1.1")), (vec![13335], vec![]));
    let got = outcome("16777216,16777471,13335,\"Cloudflare, Inc.\"\n");
    assert_eq!((got.read.format, got.name(13335)), (Format::RangeCsv, Some("Cloudflare, Inc.")));
    let got = outcome("1.0.0.0\t24\t13335_15169\n1.0.4.0\t22\t38803,56203\n");
    assert_eq!((got.read.format, got.origins("1.0.0.1")), (Format::Pfx2As, vec![13335, 15169]));
    assert!(got.table.lookup("1.0.4.1".parse().unwrap()).as_set);
    let got = outcome(
        "network,autonomous_system_number,autonomous_system_organization\n1.0.0.0/24,13335,\"A, B\"\n",
    );
    assert_eq!((got.read.format, got.name(13335), got.read.records), (Format::GeoLiteCsv, Some("A, B"), 1));
    for text in ["prefix,asn,name\n100.64.0.0/10,64500,inside\n", "100.64.0.0/10\t64500\tinside\ta note\n"] {
        let got = outcome(text);
        assert_eq!((got.read.format, got.origins("100.64.0.1")), (Format::Overrides, vec![64500]), "{text}");
        assert_eq!(got.table.lookup("100.64.0.1".parse().unwrap()).kind, Kind::As);
    }
}

#[test]
fn what_is_no_source_says_what_it_is() {
    let error = |bytes: &[u8]| read_with(bytes, &Options::default()).err().map(|error| error.to_string());
    let samples: [(&[u8], &str); 9] = [
        (b"", "holds no range"),
        (b"# only\n\n", "holds no range"),
        (b"hello world\n", "line 1"),
        (b"PK\x03\x04zip", "ZIP"),
        (b"{\"a\":1}\n", "JSON without AS numbers"),
        (b"[\n", "JSON that is no row a line"),
        (b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d", "binary"),
        (b"1.0.0.0\t24\t13335\n1.0.0.0\tx\t1\n", "line 2 (byte 17)"),
        (b"1.0.0.0,1.0.0.255,13335,\"open\n1.0.1.0,1.0.1.255,1,x\n", "a quote is open"),
    ];
    for (bytes, wanted) in samples {
        let got = error(bytes).unwrap_or_default();
        assert!(got.contains(wanted), "{:?}: {got}", String::from_utf8_lossy(bytes));
    }
    let table = Builder::plain("x").write().unwrap();
    assert!(error(&table).unwrap().contains("a table of this program"));
    let messages = [&[0, 0, 0, 1, 0, 16, 0, 4, 0, 0, 0, 2, 1, 2][..], &[0; 0]].concat();
    assert!(error(&messages).unwrap().contains("messages"));
    let long = format!("1.0.0.0\t24\t13335\n1.0.0.0\t24\t1{}\n", "_1".repeat(40_000));
    assert!(error(long.as_bytes()).unwrap().contains("65536 bytes"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut out = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

type Packer = fn(&[u8]) -> Vec<u8>;
const PACKERS: [(Packing, Packer); 4] =
    [(Packing::Gzip, gzip), (Packing::Bzip2, bzip2), (Packing::Zstd, zstd), (Packing::Xz, xz)];

/// A text of many lines, none like another.
fn many() -> Vec<u8> {
    (0..20_000_u32)
        .flat_map(|n| {
            format!("{}.{}.{}.0\t24\t{}\n", 1 + n / 65536, n / 256 % 256, n % 256, 1 + n % 40_000)
                .into_bytes()
        })
        .collect()
}

#[test]
fn packed_sources_are_read_through_in_several_members() {
    let text = many();
    let (first, second) = text.split_at(100_001);
    for (packing, pack) in PACKERS {
        let mut bytes = pack(first);
        bytes.extend(pack(second));
        if packing == Packing::Zstd {
            // A skippable frame in front, as parallel packers write it.
            bytes.splice(0..0, [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
        }
        let mut told = Vec::new();
        let mut builder = Builder::plain("test");
        let read =
            read_any(bytes.as_slice(), Path::new("x"), &mut builder, &Options::default(), &mut |bytes| {
                told.push(bytes)
            })
            .unwrap_or_else(|error| panic!("{packing}: {error}"));
        assert_eq!((read.packing, read.kept, read.bytes), (packing, 20_000, text.len() as u64));
        assert_eq!(told.last().copied(), Some(bytes.len() as u64));
        assert!(told.is_sorted());
        assert_eq!(read.sha256, crate::asdb::file::digest(&text), "{packing}");
        let whole = whole(opened(bytes.as_slice(), Path::new("x"), &mut |_| {}).unwrap(), Path::new("x"));
        assert_eq!(whole.unwrap(), text, "{packing}");
    }
}

#[test]
fn a_packed_source_that_is_cut_says_where() {
    let text = many();
    for (packing, pack) in PACKERS {
        let whole = pack(&text);
        for end in [9, whole.len() / 3, whole.len() - 9, whole.len() - 1] {
            let error = read_with(&whole[..end], &Options::default()).err();
            let Some(Error::Unpack { packed, unpacked, .. }) = error else {
                panic!("{packing} cut at {end}: {error:?}")
            };
            assert!(packed <= end as u64 && unpacked <= text.len() as u64, "{packing}: {packed}, {unpacked}");
            let held = opened(&whole[..end], Path::new("x"), &mut |_| {})
                .and_then(|stream| super::whole(stream, Path::new("x")));
            assert!(matches!(held, Err(Error::Unpack { .. })), "{packing}");
        }
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x10;
        assert!(read_with(&damaged, &Options::default()).is_err(), "{packing}");
    }
}

#[test]
fn a_packed_file_in_a_packed_file_is_refused() {
    let twice = gzip(&xz(b"1.0.0.0\t24\t13335\n"));
    assert!(read_with(&twice, &Options::default()).err().unwrap().to_string().contains("packed twice"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Lines that look like data of some format, and lines that nearly do.
    #[test]
    fn no_text_is_too_odd(lines in prop::collection::vec("[0-9a-f.:/,\t| ;\"{}_#%ASasn-]{0,40}", 0..8), head in 0_usize..12) {
        let heads = [
            "network,asn\n", "prefix,asn\n", "asn,name\n", "2|ripencc|1|1|1|20240101|+0000\n", "# format:aut|x|aut_name|org_id\n",
            "13335\t1.1.1.0/24\t30\n", "1.0.0.0\t24\t1\n", "1.0.0.0,1.0.0.1,1,x\n", "1 X - Y, US\n",
            "{\"CIDR\":\"1.1.1.0/24\",\"ASN\":1,\"Hits\":20}\n", "1.1.1.0/24 1\n", "",
        ];
        let text = format!("{}{}", heads[head], lines.join("\n"));
        if let Ok(got) = read_with(text.as_bytes(), &Options::default()) {
            let left_out: u64 = got.read.dropped.values().sum();
            prop_assert!(got.read.kept + got.read.names + got.read.countries <= got.read.records * 3);
            prop_assert!(left_out <= got.read.records * 2);
        }
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..300), packer in 0_usize..5) {
        let bytes = PACKERS.get(packer).map_or(bytes.clone(), |(_, pack)| pack(&bytes));
        if let Ok(got) = read_with(&bytes, &Options::default()) {
            prop_assert!(got.links <= bytes.len());
        }
        let _ = Table::from_reader(bytes.as_slice(), "x");
    }

    /// Flipped bits in packed streams: whatever the decompressors make of it, it is an answer or an error.
    #[test]
    fn no_packed_stream_is_too_odd(packer in 0_usize..4, at in any::<prop::sample::Index>(), bit in 0_u8..8, cut in any::<prop::sample::Index>()) {
        let mut bytes = PACKERS[packer].1(b"1.0.0.0\t24\t13335\n1.0.4.0\t22\t38803,56203\n");
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let _ = read_with(&bytes, &Options::default());
        bytes.truncate(cut.index(bytes.len()));
        let _ = read_with(&bytes, &Options::default());
    }
}
