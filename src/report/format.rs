//! The formats that a report can be written in, by their words and by the names of files.

/// A format of a report.
///
/// A new one is a row here, a file beside this one, and an arm in [`write()`](super::write()).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// For a terminal.
    Text,
    /// Plain text of at most 72 columns, for a ticket.
    Ticket,
    /// Markdown as GitHub and GitLab read it.
    Markdown,
    /// One page with its pictures, which asks nobody for anything.
    Html,
    /// Sheets of A4, to print or to send.
    Pdf,
    /// The published document.
    Json,
    /// One JSON object for each run, hop and responder.
    Jsonl,
    /// One row for each hop and responder (RFC 4180).
    Csv,
    /// What `mtr -rwz` prints.
    Mtr,
    /// OONI's data format 0.2.0, one measurement a line.
    Ooni,
}

impl Format {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 10] = [
        Self::Text,
        Self::Ticket,
        Self::Markdown,
        Self::Html,
        Self::Pdf,
        Self::Json,
        Self::Jsonl,
        Self::Csv,
        Self::Mtr,
        Self::Ooni,
    ];

    /// Its word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Ticket => "ticket",
            Self::Markdown => "md",
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Mtr => "mtr",
            Self::Ooni => "ooni",
        }
    }

    /// Whether it is text; else it is of no use on a terminal.
    #[must_use]
    pub const fn is_text(self) -> bool {
        !matches!(self, Self::Pdf)
    }

    /// What it is for, in a few words.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Text => "For a terminal",
            Self::Ticket => "Plain text of 72 columns, to paste into a ticket",
            Self::Markdown => "Markdown, for GitHub, GitLab and wikis",
            Self::Html => "One page with pictures, which asks nobody for anything",
            Self::Pdf => "The same on sheets of A4, to print or to send",
            Self::Json => "The published document",
            Self::Jsonl => "One JSON object a line: each run, then each of its hops and who answered there",
            Self::Csv => "One row for each hop and who answered there",
            Self::Mtr => {
                "As mtr -rwz prints it; Last is the mean and StDev 0.0, since single times are not saved"
            }
            Self::Ooni => "OONI's data format, one measurement a line; our own address is left out",
        }
    }

    /// The format with that word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }

    /// The format that a file name's ending says.
    #[must_use]
    pub fn of_ending(ending: &str) -> Option<Self> {
        Some(match ending.to_ascii_lowercase().as_str() {
            "txt" | "text" => Self::Text,
            "md" | "markdown" => Self::Markdown,
            "html" | "htm" => Self::Html,
            "pdf" => Self::Pdf,
            "json" => Self::Json,
            "jsonl" | "ndjson" => Self::Jsonl,
            "csv" => Self::Csv,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_format() {
        for format in Format::ALL {
            assert_eq!(Format::of_word(format.word()), Some(format));
        }
        assert_eq!(Format::of_word("doc"), None);
        assert_eq!(Format::of_ending("HTM"), Some(Format::Html));
        assert_eq!(Format::of_ending("doc"), None);
    }
}
