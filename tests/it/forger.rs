//! Forged answers at a high rate, from somebody who is not on the way: counted, told of, and without effect.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::net::inside;
use super::world::{FOUR, World, address, concluded};

/// Most packets that are forged, so that a test that fails ends.
const MOST: u64 = 20_000_000;

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], *two.get(1).unwrap_or(&0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// An IPv4 packet; the kernel fills in its length and checksum.
fn packet(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 60, protocol, 0, 0];
    bytes.extend(from.octets());
    bytes.extend(to.octets());
    bytes.extend(payload);
    let length = (bytes.len() as u16).to_be_bytes();
    bytes[2..4].copy_from_slice(&length);
    bytes
}

/// A segment between these ports, with numbers that nobody gave the forger.
fn segment(ports: [u16; 2], guess: u32, flags: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(20);
    bytes.extend(ports[0].to_be_bytes());
    bytes.extend(ports[1].to_be_bytes());
    bytes.extend(guess.to_be_bytes());
    bytes.extend(guess.rotate_left(7).to_be_bytes());
    bytes.extend([0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    bytes
}

/// Forges answers to everything that `victim` may have sent to `target`, until told to stop.
fn forge(victim: Ipv4Addr, stop: &AtomicBool, sent: &AtomicU64) {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(nix::libc::IPPROTO_RAW))).unwrap();
    socket.set_header_included_v4(true).unwrap();
    let to = SockAddr::from(SocketAddr::from((victim, 0)));
    let target: Ipv4Addr = FOUR.target.parse().unwrap();
    let router: Ipv4Addr = address(3, 7, 2).0.parse().unwrap();
    let mut guess: u32 = 0x9e37_79b9;
    for number in 0..MOST {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        guess = guess.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Every port in turn: some are the run's.
        let port = 32_768 + (number / 3 % 28_232) as u16;
        let bytes = match number % 3 {
            0 => {
                let quote = packet(victim, target, 6, &segment([port, 25], guess, 2));
                let mut message = [&[11, 0, 0, 0, 0, 0, 0, 0], quote.as_slice()].concat();
                let sum = checksum(&message);
                message[2..4].copy_from_slice(&sum);
                packet(router, victim, 1, &message)
            }
            1 => packet(target, victim, 6, &segment([25, port], guess, 0x12)),
            _ => packet(target, victim, 6, &segment([25, port], guess, 0x14)),
        };
        if socket.send_to(&bytes, &to).is_ok() {
            sent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn diagnosed(world: &World) -> (Value, String) {
    let words = ["diagnose", FOUR.target, "25", "-r", FOUR.neighbour, "--json", "--seed", "1"];
    let output = world.lasthop(&words);
    (serde_json::from_slice(&output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_flood_of_forged_answers_changes_nothing_and_is_counted() {
    let Some(world) = World::build("a_flood_of_forged_answers_changes_nothing_and_is_counted") else {
        return;
    };
    let victim: Ipv4Addr = address(0, 1, 1).0.parse().unwrap();
    for blocked in [false, true] {
        if blocked {
            world.nft("c2", FOUR, "forward priority 0", "DST drop");
        }
        let (calm, _) = diagnosed(&world);
        let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
        let (flooded, took) = std::thread::scope(|scope| {
            scope.spawn(|| inside(&world.space("gw"), || forge(victim, &stop, &sent)));
            std::thread::sleep(Duration::from_millis(100));
            let began = Instant::now();
            let (flooded, said) = diagnosed(&world);
            let took = began.elapsed();
            stop.store(true, Ordering::Relaxed);
            assert_eq!(flooded["error"], Value::Null, "{said}");
            (flooded, took)
        });
        let rate = sent.load(Ordering::Relaxed) as f64 / (took.as_secs_f64() + 0.1);
        let counts = &flooded["measurement"];
        let (strays, overflow) = (counts["strays"].as_u64().unwrap(), counts["overflow"].as_u64().unwrap());
        eprintln!(
            "forged {rate:.0}/s for {:.1} s: {strays} strays, {overflow} lost; {:?}",
            took.as_secs_f64(),
            concluded(&flooded)
        );
        let wanted = if blocked { ("lost_inside_as", vec![8359], "") } else { ("reachable", vec![], "") };
        assert_eq!(concluded(&calm), wanted, "{:#}", calm["verdict"]);
        assert_eq!(concluded(&flooded), wanted, "{:#}", flooded["verdict"]);
        // Whatever came is known to have come.
        assert!(strays + overflow > 1_000, "{strays} strays and {overflow} lost of {rate:.0} a second");
        let hops = |document: &Value| -> Vec<Value> {
            let hops = document["target"]["hops"].as_array().unwrap();
            hops.iter()
                .map(|hop| hop["responders"][0]["address"].clone())
                .filter(|one| !one.is_null())
                .collect()
        };
        assert_eq!(hops(&flooded), hops(&calm));
    }
}
