//! What a node does with a packet, in the order in which a router does it.

use std::net::IpAddr;
use std::time::Duration;

use super::network::{Bucket, Event, Kind, Network, ports};
use super::rewrite::{self, End};
use super::topology::{Action, Place, RejectCode, ReplyFrom, Router, Rule};
use crate::packet::build::{self, Ip};
use crate::packet::extensions::LabelEntry;
use crate::packet::icmp::{self, Message};
use crate::packet::ip::{self, Header};
use crate::packet::tcp::flags;
use crate::packet::{protocol, tcp};

/// How long a router asks for a neighbour's hardware address before it gives up (Linux: three times a second).
const RESOLUTION: Duration = Duration::from_secs(3);
/// TTL of what a router sends of its own where the file does not say it.
const ROUTER_TTL: u8 = 255;
/// How many ICMP errors may bunch at a limited router where the file does not say it (Linux).
const BURST: f64 = 6.0;
/// Bytes of an ICMP error: what every link takes (RFC 1812 §4.3.2.3, RFC 4443 §2.4).
const LONGEST_ERROR: (usize, usize) = (576, 1280);

impl Network {
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { node, link, packet, walked } => self.arrive(node, link, packet, walked),
            Event::Unresolved { node, link, packet } => {
                if let Ok((header, _)) = ip::read(&packet) {
                    let (icmp_type, code) = RejectCode::HostUnreachable.icmp(self.v6);
                    self.error(node, link, &header, &packet, (icmp_type, code, 0));
                }
            }
            Event::Repeat { node, key, packet, nth } => self.repeat(node, key, packet, nth),
        }
    }

    fn arrive(&mut self, node: usize, link: Option<usize>, mut packet: Vec<u8>, walked: u16) {
        self.untranslate(node, &mut packet);
        let bytes = packet.clone();
        let Ok((header, payload)) = ip::read(&bytes) else { return };
        if let Some(rule) = self.filter(node, Place::Ingress, &header, payload)
            && !self.act(node, link, &rule, &header, payload, &packet)
        {
            return;
        }
        let own = self.node_of(header.destination) == Some(node);
        match &self.nodes[node].kind {
            Kind::Vantage => {
                if own {
                    self.answered(&header, payload);
                    self.receive(packet);
                }
                return;
            }
            Kind::Host(_) => {
                if own {
                    self.host(node, &header, payload);
                }
                return;
            }
            Kind::Router(_) if own => {
                self.router_itself(node, &header, payload);
                return;
            }
            Kind::Router(router) => {
                if !router.hidden {
                    if header.ttl <= 1 {
                        let icmp_type = if self.v6 { 3 } else { 11 };
                        self.error(node, link, &header, &packet, (icmp_type, 0, 0));
                        return;
                    }
                    rewrite::set_ttl(&mut packet, router.set_ttl.unwrap_or(header.ttl - 1));
                }
            }
        }
        if let Some(rule) = self.filter(node, Place::Forward, &header, payload)
            && !self.act(node, link, &rule, &header, payload, &packet)
        {
            return;
        }
        let Some(out) = self.way(node, &header, payload) else {
            if self.node_of(header.destination).is_none() && self.home_of(header.destination) == Some(node) {
                // An address of its own network that nobody has.
                self.schedule(RESOLUTION, Event::Unresolved { node, link, packet });
                return;
            }
            let (icmp_type, code) = RejectCode::NetUnreachable.icmp(self.v6);
            self.error(node, link, &header, &packet, (icmp_type, code, 0));
            return;
        };
        self.translate(node, out, &header, payload, &mut packet);
        let next = self.links[out].other(node);
        if matches!(&self.nodes[next].kind, Kind::Host(host) if host.down) {
            self.schedule(RESOLUTION, Event::Unresolved { node, link, packet });
            return;
        }
        self.cross(node, out, packet, walked);
    }

    /// Acts as a rule says; whether the packet goes on.
    fn act(
        &mut self,
        node: usize,
        link: Option<usize>,
        rule: &Rule,
        header: &Header,
        payload: &[u8],
        packet: &[u8],
    ) -> bool {
        match rule.action {
            Action::Drop => {}
            Action::Reject => {
                let (icmp_type, code) = rule.code.icmp(self.v6);
                let mtu =
                    rule.mtu.or(rule.above.map(u32::from)).filter(|_| rule.code == RejectCode::PacketTooBig);
                self.error(node, link, header, packet, (icmp_type, code, mtu.unwrap_or(0)));
            }
            Action::Reset | Action::Answer => {
                let ttl = if rule.mirror_ttl { header.ttl } else { rule.ttl.unwrap_or(64) };
                if let Some(forged) = forged(rule.action, header, payload, ttl) {
                    self.originate(node, forged);
                }
            }
        }
        rule.pass
    }

    /// Sends an ICMP error about a packet, if this node does so, and now: its type, its code, and its second word.
    pub(super) fn error(
        &mut self,
        node: usize,
        link: Option<usize>,
        about: &Header,
        packet: &[u8],
        (icmp_type, code, rest): (u8, u8, u32),
    ) {
        let Ok((header, payload)) = ip::read(packet) else { return };
        // RFC 1812 §4.3.2.7: no error about an error.
        if matches!(icmp::read(&header, payload), Ok(Message::Error { .. })) {
            return;
        }
        let usual = Router::default();
        let router = match &self.nodes[node].kind {
            Kind::Router(router) => router.clone(),
            Kind::Host(_) | Kind::Vantage => usual,
        };
        if router.silent || !self.may_speak(node, &router, about.source) {
            return;
        }
        let Some(source) = self.speaks_as(node, link, &router, about) else { return };
        let ttl = match &self.nodes[node].kind {
            Kind::Host(host) => host.ttl,
            _ => router.ttl.unwrap_or(ROUTER_TTL),
        };
        let longest = if self.v6 { LONGEST_ERROR.1 - 48 } else { LONGEST_ERROR.0 - 28 };
        let quote = if router.short_quote {
            icmp::minimal_quote(packet, &header)
        } else {
            packet[..packet.len().min(longest)].to_vec()
        };
        let last = router.mpls.len().saturating_sub(1);
        let labels: Vec<LabelEntry> = router
            .mpls
            .iter()
            .enumerate()
            .map(|(place, label)| LabelEntry { label: *label, tc: 0, bottom: place == last, ttl: 1 })
            .collect();
        let extension = (!labels.is_empty()).then(|| build::extension(&labels, &[]));
        let error = build::icmp_error(
            &Ip { source, destination: about.source, ttl, tos: 0xc0, id: 0, label: 0, dont_fragment: false },
            icmp_type,
            code,
            rest,
            &quote,
            extension.as_deref(),
        );
        self.originate(node, error);
    }

    /// Whether the limits let a node send an ICMP error to this address now.
    fn may_speak(&mut self, node: usize, router: &Router, to: IpAddr) -> bool {
        let now = self.clock();
        if router.answers.is_some_and(|share| self.chance() >= share) {
            return false;
        }
        let Some(rate) = router.icmp_rate else { return true };
        let most = router.icmp_burst.unwrap_or(BURST);
        let bucket = self.nodes[node].buckets.entry(to).or_insert(Bucket { tokens: most, at: now });
        bucket.tokens = (bucket.tokens + now.since(bucket.at).as_secs_f64() * rate).min(most);
        bucket.at = now;
        // What floating point cannot hold is forgiven.
        if bucket.tokens + 1e-9 < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    fn speaks_as(
        &mut self,
        node: usize,
        link: Option<usize>,
        router: &Router,
        about: &Header,
    ) -> Option<IpAddr> {
        if let Some(other) = &router.answers_from {
            return self.place(other).ok().map(|place| place.ip());
        }
        let back = Header { source: about.destination, destination: about.source, ..*about };
        let out = match (router.reply_from, link) {
            (ReplyFrom::Ingress, Some(link)) => link,
            _ => self.way(node, &back, &[])?,
        };
        Some(self.links[out].address_of(node))
    }

    /// A router answers for its own addresses.
    fn router_itself(&mut self, node: usize, header: &Header, payload: &[u8]) {
        let Kind::Router(router) = &self.nodes[node].kind else { return };
        if router.silent {
            return;
        }
        let ttl = router.ttl.unwrap_or(ROUTER_TTL);
        let answer = match header.protocol {
            protocol::TCP => forged(Action::Reset, header, payload, ttl),
            _ => forged(Action::Answer, header, payload, ttl),
        };
        if let Some(answer) = answer {
            self.originate(node, answer);
        }
    }

    /// Our kernel closes what a SYN-ACK opens (RFC 9293 §3.10.7.1), as it does for the real wire.
    fn answered(&mut self, header: &Header, payload: &[u8]) {
        if header.protocol != protocol::TCP {
            return;
        }
        let Ok(segment) = tcp::Segment::read(payload) else { return };
        if segment.flags & (flags::SYN | flags::ACK) != flags::SYN | flags::ACK {
            return;
        }
        let reset = build::tcp(
            &back(header, 64),
            &build::Tcp {
                source: segment.destination,
                destination: segment.source,
                sequence: segment.acknowledgment,
                acknowledgment: 0,
                flags: flags::RST,
                window: 0,
                options: &[],
            },
        );
        self.originate(self.vantage, reset);
    }

    /// Puts its own address in the place of the vantage's.
    fn translate(&mut self, node: usize, out: usize, header: &Header, payload: &[u8], packet: &mut [u8]) {
        let inside = self.vantage_address();
        if !matches!(&self.nodes[node].kind, Kind::Router(router) if router.nat) || header.source != inside {
            return;
        }
        let outside = self.links[out].address_of(node);
        if let Some(name) = conversation(header, payload, false) {
            self.nodes[node].translated.insert(name, inside);
        }
        rewrite::set_address(packet, End::Source, outside);
    }

    /// Puts the vantage's address back into what comes for a conversation of its; it then goes on like any other.
    fn untranslate(&self, node: usize, packet: &mut [u8]) {
        if !matches!(&self.nodes[node].kind, Kind::Router(router) if router.nat) {
            return;
        }
        let bytes = packet.to_vec();
        let Ok((header, payload)) = ip::read(&bytes) else { return };
        if self.node_of(header.destination) != Some(node) {
            return;
        }
        let (name, quoting) = match icmp::read(&header, payload) {
            Ok(Message::Error { quotation, .. }) => {
                (quoted_conversation(&quotation.header, quotation.transport), true)
            }
            _ => (conversation(&header, payload, true), false),
        };
        let inside = name.and_then(|name| self.nodes[node].translated.get(&name).copied());
        let Some(inside) = inside else { return };
        if quoting {
            rewrite::set_quoted_source(packet, inside);
        }
        rewrite::set_address(packet, End::Destination, inside);
    }
}

