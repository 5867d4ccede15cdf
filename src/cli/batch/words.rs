//! The words of `lasthop batch`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::args::{Knowledge, Way, confidence, dns_server, port, ttl, wait};
use crate::trace::Protocol;

/// Shown in the help and the man page.
pub const STATUS: &str = "\
Lines of FILE:
  TARGET or TARGET,REFERENCE: names, addresses, prefixes (every address of one), each
  with :PORT behind it where it is not that of -p. # begins a comment.

Exit status:
   0  every line has its result, whatever it says
   2  wrong arguments
   3  environment: no privilege, no route, an output that cannot be written; or stopped
      before the end: --resume goes on
   4  a line could not be read or has no address, or is on the opt-out list: told by its
      number, and the rest is measured";

/// Flows in which a host is asked where there is time for it, and how many seconds that may take.
const FLOWS: u64 = 3;
const LONG_ENOUGH: u64 = 600;

#[derive(Debug, clap::Args)]
#[command(after_long_help = STATUS)]
pub struct Batch {
    /// The list; `-` is standard input
    #[arg(value_name = "FILE")]
    pub list: PathBuf,
    /// Destination port [default: 80 for TCP, 53 for UDP]
    #[arg(short, long, value_name = "PORT", value_parser = port, conflicts_with = "icmp")]
    pub port: Option<u16>,
    /// Ask with ICMP echo instead of TCP SYN
    #[arg(short = 'I', long = "icmp")]
    pub icmp: bool,
    /// Ask with UDP instead
    #[arg(short = 'U', long = "udp", conflicts_with = "icmp")]
    pub udp: bool,
    /// Take IPv4 addresses only
    #[arg(short = '4', conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Take IPv6 addresses only
    #[arg(short = '6')]
    pub ipv6: bool,
    /// Packets a second in all. Beside it a /24 (IPv6: /48) gets at most 20 a second, and a router what it bears
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// Flows in which a host has to answer before it is believed, from 1 to 3 [default: 3 if all can be asked so often in
    /// ten minutes at this rate, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub flows: Option<u8>,
    /// Pairs that are measured in full at the same time
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub parallel: u8,
    /// Follow every path that is measured in full from the first hop on, also where others were lost before
    #[arg(long)]
    pub whole_paths: bool,
    /// Take prefixes of more than 4096 addresses as well
    #[arg(long)]
    pub large: bool,
    /// Go on with the results in the file of -o: what is there is not measured again
    #[arg(long, requires = "output")]
    pub resume: bool,
    /// Write the results, one run a line, to FILE instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the results as a table as well: an Apache Parquet file, a row a result, there when the batch has ended
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "FILE")]
    pub parquet: Option<PathBuf>,
    /// Sum up in a last line of JSON on standard output (lasthop.set/1), and tell failures there as well
    #[arg(long)]
    pub json: bool,
    /// Addresses and prefixes that must never be touched, one a line, # begins a comment; beside those in
    /// ~/.config/lasthop/opt-out
    #[arg(long, value_name = "FILE")]
    pub opt_out: Option<PathBuf>,
    /// How sure a place must be before it is named, from 0.5 to 0.9999
    #[arg(long, value_name = "SHARE", default_value = "0.99", value_parser = confidence)]
    pub confidence: f64,
    /// Highest TTL
    #[arg(short, long = "max-hops", value_name = "TTL", default_value = "30", value_parser = ttl)]
    pub max: u8,
    /// The longest wait for a reply, in seconds
    #[arg(short, long, value_name = "SECONDS", default_value = "2", value_parser = wait)]
    pub wait: f64,
    #[command(flatten)]
    pub way: Way,
    /// Resolve names by this DNS server instead of by the system; may be given twice
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = dns_server)]
    pub dns: Vec<SocketAddr>,
    #[command(flatten)]
    pub knowledge: Knowledge,
    /// A name for the place you measure from, kept in the results
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Seed of every random choice
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Measure in a simulated Internet instead, as demo does: a scenario's name or file. Its hosts' names may stand in the
    /// list
    #[arg(long, value_name = "SCENARIO", conflicts_with_all = ["interface", "source", "fwmark", "vrf", "dns"])]
    pub demo: Option<String>,
}

impl Batch {
    pub const fn protocol(&self) -> Protocol {
        match (self.icmp, self.udp) {
            (true, _) => Protocol::Icmp,
            (_, true) => Protocol::Udp,
            _ => Protocol::Tcp,
        }
    }

    /// The port of hosts that are written without one; 0 where the protocol has none.
    pub fn port(&self) -> u16 {
        match self.protocol() {
            Protocol::Icmp => 0,
            Protocol::Tcp => self.port.unwrap_or(80),
            Protocol::Udp => self.port.unwrap_or(53),
        }
    }

    /// Flows in which each of so many hosts is asked.
    pub fn flows(&self, hosts: usize) -> u8 {
        let most = u8::try_from(FLOWS).unwrap_or(1);
        let fits = hosts as u64 * FLOWS <= u64::from(self.rate) * LONG_ENOUGH;
        self.flows.unwrap_or(if fits { most } else { 1 })
    }
}
