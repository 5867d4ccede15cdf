//! The words of the command line. Where Linux traceroute has a flag, it is that one: fingers know it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;

use super::exit;
use super::via::Via;
use super::web::Web;
use crate::net::Service;
use crate::report::Format;
use crate::trace::Protocol;

/// Names the network in which packets to a host stop.
#[derive(Debug, Parser)]
#[command(
    name = "lasthop",
    version,
    about = "Names the network in which packets to a host stop, with the evidence",
    long_about = "Probes a host that cannot be reached and, interleaved, a reference host in the same network; maps every \
                  hop to an autonomous system from an offline table; and names the AS (or border, or range) where the \
                  host's path stops while the reference's goes on.",
    after_help = "Try it without root and without a network:  lasthop demo",
    after_long_help = exit::LIST,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare a host's path with a reference's and name where it stops
    #[command(after_long_help = exit::LIST)]
    Diagnose(Box<Diagnose>),
    /// Follow one path, with the AS of every hop
    #[command(after_long_help = exit::LIST)]
    Trace(Trace),
    /// Measure a list of targets, each with or without a reference: a result a line, as JSON
    Batch(Box<super::batch::Batch>),
    /// Check a bundle of evidence: its hashes, and whether its conclusion follows from its packets
    #[command(after_long_help = exit::LIST)]
    Verify(Verify),
    /// Run the main job in a simulated Internet: no root, no network
    Demo(Demo),
    /// Match runs from several places, own and other tools', to one matrix and one conclusion
    #[command(after_long_help = exit::LIST)]
    Compare(Compare),
    /// Turn other tools' output into runs: any traceroute, mtr, tracert, routers, RIPE Atlas, Globalping, scamper
    Import(Import),
    /// Write a saved run in another format: for a ticket, a page with pictures, a spreadsheet, a program
    Report(Report),
    /// Measure again and again, and tell when a block begins, ends or moves
    #[cfg(feature = "watch")]
    #[command(after_long_help = super::watch::EXPLAINED)]
    Watch(Box<super::watch::Watch>),
    /// Ask, build and compare offline IP-to-AS tables
    Db(Db),
    /// Show what is set, and where: by the settings file, the environment, or not at all
    Config(super::config::show::Config),
    /// Say what this machine allows and lacks for measurements, each with the way out; sends nothing
    #[command(after_long_help = exit::LIST)]
    Doctor {
        /// One JSON document, lasthop.doctor/1
        #[arg(long)]
        json: bool,
        /// The IP-to-AS table to look at instead of the one built in
        #[arg(long, value_name = "FILE")]
        db: Option<PathBuf>,
    },
    /// Print the JSON schema of the documents
    Schema,
    /// Print a completion script
    Completions {
        /// The shell it is for
        shell: clap_complete::Shell,
    },
    /// Print the man pages
    Man(super::shell::Man),
}

