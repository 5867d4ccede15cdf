//! A run line by line: `lasthop.probes/1`, in JSON Lines.
//!
//! The first line is the [`Head`]: everything of a [`Run`] but its probes, and the two settings that a conclusion depends
//! on. Every further line is one [`Probe`] with all its replies, in order of sending. All times are nanoseconds since the
//! run began (`started_at`, the only wall-clock time). A run that was read back is equal to the one that was written.

use std::io::{self, BufRead, Write};
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Destination, End, Flow, Losses, Moment, Probe, Role, Run, Strays, WallTime};

/// The value of `schema` in a head.
pub const SCHEMA: &str = "lasthop.probes/1";
/// A line longer than this was not written by this program: a probe with a hundred replies takes 60,000 bytes.
const LONGEST_LINE: u64 = 4 << 20;
/// More probes than a run can tell apart (16 bits name them).
const MOST_PROBES: usize = 65_534;

/// What a record says beside the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How sure a place must be before it is named, a share below 1.
    pub confidence: f64,
    /// The longest wait for a reply.
    #[serde(rename = "wait_ns", with = "super::time::nanoseconds")]
    pub wait: Duration,
}

/// A run without its probes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// [`SCHEMA`].
    pub schema: String,
    /// RFC 3339 in UTC, with nanoseconds.
    pub started_at: String,
    /// Nanoseconds.
    pub ended_at: Moment,
    /// Why it ended; null while it goes on.
    pub end: Option<End>,
    /// Confidence and wait.
    #[serde(flatten)]
    pub settings: Settings,
    /// Seed of every random choice, and of the key that names the probes.
    pub seed: u64,
    /// Our address.
    pub source: IpAddr,
    /// First TTL.
    pub first_ttl: u8,
    /// Highest TTL.
    pub max_ttl: u8,
    /// Who was probed; the first is the target. A probe names its destination by the place here.
    pub destinations: Vec<Destination>,
    /// A probe names its flow by the place here.
    pub flows: Vec<Flow>,
    /// Packets that were not ours.
    pub strays: Strays,
    /// Packets the kernel lost.
    pub losses: Losses,
}

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It cannot be read at all.
    #[error("cannot read line {line}: {source}")]
    Io {
        /// From 1.
        line: usize,
        /// The system's answer.
        source: io::Error,
    },
    /// It has no lines.
    #[error("it is empty")]
    Empty,
    /// A line is not what it should be.
    #[error("line {line}: {problem}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

impl RecordError {
    /// The way out.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "a record of probes has a head in its first line and a probe in every other, as this program writes them"
    }
}

impl Head {
    /// The head of a run.
    #[must_use]
    pub fn of(run: &Run, settings: Settings) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            started_at: run.started_at.rfc3339(),
            ended_at: run.ended_at,
            end: run.end,
            settings,
            seed: run.seed,
            source: run.source,
            first_ttl: run.first_ttl,
            max_ttl: run.max_ttl,
            destinations: run.destinations.clone(),
            flows: run.flows.clone(),
            strays: run.strays,
            losses: run.losses,
        }
    }

    /// The run without probes.
    ///
    /// # Errors
    /// What in it cannot be of a run.
    pub fn run(self) -> Result<Run, String> {
        if self.schema != SCHEMA {
            return Err(format!("the schema is '{}', not '{SCHEMA}'", self.schema));
        }
        let started_at = WallTime::parse(&self.started_at)
            .ok_or_else(|| format!("'{}' is no time as RFC 3339 writes it", self.started_at))?;
        if !matches!(self.destinations.first(), Some(Destination { role: Role::Target, .. })) {
            return Err("the first destination is not the target".to_owned());
        }
        if self.destinations.len() > usize::from(u16::MAX) || self.flows.len() > usize::from(u16::MAX) {
            return Err("there are more destinations or flows than a run can have".to_owned());
        }
        if !(0.0..1.0).contains(&self.settings.confidence) {
            return Err(format!("a confidence of {} is none", self.settings.confidence));
        }
        Ok(Run {
            started_at,
            ended_at: self.ended_at,
            end: self.end,
            seed: self.seed,
            source: self.source,
            first_ttl: self.first_ttl,
            max_ttl: self.max_ttl,
            destinations: self.destinations,
            flows: self.flows,
            probes: Vec::new(),
            strays: self.strays,
            losses: self.losses,
        })
    }
}

