//! Who may send mail for a domain, as its SPF record says (RFC 7208).
//!
//! A receiver asks whether one address may send; here all addresses that may are wanted. So terms that name hosts or prefixes
//! are followed, terms that only a message can answer (`ptr`, `exists`, macros of a sender) are told and left out, and the
//! limits that receivers keep are kept: ten terms that ask the DNS, two answers with nothing in them (§4.6.4). Where they
//! would give up, that is told, and what was found until then stands. No question is put here: whoever calls does that.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::Family;

/// Terms that ask the DNS (§4.6.4).
const MOST_TERMS: u32 = 10;
/// Answers without a record (§4.6.4).
const MOST_VOID: u32 = 2;
/// Mail hosts that one `mx` may lead to (§4.6.4).
const MOST_EXCHANGES: usize = 10;
/// Terms of a record that are looked at; a record of 4 kB holds no more that say something.
const MOST_WORDS: usize = 512;

/// What the DNS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said<T> {
    /// Records.
    These(Vec<T>),
    /// There is none, or no such name.
    Nothing,
    /// It could not be asked; why.
    Failed(String),
}

/// Where the answers come from.
pub trait Source {
    /// The texts at a name.
    fn texts(&mut self, name: &str) -> Said<String>;
    /// The hosts that take a domain's mail, the preferred ones first.
    fn exchanges(&mut self, name: &str) -> Said<String>;
    /// The addresses of a host, of the version of IP in question.
    fn addresses(&mut self, name: &str) -> Said<IpAddr>;
}

/// Addresses that may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// One address, or a prefix of many.
    pub prefix: IpNetwork,
    /// The host that has it, where one is named.
    pub host: Option<String>,
    /// The term that says so, with the domain of its record.
    pub by: String,
    /// What records take out of it, by terms that stand before.
    pub without: Vec<IpNetwork>,
}

/// What a domain's record comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Senders {
    /// In the order of the records, each prefix once.
    pub all: Vec<Sender>,
    /// Prefixes of the other version of IP.
    pub other_family: usize,
    /// What a reader has to know: terms left out, limits reached.
    pub doubts: Vec<String>,
}

/// Why there are no senders to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpfError {
    /// No such record.
    #[error("there is no SPF record")]
    None,
    /// More than one (§4.5).
    #[error("there are {0} SPF records, and receivers take none of several (RFC 7208 §4.5)")]
    Several(usize),
    /// The DNS gives no answer.
    #[error("{0}")]
    Dns(String),
}

/// All who may send mail for `domain` by addresses of `family`.
///
/// # Errors
/// If the domain itself has no usable record; what is wrong with others that it names is a doubt.
pub fn senders(domain: &str, family: Family, source: &mut dyn Source) -> Result<Senders, SpfError> {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let record = record(&domain, source)?;
    let mut walk = Walk {
        source,
        family,
        origin: domain.clone(),
        terms: 0,
        void: 0,
        given_up: false,
        path: Vec::new(),
        found: Senders::default(),
    };
    walk.record(&domain, &record, &[]);
    Ok(walk.found)
}

/// The one SPF record among the texts of a name (§4.5).
fn record(name: &str, source: &mut dyn Source) -> Result<String, SpfError> {
    let texts = match source.texts(name) {
        Said::These(texts) => texts,
        Said::Nothing => return Err(SpfError::None),
        Said::Failed(why) => return Err(SpfError::Dns(why)),
    };
    let is_spf = |text: &String| {
        let (head, rest) = text.split_at_checked(6).unwrap_or(("", ""));
        head.eq_ignore_ascii_case("v=spf1") && (rest.is_empty() || rest.starts_with(' '))
    };
    let mut found: Vec<String> = texts.into_iter().filter(is_spf).collect();
    match found.len() {
        0 => Err(SpfError::None),
        1 => Ok(found.swap_remove(0)),
        count => Err(SpfError::Several(count)),
    }
}

/// One record after another.
struct Walk<'a> {
    source: &'a mut dyn Source,
    family: Family,
    /// The domain whose senders are wanted.
    origin: String,
    terms: u32,
    void: u32,
    given_up: bool,
    /// The domains whose records are being read, the outermost first.
    path: Vec<String>,
    found: Senders,
}

