//! `--spf DOMAIN`: who sends mail for a domain, and by which addresses that is measured.
//!
//! A record names prefixes of thousands of addresses; nobody measures them all. Hosts that are known by name come first, then
//! a few addresses of each prefix: the first, the middle and the last that a host can have, so that a part of the prefix that
//! goes another way is seen. Prefixes take turns, so that each is seen before any is seen twice.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::failure::Failure;
use super::mx::MailHost;
use super::names::Names;
use crate::net::Family;
use crate::net::dns::{Data, DnsError, Inquiry, Kind};
use crate::net::spf::{self, Said, Sender, Senders, Source, SpfError};

/// Most senders in one run: each gets a share of the pace.
pub const MOST: usize = 8;
/// Addresses of one prefix.
const FEW: usize = 3;

struct Asked<'a> {
    names: &'a Names,
    family: Family,
}

fn said<T>(inquiry: Inquiry, wanted: impl Fn(Data) -> Option<T>) -> Said<T> {
    match inquiry.outcome {
        Ok(answers) => {
            let found: Vec<T> = answers.into_iter().filter_map(|answer| wanted(answer.data)).collect();
            if found.is_empty() { Said::Nothing } else { Said::These(found) }
        }
        Err(DnsError::NoSuchName) => Said::Nothing,
        Err(error) => Said::Failed(error.to_string()),
    }
}

impl Source for Asked<'_> {
    fn texts(&mut self, name: &str) -> Said<String> {
        said(self.names.inquire(name, Kind::Txt), |data| match data {
            Data::Text(text) => Some(text),
            _ => None,
        })
    }

    fn exchanges(&mut self, name: &str) -> Said<String> {
        let mut found = said(self.names.inquire(name, Kind::Mx), |data| match data {
            Data::Exchange(preference, host) if !host.is_empty() => Some((preference, host)),
            _ => None,
        });
        if let Said::These(hosts) = &mut found {
            hosts.sort_by_key(|(preference, _)| *preference);
        }
        match found {
            Said::These(hosts) => Said::These(hosts.into_iter().map(|(_, host)| host).collect()),
            Said::Nothing => Said::Nothing,
            Said::Failed(why) => Said::Failed(why),
        }
    }

    fn addresses(&mut self, name: &str) -> Said<IpAddr> {
        let kind = if self.family == Family::V6 { Kind::Aaaa } else { Kind::A };
        said(self.names.inquire(name, kind), |data| match data {
            Data::Address(address) => Some(address),
            _ => None,
        })
    }
}

/// The addresses that are measured of those that may send for a domain, at most `room`; none of `taken`, which are measured as
/// something else.
pub fn hosts(
    domain: &str,
    family: Family,
    room: usize,
    names: &Names,
    taken: &[IpAddr],
) -> Result<Vec<MailHost>, Failure> {
    let senders = spf::senders(domain, family, &mut Asked { names, family }).map_err(|error| {
        let hint = match error {
            SpfError::Dns(_) => "check the spelling, or ask another server with --dns ADDRESS",
            _ => "name a host that sends its mail as TARGET",
        };
        Failure::environment("no_spf", format!("who sends mail for {domain}: {error}"), Some(hint.into()))
    })?;
    for doubt in &senders.doubts {
        names.doubt(format!("spf: {doubt}"));
    }
    if senders.other_family > 0 {
        let other = if family == Family::V6 {
            "IPv4 prefixes are not measured: -4"
        } else {
            "IPv6 prefixes are not measured: -6"
        };
        names.doubt(format!("spf: {} {other}", senders.other_family));
    }
    let found = chosen(&senders, room, taken, &mut |text| names.doubt(format!("spf: {text}")));
    if found.is_empty() {
        return Err(Failure::environment(
            "no_spf",
            format!("the SPF record of {domain} names no {family} address that can be measured"),
            Some(
                "try the other version of IP with -4 or -6, or name a host that sends its mail as TARGET"
                    .into(),
            ),
        ));
    }
    Ok(found)
}

