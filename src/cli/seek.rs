//! A search for references before it is made: whether, where, and what is known from the last one.

use ipnetwork::IpNetwork;

use super::cache::{Cache, Key};
use super::request::Request;
use crate::path::Origins;
use crate::session::{Search, Searched, search};
use crate::trace::{SourcePorts, WallTime};

/// A search that may be made.
pub struct Seeking {
    /// What it may do; `None` where nobody is asked.
    pub search: Option<Search>,
    /// The announced prefix around the target, if one covers it.
    pub prefix: Option<IpNetwork>,
    /// What it is for.
    pub key: Option<Key>,
}

impl Seeking {
    /// Of a request whose measurement begins at `at`. Only a search asks the table where the neighbours are.
    pub fn of(
        request: &Request,
        searches: bool,
        origins: &dyn Origins,
        opt_out: Vec<IpNetwork>,
        source_ports: SourcePorts,
        cache: &Cache,
        at: WallTime,
    ) -> Self {
        let target = &request.destinations[0];
        let prefix = searches.then(|| search::announced(origins, target.address)).flatten();
        let key = prefix.map(|prefix| Key { prefix, protocol: target.protocol, port: target.port });
        let search = searches.then(|| Search {
            hints: request.hints.clone(),
            opt_out,
            source_ports,
            known: key.and_then(|key| cache.find(key, at)),
        });
        Self { search, prefix, key }
    }

    /// What was found, if it is worth keeping, and for what.
    pub fn worth<'a>(&self, searched: Option<&'a Searched>) -> Option<(Key, &'a Searched)> {
        self.key.zip(searched.filter(|searched| searched.is_worth_keeping()))
    }
}