impl Walk<'_> {
    fn doubt(&mut self, text: String) {
        if !self.found.doubts.contains(&text) {
            self.found.doubts.push(text);
        }
    }

    /// Reads a record; `outside` is what outer records take out before they come to it.
    fn record(&mut self, domain: &str, record: &str, outside: &[IpNetwork]) {
        self.path.push(domain.to_owned());
        let mut without = outside.to_vec();
        let mut redirect = None;
        let mut all = false;
        for word in record[6..].split(' ').filter(|word| !word.is_empty()).take(MOST_WORDS) {
            if let Some((name, value)) = modifier(word) {
                // Others, `exp` among them, say nothing about addresses.
                if name.eq_ignore_ascii_case("redirect") {
                    redirect = Some(value.to_owned());
                }
                continue;
            }
            let (passes, term) = match word.as_bytes()[0] {
                b'+' => (true, &word[1..]),
                b'-' | b'~' | b'?' => (false, &word[1..]),
                _ => (true, word),
            };
            if is_all(term) {
                if passes {
                    self.doubt(format!("the SPF record of {domain} lets everybody send ({word})"));
                }
                all = true;
                // What stands behind is never asked (§5.1).
                break;
            }
            self.term(domain, word, term, passes, &mut without);
        }
        if let (Some(to), false) = (redirect, all) {
            self.follow(domain, &format!("redirect={to}"), &to, &without);
        }
        self.path.pop();
    }

    fn term(&mut self, domain: &str, word: &str, term: &str, passes: bool, without: &mut Vec<IpNetwork>) {
        let by = format!("{word} of {domain}");
        let end = term.find([':', '/']).unwrap_or(term.len());
        let (name, rest) = term.split_at(end);
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "ip4" | "ip6" => match literal(&name, rest) {
                Some(prefix) if passes => self.add(prefix, None, &by, without),
                Some(prefix) => without.push(prefix),
                None => self.doubt(format!("{by} is left out: it is no prefix")),
            },
            "ptr" | "exists" => {
                self.may_ask(&by);
                self.doubt(format!("{by} is left out: it names no address, only a message answers it"));
            }
            "a" | "mx" | "include" if !passes => {
                self.may_ask(&by);
                self.doubt(format!("{by} is left out: it does not let anybody send"));
            }
            "include" => match rest.strip_prefix(':') {
                Some(to) if !to.is_empty() => self.follow(domain, word, to, without),
                _ => self.doubt(format!("{by} is left out: it names no domain")),
            },
            "a" | "mx" => match sized(rest, self.family) {
                Some((host, length)) => self.hosts(domain, &name, host, length, &by, without),
                None => self.doubt(format!("{by} is left out: it cannot be understood")),
            },
            _ => self.doubt(format!("{by} is left out: no such mechanism is known")),
        }
    }

    /// Counts a term that asks the DNS; not, where receivers have given up before.
    fn may_ask(&mut self, by: &str) -> bool {
        if self.given_up {
            self.doubt(format!("{by} is left out: receivers have given up before it"));
            return false;
        }
        if self.terms == MOST_TERMS {
            self.given_up = true;
            self.doubt(format!(
                "{by} is left out: it is the term number {} that asks the DNS, and receivers give up after \
                 {MOST_TERMS} (RFC 7208 §4.6.4)",
                MOST_TERMS + 1
            ));
            return false;
        }
        self.terms += 1;
        true
    }

    /// Counts an answer without a record.
    fn nothing(&mut self, by: &str, what: &str) {
        self.void += 1;
        self.doubt(format!("{by} is left out: {what}"));
        if self.void > MOST_VOID && !self.given_up {
            self.given_up = true;
            self.doubt(format!(
                "{by}: more than {MOST_VOID} answers have nothing in them, and receivers give up (RFC 7208 §4.6.4)"
            ));
        }
    }

    /// `include` and `redirect`.
    fn follow(&mut self, domain: &str, word: &str, to: &str, without: &[IpNetwork]) {
        let by = format!("{word} of {domain}");
        if !self.may_ask(&by) {
            return;
        }
        let Some(to) = expanded(to, domain, &self.origin) else {
            return self.doubt(format!("{by} is left out: only a message says which domain it names"));
        };
        if self.path.contains(&to) {
            return self.doubt(format!("{by} is left out: it leads back to a record that is being read"));
        }
        match record(&to, self.source) {
            Ok(text) => self.record(&to, &text, without),
            Err(SpfError::None) => self.nothing(&by, "there is no SPF record"),
            Err(error) => self.doubt(format!("{by} is left out: {error}")),
        }
    }

    /// `a` and `mx`.
    fn hosts(
        &mut self,
        domain: &str,
        kind: &str,
        host: &str,
        length: Option<u8>,
        by: &str,
        without: &[IpNetwork],
    ) {
        if !self.may_ask(by) {
            return;
        }
        let name =
            if host.is_empty() { Some(domain.to_owned()) } else { expanded(host, domain, &self.origin) };
        let Some(name) = name else {
            return self.doubt(format!("{by} is left out: only a message says which host it names"));
        };
        let mut names = vec![name.clone()];
        if kind == "mx" {
            names = match self.source.exchanges(&name) {
                Said::These(hosts) => hosts,
                Said::Nothing => return self.nothing(by, "there is no MX record"),
                Said::Failed(why) => return self.doubt(format!("{by} is left out: {why}")),
            };
            if names.len() > MOST_EXCHANGES {
                self.doubt(format!(
                    "{by}: {} mail hosts, of which {MOST_EXCHANGES} are asked for; receivers give up (RFC 7208 §4.6.4)",
                    names.len()
                ));
                names.truncate(MOST_EXCHANGES);
            }
        }
        for name in names {
            match self.source.addresses(&name) {
                Said::These(addresses) => {
                    for address in addresses {
                        if let Some(prefix) = around(address, length) {
                            // Of a prefix around a host the host itself is known to be there.
                            self.add(around(address, None).unwrap_or(prefix), Some(&name), by, without);
                            if length.is_some() {
                                self.add(prefix, None, by, without);
                            }
                        }
                    }
                }
                Said::Nothing => self.nothing(by, &format!("{name} has no {} address", self.family)),
                Said::Failed(why) => self.doubt(format!("{by}: {name} is left out: {why}")),
            }
        }
    }

    fn add(&mut self, prefix: IpNetwork, host: Option<&str>, by: &str, without: &[IpNetwork]) {
        if Family::of(prefix.ip()) != self.family {
            self.found.other_family += 1;
            return;
        }
        if let Some(known) = self.found.all.iter_mut().find(|known| known.prefix == prefix) {
            known.host = known.host.take().or_else(|| host.map(str::to_owned));
            return;
        }
        self.found.all.push(Sender {
            prefix,
            host: host.map(str::to_owned),
            by: by.to_owned(),
            without: without.to_vec(),
        });
    }
}

