//! Evidence that does not tell who asked.
//!
//! Hidden are our own address, the addresses that a translator put in its place, and the private routers nearest to us;
//! with them the interface, the label and whatever of the command line names one of them or a path. Their stand-ins are
//! of the benchmarking ranges (RFC 2544, RFC 5180), where no router of the Internet is. Packets are not blackened but made
//! as they would have been with the stand-ins, so that they can be verified like any others, and the conclusion is the
//! same: it is drawn anew, and if it came out otherwise there would be no bundle.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::write::{BundleError, Evidence, Made, derive, make};
use super::{Environment, Redaction, SecretKey};
use crate::capture::{Event, Log};
use crate::number::Asn;
use crate::packet::mask::{Mask, mask};
use crate::path::{Attribution, Kind, Origins};
use crate::probe::{Arrival, Part, Replay, Told};
use crate::trace::{ProbeId, Run};

const HIDDEN: &str = "(hidden)";

/// Whether an address can be a stand-in.
pub(super) fn is_stand_in(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..2] == [198, 18],
        IpAddr::V6(address) => address.segments()[..3] == [0x2001, 2, 0],
    }
}

fn stand_in(v6: bool, number: u16) -> IpAddr {
    if v6 {
        Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, number).into()
    } else {
        let [high, low] = number.to_be_bytes();
        Ipv4Addr::new(198, 18, high, low).into()
    }
}

/// Makes a bundle in which who asked is hidden; `whole` is the one of the same evidence in which nothing is.
///
/// # Errors
/// [`BundleError::Redaction`] if the conclusion would be another one.
pub fn redact(evidence: &Evidence<'_>, whole: &Made, key: Option<&SecretKey>) -> Result<Made, BundleError> {
    let hidden = Hidden::of(evidence.run, evidence.origins);
    let origins = Behind { origins: evidence.origins, hidden: &hidden };
    let (run, log) = hidden.retrace(evidence)?;
    let mut stated = evidence.document.clone();
    stated.vantage.interface = None;
    stated.vantage.label = None;
    // A resolver is most often our own router or our provider's, and what it said may be for us alone. The addresses that
    // names stood for are those of the paths.
    stated.dns.clear();
    stated.findings.clear();
    // Some services say back who asked.
    if let Some(app) = &mut stated.app {
        app.said = None;
    }
    let document = derive(&run, log.settings.confidence, &origins, &stated);
    let same = |one: &crate::report::Document| {
        one.verdict.as_ref().map(|verdict| {
            (
                verdict.kind.clone(),
                verdict.asns.clone(),
                verdict.after_ttl,
                verdict.before_ttl,
                verdict.mechanism.clone(),
            )
        })
    };
    if same(&document) != same(evidence.document) {
        let kind = document.verdict.map_or_else(String::new, |verdict| verdict.kind);
        return Err(BundleError::Redaction(format!("the conclusion would be another one ({kind})")));
    }
    let environment = hidden.environment(evidence, whole);
    let evidence = Evidence {
        run: &run,
        log: &log,
        document: &document,
        origins: &origins,
        environment: &environment,
        ..*evidence
    };
    make(&evidence, key)
}

/// A packet as it left, and as it would have.
type BeforeAndAfter<'a> = (&'a [u8], Vec<u8>);

/// What is hidden, by its stand-in.
struct Hidden {
    stand_ins: BTreeMap<IpAddr, (IpAddr, &'static str)>,
}

impl Hidden {
    fn of(run: &Run, origins: &dyn Origins) -> Self {
        let mut hidden = Self { stand_ins: BTreeMap::new() };
        let named: Vec<IpAddr> = run.destinations.iter().map(|one| one.address).collect();
        // Who measures towards itself has named itself.
        if !named.contains(&run.source) {
            hidden.add(run.source, "our own address");
        }
        // Routers from here to the first one that is not private, on any path.
        let last = run.probes.iter().map(|probe| probe.ttl).max().unwrap_or(0);
        for ttl in run.first_ttl..=last {
            let at =
                |probe: &&crate::trace::Probe| probe.ttl == ttl && probe.stage != crate::trace::Stage::Reach;
            let mut seen: Vec<IpAddr> = run
                .probes
                .iter()
                .filter(at)
                .flat_map(|probe| &probe.replies)
                .map(|reply| reply.from)
                .collect();
            seen.sort_unstable();
            seen.dedup();
            let private = |address: &IpAddr| origins.attribute(*address).kind == Kind::Private;
            if !seen.iter().all(private) {
                break;
            }
            for address in seen.into_iter().filter(|address| !named.contains(address)) {
                hidden.add(address, "a private router near us");
            }
        }
        let quoted =
            run.probes.iter().flat_map(|probe| &probe.replies).filter_map(|reply| reply.quoted.as_ref());
        for address in quoted.filter_map(|quoted| quoted.source).filter(|address| !named.contains(address)) {
            hidden.add(address, "our address behind a translator");
        }
        hidden
    }

    fn add(&mut self, address: IpAddr, words: &'static str) {
        let number = self.stand_ins.len() as u16 + 1;
        self.stand_ins.entry(address).or_insert((stand_in(address.is_ipv6(), number), words));
    }

    fn of_address(&self, address: IpAddr) -> IpAddr {
        self.stand_ins.get(&address).map_or(address, |(stand_in, _)| *stand_in)
    }

