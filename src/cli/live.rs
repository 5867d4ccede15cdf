//! From a request to an open wire, in the order that privilege demands.
//!
//! Names are resolved and files opened first, as who started the program; then the sockets; then every capability is
//! given up; and only then is anything read that others wrote, files and replies alike.

use std::error::Error as _;
use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Once;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::args::Knowledge;
use super::cache::Cache;
use super::failure::{Failure, error_text};
use super::output;
use super::request::Request;
use crate::asdb::{self, Adjacency, Exchanges, Peering, Table};
use crate::net::confine::{Allowance, confine};
use crate::net::{self, AnyWire, OpenError, PlainWire, privilege};
use crate::path::{Grounds, Origins};
use crate::probe::Plan;
use crate::trace::schema::{AsLinks, AsTable, DataFile, ExchangeData, TableSource, Vantage};
use crate::trace::{Destination, Protocol, ReferenceKind, Role, SourcePorts, WallTime};

/// An open wire, and what it tells of where it stands.
pub struct Live {
    /// The sockets.
    pub wire: AnyWire,
    /// What to do with them.
    pub plan: Plan,
    /// A flow that the plan does not use.
    pub spare: SourcePorts,
}

/// The words about sockets that a request of the network room needs.
pub struct Socket<'a> {
    /// `-s`.
    pub source: Option<IpAddr>,
    /// `--fwmark`.
    pub mark: Option<u32>,
    /// `--vrf`.
    pub vrf: Option<&'a str>,
}

/// Opens the sockets, gives up all privilege and confines itself.
pub fn open(request: &Request, socket: &Socket<'_>, allowance: Allowance) -> Result<Live, Failure> {
    given_up(privilege::narrow())?;
    let live = open_one(request, socket)?;
    unprivileged(Allowance { connects: allowance.connects || live.wire.is_plain(), ..allowance })?;
    Ok(live)
}

/// Gives up all privilege, once every socket is open, and what else the run does not need.
pub fn unprivileged(allowance: Allowance) -> Result<(), Failure> {
    given_up(privilege::drop_all())?;
    // An older kernel can do less, which is no reason not to measure; `doctor` says what holds.
    let _ = confine(&allowance);
    Ok(())
}