fn is_all(term: &str) -> bool {
    term.eq_ignore_ascii_case("all")
}

/// `name=value` (§12).
fn modifier(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let fits = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    fits.then_some((name, value))
}

/// What stands behind `ip4` or `ip6`, as a prefix without the bits behind its length.
fn literal(kind: &str, rest: &str) -> Option<IpNetwork> {
    let text = rest.strip_prefix(':')?;
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => (address, Some(number(length)?)),
    };
    let address: IpAddr = address.parse().ok()?;
    (address.is_ipv4() == (kind == "ip4")).then(|| around(address, length)).flatten()
}

fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn around(address: IpAddr, length: Option<u8>) -> Option<IpNetwork> {
    let most = if address.is_ipv4() { 32 } else { 128 };
    let network = IpNetwork::new(address, length.unwrap_or(most)).ok()?;
    IpNetwork::new(network.network(), network.prefix()).ok()
}

/// What stands behind `a` or `mx`: a host, if any, and the length of the prefix around it for this version of IP, if one is
/// named (`:host/24//64`, §5.6).
fn sized(rest: &str, family: Family) -> Option<(&str, Option<u8>)> {
    let text = match rest.strip_prefix(':') {
        Some("") => return None,
        Some(text) => text,
        None if rest.is_empty() || rest.starts_with('/') => rest,
        None => return None,
    };
    let Some((host, lengths)) = text.split_once('/') else { return Some((text, None)) };
    let (four, six) = match lengths.strip_prefix('/') {
        Some(six) => (None, Some(six)),
        None => match lengths.split_once("//") {
            Some((four, six)) => (Some(four), Some(six)),
            None => (Some(lengths), None),
        },
    };
    let read = |text: Option<&str>, most: u8| match text {
        None => Some(None),
        Some(text) => number(text).filter(|length| *length <= most).map(Some),
    };
    let (four, six) = (read(four, 32)?, read(six, 128)?);
    Some((host, if family == Family::V4 { four } else { six }))
}

/// A domain with its macros put in (§7); `None` where one is of a message.
fn expanded(text: &str, domain: &str, origin: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            let (inside, after) = after.split_once('}')?;
            out.push_str(&replaced(inside, domain, origin)?);
            rest = after;
        } else {
            // `%_` is a blank and `%-` an escaped one: neither stands in a name.
            rest = rest.strip_prefix('%')?;
            out.push('%');
        }
    }
    out.push_str(rest);
    let out = out.trim_end_matches('.').to_ascii_lowercase();
    super::dns::is_host_name(&out).then_some(out)
}

/// One macro: `d` or `o`, how many labels from the right, `r` for turned round, and what to part it by (§7.3).
fn replaced(inside: &str, domain: &str, origin: &str) -> Option<String> {
    let letter = inside.chars().next()?.to_ascii_lowercase();
    let value = match letter {
        'd' => domain,
        'o' => origin,
        _ => return None,
    };
    let how = &inside[1..];
    let digits = how.find(|one: char| !one.is_ascii_digit()).unwrap_or(how.len());
    let keep: Option<usize> = match &how[..digits] {
        "" => None,
        count => Some(count.parse().ok().filter(|count| *count > 0)?),
    };
    let how = &how[digits..];
    let (turned, parts) = match how.strip_prefix(['r', 'R']) {
        Some(parts) => (true, parts),
        None => (false, how),
    };
    if !parts.bytes().all(|byte| b".-+,/_=".contains(&byte)) {
        return None;
    }
    let parts = if parts.is_empty() { "." } else { parts };
    let mut labels: Vec<&str> = value.split(|one: char| parts.contains(one)).collect();
    if turned {
        labels.reverse();
    }
    let from = labels.len().saturating_sub(keep.unwrap_or(labels.len()));
    Some(labels[from..].join("."))
}

#[cfg(test)]
#[path = "spf_tests.rs"]
mod tests;
