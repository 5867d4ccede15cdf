//! JSON lines: for each run one object that describes it (`"type": "run"`), then one for each destination, hop and
//! responder (`"type": "hop"`), a silent hop with `"responder": null`. Names are those of the published document.

use std::io::{self, Write};

use serde_json::json;

use super::json::line;
use super::runs::Runs;
use super::words;
use crate::trace::schema::{Document, Path, Responder};

/// Writes all runs.
pub(super) fn runs(out: &mut dyn Write, runs: &Runs) -> io::Result<()> {
    for (number, document) in (1_usize..).zip(&runs.documents) {
        line(
            out,
            &json!({
                "type": "run",
                "run": number,
                "tool": document.tool,
                "started_at": document.started_at,
                "finished_at": document.finished_at,
                "vantage": document.vantage,
                "protocol": document.protocol,
                "port": document.port,
                "verdict": document.verdict,
                "asdb": document.asdb,
                "credit": document.asdb.as_ref().map(words::credits),
                "error": document.error,
            }),
        )?;
        if let Some(target) = &document.target {
            path(out, number, document, "target", target)?;
        }
        for reference in &document.references {
            path(out, number, document, "reference", reference)?;
        }
    }
    Ok(())
}

fn path(out: &mut dyn Write, number: usize, document: &Document, role: &str, path: &Path) -> io::Result<()> {
    for hop in &path.hops {
        let one = |responder: Option<&Responder>| {
            json!({
                "type": "hop",
                "run": number,
                "role": role,
                "host": path.host,
                "address": path.address,
                "protocol": path.protocol.as_ref().or(document.protocol.as_ref()),
                "port": path.port.or(document.port),
                "ttl": hop.ttl,
                "sent": hop.sent,
                "answered": hop.answered,
                "responder": responder,
            })
        };
        if hop.responders.is_empty() {
            line(out, &one(None))?;
        }
        for responder in &hop.responders {
            line(out, &one(Some(responder)))?;
        }
    }
    Ok(())
}
