//! The sentences. They say what was observed, never who ordered it, and they are the same words in every report.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::rules::{Draft, Ground, Place};
use super::{Kind, Mechanism, PacketSize, Reason, Scope, Verdict};
use crate::number::Asn;
use crate::trace::{Protocol, ReplyKind, Run};

/// The draft in words.
pub fn verdict(facts: &Facts<'_>, draft: Draft) -> Verdict {
    let names = facts.names();
    let words = Words { facts, draft: &draft, names: &names };
    let (summary, next_step) = (words.sized(words.summary()), words.next_step());
    let (location_limit, attribution_limit) = (words.location_limit(), words.attribution_limit());
    let raise = words.raise();
    Verdict {
        kind: draft.kind,
        as_names: draft.asns.iter().map(|asn| names.get(asn).cloned().unwrap_or_default()).collect(),
        asns: draft.asns.iter().copied().collect(),
        after_ttl: draft.after.map(|place| place.ttl),
        before_ttl: draft.before.map(|place| place.ttl),
        after: draft.after.and_then(|place| place.address),
        before: draft.before.and_then(|place| place.address),
        mechanism: draft.mechanism,
        scope: draft.scope,
        location_confidence: draft.location_confidence,
        attribution_confidence: draft.attribution_confidence,
        location_limit,
        attribution_limit,
        raise,
        figures: draft.figures,
        packet_size: words.packet_size(),
        reason: draft.reason,
        summary,
        next_step,
    }
}

struct Words<'a> {
    facts: &'a Facts<'a>,
    draft: &'a Draft,
    names: &'a BTreeMap<Asn, String>,
}

