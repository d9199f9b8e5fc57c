//! What `doctor --fix` has the daemon do: put the CNI plugin back, remove sockets of ours that nobody serves, release what
//! nobody has. Nothing else, and never an address: a lease of another plugin may live.

use std::fs;
use std::path::{Path, PathBuf};

use hardwire_cni::Context;
use tokio::task::spawn_blocking;

use crate::ask::fix::{Fix, Mender, Mending};
use crate::commands::install_cni::{Installed, PROGRAM, ProgramName, SRIOV, install, is_ours};
use crate::events::socket::{Behind, behind, clear};
use crate::ledger::on_demand;
use crate::ledger::podresources::PodResources;

/// What mending needs to know of the node.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// The node and our own state.
    pub context: Context,
    /// Why it is not known what is attached; none where it is.
    pub unknown: Option<String>,
    /// The kubelet's word.
    pub podresources: PodResources,
    /// Where the pools' sockets are.
    pub plugin_directory: PathBuf,
    /// The CNI plugin's program.
    pub cni_program: PathBuf,
    /// Where it belongs.
    pub cni_bin_dir: PathBuf,
}

// === impl Workshop ===

impl Workshop {
    /// Mends what it is asked to.
    pub fn mender(self) -> Mender {
        Mender::new(move |fix| self.mend(fix))
    }

    fn mend(&self, fix: Fix) -> Mending {
        let workshop = self.clone();
        match fix {
            Fix::Plugin => blocking(move || workshop.install()),
            Fix::Sockets => blocking(move || workshop.remove_stale_sockets()),
            Fix::Release(device) => match workshop.unknown {
                Some(why) => Box::pin(std::future::ready(Err(why))),
                None => Box::pin(on_demand::release(workshop.context, workshop.podresources, device)),
            },
        }
    }

    /// Under its own name, and under sriov-cni's where it has taken that one's place.
    fn install(&self) -> Result<String, String> {
        let takes_place = fs::read(self.cni_bin_dir.join(SRIOV)).is_ok_and(|content| is_ours(&content));
        let names = [Some(PROGRAM), takes_place.then_some(SRIOV)];
        let mut done = Vec::new();
        for name in names.into_iter().flatten() {
            let name: ProgramName = name
                .parse()
                .map_err(|error: crate::commands::install_cni::BadProgramName| error.to_string())?;
            let installed = install(&self.cni_program, &self.cni_bin_dir, &name);
            done.push(match installed.map_err(|error| error.to_string())? {
                Installed::Already(at) => format!("{} was right already", at.display()),
                Installed::Now { at, .. } => format!("installed {}", at.display()),
            });
        }
        Ok(done.join("; "))
    }

    fn remove_stale_sockets(&self) -> Result<String, String> {
        let mut removed = Vec::new();
        for path in stale_sockets(&self.context.state, &self.plugin_directory, &[]) {
            clear(&path).map_err(|error| error.to_string())?;
            removed.push(path.display().to_string());
        }
        Ok(match &removed[..] {
            [] => "no socket was left".to_owned(),
            removed => format!("removed {}", removed.join(", ")),
        })
    }
}

fn blocking(work: impl FnOnce() -> Result<String, String> + Send + 'static) -> Mending {
    let done = spawn_blocking(work);
    Box::pin(async { done.await.unwrap_or_else(|error| Err(error.to_string())) })
}

/// Sockets of ours that nobody serves: in the state directory, and in the kubelet's those of `endpoints` and of resources that
/// we have published ([`crate::container::Publisher`]). A name alone tells nothing: other plugins name theirs alike.
pub fn stale_sockets(state: &Path, plugin_directory: &Path, endpoints: &[String]) -> Vec<PathBuf> {
    let published = names(&state.join("published")).into_iter();
    let of_pools = published
        .map(|mark| format!("{mark}.sock"))
        .chain(endpoints.iter().cloned());
    let of_pools = of_pools.map(|name| plugin_directory.join(name));
    let of_state = names(state).into_iter().filter(|name| {
        let extension = Path::new(name).extension();
        extension.is_some_and(|extension| extension == "sock")
    });
    let mut stale: Vec<PathBuf> = of_state
        .map(|name| state.join(name))
        .chain(of_pools)
        .filter(|path| matches!(behind(path), Ok(Behind::Nobody)))
        .collect();
    stale.sort_unstable();
    stale.dedup();
    stale
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_our_own_sockets_that_nobody_serves_are_stale() {
        let directory = tempfile::tempdir().unwrap();
        let (state, plugins) = (directory.path().join("state"), directory.path().join("plugins"));
        fs::create_dir_all(state.join("published")).unwrap();
        fs::create_dir_all(&plugins).unwrap();
        fs::write(state.join("published/a.com_old"), "").unwrap();
        let dead = |path: &Path| drop(UnixListener::bind(path).unwrap());
        dead(&state.join("control.sock"));
        dead(&plugins.join("a.com_old.sock"));
        dead(&plugins.join("a.com_pool.sock"));
        dead(&plugins.join("other.io_x.sock"));
        let _served = UnixListener::bind(state.join("reports.sock")).unwrap();
        fs::write(state.join("note.sock"), "").unwrap();
        let stale = stale_sockets(&state, &plugins, &["a.com_pool.sock".to_owned()]);
        assert_eq!(
            stale,
            [
                plugins.join("a.com_old.sock"),
                plugins.join("a.com_pool.sock"),
                state.join("control.sock")
            ]
        );
    }
}
