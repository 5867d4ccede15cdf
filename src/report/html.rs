//! One HTML page with its pictures in it, which asks nobody for anything: a policy in the page forbids the browser every
//! request, script and form. Light and dark, on paper and on a telephone; whatever is told by a picture or a colour stands
//! in words or numbers as well.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::escape::html as text;
use super::palette;
use super::picture::{self, Picture};
use super::rows::{Cell, Lane, address_text, asn_text, cell, marks, network, replies, rows, short, stop};
use super::runs::Runs;
use super::words::{self, Tone};
use crate::trace::schema::{Document, Path, Verdict};

/// Runs that get pictures of their own: a page of more would be too heavy to read.
const MOST_PICTURED: usize = 24;

/// What the browser may do: show the styles in the page. Nothing else, from nowhere.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// Writes all runs.
pub(super) fn runs(out: &mut dyn Write, runs: &Runs) -> io::Result<()> {
    let mut page = String::with_capacity(64 << 10);
    let title = words::title_of(runs);
    head(&mut page, &title);
    page.push_str("<main>\n");
    match (runs.is_set, runs.documents.as_slice()) {
        (false, [one]) => run(&mut page, one, 1, true),
        _ => set(&mut page, runs, &title),
    }
    page.push_str("</main>\n");
    footer(&mut page, runs);
    page.push_str("</body>\n</html>\n");
    out.write_all(page.as_bytes())
}

/// Adds formatted text. Writing to a string cannot fail.
macro_rules! add {
    ($page:expr, $($arguments:tt)*) => {{ let _ = write!($page, $($arguments)*); }};
}

pub(super) fn head(page: &mut String, title: &str) {
    add!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n",
        text(title)
    );
    let variables = |page: &mut String, dark: bool| {
        for color in palette::all() {
            add!(page, "--{}:{};", color.name, if dark { color.dark } else { color.light });
        }
    };
    page.push_str(":root{color-scheme:light dark;");
    variables(page, false);
    // Paper is light whatever the screen is.
    page.push_str("}\n@media screen and (prefers-color-scheme:dark){:root{");
    variables(page, true);
    page.push_str("}}\n");
    for color in palette::all() {
        let name = color.name;
        add!(page, "svg .{name}{{fill:var(--{name})}}svg .s-{name}{{stroke:var(--{name})}}\n");
    }
    page.push_str(include_str!("html.css"));
    page.push_str("</style>\n</head>\n<body>\n");
}

fn set(page: &mut String, runs: &Runs, title: &str) {
    let summary = runs.conclusion.as_ref().and_then(words::together).map(|(_, summary)| summary);
    add!(page, "<header class=\"verdict\">\n<h1>{}</h1>\n", text(title));
    if let Some(summary) = summary.filter(|summary| !summary.is_empty()) {
        add!(page, "<p>{}</p>\n", text(&summary));
    }
    page.push_str("</header>\n");
    let facts: Vec<(String, String)> = runs.conclusion.iter().flat_map(words::joint_facts).collect();
    if !facts.is_empty() {
        page.push_str("<dl>\n");
        for (name, fact) in &facts {
            add!(page, "<dt><bdi>{}</bdi></dt><dd><bdi>{}</bdi></dd>\n", text(name), text(fact));
        }
        page.push_str("</dl>\n");
    }
    if let Some(matrix) = picture::matrix(runs, "m") {
        page.push_str("<h2>From where to where</h2>\n");
        figure(page, &matrix, "What became of each target, from each place.", "From where to where");
    }
    page.push_str("<h2>The runs</h2>\n");
    open_table(page, "The runs", "Every run, in the order in which they are in the file.");
    header_row(
        page,
        &[("run", true), ("from", false), ("to", false), ("when", false), ("what became of it", false)],
    );
    for (at, document) in (1..).zip(&runs.documents) {
        let when = document.started_at.as_deref().map(words::to_the_second).unwrap_or_default();
        add!(
            page,
            "<tr><td class=\"r\"><a href=\"#run-{at}\">{at}</a></td><td><bdi>{}</bdi></td><td><bdi>{}</bdi></td><td>{}</td>\
             <td><bdi>{}</bdi></td></tr>\n",
            text(&words::place(document)),
            text(&words::asked(document)),
            text(&when),
            text(&words::fate(document))
        );
    }
    close_table(page);
    for (at, document) in (1..).zip(&runs.documents) {
        add!(page, "<section id=\"run-{at}\" aria-label=\"run {at}\">\n");
        run(page, document, at, false);
        page.push_str("</section>\n");
    }
}

