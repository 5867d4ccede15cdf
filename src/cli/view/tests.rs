//! Pictures of a simulated measurement in terminals of several sizes.

use std::sync::Arc;
use std::time::Duration;

use ratatui_core::backend::TestBackend;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier};
use ratatui_core::terminal::Terminal;

use super::draw::{self, KEYS, Scene, Shown};
use super::keys::{Figures, Key, State};
use super::model::{Eye, Model};
use crate::cli::{demo, simulated};
use crate::session;
use crate::sim::Network;

/// How a scenario looked after each turn.
fn pictures(scenario: &str) -> Vec<Model> {
    let topology = demo::scenario(scenario).unwrap();
    let mut network = Network::new(&topology, false, 1).unwrap();
    let plan = network.plan(&topology, 1).unwrap();
    let origins = simulated::origins(&topology);
    let search = simulated::search(&topology, &mut network);
    let mut eye = Eye::new(&origins, plan.budget, Some(0.99));
    let mut seen = Vec::new();
    session::diagnose_searching(
        plan,
        demo::STARTED_AT,
        &mut network,
        &origins,
        0.99,
        search.as_ref(),
        &mut |glimpse| seen.push(eye.look(glimpse)),
    )
    .unwrap();
    seen
}

fn shown(model: &Model) -> Shown {
    Shown { model: Some(Arc::new(model.clone())), ..Shown::default() }
}

