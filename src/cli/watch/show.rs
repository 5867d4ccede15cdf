//! `watch report` and `watch export`.

use super::words::{WatchExport, WatchReport};
use crate::cli::exit::Exit;
pub fn report(_words: &WatchReport) -> Exit {
    Exit::Ok
}
pub fn export(_words: &WatchExport) -> Exit {
    Exit::Ok
}
