//! The live view on a real terminal, made by `script` (bsdutils): keys do what they should, and the terminal is given back as it
//! was, however the program ends.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::net::skip;
use super::world::{FOUR, World};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");
/// What the view takes the terminal over with, and gives it back with.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
/// The longest wait for anything, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal in which a shell runs a command, tells its own settings before and after, and the command's status.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    output: Arc<Mutex<Vec<u8>>>,
    _typescript: tempfile::TempPath,
}

impl Terminal {
    fn run(test: &str, command: &str) -> Option<Self> {
        Self::within(test, &[], command)
    }

    /// The same, where `before` is what runs `script`.
    fn within(test: &str, before: &[&str], command: &str) -> Option<Self> {
        // The shell outlives Ctrl-C; what it runs gets the signals as usual.
        let shell = format!(
            "trap : INT QUIT TSTP; stty rows 24 cols 80; echo before=$(stty -g); sh -c 'echo pid=$$; exec {command}'; \
             echo status=$?; echo after=$(stty -g)"
        );
        let typescript = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let mut words = before.to_vec();
        let path = typescript.to_str().unwrap().to_owned();
        words.extend(["script", "-qefc", &shell, &path]);
        let script = Command::new(words[0])
            .args(&words[1..])
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env("XDG_CACHE_HOME", "/nonexistent")
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut script = match script {
            Ok(script) => script,
            Err(error) => return skip(test, &format!("script cannot be run: {error}")),
        };
        let output = Arc::new(Mutex::new(Vec::new()));
        let (keys, mut pipe) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let gathered = Arc::clone(&output);
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut part) {
                gathered.lock().unwrap().extend_from_slice(&part[..count]);
            }
        });
        Some(Self { script, keys, output, _typescript: typescript })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap()).into_owned()
    }

    /// What is seen now.
    fn screen(&self) -> String {
        screen(&self.text())
    }

    #[track_caller]
    fn wait(&mut self, what: &str, is: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is(self) {
            assert!(began.elapsed() < PATIENCE, "never {what}:\n{}\n{:?}", self.screen(), self.text());
            sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn sees(&mut self, words: &str) {
        self.wait(words, |terminal| terminal.screen().contains(words));
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn pid(&mut self) -> i32 {
        self.wait("a process", |terminal| terminal.line("pid=").is_some());
        self.line("pid=").unwrap().parse().unwrap()
    }

    fn signal(&mut self, words: &str) {
        let pid = self.pid();
        let command = words.split(' ').map(|word| format!("kill -{word} {pid}; ")).collect::<String>();
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    fn line(&self, begin: &str) -> Option<String> {
        let text = self.text();
        let (_, behind) = text.rsplit_once(&format!("\n{begin}")).or_else(|| text.split_once(begin))?;
        let (line, _) = behind.split_once('\n')?;
        Some(line.trim().to_owned())
    }

    /// Waits for the end: the terminal is as it was. Gives the status, and what was printed behind the view.
    #[track_caller]
    fn ends(mut self) -> (i32, String) {
        self.wait("an end", |terminal| terminal.line("after=").is_some());
        let (before, after) = (self.line("before=").unwrap(), self.line("after=").unwrap());
        assert_eq!(before, after, "the terminal is not as it was");
        let text = self.text();
        assert_eq!(text.matches(ENTER).count(), text.matches(LEAVE).count(), "{text:?}");
        assert!(text.contains(ENTER), "there was no view: {text}");
        let behind = text.rsplit_once(LEAVE).unwrap().1;
        assert_eq!(text.matches("\x1b[?25l").count() > 0, text.contains("\x1b[?25h"), "the cursor");
        (self.line("status=").unwrap().parse().unwrap(), behind.to_owned())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves nothing running: what hangs on this terminal ends with it.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// What a terminal of 24 lines shows after these characters: the sequences that the view uses, and no more.
fn screen(text: &str) -> String {
    const SIZE: (usize, usize) = (24, 120);
    let mut cells = vec![vec![' '; SIZE.1]; SIZE.0];
    let (mut y, mut x) = (0, 0);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '\x1b' if rest.starts_with('[') => {
                let Some(end) = rest[1..].find(|one: char| ('@'..='~').contains(&one)) else { break };
                let (parameters, last) = (&rest[1..=end], rest.as_bytes()[end + 1]);
                rest = &rest[end + 2..];
                match last {
                    b'H' => {
                        let (line, column) = parameters.split_once(';').unwrap_or(("1", "1"));
                        (y, x) = (
                            line.parse::<usize>().unwrap_or(1) - 1,
                            column.parse::<usize>().unwrap_or(1) - 1,
                        );
                    }
                    b'J' => cells = vec![vec![' '; SIZE.1]; SIZE.0],
                    _ => {}
                }
            }
            '\r' => x = 0,
            '\n' => y += 1,
            other => {
                if y < SIZE.0 && x < SIZE.1 {
                    cells[y][x] = other;
                }
                x += 1;
            }
        }
    }
    cells.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned() + "\n").collect()
}

fn demo(test: &str) -> Option<Terminal> {
    Terminal::run(test, &format!("{PROGRAM} demo --live"))
}

#[test]
fn the_paths_fill_in_and_then_there_is_the_report() {
    let Some(mut terminal) = demo("the_paths_fill_in_and_then_there_is_the_report") else { return };
    terminal.sees("hop  address");
    terminal.sees("now: asking in pairs");
    terminal.press("++++");
    terminal.sees("not seen beyond this");
    let (status, report) = terminal.ends();
    assert_eq!(status, 0, "{report}");
    assert!(report.contains("LOST INSIDE AS8359") && report.contains("Truth:"), "{report}");
    assert!(report.contains("\x1b["), "the report is coloured as always: {report}");
}

#[test]
fn keys_change_what_is_seen_and_q_ends_with_a_report() {
    let Some(mut terminal) = demo("keys_change_what_is_seen_and_q_ends_with_a_report") else { return };
    // Time enough for every key.
    terminal.press("---");
    terminal.sees("AS204671");
    terminal.press("?");
    terminal.sees("any of them closes this list");
    terminal.press("x");
    terminal.sees("so far");
    terminal.press("z");
    terminal.wait("no AS numbers", |terminal| !terminal.screen().contains("AS204671  "));
    terminal.press("zp");
    terminal.sees("paused: ");
    terminal.press(" ");
    terminal.wait("going on", |terminal| !terminal.screen().contains("paused: "));
    terminal.press("\x1b[B\n");
    terminal.sees("hop 1: 192.168.1.254");
    terminal.press("\x1b[B");
    terminal.sees("hop 2: 178.248.232.10");
    terminal.press("\x1b");
    terminal.wait("no more", |terminal| !terminal.screen().contains("hop 2: "));
    terminal.press("q");
    let (status, report) = terminal.ends();
    assert!(report.contains("INCONCLUSIVE") && report.contains("Truth:"), "{status}: {report}");
    assert!(report.contains("stopped before it was complete"), "{report}");
}

#[test]
fn a_signal_ends_it_with_a_report_and_a_second_one_at_once() {
    let test = "a_signal_ends_it_with_a_report_and_a_second_one_at_once";
    for signal in ["INT", "TERM"] {
        let Some(mut terminal) = demo(test) else { return };
        terminal.press("---");
        terminal.sees("hop  address");
        terminal.signal(signal);
        let (_, report) = terminal.ends();
        assert!(report.contains("INCONCLUSIVE"), "{signal}: {report}");
    }
    let Some(mut terminal) = demo(test) else { return };
    terminal.press("---");
    terminal.sees("hop  address");
    // Both are there before it can do anything about the first.
    terminal.signal("STOP INT TERM CONT");
    let (status, report) = terminal.ends();
    assert_eq!(status, 128 + 15, "{report}");
    assert!(!report.contains("INCONCLUSIVE"), "{report}");
    // By the keyboard, as everybody does it.
    let Some(mut terminal) = demo(test) else { return };
    terminal.press("---");
    terminal.sees("hop  address");
    terminal.press("\x03");
    let (_, report) = terminal.ends();
    assert!(report.contains("INCONCLUSIVE"), "{report}");
}

#[test]
fn it_can_be_put_aside_and_taken_up_again() {
    let Some(mut terminal) = demo("it_can_be_put_aside_and_taken_up_again") else { return };
    let pid = terminal.pid();
    let state = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").map(|(_, behind)| behind.chars().next().unwrap_or('?')).unwrap_or('?')
    };
    terminal.press("---");
    terminal.sees("hop  address");
    terminal.press("\x1a");
    terminal.wait("stopped", |_| state(pid) == 'T');
    assert_eq!(terminal.text().matches(LEAVE).count(), 1, "the terminal is given back meanwhile");
    terminal.signal("CONT");
    terminal.wait("taken up", |terminal| terminal.text().matches(ENTER).count() == 2);
    let behind = |terminal: &Terminal| screen(terminal.text().rsplit_once(ENTER).unwrap().1);
    terminal.wait("drawn anew", |terminal| behind(terminal).contains("hop  address"));
    terminal.press("q");
    let (_, report) = terminal.ends();
    assert!(report.contains("INCONCLUSIVE"), "{report}");
}

#[test]
fn a_terminal_that_changes_its_size_is_filled_anew() {
    let test = "a_terminal_that_changes_its_size_is_filled_anew";
    let command = format!("{PROGRAM} demo --live");
    let Some(mut terminal) = Terminal::run(test, &command) else { return };
    terminal.press("---");
    terminal.sees("? keys");
    let pid = terminal.pid();
    let tty = fs::read_link(format!("/proc/{pid}/fd/2")).unwrap();
    let resized = Command::new("stty")
        .args(["-F", tty.to_str().unwrap(), "rows", "12", "cols", "40"])
        .status()
        .unwrap();
    assert!(resized.success());
    // The last line is another one now, and shorter.
    terminal.wait("smaller", |terminal| {
        let text = terminal.text();
        let last = screen(text.rsplit_once("\x1b[2J").unwrap().1);
        last.lines().nth(11).is_some_and(|line| line.starts_with("q end")) && !last.contains("? keys")
    });
    terminal.press("q");
    // Its size is part of its settings; that it was changed is nobody's fault.
    terminal.wait("an end", |terminal| terminal.line("after=").is_some());
}

#[test]
fn what_is_redirected_gets_the_report_and_nothing_of_the_view() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.txt");
    let command = format!("{PROGRAM} demo --live > {}", file.display());
    let Some(mut terminal) =
        Terminal::run("what_is_redirected_gets_the_report_and_nothing_of_the_view", &command)
    else {
        return;
    };
    terminal.press("++++++");
    let (status, _) = terminal.ends();
    assert_eq!(status, 0);
    let plain = Command::new(PROGRAM).arg("demo").output().unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&fs::read(&file).unwrap()), String::from_utf8_lossy(&plain));
}