#[derive(Debug, clap::Args)]
#[command(mut_arg("target", |target| target.required(false).required_unless_present_any(["mx", "spf", "url"]).conflicts_with_all(["mx", "spf", "url"])))]
pub struct Diagnose {
    /// A host of the same network that works, as TARGET; may be given again. Without it, or with `auto`, the host's own
    /// other ports are tried, then a few neighbours in its announced prefix: at most 16, one packet a second, each
    /// logged
    #[arg(short = 'r', long = "reference", value_name = "HOST")]
    pub references: Vec<String>,
    /// A host that may serve as a reference where those named do not answer, asked before any neighbour; may be given
    /// again
    #[arg(long = "hint", value_name = "HOST", conflicts_with = "no_search")]
    pub hints: Vec<String>,
    /// Ask no neighbours
    #[arg(long)]
    pub no_search: bool,
    /// Addresses and prefixes that the search must never touch, one a line, # begins a comment; beside those in
    /// ~/.config/lasthop/opt-out
    #[arg(long, value_name = "FILE")]
    pub opt_out: Option<PathBuf>,
    /// Search anew, and keep no result: without this, a prefix is searched once a day
    #[arg(long)]
    pub no_cache: bool,
    /// The target's ports and protocols to try beside its own, at most 8, such as 25,80,443,udp/53,icmp
    /// [default: another TCP port, and icmp]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = variant)]
    pub matrix: Vec<Variant>,
    /// A far host of another network that works on this port: tells whether something near us answers for everybody, and
    /// whether anybody answers us at all
    #[arg(long, value_name = "HOST")]
    pub check: Option<String>,
    /// Say whether the target's address, a subnet around it, or its name stands in FILE, a published list of what is to be
    /// blocked: dump.csv (zapret-info), dump.xml or dump.zip, a plain list, or any CSV with `,profile=PROFILE.toml` behind
    /// it; packed or not; may be given again
    #[arg(long, value_name = "FILE")]
    pub registry: Vec<PathBuf>,
    /// Ask from other people's probes instead of from here: atlas:asn=64500,64501,country=RU,limit=50 (RIPE Atlas, with a
    /// key; only probes of these ASes in that country), globalping:MTS+Moscow,limit=10, file:RESULT.json;
    /// atlas:resume=ID,ID takes up what was begun, and reads from the cache what was finished. Needs one -r; may be given
    /// again
    #[cfg(feature = "fetch")]
    #[arg(long, value_name = "PLACE")]
    pub from: Vec<String>,
    /// With --from: show the requests that would be sent, and what they cost; ask the
    /// network what is left of the allowance, and nothing else
    #[cfg(feature = "fetch")]
    #[arg(long, requires = "from")]
    pub dry_run: bool,
    /// With --from: agree to what it costs
    #[cfg(feature = "fetch")]
    #[arg(long, requires = "from")]
    pub yes: bool,
    /// How sure the place must be before it is named, from 0.5 to 0.9999
    #[arg(long, value_name = "SHARE", default_value = "0.99", value_parser = confidence)]
    pub confidence: f64,
    /// Send by this uplink, and by each other that is given: all at once, within the same limits, with a verdict each and
    /// one over all. An interface (eth0), src:ADDRESS, vrf:NAME, mark:NUMBER or table:NUMBER; with a name for it in the
    /// report: eth0,label=TEXT
    #[arg(long, value_name = "UPLINK", value_parser = Via::parse,
          conflicts_with_all = ["interface", "source", "fwmark", "vrf"])]
    pub via: Vec<Via>,
    /// Another target, as TARGET, in the same run; may be given again
    #[arg(long, value_name = "HOST")]
    pub also: Vec<String>,
    /// Diagnose every host that takes mail for DOMAIN, each by all its addresses of one version of IP (IPv4, unless -6), at
    /// port 25: at most 16 at once. The others serve as references; further ones with -r
    #[arg(long, value_name = "DOMAIN", conflicts_with_all = ["also", "bundle"])]
    pub mx: Option<String>,
    /// Diagnose the hosts that send mail for DOMAIN, as its SPF record names them (RFC 7208), beside --mx to show that only
    /// incoming mail is cut: at most 8 addresses. Hosts known by name come first; of a prefix the first, the middle and the
    /// last address. By ICMP echo, since a host that only sends has no port open; -T -p PORT asks a port instead. The
    /// others serve as references
    #[arg(long, value_name = "DOMAIN", conflicts_with_all = ["also", "bundle"])]
    pub spf: Option<String>,
    /// Diagnose what URL names: its host at its port (80 for http, 443 for https) by TCP, with --app http or tls unless another
    /// is named; names in any script are taken
    #[arg(long, value_name = "URL", value_parser = Web::parse,
          conflicts_with_all = ["mx", "spf", "icmp", "udp", "port", "positional_port"])]
    pub url: Option<Web>,
    /// Where the target answers, make one real connection to tell an open port from a working service: read SMTP's greeting,
    /// send a TLS ClientHello with the host's name, or ask for HTTP's status line. The verdict stays what it is.
    /// `none` is for --url
    #[arg(long, value_enum, value_name = "SERVICE")]
    pub app: Option<App>,
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten)]
    pub probing: Probing,
    #[command(flatten)]
    pub live: Live,
    #[command(flatten)]
    pub output: Output,
}