/// A run; `alone` on the page, or as one of several.
fn run(page: &mut String, document: &Document, number: usize, alone: bool) {
    let class = document.verdict.as_ref().map_or("", class);
    let level = if alone { "h1" } else { "h2" };
    let before = if alone { String::new() } else { format!("Run {number}: ") };
    add!(
        page,
        "<header class=\"verdict {class}\">\n<{level}>{before}<bdi>{}</bdi></{level}>\n<p>{}</p>\n</header>\n",
        text(&words::headline(document)),
        text(&words::summary(document))
    );
    if let Some(why) = words::trouble(document) {
        add!(page, "<p class=\"broken\"><strong>Incomplete:</strong> {}</p>\n", text(&why));
    }
    facts(page, document);
    let (outer, inner) = if alone { ("h2", "h3") } else { ("h3", "h4") };
    if let Some(target) = &document.target {
        add!(page, "<{outer}>The paths</{outer}>\n");
        if number <= MOST_PICTURED {
            page.push_str("<div class=\"pictures\">\n");
            if let Some(lanes) = picture::lanes(document, &format!("l{number}")) {
                let caption = "Each lane is a path, from here down to the host; its colour and pattern are the network’s.";
                figure(page, &lanes, caption, &format!("Paths of run {number}"));
            }
            if let Some(latency) = picture::latency(document, &format!("t{number}")) {
                let caption = "Time there and back, hop by hop. Routers answer when they have time: a long time at one \
                               hop alone says nothing.";
                figure(page, &latency, caption, &format!("Times of run {number}"));
            }
            page.push_str("</div>\n");
        }
        paths(page, document, target, number);
        for note in words::notes(document, SHOWN) {
            add!(page, "<p class=\"note\">{}</p>\n", text(&note));
        }
    }
    if !document.matrix.is_empty() {
        add!(page, "<{outer}>Ports and protocols of the target</{outer}>\n");
        open_table(
            page,
            &format!("Ports and protocols of run {number}"),
            "What came back from the target on each.",
        );
        header_row(page, &[("tried", false), ("came back", false), ("seen as far as", false)]);
        for row in document.matrix.iter().take(64) {
            let [tried, reply, far] = words::variant(row).map(|one| text(&one));
            add!(page, "<tr><td>{tried}</td><td>{reply}</td><td>{far}</td></tr>\n");
        }
        close_table(page);
    }
    if let Some(question) = words::question(document) {
        add!(page, "<{outer}>What to ask</{outer}>\n<p>{}</p>\n", text(&question));
        add!(
            page,
            "<{inner}>The way back</{inner}>\n<p>Only the far end can trace it. Please run there, or next to it:</p>\n"
        );
        add!(page, "<pre tabindex=\"0\"><code>{}</code></pre>\n", text(&words::reverse_command(document)));
        add!(page, "<p class=\"note\">{}</p>\n", words::CAVEAT);
    }
}

fn class(verdict: &Verdict) -> &'static str {
    match words::tone(verdict) {
        Tone::Well => "well",
        Tone::Loss => "loss",
        Tone::Other => "",
    }
}

fn facts(page: &mut String, document: &Document) {
    page.push_str("<dl>\n");
    let mut before = "";
    for (name, fact) in words::key_facts(document).iter().filter(|(_, fact)| !fact.is_empty()) {
        // Several facts of a name stand below it together.
        if *name != before {
            add!(page, "<dt>{name}</dt>");
        }
        add!(page, "<dd><bdi>{}</bdi></dd>\n", text(fact));
        before = name;
    }
    page.push_str("</dl>\n");
}

