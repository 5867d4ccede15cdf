//! The exchange against a server of our own on loopback: honest, short of room, slow, and hostile.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use simple_dns::ResourceRecord;
use simple_dns::rdata::{A, CNAME, MX};

use super::*;

/// Runs `ask` against a server that answers each datagram with what `answer` makes of it: any number of datagrams.
fn asked(name: &str, kind: Kind, answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync) -> Inquiry {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = socket.local_addr().unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 1500];
            while !over.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                for message in answer(&buffer[..length]) {
                    socket.send_to(&message, from).unwrap();
                }
            }
        });
        let found = ask(server, name, kind);
        over.store(true, Ordering::Relaxed);
        found
    })
}

fn reply<'a>(query: &'a [u8], fill: impl FnOnce(&mut Packet<'a>)) -> Vec<u8> {
    let mut packet = Packet::parse(query).unwrap().into_reply();
    fill(&mut packet);
    packet.build_bytes_vec_compressed().unwrap()
}

fn record<'a>(name: &'a str, ttl: u32, rdata: RData<'a>) -> ResourceRecord<'a> {
    ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, ttl, rdata)
}

fn a(last: u8) -> RData<'static> {
    RData::A(A { address: Ipv4Addr::new(192, 0, 2, last).into() })
}

fn told(inquiry: &Inquiry) -> String {
    match &inquiry.outcome {
        Ok(answers) => {
            let each: Vec<String> =
                answers.iter().map(|one| format!("{} for {} s", one.data, one.ttl)).collect();
            each.join("; ")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_answer_has_its_time_to_live() {
    let found = asked("mx1.example", Kind::A, |query| {
        vec![reply(query, |packet| packet.answers.push(record("MX1.example", 300, a(1))))]
    });
    assert_eq!(told(&found), "192.0.2.1 for 300 s");
    assert_eq!(found.addresses(), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    assert!(found.asked_at.0 > 1_700_000_000_000_000_000);
}

#[test]
fn exchanges_and_the_one_that_stands_for_no_mail() {
    let mx = |preference, host| RData::MX(MX { preference, exchange: Name::new_unchecked(host) });
    let found = asked("example", Kind::Mx, |query| {
        vec![reply(query, |packet| {
            packet.answers.push(record("example", 60, mx(20, "mx2.example")));
            packet.answers.push(record("example", 60, mx(10, "mx1.example")));
        })]
    });
    assert_eq!(told(&found), "20 mx2.example. for 60 s; 10 mx1.example. for 60 s");
    let found = asked("example", Kind::Mx, |query| {
        vec![reply(query, |packet| packet.answers.push(record("example", 60, mx(0, ""))))]
    });
    assert_eq!(found.outcome.unwrap()[0].data, Data::Exchange(0, String::new()));
}

#[test]
fn what_does_not_belong_to_the_question_is_waited_past() {
    let found = asked("mx1.example", Kind::A, |query| {
        let good = reply(query, |packet| packet.answers.push(record("mx1.example", 1, a(1))));
        let evil = |change: &dyn Fn(&mut Packet<'_>)| {
            let mut packet = Packet::parse(query).unwrap().into_reply();
            packet.answers.push(record("mx1.example", 1, a(66)));
            change(&mut packet);
            packet.build_bytes_vec().unwrap()
        };
        vec![
            evil(&|packet| packet.set_id(packet.id().wrapping_add(1))),
            evil(&|packet| packet.questions[0].qname = Name::new_unchecked("other.example")),
            evil(&|packet| packet.questions[0].qtype = QTYPE::TYPE(TYPE::AAAA)),
            evil(&|packet| packet.questions.clear()),
            evil(&|packet| packet.remove_flags(PacketFlag::RESPONSE)),
            b"garbage".to_vec(),
            query.to_vec(),
            good,
        ]
    });
    assert_eq!(told(&found), "192.0.2.1 for 1 s");
    // Another's record in an answer to our question is nobody's answer.
    let found = asked("mx1.example", Kind::A, |query| {
        vec![reply(query, |packet| packet.answers.push(record("other.example", 1, a(66))))]
    });
    assert_eq!(told(&found), "");
}

#[test]
fn aliases_are_followed_and_end() {
    let alias = |to| RData::CNAME(CNAME(Name::new_unchecked(to)));
    let found = asked("www.example", Kind::A, |query| {
        vec![reply(query, |packet| {
            packet.answers.push(record("web.example", 5, a(1)));
            packet.answers.push(record("www.example", 9, alias("web.example")));
        })]
    });
    assert_eq!(told(&found), "alias of web.example for 9 s; 192.0.2.1 for 5 s");
    // A server that tells only the beginning is asked for the rest.
    let found = asked("www.example", Kind::A, |query| {
        let first = text(&Packet::parse(query).unwrap().questions[0].qname) == "www.example";
        vec![reply(query, |packet| {
            packet.answers.push(match first {
                true => record("www.example", 9, alias("web.example")),
                false => record("web.example", 5, a(1)),
            });
        })]
    });
    assert_eq!(told(&found), "alias of web.example for 9 s; 192.0.2.1 for 5 s");
    let found = asked("a.example", Kind::A, |query| {
        vec![reply(query, |packet| {
            packet.answers.push(record("a.example", 9, alias("b.example")));
            packet.answers.push(record("b.example", 9, alias("a.example")));
        })]
    });
    assert_eq!(told(&found), "more than 8 aliases one after the other");
}

#[test]
fn an_answer_that_does_not_fit_comes_over_tcp() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = socket.local_addr().unwrap();
    let listener = TcpListener::bind(server).unwrap();
    let thread = thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let short = reply(&buffer[..length], |packet| packet.set_flags(PacketFlag::TRUNCATION));
        socket.send_to(&short, from).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut framed = vec![0; length + 2];
        stream.read_exact(&mut framed).unwrap();
        let long = reply(&framed[2..], |packet| {
            for last in 0..100 {
                packet.answers.push(record("mx1.example", 7, a(last)));
            }
        });
        // In two pieces, as a stream may come.
        let framed = [&u16::try_from(long.len()).unwrap().to_be_bytes()[..], &long].concat();
        stream.write_all(&framed[..700]).unwrap();
        thread::sleep(Duration::from_millis(50));
        stream.write_all(&framed[700..]).unwrap();
    });
    let found = ask(server, "mx1.example", Kind::A);
    thread.join().unwrap();
    assert_eq!(found.addresses().len(), MOST_ANSWERS);
}

#[test]
fn what_a_server_cannot_answer_is_told() {
    for (code, text) in [
        (RCODE::ServerFailure, "the server failed (SERVFAIL)"),
        (RCODE::NameError, "there is no such name"),
        (RCODE::Refused, "the server refuses (REFUSED)"),
    ] {
        let found =
            asked("mx1.example", Kind::A, |query| vec![reply(query, |packet| *packet.rcode_mut() = code)]);
        assert_eq!(told(&found), text);
    }
    let clock = Clock::start();
    assert_eq!(told(&asked("mx1.example", Kind::A, |_| vec![])), "no answer");
    let took = clock.now().as_secs_f64();
    assert!((3.9..5.0).contains(&took), "{took} s");
    assert_eq!(
        told(&asked("mx 1.example", Kind::A, |_| vec![])),
        "'mx 1.example' cannot be asked for in the DNS"
    );
    // Nobody listens: the kernel says so at once.
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(ask(closed, "mx1.example", Kind::A).outcome, Err(DnsError::Network(_))));
}

