use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::*;
use crate::packet::build::{self, Ip, Tcp};
use crate::packet::ip;
use crate::packet::tcp::{Segment, flags};

const WAIT: Duration = Duration::from_secs(2);

fn address(number: u32) -> IpAddr {
    // Ten hosts in each /24.
    Ipv4Addr::from(0x0a00_0000 | (number / 10) << 8 | (number % 10 + 1)).into()
}

fn sweep(count: u32, key: u8) -> Sweep {
    sweep_in(1, count, key)
}

fn sweep_in(flows: u8, count: u32, key: u8) -> Sweep {
    let hosts = Hosts::new(false, (0..count).map(|number| (address(number), 25)));
    let asking = Asking {
        source: [192, 0, 2, 7].into(),
        protocol: Protocol::Tcp,
        flows,
        numbers: (50_000..50_016).collect(),
        wait: WAIT,
        key: [key; 16],
    };
    Sweep::new(hosts, &asking)
}

/// The host's answer to a SYN, with these flags, off by `wrong` in what it acknowledges.
fn answer(packet: &[u8], with: u8, wrong: u32) -> Vec<u8> {
    let (header, payload) = ip::read(packet).unwrap();
    let segment = Segment::read(payload).unwrap();
    let back = Ip {
        source: header.destination,
        destination: header.source,
        ttl: 55,
        tos: 0,
        id: 1,
        label: 0,
        dont_fragment: true,
    };
    let reply = Tcp {
        source: segment.destination,
        destination: segment.source,
        sequence: 1,
        acknowledgment: segment.sequence.wrapping_add(1 + wrong),
        flags: with,
        window: 1,
        options: &[],
    };
    build::tcp(&back, &reply)
}

fn unreachable(packet: &[u8], code: u8) -> Vec<u8> {
    let header = Ip {
        source: [203, 0, 113, 1].into(),
        destination: [192, 0, 2, 7].into(),
        ttl: 250,
        tos: 0,
        id: 1,
        label: 0,
        dont_fragment: false,
    };
    build::icmp_message(&header, 3, code, 0, &packet[..28])
}

/// What a host does: answers to its n-th packet, each after a delay in milliseconds.
type Behaviour<'a> = dyn Fn(IpAddr, usize, &[u8]) -> Vec<(u64, Vec<u8>)> + 'a;

/// Runs a sweep to its end at a rate, in time that passes by leaps. Gives the sweep and who was asked when.
fn run(mut sweep: Sweep, rate: u64, behaviour: &Behaviour<'_>) -> (Sweep, Vec<(u64, IpAddr)>) {
    let mut now = Moment::START;
    let mut asked = Vec::new();
    let mut times: HashMap<IpAddr, usize> = HashMap::new();
    let mut air: std::collections::BTreeMap<(u64, usize), Vec<u8>> = std::collections::BTreeMap::new();
    let mut serial = 0;
    let mut next_token = 0;
    let mut settled = Vec::new();
    for _ in 0..4_000_000 {
        while let Some(entry) = air.first_entry() {
            if entry.key().0 > now.as_nanos() {
                break;
            }
            let at = Moment::from_nanos(entry.key().0);
            sweep.hear(&Arrival { at, packet: entry.remove() });
        }
        while let Some(host) = sweep.settled() {
            settled.push(host);
        }
        let token = Moment::from_nanos(next_token);
        let wake = if token > now {
            token
        } else {
            match sweep.poll(now) {
                Next::Done => {
                    // The last ones may have been settled by this very question.
                    settled.extend(std::iter::from_fn(|| sweep.settled()));
                    assert_eq!(settled.len(), sweep.hosts().len(), "everybody is settled, and once");
                    return (sweep, asked);
                }
                Next::Send(to) => {
                    let packet = sweep.packet().to_vec();
                    sweep.sent(now, Ok(now));
                    next_token = now.as_nanos() + 1_000_000_000 / rate;
                    asked.push((now.as_nanos(), to));
                    let nth = times.entry(to).or_default();
                    for (delay, packet) in behaviour(to, *nth, &packet) {
                        serial += 1;
                        air.insert((now.as_nanos() + delay * 1_000_000, serial), packet);
                    }
                    *nth += 1;
                    continue;
                }
                Next::Wait(at) => at,
            }
        };
        let arrival = air.first_key_value().map_or(Moment::NEVER, |((at, _), _)| Moment::from_nanos(*at));
        now = now.max(wake.min(arrival));
    }
    panic!("no end");
}

const SYN_ACK: u8 = flags::SYN | flags::ACK;

