//! Who publishes what, where, and under which terms: the addresses that `db fetch` knows.
//!
//! These are the publishers' own documented addresses. They move now and then, so each can be replaced on the command line
//! (`--url`, `--from`); none is asked unless its name is given.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

/// What a file should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Any table that can be read.
    Table,
    /// MMDB with AS numbers.
    Mmdb,
    /// MRT routing table (RFC 6396).
    Mrt,
    /// RIPE RIS whois dump: `origin⇥prefix⇥peers`.
    RisWhois,
    /// CAIDA prefix-to-AS.
    Pfx2As,
    /// iptoasn.
    IpToAsn,
    /// ip-location-db.
    RangeCsv,
    /// `number name, country`.
    AsNames,
    /// CAIDA AS relationships.
    AsLinks,
    /// PeeringDB's exchanges, their LANs or their members.
    PeeringDb,
}

/// Where a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Always there.
    Fixed(&'static str),
    /// With the time in its name, in `strftime`'s letters (UTC).
    Dated(&'static str, Every),
    /// Named by the last word of the last line of a list in this folder.
    Listed {
        /// Ends with `/`.
        folder: &'static str,
        /// The list, within it.
        list: &'static str,
    },
}

/// How often there is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// At 00:00, 02:00 … UTC.
    TwoHours,
    /// On the first of the month.
    Month,
}

/// One file.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What it is called here: the same for every edition.
    pub file: &'static str,
    /// Where it is.
    pub place: Place,
    /// What it should be.
    pub content: Content,
    /// The most it may have, in MiB: several times what it has.
    pub most: u64,
    /// Where its SHA-256 is, if the publisher says it.
    pub sum: Option<&'static str>,
    /// The ending of the file that is kept, if an archive comes.
    pub in_archive: Option<&'static str>,
}

const fn part(file: &'static str, place: Place, content: Content, most: u64) -> Part {
    Part { file, place, content, most, sum: None, in_archive: None }
}

/// How a publisher wants to know who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Two words: an account and its key.
    Account {
        /// Environment variables with either.
        variables: [&'static str; 2],
    },
    /// A field of the query.
    Query {
        /// Its name.
        field: &'static str,
        /// The environment variable.
        variable: &'static str,
    },
    /// A header; asked without it as well, only less often.
    Header {
        /// What stands before the key in `Authorization`.
        prefix: &'static str,
        /// The environment variable.
        variable: &'static str,
    },
}

impl Key {
    /// The environment variables it is taken from.
    pub fn variables(&self) -> Vec<&'static str> {
        match self {
            Self::Account { variables } => variables.to_vec(),
            Self::Query { variable, .. } | Self::Header { variable, .. } => vec![variable],
        }
    }

    /// Whether nothing comes without it.
    pub const fn is_needed(&self) -> bool {
        !matches!(self, Self::Header { .. })
    }
}

/// What can be fetched under one name.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The name on the command line.
    pub name: &'static str,
    /// Who publishes it, and what it is.
    pub about: &'static str,
    /// Under which terms: the reader's summary, the publisher's page holds.
    pub terms: &'static str,
    /// The key.
    pub key: Option<Key>,
    /// The files.
    pub parts: &'static [Part],
}

const RIS_TERMS: &str =
    "RIPE NCC terms of service; name RIPE RIS as the source; paid products: ripe.net, RIS commercial use";
const CAIDA_TERMS: &str = "CAIDA acceptable use agreement; cite the dataset (caida.org)";

