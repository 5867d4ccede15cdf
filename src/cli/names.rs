//! From names to addresses, once in a run: each is asked for one time, and what came is kept for the report.
//!
//! Without `--dns` the system's resolver decides, as for every other program on this host. With it the named servers do,
//! and `/etc/hosts` is not asked. Two servers are asked about everything, and where they differ that is told: blocking
//! sometimes begins with the answer to a name.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::failure::Failure;
use super::output;
use crate::net::dns::{self, Data, DnsError, Inquiry, Kind};
use crate::net::{self, Clock, Family, ResolveError, Resolved};
use crate::report::{Document, safe};
use crate::trace::schema::{Finding, Lookup, LookupAnswer};

/// Where the system keeps its servers.
const SYSTEM: &str = net::health::RESOLVER;

/// A name, the version of IP that was asked for, and what was found.
type Known = (String, Option<Family>, Resolved);

/// The names of a run.
#[derive(Debug, Default)]
pub struct Names {
    /// As chosen; empty for the system's resolver.
    chosen: Vec<SocketAddr>,
    known: RefCell<Vec<Known>>,
    lookups: RefCell<Vec<Lookup>>,
    doubts: RefCell<Vec<String>>,
}

impl Names {
    /// Asks these servers, or the system if there are none.
    pub fn by(chosen: &[SocketAddr]) -> Result<Self, Failure> {
        let twice = matches!(chosen, [one, other] if one == other);
        if chosen.len() > 2 || twice {
            return Err(Failure::usage(
                if twice {
                    "the same server is given twice with --dns"
                } else {
                    "more than two servers with --dns"
                },
                "one server answers, a second one is for comparison: give each once",
            ));
        }
        Ok(Self { chosen: chosen.to_vec(), ..Self::default() })
    }

    /// The addresses of a host, as [`net::lookup`] does; once for each name.
    pub fn lookup(&self, host: &str, family: Option<Family>) -> Result<Resolved, ResolveError> {
        let same = |(known, of, _): &&Known| known.eq_ignore_ascii_case(host) && *of == family;
        if let Some((_, _, found)) = self.known.borrow().iter().find(same) {
            return Ok(found.clone());
        }
        let found = net::lookup_by(host, family, &mut |name| match self.chosen.is_empty() {
            true => self.by_system(name),
            false => self.by_dns(name, family),
        })?;
        self.known.borrow_mut().push((host.to_owned(), family, found.clone()));
        Ok(found)
    }

    /// What the system's resolver says, without its rules for what is no name: those were asked before.
    fn by_system(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let asked_at = Clock::start().started_at().rfc3339();
        let found = net::resolve(name, None);
        let answers = found.iter().flatten().map(|one| LookupAnswer { data: one.to_string(), ttl: None });
        let error = found.as_ref().err().map(|error| match error {
            ResolveError::NotFound { source, .. } => source.to_string(),
            other => other.to_string(),
        });
        self.lookups.borrow_mut().push(Lookup {
            name: name.to_owned(),
            kind: None,
            server: None,
            asked_at,
            answers: answers.collect(),
            error,
        });
        found
    }

    /// What the chosen servers say: IPv4 addresses first. The other version of IP is asked for too where the wanted one has
    /// none, so that the failure can name it.
    fn by_dns(&self, name: &str, family: Option<Family>) -> Result<Vec<IpAddr>, ResolveError> {
        let kinds = match family {
            Some(Family::V6) => [Kind::Aaaa, Kind::A],
            _ => [Kind::A, Kind::Aaaa],
        };
        let mut found = Vec::new();
        let mut why = String::from("no address");
        for kind in kinds {
            if family.is_some() && !found.is_empty() {
                break;
            }
            let inquiry = self.inquire(name, kind);
            found.extend(inquiry.addresses());
            if let Err(error) = &inquiry.outcome {
                why = format!("{}: {error}", inquiry.server.ip());
                // A name that is not there, or a server that does not answer, will not be otherwise for the next type.
                if matches!(error, DnsError::NoSuchName | DnsError::Silent | DnsError::NoName(_)) {
                    break;
                }
            }
        }
        match found.is_empty() {
            true => Err(ResolveError::NotFound { host: name.to_owned(), source: io::Error::other(why) }),
            false => Ok(found),
        }
    }

    /// Asks in the DNS: both chosen servers, or the system's one after the other until one answers. Comes back with the first
    /// answer that holds something, else the first answer, else the first failure.
    pub fn inquire(&self, name: &str, kind: Kind) -> Inquiry {
        let servers = match self.chosen.is_empty() {
            true => dns::configured(&std::fs::read_to_string(SYSTEM).unwrap_or_default()),
            false => self.chosen.clone(),
        };
        let mut all: Vec<Inquiry> = Vec::new();
        for server in servers {
            let inquiry = dns::ask(server, name, kind);
            self.lookups.borrow_mut().push(lookup_of(&inquiry));
            let settled = matches!(inquiry.outcome, Ok(_) | Err(DnsError::NoSuchName | DnsError::NoName(_)));
            all.push(inquiry);
            if self.chosen.is_empty() && settled {
                break;
            }
        }
        if let ([one, other], false) = (all.as_slice(), self.chosen.is_empty())
            && said(one) != said(other)
        {
            self.doubt(format!(
                "{} and {} differ about the {} records of {name}: {} and {}",
                one.server.ip(),
                other.server.ip(),
                kind.word(),
                said(one).join(", "),
                said(other).join(", ")
            ));
        }
        let rank = |one: &Inquiry| match &one.outcome {
            Ok(answers) if !answers.is_empty() => 0,
            Ok(_) | Err(DnsError::NoSuchName) => 1,
            Err(_) => 2,
        };
        all.sort_by_key(rank);
        // At least one server was asked: the system's are never none.
        all.swap_remove(0)
    }

    /// Something that the reader has to know of the names, said at once and kept for the report.
    pub fn doubt(&self, text: String) {
        output::talk(&format!("dns: {}", safe(&text)));
        self.doubts.borrow_mut().push(text);
    }

    /// Puts into a document what was asked, and what is doubtful.
    pub fn tell(&self, document: &mut Document) {
        document.dns.clone_from(&self.lookups.borrow());
        let doubts = self.doubts.borrow();
        document.findings.extend(doubts.iter().map(|text| Finding { line: None, text: text.clone() }));
    }
}

/// What a server said, for comparison: without order and times.
fn said(inquiry: &Inquiry) -> Vec<String> {
    let mut said: Vec<String> = match &inquiry.outcome {
        Err(error) => vec![error.to_string()],
        Ok(answers) => {
            let kept = answers.iter().filter(|answer| !matches!(answer.data, Data::Alias(_)));
            kept.map(|answer| answer.data.to_string().to_ascii_lowercase()).collect()
        }
    };
    if said.is_empty() {
        said.push("none".to_owned());
    }
    said.sort();
    said
}

fn lookup_of(inquiry: &Inquiry) -> Lookup {
    let answers = inquiry.outcome.iter().flatten();
    Lookup {
        name: inquiry.name.clone(),
        kind: Some(inquiry.kind.word().to_owned()),
        server: Some(inquiry.server.to_string()),
        asked_at: inquiry.asked_at.rfc3339(),
        answers: answers
            .map(|answer| LookupAnswer { data: answer.data.to_string(), ttl: Some(answer.ttl) })
            .collect(),
        error: inquiry.outcome.as_ref().err().map(ToString::to_string),
    }
}