/// Writes a run: a line for the head, a line a probe.
///
/// # Errors
/// Whatever writing fails with.
pub fn write(out: &mut dyn Write, run: &Run, settings: Settings) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Head::of(run, settings))?;
    out.write_all(b"\n")?;
    for probe in &run.probes {
        serde_json::to_writer(&mut *out, probe)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads a run back.
///
/// # Errors
/// [`RecordError`] with the line.
pub fn read(mut input: impl BufRead) -> Result<(Run, Settings), RecordError> {
    let mut line = Vec::new();
    let mut number = 0;
    let mut next = |line: &mut Vec<u8>, number: &mut usize| -> Result<bool, RecordError> {
        line.clear();
        *number += 1;
        let at = *number;
        let failed = |source| RecordError::Io { line: at, source };
        io::Read::take(&mut input, LONGEST_LINE).read_until(b'\n', line).map_err(failed)?;
        match line.last() {
            None => Ok(false),
            Some(b'\n') => Ok(true),
            Some(_) => Err(RecordError::Line { line: at, problem: "it is cut short".to_owned() }),
        }
    };
    if !next(&mut line, &mut number)? {
        return Err(RecordError::Empty);
    }
    let wrong = |line: usize, problem: String| RecordError::Line { line, problem };
    let json = |line, error: serde_json::Error| wrong(line, format!("it is not what it should be: {error}"));
    let head: Head = serde_json::from_slice(&line).map_err(|error| json(1, error))?;
    let settings = head.settings;
    let mut run = head.run().map_err(|problem| wrong(1, problem))?;
    while next(&mut line, &mut number)? {
        let probe: Probe = serde_json::from_slice(&line).map_err(|error| json(number, error))?;
        check(&probe, &run).map_err(|problem| wrong(number, problem))?;
        run.probes.push(probe);
    }
    Ok((run, settings))
}

/// Whether a probe can be the next one of a run.
///
/// # Errors
/// Why not.
pub fn check(probe: &Probe, run: &Run) -> Result<(), String> {
    let place = run.probes.len();
    if place >= MOST_PROBES {
        return Err("there are more probes than a run can have".to_owned());
    }
    if probe.id.0 as usize != place {
        return Err(format!("probe {} stands where probe {place} should be", probe.id.0));
    }
    if usize::from(probe.destination.0) >= run.destinations.len() {
        return Err(format!("there is no destination {}", probe.destination.0));
    }
    if usize::from(probe.flow.0) >= run.flows.len() {
        return Err(format!("there is no flow {}", probe.flow.0));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::*;
    use super::*;

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
    }

    fn kind() -> impl Strategy<Value = ReplyKind> {
        prop_oneof![
            Just(ReplyKind::TimeExceeded),
            Just(ReplyKind::SynAck),
            Just(ReplyKind::UdpAnswer),
            any::<(u8, u8)>().prop_map(|(icmp_type, code)| ReplyKind::Unreachable { icmp_type, code }),
            any::<u32>().prop_map(|mtu| ReplyKind::TooBig { mtu }),
            any::<(u8, u8)>().prop_map(|(icmp_type, code)| ReplyKind::OtherIcmp { icmp_type, code }),
        ]
    }

    fn reply() -> impl Strategy<Value = Reply> {
        let quoted =
            (any::<(u8, u8, u16)>(), proptest::option::of(address()), proptest::option::of(address()))
                .prop_map(|((ttl, tos, length), destination, source)| Quoted {
                    ttl,
                    tos,
                    length,
                    destination,
                    source,
                });
        let tcp = (any::<(u8, u16, Vec<u8>)>(), any::<Option<u16>>())
            .prop_map(|((flags, window, options), mss)| TcpReply { flags, window, options, mss });
        let label = any::<(u32, u8, bool, u8)>().prop_map(|(label, tc, bottom, ttl)| MplsLabel {
            label,
            tc,
            bottom,
            ttl,
        });
        let object = (
            any::<Option<u32>>(),
            proptest::option::of(address()),
            any::<Option<String>>(),
            any::<Option<u32>>(),
        )
            .prop_map(|(index, address, name, mtu)| InterfaceObject {
                role: InterfaceRole::NextHop,
                index,
                address,
                name,
                mtu,
            });
        let many = (proptest::collection::vec(label, 0..3), proptest::collection::vec(object, 0..2));
        let flags = any::<(bool, bool, bool)>();
        let more = (proptest::option::of(quoted), proptest::option::of(tcp), many);
        (any::<(u64, u64)>(), address(), kind(), any::<(Option<u8>, Option<u16>)>(), flags, more).prop_map(
            |((at, rtt), from, kind, (reply_ttl, ip_id), (late, duplicate, ambiguous), more)| {
                let (quoted, tcp, (mpls, interfaces)) = more;
                let (received_at, rtt) = (Moment::from_nanos(at), Duration::from_nanos(rtt));
                let flags = (late, duplicate, ambiguous);
                let (late, duplicate, ambiguous) = flags;
                Reply {
                    received_at,
                    rtt,
                    from,
                    kind,
                    reply_ttl,
                    ip_id,
                    late,
                    duplicate,
                    ambiguous,
                    quoted,
                    tcp,
                    mpls,
                    interfaces,
                }
            },
        )
    }

    fn probe() -> impl Strategy<Value = Probe> {
        let fault = prop_oneof![
            Just(SendFault::NoRoute),
            Just(SendFault::Full),
            any::<i32>().prop_map(SendFault::Other)
        ];
        let times = any::<(Option<u64>, Option<u64>)>();
        let replies = proptest::collection::vec(reply(), 0..4);
        (0u16..2, 0u16..3, any::<(u8, u32)>(), times, proptest::option::of(fault), replies).prop_map(
            |(destination, flow, (ttl, group), (sent, given_up), fault, replies)| Probe {
                id: ProbeId(0),
                destination: DestinationId(destination),
                flow: FlowId(flow),
                ttl,
                stage: Stage::Confirm,
                group,
                sent_at: sent.map(Moment::from_nanos),
                fault,
                given_up_at: given_up.map(Moment::from_nanos),
                replies,
            },
        )
    }

    fn run() -> impl Strategy<Value = (Run, Settings)> {
        let destination = |role| {
            (any::<String>(), address(), any::<Option<u16>>()).prop_map(move |(host, address, port)| {
                Destination { role, host, address, protocol: Protocol::Udp, port, size: None }
            })
        };
        let both = (destination(Role::Target), destination(Role::Reference(ReferenceKind::SameHost)));
        let numbers = (any::<i64>(), any::<(u64, u64, u8, u8)>(), 0.0..1.0f64, any::<u64>());
        let probes = proptest::collection::vec(probe(), 0..6);
        (numbers, address(), both, any::<[(u16, u32); 3]>(), probes).prop_map(
            |(
                (started, (ended, seed, first_ttl, max_ttl), confidence, wait),
                source,
                both,
                flows,
                probes,
            )| {
                let run = Run {
                    started_at: WallTime(started),
                    ended_at: Moment::from_nanos(ended),
                    end: Some(End::OutOfTime),
                    seed,
                    source,
                    first_ttl,
                    max_ttl,
                    destinations: vec![both.0, both.1],
                    flows: flows
                        .map(|(port, label)| Flow {
                            source: SourcePorts::all(port),
                            label,
                            small: (label % 2 == 0).then_some(SourcePorts::all(label as u16)),
                        })
                        .to_vec(),
                    probes: (0..).zip(probes).map(|(id, probe)| Probe { id: ProbeId(id), ..probe }).collect(),
                    strays: Strays { foreign: ended, ..Strays::default() },
                    losses: Losses { overflow: seed, truncated: 1 },
                };
                // What JSON's reader makes of a share may differ in the last bit; that is no matter of the record.
                let confidence = (confidence * 1024.0).floor() / 1024.0;
                (run, Settings { confidence, wait: Duration::from_nanos(wait) })
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back_equal((run, settings) in run()) {
            let mut text = Vec::new();
            write(&mut text, &run, settings).unwrap();
            prop_assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), run.probes.len() + 1);
            let (again, others) = read(text.as_slice()).unwrap();
            prop_assert_eq!(again, run);
            prop_assert_eq!(others, settings);
        }

        #[test]
        fn a_cut_record_is_told_by_its_line((run, settings) in run(), cut in any::<prop::sample::Index>()) {
            let mut text = Vec::new();
            write(&mut text, &run, settings).unwrap();
            let at = cut.index(text.len());
            let whole = at == 0 || text[at - 1] == b'\n';
            match read(&text[..at]) {
                // A record that ends with a line is one of a run that was stopped there.
                Ok((again, _)) => prop_assert!(whole && again.probes == run.probes[..again.probes.len()]),
                Err(RecordError::Empty) => prop_assert_eq!(at, 0),
                Err(RecordError::Line { line, .. }) => {
                    prop_assert!(!whole);
                    prop_assert_eq!(line, text[..at].iter().filter(|byte| **byte == b'\n').count() + 1);
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            let _ = read(bytes.as_slice());
        }
    }

    #[test]
    fn lines_that_cannot_be_of_a_run_are_named() {
        let run = Run {
            started_at: WallTime(0),
            ended_at: Moment::START,
            end: None,
            seed: 1,
            source: IpAddr::from([192, 0, 2, 1]),
            first_ttl: 1,
            max_ttl: 30,
            destinations: vec![Destination {
                role: Role::Target,
                host: "host".to_owned(),
                address: IpAddr::from([192, 0, 2, 2]),
                protocol: Protocol::Tcp,
                port: Some(25),
                size: None,
            }],
            flows: vec![Flow { source: SourcePorts::all(7), label: 1, small: None }],
            probes: vec![Probe {
                id: ProbeId(0),
                destination: Run::TARGET,
                flow: FlowId(0),
                ttl: 1,
                stage: Stage::Scout,
                group: 1,
                sent_at: None,
                fault: None,
                given_up_at: None,
                replies: vec![],
            }],
            strays: Strays::default(),
            losses: Losses::default(),
        };
        let mut text = Vec::new();
        write(&mut text, &run, Settings { confidence: 0.99, wait: Duration::from_secs(2) }).unwrap();
        let text = String::from_utf8(text).unwrap();
        let told = |from: &str, to: &str| {
            let changed = text.replace(from, to);
            assert_ne!(changed, text, "{from} is not there");
            read(changed.as_bytes()).unwrap_err().to_string()
        };
        assert!(told("\"id\":0", "\"id\":4").contains("line 2: probe 4 stands where probe 0 should be"));
        assert!(told("\"destination\":0", "\"destination\":1").contains("line 2: there is no destination 1"));
        assert!(told("\"flow\":0", "\"flow\":9").contains("line 2: there is no flow 9"));
        assert!(
            told("\"role\":\"target\"", "\"role\":\"variant\"").contains("line 1: the first destination")
        );
        assert!(told("lasthop.probes/1", "lasthop.probes/9").contains("line 1: the schema is"));
        assert!(told("1970-01-01", "yesterday").contains("line 1: 'yesterday"));
        assert!(told("\"confidence\":0.99", "\"confidence\":1.5").contains("a confidence of 1.5"));
        assert!(told("\"ttl\":1,", "\"ttl\":999,").contains("line 2: it is not what it should be"));
    }
}
