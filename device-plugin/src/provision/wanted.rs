//! Which entry of the configuration is a PF's.

use super::now::PfNow;
use super::record::Record;
use crate::config::pfs::{PfEntry, PfSettings};

/// What is wanted of a PF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// What one entry says.
    Entry(Box<PfEntry>),
    /// Several entries select it, which is refused: the names of those.
    Several(Vec<String>),
    /// No entry does any more, and what we set is to be as it was before.
    Undo(Box<Record>),
}

// === impl Wanted ===

impl Wanted {
    /// What is wanted of a PF; `None` where nobody says anything and nothing is ours.
    pub fn of(pf: &PfNow, entries: &[PfEntry], record: Option<&Record>) -> Option<Self> {
        let selecting: Vec<&PfEntry> = entries
            .iter()
            .filter(|entry| entry.selection.matches(&pf.identity))
            .collect();
        match selecting.as_slice() {
            [] => record.map(|record| Self::Undo(Box::new(record.clone()))),
            [entry] => Some(Self::Entry(Box::new((*entry).clone()))),
            several => Some(Self::Several(several.iter().map(|entry| entry.at.clone()).collect())),
        }
    }

    /// Who says so.
    pub fn said_by(&self) -> String {
        match self {
            Self::Entry(entry) => entry.at.clone(),
            Self::Several(entries) => entries.join(" and "),
            Self::Undo(_) => "no entry any more".to_owned(),
        }
    }
}

/// What an undo wants: that what is still as we set it is as it was before.
pub fn before(record: &Record, now: &PfNow) -> PfSettings {
    let (set, before) = (&record.set, &record.before);
    let is_ours = |ours: bool, was: Option<u32>| was.filter(|_| ours);
    PfSettings {
        num_vfs: is_ours(set.num_vfs == Some(now.num_vfs), before.num_vfs),
        mtu: is_ours(set.mtu.is_some() && set.mtu == now.mtu, before.mtu),
        eswitch_mode: before.mode.filter(|_| set.mode.is_some() && set.mode == now.mode),
        drivers_autoprobe: before
            .autoprobe
            .filter(|_| set.autoprobe.is_some() && set.autoprobe == now.autoprobe),
        link_up: before
            .link_up
            .filter(|_| set.link_up.is_some() && set.link_up == now.is_up),
        externally_managed: false,
        vfs: Vec::new(),
    }
}

/// The wishes in words, for people.
pub fn in_words(settings: &PfSettings) -> String {
    let mut parts = Vec::new();
    parts.extend(settings.num_vfs.map(|count| match count {
        1 => "1 VF".to_owned(),
        count => format!("{count} VFs"),
    }));
    parts.extend(settings.mtu.map(|mtu| format!("MTU {mtu}")));
    parts.extend(settings.link_up.map(|up| if up { "up" } else { "down" }.to_owned()));
    parts.extend(settings.eswitch_mode.map(|mode| mode.word().to_owned()));
    if settings.externally_managed {
        parts.push("made by somebody else".to_owned());
    }
    let groups = settings.vfs.iter().map(|group| format!("VFs {}", group.indices));
    parts.extend(groups);
    parts.join(", ")
}
