//! The terminal itself: taken over, drawn on, and always put back as it was.
//!
//! It keeps its own signals: Ctrl-C and Ctrl-Z stay what they are, so that they reach the whole pipeline and work even if the
//! view hangs. Only lines, echo and flow control are switched off.
//!
//! What is there to be restored lies in one place for the whole process, since a panic in any thread has to find it.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, Once, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{
    InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use nix::unistd::{getpgrp, tcgetpgrp};
use ratatui_core::backend::{Backend, ClearType, WindowSize};
use ratatui_core::buffer::Cell;
use ratatui_core::layout::{Position, Size};
use ratatui_core::style::{Color, Modifier};

use crate::cli::output;

/// The other screen, no cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[0m\x1b[2J\x1b[H";
/// Plain letters, the cursor, the first screen.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";

/// The terminal that is taken over, and how it was.
static TAKEN: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// A terminal that a view can be drawn on.
#[derive(Debug)]
pub struct Tty {
    file: File,
}

impl Tty {
    /// The terminal of this process, if stderr is one, it can do more than lines, and we are in front of it. Else the reason
    /// why there is no view.
    pub fn open() -> Result<Self, &'static str> {
        if !io::stderr().is_terminal() {
            return Err("standard error is no terminal");
        }
        if std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
            return Err("the terminal can only do lines (TERM)");
        }
        let file = File::options().read(true).write(true).open("/dev/tty");
        let file = file.map_err(|_| "there is no terminal to take keys from")?;
        // Whoever is in the background would be stopped when it touches the terminal.
        match tcgetpgrp(&file) {
            Ok(group) if group == getpgrp() => Ok(Self { file }),
            Ok(_) => Err("it runs in the background"),
            Err(_) => Err("the terminal does not answer"),
        }
    }

    /// Takes the terminal over; lines that are said wait from now on.
    pub fn enter(&self) -> io::Result<()> {
        let before = tcgetattr(&self.file)?;
        let mut keys = before.clone();
        keys.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::IEXTEN);
        keys.local_flags.insert(LocalFlags::ISIG);
        keys.input_flags.remove(InputFlags::IXON);
        // A read never waits.
        keys.control_chars[SpecialCharacterIndices::VMIN as usize] = 0;
        keys.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        restore_on_panic();
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = self.file.try_clone()?;
        tcsetattr(&self.file, SetArg::TCSADRAIN, &keys)?;
        let entered = file.write_all(ENTER);
        // Whatever became of that, it is put back.
        *taken = Some((file, before));
        output::hold();
        entered
    }

    /// Waits for keys so many milliseconds at most, and gives what came. None if the terminal is gone.
    pub fn keys(&mut self, milliseconds: u16) -> Option<Vec<u8>> {
        let mut ready = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::from(milliseconds)) {
            // A signal: it is looked after by whoever asks.
            Ok(0) | Err(nix::errno::Errno::EINTR) => return Some(Vec::new()),
            Err(_) => return None,
            Ok(_) => {}
        }
        let mut bytes = [0; 256];
        match self.file.read(&mut bytes) {
            Ok(0) => None,
            Ok(count) => Some(bytes[..count].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(Vec::new()),
            Err(_) => None,
        }
    }
}

/// Puts the terminal back as it was, and says what waited; nothing if it is not taken over.
pub fn leave() {
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((mut file, before)) = taken {
        // If the terminal is gone there is nothing to be put back.
        let _ = file.write_all(LEAVE).and_then(|()| file.flush());
        let _ = tcsetattr(&file, SetArg::TCSADRAIN, &before);
        output::release();
    }
}

/// Before a panic is told, the terminal is one that can show it.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            before(panic);
        }));
    });
}

/// What ratatui draws on: bytes are gathered, and written at once if the terminal is ours.
#[derive(Debug)]
pub struct Screen {
    out: Vec<u8>,
    /// For its size.
    file: File,
}

impl Screen {
    pub fn new(tty: &Tty) -> io::Result<Self> {
        Ok(Self { out: Vec::new(), file: tty.file.try_clone()? })
    }
}

impl Backend for Screen {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut next = None;
        let mut look = None;
        for (x, y, cell) in content {
            if next != Some((x, y)) {
                write!(self.out, "\x1b[{};{}H", y + 1, x + 1)?;
            }
            next = Some((x + 1, y));
            let style = (cell.fg, cell.modifier);
            if look != Some(style) {
                self.out.extend_from_slice(sequence(style.0, style.1).as_bytes());
                look = Some(style);
            }
            self.out.extend_from_slice(cell.symbol().as_bytes());
            // A wide character moves the cursor by more: the next one is placed anew.
            if !cell.symbol().is_ascii() {
                next = None;
            }
        }
        self.out.extend_from_slice(b"\x1b[0m");
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.out.extend_from_slice(b"\x1b[?25l");
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.out.extend_from_slice(b"\x1b[?25h");
        Ok(())
    }

    /// Nobody puts a cursor anywhere.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        write!(self.out, "\x1b[{};{}H", y.saturating_add(1), x.saturating_add(1))
    }

    fn clear(&mut self) -> io::Result<()> {
        self.out.extend_from_slice(b"\x1b[0m\x1b[2J");
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        // A terminal that does not know its size is as they were.
        let (width, height) = terminal_size::terminal_size_of(&self.file)
            .map_or((80, 24), |(width, height)| (width.0, height.0));
        Ok(Size { width: width.max(1), height: height.max(1) })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.out);
        match &mut *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((file, _)) => file.write_all(&bytes),
            // It was given back meanwhile, and shows something else.
            None => Ok(()),
        }
    }
}

/// The sequence for a colour and weight, from whatever was before.
fn sequence(color: Color, modifier: Modifier) -> String {
    let mut text = "\x1b[0".to_owned();
    for (which, code) in [(Modifier::BOLD, ";1"), (Modifier::DIM, ";2"), (Modifier::REVERSED, ";7")] {
        if modifier.contains(which) {
            text.push_str(code);
        }
    }
    text.push_str(match color {
        Color::Red => ";31",
        Color::Green => ";32",
        Color::Yellow => ";33",
        _ => "",
    });
    text.push('m');
    text
}