/// All of them, by what they are good for.
pub const SOURCES: &[Source] = &[
    Source {
        name: "riswhois",
        about: "RIPE NCC: origins of all prefixes seen by RIS, with the number of peers; a few MB",
        terms: RIS_TERMS,
        key: None,
        parts: &[
            part(
                "riswhois.IPv4.gz",
                Place::Fixed("https://www.ris.ripe.net/dumps/riswhoisdump.IPv4.gz"),
                Content::RisWhois,
                256,
            ),
            part(
                "riswhois.IPv6.gz",
                Place::Fixed("https://www.ris.ripe.net/dumps/riswhoisdump.IPv6.gz"),
                Content::RisWhois,
                256,
            ),
        ],
    },
    Source {
        name: "ris-rrc00",
        about: "RIPE NCC: the whole routing table of collector rrc00 (MRT), every 8 hours; hundreds of MB",
        terms: RIS_TERMS,
        key: None,
        parts: &[part(
            "ris-rrc00.mrt.gz",
            Place::Fixed("https://data.ris.ripe.net/rrc00/latest-bview.gz"),
            Content::Mrt,
            4096,
        )],
    },
    Source {
        name: "routeviews",
        about: "Route Views: the whole routing table of collector route-views2 (MRT), every 2 hours; a hundred MB",
        terms: "CC BY 4.0: attribution to routeviews.org",
        key: None,
        parts: &[part(
            "routeviews.mrt.bz2",
            Place::Dated(
                "https://archive.routeviews.org/bgpdata/%Y.%m/RIBS/rib.%Y%m%d.%H%M.bz2",
                Every::TwoHours,
            ),
            Content::Mrt,
            4096,
        )],
    },
    Source {
        name: "pfx2as",
        about: "CAIDA: prefixes to origins, from Route Views, daily; a few MB",
        terms: CAIDA_TERMS,
        key: None,
        parts: &[
            part(
                "pfx2as.v4.gz",
                Place::Listed {
                    folder: "https://publicdata.caida.org/datasets/routing/routeviews-prefix2as/",
                    list: "pfx2as-creation.log",
                },
                Content::Pfx2As,
                256,
            ),
            part(
                "pfx2as.v6.gz",
                Place::Listed {
                    folder: "https://publicdata.caida.org/datasets/routing/routeviews6-prefix2as/",
                    list: "pfx2as-creation.log",
                },
                Content::Pfx2As,
                256,
            ),
        ],
    },
    Source {
        name: "iptoasn",
        about: "iptoasn.com: ranges to origins with names, hourly; some 10 MB",
        terms: "PDDL 1.0",
        key: None,
        parts: &[part(
            "iptoasn.tsv.gz",
            Place::Fixed("https://iptoasn.com/data/ip2asn-combined.tsv.gz"),
            Content::IpToAsn,
            256,
        )],
    },
    Source {
        name: "dbip-asn-lite",
        about: "DB-IP: ASN Lite (MMDB), monthly; some 10 MB",
        terms: "CC BY 4.0: a link to db-ip.com",
        key: None,
        parts: &[part(
            "dbip-asn-lite.mmdb.gz",
            Place::Dated("https://download.db-ip.com/free/dbip-asn-lite-%Y-%m.mmdb.gz", Every::Month),
            Content::Mmdb,
            256,
        )],
    },
    Source {
        name: "ip-location-db",
        about: "ip-location-db: ranges to origins, from Route Views and DB-IP, daily; some 30 MB",
        terms: "CC BY 4.0: attribution to routeviews.org and db-ip.com",
        key: None,
        parts: &[
            part(
                "ip-location-db.v4.csv",
                Place::Fixed("https://cdn.jsdelivr.net/npm/@ip-location-db/asn/asn-ipv4-num.csv"),
                Content::RangeCsv,
                256,
            ),
            part(
                "ip-location-db.v6.csv",
                Place::Fixed("https://cdn.jsdelivr.net/npm/@ip-location-db/asn/asn-ipv6-num.csv"),
                Content::RangeCsv,
                256,
            ),
        ],
    },
    Source {
        name: "geolite2-asn",
        about: "MaxMind: GeoLite2 ASN (MMDB), several times a week; some 10 MB",
        terms: "GeoLite end user licence: attribution, old copies deleted within 30 days",
        key: Some(Key::Account { variables: ["MAXMIND_ACCOUNT_ID", "MAXMIND_LICENSE_KEY"] }),
        parts: &[Part {
            sum: Some(
                "https://download.maxmind.com/geoip/databases/GeoLite2-ASN/download?suffix=tar.gz.sha256",
            ),
            in_archive: Some(".mmdb"),
            ..part(
                "geolite2-asn.mmdb",
                Place::Fixed(
                    "https://download.maxmind.com/geoip/databases/GeoLite2-ASN/download?suffix=tar.gz",
                ),
                Content::Mmdb,
                256,
            )
        }],
    },
    Source {
        name: "ipinfo-lite",
        about: "IPinfo: Lite (MMDB), daily; some 50 MB",
        terms: "CC BY-SA 4.0: attribution to ipinfo.io",
        key: Some(Key::Query { field: "token", variable: "IPINFO_TOKEN" }),
        parts: &[part(
            "ipinfo-lite.mmdb",
            Place::Fixed("https://ipinfo.io/data/ipinfo_lite.mmdb"),
            Content::Mmdb,
            512,
        )],
    },
    Source {
        name: "asnames",
        about: "RIPE NCC: names and countries of all ASes; a few MB",
        terms: "RIPE NCC terms of service",
        key: None,
        parts: &[part(
            "asnames.txt",
            Place::Fixed("https://ftp.ripe.net/ripe/asnames/asn.txt"),
            Content::AsNames,
            64,
        )],
    },
    Source {
        name: "as-rel",
        about: "CAIDA: AS relationships (serial-2), monthly, for --as-rel; a few MB",
        terms: CAIDA_TERMS,
        key: None,
        parts: &[part(
            "as-rel2.txt.bz2",
            Place::Dated(
                "https://publicdata.caida.org/datasets/as-relationships/serial-2/%Y%m01.as-rel2.txt.bz2",
                Every::Month,
            ),
            Content::AsLinks,
            64,
        )],
    },
    Source {
        name: "peeringdb",
        about: "PeeringDB: exchanges, their LANs and the members' addresses there, for --ixp; some 30 MB",
        terms: "PeeringDB acceptable use policy; without a key a few times a day at most",
        key: Some(Key::Header { prefix: "Api-Key ", variable: "PEERINGDB_API_KEY" }),
        parts: &[
            part(
                "peeringdb-netixlan.json",
                Place::Fixed("https://www.peeringdb.com/api/netixlan"),
                Content::PeeringDb,
                256,
            ),
            part(
                "peeringdb-ixpfx.json",
                Place::Fixed("https://www.peeringdb.com/api/ixpfx"),
                Content::PeeringDb,
                64,
            ),
            part(
                "peeringdb-ix.json",
                Place::Fixed("https://www.peeringdb.com/api/ix"),
                Content::PeeringDb,
                64,
            ),
        ],
    },
];

