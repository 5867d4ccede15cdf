//! The list of a batch: what each line asks for, and what is wrong with those that ask for nothing.
//!
//! A bad line costs itself and nothing else: a list of thousands comes from somewhere, and one of them is always wrong.

use std::io::{self, BufRead};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::super::request::{Endpoint, probeable};
use crate::net::Family;

/// A longer line is none that a person or a program wrote for this.
const LONGEST: usize = 4096;
/// Most targets of a list.
pub const MOST: usize = 16_777_216;
/// Most addresses of a prefix that nobody confirmed with `--large`: a /20.
const MOST_OF_PREFIX: u128 = 4096;
/// Bad lines that are told; the rest is counted.
const TOLD: usize = 20;

/// No name: it was written as an address.
pub const BARE: u32 = u32::MAX;

/// A target by address, with the reference if there is one. Names are places in a list of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub target: IpAddr,
    pub port: u16,
    pub target_name: u32,
    pub reference: Option<IpAddr>,
    pub reference_port: u16,
    pub reference_name: u32,
}

/// A line in which names have to be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub line: u64,
    pub target: Endpoint,
    pub reference: Option<Endpoint>,
}

/// What a list holds.
#[derive(Debug, Default)]
pub struct List {
    pub rows: Vec<Row>,
    pub named: Vec<Named>,
    /// Bad lines by their numbers, the first few.
    pub faults: Vec<(u64, String)>,
    /// All of them.
    pub bad: u64,
}

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Of hosts that are written without one; 0 where the protocol has none.
    pub port: u16,
    /// Ports mean nothing: the protocol is ICMP.
    pub portless: bool,
    /// The only family that is wanted.
    pub family: Option<Family>,
    /// Large prefixes are meant.
    pub large: bool,
}

impl List {
    /// Reads all lines.
    ///
    /// # Errors
    /// What reading fails with; bad lines are no error.
    pub fn read(mut input: impl BufRead, reading: Reading) -> io::Result<Self> {
        let mut list = Self::default();
        let mut bytes = Vec::new();
        let mut number = 0;
        loop {
            bytes.clear();
            let long = read_line(&mut input, &mut bytes)?;
            if bytes.is_empty() && !long {
                return Ok(list);
            }
            number += 1;
            let line = bytes.as_slice();
            let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
            let done = match std::str::from_utf8(line) {
                _ if long => Err(format!("longer than {LONGEST} bytes")),
                Err(_) => Err("no UTF-8 text".to_owned()),
                Ok(line) => list.take(number, line, reading),
            };
            if let Err(fault) = done {
                list.fault(number, fault);
            }
        }
    }

    fn fault(&mut self, line: u64, text: String) {
        self.bad += 1;
        if self.faults.len() < TOLD {
            self.faults.push((line, text));
        }
    }

