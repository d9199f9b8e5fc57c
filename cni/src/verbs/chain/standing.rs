//! How our entry stands in the list that a call is of: by the node's own files, which no NAD is among.

use std::path::PathBuf;

use crate::Context;
use crate::config::PodConf;
use crate::node::{DEFAULT_DIRECTORY, OurEntry, Policies, our_entries};
use crate::protocol::{CniError, code};

/// Our entries in the lists of this name. Runtimes like k3s' read them elsewhere: the daemon was told where.
pub(super) fn entries(context: &Context, network: &str) -> Vec<OurEntry> {
    let directories = match &context.cni_config {
        Some(named) => vec![named.clone()],
        None => directories(context),
    };
    directories
        .iter()
        .flat_map(|directory| our_entries(directory, network))
        .collect()
}

fn directories(context: &Context) -> Vec<PathBuf> {
    let told = Policies::read(&context.policies)
        .ok()
        .flatten()
        .and_then(|policies| policies.cni_config);
    let mut directories: Vec<PathBuf> = told.into_iter().chain([DEFAULT_DIRECTORY.into()]).collect();
    directories.dedup();
    directories
}

/// Refuses a configuration that is no entry of the node's lists: a tenant may write the same into a NAD, and would choose names,
/// and what is reported of a pod's devices.
pub(super) fn refuse_unless_listed(context: &Context, conf: &PodConf, is_alone: bool) -> Result<(), CniError> {
    let is_this = |entry: &OurEntry| entry.stands_alone == is_alone && entry.report_ips == conf.report_ips;
    let network = &conf.base.name;
    if entries(context, network.as_str()).iter().any(is_this) {
        return Ok(());
    }
    let place = if is_alone {
        "as its first plugin"
    } else {
        "behind another plugin"
    };
    let msg = format!(
        "attach: pod is for the default network's list, and no list {network} of this node has this entry {place}: a NAD names \
         its device"
    );
    let details = "hardwired install-cni --chain puts it there; where the runtime reads its networks elsewhere than in \
                   /etc/cni/net.d, hardwired run needs --cni-config-dir";
    Err(CniError::new(code::CONFIG, msg).with_details(details))
}
