//! Who has which device: pods by the kubelet's word, attachments by the journal's, health by the daemon's.
//!
//! Each of the three may be away, or not be ours to read: what it would tell is left out then, and what is missing is said.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use hardwire_cni::Context;
use hardwire_cni::journal::{Journal, Record};
use hardwire_pci::DeviceId;
use tracing::warn;

use crate::ask::view::View;
use crate::commands::run::is_state_named;
use crate::ledger::podresources::{Held, PodResources};
use crate::ledger::state_directory::StateDirectory;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub(super) held: Held,
    pub(super) attachments: BTreeMap<DeviceId, Record>,
    pub(super) view: View,
    /// What is not known, and why.
    pub(super) unknown: Vec<String>,
}

// === impl Uses ===

impl Uses {
    pub(super) fn read(pod_resources: &Path) -> Self {
        let context = Context::read(|name| std::env::var_os(name));
        let mut unknown = Vec::new();
        let held = held(pod_resources).unwrap_or_else(|reason| {
            unknown.push(format!("which pod holds which device is not known: {reason}"));
            Held::default()
        });
        unknown.extend(StateDirectory::unknown_at(&context.state, is_state_named()));
        Self {
            held,
            attachments: attachments(&context.journal),
            view: View::read(&context.state).unwrap_or_default(),
            unknown,
        }
    }
}

fn held(pod_resources: &Path) -> Result<Held, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error: io::Error| error.to_string())?;
    let held = runtime.block_on(PodResources::in_directory(pod_resources).held());
    held.map_err(|error| error.to_string())
}

fn attachments(journal: &Journal) -> BTreeMap<DeviceId, Record> {
    match journal.all() {
        Ok((records, unreadable)) => {
            for record in unreadable {
                warn!("{record}");
            }
            let by_device = records.into_iter().map(|record| (record.device.clone(), record));
            by_device.collect()
        }
        Err(error) => {
            warn!("attachments are not shown: {error}");
            BTreeMap::new()
        }
    }
}