/// A picture at most half as large again as it is drawn; one that a telephone would make unreadable is scrolled there.
pub(super) fn figure(page: &mut String, picture: &Picture, caption: &str, label: &str) {
    let most = picture.width + picture.width / 2;
    let class = if picture.width > NARROW { " class=\"wide\"" } else { "" };
    let (before, behind) = match picture.width > WIDEST {
        true => (
            format!("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\">\n"),
            "</div>\n",
        ),
        false => (String::new(), ""),
    };
    add!(
        page,
        "<figure{class} style=\"flex-basis:{}px;max-width:{most}px\">\n{before}{}{behind}<figcaption>{caption}</figcaption>\n</figure>\n",
        picture.width,
        picture.svg
    );
}

/// Pictures up to this width stand side by side on paper.
const NARROW: u32 = 400;
/// Pictures up to this width stay readable on a telephone.
const WIDEST: u32 = 540;

pub(super) fn open_table(page: &mut String, label: &str, caption: &str) {
    add!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\">\n<table>\n<caption>{caption}</caption>\n"
    );
}

pub(super) fn header_row(page: &mut String, names: &[(&str, bool)]) {
    page.push_str("<thead><tr>");
    for (name, right) in names {
        let class = if *right { " class=\"r\"" } else { "" };
        add!(page, "<th scope=\"col\"{class}>{name}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
}

pub(super) fn close_table(page: &mut String) {
    page.push_str("</tbody>\n</table>\n</div>\n");
}

/// References that have a column in the table.
const SHOWN: usize = 3;

fn paths(page: &mut String, document: &Document, target: &Path, number: usize) {
    let references = document.references.iter().take(SHOWN);
    let lanes: Vec<Lane<'_>> = std::iter::once(target).chain(references).map(Lane::of).collect();
    open_table(
        page,
        &format!("Hops of run {number}"),
        "Answers of those sent, and the shortest, mean and longest time there and back in milliseconds.",
    );
    let mut names = vec![
        ("hop", true),
        ("address", false),
        ("AS", false),
        ("network", false),
        ("target", true),
        ("ms", true),
    ];
    for _ in &lanes[1..] {
        names.extend([("reference", true), ("ms", true)]);
    }
    header_row(page, &names);
    let stop = stop(document);
    let mut parted = false;
    for row in rows(&lanes) {
        if let Some((after, before)) = stop
            && row.ttl > after
            && !parted
        {
            parted = true;
            add!(
                page,
                "<tr class=\"stop\"><td colspan=\"{}\">{}</td></tr>\n",
                names.len(),
                words::parted(after, before)
            );
        }
        add!(
            page,
            "<tr><td class=\"r\">{}</td><td class=\"a\">{}</td><td>{}</td><td class=\"n\"><bdi>{}</bdi></td>",
            row.ttl,
            address_text(&row),
            text(&asn_text(row.responder)),
            text(&network(row.responder))
        );
        for lane in &lanes {
            match cell(lane, &row) {
                Cell::Empty => page.push_str("<td></td><td></td>"),
                Cell::Silent { sent } => {
                    add!(page, "<td class=\"r silent\">0/{sent}</td><td class=\"r\">–</td>")
                }
                Cell::Answered { sent, responder } => {
                    let marks: String =
                        marks(responder).iter().map(|mark| format!(" {}", text(mark))).collect();
                    let times = responder.rtt_ms.map_or_else(
                        || "–".to_owned(),
                        |rtt| match rtt.max - rtt.min >= 0.05 {
                            true => format!("{} {} {}", short(rtt.min), short(rtt.avg), short(rtt.max)),
                            false => short(rtt.avg),
                        },
                    );
                    add!(
                        page,
                        "<td class=\"r\">{}/{sent}{marks}</td><td class=\"r\">{times}</td>",
                        replies(responder)
                    );
                }
            }
        }
        page.push_str("</tr>\n");
    }
    close_table(page);
}

fn footer(page: &mut String, runs: &Runs) {
    page.push_str("<footer>\n");
    for table in words::tables(runs) {
        let link = match words::has_db_ip(table) {
            true => format!(" <a href=\"{}\">IP Geolocation by DB-IP</a>.", words::DB_IP),
            false => String::new(),
        };
        add!(page, "<p>AS numbers: {}.{link}</p>\n", text(&words::table(table)));
    }
    add!(
        page,
        "<p>Made by {}. This page holds all it shows and asks nobody for anything.</p>\n</footer>\n",
        text(&words::tools(runs))
    );
}