#[test]
fn who_answers_is_asked_once_and_who_is_silent_three_times() {
    let (sweep, asked) = run(sweep(500, 1), 1000, &|to, _, packet| match to {
        IpAddr::V4(to) if to.octets()[3] == 3 => Vec::new(),
        _ => vec![(30, answer(packet, SYN_ACK, 0))],
    });
    let tally = sweep.tally();
    assert_eq!((tally.settled, tally.answered, tally.sent), (500, 450, 450 + 3 * 50));
    let mut silent: HashMap<IpAddr, Vec<u64>> = HashMap::new();
    for (at, to) in &asked {
        silent.entry(*to).or_default().push(*at);
    }
    for (id, host) in (0..500).map(|id| (id, sweep.hosts().address(id))) {
        let times = &silent[&host];
        match sweep.outcome(id).unwrap() {
            Outcome::Answered(found) => {
                assert_eq!((times.len(), found.kind, found.reply_ttl), (1, ReplyKind::SynAck, 55));
                let one = sweep.tries(id).next().unwrap().1;
                assert_eq!(found.at.since(one.sent_at), Duration::from_millis(30));
                assert!(sweep.is_plain(id));
            }
            Outcome::Silent => {
                assert_eq!(times.len(), 3, "{host}");
                assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 2_000_000_000));
                // Each try is another flow.
                let ports: Vec<u16> = sweep.tries(id).map(|(_, one)| one.number).collect();
                assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2]);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_prefix_gets_a_burst_and_none_waits_for_another() {
    let (_, asked) = run(sweep(2000, 2), 100_000, &|_, nth, packet| {
        if nth == 0 { vec![] } else { vec![(5, answer(packet, SYN_ACK, 0))] }
    });
    let mut prefixes: HashMap<u32, Vec<u64>> = HashMap::new();
    for (at, to) in &asked {
        let IpAddr::V4(to) = to else { panic!() };
        prefixes.entry(u32::from(*to) >> 8).or_default().push(*at);
    }
    assert_eq!(asked.len(), 4000);
    for times in prefixes.values() {
        for (place, from) in times.iter().enumerate() {
            let within = times[place..].iter().filter(|at| **at < from + 1_000_000_000).count() as u64;
            assert!(within <= PREFIX_RATE + PREFIX_BURST + 1, "{within} in a second");
            let bunch = times[place..].iter().filter(|at| **at < from + 10_000_000).count() as u64;
            assert!(bunch <= PREFIX_BURST + 1, "{bunch} at once");
        }
    }
    // 20 packets to each of 200 prefixes: a second for each prefix by itself, and the wait between.
    assert!(asked.last().unwrap().0 < 4_000_000_000, "{}", asked.last().unwrap().0);
}

#[test]
fn a_refusal_ends_the_asking_and_an_answer_behind_it_counts() {
    let (sweep, asked) = run(sweep(40, 3), 1000, &|to, _, packet| match to {
        IpAddr::V4(to) if to.octets()[3] == 1 => vec![(9, unreachable(packet, 13))],
        IpAddr::V4(to) if to.octets()[3] == 2 => {
            vec![(9, unreachable(packet, 1)), (20, answer(packet, SYN_ACK, 0))]
        }
        _ => vec![(9, answer(packet, flags::RST | flags::ACK, 0))],
    });
    assert_eq!(asked.len(), 40);
    for id in 0..40 {
        let outcome = sweep.outcome(id).unwrap();
        match (sweep.hosts().address(id), outcome) {
            (IpAddr::V4(to), Outcome::Refused) if to.octets()[3] == 1 => {}
            (IpAddr::V4(to), Outcome::Answered(_)) if to.octets()[3] == 2 => assert!(!sweep.is_plain(id)),
            (_, Outcome::Answered(found)) => assert_eq!(found.kind, ReplyKind::Rst),
            (to, other) => panic!("{to}: {other:?}"),
        }
    }
}

