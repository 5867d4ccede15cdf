//! What is typed, and what it changes in the view. Keys are those of mtr and trippy where these have one for it; none of them
//! touches the measurement but the one that ends it.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// A key, or what arrow keys and their like send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Tab,
    BackTab,
    Escape,
}

/// Reads what a terminal sent. Sequences that mean nothing here are passed over; an escape character that nothing follows is
/// the key.
pub fn decode(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        match (first, behind) {
            (0x1b, [b'[' | b'O', sequence @ ..]) => {
                // ECMA-48 §5.4: parameters and intermediates, then one final byte.
                let length =
                    sequence.iter().position(|byte| (0x40..=0x7e).contains(byte)).unwrap_or(sequence.len());
                keys.extend(named(sequence.get(..=length).unwrap_or(sequence)));
                rest = sequence.get(length + 1..).unwrap_or_default();
            }
            (0x1b, _) => keys.push(Key::Escape),
            (b'\t', _) => keys.push(Key::Tab),
            (b'\r' | b'\n', _) => keys.push(Key::Char('\n')),
            (0x20..=0x7e, _) => keys.push(Key::Char(char::from(first))),
            _ => {}
        }
    }
    keys
}

/// The key of a sequence, without what it begins with.
fn named(sequence: &[u8]) -> Option<Key> {
    match sequence {
        b"A" => Some(Key::Up),
        b"B" => Some(Key::Down),
        b"C" => Some(Key::Right),
        b"D" => Some(Key::Left),
        b"H" | b"1~" | b"7~" => Some(Key::Home),
        b"F" | b"4~" | b"8~" => Some(Key::End),
        b"5~" => Some(Key::PageUp),
        b"6~" => Some(Key::PageDown),
        b"Z" => Some(Key::BackTab),
        _ => None,
    }
}

/// What is shown beside a hop's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Figures {
    /// Answers, probes, the mean time.
    #[default]
    Mean,
    /// Answers, probes, and the shortest, mean and longest time.
    Span,
    /// The fate of each of the last probes.
    Strip,
    /// Answers and probes alone, where there is no room for more; no key asks for it.
    Counts,
}

impl Figures {
    const fn next(self) -> Self {
        match self {
            Self::Mean => Self::Span,
            Self::Span => Self::Strip,
            Self::Strip | Self::Counts => Self::Mean,
        }
    }
}

/// What the counts of a measurement stood at when they were last set to nothing, by path and TTL.
#[derive(Clone, Debug, Default)]
pub struct Base {
    pub sent: BTreeMap<(String, u8), u32>,
    /// By address as well.
    pub replies: BTreeMap<(String, u8, Option<IpAddr>), u32>,
}

/// How it is looked at.
#[derive(Clone, Debug)]
pub struct State {
    /// The list of keys covers the rest.
    pub help: bool,
    /// The picture stands still.
    pub paused: bool,
    /// Names of networks.
    pub names: bool,
    /// AS numbers.
    pub asns: bool,
    pub figures: Figures,
    /// More of the marked hop.
    pub details: bool,
    /// The marked row; none while the view looks where something happens.
    pub row: Option<usize>,
    /// Which measurement.
    pub run: usize,
    /// Which reference stands beside the target first.
    pub reference: usize,
    /// Counts are shown from here on, of the measurement with this number.
    pub base: Option<(usize, Base)>,
    /// The end was asked for.
    pub ending: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            help: false,
            paused: false,
            names: true,
            asns: true,
            figures: Figures::Mean,
            details: false,
            row: None,
            run: 0,
            reference: 0,
            base: None,
            ending: false,
        }
    }
}

/// What there is to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Measurements.
    pub runs: usize,
    /// Rows of the one that is shown.
    pub rows: usize,
    /// Its references.
    pub references: usize,
    /// Rows that are seen at once.
    pub page: usize,
}

/// What a key asks for beyond the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Nothing,
    /// End the measurement.
    End,
    /// Draw everything anew.
    Redraw,
    /// Count from here on.
    Reset,
    /// Let simulated time pass faster, or slower.
    Faster,
    Slower,
}

impl State {
    /// Takes a key.
    pub fn press(&mut self, key: Key, extent: Extent) -> Act {
        if self.help && !matches!(key, Key::Char('q')) {
            // Whatever is pressed, the list goes away.
            self.help = false;
            return Act::Nothing;
        }
        match key {
            Key::Char('q') => return Act::End,
            Key::Char('?' | 'h') => self.help = true,
            Key::Char('p') => self.paused = true,
            Key::Char(' ') => self.paused = !self.paused,
            Key::Char('d') => self.figures = self.figures.next(),
            Key::Char('n') => self.names = !self.names,
            Key::Char('z') => self.asns = !self.asns,
            Key::Char('r') => return Act::Reset,
            Key::Char('+' | '=') => return Act::Faster,
            Key::Char('-') => return Act::Slower,
            // Ctrl-L is below the printable ones and comes as nothing; `l` does the same.
            Key::Char('l') => return Act::Redraw,
            Key::Char('\n') => {
                self.details = !self.details;
                if self.details {
                    self.mark(0, extent);
                }
            }
            Key::Escape => (self.row, self.details) = (None, false),
            Key::Up | Key::Char('k') => self.mark(-1, extent),
            Key::Down | Key::Char('j') => self.mark(1, extent),
            Key::PageUp => self.mark(-(extent.page.max(1) as isize), extent),
            Key::PageDown => self.mark(extent.page.max(1) as isize, extent),
            Key::Home => self.row = extent.rows.checked_sub(1).map(|_| 0),
            Key::End => self.row = extent.rows.checked_sub(1),
            Key::Left => self.reference = turned(self.reference, extent.references, false),
            Key::Right => self.reference = turned(self.reference, extent.references, true),
            Key::Tab => self.show(turned(self.run, extent.runs, true)),
            Key::BackTab => self.show(turned(self.run, extent.runs, false)),
            Key::Char(digit @ '1'..='9') => {
                let run = digit as usize - '1' as usize;
                if run < extent.runs {
                    self.show(run);
                }
            }
            Key::Char(_) => {}
        }
        Act::Nothing
    }

