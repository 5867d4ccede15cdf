//! Files and TCP ports, by Landlock (Linux 5.13; TCP 6.7).

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};

use super::Allowance;

/// What any program reads: libraries, time zones, how names are resolved, and what the kernel tells. Not all of /etc: a
/// process of user 0 would find the passwords there.
const SYSTEM: [&str; 20] = [
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/sbin",
    "/proc",
    "/sys",
    "/run",
    "/dev/urandom",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/services",
    "/etc/terminfo",
];
/// Devices that are written to.
const DEVICES: [&str; 2] = ["/dev/null", "/dev/tty"];

/// Whether files are confined, and TCP connections.
pub(super) fn confine(allowance: &Allowance) -> (bool, bool) {
    let restricted = || -> Result<bool, RulesetError> {
        let every = AccessFs::from_all(ABI::V5);
        let mut reading = AccessFs::ReadFile | AccessFs::ReadDir;
        if allowance.programs {
            reading |= AccessFs::Execute;
        }
        let writing = every & !AccessFs::Execute;
        let mut rules = Ruleset::default().handle_access(every)?;
        if !allowance.connects {
            rules = rules.handle_access(AccessNet::from_all(ABI::V4))?;
        }
        // The program itself is evidence in a bundle.
        let own: Vec<PathBuf> = std::env::current_exe().into_iter().collect();
        let system = SYSTEM.iter().map(PathBuf::from);
        let reads = system.chain(own).chain(allowance.reads.iter().cloned());
        let status = rules
            .create()?
            .add_rules(path_beneath_rules(reads, reading))?
            .add_rules(path_beneath_rules(DEVICES.iter().map(Path::new), writing))?
            .add_rules(path_beneath_rules(&allowance.writes, writing))?
            .restrict_self()?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    };
    let files = restricted().unwrap_or(false);
    (files, files && !allowance.connects && std::net::TcpListener::bind("127.0.0.1:0").is_err())
}

/// The version of the kernel's interface. Confines the thread that asks to nothing worse than no removal of devices' calls.
pub(super) fn version() -> Option<i32> {
    let asked = || -> Result<LandlockStatus, RulesetError> {
        let status = Ruleset::default().handle_access(AccessFs::MakeBlock)?.create()?.restrict_self()?;
        Ok(status.landlock)
    };
    match asked().ok()? {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            Some(kernel_abi.unwrap_or(effective_abi as i32))
        }
        _ => None,
    }
}
