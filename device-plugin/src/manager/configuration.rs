//! The configuration in force, and the one that is about to be.

use tokio::time::Instant;

use crate::config::{Config, DriverName, Pool};
use crate::events::debounce::Debounce;

/// Where a change of the configuration stands.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    debounce: Debounce,
    /// It is being read: of two readings at once, the older might be the last to tell.
    is_reading: bool,
    /// The next reading tells of it even if its text is the same.
    anyway: bool,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// What is in force is what was read last.
    #[default]
    InForce,
    /// These pools are taken over after this scan, which reads what their selectors ask for.
    AwaitsScan { coming: Coming, scan: u64 },
}

/// What comes in force.
#[derive(Debug)]
pub(super) struct Coming {
    /// The pools.
    pub(super) pools: Vec<Pool>,
    /// Whose claims some of them are for.
    pub(super) driver: Option<DriverName>,
}

// === impl Configuration ===

impl Configuration {
    /// The file may be another one.
    pub(super) fn on_file(&mut self, now: Instant) {
        self.debounce.on_event(now);
    }

    /// The file is to be read, whether it is another one or not.
    pub(super) fn on_reload(&mut self, now: Instant) {
        self.anyway = true;
        self.debounce.on_event(now);
    }

    /// When the file is to be read.
    pub(super) fn due(&self) -> Option<Instant> {
        self.debounce.due().filter(|_| !self.is_reading)
    }

    /// Whether that is now; if so, whether it is to be told of even if its text is the same.
    pub(super) fn take(&mut self, now: Instant) -> Option<bool> {
        if self.is_reading || !self.debounce.take(now) {
            return None;
        }
        self.is_reading = true;
        Some(std::mem::take(&mut self.anyway))
    }

    /// Reading it has ended, whatever came of it.
    pub(super) fn ended(&mut self) {
        self.is_reading = false;
    }

    /// It was read, and is good.
    pub(super) fn read(&mut self, config: Config, scan: u64) {
        let driver = config.driver();
        let pools = config.pools;
        self.state = State::AwaitsScan {
            coming: Coming { pools, driver },
            scan,
        };
    }

    /// The pools that are about to be in force.
    pub(super) fn coming(&self) -> Option<&[Pool]> {
        match &self.state {
            State::InForce => None,
            State::AwaitsScan { coming, .. } => Some(&coming.pools),
        }
    }

    /// What comes in force now, after so many scans.
    pub(super) fn take_over(&mut self, scans: u64) -> Option<Coming> {
        match std::mem::take(&mut self.state) {
            State::AwaitsScan { coming, scan } if scan <= scans => Some(coming),
            waits => {
                self.state = waits;
                None
            }
        }
    }
}
