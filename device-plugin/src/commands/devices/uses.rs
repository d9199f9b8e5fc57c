//! Who has which device: pods by the kubelet's word, attachments by the journal's, health by the daemon's.
//!
//! Each of the three may be away, or not be ours to read: what it would tell is left out then.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use hardwire_cni::Context;
use hardwire_cni::journal::{Journal, Record};
use hardwire_pci::DeviceId;
use tracing::{info, warn};

use crate::ask::view::View;
use crate::ledger::podresources::{Held, PodResources};

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub(super) held: Held,
    pub(super) attachments: BTreeMap<DeviceId, Record>,
    pub(super) view: View,
}

// === impl Uses ===

impl Uses {
    pub(super) fn read(kubelet_dir: &Path) -> Self {
        let context = Context::read(|name| std::env::var_os(name));
        Self {
            held: held(kubelet_dir).unwrap_or_else(|reason| {
                info!("pods are not shown: {reason}");
                Held::default()
            }),
            attachments: attachments(&context.journal),
            view: View::read(&context.state).unwrap_or_default(),
        }
    }
}

fn held(kubelet_dir: &Path) -> Result<Held, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error: io::Error| error.to_string())?;
    let held = runtime.block_on(PodResources::at(kubelet_dir).held());
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
