//! scamper's own files: records of a type and a length, their values told by flags (warts(5)).
//!
//! A record is read whole before it is understood, in pieces, so that a length that lies asks for no memory. What is no
//! trace is passed by its length. Addresses are written once a record and then meant by number; the oldest files kept
//! them once a file, in records of their own.

use std::io::{BufRead, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{REPLIES, Record, Reply, Stop, protocol};
use crate::import::data::stream::{finish, note};
use crate::import::data::words::{clean, name_of};
use crate::import::{Each, Error, Outcome};
use crate::trace::foreign::most;
use crate::trace::{MplsLabel, Protocol};

/// Every record begins with these bytes.
const MAGIC: u16 = 0x1205;

/// The longest record that is read; a trace has some 30 KiB at most.
const LONGEST: u32 = 1 << 24;

/// Addresses and cycles of a file that are kept.
const KEPT: usize = 1 << 20;

/// Types of records.
mod kind {
    pub(super) const LIST: u16 = 1;
    pub(super) const CYCLE_START: u16 = 2;
    pub(super) const CYCLE_DEFINITION: u16 = 3;
    pub(super) const CYCLE_STOP: u16 = 4;
    pub(super) const ADDRESS: u16 = 5;
    pub(super) const TRACE: u16 = 6;
}

/// scamper's methods by their numbers; 0 and what is beyond is unknown.
const METHODS: [&str; 7] = ["", "icmp-echo", "udp", "tcp", "icmp-echo-paris", "udp-paris", "tcp-ack"];

/// What names the records that are passed.
const OTHERS: [(u16, &str); 9] = [
    (7, "ping"),
    (8, "tracelb"),
    (9, "dealias"),
    (10, "neighbourdisc"),
    (11, "tbit"),
    (12, "sting"),
    (13, "sniff"),
    (14, "host"),
    (15, "http"),
];

/// Reads all traces of a file, unpacked already.
pub(in crate::import::data) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let mut file = File::default();
    let mut others: Vec<(u16, u64, u64)> = Vec::new();
    let mut number = 0;
    while let Some((kind, body)) = next(input, number + 1, &mut outcome)? {
        number += 1;
        let understood = match kind {
            kind::TRACE => match file.trace(&body) {
                Some(record) => {
                    outcome.traces += 1;
                    if each(record.into_trace("warts", None, (number, number))).is_break() {
                        return Ok(outcome);
                    }
                    true
                }
                None => false,
            },
            kind::CYCLE_START | kind::CYCLE_DEFINITION => file.cycle(&body).is_some(),
            kind::ADDRESS => file.address(&body).is_some(),
            kind::LIST | kind::CYCLE_STOP => true,
            other => {
                let at = others.iter().position(|(known, ..)| *known == other);
                match at {
                    Some(at) => others[at].2 += 1,
                    None if others.len() < 32 => others.push((other, number, 1)),
                    None => {}
                }
                true
            }
        };
        if !understood {
            note(&mut outcome, Some(number), "this record is broken and left out".to_owned());
        }
    }
    for (kind, first, times) in others {
        let name = OTHERS.iter().find(|(known, _)| *known == kind).map_or("unknown", |(_, name)| name);
        note(
            &mut outcome,
            Some(first),
            format!("left out, they are no traces: records of type {kind}, {name} ({times})"),
        );
    }
    finish(outcome, "warts file")
}

/// The next record's type and body.
fn next(
    input: &mut dyn BufRead,
    number: u64,
    outcome: &mut Outcome,
) -> Result<Option<(u16, Vec<u8>)>, Error> {
    let mut head = Vec::with_capacity(8);
    input.take(8).read_to_end(&mut head).map_err(Error::reading)?;
    if head.is_empty() {
        return Ok(None);
    }
    let mut fields = Bytes(&head);
    let (magic, kind, length) = (fields.u16(), fields.u16(), fields.u32());
    let (Some(kind), Some(length), Some(MAGIC)) = (kind, length, magic) else {
        let cut = head.len() < 8 && head.starts_with(&MAGIC.to_be_bytes()[..head.len().min(2)]);
        let what = if cut {
            "the file ends within this record"
        } else {
            "no record begins here: the rest is left out"
        };
        note(outcome, Some(number), what.to_owned());
        return Ok(None);
    };
    if length > LONGEST {
        note(outcome, Some(number), format!("a record of {length} bytes is none: the rest is left out"));
        return Ok(None);
    }
    // Grows as bytes come: a length alone asks for nothing.
    let mut body = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut body).map_err(Error::reading)?;
    if body.len() < length as usize {
        note(outcome, Some(number), "the file ends within this record".to_owned());
        return Ok(None);
    }
    Ok(Some((kind, body)))
}

