//! AS paths (RFC 4271 §4.3, RFC 6793), read in place.
//!
//! A table of a million prefixes from forty peers has tens of millions of paths and few million different ones, and the same
//! path comes back soon, since neighbouring prefixes have the same origin. So what a path says is kept in a small store that is
//! found by the path's bytes: a path that is in there costs one comparison, and nothing is allocated for any.

use std::collections::HashMap;

use crate::asdb::build::Builder;
use crate::asdb::sources::Read;
use crate::asdb::sources::tally::{OriginId, Tally, reason};
use crate::number::{Asn, AsnClass};

const SET: u8 = 1;
const SEQUENCE: u8 = 2;
const CONFED_SEQUENCE: u8 = 3;
const CONFED_SET: u8 = 4;

/// Attribute types (RFC 4271 §5, RFC 6793 §9).
const AS_PATH: u8 = 2;
const AS4_PATH: u8 = 17;

/// The longest path that is looked at for neighbours, prepending apart. The longest real ones have some twenty ASes.
const LONGEST_CHAIN: usize = 64;

/// The most different pairs of neighbours that are kept. The Internet has less than a million.
const MOST_LINKS: usize = 1 << 23;

/// What is wrong with attributes or a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

/// AS_PATH and AS4_PATH among path attributes, without their headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Paths<'a> {
    pub(super) path: Option<&'a [u8]>,
    pub(super) path4: Option<&'a [u8]>,
}

/// Finds the paths. Unless `with_path4`, what comes after AS_PATH is not looked at.
#[inline]
pub(super) fn paths_of(mut attributes: &[u8], with_path4: bool) -> Result<Paths<'_>, Broken> {
    const EXTENDED_LENGTH: u8 = 0x10;
    const CUT: Broken = Broken("entry whose attributes are cut");
    let mut paths = Paths::default();
    while let [flags, kind, rest @ ..] = attributes {
        let (length, rest) = if flags & EXTENDED_LENGTH == 0 {
            let (length, rest) = rest.split_first().ok_or(CUT)?;
            (usize::from(*length), rest)
        } else {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or(CUT)?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        };
        let (value, rest) = rest.split_at_checked(length).ok_or(CUT)?;
        attributes = rest;
        match *kind {
            AS_PATH => {
                paths.path = Some(value);
                if !with_path4 {
                    return Ok(paths);
                }
            }
            AS4_PATH => paths.path4 = Some(value),
            _ => {}
        }
    }
    if attributes.is_empty() { Ok(paths) } else { Err(CUT) }
}

/// The segments of a path whose AS numbers have `N` bytes.
struct Segments<'a, const N: usize>(&'a [u8]);

impl<'a, const N: usize> Iterator for Segments<'a, N> {
    type Item = Result<(u8, &'a [[u8; N]]), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let [kind, count, rest @ ..] = self.0 else {
            return (!std::mem::take(&mut self.0).is_empty()).then_some(Err(Broken("AS path that is cut")));
        };
        let Some((asns, rest)) = rest.split_at_checked(usize::from(*count) * N) else {
            self.0 = &[];
            return Some(Err(Broken("AS path that is cut")));
        };
        self.0 = rest;
        if !(SET..=CONFED_SET).contains(kind) {
            self.0 = &[];
            return Some(Err(Broken("AS path with an unknown kind of segment")));
        }
        Some(Ok((*kind, asns.as_chunks().0)))
    }
}

/// Writes the path of a 2-byte speaker with 4-byte numbers: AS_PATH widened, its end replaced by AS4_PATH (RFC 6793 §4.2.3).
pub(super) fn widen(paths: Paths<'_>, into: &mut Vec<u8>) -> Result<(), Broken> {
    into.clear();
    let Some(path) = paths.path else { return Ok(()) };
    // A set counts as one, a confederation segment as none (RFC 5065 §5.3).
    let length = |kind: u8, count: usize| match kind {
        SEQUENCE => count,
        SET => 1,
        _ => 0,
    };
    let mut whole = 0;
    for segment in Segments::<2>(path) {
        let (kind, asns) = segment?;
        whole += length(kind, asns.len());
    }
    let mut tail = 0;
    // "If the AS4_PATH is malformed, it is discarded" (RFC 6793 §6).
    let path4 = paths.path4.filter(|path4| {
        let mut segments = Segments::<4>(path4);
        segments.all(|segment| segment.map(|(kind, asns)| tail += length(kind, asns.len())).is_ok())
    });
    // Older routers on the way may have left a longer one behind: then it is not of this path.
    let path4 = path4.filter(|_| tail <= whole);
    let mut left = if path4.is_some() { whole - tail } else { usize::MAX };
    for segment in Segments::<2>(path) {
        let (kind, asns) = segment?;
        if left == 0 {
            break;
        }
        let taken = if kind == SEQUENCE { asns.len().min(left) } else { asns.len() };
        left -= length(kind, taken).min(left);
        // At most 255, as counted in one byte before.
        into.extend([kind, taken as u8]);
        into.extend(asns[..taken].iter().flat_map(|[high, low]| [0, 0, *high, *low]));
    }
    into.extend(path4.unwrap_or_default());
    Ok(())
}

