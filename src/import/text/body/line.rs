//! Cells put together: a name with its address, a letter that is a mark.

use std::net::IpAddr;

use crate::import::text::cells::{self, Cell};
use crate::trace::MplsLabel;

/// What a line says, in its order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'a> {
    /// Who answers the next probes.
    Host(Option<IpAddr>, Option<&'a str>),
    /// A name whose address may follow on the next line, or never.
    Name(&'a str),
    As(Vec<u32>),
    Labels(Vec<MplsLabel>),
    Flags(&'a str),
    State(&'a str),
    Star,
    Rtt(f64),
    Mark(&'a str),
}

/// A line, put together and not yet believed.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    pub(super) items: Vec<Item<'a>>,
    /// What was not understood.
    pub(super) rests: Vec<&'a str>,
    /// Stars, times and marks that stand for a probe.
    pub(super) probes: usize,
    /// It has a time.
    pub(super) timed: bool,
    /// It has an address.
    pub(super) addressed: bool,
    /// It has a name that no address belongs to.
    pub(super) named: bool,
    /// It has an AS number.
    pub(super) claimed: bool,
    /// It has a time in `msec`.
    pub(super) msec: bool,
    /// It has a name behind its address.
    pub(super) address_first: bool,
    /// The address that was read last, as it is written.
    text: Option<&'a str>,
}

impl<'a> Draft<'a> {
    /// Reads a line behind its hop number. With `letters` a lone letter behind a host is a mark.
    pub(super) fn new(text: &'a str, letters: bool) -> Self {
        let mut draft = Self { msec: text.contains("msec"), ..Self::default() };
        let mut rest = text;
        // A word that is a name if the next cell allows it.
        let mut word: Option<&str> = None;
        while let Some((cell, tail)) = cells::next(rest) {
            rest = tail;
            let before = word.take();
            match cell {
                Cell::Inner(address) => draft.inner(address, before),
                // Junos without names at times prints the address beside one.
                Cell::Address(address, text) => match before.filter(|word| is_name(word)) {
                    Some(name) => draft.host(address, Some(cells::name(name)), text),
                    None => {
                        draft.name_or_rest(before);
                        draft.host(address, None, text);
                    }
                },
                Cell::Aside(inner) => draft.aside(inner, before),
                Cell::Word(one) => {
                    // Two words in a row are no host.
                    if let Some(before) = before {
                        draft.rests.push(before);
                    }
                    if letters && draft.has_host() && is_letter(one) {
                        draft.probe(Item::Mark(one));
                    } else {
                        word = Some(one);
                    }
                }
                other => {
                    draft.name_or_rest(before);
                    draft.plain(other);
                }
            }
        }
        match word {
            Some(one) if is_name(one) && draft.items.is_empty() => {
                draft.named = true;
                draft.items.push(Item::Name(cells::name(one)));
            }
            one => draft.name_or_rest(one),
        }
        draft
    }

    /// Whether it holds nothing but a name.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.items.as_slice(), [Item::Name(name)] if name.contains('.'))
    }

    /// Whether its names look like those of hosts.
    pub(super) fn is_dotted(&self) -> bool {
        self.items.iter().all(|item| match item {
            Item::Host(None, Some(name)) | Item::Name(name) => name.contains('.'),
            _ => true,
        })
    }

    fn has_host(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Host(..) | Item::As(_)))
    }

    fn plain(&mut self, cell: Cell<'a>) {
        match cell {
            Cell::Star => self.probe(Item::Star),
            Cell::Rtt(rtt) => {
                self.timed = true;
                self.probe(Item::Rtt(rtt));
            }
            Cell::Mark(mark) => self.probe(Item::Mark(mark)),
            Cell::As(claims) => {
                self.claimed = true;
                self.items.push(Item::As(claims));
            }
            Cell::Labels(labels) => self.items.push(Item::Labels(labels)),
            Cell::Flags(flags) => self.items.push(Item::Flags(flags)),
            Cell::State(state) => self.items.push(Item::State(state)),
            Cell::Unknown(text) => self.rests.push(text),
            Cell::Known | Cell::Address(..) | Cell::Inner(_) | Cell::Aside(_) | Cell::Word(_) => {}
        }
    }

    fn probe(&mut self, item: Item<'a>) {
        self.probes += 1;
        self.items.push(item);
    }

    fn host(&mut self, address: IpAddr, name: Option<&'a str>, text: &'a str) {
        self.addressed = true;
        self.text = Some(text);
        self.items.push(Item::Host(Some(address), name));
    }

    /// An address in parentheses, with what stands before it: its name, or the same address.
    fn inner(&mut self, address: IpAddr, before: Option<&'a str>) {
        if let Some(name) = before {
            let name = Some(cells::name(name)).filter(|name| cells::address(name) != Some(address));
            self.addressed = true;
            self.items.push(Item::Host(Some(address), name));
            return;
        }
        if let Some(Item::Host(Some(first), name @ None)) = self.items.last_mut() {
            // A name that is written like an address; the one in parentheses counts.
            if *first != address {
                (*first, *name) = (address, self.text);
            }
            return;
        }
        self.addressed = true;
        self.items.push(Item::Host(Some(address), None));
    }

    /// Something in parentheses that is no address: the name behind it (inetutils), or a router's own remark.
    fn aside(&mut self, inner: &'a str, before: Option<&'a str>) {
        if let Some(before) = before {
            self.name_or_rest(Some(before));
        } else if let Some(Item::Host(Some(_), name @ None)) = self.items.last_mut()
            && is_name(inner)
            && !inner.contains('/')
        {
            *name = Some(cells::name(inner));
            self.address_first = true;
        }
    }

    /// A word that no address followed.
    fn name_or_rest(&mut self, word: Option<&'a str>) {
        let Some(word) = word else { return };
        if is_name(word) {
            self.named = true;
            self.items.push(Item::Host(None, Some(cells::name(word))));
        } else {
            self.rests.push(word);
        }
    }
}

/// Whether a word can be the name of a host: it has letters, and no signs that no name has.
fn is_name(word: &str) -> bool {
    let inner = cells::name(word);
    // A unit whose number is none, such as the negative times of a clock that was set: no name.
    !matches!(inner, "ms" | "msec")
        && inner.chars().any(char::is_alphabetic)
        && inner
            .chars()
            .all(|one| one.is_alphanumeric() || matches!(one, '.' | '-' | '_' | ':' | '/' | '%' | '@'))
}

/// Cisco's letters as old images print them.
fn is_letter(word: &str) -> bool {
    matches!(word, "A" | "H" | "N" | "P" | "Q" | "T" | "U" | "I" | "?")
}
