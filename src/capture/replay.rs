//! From a capture back to the record of the run.

use std::collections::HashMap;

use super::file::{Capture, Packet};
use super::note::{self, CaptureHead, Note};
use crate::probe::{Arrival, Part, Replay, ReplayError, Retraced, Told};
use crate::trace::record::{self, Settings};
use crate::trace::{Moment, ProbeId, Run, Stage, WallTime};

/// A run made anew from its packets.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The measurement.
    pub run: Run,
    /// The search for references, if one was made.
    pub search: Option<Run>,
    /// Confidence and wait.
    pub settings: Settings,
    /// The capture was ended by the program that wrote it, and not before.
    pub complete: bool,
    /// Packets of the capture that are none of this run.
    pub foreign: u64,
}

/// A capture that is not what it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is not of this program, or its head is lost.
    #[error("it has no head that says which run it is of")]
    NoHead,
    /// The head cannot be of a run.
    #[error("its head is of no run: {0}")]
    Head(String),
    /// A packet says that it is a probe and is not, or not in its place.
    #[error("packet {packet}: {fault}")]
    Packet {
        /// From 1.
        packet: usize,
        /// What is wrong.
        fault: ReplayError,
    },
    /// A packet is not what its comment says.
    #[error("packet {packet} is not what its comment says: {what}")]
    Comment {
        /// From 1.
        packet: usize,
        /// What it is instead.
        what: String,
    },
    /// A packet is cut off.
    #[error("packet {packet} is not whole")]
    Cut {
        /// From 1.
        packet: usize,
    },
    /// A probe of the record is not there.
    #[error("probe {probe} is not in the capture")]
    Missing {
        /// Which.
        probe: u32,
    },
    /// What the record says of a probe cannot be.
    #[error("the record of probe {probe}: {problem}")]
    Probe {
        /// Which.
        probe: u32,
        /// What is wrong.
        problem: String,
    },
}

/// One of the two runs of a capture on its way back.
struct Thread {
    head: Run,
    replay: Replay,
}

impl Thread {
    fn new(head: Run, settings: Settings) -> Result<Self, Fault> {
        let replay = Replay::new(&head, settings.wait).map_err(|error| Fault::Head(error.to_string()))?;
        Ok(Self { head, replay })
    }

    fn moment(&self, at: WallTime) -> Moment {
        Moment::from_nanos(u64::try_from(at.0.saturating_sub(self.head.started_at.0)).unwrap_or(0))
    }

    fn arrival(&self, packet: &Packet) -> Arrival {
        Arrival { at: self.moment(packet.at), packet: packet.bytes.clone() }
    }

    /// Takes a probe that was not sent.
    fn unsent(&mut self, probe: crate::trace::Probe) -> Result<(), Fault> {
        let number = probe.id.0;
        self.replay.check(&probe).map_err(|problem| Fault::Probe { probe: number, problem })?;
        if probe.fault.is_none() || probe.sent_at.is_some() {
            let problem = "it has no fault, and no packet either".to_owned();
            return Err(Fault::Probe { probe: number, problem });
        }
        self.replay.unsent(probe).map_err(|error| Fault::Probe { probe: number, problem: error.to_string() })
    }
}

/// Makes the run anew from a capture of our own: every packet has to be what its comment says.
///
/// # Errors
/// [`Fault`] names the first packet that is not.
pub fn replay(capture: &Capture) -> Result<Replayed, Fault> {
    let heads = |comments: &[String]| -> Option<CaptureHead> {
        comments.iter().rev().find_map(|comment| match note::parse(comment) {
            Note::Head(head) => Some(*head),
            _ => None,
        })
    };
    let ended = heads(&capture.closing);
    let opening = heads(&capture.opening);
    // A run that was stopped has its last head at a packet, if it took in more destinations, or at the beginning.
    let complete = ended.is_some() || (opening.as_ref()).is_some_and(|head| head.measurement.end.is_some());
    let head = ended
        .or_else(|| capture.packets.iter().rev().find_map(|packet| heads(&packet.comments)))
        .or(opening)
        .ok_or(Fault::NoHead)?;
    let settings = head.measurement.settings;
    let last = capture.packets.iter().map(|packet| packet.at).max();
    let thread = |head: record::Head| -> Result<Thread, Fault> {
        let mut run = head.run().map_err(Fault::Head)?;
        if run.end.is_none()
            && let Some(last) = last
        {
            let until = u64::try_from(last.0.saturating_sub(run.started_at.0)).unwrap_or(0);
            run.ended_at = run.ended_at.max(Moment::from_nanos(until));
        }
        Thread::new(run, settings)
    };
    let mut measurement = thread(head.measurement)?;
    let mut search = head.search.map(thread).transpose()?;
    let mut foreign = 0;
    for (number, packet) in (1..).zip(&capture.packets) {
        let mut noted = None;
        for comment in &packet.comments {
            match note::parse(comment) {
                Note::Unsent { part: Part::Measurement, probe } => measurement.unsent(*probe)?,
                Note::Unsent { part: Part::Search, probe } => {
                    if let Some(search) = &mut search {
                        search.unsent(*probe)?;
                    }
                }
                found @ (Note::Sent { .. } | Note::Received { .. }) => noted = Some(found),
                Note::Head(_) | Note::Other => {}
            }
        }
        let wrong = |what: String| Fault::Comment { packet: number, what };
        let part = match noted {
            Some(Note::Sent { part, .. } | Note::Received { part, .. }) => part,
            _ => return Err(wrong("it has none that names a probe".to_owned())),
        };
        let thread = match part {
            Part::Measurement => &mut measurement,
            Part::Search => match &mut search {
                Some(search) => search,
                // The head of a search is written at the end.
                None if !complete => {
                    foreign += 1;
                    continue;
                }
                None => return Err(wrong("there was no search".to_owned())),
            },
        };
        if !packet.whole {
            return Err(Fault::Cut { packet: number });
        }
        match noted {
            Some(Note::Sent { probe, told, .. }) => {
                let at = thread.moment(packet.at);
                let found = thread
                    .replay
                    .sent(at, &packet.bytes, |_| told)
                    .map_err(|fault| Fault::Packet { packet: number, fault })?;
                if found != Retraced::Probe(probe) {
                    return Err(wrong(match found {
                        Retraced::Probe(other) => format!("it is probe {}", other.0),
                        Retraced::Foreign => "it is no probe of this run".to_owned(),
                    }));
                }
            }
            Some(Note::Received { probe, .. }) => {
                let arrival = thread.arrival(packet);
                let found = thread.replay.received(&arrival);
                if found != Some(probe) {
                    return Err(wrong(answers(found)));
                }
            }
            _ => {}
        }
    }
    for comment in &capture.closing {
        match (note::parse(comment), &mut search) {
            (Note::Unsent { part: Part::Measurement, probe }, _) => measurement.unsent(*probe)?,
            (Note::Unsent { part: Part::Search, probe }, Some(search)) => search.unsent(*probe)?,
            _ => {}
        }
    }
    let finish = |thread: Thread| thread.replay.finish(&thread.head);
    Ok(Replayed { run: finish(measurement), search: search.map(finish), settings, complete, foreign })
}