/// What a run needs that writes these files, and may keep what it finds in the user's cache.
pub fn allowance<'a>(files: impl IntoIterator<Item = Option<&'a Path>>, cache: &Cache) -> Allowance {
    let folder = |path: &Path| {
        // Where the file is a link, what it leads to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    };
    let mut writes: Vec<PathBuf> = files.into_iter().flatten().map(folder).collect();
    writes.extend(cache.folder());
    Allowance { writes, ..Allowance::default() }
}

/// That privilege could not be given up is a reason not to begin.
pub fn given_up<E: std::error::Error>(result: Result<(), E>) -> Result<(), Failure> {
    result.map_err(|error| {
        Failure::environment(
            "privilege",
            // Neither the library's name nor the system's number says anything to anybody.
            error_text(&error).replace("caps error: ", ""),
            Some("start it as root or with cap_net_raw only".into()),
        )
    })
}

/// Opens the sockets of one of several runs; [`unprivileged`] has to follow when the last is open.
pub fn open_one(request: &Request, socket: &Socket<'_>) -> Result<Live, Failure> {
    let plain = request.unprivileged || !privilege::holds_net_raw();
    let reduced = if plain { Some(reduced(request)?) } else { None };
    let request = reduced.as_ref().unwrap_or(request);
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
    let small = |one: &Destination| one.role == Role::Reference(ReferenceKind::Small);
    if request.destinations.iter().any(small) {
        // The small control's own, see `Plan::source_ports`.
        asked.ports *= 2;
    }
    // One flow more than the plan has: a search must not share one with it.
    let count = asked.ports;
    asked.ports += 1;
    asked.source = socket.source;
    asked.interface.clone_from(&request.interface);
    asked.mark = socket.mark;
    asked.vrf = socket.vrf.map(str::to_owned);
    let wire = if request.unprivileged { AnyWire::plain(&asked) } else { AnyWire::raw(&asked) };
    let wire = match wire {
        Err(OpenError::Privilege { admin: false, .. }) if !request.unprivileged => {
            let live = open_one(&Request { unprivileged: true, ..request.clone() }, socket)?;
            WITHOUT_RAW.call_once(|| output::talk(LESS));
            return Ok(live);
        }
        other => other.map_err(|error| closed(&error))?,
    };
    let mut source_ports = flows(&wire, asked.ports);
    let spare = source_ports.split_off(usize::from(count)).pop().unwrap_or(SourcePorts::all(1));
    let plan = Plan {
        source: wire.source(),
        destinations: request.destinations.clone(),
        source_ports,
        first_ttl: request.ttls.0,
        max_ttl: request.ttls.1,
        wait: request.wait,
        pace: request.pace,
        budget: request.budget,
        seed: request.seed,
    };
    Ok(Live { wire, plan, spare })
}

/// Said once, where raw sockets are not allowed.
const LESS: &str = "note: without the right to raw sockets, ordinary ones measure, which see less; \
                    sudo setcap cap_net_raw+ep $(command -v lasthop) gives it";
static WITHOUT_RAW: Once = Once::new();

/// What ordinary sockets can do of a request.
fn reduced(request: &Request) -> Result<Request, Failure> {
    let mut request = request.clone();
    let target = &request.destinations[0];
    if target.size.is_some() {
        return Err(raw_only("packets of a given length (--size)"));
    }
    if target.protocol == Protocol::Tcp {
        // Before that the kernel tells nobody of ICMP errors about a connection that is not made yet, and a router's refusal
        // would pass for the host's own.
        if net::kernel_version().is_some_and(|version| version < (5, 8)) {
            return Err(raw_only("TCP probes, on a kernel before Linux 5.8,"));
        }
        request.wait = request.wait.min(PlainWire::TCP_PATIENCE);
    }
    if target.protocol != Protocol::Icmp && !net::may_ping(request.family) {
        // The target's echo is a question beside the main one.
        request.destinations.retain(|one| one.protocol != Protocol::Icmp);
    }
    request.pace.one_a_flow = true;
    Ok(request)
}

/// What takes raw sockets.
pub fn raw_only(what: &str) -> Failure {
    Failure::environment(
        "privilege",
        format!("{what} can only be had with raw sockets, which this process may not open"),
        Some("sudo setcap cap_net_raw+ep $(command -v lasthop), or leave it out".into()),
    )
}

/// One flow for each reserved port; an echo identifier of its own where no port is reserved.
pub fn flows(wire: &AnyWire, count: u16) -> Vec<SourcePorts> {
    let (tcp, udp) = (wire.source_ports(Protocol::Tcp), wire.source_ports(Protocol::Udp));
    let echo = wire.source_ports(Protocol::Icmp);
    // Identifiers cannot be reserved; they are as random as the ports they are taken from.
    let base: u16 = rand::random();
    (0..count)
        .map(|place| {
            let at = usize::from(place);
            let icmp = echo
                .get(at)
                .or(tcp.get(at))
                .or(udp.get(at))
                .copied()
                .unwrap_or_else(|| base.wrapping_add(place).max(1));
            let port = |ports: &[u16]| ports.get(at).copied().unwrap_or(icmp);
            SourcePorts { tcp: port(tcp), udp: port(udp), icmp }
        })
        .collect()
}

/// Why sockets cannot be had, for the user.
pub fn closed(error: &OpenError) -> Failure {
    if error.is_no_host() {
        return Failure::usage(error.to_string(), error.hint().unwrap_or_default());
    }
    let kind = match error {
        OpenError::Privilege { .. } => "privilege",
        OpenError::NoRoute { .. } | OpenError::NoRule { .. } => "no_route",
        OpenError::NoInterface { .. } | OpenError::InterfaceDown { .. } => "interface",
        _ => "network",
    };
    Failure::environment(kind, error_text(error), error.hint())
}

/// A data file, opened but not read.
struct Opened<'a> {
    path: &'a Path,
    file: File,
}

/// Opens a data file; `what` is what it should be, `without` how to do without it.
fn opened<'a>(path: &'a Path, what: &str, without: &str) -> Result<Opened<'a>, Failure> {
    match File::open(path) {
        Ok(file) => Ok(Opened { path, file }),
        Err(error) => Err(Failure::input(
            format!("cannot open the {what} {}: {}", path.display(), error_text(&error)),
            Some(without.to_owned()),
        )),
    }
}

/// The files that say whose addresses are whose, opened but not read.
pub struct Files<'a> {
    table: Option<Opened<'a>>,
    adjacency: Option<Opened<'a>>,
    exchanges: Vec<Opened<'a>>,
}

impl<'a> Files<'a> {
    /// Opens what `--db`, `--as-rel` and `--ixp` name.
    pub fn open(
        table: Option<&'a Path>,
        adjacency: Option<&'a Path>,
        exchanges: &'a [PathBuf],
    ) -> Result<Self, Failure> {
        let table =
            table.map(|path| opened(path, "table", "leave out --db to use the table that is built in"));
        let adjacency = adjacency.map(|path| {
            opened(path, "AS relationships", "leave out --as-rel to do without knowledge of neighbours")
        });
        let exchanges = exchanges.iter().map(|path| {
            opened(path, "exchange data", "leave out --ixp to do without the members of exchanges")
        });
        Ok(Self {
            table: table.transpose()?,
            adjacency: adjacency.transpose()?,
            exchanges: exchanges.collect::<Result<_, _>>()?,
        })
    }

    /// Opens what these words name.
    pub fn of(words: &'a Knowledge) -> Result<Self, Failure> {
        Self::open(words.db.as_deref(), words.as_rel.as_deref(), &words.ixp)
    }