impl Diagnose {
    /// Whether other people's probes measure.
    pub fn asks_others(&self) -> bool {
        #[cfg(feature = "fetch")]
        let others = !self.from.is_empty();
        #[cfg(not(feature = "fetch"))]
        let others = false;
        others
    }

    /// The service to exchange something with, if any.
    pub fn service(&self) -> Option<Service> {
        self.app.and_then(App::service)
    }
}

#[derive(Debug, clap::Args)]
pub struct Trace {
    #[command(flatten)]
    pub probing: Probing,
    #[command(flatten)]
    pub live: Live,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Probing {
    /// Host name or address; host:port and [v6]:port are taken too
    #[arg(index = 1, value_name = "TARGET", required = true)]
    pub target: Option<String>,
    /// TCP or UDP port (as -p)
    #[arg(index = 2, value_name = "PORT", value_parser = port)]
    pub positional_port: Option<u16>,
    /// Use IPv4
    #[arg(short = '4', conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6
    #[arg(short = '6')]
    pub ipv6: bool,
    /// Probe with TCP SYN (the default)
    #[arg(short = 'T', long = "tcp", group = "protocol")]
    pub tcp: bool,
    /// Probe with ICMP echo
    #[arg(short = 'I', long = "icmp", group = "protocol")]
    pub icmp: bool,
    /// Probe with UDP
    #[arg(short = 'U', long = "udp", group = "protocol")]
    pub udp: bool,
    /// Destination port [default: 80 for TCP, 53 for UDP]
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    pub port: Option<u16>,
    /// First TTL
    #[arg(short, long = "first", value_name = "TTL", default_value = "1", value_parser = ttl)]
    pub first: u8,
    /// Highest TTL
    #[arg(short, long = "max-hops", value_name = "TTL", default_value = "30", value_parser = ttl)]
    pub max: u8,
    /// Probes a hop, in the first look [default: 3 for trace, 1 for diagnose]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=10))]
    pub queries: Option<u8>,
    /// The longest wait for a reply, in seconds
    #[arg(short, long, value_name = "SECONDS", default_value = "2", value_parser = wait)]
    pub wait: f64,
    /// Least time between two packets: seconds up to 10, milliseconds above; never less than 20 ms
    #[arg(short = 'z', long = "sendwait", value_name = "PACE", value_parser = pause)]
    pub pace: Option<f64>,
    /// Most probes on their way at once
    #[arg(short = 'N', long = "sim-queries", value_name = "FLIGHT", value_parser = clap::value_parser!(u16).range(1..))]
    pub flight: Option<u16>,
    /// Most probes in a run; the uplinks to a target share them
    #[arg(long, value_name = "N", default_value = "600", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub max_probes: u32,
    /// Length of each packet to TARGET in bytes with its IP header, never fragmented: finds where large packets vanish.
    /// diagnose compares with small packets to the same host, and takes no references; best with -I. From 68 to 9216,
    /// IPv6 from 1280
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub size: Option<u16>,
    #[command(flatten)]
    pub way: Way,
    /// Resolve names by this DNS server instead of by the system; given twice, both are asked, a difference is told, and the
    /// first that knows is believed
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = dns_server)]
    pub dns: Vec<SocketAddr>,
    #[command(flatten)]
    pub knowledge: Knowledge,
    /// Write every probe, and every reply that belongs to one, to FILE as they pass (pcapng, nanoseconds)
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// A name for the place you measure from, kept in the report
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Probe with ordinary sockets, as is done without the right to raw ones: less is seen, and the report says what
    #[arg(long)]
    pub unprivileged: bool,
    /// Seed of every random choice, to repeat a run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Addresses only; names are never looked up here, so this changes nothing
    #[arg(short = 'n')]
    pub numeric: bool,
    /// Show the AS of every hop; that is always so
    #[arg(short = 'A', long = "as-path-lookups")]
    pub as_lookups: bool,
}

