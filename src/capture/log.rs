//! What a tap has kept.

use std::io::{self, Write};
use std::net::IpAddr;

use super::note;
use super::pcapng::{About, Writer};
use crate::probe::Part;
use crate::trace::record::{Head, Settings};
use crate::trace::{Moment, Probe, ProbeId, Run, WallTime};

/// One thing that happened, in the order in which the engine took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A probe left.
    Sent {
        /// Whose it is.
        part: Part,
        /// Which.
        probe: ProbeId,
        /// When.
        at: Moment,
        /// From the IP header on.
        packet: Vec<u8>,
    },
    /// A probe did not leave.
    Unsent {
        /// Whose it is.
        part: Part,
        /// Which.
        probe: Box<Probe>,
    },
    /// A reply came that belongs to a probe.
    Received {
        /// Whose it is.
        part: Part,
        /// The probe.
        probe: ProbeId,
        /// When.
        at: Moment,
        /// From the IP header on.
        packet: Vec<u8>,
    },
}

/// Everything kept of one measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Confidence and wait.
    pub settings: Settings,
    /// What happened.
    pub events: Vec<Event>,
    /// The record of the search, if one was made.
    pub search: Option<Run>,
}

impl Log {
    /// Writes the capture of a finished run: as a [`Tap`](super::Tap) streams it, and with the replies marked that come
    /// from the hops between which the verdict places the loss, each by its TTL and address.
    ///
    /// # Errors
    /// Whatever writing fails with.
    pub fn write(
        &self,
        out: &mut dyn Write,
        about: &About,
        run: &Run,
        after: Option<(u8, IpAddr)>,
        before: Option<(u8, IpAddr)>,
    ) -> io::Result<()> {
        let head = head(run, self.search.as_ref(), self.settings);
        let mut writer = Writer::begin(out, about, &head)?;
        let mut pending = Vec::new();
        let mut answered: std::collections::HashMap<(Part, ProbeId), usize> =
            std::collections::HashMap::new();
        let ends = [("the last router reached", after), ("the first router not reached", before)];
        for event in &self.events {
            let of = |part: Part| match part {
                Part::Measurement => Some(run),
                Part::Search => self.search.as_ref(),
            };
            match event {
                Event::Unsent { part, probe } => pending.push(note::unsent(*part, probe)),
                Event::Sent { part, probe, at, packet } => {
                    let Some(run) = of(*part) else { continue };
                    let probe = run.probe(*probe);
                    let mut comments = std::mem::take(&mut pending);
                    comments.push(note::sent(*part, probe, run.destination(probe.destination)));
                    writer.packet(run.started_at.at(*at), true, packet, &comments)?;
                }
                Event::Received { part, probe, at, packet } => {
                    let Some(run) = of(*part) else { continue };
                    let place = answered.entry((*part, *probe)).or_default();
                    let mut comments = std::mem::take(&mut pending);
                    if let Some(reply) = run.probe(*probe).replies.get(*place) {
                        comments.push(note::received(*part, run.probe(*probe), reply));
                        if *part == Part::Measurement {
                            comments.extend(note::mark(run, *probe, reply, ends));
                        }
                    }
                    *place += 1;
                    writer.packet(run.started_at.at(*at), false, packet, &comments)?;
                }
            }
        }
        let kept = self.packets();
        end(&mut writer, run, kept, pending)
    }

    /// Packets among the events.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.events.iter().filter(|event| !matches!(event, Event::Unsent { .. })).count() as u64
    }
}

/// The head of a capture.
pub(super) fn head(run: &Run, search: Option<&Run>, settings: Settings) -> String {
    note::head(Head::of(run, settings), search.map(|search| Head::of(search, settings)))
}

/// The counters; in their comments what is still to be said.
pub(super) fn end<W: Write>(
    writer: &mut Writer<W>,
    run: &Run,
    kept: u64,
    comments: Vec<String>,
) -> io::Result<()> {
    let ended: WallTime = run.started_at.at(run.ended_at);
    writer.end(run.started_at, ended, kept, run.losses, &comments)
}
