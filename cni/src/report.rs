//! What a call cost: the time of each of its phases, as one log line and as one datagram to the daemon.
//!
//! The daemon makes its latency metrics of them. The datagram is sent without waiting, to a unix socket below the state
//! directory, and is dropped where nobody listens or the receiver is behind: no attachment depends on it.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use hardwire_pci::{DeviceId, IfName};
use serde::{Deserialize, Serialize};

use crate::protocol::{Command, Environment};

/// Name of the daemon's socket in the state directory (`unix(7)`, `SOCK_DGRAM`).
pub const SOCKET: &str = "reports.sock";

/// Whether a daemon listens in `state`, the state directory: who is there hears of every event.
pub fn daemon_listens(state: &Path) -> bool {
    let connected = UnixDatagram::unbound().and_then(|socket| socket.connect(state.join(SOCKET)));
    connected.is_ok()
}

/// A part of a call that takes time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Waiting for the device's lock, and for the turn to move.
    Lock,
    /// Writing and reading records.
    Journal,
    /// Asking and telling the PF.
    Pf,
    /// The move between namespaces.
    Move,
    /// The IPAM plugin.
    Ipam,
    /// Addresses, up, routes.
    Addresses,
    /// Telling the neighbours.
    Announce,
}

impl Phase {
    /// Every phase, in the order in which an ADD has them.
    pub const ALL: [Self; 7] = [
        Self::Lock,
        Self::Journal,
        Self::Pf,
        Self::Move,
        Self::Ipam,
        Self::Addresses,
        Self::Announce,
    ];

    /// As it stands in the log, in a datagram and in a metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Journal => "journal",
            Self::Pf => "pf",
            Self::Move => "move",
            Self::Ipam => "ipam",
            Self::Addresses => "addresses",
            Self::Announce => "announce",
        }
    }
}

/// One call, as the datagram tells of it (JSON).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Layout of the report.
    pub version: u32,
    /// `ADD` or `DEL`.
    pub verb: String,
    /// The device; none where the call never got to one.
    pub device: Option<DeviceId>,
    /// `name` of the configuration.
    pub network: String,
    /// `CNI_CONTAINERID`.
    pub container: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// What the device is called on the host from now on, where another interface had its name.
    #[serde(default)]
    pub renamed: Option<String>,
    /// The error code; 0 for success.
    pub code: u32,
    /// The whole call, in microseconds.
    pub total_us: u64,
    /// Each phase that there was, in microseconds.
    pub phases_us: BTreeMap<Phase, u64>,
}

impl Report {
    /// The layout that this program writes.
    pub const VERSION: u32 = 1;

    /// Sends the report to whoever listens in `state`, the state directory; waits for nobody.
    pub fn send(&self, state: &Path) {
        let sent = UnixDatagram::unbound().and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to(&serde_json::to_vec(self)?, state.join(SOCKET))
        });
        if let Err(error) = sent {
            tracing::debug!("the daemon was not told: {error}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} took {}", self.verb, Ms(self.total_us))?;
        for (phase, us) in &self.phases_us {
            write!(f, ", {} {}", phase.as_str(), Ms(*us))?;
        }
        Ok(())
    }
}

struct Ms(u64);

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} ms", self.0 / 1000, self.0 % 1000 / 10)
    }
}

/// Times the phases of a call.
#[derive(Debug)]
pub struct Phases {
    begun: Instant,
    spent: BTreeMap<Phase, Duration>,
    device: Option<DeviceId>,
    renamed: Option<IfName>,
}

impl Phases {
    /// Begins to count.
    pub fn begin() -> Self {
        Self {
            begun: Instant::now(),
            spent: BTreeMap::new(),
            device: None,
            renamed: None,
        }
    }

    /// Notes which device the call is about, for the report and, in the span of the call, for its lines of the log. One that was
    /// noted before is there already: a second time the span would name it twice.
    pub fn device(&mut self, device: &DeviceId) {
        if self.device.as_ref() == Some(device) {
            return;
        }
        tracing::Span::current().record("device", tracing::field::display(device));
        self.device = Some(device.clone());
    }

    /// Notes that the device is back on the host under another name than it had.
    pub fn renamed(&mut self, name: &IfName) {
        self.renamed = Some(name.clone());
    }

    /// Adds the time that `work` takes to a phase.
    pub fn time<T>(&mut self, phase: Phase, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        *self.spent.entry(phase).or_default() += begun.elapsed();
        done
    }

    /// The report of a call that ended with this error code, 0 for none.
    pub fn report(self, environment: &Environment, network: &str, code: u32) -> Report {
        let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Report {
            version: Report::VERSION,
            verb: environment.command().map_or("?", Command::as_str).to_owned(),
            device: self.device,
            network: network.to_owned(),
            container: environment.container_id().map_or("", |id| id.as_str()).to_owned(),
            ifname: environment.ifname().map_or("", |name| name.as_str()).to_owned(),
            renamed: self.renamed.map(|name| name.to_string()),
            code,
            total_us: us(self.begun.elapsed()),
            phases_us: self.spent.iter().map(|(phase, spent)| (*phase, us(*spent))).collect(),
        }
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
