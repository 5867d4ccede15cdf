//! `--mx DOMAIN`: who takes mail for a domain, and which of them is compared with which.

use std::net::IpAddr;

use super::failure::Failure;
use super::names::Names;
use crate::net::Family;
use crate::net::dns::{Data, Kind, is_host_name};

/// Most references of a target among the other mail hosts: the nearest two or three are enough, and which is near is not
/// known before.
pub const MOST_REFERENCES: usize = 4;

/// A mail host by one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailHost {
    /// Its name.
    pub name: String,
    /// The address.
    pub address: IpAddr,
}

/// The hosts that take a domain's mail, the preferred ones first, each by every address of the version of IP.
pub fn hosts(domain: &str, family: Family, most: usize, names: &Names) -> Result<Vec<MailHost>, Failure> {
    let exchanges = exchanges(domain, names)?;
    if exchanges.len() > most {
        return Err(too_many(domain, exchanges.len(), "mail hosts", most));
    }
    let kind = if family == Family::V6 { Kind::Aaaa } else { Kind::A };
    let mut found: Vec<MailHost> = Vec::new();
    for name in exchanges {
        let inquiry = names.inquire(&name, kind);
        let addresses = inquiry.addresses();
        if addresses.is_empty() {
            let why = inquiry
                .outcome
                .err()
                .map_or_else(|| format!("no {family} address"), |error| error.to_string());
            names.doubt(format!("the mail host {name} is left out: {why}"));
        }
        for address in addresses {
            match found.iter().find(|known| known.address == address) {
                Some(known) => {
                    names.doubt(format!(
                        "{name} has the address {address} of {}: it is measured once",
                        known.name
                    ));
                }
                None => found.push(MailHost { name: name.clone(), address }),
            }
        }
    }
    if found.is_empty() {
        return Err(Failure::environment(
            "no_address",
            format!("no mail host of {domain} has an {family} address that can be found"),
            Some("try the other version of IP with -4 or -6, or another server with --dns".into()),
        ));
    }
    if found.len() > most {
        return Err(too_many(domain, found.len(), "addresses of mail hosts", most));
    }
    Ok(found)
}

fn too_many(domain: &str, count: usize, what: &str, most: usize) -> Failure {
    Failure::usage(
        format!("{domain} has {count} {what}"),
        format!("at most {most} measurements share one budget: name hosts yourself, with TARGET and --also"),
    )
}

/// The names in a domain's MX records, the preferred ones first; the domain's own where there are none.
fn exchanges(domain: &str, names: &Names) -> Result<Vec<String>, Failure> {
    let inquiry = names.inquire(domain, Kind::Mx);
    let answers = match inquiry.outcome {
        Ok(answers) => answers,
        Err(error) => {
            return Err(Failure::environment(
                "name",
                format!("the MX records of {domain} cannot be had from {}: {error}", inquiry.server.ip()),
                Some("check the spelling, or ask another server with --dns ADDRESS".into()),
            ));
        }
    };
    let mut found: Vec<(u16, String)> = Vec::new();
    let (mut records, mut null) = (0, false);
    for answer in answers {
        let Data::Exchange(preference, host) = answer.data else { continue };
        records += 1;
        if host.is_empty() {
            null = true;
        } else if !is_host_name(&host) {
            names.doubt(format!("an MX record of {domain} is left out: '{host}' is no host name"));
        } else if !found.iter().any(|(_, known)| known.eq_ignore_ascii_case(&host)) {
            found.push((preference, host));
        }
    }
    if records == 0 {
        names.doubt(format!("{domain} has no MX record: its mail goes to its own address (RFC 5321 §5.1)"));
        return Ok(vec![domain.trim_end_matches('.').to_owned()]);
    }
    if found.is_empty() {
        let message = match null {
            true => format!("{domain} takes no mail: its MX record is the null MX (RFC 7505)"),
            false => format!("no MX record of {domain} names a host"),
        };
        return Err(Failure::environment(
            "no_mail",
            message,
            Some(
                "there is no mail host to measure; to measure the domain's own address, give it as TARGET"
                    .into(),
            ),
        ));
    }
    // The order of equal preferences is the server's, and stays.
    found.sort_by_key(|(preference, _)| *preference);
    Ok(found.into_iter().map(|(_, host)| host).collect())
}

/// Whom to compare `host` with: the other mail hosts, one address of each before the second of any.
pub fn references(host: &MailHost, all: &[MailHost]) -> Vec<IpAddr> {
    let mut others: Vec<(usize, IpAddr)> = Vec::new();
    for (at, one) in all.iter().enumerate() {
        if one.name != host.name {
            others.push((all[..at].iter().filter(|before| before.name == one.name).count(), one.address));
        }
    }
    others.sort_by_key(|(turn, _)| *turn);
    others.into_iter().map(|(_, address)| address).take(MOST_REFERENCES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_host_has_its_turn() {
        let host = |name: &str, last| MailHost { name: name.into(), address: [192, 0, 2, last].into() };
        let all = [host("a", 1), host("a", 2), host("b", 3), host("b", 4), host("c", 5), host("d", 6)];
        let of = |at: usize| -> Vec<u8> {
            let last = |address| match address {
                IpAddr::V4(address) => address.octets()[3],
                IpAddr::V6(_) => 0,
            };
            references(&all[at], &all).into_iter().map(last).collect()
        };
        assert_eq!(of(0), [3, 5, 6, 4]);
        assert_eq!(of(2), [1, 5, 6, 2]);
        assert_eq!(of(5), [1, 3, 5, 2]);
        assert_eq!(references(&all[0], &all[..2]), Vec::<IpAddr>::new());
    }
}
