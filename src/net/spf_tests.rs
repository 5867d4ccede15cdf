//! Records as domains publish them, and as they should not.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct Zone {
    texts: HashMap<String, Vec<String>>,
    exchanges: HashMap<String, Vec<String>>,
    addresses: HashMap<String, Vec<IpAddr>>,
    asked: usize,
}

impl Zone {
    fn of(records: &[(&str, &str)]) -> Self {
        let mut zone = Self::default();
        for (name, text) in records {
            zone.texts.entry((*name).to_owned()).or_default().push((*text).to_owned());
        }
        zone
    }

    fn host(mut self, name: &str, address: &str) -> Self {
        self.addresses.entry(name.to_owned()).or_default().push(address.parse().unwrap());
        self
    }

    fn mx(mut self, name: &str, hosts: &[&str]) -> Self {
        self.exchanges.insert(name.to_owned(), hosts.iter().map(|host| (*host).to_owned()).collect());
        self
    }
}

fn said<T: Clone>(map: &HashMap<String, Vec<T>>, name: &str) -> Said<T> {
    match (name, map.get(name)) {
        ("broken.example", _) => Said::Failed("no answer".to_owned()),
        (_, Some(found)) => Said::These(found.clone()),
        (_, None) => Said::Nothing,
    }
}

impl Source for Zone {
    fn texts(&mut self, name: &str) -> Said<String> {
        self.asked += 1;
        said(&self.texts, name)
    }

    fn exchanges(&mut self, name: &str) -> Said<String> {
        self.asked += 1;
        said(&self.exchanges, name)
    }

    fn addresses(&mut self, name: &str) -> Said<IpAddr> {
        self.asked += 1;
        said(&self.addresses, name)
    }
}

fn found(zone: &mut Zone) -> Senders {
    senders("D.example.", Family::V4, zone).unwrap()
}

fn prefixes(found: &Senders) -> Vec<String> {
    found.all.iter().map(|one| one.prefix.to_string()).collect()
}

#[test]
fn every_kind_of_term_is_followed() {
    let mut zone = Zone::of(&[
        ("d.example", "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.7 ip6:2001:db8::/32 a mx a:out.example/28//64 include:_spf.p.example ?ptr exists:%{i}.x.example ~all ip4:203.0.113.9"),
        ("d.example", "google-site-verification=x"),
        ("_spf.p.example", "V=SPF1 +ip4:203.0.113.128/25 redirect=_more.p.example"),
        ("_more.p.example", "v=spf1 ip4:203.0.113.1 -all"),
    ])
    .host("d.example", "192.0.2.80")
    .host("mx1.example", "192.0.2.25")
    .host("out.example", "198.51.100.99")
    .mx("d.example", &["mx1.example"]);
    let found = found(&mut zone);
    assert_eq!(
        prefixes(&found),
        [
            "192.0.2.0/24",
            "198.51.100.7/32",
            "192.0.2.80/32",
            "192.0.2.25/32",
            "198.51.100.99/32",
            "198.51.100.96/28",
            "203.0.113.128/25",
            "203.0.113.1/32"
        ]
    );
    assert_eq!((found.other_family, found.all[3].host.as_deref()), (1, Some("mx1.example")));
    assert_eq!(found.all[7].by, "ip4:203.0.113.1 of _more.p.example");
    let doubts = found.doubts.join("; ");
    assert!(doubts.contains("?ptr of d.example") && doubts.contains("exists:"), "{doubts}");
    assert_eq!(found.doubts.len(), 2, "{doubts}");
}

#[test]
fn receivers_limits_are_kept_and_told() {
    let many: Vec<String> = (0..12).map(|at| format!("a:h{at}.example")).collect();
    let record = format!("v=spf1 {} ip4:192.0.2.200 -all", many.join(" "));
    let mut zone = Zone::of(&[("d.example", &record)]);
    for at in 0..12 {
        zone = zone.host(&format!("h{at}.example"), &format!("192.0.2.{at}"));
    }
    let ten = found(&mut zone);
    // Ten hosts, and the address that nobody has to ask for.
    assert_eq!((ten.all.len(), zone.asked), (11, 11));
    assert!(
        ten.doubts[0].contains("a:h10.example") && ten.doubts[0].contains("after 10"),
        "{:?}",
        ten.doubts
    );
    assert_eq!(ten.doubts.len(), 2);

    let mut zone = Zone::of(&[("d.example", "v=spf1 a:x1.example a:x2.example mx:x3.example a:h.example")])
        .host("h.example", "192.0.2.1");
    let none = found(&mut zone);
    assert!(none.all.is_empty() && zone.asked == 4, "{none:?}");
    assert!(none.doubts.iter().any(|doubt| doubt.contains("more than 2 answers")), "{:?}", none.doubts);
}