// Which way packets leave. (A doc comment would become the command's own description.)
#[derive(Clone, Debug, clap::Args)]
pub struct Way {
    /// Send by this interface
    #[arg(short, long, value_name = "IFACE")]
    pub interface: Option<String>,
    /// Send from this address
    #[arg(short, long, value_name = "SOURCE")]
    pub source: Option<IpAddr>,
    /// Mark packets for policy routing
    #[arg(long, value_name = "MARK", value_parser = mark)]
    pub fwmark: Option<u32>,
    /// Send through this VRF
    #[arg(long, value_name = "NAME")]
    pub vrf: Option<String>,
}

// Files that say whose addresses are whose.
#[derive(Clone, Debug, clap::Args)]
pub struct Knowledge {
    /// IP-to-AS table to use instead of the one built in
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// AS relationships (CAIDA serial-1 or serial-2): which ASes are neighbours, so that a hidden one between two hops is
    /// noticed; added to what the table knows of it
    #[arg(long, value_name = "FILE")]
    pub as_rel: Option<PathBuf>,
    /// Members and LANs of exchanges: PeeringDB's netixlan or ixpfx (JSON), or an IX-F member export; may be given again.
    /// Asked before those that the table knows
    #[arg(long, value_name = "FILE")]
    pub ixp: Vec<PathBuf>,
}

impl Probing {
    /// The target as written; empty where another word says whom to measure (`--mx`).
    pub fn target(&self) -> &str {
        self.target.as_deref().unwrap_or_default()
    }
}