impl Words<'_> {
    /// Hops between the two that bound the loss.
    fn unseen_hops(&self) -> u8 {
        let after = self.draft.after.map_or(0, |place| place.ttl);
        self.draft.before.map_or(0, |before| before.ttl.saturating_sub(after + 1))
    }

    fn location_limit(&self) -> Option<String> {
        if self.draft.location_confidence <= 0.0 {
            return None;
        }
        let figures = self.draft.figures;
        Some(match self.draft.kind {
            Kind::Inconclusive => return None,
            Kind::Reachable if self.draft.location_confidence < 0.99 => {
                "something nearer than it should be, or of another kind than the host's other answers, may speak in its name"
                    .to_owned()
            }
            Kind::Reachable => "whoever answers in the host's name from its distance is taken for it".to_owned(),
            Kind::HostOrReturnPath => {
                "what is behind the last router that answers cannot be seen from here".to_owned()
            }
            Kind::Intercepted | Kind::Injected => {
                "a device shows only where its answers begin: at that hop or the one before".to_owned()
            }
            Kind::Rejected | Kind::RoutingFault if figures.pairs == 0 => {
                "anybody may send an ICMP message; this one names a router that the path shows".to_owned()
            }
            _ => {
                let pairs = format!("{} pairs, each a coin's toss if nothing were lost there", figures.pairs);
                match self.unseen_hops() {
                    0 => pairs,
                    1 => format!("{pairs}; one hop between the two is not told apart"),
                    hops => format!("{pairs}; {hops} hops between the two are not told apart"),
                }
            }
        })
    }

    fn attribution_limit(&self) -> Option<String> {
        if self.draft.asns.is_empty() || self.draft.attribution_confidence <= 0.0 {
            return None;
        }
        Some(
            match (&self.draft.ground, self.draft.asns.len()) {
                (Ground::Unseen, _) => "a network that shows no router of its own may stand there",
                (_, 1) => {
                    "no published mapping of router addresses to networks is right more often than 98 %"
                }
                (_, 2) => "where networks meet, a router's address may be of either one's space",
                _ => "several networks may own routers there",
            }
            .to_owned(),
        )
    }

    fn raise(&self) -> Option<String> {
        let place = "repeat it from another provider: what both runs say of the place holds for both";
        let neighbours = "give data on which networks are neighbours (--as-rel FILE)";
        let unknown = self.facts.question.neighbours.is_empty();
        match self.draft.kind {
            Kind::Inconclusive => self.next_step(),
            Kind::Reachable if self.draft.location_confidence < 0.99 && self.facts.check.is_none() => Some(
                "name a far host of another network that works (--check HOST): whether it is spoken for at the same hop tells"
                    .to_owned(),
            ),
            Kind::Reachable | Kind::Local => None,
            _ if self.draft.asns.is_empty() => Some(place.to_owned()),
            _ if unknown && (self.draft.ground == Ground::Unseen || self.draft.asns.len() > 1) => {
                Some(format!("{neighbours}, or {place}"))
            }
            _ if self.unseen_hops() > 0 => {
                Some(format!("allow more probes (--confidence 0.999), or {place}"))
            }
            _ => Some(place.to_owned()),
        }
    }

    fn named(&self, asn: Asn) -> String {
        self.names.get(&asn).map_or_else(|| asn.to_string(), |name| format!("{asn} ({name})"))
    }

    fn list(&self, last: &str) -> String {
        self.list_of(&self.draft.asns, last)
    }

    fn list_of(&self, asns: &BTreeSet<Asn>, last: &str) -> String {
        let names: Vec<String> = asns.iter().map(|asn| self.named(*asn)).collect();
        match names.as_slice() {
            [] => "networks that the table does not name".into(),
            [one] => one.clone(),
            [most @ .., end] => format!("{} {last} {end}", most.join(", ")),
        }
    }

    /// Who is probed and how: `mx1.example (192.0.2.1) TCP port 25`.
    fn target(&self) -> String {
        let target = self.facts.run().destination(Run::TARGET);
        let how = match (target.protocol, target.port) {
            (Protocol::Icmp, _) | (_, None) => format!("{} echo", target.protocol),
            (protocol, Some(port)) => format!("{protocol} port {port}"),
        };
        if target.host == target.address.to_string() {
            format!("{} {how}", target.address)
        } else {
            format!("{} ({}) {how}", target.host, target.address)
        }
    }

    fn place(place: Option<Place>) -> String {
        match place {
            Some(Place { ttl, address: Some(address) }) => format!("hop {ttl} ({address})"),
            Some(Place { ttl, address: None }) => format!("hop {ttl}"),
            None => "the first hop".into(),
        }
    }

    fn interval(&self) -> String {
        match (self.draft.after, self.draft.before) {
            (Some(after), Some(before)) => {
                format!("after {} and before {}", Self::place(Some(after)), Self::place(Some(before)))
            }
            (None, Some(before)) => format!("before {}", Self::place(Some(before))),
            (after, None) => format!("after {}", Self::place(after)),
        }
    }

    fn contrast(&self) -> String {
        let figures = self.draft.figures;
        let after = self.draft.after.map_or(0, |place| place.ttl);
        let (Some(first), Some(before)) = (self.facts.contrast.hops.first(), self.draft.before) else {
            return String::new();
        };
        let (place, verb) = if first.ttl.max(after + 1) == before.ttl {
            ("that hop it".to_owned(), "answered")
        } else {
            (format!("hops {} to {} these", first.ttl.max(after + 1), before.ttl), "answered")
        };
        let (reference, target) = match self.facts.size() {
            None => ("the reference", "the target"),
            Some(_) => ("small packets", "large ones"),
        };
        format!(
            "In {} pairs of probes at {place} {verb} {} for {reference} and {} for {target}",
            figures.pairs, figures.reference_answered, figures.target_answered
        )
    }

    /// The verdict says that packets of the target's size are lost.
    const fn is_lost(&self) -> bool {
        !matches!(self.draft.kind, Kind::Reachable | Kind::Inconclusive | Kind::Intercepted | Kind::Injected)
    }

    fn packet_size(&self) -> Option<PacketSize> {
        let size = self.facts.size()?;
        let answered =
            !self.facts.answers.is_empty() && matches!(self.draft.kind, Kind::Reachable | Kind::Partial);
        let small = self.facts.small_size().filter(|_| self.facts.control_lives());
        Some(PacketSize {
            asked: self.facts.run().size_asked().unwrap_or(size),
            lost: Some(size).filter(|_| self.is_lost()),
            passes: Some(size).filter(|_| answered).or(small),
        })
    }

    /// A summary with what is to be said of sizes, where they are in question.
    fn sized(&self, summary: String) -> String {
        let (Some(size), Some(sizes)) = (self.facts.size(), self.packet_size()) else { return summary };
        let mut text = match summary.strip_prefix("Packets to ") {
            Some(rest) => format!("Packets of {size} bytes to {rest}"),
            None => summary,
        };
        let too_big = self.facts.run().too_big();
        let (heeded, unheeded): (Vec<_>, Vec<_>) = too_big.into_iter().partition(|one| one.size > Some(size));
        if self.draft.kind == Kind::Reachable {
            text.push_str(&format!(" Packets of {size} bytes get there."));
        }
        if self.is_lost() {
            text.push_str(&match sizes.passes.or(self.facts.small_size()) {
                Some(small) if sizes.passes.is_some() => format!(" Packets of {small} bytes get there."),
                Some(small) => format!(
                    " Packets of {small} bytes are not answered either, so that this may be no matter of their size."
                ),
                None => String::new(),
            });
            if self.draft.mechanism == Mechanism::SilentDrop && unheeded.is_empty() {
                text.push_str(
                    " No ICMP message came back that they are too big, so that no host learns to send smaller ones: the \
                     router there does not send it, or somebody drops it on its way back.",
                );
            }
            let echoes = self.facts.run().destination(Run::TARGET).protocol == Protocol::Icmp;
            if self.draft.kind == Kind::HostOrReturnPath && echoes {
                text.push_str(
                    " An echo is answered by as many bytes, so that the answer may be what is lost.",
                );
            }
        }
        // What they said in the order in which the sizes were tried; the same router says it of many probes.
        for one in &heeded {
            text.push_str(&format!(
                " {} says that packets of {} bytes are too big{}: hosts that heed it send smaller ones.",
                self.who(one.from),
                one.size.unwrap_or_default(),
                if one.mtu == 0 { String::new() } else { format!(" and {} bytes are not", one.mtu) }
            ));
        }
        for one in &unheeded {
            text.push_str(&format!(
                " {} says that packets of {size} bytes are too big and gives an MTU of {}, which is nothing to go by.",
                self.who(one.from),
                one.mtu
            ));
        }
        text
    }

    /// A router, with its hop and network where they are known: `192.0.2.1 (hop 4, AS64500 (Example))`.
    fn who(&self, address: std::net::IpAddr) -> String {
        let hop = self.facts.hop_of(address).map(|ttl| format!("hop {ttl}"));
        let owner = self.facts.asns_of(address).first().map(|asn| self.named(*asn));
        match hop.into_iter().chain(owner).collect::<Vec<_>>() {
            known if known.is_empty() => address.to_string(),
            known => format!("{address} ({})", known.join(", ")),
        }
    }

    /// What to do where packets of this size are lost, or nothing can be said of them.
    fn next_for_size(&self, size: u16) -> Option<String> {
        let target = self.facts.run().destination(Run::TARGET);
        let v6 = target.address.is_ipv6();
        Some(match (self.draft.kind, self.draft.reason) {
            (Kind::Inconclusive, Some(Reason::ReferenceUnreachable)) => {
                "repeat it without --size: it is not only large packets that do not get through".to_owned()
            }
            (Kind::Inconclusive, Some(Reason::NoControlHop | Reason::RateLimited | Reason::NoReference)) => {
                "repeat it by another protocol (-I, -T): other packets may draw answers there".to_owned()
            }
            (Kind::Inconclusive, Some(Reason::ReferenceDiverges | Reason::EcmpUnresolved)) => {
                "repeat it: other source ports may go another way".to_owned()
            }
            (Kind::Inconclusive, Some(Reason::Weak | Reason::PriorSensitive) | None) => {
                "give it more probes (--max-probes)".to_owned()
            }
            (Kind::Inconclusive, _) => return None,
            (Kind::HostOrReturnPath, _) if target.protocol == Protocol::Icmp => {
                "repeat it with TCP (-T): the answer to a SYN is short, so that only the way there counts"
                    .to_owned()
            }
            _ if self.is_lost() && self.facts.control_lives() => {
                let least = if v6 { 1280 } else { 576 };
                let smaller =
                    [1500, 1492, 1420, 1280, 576].into_iter().filter(|one| (least..size).contains(one));
                let smaller: Vec<String> = smaller.take(3).map(|one: u16| one.to_string()).collect();
                let alone = match target.protocol {
                    Protocol::Icmp => {
                        "repeat it with TCP (-T), since some networks drop large pings and nothing else; "
                    }
                    Protocol::Tcp | Protocol::Udp => "",
                };
                let find = match smaller.as_slice() {
                    [] => String::new(),
                    sizes => format!("find the size that passes (--size {}); ", sizes.join(", ")),
                };
                format!(
                    "{alone}{find}until the place is repaired, lower the MTU of this host's interface to what passes, or clamp the \
                     MSS of its TCP connections to {} bytes less; send this report to your provider",
                    if v6 { 60 } else { 40 }
                )
            }
            _ => return None,
        })
    }

    fn summary(&self) -> String {
        let target = self.target();
        match self.draft.kind {
            Kind::Reachable => self.reachable(&target),
            Kind::LostInsideAs => format!(
                "Packets to {target} are lost inside {}, {}. {}.",
                self.list("and"),
                self.interval(),
                self.contrast()
            ),
            Kind::LostAtAsBorder => format!(
                "Packets to {target} are lost where {} meet, {}: at the last router of one, on the link, or at the first \
                 router of the other, which cannot be told apart from outside. {}.",
                self.list("and"),
                self.interval(),
                self.contrast()
            ),
            Kind::LostInAsRange => self.range(&target),
            Kind::DestinationNetwork => format!(
                "Packets to {target} are lost in the destination's own network, {}, or at its edge, {}.{}",
                self.list_of(&self.facts.owners.destination, "and"),
                self.interval(),
                self.manner()
            ),
            Kind::HostOrReturnPath => self.host(&target),
            Kind::Rejected => format!("Packets to {target} are refused by {}.", self.refuser()),
            Kind::Injected => format!(
                "Something answers in the name of {target} {}, well before the reference's distance: a device that may \
                 belong to {}.",
                self.interval(),
                self.list("or")
            ),
            Kind::Intercepted => format!(
                "A device at hop {} answers TCP in the name of {target} and of the reference alike; what is behind it \
                 cannot be seen this way.",
                self.draft.before.map_or(0, |place| place.ttl)
            ),
            Kind::RoutingFault => match &self.draft.ground {
                Ground::Circles { routers } => format!(
                    "Packets to {target} go in circles between {}, in {}.",
                    routers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "),
                    self.list("and")
                ),
                _ => format!("Packets to {target} are returned as unroutable by {}.", self.refuser()),
            },
            Kind::Partial => self.partial(&target),
            Kind::Local => format!(
                "Packets to {target} are lost {}, before the first public router: in your own network or access line.",
                self.interval()
            ),
            Kind::Inconclusive => format!("Nothing can be concluded about {target}: {}.", self.reason()),
        }
    }

    fn reachable(&self, target: &str) -> String {
        match self.draft.ground {
            Ground::ClosedPort => format!("{target} is reached: the host answers, its port is closed."),
            Ground::SomeLoss { answered, sent } => {
                format!(
                    "{target} is reached: {answered} of {sent} probes were answered, losses not tied to a flow."
                )
            }
            _ => format!("{target} is reached: it answers."),
        }
    }

    fn host(&self, target: &str) -> String {
        if let Ground::Refused { refusal, .. } = self.draft.ground {
            return format!(
                "Packets to {target} arrive at the last router before it ({}), which reports that it cannot reach the \
                 host ({}): the host is down or not there.",
                refusal.from,
                unreachable(refusal.kind)
            );
        }
        if self.facts.contrast.arrived {
            return format!(
                "Packets to {target} take another way than the reference's and come to its last router all the same ({}); \
                 the host itself stays silent. It is down, or a firewall in front of it drops them, or its answers are lost \
                 on the way back: from here these look alike.",
                Self::place(self.draft.after)
            );
        }
        format!(
            "Packets to {target} arrive at every router that shows itself to the reference, the last at {}; the host \
             itself stays silent. It is down, or a firewall in front of it drops them, or its answers are lost on the way \
             back: from here these look alike, and no network on the way is at fault as far as can be seen.",
            Self::place(self.draft.after)
        )
    }

    fn refuser(&self) -> String {
        let Ground::Refused { refusal, .. } = self.draft.ground else { return self.list("or") };
        format!(
            "{}, seen as {} on this path, which may belong to {} ({})",
            refusal.from,
            Self::place(self.draft.after).split(' ').take(2).collect::<Vec<_>>().join(" "),
            self.list("or"),
            unreachable(refusal.kind)
        )
    }

    fn partial(&self, target: &str) -> String {
        let Ground::Share { dead, flows, low, high } = self.draft.ground else {
            return format!("Some packets to {target} are lost.");
        };
        let share = format!(
            "Packets to {target} are lost in {dead} of {flows} flows, always the same ones (a share between {:.0} % and \
             {:.0} %)",
            low * 100.0,
            high * 100.0
        );
        if self.draft.before.is_some() && !self.draft.asns.is_empty() {
            format!("{share}: {}, where the routers may belong to {}.", self.interval(), self.list("or"))
        } else {
            format!(
                "{share}: one branch of a load balancer behind {} does not deliver.",
                Self::place(self.draft.after)
            )
        }
    }

    fn range(&self, target: &str) -> String {
        let after = self.draft.after.map_or(0, |place| place.ttl);
        let unseen = match self.draft.ground {
            _ if after < self.facts.owners.first_public() => ", or it is your own network or access line",
            Ground::Unseen => " or to a network that shows no router of its own",
            _ => "",
        };
        format!(
            "Packets to {target} are lost {}. The routers there may belong to {}{unseen}; this names nobody.{}",
            self.interval(),
            self.list("or"),
            self.manner()
        )
    }

    /// What is known of how, beyond the place.
    fn manner(&self) -> String {
        match &self.draft.ground {
            Ground::Refused { refusal, .. } => {
                format!(" The device {} says so itself: {}.", refusal.from, unreachable(refusal.kind))
            }
            Ground::Circles { routers } => {
                let routers: Vec<String> = routers.iter().map(ToString::to_string).collect();
                format!(" They go in circles by {}.", routers.join(" and "))
            }
            Ground::Forged | Ground::Mirrored => " Something there answers in the target's name.".to_owned(),
            _ => String::new(),
        }
    }

    /// The far host's name.
    fn far_host(&self) -> &str {
        let far = self.facts.check.as_ref().map(|far| self.facts.run().destination(far.id));
        far.map_or("the far host", |far| &far.host)
    }

    /// The references answer, from farther away than the highest TTL goes.
    fn cut_short(&self) -> bool {
        self.facts.distance.is_none() && self.facts.control_lives()
    }

    fn reason(&self) -> String {
        let last = self.draft.after.map_or_else(
            || "no router answered the target's probes".to_owned(),
            |place| format!("the target's packets were last seen at {}", Self::place(Some(place))),
        );
        let figures = self.draft.figures;
        match self.draft.reason {
            Some(Reason::NoReference) => format!("there is no reference to compare with; {last}"),
            Some(Reason::ReferenceUnreachable) if self.facts.size().is_some() => {
                let small = self.facts.small_size().unwrap_or_default();
                format!("small packets ({small} bytes) do not get through either; {last}")
            }
            Some(Reason::ReferenceUnreachable) => {
                format!("the reference does not get through either; {last}")
            }
            Some(Reason::ReferenceDiverges) => format!("the target's path leaves the reference's; {last}"),
            Some(Reason::NoControlHop) if self.cut_short() => {
                format!(
                    "the highest TTL ({}) ends before the reference's host; {last}",
                    self.facts.run().max_ttl
                )
            }
            Some(Reason::NoControlHop) => {
                format!("behind it no router answers the reference, and {last}")
            }
            Some(Reason::EcmpUnresolved) if matches!(self.draft.ground, Ground::Share { .. }) => {
                let Ground::Share { dead, flows, .. } = self.draft.ground else { return last };
                format!(
                    "{dead} of {flows} flows are lost, always the same ones, and where they are lost is open; {last}"
                )
            }
            Some(Reason::EcmpUnresolved) => {
                format!("load balancing leaves open which branch the target's packets take; {last}")
            }
            Some(Reason::UnstableRoute) => format!(
                "the route changed during the measurement, at {}; {last}",
                Self::place(self.draft.before)
            ),
            Some(Reason::Contradiction) => format!(
                "the observations contradict each other: something answered in the target's name too near for the host, or \
                 only now and then; {last}"
            ),
            Some(Reason::Mapping) => {
                format!("the loss is {}, but the table cannot say whose routers these are", self.interval())
            }
            Some(Reason::Intercepted) => "something near us answers for everybody".to_owned(),
            Some(Reason::RateLimited) => format!("the routers behind it answer too seldom; {last}"),
            Some(Reason::TimeVarying) => match self.draft.ground {
                Ground::NowAndThen { answered, sent } => format!(
                    "the target answers at one time and not at another: {answered} of {sent} probes with a full TTL"
                ),
                _ => "the target answered at one time and not at another".to_owned(),
            },
            Some(Reason::SelfCheck) => match self.draft.ground {
                Ground::CannotSend => "this host could not send its probes".to_owned(),
                Ground::FarHostSilent => format!(
                    "not even {} answers, which is known to work: the fault is near this host, or meets everybody",
                    self.far_host()
                ),
                _ => "not one packet came back, so that the fault may lie with this host or its firewall"
                    .to_owned(),
            },
            Some(Reason::PriorSensitive) => {
                format!(
                    "the loss seems to be {}, but that depends on what one assumes beforehand",
                    self.interval()
                )
            }
            Some(Reason::Weak) | None => format!(
                "the evidence is too weak ({} pairs, e-value {:.0}, posterior {:.2}); {last}",
                figures.pairs, figures.e_value, figures.posterior
            ),
        }
    }

    fn next_step(&self) -> Option<String> {
        if let Some(step) = self.facts.size().and_then(|size| self.next_for_size(size)) {
            return Some(step);
        }
        let host = &self.facts.run().destination(Run::TARGET).host;
        let step = match (self.draft.kind, self.draft.reason) {
            (Kind::Reachable, _) => return None,
            (Kind::LostInsideAs | Kind::LostAtAsBorder | Kind::Partial, _) => format!(
                "send this report to your provider and ask to check routes and filters for {host} there; repeat it from \
                 another provider to show that the host itself is up"
            ),
            (Kind::Rejected | Kind::RoutingFault | Kind::Injected, _) => format!(
                "send this report to your provider and ask what is configured for {host} on that device"
            ),
            (Kind::LostInAsRange, _) => {
                "repeat with a second reference (-r) and from another provider: that narrows the range"
                    .to_owned()
            }
            (Kind::DestinationNetwork, _) => {
                "ask the destination's operator, and repeat from another provider".to_owned()
            }
            (Kind::HostOrReturnPath, _) => format!(
                "try from another network whether {host} is up; if it is, ask its operator for a trace back to you"
            ),
            (Kind::Intercepted, _) => "repeat with ICMP (-I), which the device does not answer".to_owned(),
            (Kind::Local, _) => {
                "check your own router and firewall, then ask your access provider".to_owned()
            }
            (Kind::Inconclusive, reason) => self.next_after(reason),
        };
        Some(step)
    }

    fn next_after(&self, reason: Option<Reason>) -> String {
        match reason {
            Some(Reason::NoReference) => {
                "name a host of the same network that works, on the same port: -r HOST".to_owned()
            }
            Some(Reason::ReferenceUnreachable) => {
                "name another reference (-r HOST), best one outside the target's prefix but in its network"
                    .to_owned()
            }
            Some(Reason::ReferenceDiverges) => {
                "name a reference nearer to the target, best in the same /24 (-r HOST)".to_owned()
            }
            Some(Reason::NoControlHop) if self.cut_short() => "allow more hops (-m 30)".to_owned(),
            Some(Reason::NoControlHop | Reason::RateLimited) => {
                "repeat with ICMP (-I) or another reference (-r HOST): other packets may draw answers there"
                    .to_owned()
            }
            Some(Reason::EcmpUnresolved) => {
                "name two more references around the target's address (-r HOST -r HOST)".to_owned()
            }
            Some(Reason::UnstableRoute | Reason::TimeVarying) => {
                "repeat the measurement in ten minutes".to_owned()
            }
            Some(Reason::Contradiction) => {
                "repeat on another port and with ICMP (-I), and compare where the answers come from"
                    .to_owned()
            }
            Some(Reason::Mapping) => "repeat with a table that covers these addresses (--db FILE)".to_owned(),
            Some(Reason::Intercepted) => "repeat with ICMP (-I)".to_owned(),
            Some(Reason::SelfCheck) => match self.draft.ground {
                Ground::CannotSend => {
                    "check the interface, the route and this host's output firewall rules".to_owned()
                }
                _ => "let ICMP time exceeded and unreachable in through this host's firewall, then repeat"
                    .to_owned(),
            },
            Some(Reason::PriorSensitive | Reason::Weak) | None => {
                "repeat with a second reference (-r HOST), or give it more probes (--max-probes)".to_owned()
            }
        }
    }
}

