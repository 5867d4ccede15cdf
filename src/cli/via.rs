//! Uplinks as the user names them, and how each is asked of the kernel.

use std::net::IpAddr;

use super::failure::Failure;
use super::live::{self, Socket};
use crate::net::{self, AnyWire, Family, Steering};

/// One uplink, as `--via` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// As given, without its label.
    pub spec: String,
    /// The user's name for it.
    pub label: Option<String>,
    way: Way,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    Interface(String),
    Source(IpAddr),
    Vrf(String),
    Mark(u32),
    Table(u32),
}

/// The forms, for whoever used none of them.
const FORMS: &str = "an uplink is an interface (eth0), src:ADDRESS, vrf:NAME, mark:NUMBER or table:NUMBER";

impl Via {
    /// Reads `eth0`, `src:203.0.113.7`, `vrf:blue`, `mark:5`, `table:100`, each with `,label=TEXT` behind it if wanted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (spec, label) = match text.split_once(',') {
            None => (text, None),
            Some((spec, rest)) => match rest.strip_prefix("label=").map(str::trim) {
                None => {
                    return Err(format!(
                        "'{rest}' is not label=TEXT, which is all that may follow an uplink"
                    ));
                }
                Some("") => return Err("the label is empty".into()),
                Some(label) => (spec, Some(label.to_owned())),
            },
        };
        let spec = spec.trim();
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse::<u32>().ok(),
        };
        let way = match spec.split_once(':') {
            None if spec.is_empty() => return Err(FORMS.into()),
            None => Way::Interface(spec.to_owned()),
            Some(("src", address)) => {
                let bare =
                    address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
                Way::Source(bare.parse().map_err(|_| format!("'{address}' is no address"))?)
            }
            Some(("vrf", "")) => return Err(FORMS.into()),
            Some(("vrf", name)) => Way::Vrf(name.to_owned()),
            Some(("mark", text)) => Way::Mark(number(text).ok_or_else(|| {
                format!("'{text}' is no mark: that is a number from 0 to 4294967295, or hexadecimal with 0x")
            })?),
            Some(("table", text)) => match number(text) {
                Some(table) if table != 0 => Way::Table(table),
                _ => return Err(format!("'{text}' is no table: that is a number from 1 to 4294967295")),
            },
            Some(_) => return Err(FORMS.into()),
        };
        Ok(Self { spec: spec.to_owned(), label, way })
    }

    /// The address it sends from, where that is what it says.
    pub fn source(&self) -> Option<IpAddr> {
        match self.way {
            Way::Source(source) => Some(source),
            _ => None,
        }
    }

    /// Whether its packets are marked.
    pub const fn marks(&self) -> bool {
        matches!(self.way, Way::Mark(_) | Way::Table(_))
    }

    /// What a socket needs to go this way.
    pub fn steering(&self, family: Family) -> Result<Steering, Failure> {
        let plain = Steering::default();
        Ok(match &self.way {
            Way::Interface(name) => Steering { interface: Some(name.clone()), ..plain },
            Way::Source(source) => Steering { source: Some(*source), ..plain },
            Way::Vrf(name) => Steering { vrf: Some(name.clone()), ..plain },
            Way::Mark(mark) => Steering { mark: Some(*mark), ..plain },
            Way::Table(table) => {
                net::steer(*table, family).map_err(|error| self.named(live::closed(&error)))?
            }
        })
    }

    /// Refuses a wire that goes by another table than was asked for.
    pub fn verify(&self, wire: &AnyWire) -> Result<(), Failure> {
        let Way::Table(wanted) = self.way else { return Ok(()) };
        let other = wire.routes().iter().find(|route| !route.local && route.table != Some(wanted));
        let Some(route) = other else { return Ok(()) };
        let used = route.table.map_or("another".to_owned(), |table| table.to_string());
        Err(Failure::environment(
            "table",
            format!(
                "--via {}: packets to {} go by the table {used} all the same",
                self.spec, route.destination
            ),
            Some(format!(
                "a rule before the one that leads to {wanted} takes them, or {wanted} has no route there: see `ip rule`"
            )),
        ))
    }

    /// A failure that says which uplink it is about.
    pub fn named(&self, mut failure: Failure) -> Failure {
        failure.message = format!("--via {}: {}", self.spec, failure.message);
        failure
    }
}

/// The words of the network room for these needs.
pub fn socket(steering: &Steering) -> Socket<'_> {
    Socket { source: steering.source, mark: steering.mark, vrf: steering.vrf.as_deref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uplinks_are_read_in_every_form() {
        let read = |text: &str| Via::parse(text).map(|via| (via.spec, via.way, via.label));
        let is = |spec: &str, way, label: Option<&str>| Ok((spec.to_owned(), way, label.map(str::to_owned)));
        assert_eq!(read("eth0"), is("eth0", Way::Interface("eth0".into()), None));
        assert_eq!(
            read("eth0,label=MGTS, at home"),
            is("eth0", Way::Interface("eth0".into()), Some("MGTS, at home"))
        );
        let source = Way::Source("203.0.113.7".parse().unwrap());
        assert_eq!(read("src:203.0.113.7"), is("src:203.0.113.7", source, None));
        let source = Way::Source("2001:db8::7".parse().unwrap());
        assert_eq!(read("src:[2001:db8::7],label=x"), is("src:[2001:db8::7]", source, Some("x")));
        assert_eq!(read("vrf:blue"), is("vrf:blue", Way::Vrf("blue".into()), None));
        assert_eq!(read("mark:0x10"), is("mark:0x10", Way::Mark(16), None));
        assert_eq!(read("table:100"), is("table:100", Way::Table(100), None));
        for bad in [
            "",
            ",label=x",
            "eth0,x",
            "eth0,label=",
            "src:",
            "src:x",
            "vrf:",
            "mark:",
            "mark:-1",
            "table:0",
            "scr:1",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
