//! A wire that keeps what passes.

use std::fs::File;
use std::io;

use super::log::{self, Event, Log};
use super::note;
use super::pcapng::{About, Writer};
use crate::probe::wire::{Heard, Record, Transmit};
use crate::probe::{Engine, Part, Plan, PlanError, Wire, WireFault};
use crate::trace::record::Settings;
use crate::trace::{Losses, Moment, Run, SendFault, WallTime};

/// A wire that keeps every probe and every reply that belongs to one, and streams them to a file if there is one.
///
/// What cannot be written does not stop the measurement: [`finish`](Self::finish) tells.
pub struct Tap<'a> {
    wire: &'a mut dyn Wire,
    log: Log,
    file: Option<Writer<File>>,
    fault: Option<io::Error>,
    /// Said at the next packet.
    pending: Vec<String>,
    /// How many destinations the head that was written last has.
    destinations: usize,
    /// The measurement, as it was when something was last heard of it; without its probes.
    run: Run,
}

impl<'a> Tap<'a> {
    /// Taps `wire` for a measurement by this plan. `file` is written from its beginning, and must be empty.
    ///
    /// # Errors
    /// [`PlanError`] if the plan cannot be carried out.
    pub fn new(
        wire: &'a mut dyn Wire,
        plan: &Plan,
        started_at: WallTime,
        settings: Settings,
        file: Option<File>,
        about: &About,
    ) -> Result<Self, PlanError> {
        let run = Engine::new(plan.clone(), started_at)?.into_run();
        let mut fault = None;
        let file = file.and_then(|file| {
            Writer::begin(file, about, &log::head(&run, None, settings))
                .map_err(|error| fault = Some(error))
                .ok()
        });
        let log = Log { settings, events: Vec::new(), search: None };
        let destinations = run.destinations.len();
        Ok(Self { wire, log, file, fault, pending: Vec::new(), destinations, run })
    }

    /// What was kept, and why the file is not whole if it is not.
    pub fn finish(mut self) -> (Log, Option<io::Error>) {
        let mut comments = std::mem::take(&mut self.pending);
        comments.push(log::head(&self.run, self.log.search.as_ref(), self.log.settings));
        let (run, kept) = (&self.run, self.log.packets());
        if let Some(writer) = &mut self.file
            && let Err(error) = log::end(writer, run, kept, comments)
        {
            self.fault.get_or_insert(error);
        }
        (self.log, self.fault)
    }

    fn write(&mut self, at: WallTime, outbound: bool, packet: &[u8], comment: String) {
        let mut comments = std::mem::take(&mut self.pending);
        comments.push(comment);
        if let Some(writer) = &mut self.file
            && let Err(error) = writer.packet(at, outbound, packet, &comments)
        {
            // A file that ends in the middle is readable up to there; one with a hole would not be.
            self.fault = Some(error);
            self.file = None;
        }
    }
}

impl Wire for Tap<'_> {
    fn now(&mut self) -> Moment {
        self.wire.now()
    }

    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
        self.wire.send(transmit)
    }

    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
        self.wire.wait(until)
    }

    fn losses(&mut self) -> Losses {
        self.wire.losses()
    }

    fn record(&mut self, part: Part, run: &Run, record: Record<'_>) {
        if part == Part::Measurement && run.destinations.len() != self.destinations {
            // A run that took in more destinations must be readable without its end.
            self.destinations = run.destinations.len();
            let head = log::head(&bare(run), self.log.search.as_ref(), self.log.settings);
            self.pending.push(head);
        }
        match record {
            Record::Sent { probe, packet } => {
                let sent = run.probe(probe);
                let Some(at) = sent.sent_at else { return };
                let comment = note::sent(part, sent, run.destination(sent.destination));
                self.write(run.started_at.at(at), true, packet, comment);
                self.log.events.push(Event::Sent { part, probe, at, packet: packet.to_vec() });
            }
            Record::Unsent(probe) => {
                let probe = Box::new(run.probe(probe).clone());
                self.pending.push(note::unsent(part, &probe));
                self.log.events.push(Event::Unsent { part, probe });
            }
            Record::Received { probe, arrival } => {
                let answered = run.probe(probe);
                let Some(reply) = answered.replies.last() else { return };
                let comment = note::received(part, answered, reply);
                self.write(run.started_at.at(arrival.at), false, &arrival.packet, comment);
                let (at, packet) = (arrival.at, arrival.packet.clone());
                self.log.events.push(Event::Received { part, probe, at, packet });
            }
            Record::Ended => match part {
                Part::Measurement => self.run = bare(run),
                Part::Search => self.log.search = Some(run.clone()),
            },
        }
    }
}

/// A run without its probes.
fn bare(run: &Run) -> Run {
    Run { destinations: run.destinations.clone(), flows: run.flows.clone(), probes: Vec::new(), ..*run }
}