/// Which addresses of the senders are measured, each prefix having its turn.
fn chosen(senders: &Senders, room: usize, taken: &[IpAddr], tell: &mut dyn FnMut(String)) -> Vec<MailHost> {
    for one in senders.all.iter().filter(|one| !sends(one.prefix.network())) {
        tell(format!("{} ({}) is nobody's on the Internet, and is left out", one.prefix, one.by));
    }
    let hosts: Vec<(IpAddr, &Sender)> = senders
        .all
        .iter()
        .filter(|one| {
            sends(one.prefix.network())
                && is_single(&one.prefix)
                && !one.without.iter().any(|part| part.contains(one.prefix.ip()))
        })
        .map(|one| (one.prefix.ip(), one))
        .collect();
    let mut queues: Vec<(Option<&Sender>, VecDeque<MailHost>)> = Vec::new();
    for sender in senders.all.iter().filter(|one| !is_single(&one.prefix) && sends(one.prefix.network())) {
        let known =
            hosts.iter().filter(|(address, one)| one.host.is_some() && sender.prefix.contains(*address));
        let mut addresses: Vec<MailHost> = known
            .take(FEW)
            .map(|(address, one)| MailHost { name: name_of(one, *address), address: *address })
            .collect();
        if addresses.is_empty() {
            let free = |address: &IpAddr| !sender.without.iter().any(|part| part.contains(*address));
            addresses = spread(&sender.prefix)
                .into_iter()
                .filter(free)
                .map(|address| MailHost { name: address.to_string(), address })
                .collect();
        }
        queues.push((Some(sender), addresses.into()));
    }
    let in_prefix =
        |address: IpAddr| queues.iter().any(|(_, queue)| queue.iter().any(|host| host.address == address));
    let alone: Vec<(Option<&Sender>, VecDeque<MailHost>)> = hosts
        .iter()
        .filter(|(address, _)| !in_prefix(*address))
        .map(|(address, one)| {
            (None, VecDeque::from([MailHost { name: name_of(one, *address), address: *address }]))
        })
        .collect();
    // Hosts that are named one by one come first: they send, the others may.
    let mut queues: Vec<_> = alone.into_iter().chain(queues).collect();
    let mut found: Vec<MailHost> = Vec::new();
    let mut picked = vec![Vec::new(); queues.len()];
    for _ in 0..FEW {
        for (at, (_, queue)) in queues.iter_mut().enumerate() {
            let Some(host) = queue.pop_front() else { continue };
            if found.len() < room
                && !taken.contains(&host.address)
                && found.iter().all(|one| one.address != host.address)
            {
                picked[at].push(host.address.to_string());
                found.push(host);
            } else if taken.contains(&host.address) {
                tell(format!("{} takes mail as well, and is measured as that", host.address));
            }
        }
    }
    let mut unseen = 0;
    for ((sender, _), picked) in queues.iter().zip(&picked) {
        match (sender, picked.is_empty()) {
            (_, true) => unseen += 1,
            (Some(sender), false) => tell(format!(
                "of {} ({}) {} {} measured: hosts known by name, else the first, the middle and the last address",
                sender.prefix,
                sender.by,
                picked.join(", "),
                if picked.len() == 1 { "is" } else { "are" }
            )),
            (None, false) => {}
        }
    }
    if unseen > 0 {
        tell(format!(
            "{unseen} of {} senders and prefixes are not measured by an address of their own: at most {room} share the run",
            queues.len()
        ));
    }
    found
}