/// What a path says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Origin(OriginId),
    /// No AS in it, or none that can be an origin.
    None(&'static str),
    Broken(&'static str),
}

/// Bytes of a path that is kept: sixteen ASes in one segment and a little more, so that a place has 96 bytes.
const INLINE: usize = 67;

#[derive(Clone)]
struct Place {
    verdict: Verdict,
    hits: u32,
    length: u8,
    bytes: [u8; INLINE],
}

/// The paths met lately, and the neighbours in all of them.
pub(super) struct Store {
    places: Vec<Place>,
    /// Where each peer's last path is.
    last: Vec<u32>,
    /// Pairs of neighbours, the lower number first, and in how many routes they stand side by side.
    links: HashMap<(u32, u32), u32>,
    chain: Vec<u32>,
    full: bool,
}

impl Store {
    /// Places: 6 MiB of them stay in the nearer caches.
    const PLACES: usize = 1 << 16;

    pub(super) fn new() -> Self {
        let place = Place { verdict: Verdict::None(reason::NO_PATH), hits: 0, length: 0, bytes: [0; INLINE] };
        Self {
            places: vec![place; Self::PLACES],
            last: Vec::new(),
            links: HashMap::new(),
            chain: Vec::new(),
            full: false,
        }
    }

    /// What the path of one route says; its neighbours are counted. Empty paths are the caller's.
    #[inline]
    pub(super) fn look(&mut self, peer: u32, path: &[u8], tally: &mut Tally) -> Verdict {
        if path.len() > INLINE {
            let verdict = verdict(path, tally);
            self.count(path, 1);
            return verdict;
        }
        if let Some(last) = self.last.get(peer as usize)
            && let Some(place) = self.places.get_mut(*last as usize)
            && place.is(path)
        {
            place.hits += 1;
            return place.verdict;
        }
        self.search(peer, path, tally)
    }

    fn search(&mut self, peer: u32, path: &[u8], tally: &mut Tally) -> Verdict {
        let number = slot(path);
        if self.last.len() <= peer as usize {
            self.last.resize(peer as usize + 1, 0);
        }
        self.last[peer as usize] = number as u32;
        if !self.places[number].is(path) {
            self.retire(number);
            let verdict = verdict(path, tally);
            let place = &mut self.places[number];
            place.verdict = verdict;
            place.length = path.len() as u8;
            place.bytes[..path.len()].copy_from_slice(path);
        }
        let place = &mut self.places[number];
        place.hits += 1;
        place.verdict
    }

    /// Counts the neighbours of a path that gives its place away.
    fn retire(&mut self, number: usize) {
        let place = &mut self.places[number];
        let hits = std::mem::take(&mut place.hits);
        if hits > 0 {
            let (bytes, length) = (place.bytes, usize::from(place.length));
            self.count(&bytes[..length], hits);
        }
    }

    /// Counts neighbours: ASes that follow each other in sequences, prepending apart.
    ///
    /// Sets and confederations break the chain. So does a loop: when an AS stands in a path twice with others between, the
    /// ones between were put there by it to keep the route away from them, and need not be anybody's neighbours.
    fn count(&mut self, path: &[u8], routes: u32) {
        self.chain.clear();
        let mut chain = std::mem::take(&mut self.chain);
        for segment in Segments::<4>(path) {
            match segment {
                Ok((SEQUENCE, asns)) => {
                    for asn in asns {
                        let asn = u32::from_be_bytes(*asn);
                        if chain.last() != Some(&asn) {
                            chain.push(asn);
                        }
                    }
                }
                Ok(_) => self.link_all(&mut chain, routes),
                Err(_) => {
                    chain.clear();
                    break;
                }
            }
        }
        self.link_all(&mut chain, routes);
        self.chain = chain;
    }

    fn link_all(&mut self, chain: &mut Vec<u32>, routes: u32) {
        if chain.len() <= LONGEST_CHAIN {
            let mut sound = chain.len();
            for (place, asn) in chain.iter().enumerate() {
                if let Some(first) = chain[..place].iter().position(|other| other == asn) {
                    sound = sound.min(first + 1);
                }
            }
            for pair in chain[..sound].windows(2) {
                if pair.iter().any(|asn| Asn(*asn).class() != AsnClass::Public) {
                    continue;
                }
                let key = (pair[0].min(pair[1]), pair[0].max(pair[1]));
                if self.links.len() >= MOST_LINKS && !self.links.contains_key(&key) {
                    self.full = true;
                    continue;
                }
                let count = self.links.entry(key).or_default();
                *count = count.saturating_add(routes);
            }
        }
        chain.clear();
    }

    /// Hands the neighbours over, sorted.
    pub(super) fn hand_over(mut self, into: &mut Builder, read: &mut Read) {
        for number in 0..self.places.len() {
            self.retire(number);
        }
        if self.full {
            read.warn("more AS links than are kept: a path may be missing", 0);
        }
        let mut links: Vec<_> = self.links.into_iter().collect();
        links.sort_unstable();
        read.links = links.len() as u64;
        for ((low, high), routes) in links {
            into.link(Asn(low), Asn(high), routes);
        }
    }
}

impl Place {
    #[inline]
    fn is(&self, path: &[u8]) -> bool {
        usize::from(self.length) == path.len() && self.bytes[..path.len()] == *path
    }
}

/// The place of a path. Paths that share one push each other out, which costs time and nothing else: no need of a secret.
#[inline]
fn slot(path: &[u8]) -> usize {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = path.as_chunks::<8>();
    let mut hash = path.len() as u64;
    for word in words {
        hash = (hash.rotate_left(26) ^ u64::from_le_bytes(*word)).wrapping_mul(MIX);
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(MIX).rotate_left(23);
    }
    hash = hash.wrapping_mul(MIX);
    (hash >> 48) as usize % Store::PLACES
}

/// The origin: the last AS of a path that ends in a sequence, all of the set that it ends in. Confederation segments do not count
/// (RFC 5065 §5.3: they never leave a confederation), nor do empty ones.
fn verdict(path: &[u8], tally: &mut Tally) -> Verdict {
    let mut end = None;
    for segment in Segments::<4>(path) {
        match segment {
            Ok((CONFED_SEQUENCE | CONFED_SET, _) | (_, [])) => {}
            Ok(segment) => end = Some(segment),
            Err(Broken(what)) => return Verdict::Broken(what),
        }
    }
    let Some((kind, asns)) = end else { return Verdict::None(reason::NO_PATH) };
    let origin = if kind == SET {
        let members: Vec<Asn> = asns.iter().map(|asn| Asn(u32::from_be_bytes(*asn))).collect();
        tally.origin(&members, true)
    } else {
        asns.last().and_then(|asn| tally.origin(&[Asn(u32::from_be_bytes(*asn))], false))
    };
    origin.map_or(Verdict::None(reason::RESERVED), Verdict::Origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asdb::sources::Options;

    fn segment(kind: u8, asns: &[u32]) -> Vec<u8> {
        let mut bytes = vec![kind, asns.len() as u8];
        bytes.extend(asns.iter().flat_map(|asn| asn.to_be_bytes()));
        bytes
    }

    fn narrow(kind: u8, asns: &[u16]) -> Vec<u8> {
        let mut bytes = vec![kind, asns.len() as u8];
        bytes.extend(asns.iter().flat_map(|asn| asn.to_be_bytes()));
        bytes
    }

    fn links(paths: &[Vec<u8>]) -> Vec<((u32, u32), u32)> {
        let mut store = Store::new();
        let mut tally = Tally::new(&Options::default());
        for path in paths {
            store.look(0, path, &mut tally);
        }
        for number in 0..store.places.len() {
            store.retire(number);
        }
        let mut links: Vec<_> = store.links.into_iter().collect();
        links.sort_unstable();
        links
    }

    #[test]
    fn neighbours_are_counted_by_route_without_prepending() {
        let path = segment(SEQUENCE, &[3356, 1299, 1299, 1299, 8359]);
        let other = segment(SEQUENCE, &[8359, 1299]);
        assert_eq!(links(&[path.clone(), path.clone(), other]), [((1299, 3356), 2), ((1299, 8359), 3)]);
        // Too long to be kept, the same answer; and two sequences in a row are one path (RFC 4271 §5.1.2).
        let long: Vec<u32> = std::iter::repeat_n(1299, 40).chain([8359]).collect();
        let long = [segment(SEQUENCE, &[3356]), segment(SEQUENCE, &long)].concat();
        assert_eq!(links(&[long.clone(), long]), [((1299, 3356), 2), ((1299, 8359), 2)]);
    }

    #[test]
    fn what_is_no_neighbour_is_not_counted() {
        // A set, a confederation, a private AS, AS_TRANS.
        let path = [
            segment(CONFED_SEQUENCE, &[65001]),
            segment(SEQUENCE, &[3356, 1299]),
            segment(SET, &[9002, 174]),
        ];
        assert_eq!(links(&[path.concat()]), [((1299, 3356), 1)]);
        assert_eq!(links(&[segment(SEQUENCE, &[3356, 65001, 1299, 23456, 174])]), []);
        // 8359 wants to be without 2914's traffic.
        assert_eq!(links(&[segment(SEQUENCE, &[3356, 8359, 2914, 8359])]), [((3356, 8359), 1)]);
        let endless: Vec<u32> = (1..=65).collect();
        assert_eq!(links(&[segment(SEQUENCE, &endless)]), []);
    }

    #[test]
    fn the_origin_is_where_the_path_ends() {
        let mut tally = Tally::new(&Options::default());
        let one = Verdict::Origin(OriginId::of(Asn(1299)));
        assert_eq!(verdict(&segment(SEQUENCE, &[3356, 1299]), &mut tally), one);
        let stripped =
            [segment(SEQUENCE, &[3356, 1299]), segment(CONFED_SET, &[65001]), segment(SEQUENCE, &[])];
        assert_eq!(verdict(&stripped.concat(), &mut tally), one);
        let set = tally.origin(&[Asn(1299), Asn(174)], true).unwrap();
        let path = [segment(SEQUENCE, &[3356]), segment(SET, &[174, 1299, 65001, 174])].concat();
        assert_eq!(verdict(&path, &mut tally), Verdict::Origin(set));
        assert_eq!(verdict(&segment(SEQUENCE, &[3356, 65001]), &mut tally), Verdict::None(reason::RESERVED));
        assert_eq!(verdict(&segment(SET, &[65001, 0]), &mut tally), Verdict::None(reason::RESERVED));
        assert_eq!(verdict(&segment(CONFED_SEQUENCE, &[3]), &mut tally), Verdict::None(reason::NO_PATH));
        for broken in [&[2][..], &[2, 1, 0, 0, 1], &[5, 0], &[0, 0], &[2, 0, 9]] {
            assert!(matches!(verdict(broken, &mut tally), Verdict::Broken(_)), "{broken:?}");
        }
    }

    #[test]
    fn a_new_speaker_s_path_is_put_behind_an_old_one_s() {
        let widened = |path: &[u8], path4: Option<&[u8]>| {
            let mut into = Vec::new();
            widen(Paths { path: Some(path), path4 }, &mut into).map(|()| into)
        };
        // RFC 6793 §4.2.3: as many leading numbers of AS_PATH as it is longer.
        let path = narrow(SEQUENCE, &[3356, 23456, 23456]);
        let path4 = segment(SEQUENCE, &[196_608, 196_609]);
        let joined = [segment(SEQUENCE, &[3356]), path4.clone()].concat();
        assert_eq!(widened(&path, Some(&path4)).unwrap(), joined);
        let shorter = narrow(SEQUENCE, &[3356]);
        assert_eq!(widened(&shorter, Some(&path4)).unwrap(), segment(SEQUENCE, &[3356]));
        let cut = &path4[..path4.len() - 1];
        assert_eq!(widened(&path, Some(cut)).unwrap(), segment(SEQUENCE, &[3356, 23456, 23456]));
        assert_eq!(widened(&path, None).unwrap(), segment(SEQUENCE, &[3356, 23456, 23456]));
        // A set counts as one.
        let path = [narrow(SEQUENCE, &[3356]), narrow(SET, &[23456, 174])].concat();
        let path4 = segment(SET, &[196_608, 174]);
        assert_eq!(
            widened(&path, Some(&path4)).unwrap(),
            [segment(SEQUENCE, &[3356]), segment(SET, &[196_608, 174])].concat()
        );
        assert!(widened(&path[..3], None).is_err());
    }

    #[test]
    fn attributes_are_walked_with_either_length() {
        let path = segment(SEQUENCE, &[3356]);
        let plain = [&[0x40, 1, 1, 0, 0x40, 2, 6][..], &path].concat();
        let extended = [&[0x40, 1, 1, 0, 0x50, 2, 0, 6][..], &path].concat();
        for bytes in [&plain, &extended] {
            assert_eq!(paths_of(bytes, false).unwrap().path, Some(&path[..]));
            for end in 5..bytes.len() {
                assert!(paths_of(&bytes[..end], false).is_err());
            }
        }
        assert_eq!(paths_of(&[0x40, 1, 1, 0], false), Ok(Paths::default()));
        let both = [&plain[..], &[0xc0, 17, 6], &path].concat();
        assert_eq!(paths_of(&both, true), Ok(Paths { path: Some(&path), path4: Some(&path) }));
    }
}