/// The source of that name.
pub fn named(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.name == name)
}

impl Every {
    /// The times of the latest editions, newest first: those that may be missing yet, and one that surely is not.
    fn editions(self, now: Timestamp) -> Vec<Timestamp> {
        match self {
            Self::TwoHours => {
                let latest = now.as_second() - now.as_second().rem_euclid(7200);
                (0..6).filter_map(|back| Timestamp::from_second(latest - back * 7200).ok()).collect()
            }
            Self::Month => {
                let today = jiff::tz::TimeZone::UTC.to_datetime(now).date();
                let first =
                    |back: i32| -> Option<Date> { today.first_of_month().checked_sub(back.months()).ok() };
                (0..3)
                    .filter_map(|back| {
                        let midnight = first(back)?.at(0, 0, 0, 0);
                        jiff::tz::TimeZone::UTC.to_timestamp(midnight).ok()
                    })
                    .collect()
            }
        }
    }
}

/// The addresses of a dated file, the newest first.
pub fn editions(pattern: &str, every: Every, now: Timestamp) -> Vec<String> {
    every.editions(now).into_iter().map(|time| time.strftime(pattern).to_string()).collect()
}

/// The file that a list names last: within the list's folder, never out of it.
pub fn listed(list: &str) -> Option<&str> {
    let line = list.lines().rev().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let path = line.split_whitespace().next_back()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let inside = !path.starts_with('/') && path.split('/').all(|part| !part.is_empty() && part != "..");
    (inside && path.bytes().all(plain)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editions_go_back_from_the_newest() {
        let now: Timestamp = "2026-03-01T01:59:00Z".parse().unwrap();
        let hours = editions("rib.%Y%m%d.%H%M", Every::TwoHours, now);
        assert_eq!(hours[..2], ["rib.20260301.0000", "rib.20260228.2200"]);
        assert_eq!(editions("%Y-%m", Every::Month, now), ["2026-03", "2026-02", "2026-01"]);
        let leap: Timestamp = "2024-03-31T12:00:00Z".parse().unwrap();
        assert_eq!(editions("%Y%m01", Every::Month, leap), ["20240301", "20240201", "20240101"]);
    }

    #[test]
    fn a_list_names_a_file_of_its_folder() {
        let list = "# Format: 1\n1 1 2026/05/a.pfx2as.gz\n2 2 2026/06/b-1200.pfx2as.gz\n\n";
        assert_eq!(listed(list), Some("2026/06/b-1200.pfx2as.gz"));
        for bad in ["", "# only\n", "1 2 ../../x.gz", "1 2 /etc/x", "1 2 a//b", "1 2 <html>", "1 2 x?y=1"] {
            assert_eq!(listed(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_and_files_are_each_once_and_all_addresses_are_https() {
        let mut names: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
        let mut files: Vec<&str> =
            SOURCES.iter().flat_map(|source| source.parts).map(|part| part.file).collect();
        for list in [&mut names, &mut files] {
            let count = list.len();
            list.sort_unstable();
            list.dedup();
            assert_eq!(list.len(), count);
        }
        for part in SOURCES.iter().flat_map(|source| source.parts) {
            let address = match part.place {
                Place::Fixed(address) | Place::Dated(address, _) => address.to_owned(),
                Place::Listed { folder, list } => format!("{folder}{list}"),
            };
            assert!(address.starts_with("https://"), "{address}");
        }
    }
}