    fn behind(&self, stand_in: IpAddr) -> Option<IpAddr> {
        self.stand_ins.iter().find(|(_, (known, _))| *known == stand_in).map(|(address, _)| *address)
    }

    /// The record and the packets as they would be.
    fn retrace(&self, evidence: &Evidence<'_>) -> Result<(Run, Log), BundleError> {
        let failed = |problem: String| BundleError::Redaction(problem);
        let wait = evidence.log.settings.wait;
        let thread = |run: &Run| {
            let head = Run { source: self.of_address(run.source), probes: Vec::new(), ..run.clone() };
            let replay = Replay::new(&head, wait).map_err(|error| failed(error.to_string()))?;
            Ok::<_, BundleError>((head, replay))
        };
        let mut measurement = thread(evidence.run)?;
        let mut search = evidence.log.search.as_ref().map(thread).transpose()?;
        let mut packets: HashMap<(Part, ProbeId), BeforeAndAfter<'_>> = HashMap::new();
        let mut events = Vec::with_capacity(evidence.log.events.len());
        for event in &evidence.log.events {
            let part = match event {
                Event::Sent { part, .. } | Event::Unsent { part, .. } | Event::Received { part, .. } => *part,
            };
            let threads = match part {
                Part::Measurement => Some((&mut measurement.1, evidence.run)),
                Part::Search => {
                    search.as_mut().zip(evidence.log.search.as_ref()).map(|(one, run)| (&mut one.1, run))
                }
            };
            let Some((replay, run)) = threads else { continue };
            match event {
                Event::Unsent { probe, .. } => {
                    replay.unsent((**probe).clone()).map_err(|error| failed(error.to_string()))?;
                    events.push(event.clone());
                }
                Event::Sent { probe, at, packet: old, .. } => {
                    let sent = run.probe(*probe);
                    let packet = replay
                        .compose(sent, run, old.len())
                        .ok_or_else(|| failed(format!("probe {} cannot be made anew", probe.0)))?;
                    let told = |_| Told::of(sent, run);
                    replay.sent(*at, &packet, told).map_err(|error| failed(error.to_string()))?;
                    packets.insert((part, *probe), (old, packet.clone()));
                    events.push(Event::Sent { part, probe: *probe, at: *at, packet });
                }
                Event::Received { probe, at, packet, .. } => {
                    let stand_in = |address| self.of_address(address);
                    let packet = (packets.get(&(part, *probe)))
                        .and_then(|(old, new)| mask(packet, &Mask { stand_in: &stand_in, probe: (old, new) }))
                        .ok_or_else(|| failed(format!("a reply to probe {} cannot be masked", probe.0)))?;
                    let arrival = Arrival { at: *at, packet };
                    if replay.received(&arrival) != Some(*probe) {
                        return Err(failed(format!(
                            "a reply to probe {} would no longer be its own",
                            probe.0
                        )));
                    }
                    events.push(Event::Received { part, probe: *probe, at: *at, packet: arrival.packet });
                }
            }
        }
        let run = measurement.1.finish(&measurement.0);
        let search = search.map(|(head, replay)| replay.finish(&head));
        Ok((run, Log { settings: evidence.log.settings, events, search }))
    }

    fn environment(&self, evidence: &Evidence<'_>, whole: &Made) -> Environment {
        let environment = evidence.environment;
        let vantage = &evidence.document.vantage;
        let secret = |word: &String| {
            let named =
                |text: &Option<String>| text.as_ref().is_some_and(|text| word.contains(text.as_str()));
            let address = self.stand_ins.keys().any(|address| word.contains(&address.to_string()));
            let server = evidence.document.dns.iter().filter_map(|lookup| lookup.server.as_deref());
            let mut server = server.filter_map(|server| server.parse::<std::net::SocketAddr>().ok());
            let resolver = server.any(|server| word.contains(&server.ip().to_string()));
            address || resolver || word.contains('/') || named(&vantage.label) || named(&vantage.interface)
        };
        let hide = |word: &String| if secret(word) { HIDDEN.to_owned() } else { word.clone() };
        Environment {
            command: environment.command.iter().map(hide).collect(),
            interface: None,
            redaction: Some(Redaction {
                unredacted_sha256: whole.sha256.clone(),
                stand_ins: self
                    .stand_ins
                    .values()
                    .map(|(stand_in, words)| (*stand_in, (*words).to_owned()))
                    .collect(),
            }),
            ..environment.clone()
        }
    }
}

/// Answers for stand-ins as for what they stand for. A private router has no owner to tell of, nor has a translator; our
/// own address keeps its AS, since a network is no person.
struct Behind<'a> {
    origins: &'a dyn Origins,
    hidden: &'a Hidden,
}

impl Origins for Behind<'_> {
    fn attribute(&self, address: IpAddr) -> Attribution {
        let Some(behind) = self.hidden.behind(address) else { return self.origins.attribute(address) };
        Attribution { prefix: None, ..self.origins.attribute(behind) }
    }

    fn name(&self, asn: Asn) -> Option<String> {
        self.origins.name(asn)
    }

    fn adjacent(&self, a: Asn, b: Asn) -> Option<bool> {
        self.origins.adjacent(a, b)
    }
}