fn answers(found: Option<ProbeId>) -> String {
    found.map_or_else(|| "it answers no probe".to_owned(), |probe| format!("it answers probe {}", probe.0))
}

/// Makes a run anew from what another program captured beside it, such as tcpdump. Who was probed, why, and in which
/// groups comes from the record (`run` and, if there was one, `search`); the packets, when they left and came, and what
/// they answer, from the capture. Other people's packets are passed over.
///
/// # Errors
/// [`Fault`] if a probe of the record is not in the capture, or is there in another form.
pub fn replay_beside(
    capture: &Capture,
    run: &Run,
    search: Option<&Run>,
    settings: Settings,
) -> Result<Replayed, Fault> {
    let bare = |run: &Run| Run {
        destinations: run.destinations.clone(),
        flows: run.flows.clone(),
        probes: Vec::new(),
        ..*run
    };
    let mut threads = vec![(Thread::new(bare(run), settings)?, run)];
    if let Some(search) = search {
        threads.push((Thread::new(bare(search), settings)?, search));
    }
    let mut foreign = 0;
    // A capture on all interfaces has some packets twice.
    let mut seen: HashMap<(usize, ProbeId), ()> = HashMap::new();
    for (number, packet) in (1..).zip(&capture.packets) {
        let named = threads
            .iter()
            .enumerate()
            .find_map(|(place, (thread, _))| thread.replay.name(&packet.bytes).map(|probe| (place, probe)));
        if let Some((place, probe)) = named {
            if seen.insert((place, probe), ()).is_some() {
                continue;
            }
            let (thread, record) = &mut threads[place];
            fill(thread, record, probe.0 as usize)?;
            let told = |probe: ProbeId| {
                record
                    .probes
                    .get(probe.0 as usize)
                    .map_or(Told { stage: Stage::Scout, group: 0, small: false }, |known| {
                        Told::of(known, record)
                    })
            };
            let at = thread.moment(packet.at);
            thread
                .replay
                .sent(at, &packet.bytes, told)
                .map_err(|fault| Fault::Packet { packet: number, fault })?;
            continue;
        }
        let mut found = false;
        for (thread, _) in &mut threads {
            let arrival = thread.arrival(packet);
            found |= packet.whole && thread.replay.received(&arrival).is_some();
        }
        foreign += u64::from(!found);
    }
    for (thread, record) in &mut threads {
        fill(thread, record, record.probes.len())?;
    }
    let mut finished = threads.into_iter().map(|(thread, _)| thread.replay.finish(&thread.head));
    let run = finished.next().ok_or(Fault::NoHead)?;
    Ok(Replayed { run, search: finished.next(), settings, complete: !capture.cut_short, foreign })
}

/// Takes the probes of the record that were not sent, up to probe `until`; one that was sent has to be there.
fn fill(thread: &mut Thread, record: &Run, until: usize) -> Result<(), Fault> {
    while thread.replay.run().probes.len() < until {
        let place = thread.replay.run().probes.len();
        match record.probes.get(place) {
            Some(probe) if !probe.was_sent() => thread.unsent(probe.clone())?,
            _ => return Err(Fault::Missing { probe: place as u32 }),
        }
    }
    Ok(())
}