/// An unreachable message by its name and numbers.
fn unreachable(kind: ReplyKind) -> String {
    let ReplyKind::Unreachable { icmp_type, code } = kind else { return "ICMP".to_owned() };
    let name = match (icmp_type, code) {
        (3, 0) => "network unreachable",
        (3, 1) | (1, 3) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) | (1, 4) => "port unreachable",
        (3, 9) => "network administratively prohibited",
        (3, 10) => "host administratively prohibited",
        (3, 13) | (1, 1) => "communication administratively prohibited",
        (1, 0) => "no route",
        (1, 5) => "source address failed policy",
        (1, 6) => "reject route",
        _ => "unreachable",
    };
    format!("ICMP {name}, type {icmp_type} code {code}")
}

/// What the verdict's mechanism and scope are called in a sentence.
#[must_use]
pub fn how(mechanism: Mechanism, scope: Scope) -> String {
    let mechanism = match mechanism {
        Mechanism::None => "nothing is lost",
        Mechanism::SilentDrop => "dropped without a word",
        Mechanism::IcmpReject => "refused by an ICMP message",
        Mechanism::TcpReset => "reset by a device that is not the host",
        Mechanism::ForgedAnswer => "answered by a device that is not the host",
        Mechanism::Loop => "sent in circles",
        Mechanism::NoRoute => "returned as unroutable",
        Mechanism::Unknown => "unknown",
    };
    let scope = match scope {
        Scope::Host => "everything tried to this address",
        Scope::Port => "this port only: another port of the host passes",
        Scope::Protocol => "this protocol only: another one to the host passes",
        Scope::Prefix => "the references' addresses as well",
        Scope::Unknown => return mechanism.to_owned(),
    };
    format!("{mechanism}; {scope}")
}