#[derive(Clone, Debug, clap::Args)]
pub struct Keeping {
    /// Write report, record, packets and all they rest on to FILE (a zip archive), for `lasthop verify`; of several runs
    /// each to one of its own, with its name before the extension
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Hide our own addresses, the private routers nearest to us and the interface in the bundle; the one in which nothing
    /// is hidden is written beside it, as FILE.unredacted
    #[arg(long, requires = "bundle")]
    pub redact: bool,
    /// Sign the bundle with this secret key of minisign; a password is taken from LASTHOP_KEY_PASSWORD, else asked for
    #[arg(long, value_name = "KEY", requires = "bundle")]
    pub sign: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The bundle
    #[arg(value_name = "BUNDLE")]
    pub bundle: PathBuf,
    /// Demand a signature by this public key of minisign: a file, or the key itself
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// What another program captured beside the run, such as tcpdump (pcap or pcapng): it has to lead to the same
    /// conclusion
    #[arg(long, value_name = "FILE")]
    pub packets: Option<PathBuf>,
    /// IP-to-AS table to ask instead of the one built in: the one that the bundle names
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// AS relationships, where the bundle names some
    #[arg(long, value_name = "FILE")]
    pub as_rel: Option<PathBuf>,
    /// Members and LANs of exchanges, where the bundle names some; may be given again
    #[arg(long, value_name = "FILE")]
    pub ixp: Vec<PathBuf>,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

// Whether it is watched. (A doc comment would become the command's own description.)
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Live {
    /// Show the paths hop by hop as they fill in, on the whole terminal, and the report when it is over; `?` lists the keys.
    /// Without a terminal on standard error, lines as usual
    #[cfg(feature = "live")]
    #[arg(long)]
    live: bool,
}

impl Live {
    /// A view is wanted.
    pub const fn wanted(self) -> bool {
        #[cfg(feature = "live")]
        let wanted = self.live;
        #[cfg(not(feature = "live"))]
        let wanted = false;
        wanted
    }
}

#[derive(Debug, clap::Args)]
pub struct Output {
    /// Print one JSON document on standard output instead of text
    #[arg(long)]
    pub json: bool,
    /// The format of FILE; without -o, of standard output [default: what FILE's name says: .txt, .md, .html, .pdf,
    /// .json, .jsonl, .csv; else as standard output]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    pub format: Option<Format>,
    /// Write the report to a file as well; standard output stays what it is without it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub color: When,
    /// Say more: addresses, budgets, what the measurement cost
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

impl Output {
    /// The file to write, if there is one; `-` is standard output.
    pub fn file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// Whether standard output gets JSON, a failure's as well.
    pub fn prints_json(&self) -> bool {
        self.json || (self.file().is_none() && self.format == Some(Format::Json))
    }
}

/// A parser of formats that lists them in the help.
fn formats() -> impl TypedValueParser<Value = Format> {
    let words = Format::ALL.map(|format| PossibleValue::new(format.word()).help(format.about()));
    // The list of words and the formats are one: none can miss.
    PossibleValuesParser::new(words).map(|word| Format::of_word(&word).unwrap_or(Format::Text))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum App {
    /// Mail
    Smtp,
    /// TLS, whatever is inside
    Tls,
    /// HTTP without TLS
    Http,
    /// No exchange
    None,
}

impl App {
    /// The same for the network room; `None` where nothing is to be exchanged.
    pub const fn service(self) -> Option<Service> {
        match self {
            Self::Smtp => Some(Service::Smtp),
            Self::Tls => Some(Service::Tls),
            Self::Http => Some(Service::Http),
            Self::None => None,
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct Demo {
    /// A scenario's name, or a file with one [default: the story]. A file without a [vantage] and a [[network]] of its own
    /// plays in the Internet that the shipped scenarios share
    #[arg(value_name = "SCENARIO")]
    pub scenario: Option<String>,
    /// List the scenarios
    #[arg(long)]
    pub list: bool,
    /// Run it with IPv6
    #[arg(short = '6')]
    pub ipv6: bool,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// Write every simulated probe and reply to FILE as they pass (pcapng, nanoseconds)
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten)]
    pub live: Live,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, clap::Args)]
pub struct Compare {
    /// Runs, sets and bundles of lasthop, and the output of other tools, each found by its content; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// A host or address that the question is about; may be given again [default: hosts that lasthop diagnosed or to
    /// which some path stops]
    #[arg(long, value_name = "HOST")]
    pub target: Vec<String>,
    /// A host or address that serves as a reference for other tools' traces; may be given again [default: whatever answers
    /// in the target's network from the same place]
    #[arg(short, long, value_name = "HOST")]
    pub reference: Vec<String>,
    /// IP-to-AS table to ask about other tools' traces
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// AS relationships (CAIDA serial-1 or -2): between networks that are no neighbours an unseen one is suspected
    #[arg(long, value_name = "FILE")]
    pub as_rel: Option<PathBuf>,
    /// Members and LANs of exchanges (PeeringDB or IX-F JSON); may be given again
    #[arg(long, value_name = "FILE")]
    pub ixp: Vec<PathBuf>,
    /// A published list to look every target up in; may be given again
    #[arg(long, value_name = "FILE")]
    pub registry: Vec<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, clap::Args)]
pub struct Import {
    /// Files of any kind, found by their content, packed or not; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The destination of a trace that does not name its own (tracepath, mtr's report)
    #[arg(long, value_name = "HOST")]
    pub target: Option<String>,
    /// A name for the place it was measured from
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// IP-to-AS table to ask instead of the one built in
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// Members and LANs of exchanges (PeeringDB or IX-F JSON); may be given again
    #[arg(long, value_name = "FILE")]
    pub ixp: Vec<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, clap::Args)]
pub struct Report {
    /// A run, or a set of runs, as `--json` or `-o run.json` wrote it, or a bundle; `-` is standard input
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The format [default: what FILE's name says: .txt, .md, .html, .pdf, .json, .jsonl, .csv; else text]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    pub format: Option<Format>,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write to this file; `-` is standard output, as without -o
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub color: When,
    /// Write a complaint to a network operator instead: what was tested and found, a question, what to check, the paths
    #[arg(long, conflicts_with_all = ["format", "json"])]
    pub complaint: bool,
    /// The complaint's language
    #[arg(long, value_name = "LANGUAGE", value_parser = ["en", "ru"], default_value = "en", requires = "complaint")]
    pub lang: String,
    /// Whom the complaint is to, such as the name of the provider
    #[arg(long, value_name = "NAME", requires = "complaint")]
    pub to: Option<String>,
    /// In OONI's format, tell the address that the probes came from
    #[arg(long)]
    pub share_address: bool,
    /// In OONI's format, do not tell the AS that the probes came from
    #[arg(long)]
    pub hide_asn: bool,
}

impl Report {
    /// The file to write, if there is one; `-` is standard output.
    pub fn file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| *path != Path::new("-"))
    }
}

