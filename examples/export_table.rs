//! Writes the shipped table in two forms that other programs read: to hold our lookups against theirs.
//!
//! `cargo run --release --example export_table -- FOLDER` makes `table.pfx2as` (CAIDA's form, one line a prefix) and
//! `table.mmdb` (as GeoLite2 ASN) there. What a registry or the list of exchange LANs answers for is left out.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use lasthop::asdb::Table;

#[path = "../benches/support/mmdb.rs"]
mod mmdb;
#[path = "../benches/support/prefixes.rs"]
mod prefixes;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("name a folder")?.into();
    let table = Table::embedded();
    let mut text = String::new();
    let mut writer = mmdb::Writer::new();
    for (first, last, asns) in table.index().ranges() {
        let name = asns.first().and_then(|asn| table.name(*asn)).unwrap_or_default();
        let list = asns.iter().map(|asn| asn.0.to_string()).collect::<Vec<_>>().join("_");
        let number = asns.first().map_or(0, |asn| asn.0);
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let (first, last) = (u32::from(first), u32::from(last));
                writer.four(first, last, number, name);
                prefixes::split(first.into(), last.into(), 32, |network, bits| {
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "{}\t{bits}\t{list}", Ipv4Addr::from(network as u32));
                });
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                writer.six(first.into(), last.into(), number, name);
                prefixes::split(first.into(), last.into(), 128, |network, bits| {
                    let _ = writeln!(text, "{}\t{bits}\t{list}", Ipv6Addr::from(network));
                });
            }
            _ => {}
        }
    }
    fs::write(folder.join("table.pfx2as"), text)?;
    fs::write(folder.join("table.mmdb"), writer.finish(1_780_000_000))?;
    Ok(())
}
