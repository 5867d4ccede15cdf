//! The loop between an engine, a wire and whoever says what is needed next.

use super::engine::{Engine, Input, Output};
use super::wire::{Heard, Part, Record, Wire, WireFault};
use crate::trace::{Advice, Moment, Run};

/// Reads the record so far and says what would tell it more.
pub trait Guide {
    /// What is needed, given this record at this moment.
    fn advise(&mut self, run: &Run, now: Moment) -> Advice;
}

impl<F: FnMut(&Run, Moment) -> Advice> Guide for F {
    fn advise(&mut self, run: &Run, now: Moment) -> Advice {
        self(run, now)
    }
}

/// Runs the engine on the wire to its end. The record is whole up to the moment the wire broke, if it did.
pub fn drive(
    mut engine: Engine,
    wire: &mut (impl Wire + ?Sized),
    guide: &mut (impl Guide + ?Sized),
) -> (Run, Option<WireFault>) {
    let fault = carry_on(&mut engine, wire, guide);
    (engine.into_run(), fault)
}

/// Runs the engine on the wire until it is done, and leaves it whole: it may be given more to do.
pub fn carry_on(
    engine: &mut Engine,
    wire: &mut (impl Wire + ?Sized),
    guide: &mut (impl Guide + ?Sized),
) -> Option<WireFault> {
    loop {
        let now = wire.now();
        match engine.poll(now) {
            Output::Transmit(transmit) => {
                let outcome = wire.send(&transmit);
                engine.handle(wire.now(), Input::Sent(outcome));
                let probe = transmit.probe;
                if outcome.is_ok() {
                    let record = Record::Sent { probe, packet: &transmit.packet };
                    wire.record(Part::Measurement, engine.run(), record);
                } else if engine.run().probe(probe).fault.is_some() {
                    wire.record(Part::Measurement, engine.run(), Record::Unsent(probe));
                }
            }
            Output::Ask => {
                let advice = guide.advise(engine.run(), now);
                engine.handle(now, Input::Advice(&advice));
            }
            Output::Wait(until) => match wire.wait(until) {
                Ok(Heard::Packet(arrival)) => {
                    if let Some(probe) = engine.hear(wire.now(), &arrival) {
                        let record = Record::Received { probe, arrival: &arrival };
                        wire.record(Part::Measurement, engine.run(), record);
                    }
                }
                // There is no packet to keep.
                Ok(Heard::Notice(notice)) => {
                    engine.heed_notice(wire.now(), &notice);
                }
                Ok(Heard::Quiet) => engine.handle(wire.now(), Input::Losses(wire.losses())),
                Ok(Heard::Interrupted) => engine.handle(wire.now(), Input::Interrupt),
                Err(fault) => {
                    engine.broken();
                    wire.record(Part::Measurement, engine.run(), Record::Ended);
                    return Some(fault);
                }
            },
            Output::Done(_) => {
                engine.handle(now, Input::Losses(wire.losses()));
                wire.record(Part::Measurement, engine.run(), Record::Ended);
                return None;
            }
        }
    }
}