/// Bytes that are read from the front.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A text that ends with a zero.
    fn string(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.u8()?;
        Some(text)
    }

    /// Which values are there, and those values: flags of seven to a byte, then their length, then they.
    fn parameters(&mut self) -> Option<(Flags, Bytes<'a>)> {
        let mut flags = Flags::default();
        for at in 0.. {
            let byte = self.u8()?;
            // No record has more than 33 flags; what is beyond is passed by the length.
            if at < 9 {
                flags.0 |= u64::from(byte & 0x7f) << (7 * at);
            }
            if byte & 0x80 == 0 {
                break;
            }
        }
        let values = if flags.0 == 0 {
            &[]
        } else {
            let length = self.u16()?;
            self.take(usize::from(length))?
        };
        Some((flags, Bytes(values)))
    }

    /// An address: in full, which gives it the next number of its record, or by number.
    fn address(&mut self, known: &mut Vec<Option<IpAddr>>) -> Option<Option<IpAddr>> {
        let length = self.u8()?;
        if length == 0 {
            let number = self.u32()?;
            return known.get(number as usize).copied();
        }
        let kind = self.u8()?;
        let found = ip(kind, self.take(usize::from(length))?);
        known.push(found);
        Some(found)
    }
}

fn ip(kind: u8, bytes: &[u8]) -> Option<IpAddr> {
    match kind {
        1 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        2 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// Flags, of which the first has the number 1.
#[derive(Clone, Copy, Default)]
struct Flags(u64);

impl Flags {
    fn has(self, flag: u32) -> bool {
        self.0 >> (flag - 1) & 1 == 1
    }
}

/// What records say of others in the same file.
#[derive(Default)]
struct File {
    /// Of the oldest files: addresses by number, from 1.
    addresses: Vec<Option<IpAddr>>,
    /// Names of monitors by the number of their cycle.
    cycles: Vec<(u32, Option<String>)>,
}

impl File {
    /// An address of the oldest files: its number's last byte, its type, itself.
    fn address(&mut self, body: &[u8]) -> Option<()> {
        let mut body = Bytes(body);
        body.u8()?;
        let kind = body.u8()?;
        let found = ip(kind, body.0);
        if self.addresses.len() < KEPT {
            self.addresses.push(found);
        }
        Some(())
    }

    fn known(&self, number: u32) -> Option<IpAddr> {
        // Number 0 is no address.
        self.addresses.get((number as usize).checked_sub(1)?).copied().flatten()
    }

    fn cycle(&mut self, body: &[u8]) -> Option<()> {
        let mut body = Bytes(body);
        let number = body.u32()?;
        body.take(12)?;
        let (flags, mut values) = body.parameters()?;
        // Flag 1 is when the cycle stopped.
        if flags.has(1) {
            values.u32()?;
        }
        let name = if flags.has(2) { Some(values.string()?) } else { None };
        let name = name.map(|name| clean(&String::from_utf8_lossy(name))).filter(|name| !name.is_empty());
        if self.cycles.len() < KEPT {
            self.cycles.push((number, name));
        }
        Some(())
    }

    fn trace(&self, body: &[u8]) -> Option<Record> {
        let mut body = Bytes(body);
        let mut known = Vec::new();
        let mut record = self.head(&mut body, &mut known)?;
        let count = body.u16()?;
        for at in 0..count {
            let reply = self.reply(&mut body, &mut known)?;
            if usize::from(at) < REPLIES {
                record.replies.push(reply);
            } else {
                record.left += 1;
            }
        }
        // What follows the replies is of scamper's other ways to stop; its end is the value zero.
        while let Some(header @ 1..) = body.u16() {
            body.take(usize::from(header & 0x0fff))?;
            match header >> 12 {
                1 => record
                    .findings
                    .push("scamper also looked for the path's MTU; that is left out".to_owned()),
                2 => record
                    .findings
                    .push("scamper also asked once with a large TTL at the end; that is left out".to_owned()),
                3 => record
                    .findings
                    .push("scamper traced from the middle to both ends (doubletree)".to_owned()),
                other => record.findings.push(format!("data of type {other} are left out")),
            }
            if record.findings.len() > most::FINDINGS {
                return None;
            }
        }
        Some(record)
    }

    /// The values of the trace as a whole, in the order of their flags.
    fn head(&self, body: &mut Bytes<'_>, known: &mut Vec<Option<IpAddr>>) -> Option<Record> {
        let mut record = Record::default();
        let (flags, mut values) = body.parameters()?;
        let values = &mut values;
        for flag in (1..=33).filter(|flag| flags.has(*flag)) {
            match flag {
                2 => {
                    let number = values.u32()?;
                    let cycle = self.cycles.iter().rev().find(|(known, _)| *known == number);
                    record.monitor = cycle.and_then(|(_, name)| name.clone());
                }
                3 => record.source = self.known(values.u32()?),
                4 => record.target = self.known(values.u32()?),
                5 => {
                    let (seconds, microseconds) = (values.u32()?, values.u32()?);
                    record.began = Some(i64::from(seconds) * 1_000_000_000 + i64::from(microseconds) * 1000);
                }
                6 => record.stop = Stop::of_number(values.u8()?),
                7 => record.stop_data = values.u8()?,
                9 => record.attempts = Some(values.u8()?),
                11 => {
                    record.protocol =
                        METHODS.get(usize::from(values.u8()?)).and_then(|method| protocol(method))
                }
                12 => record.size = Some(values.u16()?),
                14 => record.port = Some(values.u16()?),
                15 => record.first = Some(values.u8()?),
                19 => record.hops = Some(values.u16()?),
                23 => record.sent = Some(u32::from(values.u16()?)),
                26 => record.source = values.address(known)?,
                27 => record.target = values.address(known)?,
                30 => {
                    values.address(known)?;
                }
                1 | 28 | 32 => {
                    values.u32()?;
                }
                13 | 29 => {
                    values.u16()?;
                }
                _ => {
                    values.u8()?;
                }
            }
        }
        record.port = record.port.filter(|_| record.protocol != Some(Protocol::Icmp));
        Some(record)
    }

    fn reply(&self, body: &mut Bytes<'_>, known: &mut Vec<Option<IpAddr>>) -> Option<Reply> {
        /// The reply's own TTL is known.
        const HAS_TTL: u8 = 0x10;
        /// It is a TCP packet.
        const TCP: u8 = 0x20;
        let (flags, mut values) = body.parameters()?;
        let values = &mut values;
        let mut reply = Reply { attempt: 1, ..Reply::default() };
        let (mut marks, mut reply_ttl) = (0, None);
        let (mut icmp, mut tcp, mut quoted) = (None, None, None);
        for flag in (1..=20).filter(|flag| flags.has(*flag)) {
            match flag {
                1 => reply.address = self.known(values.u32()?),
                2 => reply.ttl = values.u8()?,
                3 => reply_ttl = Some(values.u8()?),
                4 => marks = values.u8()?,
                5 => reply.attempt = values.u8()?.saturating_add(1),
                6 => reply.rtt_ms = Some(f64::from(values.u32()?) / 1000.0),
                7 => icmp = Some((values.u8()?, values.u8()?)),
                12 => reply.mtu = Some(u32::from(values.u16()?)),
                14 => quoted = Some(values.u8()?),
                15 => tcp = Some(values.u8()?),
                17 => reply.mpls = extensions(values)?,
                18 => reply.address = values.address(known)?,
                19 => {
                    values.take(8)?;
                }
                20 => {
                    let name = values.string()?;
                    reply.name = name_of(&String::from_utf8_lossy(name), reply.address);
                }
                11 | 16 => {
                    values.u8()?;
                }
                _ => {
                    values.u16()?;
                }
            }
        }
        reply.reply_ttl = reply_ttl.filter(|_| marks & HAS_TTL != 0);
        if marks & TCP != 0 {
            reply.tcp_flags = Some(tcp.unwrap_or(0));
        } else if let Some(icmp) = icmp {
            reply.icmp = Some(icmp);
            // An error quotes a packet, and a quoted TTL of 1 is left out.
            let error = if reply.address.is_some_and(|address| address.is_ipv6()) {
                icmp.0 < 128
            } else {
                matches!(icmp.0, 3 | 4 | 5 | 11 | 12)
            };
            reply.quoted_ttl = error.then(|| quoted.unwrap_or(1));
        }
        Some(reply)
    }
}

/// RFC 4884 objects: the label stack of RFC 4950 (class 1, type 1) is kept.
fn extensions(values: &mut Bytes<'_>) -> Option<Vec<MplsLabel>> {
    let length = values.u16()?;
    let mut objects = Bytes(values.take(usize::from(length))?);
    let mut stack = Vec::new();
    while !objects.0.is_empty() {
        let (length, class, kind) = (objects.u16()?, objects.u8()?, objects.u8()?);
        let mut data = Bytes(objects.take(usize::from(length))?);
        while (class, kind) == (1, 1) && stack.len() < most::LABELS {
            let Some(entry) = data.u32() else { break };
            stack.push(MplsLabel {
                label: entry >> 12,
                tc: (entry >> 9) as u8 & 7,
                bottom: entry >> 8 & 1 == 1,
                ttl: entry as u8,
            });
        }
    }
    Some(stack)
}
