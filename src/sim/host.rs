//! What a host answers.

use std::net::IpAddr;
use std::time::Duration;

use super::forward::{acknowledged, back};
use super::network::{Event, Kind, Network};
use super::topology::RejectCode;
use crate::packet::build::{self, Tcp};
use crate::packet::icmp::{self, Message};
use crate::packet::ip::Header;
use crate::packet::tcp::{self, TcpOption, flags};
use crate::packet::{protocol, udp};

/// A connection that was asked for and answered, and not confirmed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HalfOpen {
    /// The sequence number that it was asked for with.
    sequence: u32,
}

/// How often an unconfirmed SYN-ACK is repeated, after 1, 2 and 4 more seconds.
const REPEATS: u32 = 3;

impl Network {
    /// A packet has come to a host whose own it is.
    pub(super) fn host(&mut self, node: usize, header: &Header, payload: &[u8]) {
        let Kind::Host(host) = self.nodes[node].kind.clone() else { return };
        let ip = back(header, host.ttl);
        if icmp::is_icmp(header.source, header.protocol) {
            if let Ok(Message::Echo { reply: false, id, sequence, payload }) = icmp::read(header, payload)
                && host.echo
            {
                self.originate(node, build::echo(&ip, true, id, sequence, payload));
            }
            return;
        }
        match header.protocol {
            protocol::TCP => {
                let Ok(segment) = tcp::Segment::read(payload) else { return };
                let key = (header.source, segment.source, segment.destination);
                if segment.flags & flags::RST != 0 {
                    self.nodes[node].half_open.remove(&key);
                    return;
                }
                if segment.flags & (flags::SYN | flags::ACK) != flags::SYN {
                    return;
                }
                let known = self.nodes[node].half_open.get(&key).copied();
                // A second SYN with another sequence number is outside the window of the first: Linux resets it.
                let open = host.open.contains(&segment.destination)
                    && known.is_none_or(|known| known.sequence == segment.sequence);
                if !open && !host.refuses && known.is_none() {
                    return;
                }
                let stamp = segment.options().find_map(|option| match option {
                    TcpOption::Timestamps { value, .. } => Some(value),
                    _ => None,
                });
                let mut options = vec![TcpOption::Mss(1460), TcpOption::SackPermitted];
                if let Some(echo) = stamp {
                    options.push(TcpOption::Timestamps { value: 1, echo });
                }
                options.extend([TcpOption::Nop, TcpOption::WindowScale(7)]);
                let packet = build::tcp(
                    &ip,
                    &Tcp {
                        source: segment.destination,
                        destination: segment.source,
                        sequence: if open { 0x0102_0304 } else { 0 },
                        acknowledgment: acknowledged(&segment, open),
                        flags: flags::ACK | if open { flags::SYN } else { flags::RST },
                        window: if open { 64_240 } else { 0 },
                        options: if open { &options } else { &[] },
                    },
                );
                if open && known.is_none() {
                    self.nodes[node].half_open.insert(key, HalfOpen { sequence: segment.sequence });
                    let again = Event::Repeat { node, key, packet: packet.clone(), nth: 0 };
                    self.schedule(Duration::from_secs(1), again);
                }
                self.originate(node, packet);
            }
            protocol::UDP => {
                let Ok(datagram) = udp::Datagram::read(payload) else { return };
                if host.open.contains(&datagram.destination) {
                    let answer = build::udp(&ip, datagram.destination, datagram.source, datagram.payload);
                    self.originate(node, answer);
                } else if host.refuses {
                    let (icmp_type, code) = RejectCode::PortUnreachable.icmp(self.v6);
                    let whole = requoted(header, payload);
                    self.error(node, None, header, &whole, (icmp_type, code, 0));
                }
            }
            _ => {}
        }
    }

    pub(super) fn repeat(&mut self, node: usize, key: (IpAddr, u16, u16), packet: Vec<u8>, nth: u32) {
        if !self.nodes[node].half_open.contains_key(&key) {
            return;
        }
        if nth + 1 < REPEATS {
            let again = Event::Repeat { node, key, packet: packet.clone(), nth: nth + 1 };
            self.schedule(Duration::from_secs(2 << nth), again);
        } else {
            self.nodes[node].half_open.remove(&key);
        }
        self.originate(node, packet);
    }
}

/// The packet as it came, for the quote of an error.
fn requoted(header: &Header, payload: &[u8]) -> Vec<u8> {
    let ip = build::Ip {
        source: header.source,
        destination: header.destination,
        ttl: header.ttl,
        tos: header.tos,
        id: header.id.unwrap_or(0),
        label: header.label.unwrap_or(0),
        dont_fragment: header.dont_fragment,
    };
    build::datagram(&ip, header.protocol, payload)
}