fn drawn(runs: &[Shown], state: &State, said: &[String], (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let scene = Scene { runs, state, said, color: true };
    terminal.draw(|frame| draw::frame(&scene, frame.area(), frame.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let line = |cells: &[ratatui_core::buffer::Cell]| {
        cells.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()
    };
    buffer.content().chunks(width).map(line).collect()
}

fn text(model: &Model, state: &State, size: (u16, u16)) -> String {
    lines(&drawn(&[shown(model)], state, &[], size)).join("\n")
}

fn last(scenario: &str) -> Model {
    pictures(scenario).pop().unwrap()
}

#[test]
fn the_story_in_80_columns_shows_both_paths_and_where_they_part() {
    let text = text(&last("proton"), &State::default(), (80, 24));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "mx1.proton (185.70.40.101) TCP port 25, beside mx-neighbour (185.70.40.103)");
    assert!(lines[1].starts_with("so far: LOST "), "{text}");
    assert!(
        lines[2].contains("/180 s  ") && lines[2].contains("/600 probes") && lines[2].contains("wanted 99 %")
    );
    assert!(lines[3].starts_with("now: "), "{text}");
    assert_eq!(lines[5], "hop  address         AS        network                   target        reference");
    let rule = lines.iter().position(|line| line.starts_with("─── the target's packets")).expect(&text);
    assert!(lines[rule - 1].starts_with("  6  212.188.0.2     AS8359    MTS PJSC"), "{text}");
    assert!(lines[rule + 1].starts_with("  7  212.188.0.6     AS8359    MTS PJSC"), "{text}");
    assert!(lines[rule + 1].ends_with("0/5      –       5/5   20.0"), "{text}");
    assert!(lines[rule + 7].ends_with("0/1      –  1/1 open   79.0"), "{text}");
    assert!(lines[23].contains("q end") && lines[23].contains("? keys"), "{text}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80));
}

#[test]
fn a_narrow_view_leaves_out_names_and_then_times_but_not_the_paths() {
    let text = text(&last("proton"), &State::default(), (40, 12));
    assert!(text.contains("so far: LOST"), "{text}");
    assert!(text.contains("not seen beyond"), "{text}");
    let line = |begin: &str| text.lines().find(|line| line.contains(begin)).expect(&text).to_owned();
    assert_eq!(line("address"), "hop  address         target  reference");
    assert_eq!(line("212.188.0.2"), "  6  212.188.0.2        4/4        4/4");
    assert_eq!(line("212.188.0.6"), "  7  212.188.0.6        0/5        5/5");
}

#[test]
fn a_wide_view_has_room_for_names_spans_and_probes() {
    let model = last("proton");
    let text = |figures| text(&model, &State { figures, ..State::default() }, (200, 60));
    assert!(text(Figures::Mean).contains("Limelight Networks, Inc."), "{}", text(Figures::Mean));
    let spans = text(Figures::Span);
    assert!(spans.contains("5/5 20.0 20.0 20.0") && spans.contains("MTS PJSC"), "{spans}");
    let strips = text(Figures::Strip);
    assert!(strips.contains("?????") && strips.contains("....."), "{strips}");
}

#[test]
fn what_is_lost_is_red_where_colour_is_wanted_and_nothing_is_else() {
    let runs = [shown(&last("proton"))];
    let state = State::default();
    let coloured = |buffer: &Buffer| buffer.content().iter().any(|cell| cell.fg != Color::Reset);
    assert!(coloured(&drawn(&runs, &state, &[], (80, 24))));
    let mut plain = Buffer::empty(Rect::new(0, 0, 80, 24));
    draw::frame(&Scene { runs: &runs, state: &state, said: &[], color: false }, plain.area, &mut plain);
    assert!(!coloured(&plain));
}

#[test]
fn every_turn_of_every_kind_of_run_can_be_drawn_in_any_size() {
    for scenario in ["proton", "branch", "no-reference", "found-reference", "silent-gap", "reject"] {
        let all = pictures(scenario);
        let some = all.iter().step_by(all.len().div_ceil(12)).chain(all.last());
        for model in some {
            for size in [(1, 1), (1, 24), (80, 1), (2, 2), (7, 3), (20, 5), (40, 8), (80, 10), (300, 100)] {
                for (details, help, row) in
                    [(false, false, None), (true, false, Some(200)), (false, true, None), (true, false, None)]
                {
                    let state = State { details, help, row, figures: Figures::Span, ..State::default() };
                    drawn(&[shown(model), shown(model)], &state, &["a line".to_owned()], size);
                }
            }
        }
    }
}

#[test]
fn before_the_first_look_and_without_any_measurement_there_is_a_picture() {
    for size in [(1, 1), (80, 24)] {
        drawn(&[Shown::default()], &State::default(), &[], size);
        drawn(&[], &State::default(), &[], size);
        drawn(&[Shown::default()], &State { run: 7, reference: 9, ..State::default() }, &[], size);
    }
}

#[test]
fn the_paths_fill_in() {
    let all = pictures("proton");
    let state = State::default();
    assert!(text(&all[0], &state, (80, 24)).contains("looking at the path"));
    let rows = |model: &Model| {
        let scene = Scene { runs: &[shown(model)], state: &state, said: &[], color: false };
        draw::extent(&scene, Rect::new(0, 0, 80, 24)).rows
    };
    assert!(rows(&all[0]) < rows(all.last().unwrap()));
    assert!(all.iter().any(|model| model.doing.starts_with("asking in pairs")));
    assert!(all.iter().any(|model| model.strips[0].values().any(|strip| strip.contains('~'))));
}

#[test]
fn a_search_for_references_is_told_and_leaves_the_picture() {
    let all = pictures("found-reference");
    let searching =
        all.iter().find(|model| model.doing.contains("asking neighbours")).expect("no search seen");
    let text = text(searching, &State::default(), (80, 24));
    assert!(text.contains("now: nothing to compare with yet"), "{text}");
    assert!(text.contains("hop  address"), "{text}");
}

#[test]
fn counts_begin_anew_where_they_are_set_to_nothing_and_the_verdict_does_not() {
    let model = last("proton");
    let state = State { base: Some((0, draw::base(&model))), ..State::default() };
    let text = text(&model, &state, (80, 24));
    assert!(text.contains("so far: LOST") && text.contains("0/0   20.0"), "{text}");
    let other = State { base: Some((1, draw::base(&model))), ..State::default() };
    assert!(!self::text(&model, &other, (80, 24)).contains("0/0"), "another measurement's");
}

#[test]
fn the_marked_hop_is_told_of_and_the_marked_row_is_seen() {
    let mut state = State::default();
    let extent = draw::extent(
        &Scene { runs: &[shown(&last("proton"))], state: &state, said: &[], color: true },
        Rect::new(0, 0, 80, 24),
    );
    for key in [Key::End, Key::Char('\n')] {
        state.press(key, extent);
    }
    let model = last("proton");
    let buffer = drawn(&[shown(&model)], &state, &[], (80, 24));
    let text = lines(&buffer).join("\n");
    assert!(text.contains("hop 13: 185.70.40.103  AS19905"), "{text}");
    assert!(text.contains("  target: no answer to 1 probe"), "{text}");
    let marked: Vec<String> = lines(&buffer)
        .into_iter()
        .zip(buffer.content().chunks(80))
        .filter(|(_, cells)| cells[0].modifier.contains(Modifier::REVERSED))
        .map(|(line, _)| line)
        .collect();
    assert_eq!(marked.len(), 1, "{text}");
    assert!(marked[0].starts_with(" 13  185.70.40.103"), "{text}");
}

#[test]
fn several_measurements_are_told_apart() {
    let runs = [
        Shown { name: "eth0".into(), ..shown(&last("proton")) },
        Shown { name: "wwan0".into(), over: true, ..shown(&last("clear")) },
    ];
    let state = State { run: 1, ..State::default() };
    let text = lines(&drawn(&runs, &state, &[], (80, 24))).join("\n");
    assert!(text.starts_with(" 1 eth0 [2 wwan0 ✓]"), "{text}");
    assert!(text.contains("so far: REACHABLE"), "{text}");
}

#[test]
fn strangers_text_cannot_write_to_the_terminal() {
    let evil = "\u{1b}[2Jevil\u{9b}1m\u{202e}\r\n";
    let mut model = last("proton");
    model.document.target.as_mut().unwrap().host = evil.into();
    for path in &mut model.document.references {
        path.hops[1].responders[0].as_name = Some(evil.into());
    }
    let target = model.document.target.as_mut().unwrap();
    target.hops[1].responders[0].as_name = Some(evil.into());
    let runs = [Shown { name: evil.into(), ..shown(&model) }, shown(&model)];
    for state in [State::default(), State { row: Some(1), details: true, ..State::default() }] {
        let buffer = drawn(&runs, &state, &[evil.to_owned()], (200, 40));
        let all: String = buffer.content().iter().map(|cell| cell.symbol()).collect();
        assert!(all.contains("evil"));
        assert!(!all.contains(|one: char| one.is_control() || "\u{202e}\u{9b}".contains(one)), "{all:?}");
    }
}

#[test]
fn the_list_of_keys_fits_a_usual_terminal() {
    let buffer = drawn(&[Shown::default()], &State { help: true, ..State::default() }, &[], (80, 24));
    let text = lines(&buffer).join("\n");
    for (key, does) in KEYS {
        assert!(text.contains(key) && text.contains(does), "{key}: {text}");
    }
}

#[test]
fn what_the_program_says_meanwhile_is_seen() {
    let said = ["first".to_owned(), "the clock was set".to_owned()];
    let text = lines(&drawn(&[shown(&last("clear"))], &State::default(), &said, (80, 24))).join("\n");
    assert!(text.contains("the clock was set") && !text.contains("first"), "{text}");
}

#[cfg(feature = "watch")]
#[test]
fn a_watch_has_a_line_for_each_target_and_the_paths_of_the_chosen_one() {
    use crate::cli::progress::Watched;
    let watched = |lost: bool, due: Option<u64>| Watched {
        runs: format!("{}{}", ".".repeat(100), if lost { "xxx" } else { "..?" }),
        state: if lost { "lost since 08:05".into() } else { "reachable since 07:00".into() },
        lost: Some(lost),
        due: due.map(Duration::from_secs),
        running: due.is_none(),
    };
    let runs = [
        Shown { name: "a.example".into(), watched: Some(watched(false, Some(252))), ..shown(&last("clear")) },
        Shown { name: "b.example".into(), watched: Some(watched(true, None)), ..shown(&last("proton")) },
    ];
    let state = State { run: 1, ..State::default() };
    let text = lines(&drawn(&runs, &state, &[], (80, 30))).join("\n");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(" 1 a.example  reachable since 07:00  in 4:12  ..."), "{text}");
    assert!(lines[0].ends_with("..?"), "{text}");
    assert!(lines[1].starts_with(">2 b.example  lost since 08:05       now      ..."), "{text}");
    assert!(lines[1].ends_with("xxx") && lines[1].chars().count() == 80, "{text}");
    assert!(lines[2].starts_with("mx1.proton"), "{text}");
    let small = self::lines(&drawn(&runs, &state, &[], (30, 4))).join("\n");
    assert!(small.starts_with(">2 b.example"), "the chosen one is seen: {small}");
}

#[test]
fn the_manual_names_every_key() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/live.md")).unwrap();
    for (key, does) in KEYS {
        assert!(page.contains(&format!("| {key} | {does} |")), "{key}: {does}");
    }
}