#[test]
fn without_a_terminal_there_are_lines_and_a_note() {
    for (words, more) in [(&["demo", "--live"][..], None), (&["demo", "--live", "-v"], Some("so far: "))] {
        let output = Command::new(PROGRAM).args(words).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.matches("no live view: standard error is no terminal").count(), 1, "{said}");
        assert!(more.is_none_or(|more| said.contains(more)), "{said}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("LOST INSIDE AS8359"));
    }
}

#[test]
fn no_colour_is_drawn_where_none_is_wanted() {
    let command = format!("env NO_COLOR=1 {PROGRAM} demo --live");
    let Some(mut terminal) = Terminal::run("no_colour_is_drawn_where_none_is_wanted", &command) else {
        return;
    };
    terminal.press("++");
    terminal.sees("not seen beyond this");
    terminal.press("++++");
    let text = {
        let (output, text) = (Arc::clone(&terminal.output), terminal.ends());
        assert_eq!(text.0, 0);
        String::from_utf8_lossy(&output.lock().unwrap()).into_owned()
    };
    assert!(!text.contains(";31m") && !text.contains(";33m"), "{text:?}");
}

#[cfg(feature = "watch")]
#[test]
fn a_watch_shows_its_runs_and_tells_its_events_when_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.db");
    let command =
        format!("{PROGRAM} watch --live --simulate clear:3,blackhole:6 --history {}", history.display());
    let Some(mut terminal) =
        Terminal::run("a_watch_shows_its_runs_and_tells_its_events_when_it_is_over", &command)
    else {
        return;
    };
    terminal.press("++++++");
    terminal.sees(">1 mx1.proton tcp/25");
    terminal.sees("hop  address");
    let (status, text) = terminal.ends();
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("mx1.proton") && text.contains("lost"), "{text}");
}

/// Real sockets, all capabilities given up, files and system calls confined: the view works inside that.
#[test]
fn a_confined_run_has_a_view_as_well() {
    let test = "a_confined_run_has_a_view_as_well";
    let Some(world) = World::build(test) else { return };
    world.nft("c2", FOUR, "forward priority 0", "DST drop");
    let space = world.space("you");
    let words = format!("{} 25 -r {} --db {}", FOUR.target, FOUR.neighbour, world.table());
    for (command, ends) in [
        (format!("{PROGRAM} diagnose {words} --live"), false),
        (format!("{PROGRAM} diagnose {words} --live --also 185.70.40.102"), true),
    ] {
        let Some(mut terminal) = Terminal::within(test, &["ip", "netns", "exec", &space], &command) else {
            return;
        };
        terminal.sees("hop  address");
        if ends {
            terminal.sees("[1 185.70.40.101");
            terminal.press("\t");
            terminal.sees("[2 185.70.40.102");
            terminal.press("q");
        }
        let (_, report) = terminal.ends();
        assert!(report.contains("185.70.40.101"), "{report}");
        assert!(ends || report.contains("LOST "), "{report}");
    }
}