    /// Moves the mark by so many rows; from nowhere it comes in at the end it moves away from.
    fn mark(&mut self, by: isize, extent: Extent) {
        let Some(last) = extent.rows.checked_sub(1) else { return };
        self.row = Some(match self.row {
            None if by < 0 => last,
            None => 0,
            Some(row) => row.min(last).saturating_add_signed(by).min(last),
        });
    }

    fn show(&mut self, run: usize) {
        if run != self.run {
            (self.run, self.row, self.reference) = (run, None, 0);
        }
    }
}

/// The next of so many, or the one before, in a ring.
const fn turned(at: usize, of: usize, onward: bool) -> usize {
    match of {
        0 => 0,
        _ if onward => (at + 1) % of,
        _ => (at + of - 1) % of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent { runs: 2, rows: 13, references: 3, page: 5 };

    fn after(keys: &[Key]) -> State {
        let mut state = State::default();
        for key in keys {
            state.press(*key, EXTENT);
        }
        state
    }

    #[test]
    fn sequences_of_any_terminal_are_keys_and_the_rest_is_passed_over() {
        let keys = decode(b"q\x1b[A\x1bOB\x1b[5~\x1b[1;5C\x1b[Z\tp\x1b[200~\x1b");
        let expected = [
            Key::Char('q'),
            Key::Up,
            Key::Down,
            Key::PageUp,
            Key::BackTab,
            Key::Tab,
            Key::Char('p'),
            Key::Escape,
        ];
        assert_eq!(keys, expected);
        assert_eq!(decode(b"\x1b[1;5"), []);
        assert_eq!(decode("ф\u{7f}\u{1}".as_bytes()), []);
    }

    #[test]
    fn no_bytes_panic() {
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                decode(&[0x1b, first, second]);
                decode(&[first, second, 0x1b, b'[']);
            }
        }
    }

    #[test]
    fn the_mark_stays_within_the_rows_however_far_it_is_moved() {
        assert_eq!(after(&[Key::Down]).row, Some(0));
        assert_eq!(after(&[Key::Up]).row, Some(12));
        assert_eq!(after(&[Key::Down, Key::Down, Key::PageDown]).row, Some(6));
        assert_eq!(after(&[Key::End, Key::PageDown, Key::Down]).row, Some(12));
        assert_eq!(after(&[Key::End, Key::Home, Key::Up]).row, Some(0));
        assert_eq!(after(&[Key::Down, Key::Escape]).row, None);
        let mut state = after(&[Key::End]);
        state.press(Key::Up, Extent { rows: 3, ..EXTENT });
        assert_eq!(state.row, Some(1), "rows may become fewer");
        state.press(Key::Up, Extent::default());
        assert_eq!(state.row, Some(1));
    }

    #[test]
    fn keys_do_what_mtr_and_trippy_do_by_them() {
        let state = after(&[Key::Char('d'), Key::Char('n'), Key::Char('z'), Key::Char('p')]);
        assert_eq!(
            (state.figures, state.names, state.asns, state.paused),
            (Figures::Span, false, false, true)
        );
        assert!(!after(&[Key::Char('p'), Key::Char(' ')]).paused);
        assert_eq!(after(&[Key::Char('d'), Key::Char('d'), Key::Char('d')]).figures, Figures::Mean);
        assert_eq!(State::default().press(Key::Char('q'), EXTENT), Act::End);
        assert_eq!(State::default().press(Key::Char('r'), EXTENT), Act::Reset);
    }

    #[test]
    fn the_list_of_keys_goes_away_at_any_key_and_q_still_ends() {
        assert!(after(&[Key::Char('?')]).help);
        let state = after(&[Key::Char('h'), Key::Char('p')]);
        assert!(!state.help && !state.paused);
        assert_eq!(after(&[Key::Char('?')]).press(Key::Char('q'), EXTENT), Act::End);
    }

    #[test]
    fn measurements_and_references_are_gone_through_in_a_ring() {
        assert_eq!(after(&[Key::Tab]).run, 1);
        assert_eq!(after(&[Key::Tab, Key::Tab]).run, 0);
        assert_eq!(after(&[Key::BackTab]).run, 1);
        assert_eq!(after(&[Key::Char('2')]).run, 1);
        assert_eq!(after(&[Key::Char('9')]).run, 0);
        assert_eq!(after(&[Key::Left]).reference, 2);
        assert_eq!(after(&[Key::Right, Key::Tab]).reference, 0, "another measurement has its own");
    }
}