#[derive(Debug, clap::Args)]
pub struct Db {
    #[command(subcommand)]
    pub command: DbCommand,
}

#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Make a table of files that publishers offer
    #[command(after_long_help = PRECEDENCE)]
    Build(DbBuild),
    /// Say whose addresses these are
    Lookup {
        /// Addresses and prefixes; `@FILE` reads them from a file and `-` from standard input, one a line, `#` begins a
        /// comment line
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<String>,
        /// One JSON object a line; what is no address gets one with its `error`
        #[arg(long)]
        json: bool,
        /// The table to ask
        #[arg(long, value_name = "FILE")]
        db: Option<PathBuf>,
        /// Members and LANs of exchanges, asked before the table; may be given again
        #[arg(long, value_name = "FILE")]
        ixp: Vec<PathBuf>,
    },
    /// Say what moved between two tables; ends with 0 whatever did
    Check {
        /// The table to begin with, of any kind that `db build` takes; `builtin` is the one inside the program
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The table to compare with it
        #[arg(value_name = "NEW")]
        new: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// The most moves, and names, that are listed, the largest first
        #[arg(long, value_name = "N", default_value = "20")]
        top: usize,
    },
    /// Say what the table is and how old
    Info {
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// The table to describe
        #[arg(long, value_name = "FILE")]
        db: Option<PathBuf>,
    },
    /// Download tables from their publishers; nothing is fetched that is not named
    #[cfg(feature = "fetch")]
    Fetch(Fetch),
}

#[cfg(feature = "fetch")]
#[derive(Debug, clap::Args)]
pub struct Fetch {
    /// What to fetch, by name
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// List the names: what each is, from where, under which terms, with which key
    #[arg(long, conflicts_with_all = ["sources", "urls"])]
    pub list: bool,
    /// Where to put the files
    #[arg(long, value_name = "DIR", default_value = ".", value_parser = super::fetch::directory)]
    pub dir: PathBuf,
    /// Where to put the one file
    #[arg(short, long, value_name = "FILE", conflicts_with = "dir")]
    pub output: Option<PathBuf>,
    /// Another server for all of them, such as a mirror: scheme, host and beginning of the path
    #[arg(long, value_name = "BASE", conflicts_with = "urls")]
    pub from: Option<String>,
    /// Another address of the file, once for each file; without a SOURCE, of any table
    #[arg(long = "url", value_name = "URL")]
    pub urls: Vec<String>,
    /// What the SHA-256 of the one file must be
    #[arg(long, value_name = "HEX", value_parser = super::fetch::sha256)]
    pub sha256: Option<[u8; 32]>,
    /// The publisher's key, in a file that nobody else can read; else from the environment, as --list says, but then never
    /// sent to another server (--from, --url)
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Take it even if it is older or much smaller than the file there, or does not say how long it is; ask for it whole
    #[arg(long)]
    pub force: bool,
    /// How long a server may be silent, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = patience)]
    pub timeout: f64,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct DbBuild {
    /// Files of any kind and order, told apart by what is in them: tables of lasthop, MMDB, ip-location-db, iptoasn, CAIDA
    /// pfx2as and AS relationships, GeoLite2 CSV, names of ASes, PeeringDB and IX-F, and your own `prefix,asn,name`; packed or
    /// not. `builtin` is the table inside the program. The first is believed most
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<PathBuf>,
    /// Write the table here, in place of what is there
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Take all sources as parts of one: the narrowest range answers whichever it is in, and of equal ranges all origins are
    /// kept
    #[arg(long)]
    pub together: bool,
    /// What to call the one source
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// The terms of the one source, with whom to credit
    #[arg(long, value_name = "TEXT")]
    pub licence: Option<String>,
    /// What the table says of where it comes from [default: the names of its sources]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// The day of data that does not say it, YYYY-MM-DD
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub date: Option<Date>,
    /// Sum up as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Shown in the help of `db build` and the man page.
const PRECEDENCE: &str = "\
What wins:
  Inside a source the narrowest range answers. Between sources the order does: where
  the first has an answer for an address, no other is asked, not even for a narrower
  range; where it has none, the next one answers. Your own prefix,asn,name lists come
  before all others wherever they stand.
  Names, registered countries and members of exchanges: the first that says something.
  Links between ASes add up; the first that says who pays whom is believed.
  The day of the table is that of its oldest source of ranges.
  The same sources in the same order give the same bytes.";

fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "a day is written YYYY-MM-DD".into())
}

