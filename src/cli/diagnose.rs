//! `diagnose` and `trace`: the main job on real sockets.

use super::args::{self, Format, Probing};
use super::exit::Exit;
use super::failure::Failure;
use super::live::{self, Files, Socket};
use super::output::{self, Sink};
use super::progress::Progress;
use super::request::{self, Request};
use crate::probe::pace::Pace;
use crate::probe::{Plan, WireFault};
use crate::report::{self, Document, Measured, Session};
use crate::session;
use crate::trace::{End, Protocol, Run};

/// `lasthop diagnose`.
pub fn diagnose(words: &args::Diagnose) -> Exit {
    finish(&words.probing, words.output.json, |known| {
        let mut sink = Sink::open(&words.output)?;
        let request = request::request(&words.probing, &words.references, true)?;
        let verbose = words.output.verbose > 0;
        let (mut live, data) = prepare(&words.probing, &request, known, verbose)?;
        let mut progress = Progress::new(false);
        let started_at = live.wire.started_at();
        let plan = live.plan.clone();
        let found = session::diagnose(
            live.plan,
            started_at,
            &mut live.wire,
            &data.grounds(),
            words.confidence,
            &mut |glimpse| progress.see(glimpse),
        );
        progress.end();
        let found = found?;
        let trouble = trouble(&found.run, found.fault.as_ref());
        let document = report::document(
            known,
            Measured {
                run: &found.run,
                target: &found.target,
                references: &found.references,
                verdict: Some(&found.verdict),
            },
            trouble.as_ref().map(Failure::schema),
        );
        cost(&plan, &found.run, verbose);
        let look = sink.look;
        write(&mut sink, &document, |out| report::run(out, &document, look))?;
        match trouble {
            Some(failure) => {
                failure.say();
                Ok(failure.exit)
            }
            None => Ok(Exit::of(found.verdict.kind)),
        }
    })
}

/// `lasthop trace`.
pub fn trace(words: &args::Trace) -> Exit {
    finish(&words.probing, words.output.json, |known| {
        let mut sink = Sink::open(&words.output)?;
        let request = request::request(&words.probing, &[], false)?;
        let verbose = words.output.verbose > 0;
        let (mut live, data) = prepare(&words.probing, &request, known, verbose)?;
        let mut progress = Progress::new(false);
        let started_at = live.wire.started_at();
        let plan = live.plan.clone();
        let queries = words.probing.queries.unwrap_or(3);
        let found =
            session::trace(live.plan, started_at, &mut live.wire, &data.grounds(), queries, &mut |glimpse| {
                progress.see(glimpse);
            });
        progress.end();
        let found = found?;
        let trouble = trouble(&found.run, found.fault.as_ref());
        let document = report::document(
            known,
            Measured { run: &found.run, target: &found.path, references: &[], verdict: None },
            trouble.as_ref().map(Failure::schema),
        );
        cost(&plan, &found.run, verbose);
        let look = sink.look;
        write(&mut sink, &document, |out| report::trace(out, &document, look))?;
        match trouble {
            Some(failure) => {
                failure.say();
                Ok(failure.exit)
            }
            None => Ok(Exit::Ok),
        }
    })
}

/// Runs the job; a failure is told in a sentence, and in a document if one was asked for.
fn finish(words: &Probing, json: bool, job: impl FnOnce(&mut Session) -> Result<Exit, Failure>) -> Exit {
    let mut known = Session::default();
    known.vantage.label.clone_from(&words.label);
    match job(&mut known) {
        Ok(exit) => exit,
        Err(failure) => {
            if json {
                let (protocol, port) = request::protocol(words).unwrap_or((Protocol::Tcp, None));
                failure.document_of(&known, protocol, port);
            }
            failure.say();
            failure.exit
        }
    }
}

/// Files opened, sockets opened, privilege given up, files read, in this order.
fn prepare(
    words: &Probing,
    request: &Request,
    known: &mut Session,
    verbose: bool,
) -> Result<(live::Live, live::Data), Failure> {
    let files = Files::open(words.db.as_deref(), words.as_rel.as_deref(), &words.ixp)?;
    let socket = Socket { source: words.source, mark: words.fwmark, vrf: words.vrf.as_deref() };
    let live = live::open(request, &socket)?;
    let data = files.read()?;
    known.asdb = Some(data.describe());
    known.vantage = live::vantage(&live.wire, &data.grounds(), words.label.as_deref());
    if verbose {
        introduce(request, &live.plan);
    }
    Ok((live, data))
}

/// What is about to happen, and the limits it keeps.
fn introduce(request: &Request, plan: &Plan) {
    for destination in &request.destinations {
        let port = destination.port.map_or(String::new(), |port| format!(" port {port}"));
        output::talk(&format!(
            "{:?}: {} {} {}{port}",
            destination.role,
            report::safe(&destination.host),
            destination.address,
            destination.protocol
        ));
    }
    if !request.others.is_empty() {
        let others: Vec<String> = request.others.iter().map(ToString::to_string).collect();
        output::talk(&format!("other addresses of the target's name, not probed: {}", others.join(", ")));
    }
    let Pace { burst, cautious, fastest, .. } = plan.pace;
    output::talk(&format!(
        "budget: at most {:.0} packets a second in all; per router a burst of {burst}, then {cautious} a second, up to \
         {fastest} where its answers to the reference show that it bears them; {} probes and {} s in all; seed {}",
        1.0 / plan.pace.gap.as_secs_f64(),
        plan.budget.probes,
        plan.budget.time.as_secs(),
        plan.seed
    ));
}

fn cost(plan: &Plan, run: &Run, verbose: bool) {
    if !verbose {
        return;
    }
    let strays = run.strays;
    output::talk(&format!(
        "sent {} of {} probes in {}; strays: {} foreign, {} with a wrong key, {} renumbered, {} quoted too short, {} unreadable; lost \
         in the receive buffer: {}",
        run.probes.iter().filter(|probe| probe.was_sent()).count(),
        plan.budget.probes,
        run.ended_at,
        strays.foreign,
        strays.wrong_key,
        strays.rewritten,
        strays.unnamed,
        strays.malformed,
        run.losses.overflow + run.losses.truncated
    ));
}

/// What broke during the measurement, if anything did.
fn trouble(run: &Run, fault: Option<&WireFault>) -> Option<Failure> {
    if let Some(fault) = fault {
        return Some(Failure::from(fault));
    }
    if run.end != Some(End::CannotSend) {
        return None;
    }
    let why = run.probes.iter().rev().find_map(|probe| probe.fault);
    Some(Failure::environment(
        "send",
        why.map_or("probes can no longer be sent".to_owned(), |why| format!("probes can no longer be sent: {why}")),
        Some("check the interface, the route and this host's own firewall; what was measured until then is shown".into()),
    ))
}

fn write(
    sink: &mut Sink,
    document: &Document,
    text: impl Fn(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> Result<(), Failure> {
    match sink.format {
        Format::Json => sink.write(|out| report::json(out, document))?,
        Format::Text => sink.write(&text)?,
    }
    // A report in a file still tells its result to who waits for it.
    if !sink.is_stdout()
        && let Some(verdict) = &document.verdict
    {
        output::stdout(|out| report::conclusion(out, document, verdict, output::look(args::When::Auto)))?;
    }
    Ok(())
}