    fn take(&mut self, line: u64, text: &str, reading: Reading) -> Result<(), String> {
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(());
        }
        let mut cells = text.split([',', ';', '\t']).map(|cell| cell.trim().trim_matches('"').trim());
        let target = cells.next().unwrap_or_default();
        let reference = cells.next().filter(|cell| !cell.is_empty());
        if cells.any(|cell| !cell.is_empty()) {
            return Err("more than two cells: a line is TARGET or TARGET,REFERENCE".to_owned());
        }
        if line == 1 && target.eq_ignore_ascii_case("target") {
            return Ok(());
        }
        let reference = reference.map(|cell| endpoint(cell, reading)).transpose()?;
        if let Some((_, length)) = target.split_once('/')
            && length.chars().all(|one| one.is_ascii_digit())
            && !length.is_empty()
        {
            return self.prefix(target, reference, reading);
        }
        let target = endpoint(target, reading)?;
        let by_address = |one: &Endpoint| one.host.parse::<IpAddr>().ok().map(|one| one.to_canonical());
        let addresses = (by_address(&target), reference.as_ref().map(by_address));
        match addresses {
            (Some(target_address), None | Some(Some(_))) => {
                let port = |one: &Endpoint| one.port.unwrap_or(reading.port);
                let row = Row {
                    target: target_address,
                    port: port(&target),
                    target_name: BARE,
                    reference: addresses.1.flatten(),
                    reference_port: reference.as_ref().map_or(0, port),
                    reference_name: BARE,
                };
                check(&row, reading)?;
                self.push(row)
            }
            _ if self.named.len() >= MOST => Err(format!("a list has at most {MOST} names")),
            _ => {
                self.named.push(Named { line, target, reference });
                Ok(())
            }
        }
    }

    /// Adds a row that was checked.
    fn push(&mut self, row: Row) -> Result<(), String> {
        if self.rows.len() >= MOST {
            return Err(format!("a list has at most {MOST} targets"));
        }
        self.rows.push(row);
        Ok(())
    }

    fn prefix(&mut self, text: &str, reference: Option<Endpoint>, reading: Reading) -> Result<(), String> {
        let prefix: IpNetwork = text.parse().map_err(|_| format!("'{text}' is no prefix"))?;
        if reading.family.is_some_and(|family| family != Family::of(prefix.ip())) {
            return Err(format!("{text} is not of the version of IP that was asked for"));
        }
        let reference = match reference {
            None => None,
            Some(endpoint) => {
                let address: IpAddr = endpoint.host.parse().map_err(|_| {
                    format!("the reference of a prefix is written as an address, not as '{}'", endpoint.host)
                })?;
                Some((address, endpoint.port.unwrap_or(reading.port)))
            }
        };
        let bits = if prefix.is_ipv4() { 32 } else { 128 } - u32::from(prefix.prefix());
        let count = 1_u128.checked_shl(bits).unwrap_or(u128::MAX);
        if count > MOST_OF_PREFIX && !reading.large {
            return Err(format!(
                "{text} has {count} addresses; --large takes prefixes of more than {MOST_OF_PREFIX}"
            ));
        }
        if count > MOST as u128 || self.rows.len() as u128 + count > MOST as u128 {
            return Err(format!("{text} has {count} addresses; a list has at most {MOST} targets"));
        }
        // The first and the last address of an IPv4 network are no hosts (RFC 919), nor is IPv6's first one (RFC 4291 §2.6.1);
        // point-to-point links have neither (RFC 3021, RFC 6164).
        let (first, last) = match (prefix.is_ipv4(), bits) {
            (_, 0 | 1) => (0, count - 1),
            (true, _) => (1, count - 2),
            (false, _) => (1, count - 1),
        };
        let base = prefix.network();
        for offset in first..=last {
            let target = match base {
                IpAddr::V4(base) => IpAddr::V4(Ipv4Addr::from(u32::from(base) + offset as u32)),
                IpAddr::V6(base) => IpAddr::V6(Ipv6Addr::from(u128::from(base) + offset)),
            };
            let row = Row {
                target,
                port: reading.port,
                target_name: BARE,
                reference: reference.map(|(address, _)| address),
                reference_port: reference.map_or(0, |(_, port)| port),
                reference_name: BARE,
            };
            // The reference itself may be of the prefix.
            if row.reference == Some(target) && row.port == row.reference_port {
                continue;
            }
            check(&row, reading)?;
            self.push(row)?;
        }
        Ok(())
    }
}

/// Whether both can be asked, and beside each other.
pub fn check(row: &Row, reading: Reading) -> Result<(), String> {
    for address in [Some(row.target), row.reference].into_iter().flatten() {
        probeable(&address.to_string(), address).map_err(|failure| failure.message)?;
        if reading.family.is_some_and(|family| family != Family::of(address)) {
            return Err(format!("{address} is not of the version of IP that was asked for"));
        }
        if matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()) {
            return Err(format!("{address} is link-local: diagnose can measure it, with an interface"));
        }
    }
    let Some(reference) = row.reference else { return Ok(()) };
    if reference.is_ipv4() != row.target.is_ipv4() {
        return Err(format!("{} and {reference} are of different versions of IP", row.target));
    }
    if (reference, row.reference_port) == (row.target, row.port) {
        return Err("the reference is the target itself".to_owned());
    }
    Ok(())
}

/// A host as it is written, with its port before or behind a blank.
fn endpoint(cell: &str, reading: Reading) -> Result<Endpoint, String> {
    let (host, port) = match cell.split_once(char::is_whitespace) {
        Some((host, port)) => (host, Some(port.trim())),
        None => (cell, None),
    };
    let mut endpoint = Endpoint::parse(host).map_err(|failure| failure.message)?;
    if let Some(port) = port {
        match port.parse::<u16>() {
            Ok(port) if port > 0 && endpoint.port.is_none_or(|known| known == port) => {
                endpoint.port = Some(port);
            }
            _ => return Err(format!("'{cell}' is no host with a port")),
        }
    }
    if reading.portless && endpoint.port.is_some() {
        return Err(format!("'{cell}' has a port, and ICMP has none"));
    }
    Ok(endpoint)
}

