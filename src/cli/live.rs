//! From a request to an open wire, in the order that privilege demands.
//!
//! Names are resolved and files opened first, as who started the program; then the sockets; then every capability is
//! given up; and only then is anything read that others wrote, files and replies alike.

use std::fs::File;
use std::path::Path;

use super::failure::{Failure, error_text};
use super::request::Request;
use crate::asdb::Table;
use crate::net::{LiveWire, OpenError, privilege};
use crate::path::Origins;
use crate::probe::Plan;
use crate::trace::schema::{AsTable, Vantage};
use crate::trace::{Protocol, SourcePorts};

/// An open wire, and what it tells of where it stands.
pub struct Live {
    /// The sockets.
    pub wire: LiveWire,
    /// What to do with them.
    pub plan: Plan,
}

/// The words about sockets that a request of the network room needs.
pub struct Socket<'a> {
    /// `-s`.
    pub source: Option<std::net::IpAddr>,
    /// `--fwmark`.
    pub mark: Option<u32>,
    /// `--vrf`.
    pub vrf: Option<&'a str>,
}

/// Opens the sockets and gives up all privilege.
pub fn open(request: &Request, socket: &Socket<'_>) -> Result<Live, Failure> {
    let mut addresses: Vec<_> = Vec::new();
    for destination in &request.destinations {
        if !addresses.contains(&destination.address) {
            addresses.push(destination.address);
        }
    }
    let mut asked = crate::net::Request::new(request.family, addresses);
    for destination in &request.destinations {
        asked = asked.with(destination.protocol);
    }
    asked.source = socket.source;
    asked.interface.clone_from(&request.interface);
    asked.mark = socket.mark;
    asked.vrf = socket.vrf.map(str::to_owned);
    let wire = LiveWire::open(&asked).map_err(|error| closed(&error))?;
    privilege::drop_all().map_err(|error| {
        Failure::environment(
            "privilege",
            error.to_string(),
            Some("start it as root or with cap_net_raw only".into()),
        )
    })?;
    let plan = Plan {
        source: wire.source(),
        destinations: request.destinations.clone(),
        source_ports: flows(&wire, asked.ports),
        first_ttl: request.ttls.0,
        max_ttl: request.ttls.1,
        wait: request.wait,
        pace: request.pace,
        budget: request.budget,
        seed: request.seed,
    };
    Ok(Live { wire, plan })
}

/// One flow for each reserved port; an echo identifier of its own where no port is reserved.
fn flows(wire: &LiveWire, count: u16) -> Vec<SourcePorts> {
    let (tcp, udp) = (wire.source_ports(Protocol::Tcp), wire.source_ports(Protocol::Udp));
    // Identifiers cannot be reserved; they are as random as the ports they are taken from.
    let base: u16 = rand::random();
    (0..count)
        .map(|place| {
            let at = usize::from(place);
            let icmp =
                tcp.get(at).or(udp.get(at)).copied().unwrap_or_else(|| base.wrapping_add(place).max(1));
            let port = |ports: &[u16]| ports.get(at).copied().unwrap_or(icmp);
            SourcePorts { tcp: port(tcp), udp: port(udp), icmp }
        })
        .collect()
}

fn closed(error: &OpenError) -> Failure {
    if error.is_no_host() {
        return Failure::usage(error.to_string(), error.hint().unwrap_or_default());
    }
    let kind = match error {
        OpenError::Privilege { .. } => "privilege",
        OpenError::NoRoute { .. } => "no_route",
        OpenError::NoInterface { .. } | OpenError::InterfaceDown { .. } => "interface",
        _ => "network",
    };
    Failure::environment(kind, error.to_string(), error.hint())
}

/// A table file, opened but not read.
pub struct TableFile<'a> {
    path: &'a Path,
    file: File,
}

/// Opens the file given with `--db`, if one is.
pub fn table_file(path: Option<&Path>) -> Result<Option<TableFile<'_>>, Failure> {
    let Some(path) = path else { return Ok(None) };
    match File::open(path) {
        Ok(file) => Ok(Some(TableFile { path, file })),
        Err(error) => Err(Failure::input(
            format!("cannot open the table {}: {}", path.display(), error_text(&error)),
            Some("leave out --db to use the table that is built in".into()),
        )),
    }
}

/// The table that a command asks: the one built in, or one that was read.
pub enum TableInUse {
    /// Shared by the whole process.
    BuiltIn(&'static Table),
    /// From a file.
    Read(Box<Table>),
}

impl std::ops::Deref for TableInUse {
    type Target = Table;

    fn deref(&self) -> &Table {
        match self {
            Self::BuiltIn(table) => table,
            Self::Read(table) => table,
        }
    }
}

/// Reads the table, or takes the one that is built in.
pub fn table(file: Option<TableFile<'_>>) -> Result<TableInUse, Failure> {
    match file {
        None => Ok(TableInUse::BuiltIn(Table::embedded())),
        Some(TableFile { path, file }) => match Table::from_reader(file, path) {
            Ok(table) => Ok(TableInUse::Read(Box::new(table))),
            Err(error) => Err(Failure::input(error.to_string(), Some(error.hint().to_owned()))),
        },
    }
}

/// What documents say of the table.
pub fn describe(table: &Table) -> AsTable {
    let info = table.info();
    AsTable {
        origin: info.origin,
        built_at: info.built_at.map(|day| format!("{day}T00:00:00Z")),
        sha256: info.sha256.to_string(),
        prefixes: info.prefixes,
    }
}

/// Where a live wire measures from.
pub fn vantage(wire: &LiveWire, origins: &dyn Origins, label: Option<&str>) -> Vantage {
    let source = wire.source();
    Vantage {
        source: Some(source),
        interface: wire.interface(),
        asn: origins.attribute(source).asns.first().map(|asn| asn.0),
        label: label.map(str::to_owned),
    }
}
