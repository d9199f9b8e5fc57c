//! What the journal says: which devices are attached, and where each attachment stands.

use std::collections::BTreeMap;

use hardwire_cni::journal::{Ending, Journal, Record, Step, Unreadable};
use hardwire_cni::netns;
use hardwire_cni::release::is_orphaned;
use hardwire_pci::DeviceId;
use tracing::warn;

use super::ownership::Attachment;

/// The journal as a witness.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachments {
    /// By device. One whose record is not understood is attached as well, as far as anybody can tell.
    pub by_device: BTreeMap<DeviceId, Attachment>,
    /// Why the journal could not be heard.
    pub unheard: Option<String>,
}

/// The journal as it was read.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Each record, and whether its attachment has lost its owner.
    pub(super) readable: Vec<(Record, bool)>,
    /// Those of them of whose namespaces nothing can be told from here.
    pub(super) hidden: Vec<Record>,
    unreadable: Vec<Unreadable>,
    unheard: Option<String>,
}

/// Where an attachment stands; `is_orphaned` tells that its namespace is gone, or that its DEL could not end it.
pub(super) fn attachment(record: &Record, is_orphaned: bool) -> Attachment {
    let del_came = record.ending == Some(Ending::Del) || record.step == Step::Released;
    match (is_orphaned, record.ending) {
        (true, _) if del_came => Attachment::NotGivenBack,
        (true, _) => Attachment::Orphaned,
        (false, Some(_)) => Attachment::Ending,
        (false, None) => Attachment::Living,
    }
}

// === impl Records ===

impl Records {
    /// Reads the journal, and looks at the namespace of each attachment. Blocking.
    pub(super) fn read(journal: &Journal) -> Self {
        match journal.all() {
            Ok((records, unreadable)) => {
                let is_hidden = |record: &&Record| netns::is_hidden(&record.owner.netns_path);
                Self {
                    hidden: records.iter().filter(is_hidden).cloned().collect(),
                    readable: records
                        .into_iter()
                        .map(|record| {
                            let orphaned = is_orphaned(&record);
                            (record, orphaned)
                        })
                        .collect(),
                    unreadable,
                    unheard: None,
                }
            }
            Err(error) => Self::unheard(error.to_string()),
        }
    }

    /// Nothing is known, for this reason.
    pub(super) fn unheard(because: String) -> Self {
        warn!("which devices are attached is not known: {because}");
        Self {
            unheard: Some(because),
            ..Self::default()
        }
    }

    /// Whether the journal could be looked into; a record of it may be unreadable.
    pub(super) fn is_heard(&self) -> bool {
        self.unheard.is_none()
    }

    /// Whether some of it, or all, could not be read.
    pub(super) fn is_unread(&self) -> bool {
        self.unheard.is_some() || !self.unreadable.is_empty()
    }

    pub(super) fn attachments(&self) -> Attachments {
        let readable = self
            .readable
            .iter()
            .map(|(record, orphaned)| (record.device.clone(), attachment(record, *orphaned)));
        let unreadable = self.unreadable.iter().filter_map(|record| {
            warn!("{record}");
            Some((device_of(record)?, Attachment::Living))
        });
        Attachments {
            by_device: unreadable.chain(readable).collect(),
            unheard: self.unheard.clone(),
        }
    }
}

impl Attachments {
    /// As the journal has them now. Blocking.
    pub fn read(journal: &Journal) -> Self {
        Records::read(journal).attachments()
    }

    /// Nothing is known of them, for this reason.
    pub fn unheard(because: &str) -> Self {
        Self {
            unheard: Some(because.to_owned()),
            ..Self::default()
        }
    }
}

/// The device of a record that is not understood: by what it says, else by its file's name.
fn device_of(record: &Unreadable) -> Option<DeviceId> {
    let by_name = || record.path.file_stem()?.to_str()?.parse().ok();
    record.salvaged.device.clone().or_else(by_name)
}
