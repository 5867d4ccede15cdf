//! Kernel filters for the receiving sockets: classic BPF, the form that needs no privilege.
//!
//! A raw TCP socket sees every segment this host receives. On a busy server that would fill the buffer in
//! milliseconds and turn our replies into losses, so the kernel passes on only what is addressed to ports of ours, or
//! ICMP of the types that can answer a probe. (ICMP has a socket option for this; it has no safe wrapper, and one
//! mechanism is enough.)
//!
//! What the program sees differs by family: on an IPv4 raw socket the data begins with the IP header, on an IPv6 one
//! with what follows the last extension header. Fragments have been put together before.

use nix::libc;
use socket2::SockFilter;

use super::Family;

/// The largest length a program may let through: the kernel takes the smaller of this and the packet's.
const WHOLE: u32 = u32::MAX;

/// ICMP types (RFC 792) that can be about a probe: destination unreachable, source quench, redirect, time exceeded,
/// parameter problem.
const ERRORS_V4: &[u8] = &[3, 4, 5, 11, 12];

/// ICMPv6 types (RFC 4443) that can be about a probe: destination unreachable, packet too big, time exceeded,
/// parameter problem.
const ERRORS_V6: &[u8] = &[1, 2, 3, 4];

/// Echo reply in either family.
const fn echo_reply(family: Family) -> u8 {
    match family {
        Family::V4 => 0,
        Family::V6 => 129,
    }
}

/// Passes ICMP errors, and echo replies if `echo`.
pub(super) fn icmp(family: Family, echo: bool) -> Vec<SockFilter> {
    let errors = match family {
        Family::V4 => ERRORS_V4,
        Family::V6 => ERRORS_V6,
    };
    let types = errors.iter().copied().chain(echo.then(|| echo_reply(family)));
    one_of(family, Field { width: libc::BPF_B, at: 0 }, types.map(u32::from))
}

/// Passes TCP segments or UDP datagrams to these ports. Both have the destination port in bytes 2 and 3.
pub(super) fn ports(family: Family, ports: &[u16]) -> Vec<SockFilter> {
    one_of(family, Field { width: libc::BPF_H, at: 2 }, ports.iter().copied().map(u32::from))
}

/// Passes nothing.
pub(super) fn nothing() -> Vec<SockFilter> {
    vec![code(libc::BPF_RET | libc::BPF_K, 0)]
}

/// A field of the transport header.
struct Field {
    width: u32,
    at: u32,
}

/// Passes packets whose field has one of these values. Each value is a pair of instructions, so that no jump is longer
/// than the 255 a classic BPF jump can be. A packet too short for the field is dropped by the kernel.
fn one_of(family: Family, field: Field, values: impl Iterator<Item = u32>) -> Vec<SockFilter> {
    let mut program = match family {
        Family::V4 => vec![
            // The index register gets the length of the IPv4 header, options included.
            code(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0),
            code(libc::BPF_LD | field.width | libc::BPF_IND, field.at),
        ],
        Family::V6 => vec![code(libc::BPF_LD | field.width | libc::BPF_ABS, field.at)],
    };
    for value in values {
        program.push(jump(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, 0, 1));
        program.push(code(libc::BPF_RET | libc::BPF_K, WHOLE));
    }
    program.extend(nothing());
    program
}

fn code(code: u32, k: u32) -> SockFilter {
    jump(code, k, 0, 0)
}

fn jump(code: u32, k: u32, then: u8, otherwise: u8) -> SockFilter {
    // Opcodes are sums of constants below 256.
    SockFilter::new(code as u16, then, otherwise, k)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::net::UnixDatagram;

    use socket2::Socket;

    use super::*;

    /// What of `packets` the kernel lets through `program`. Any datagram socket runs the same filters on its payload,
    /// so no privilege is needed.
    fn passed<'a>(program: &[SockFilter], packets: &[&'a [u8]]) -> Vec<&'a [u8]> {
        let (near, far) = UnixDatagram::pair().unwrap();
        let far = Socket::from(std::os::fd::OwnedFd::from(far));
        far.attach_filter(program).unwrap();
        far.set_nonblocking(true).unwrap();
        let far = UnixDatagram::from(std::os::fd::OwnedFd::from(far));
        packets
            .iter()
            .copied()
            .filter(|packet| {
                near.send(packet).unwrap();
                let mut buffer = [0; 128];
                match far.recv(&mut buffer) {
                    Ok(length) => {
                        assert_eq!(&buffer[..length], *packet);
                        true
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        false
                    }
                }
            })
            .collect()
    }

    fn v4(words: u8, transport: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; usize::from(words) * 4];
        packet[0] = 0x40 | words;
        packet.extend_from_slice(transport);
        packet
    }

    fn to_port(port: u16) -> [u8; 8] {
        let [high, low] = port.to_be_bytes();
        [0xff, 0xff, high, low, 0, 0, 0, 0]
    }

    #[test]
    fn only_our_ports_pass_in_ipv4_with_and_without_options() {
        let program = ports(Family::V4, &[40000, 50001]);
        let ours = [v4(5, &to_port(40000)), v4(5, &to_port(50001)), v4(15, &to_port(50001))];
        let others = [v4(5, &to_port(25)), v4(6, &to_port(40001)), v4(5, &[0xff, 0xff, 0x9c]), Vec::new()];
        let all: Vec<&[u8]> = ours.iter().chain(&others).map(Vec::as_slice).collect();
        assert_eq!(passed(&program, &all), ours.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }

    #[test]
    fn only_our_ports_pass_in_ipv6() {
        let program = ports(Family::V6, &[40000]);
        let (ours, other) = (to_port(40000), to_port(40001));
        assert_eq!(passed(&program, &[&ours, &other, &[0, 0, 0x9c]]), [&ours]);
    }

    #[test]
    fn as_many_ports_as_can_be_asked_for_pass() {
        let many: Vec<u16> = (0..super::super::MOST_PORTS).map(|number| 32768 + number).collect();
        let program = ports(Family::V6, &many);
        let packets: Vec<[u8; 8]> = many.iter().map(|&port| to_port(port)).collect();
        let all: Vec<&[u8]> = packets.iter().map(<[u8; 8]>::as_slice).collect();
        assert_eq!(passed(&program, &all).len(), all.len());
        assert!(passed(&program, &[&to_port(32767)]).is_empty());
    }

    #[test]
    fn icmp_types_pass_that_can_answer_a_probe() {
        let types = |family, echo| -> Vec<u8> {
            let packets: Vec<Vec<u8>> = (0..=255)
                .map(|kind| match family {
                    Family::V4 => v4(5, &[kind, 0, 0, 0]),
                    Family::V6 => vec![kind, 0, 0, 0],
                })
                .collect();
            let all: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
            passed(&icmp(family, echo), &all).iter().map(|packet| packet[packet.len() - 4]).collect()
        };
        assert_eq!(types(Family::V4, false), [3, 4, 5, 11, 12]);
        assert_eq!(types(Family::V4, true), [0, 3, 4, 5, 11, 12]);
        assert_eq!(types(Family::V6, false), [1, 2, 3, 4]);
        assert_eq!(types(Family::V6, true), [1, 2, 3, 4, 129]);
    }

    #[test]
    fn nothing_lets_nothing_through() {
        assert!(passed(&nothing(), &[&[0; 40], &[0xff; 40]]).is_empty());
    }
}