/// Whether a host with this address can send mail to strangers: a record is written by others, and some name what is their own
/// only, or everybody.
fn sends(address: IpAddr) -> bool {
    let never = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    let own = match address {
        IpAddr::V4(address) => {
            let first = address.octets()[0];
            first == 0 || first >= 240 || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    };
    !never && !own
}

fn name_of(sender: &Sender, address: IpAddr) -> String {
    sender.host.clone().unwrap_or_else(|| address.to_string())
}

fn is_single(prefix: &IpNetwork) -> bool {
    prefix.prefix() == if prefix.is_ipv4() { 32 } else { 128 }
}

/// The first, the middle and the last address that a host of a prefix can have, each once.
fn spread(prefix: &IpNetwork) -> Vec<IpAddr> {
    let (low, bits) = match prefix.network() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32 - prefix.prefix()),
        IpAddr::V6(address) => (u128::from(address), 128 - prefix.prefix()),
    };
    let size = 1u128.checked_shl(bits.into()).map_or(u128::MAX, |size| size - 1);
    let high = low.saturating_add(size);
    // The ends of an IPv4 network are no hosts, nor is the first address of an IPv6 one (RFC 4291 §2.6.1); two addresses are
    // two hosts (RFC 3021, RFC 6164).
    let (first, last) = match (bits, prefix.is_ipv4()) {
        (0 | 1, _) => (low, high),
        (_, true) => (low + 1, high - 1),
        (_, false) => (low + 1, high),
    };
    let mut found = Vec::new();
    for number in [first, first + (last - first) / 2, last] {
        let address = match prefix.is_ipv4() {
            true => Ipv4Addr::from(number as u32).into(),
            false => Ipv6Addr::from(number).into(),
        };
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

/// Whom to compare a sender with: the other senders, the nearest in number first, since they are the likeliest to be in the same
/// network.
pub fn references(host: &MailHost, all: &[MailHost], most: usize) -> Vec<IpAddr> {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let mut others: Vec<IpAddr> =
        all.iter().map(|one| one.address).filter(|address| *address != host.address).collect();
    others
        .sort_by_key(|address| std::cmp::Reverse((number(*address) ^ number(host.address)).leading_zeros()));
    others.truncate(most);
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(prefix: &str, host: Option<&str>, without: &[&str]) -> Sender {
        Sender {
            prefix: prefix.parse().unwrap(),
            host: host.map(str::to_owned),
            by: "x of d".to_owned(),
            without: without.iter().map(|one| one.parse().unwrap()).collect(),
        }
    }

    fn of(all: Vec<Sender>, room: usize, taken: &[&str]) -> (Vec<String>, String) {
        let mut told = Vec::new();
        let taken: Vec<IpAddr> = taken.iter().map(|one| one.parse().unwrap()).collect();
        let senders = Senders { all, ..Senders::default() };
        let found = chosen(&senders, room, &taken, &mut |text| told.push(text));
        (found.iter().map(|one| one.address.to_string()).collect(), told.join("; "))
    }

    #[test]
    fn a_prefix_is_measured_by_its_ends_and_its_middle() {
        let of =
            |text: &str| spread(&text.parse().unwrap()).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(of("192.0.2.0/24"), ["192.0.2.1", "192.0.2.127", "192.0.2.254"]);
        assert_eq!(of("192.0.2.4/31"), ["192.0.2.4", "192.0.2.5"]);
        assert_eq!(of("192.0.2.4/30"), ["192.0.2.5", "192.0.2.6"]);
        assert_eq!(of("2001:db8::/64")[0], "2001:db8::1");
        assert_eq!(of("2001:db8::/64")[2], "2001:db8::ffff:ffff:ffff:ffff");
        assert_eq!(of("::/0").len() + of("0.0.0.0/0").len(), 6);
    }

    #[test]
    fn prefixes_take_turns_and_hosts_with_names_come_first() {
        let all = vec![
            sender("192.0.2.0/24", None, &["192.0.2.254/32"]),
            sender("198.51.100.0/24", None, &[]),
            sender("198.51.100.25/32", Some("out.example"), &[]),
            sender("203.0.113.9/32", None, &[]),
        ];
        let (found, told) = of(all.clone(), 8, &[]);
        assert_eq!(found, ["203.0.113.9", "192.0.2.1", "198.51.100.25", "192.0.2.127"]);
        assert!(told.contains("of 192.0.2.0/24 (x of d) 192.0.2.1, 192.0.2.127 are measured"), "{told}");
        let (found, told) = of(all, 2, &["203.0.113.9"]);
        assert_eq!(found, ["192.0.2.1", "198.51.100.25"]);
        assert!(told.contains("203.0.113.9 takes mail as well"), "{told}");
        let (_, told) = of((0..9).map(|at| sender(&format!("45.{at}.0.0/16"), None, &[])).collect(), 8, &[]);
        assert!(told.contains("1 of 9 senders and prefixes are not measured"), "{told}");
    }

    #[test]
    fn what_no_stranger_can_send_from_is_left_out_and_told() {
        let odd =
            ["127.0.0.1/32", "10.0.0.0/8", "0.0.0.0/0", "224.0.0.0/4", "::1/128", "fe80::/10", "fd00::/8"];
        let mut all: Vec<Sender> = odd.iter().map(|one| sender(one, None, &[])).collect();
        all.push(sender("203.0.113.9/32", None, &[]));
        let (found, told) = of(all, 8, &[]);
        assert_eq!(found, ["203.0.113.9"]);
        assert_eq!(told.matches("is left out").count(), odd.len(), "{told}");
    }

    #[test]
    fn the_nearest_in_number_are_the_references() {
        let host = |text: &str| MailHost { name: text.into(), address: text.parse().unwrap() };
        let all = [host("203.0.113.1"), host("192.0.2.9"), host("192.0.2.1"), host("198.51.100.1")];
        let found: Vec<String> = references(&all[1], &all, 2).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1", "198.51.100.1"]);
    }
}