#[test]
fn hostile_bytes_are_no_answer() {
    let found = asked("mx1.example", Kind::A, |query| {
        let head = |counts: [u8; 8]| [&query[..2], &[0x81, 0x80], &counts].concat();
        let question = &query[12..];
        vec![
            // A name that points to itself, and two that point to each other.
            [head([0, 1, 0, 1, 0, 0, 0, 0]), question.to_vec(), vec![0xc0, 29, 0, 1, 0, 1, 0, 0, 0, 9, 0, 0]]
                .concat(),
            [head([0, 1, 0, 0, 0, 0, 0, 0]), vec![0xc0, 14, 0xc0, 12, 0, 1, 0, 1]].concat(),
            // More records than bytes.
            [head([0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), question.to_vec()].concat(),
            vec![0xff; 1400],
        ]
    });
    assert!(matches!(found.outcome, Err(DnsError::Unreadable)), "{found:?}");
    // Every beginning of a good answer, and every byte of it changed: nothing may panic or hang.
    let query = Query::new("mx1.example", Kind::A).unwrap();
    let good = reply(&query.bytes, |packet| packet.answers.push(record("mx1.example", 1, a(1))));
    assert!(query.read(&good).is_some());
    for at in 0..good.len() {
        assert!(query.read(&good[..at]).is_none(), "{at}");
        for value in 0..=255 {
            let mut changed = good.clone();
            changed[at] = value;
            if let Some(message) = query.read(&changed) {
                let _ = message.along("mx1.example", Kind::A, &mut Vec::new(), &mut 0);
            }
        }
    }
}

#[test]
fn the_servers_of_the_system_are_read() {
    let text = "# nameserver 192.0.2.9\nsearch example\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \n\
                nameserver x\nnameserver fe80::1%lo\nnameserver 192.0.2.4\n";
    let found: Vec<String> = configured(text).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%1]:53"]);
    assert_eq!(configured("").len(), 1);
    assert_eq!(configured("")[0].to_string(), "127.0.0.1:53");
}

#[test]
fn host_names_are_told_from_other_names() {
    for good in ["a", "mx1.example", "mx1.example.", "_dmarc.example", "xn--e1afmkfd.xn--p1ai"] {
        assert!(is_host_name(good), "{good}");
    }
    let long = ["x".repeat(63).as_str(); 4].join(".");
    for bad in ["", ".", "a..b", "a b", "-a", "пример", "a\\.b", "a/b", long.as_str()] {
        assert!(!is_host_name(bad), "{bad}");
    }
}