    /// Reads them; without a table file the table is the one that is built in.
    pub fn read(self) -> Result<Data, Failure> {
        let table = match self.table {
            None => TableInUse::BuiltIn(Table::embedded()),
            Some(Opened { path, file }) => TableInUse::Read(Box::new(
                Table::from_reader(file, path).map_err(|error| unreadable(&error))?,
            )),
        };
        let adjacency = self.adjacency.map(|Opened { path, file }| Adjacency::from_reader(file, path));
        let exchanges = match self.exchanges.is_empty() {
            true => None,
            false => {
                let files = self.exchanges.into_iter().map(|Opened { path, file }| (file, path));
                Some(Exchanges::from_readers(files).map_err(|error| unreadable(&error))?)
            }
        };
        Ok(Data { table, adjacency: adjacency.transpose().map_err(|error| unreadable(&error))?, exchanges })
    }
}

/// One sentence with the reason that lies below it, and the way out.
pub fn unreadable(error: &asdb::Error) -> Failure {
    let mut message = error.to_string();
    let mut below = error.source();
    while let Some(reason) = below {
        message.push_str(&format!(": {}", error_text(reason)));
        below = reason.source();
    }
    Failure::input(message, Some(error.hint().to_owned()))
}

/// All that says whose addresses are whose.
pub struct Data {
    /// The IP-to-AS table.
    pub table: TableInUse,
    /// `--as-rel`.
    pub adjacency: Option<Adjacency>,
    /// `--ixp`.
    pub exchanges: Option<Exchanges>,
}

impl Data {
    /// What a path is attributed with.
    pub fn grounds(&self) -> Grounds<'_> {
        Grounds {
            table: &*self.table,
            adjacency: self.adjacency.as_ref(),
            exchanges: self.exchanges.as_ref(),
        }
    }

    /// What is known of an address in an exchange: from the user's files, else from the table.
    pub fn peering(&self, address: IpAddr) -> Option<Peering<'_>> {
        let given = self.exchanges.as_ref().and_then(|exchanges| exchanges.lookup(address));
        match given {
            Some(found) if !found.members.is_empty() => Some(found),
            given => self
                .table
                .peering(address)
                .filter(|found| given.is_none() || !found.members.is_empty())
                .or(given),
        }
    }

    /// What documents of a run that begins at `at` say of it. Links and exchanges of the table are told of where the user gave
    /// none; the table's digest covers them.
    pub fn describe(&self, at: WallTime) -> AsTable {
        let info = self.adjacency.as_ref().or_else(|| self.table.adjacency()).map(Adjacency::info);
        let adjacency = info.map(|info| AsLinks {
            origin: info.origin.clone(),
            built_at: info.built_at.map(midnight),
            sha256: info.sha256.to_string(),
            links: info.links,
        });
        let exchanges = self.exchanges.as_ref().or_else(|| self.table.exchanges());
        let exchanges = exchanges.map(|exchanges| ExchangeData {
            files: (exchanges.files().iter())
                .map(|file| DataFile {
                    origin: file.origin.clone(),
                    built_at: file.built_at.map(midnight),
                    sha256: file.sha256.to_string(),
                })
                .collect(),
            lans: exchanges.lans(),
            addresses: exchanges.addresses(),
        });
        AsTable { adjacency, exchanges, ..describe(&self.table, at) }
    }
}

/// A day as documents write it.
fn midnight(day: impl std::fmt::Display) -> String {
    format!("{day}T00:00:00Z")
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

/// The day of a moment, in UTC; before 1970 that day.
pub fn day(at: WallTime) -> Date {
    let time = Timestamp::from_nanosecond(at.0.into()).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(time).date()
}

/// What documents of a run that begins at `at` say of the table.
pub fn describe(table: &Table, at: WallTime) -> AsTable {
    let info = table.info();
    let today = day(at);
    let warning = info.too_old(today).map(|days| {
        format!(
            "{days} days old, networks may have moved since; lasthop db build makes a new one, --db takes it"
        )
    });
    AsTable {
        age_days: info.age(today),
        warning,
        origin: info.origin,
        built_at: info.built_at.map(midnight),
        sha256: info.sha256.to_string(),
        prefixes: info.prefixes,
        sources: (info.sources.into_iter())
            .map(|source| TableSource {
                name: source.name,
                date: source.date.map(|day| day.to_string()),
                licence: source.licence,
            })
            .collect(),
        adjacency: None,
        exchanges: None,
    }
}

/// How far the clocks on the wall were from UTC at `time`, as this host has it.
fn utc_offset(time: WallTime) -> Option<String> {
    let zone = jiff::tz::TimeZone::try_system().ok()?;
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.0)).ok()?;
    Some(time.to_zoned(zone).strftime("%:z").to_string())
}

/// Where a live wire measures from.
pub fn vantage(wire: &AnyWire, origins: &dyn Origins, label: Option<&str>) -> Vantage {
    let source = wire.source();
    Vantage {
        source: Some(source),
        interface: wire.interface(),
        asn: origins.attribute(source).asns.first().map(|asn| asn.0),
        label: label.map(str::to_owned),
        sockets: wire.is_plain().then(|| "ordinary".to_owned()),
        limits: if wire.is_plain() { net::LIMITS.map(str::to_owned).to_vec() } else { Vec::new() },
        utc_offset: utc_offset(wire.started_at()),
        ..Vantage::default()
    }
}