/// Reads a line without its end. Says whether it is longer than any should be; then the rest of it is passed over.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    let mut long = false;
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(long);
        }
        let end = memchr::memchr(b'\n', available);
        let part = end.map_or(available, |end| &available[..=end]);
        if line.len() + part.len() > LONGEST {
            long = true;
            line.clear();
        }
        if !long {
            line.extend_from_slice(part);
        }
        let taken = part.len();
        input.consume(taken);
        if end.is_some() {
            return Ok(long);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READING: Reading = Reading { port: 25, portless: false, family: None, large: false };

    fn read(text: &[u8]) -> List {
        List::read(text, READING).unwrap()
    }

    fn told(list: &List) -> Vec<String> {
        let end = |port: u16, address: IpAddr| match address {
            IpAddr::V4(address) => format!("{address}:{port}"),
            IpAddr::V6(address) => format!("[{address}]:{port}"),
        };
        let row = |row: &Row| {
            let reference = row.reference.map(|one| format!(" {}", end(row.reference_port, one)));
            format!("{}{}", end(row.port, row.target), reference.unwrap_or_default())
        };
        list.rows.iter().map(row).collect()
    }

    #[test]
    fn every_way_to_write_a_pair_is_read() {
        let text = b"\xef\xbb\xbftarget,reference\r\n192.0.2.1\r\n 192.0.2.2 , 192.0.2.3:26 # two\r\n\r\n# none\r\n\
            \"192.0.2.4\",\"192.0.2.5\"\r\n2001:db8::1;[2001:db8::2]:443\n192.0.2.6 587\n192.0.2.7\t192.0.2.8,\n\
            ::ffff:192.0.2.9\n198.51.100.8/30\n2001:db8::4/127,2001:db8::9";
        let list = read(text);
        assert_eq!(list.faults, []);
        assert_eq!(
            told(&list),
            [
                "192.0.2.1:25",
                "192.0.2.2:25 192.0.2.3:26",
                "192.0.2.4:25 192.0.2.5:25",
                "[2001:db8::1]:25 [2001:db8::2]:443",
                "192.0.2.6:587",
                "192.0.2.7:25 192.0.2.8:25",
                "192.0.2.9:25",
                "198.51.100.9:25",
                "198.51.100.10:25",
                "[2001:db8::4]:25 [2001:db8::9]:25",
                "[2001:db8::5]:25 [2001:db8::9]:25",
            ]
        );
    }

    #[test]
    fn bad_lines_are_told_by_number_and_cost_nothing_else() {
        let long = "x".repeat(5000);
        let text = format!(
            "192.0.2.1\n224.0.0.1\nmx1.example\nhttps://mx1.example/\n192.0.2.1,192.0.2.1\n192.0.2.1,2001:db8::1\n\
             a,b,c\n{long}\n10.0.0.0/8\n192.0.2.9:0\nhost 99999\n192.0.2.0/33\n192.0.2.8/29,mx2.example\n192.0.2.2"
        );
        let list = read(text.as_bytes());
        assert_eq!(told(&list), ["192.0.2.1:25", "192.0.2.2:25"]);
        assert_eq!(list.named.len(), 1);
        assert_eq!(list.named[0].line, 3);
        let lines: Vec<u64> = list.faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(list.bad, 11);
        assert!(list.faults[6].1.contains("--large"), "{:?}", list.faults);
        let binary = read(b"\xff\xfe1\x009\x00\n192.0.2.1\n");
        assert_eq!((binary.bad, told(&binary).len()), (1, 1));
    }

    #[test]
    fn a_prefix_may_hold_its_own_reference() {
        let list = read(b"192.0.2.0/29,192.0.2.3\n");
        assert_eq!(list.rows.len(), 5, "{:?}", told(&list));
        assert!(list.rows.iter().all(|row| Some(row.target) != row.reference));
        let large = List::read(&b"10.0.0.0/16"[..], Reading { large: true, ..READING }).unwrap();
        assert_eq!(large.rows.len(), 65_534);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let list = read(&bytes);
            let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
            prop_assert!(list.bad <= lines);
        }
    }
}