/// A protocol and port of a matrix: `443`, `tcp/443`, `udp/53`, `icmp`.
pub type Variant = (Protocol, Option<u16>);

fn variant(text: &str) -> Result<Variant, String> {
    let text = text.trim();
    match text.split_once('/') {
        None if text.eq_ignore_ascii_case("icmp") => Ok((Protocol::Icmp, None)),
        None => port(text)
            .map(|port| (Protocol::Tcp, Some(port)))
            .map_err(|_| "write TCP ports as numbers, the rest as udp/53 and icmp".into()),
        Some(("tcp", number)) => port(number).map(|port| (Protocol::Tcp, Some(port))),
        Some(("udp", number)) => port(number).map(|port| (Protocol::Udp, Some(port))),
        Some((other, _)) => Err(format!("'{other}' is none of tcp, udp and icmp")),
    }
}

pub fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().map(|address| SocketAddr::new(address, crate::net::dns::PORT));
    let server = address.or_else(|_| text.parse::<SocketAddr>());
    match server {
        Ok(server) if server.port() != 0 && !server.ip().is_unspecified() => Ok(server),
        _ => {
            Err("a DNS server is an address, with a port if it is not 53: 192.0.2.53, [2001:db8::53]:5353"
                .into())
        }
    }
}

pub fn port(text: &str) -> Result<u16, String> {
    match text.parse::<u32>() {
        Ok(number @ 1..=65_535) => Ok(number as u16),
        Ok(0) => Err("0 is no port; ports run from 1 to 65535".into()),
        Ok(_) => Err("ports run from 1 to 65535".into()),
        Err(_) => Err("a port is a number from 1 to 65535".into()),
    }
}

pub fn ttl(text: &str) -> Result<u8, String> {
    match text.parse::<u32>() {
        Ok(number @ 1..=255) => Ok(number as u8),
        _ => Err("a TTL is a number from 1 to 255".into()),
    }
}

fn size(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(bytes) if (68..=9216).contains(&bytes) => Ok(bytes),
        _ => Err("a packet has from 68 to 9216 bytes with its IP header, such as 1500".into()),
    }
}

pub fn confidence(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match share {
        Ok(share) if (0.5..=0.9999).contains(&share) => Ok(share),
        _ => Err("a confidence is a share from 0.5 to 0.9999, such as 0.99 or 99%".into()),
    }
}

pub fn wait(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("a wait is a number of seconds from 0.1 to 60".into()),
    }
}

#[cfg(feature = "fetch")]
fn patience(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a timeout is a number of seconds from 0.1 to 3600".into()),
    }
}

/// traceroute's rule: more than 10 is milliseconds, up to 10 is seconds. Gives seconds.
fn pause(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=10.0).contains(&value) => Ok(value),
        Ok(value) if value > 10.0 && value <= 60_000.0 => Ok(value / 1000.0),
        _ => Err("a pace is a number of seconds up to 10, or of milliseconds above that".into()),
    }
}

pub fn mark(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "a mark is a number from 0 to 4294967295, or hexadecimal with 0x".into())
}