/// Where every host has to answer in three flows, one that is dead for some of them shows whichever it is.
#[test]
fn a_host_that_answers_in_some_flows_only_is_not_plain() {
    // Each host is asked by three of sixteen ports; the balancer's dead branch takes every other one.
    let dead = |packet: &[u8]| Segment::read(ip::read(packet).unwrap().1).unwrap().source.is_multiple_of(2);
    let (sweep, asked) = run(sweep_in(3, 400, 7), 1000, &|to, _, packet| match to {
        IpAddr::V4(to) if to.octets()[3] % 2 == 1 || !dead(packet) => vec![(30, answer(packet, SYN_ACK, 0))],
        _ => Vec::new(),
    });
    // Whoever answers everywhere is asked three times; who does not, until it is known.
    assert!(asked.len() <= 3 * 400, "{}", asked.len());
    for id in 0..400 {
        let IpAddr::V4(to) = sweep.hosts().address(id) else { panic!() };
        let tries: Vec<Try> = sweep.tries(id).map(|(_, one)| one).collect();
        match to.octets()[3] % 2 {
            1 => {
                assert!(sweep.is_plain(id));
                assert_eq!(tries.len(), 3);
                assert!(tries.iter().all(|one| one.rtt == Some(Duration::from_millis(30))));
            }
            // Three ports in a row are never all odd.
            _ => assert!(!sweep.is_plain(id) && tries.iter().any(|one| one.rtt.is_none())),
        }
        assert!(matches!(sweep.outcome(id), Some(Outcome::Answered(_))));
    }
    assert_eq!(sweep.tally().answered, 400);
}

/// A way out that breaks after the first answer ends what was begun.
#[test]
fn a_host_whose_next_flow_is_not_let_out_is_settled() {
    let mut sweep = sweep_in(3, 1, 7);
    let mut now = Moment::START;
    let mut asked = 0;
    for _ in 0..100 {
        match sweep.poll(now) {
            Next::Done => break,
            Next::Wait(until) => now = until.max(now),
            Next::Send(_) => {
                let packet = sweep.packet().to_vec();
                asked += 1;
                if asked > 1 {
                    sweep.sent(now, Err(SendFault::NoRoute));
                    continue;
                }
                sweep.sent(now, Ok(now));
                now = now + Duration::from_millis(20);
                assert!(sweep.hear(&Arrival { at: now, packet: answer(&packet, SYN_ACK, 0) }));
            }
        }
    }
    assert_eq!((asked, sweep.settled(), sweep.tally().settled), (2, Some(0), 1));
    // One flow of three was seen to live: that is too little to believe it.
    assert!(!sweep.is_plain(0));
}

/// Whoever is not on the path knows neither sequence numbers nor key: whatever he sends changes nothing.
#[test]
fn forgeries_from_off_the_path_change_nothing() {
    let honest = |to: IpAddr, _: usize, packet: &[u8]| match to {
        IpAddr::V4(to) if to.octets()[3] < 6 => vec![(30, answer(packet, SYN_ACK, 0))],
        _ => Vec::new(),
    };
    let (clean, asked) = run(sweep(200, 4), 1000, &honest);
    let (attacked, asked_too) = run(sweep(200, 4), 1000, &|to, nth, packet| {
        let mut wrong_quote = packet.to_vec();
        wrong_quote[24] ^= 0x40;
        let mut all = honest(to, nth, packet);
        all.push((3, answer(packet, SYN_ACK, 1)));
        all.push((3, answer(packet, flags::RST | flags::ACK, 77)));
        all.push((3, answer(packet, flags::RST, 0)));
        all.push((4, unreachable(&wrong_quote, 13)));
        all
    });
    assert_eq!(asked, asked_too);
    for id in 0..200 {
        assert_eq!(clean.outcome(id), attacked.outcome(id));
        assert_eq!(clean.is_plain(id), attacked.is_plain(id));
    }
    assert_eq!(clean.strays().wrong_key, 0);
    assert_eq!(attacked.strays().wrong_key, 4 * asked.len() as u64);
}

#[test]
fn what_this_host_does_not_let_out_is_told() {
    let mut sweep = sweep(3, 5);
    let mut now = Moment::START;
    let mut tries = 0;
    loop {
        match sweep.poll(now) {
            Next::Send(_) => {
                tries += 1;
                let fault = if tries == 1 { SendFault::Full } else { SendFault::NoRoute };
                sweep.sent(now, Err(fault));
            }
            Next::Wait(at) => now = at,
            Next::Done => break,
        }
        assert!(tries < 20);
    }
    // A full queue is no try.
    assert_eq!((tries, sweep.tally().unsent, sweep.tally().sent), (10, 9, 0));
    assert!((0..3).all(|id| sweep.outcome(id) == Some(Outcome::Unsent(SendFault::NoRoute))));
    assert_eq!(sweep.tries(0).count(), 0);
}

/// Forty-eight bytes of state and a few of address: a million hosts are some seventy megabytes.
#[test]
fn a_host_takes_little_memory() {
    assert!(size_of::<State>() <= 48, "{}", size_of::<State>());
}

/// A sweep of nobody is done at once.
#[test]
fn nobody_is_nothing() {
    let mut sweep = sweep(0, 6);
    assert_eq!(sweep.poll(Moment::START), Next::Done);
}