#[test]
fn circles_end() {
    let mut zone = Zone::of(&[
        ("d.example", "v=spf1 include:e.example ip4:192.0.2.1 -all"),
        ("e.example", "v=spf1 include:D.example ip4:192.0.2.2 redirect=e.example"),
    ]);
    let found = found(&mut zone);
    assert_eq!(prefixes(&found), ["192.0.2.2/32", "192.0.2.1/32"]);
    assert_eq!(found.doubts.iter().filter(|doubt| doubt.contains("leads back")).count(), 2);
    assert_eq!(zone.asked, 2);
}

#[test]
fn what_stands_before_with_another_sign_is_taken_out() {
    let mut zone = Zone::of(&[
        ("d.example", "v=spf1 -ip4:192.0.2.9 ip4:192.0.2.0/24 include:e.example ip4:198.51.100.1 ~all"),
        ("e.example", "v=spf1 ?ip4:203.0.113.5 ip4:203.0.113.0/28 -all"),
    ]);
    let found = found(&mut zone);
    let without: Vec<String> = found.all.iter().map(|one| format!("{:?}", one.without.len())).collect();
    // What an included record takes out is taken out of nothing else.
    assert_eq!(without, ["1", "2", "1"]);
}

#[test]
fn domains_without_one_usable_record_are_no_answer() {
    let error =
        |records: &[(&str, &str)]| senders("d.example", Family::V4, &mut Zone::of(records)).unwrap_err();
    assert_eq!(error(&[]), SpfError::None);
    assert_eq!(error(&[("d.example", "v=spf10 ip4:192.0.2.1")]), SpfError::None);
    assert_eq!(error(&[("d.example", "v=spf1"), ("d.example", "v=spf1 -all")]), SpfError::Several(2));
    let broken = senders("broken.example", Family::V4, &mut Zone::default());
    assert_eq!(broken, Err(SpfError::Dns("no answer".to_owned())));
    let none = senders("d.example", Family::V4, &mut Zone::of(&[("d.example", "v=spf1 -all")])).unwrap();
    assert_eq!(none, Senders::default());
}

#[test]
fn terms_that_make_no_sense_are_told_and_cost_the_others_nothing() {
    let mut zone = Zone::of(&[(
        "d.example",
        "v=spf1 ip4:300.1.1.1 ip4:2001:db8::1 ip4:192.0.2.1/33 a:/24 a:h/99 foo:bar include: include:%{s} ip4:192.0.2.1",
    )]);
    let found = found(&mut zone);
    assert_eq!(prefixes(&found), ["192.0.2.1/32"]);
    assert_eq!(found.doubts.len(), 8, "{:#?}", found.doubts);
}

#[test]
fn macros_of_the_domain_are_put_in() {
    let of = |text: &str| expanded(text, "mail.d.example", "d.example");
    assert_eq!(of("_spf.%{d}").as_deref(), Some("_spf.mail.d.example"));
    assert_eq!(of("%{d2}.x").as_deref(), Some("d.example.x"));
    assert_eq!(of("%{dr}.x").as_deref(), Some("example.d.mail.x"));
    assert_eq!(of("%{o}").as_deref(), Some("d.example"));
    for other in ["%{i}.x", "%{d", "%x", "%{d0}", "%{dz}", "a%_b", ""] {
        assert_eq!(of(other), None, "{other}");
    }
}

proptest! {
    #[test]
    fn no_record_panics_or_asks_without_end(words in prop::collection::vec("[-+~?]?(a|mx|ptr|include|exists|ip4|ip6|redirect=|\\PC{0,6})[:/]{0,2}[%{}a-z0-9./:]{0,12}", 0..40)) {
        let record = format!("v=spf1 {}", words.join(" "));
        let mut zone = Zone::of(&[("d.example", &record), ("e.example", &record)]).mx("d.example", &["x"; 30]);
        let _ = senders("d.example", Family::V6, &mut zone);
        // The first record, and of ten terms each: mail hosts and ten addresses.
        prop_assert!(zone.asked <= 1 + 10 * 11, "{}", zone.asked);
    }
}