/// The header of an answer to a packet with this one.
pub(super) fn back(header: &Header, ttl: u8) -> Ip {
    Ip {
        source: header.destination,
        destination: header.source,
        ttl,
        tos: 0,
        id: 0,
        label: 0,
        dont_fragment: true,
    }
}

/// What an answer to a SYN acknowledges: a host that opens takes the SYN alone and no data with it, a reset counts whatever
/// came (RFC 9293 §3.10.7.1).
pub(super) fn acknowledged(syn: &tcp::Segment<'_>, open: bool) -> u32 {
    let data = if open { 0 } else { syn.payload.len() as u32 };
    syn.sequence.wrapping_add(1).wrapping_add(data)
}

/// An answer in the destination's name: RST, SYN-ACK or echo reply.
fn forged(action: Action, header: &Header, payload: &[u8], ttl: u8) -> Option<Vec<u8>> {
    let ip = back(header, ttl);
    if icmp::is_icmp(header.source, header.protocol) {
        return match icmp::read(header, payload) {
            Ok(Message::Echo { reply: false, id, sequence, payload }) if action == Action::Answer => {
                Some(build::echo(&ip, true, id, sequence, payload))
            }
            _ => None,
        };
    }
    if header.protocol != protocol::TCP {
        return None;
    }
    let segment = tcp::Segment::read(payload).ok()?;
    if segment.flags & flags::SYN == 0 || segment.flags & (flags::ACK | flags::RST) != 0 {
        return None;
    }
    let open = action == Action::Answer;
    Some(build::tcp(
        &ip,
        &build::Tcp {
            source: segment.destination,
            destination: segment.source,
            sequence: if open { 0x1234_5678 } else { 0 },
            acknowledgment: acknowledged(&segment, open),
            flags: flags::ACK | if open { flags::SYN } else { flags::RST },
            window: if open { 8192 } else { 0 },
            options: if open { &[tcp::TcpOption::Mss(1460)] } else { &[] },
        },
    ))
}

/// Protocol and our port or identifier. `towards_us`: the packet comes back.
fn conversation(header: &Header, payload: &[u8], towards_us: bool) -> Option<(u8, u16)> {
    if let Some((source, destination)) = ports(header, payload) {
        return Some((header.protocol, if towards_us { destination } else { source }));
    }
    match icmp::read(header, payload) {
        Ok(Message::Echo { id, .. }) => Some((header.protocol, id)),
        _ => None,
    }
}

/// The same of a packet of ours that an error quotes, of which eight bytes are enough.
fn quoted_conversation(header: &Header, transport: &[u8]) -> Option<(u8, u16)> {
    let at = if icmp::is_icmp(header.source, header.protocol) { 4 } else { 0 };
    let bytes = transport.get(at..at + 2)?;
    Some((header.protocol, u16::from_be_bytes([bytes[0], bytes[1]])))
}
