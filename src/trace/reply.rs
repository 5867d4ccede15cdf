//! One answer to one probe, as it came off the wire.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Moment;

/// What kind of packet answered. Decided by the packet and by what it quotes, never by who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReplyKind {
    /// ICMP time exceeded in transit (RFC 792 type 11 code 0, RFC 4443 type 3 code 0). From a device on the way,
    /// even when its source address is the target's own (a NAT rewrites it).
    TimeExceeded,
    /// ICMP destination unreachable with its type and code (RFC 792 type 3, RFC 4443 type 1).
    Unreachable {
        /// ICMP type as received: 3 (IPv4) or 1 (IPv6).
        icmp_type: u8,
        /// ICMP code as received.
        code: u8,
    },
    /// ICMP fragmentation needed or packet too big, with the next hop's MTU in bytes.
    TooBig {
        /// The MTU the sender of the message gives.
        mtu: u32,
    },
    /// TCP SYN with ACK of our sequence number plus one.
    SynAck,
    /// TCP RST that belongs to our SYN.
    Rst,
    /// ICMP echo reply with our identifier, sequence number and payload.
    EchoReply,
    /// A UDP datagram from the port we sent to.
    UdpAnswer,
    /// Another ICMP error that quotes a probe of ours (redirect, parameter problem, source quench).
    OtherIcmp {
        /// ICMP type as received.
        icmp_type: u8,
        /// ICMP code as received.
        code: u8,
    },
}

impl ReplyKind {
    /// Whether only a host that was reached, or something that speaks in its name, sends this kind.
    ///
    /// Port and protocol unreachable are not among them: who sent those decides, see [`Reply::answers_for`].
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::SynAck | Self::Rst | Self::EchoReply | Self::UdpAnswer)
    }

    /// Port or protocol unreachable (IPv4 3/3, 3/2; IPv6 1/4): what a host says of itself, or a firewall says for it.
    #[must_use]
    pub const fn is_port_unreachable(self) -> bool {
        matches!(
            self,
            Self::Unreachable { icmp_type: 3, code: 2 | 3 } | Self::Unreachable { icmp_type: 1, code: 4 }
        )
    }

    /// A policy speaks: administratively prohibited (IPv4 3/9, 3/10, 3/13; IPv6 1/1, 1/5, 1/6).
    #[must_use]
    pub const fn is_prohibited(self) -> bool {
        matches!(
            self,
            Self::Unreachable { icmp_type: 3, code: 9 | 10 | 13 }
                | Self::Unreachable { icmp_type: 1, code: 1 | 5 | 6 }
        )
    }

    /// Routing speaks: network or host unreachable (IPv4 3/0, 3/1, 3/6, 3/7, 3/8, 3/11, 3/12; IPv6 1/0, 1/2, 1/3).
    #[must_use]
    pub const fn is_no_route(self) -> bool {
        matches!(
            self,
            Self::Unreachable { icmp_type: 3, code: 0 | 1 | 6 | 7 | 8 | 11 | 12 }
                | Self::Unreachable { icmp_type: 1, code: 0 | 2 | 3 }
        )
    }
}

/// What a TCP answer showed beyond its flags. Differences between answers that claim one sender betray a forger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpReply {
    /// The flag byte as received (FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128).
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
    /// Option kinds in order of appearance (RFC 9293 §3.1): 2 MSS, 3 window scale, 4 SACK permitted, 8 timestamps.
    pub options: Vec<u8>,
    /// The MSS option's value in bytes.
    pub mss: Option<u16>,
}

/// The part of our probe that an ICMP error carried back, where it says something of the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quoted {
    /// TTL or hop limit in the quote. 0 or 1 is usual; more hints at a tunnel or a box that rewrites it.
    pub ttl: u8,
    /// Type of service or traffic class in the quote.
    pub tos: u8,
    /// Bytes of our packet quoted, IP header included, RFC 4884 padding excluded.
    pub length: u16,
    /// The quoted destination, if it is not the one we sent to: somebody translated it on the way (DNAT).
    pub destination: Option<IpAddr>,
    /// The quoted source, if it is not ours: somebody translated it and did not translate it back.
    pub source: Option<IpAddr>,
}

/// One MPLS label stack entry (RFC 4950), top of the stack first in every list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MplsLabel {
    /// 20-bit label.
    pub label: u32,
    /// Three traffic class bits (once "experimental").
    pub tc: u8,
    /// Bottom of stack.
    pub bottom: bool,
    /// TTL of the entry.
    pub ttl: u8,
}

/// Which interface of the answering router an object describes (RFC 5837 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceRole {
    /// The interface the probe came in on.
    Incoming,
    /// The sub-IP component of the incoming interface.
    SubIp,
    /// The interface the probe would have left by.
    Outgoing,
    /// The IP next hop the probe would have been sent to.
    NextHop,
}

/// An RFC 5837 interface information object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceObject {
    /// Which interface it describes.
    pub role: InterfaceRole,
    /// ifIndex, if given.
    pub index: Option<u32>,
    /// An address of the interface, if given.
    pub address: Option<IpAddr>,
    /// The interface's name as sent, not escaped, invalid UTF-8 replaced.
    pub name: Option<String>,
    /// MTU in bytes, if given.
    pub mtu: Option<u32>,
}

/// One answer to one probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// When it arrived, stamped by the kernel where the kernel can.
    pub received_at: Moment,
    /// Arrival minus the probe's departure; written down in nanoseconds.
    #[serde(with = "super::time::nanoseconds")]
    pub rtt: Duration,
    /// Source address of the answering packet.
    pub from: IpAddr,
    /// What answered.
    pub kind: ReplyKind,
    /// TTL or hop limit the answer arrived with.
    pub reply_ttl: Option<u8>,
    /// IPv4 identification of the answer.
    pub ip_id: Option<u16>,
    /// It came after the probe had been given up.
    pub late: bool,
    /// The probe had been answered before with the same kind from the same address.
    pub duplicate: bool,
    /// The answer named the flow but not the probe, and more than one probe was possible; it was given to the one with
    /// the highest TTL, so that it can never place a device nearer than it is.
    pub ambiguous: bool,
    /// What an ICMP error quoted.
    pub quoted: Option<Quoted>,
    /// What a TCP answer showed.
    pub tcp: Option<TcpReply>,
    /// RFC 4950 label stack.
    pub mpls: Vec<MplsLabel>,
    /// RFC 5837 objects.
    pub interfaces: Vec<InterfaceObject>,
}

impl Reply {
    /// Whether this reply shows that a probe reached the host at `address`: a terminal kind, or a port or protocol
    /// unreachable that the host itself sent. A time exceeded never does, whoever sent it.
    #[must_use]
    pub fn answers_for(&self, address: IpAddr) -> bool {
        self.kind.is_terminal() || (self.kind.is_port_unreachable() && self.from == address)
    }
}

/// The initial TTLs that systems use; the smallest one not below a reply's TTL is taken for its sender's.
const INITIAL_TTLS: [u8; 4] = [32, 64, 128, 255];

/// The TTL that a reply's sender is taken to have given it.
#[must_use]
pub fn initial_ttl(reply_ttl: u8) -> u8 {
    INITIAL_TTLS.into_iter().find(|initial| *initial >= reply_ttl).unwrap_or(u8::MAX)
}

/// Routers that a reply has crossed plus one, if it started from one of the usual TTLs: its sender's distance on the way
/// back. As a difference between two replies that claim one sender it does not depend on the route's symmetry.
#[must_use]
pub fn hops_back(reply_ttl: u8) -> u8 {
    (initial_ttl(reply_ttl) - reply_ttl).saturating_add(1)
}
