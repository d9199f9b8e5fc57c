//! Who has which VF, by the word of every witness: the plugin's journal, the kubelet, the kernel.
//!
//! A PF's VFs are made and removed together, so one holder keeps all of them as they are. A witness that cannot be heard makes it
//! unknown, which is never free. The kubelet is heard by its podresources API; while it is away, or names no pod yet, by what it
//! wrote down. A node on which no kubelet ever was has none to ask.

use std::collections::BTreeMap;
use std::path::Path;

use hardwire_cni::Context;
use hardwire_pci::DeviceId;

use super::now::{PfNow, VfNow};
use crate::ledger::checkpoint;
use crate::ledger::podresources::{Held, PodResourcesError};

/// Who has what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    by_device: BTreeMap<String, String>,
    unknown: Option<String>,
}

// === impl Holders ===

impl Holders {
    /// Asks journal and kubelet; what the kernel says is read with the VFs. `held` is the kubelet's answer, and `checkpoint` the
    /// directory of what it writes down.
    pub fn ask(context: &Context, held: Result<&Held, &PodResourcesError>, checkpoint: &Path) -> Self {
        let mut holders = Self::default();
        match context.journal.all() {
            Ok((records, unreadable)) => {
                for record in records {
                    let owner = &record.owner;
                    let by = match &record.pod {
                        Some(pod) => format!("attached to pod {}/{}", pod.namespace, pod.name),
                        None => format!("attached to container {}", owner.container_id),
                    };
                    holders.note(record.device.to_string(), by);
                }
                if let Some(unreadable) = unreadable.first() {
                    let (path, reason) = (unreadable.path.display(), &unreadable.reason);
                    holders.unknown = Some(format!("an attachment's record cannot be read: {path}: {reason}"));
                }
            }
            Err(error) => holders.unknown = Some(format!("the attachments cannot be read: {error}")),
        }
        holders.ask_kubelet(held, checkpoint);
        holders
    }

    fn ask_kubelet(&mut self, held: Result<&Held, &PodResourcesError>, directory: &Path) {
        let has_pods = match held {
            Ok(held) => {
                for (id, holder) in held.iter() {
                    self.note(id.to_owned(), format!("held by {holder}"));
                }
                held.has_pods()
            }
            Err(error) if error.is_without_socket() => false,
            Err(error) => {
                self.unknown.get_or_insert_with(|| error.to_string());
                false
            }
        };
        if has_pods {
            return;
        }
        match checkpoint::all(directory) {
            Ok(written) => {
                for (id, pod) in written {
                    self.note(
                        id,
                        format!("given to the pod with uid {pod}, as the kubelet wrote down"),
                    );
                }
            }
            Err(why) => {
                self.unknown.get_or_insert(why);
            }
        }
    }

    /// Somebody has a device.
    pub fn note(&mut self, id: String, by: String) {
        self.by_device.entry(id).or_insert(by);
    }

    /// Something cannot be heard.
    pub fn not_heard(&mut self, because: String) {
        self.unknown.get_or_insert(because);
    }

    /// Who has a VF.
    pub fn of(&self, vf: &VfNow) -> Option<String> {
        let by = vf.id.as_ref().and_then(|id| self.of_device(id));
        by.or_else(|| vf.used.clone())
    }

    fn of_device(&self, id: &DeviceId) -> Option<String> {
        let name = id.to_string();
        let ports = format!("{name}/p");
        let mut of_it = self
            .by_device
            .iter()
            .filter(|(id, _)| **id == name || id.starts_with(&ports));
        of_it.next().map(|(_, by)| by.clone())
    }

    /// Why it is not known of those that nobody names.
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// What keeps the VFs of a PF as they are, against a step.
    pub(super) fn why_not_free(&self, pf: &PfNow, step: &str) -> Vec<String> {
        let held = pf.vfs.iter().filter_map(|vf| {
            let id = vf.id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
            Some(format!("VF {}{id} is {}: not done: {step}", vf.index, self.of(vf)?))
        });
        let mut reasons: Vec<String> = held.collect();
        if let Some(unknown) = self
            .unknown
            .as_ref()
            .filter(|_| reasons.is_empty() && !pf.vfs.is_empty())
        {
            reasons.push(format!(
                "whether its VFs are in use is not known ({unknown}): not done: {step}"
            ));
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_on_which_no_kubelet_ever_was_has_nobody_to_ask() {
        let directory = tempfile::tempdir().unwrap();
        let mut holders = Holders::default();
        let written = serde_json::json!({"Data": {"PodDeviceEntries": [
            {"PodUID": "u-1", "ResourceName": "a.com/b", "DeviceIDs": {"0": ["0000:01:10.2"]}}]}});
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let podresources = crate::ledger::podresources::PodResources::in_directory(directory.path());
        let away = runtime.block_on(podresources.held()).unwrap_err();
        holders.ask_kubelet(Err(&away), directory.path());
        assert_eq!(holders, Holders::default());
        std::fs::write(directory.path().join(checkpoint::FILE), written.to_string()).unwrap();
        holders.ask_kubelet(Err(&away), directory.path());
        let vf = |id: &str| VfNow {
            id: Some(id.parse().unwrap()),
            ..VfNow::default()
        };
        assert!(holders.of(&vf("0000:01:10.2")).unwrap().contains("u-1"));
        assert_eq!(holders.of(&vf("0000:01:10.0")), None);
        std::fs::write(directory.path().join(checkpoint::FILE), "{").unwrap();
        let mut torn = Holders::default();
        torn.ask_kubelet(Err(&away), directory.path());
        assert!(torn.unknown().unwrap().contains(checkpoint::FILE));
    }

    #[test]
    fn a_port_of_a_function_that_is_held_holds_the_function() {
        let mut holders = Holders::default();
        holders.note("0000:01:10.0/p1".to_owned(), "held by x".to_owned());
        let vf = VfNow {
            id: Some("0000:01:10.0".parse().unwrap()),
            ..VfNow::default()
        };
        assert_eq!(holders.of(&vf).as_deref(), Some("held by x"));
    }
}
