//! Options of `doctor`: where things are on this node. What is not said is the running daemon's, or as on most nodes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::commands::examples;

/// Where CNI keeps what it knows, on most nodes.
const CNI_STATE_DIR: &str = "/var/lib/cni";
const PROC: &str = "/proc";

/// An argument names what cannot be read: it is a slip of the pen, and what it would show is not known.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {}: {source}", path.display())]
pub struct BadPath {
    /// Which.
    pub flag: &'static str,
    /// What it names.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// Options of `doctor`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = examples::DOCTOR)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Have the running daemon mend what is surely ours: the plugin's program, sockets that nobody serves, attachments of
    /// devices that nobody has. Each is said before it is done.
    #[arg(long)]
    pub fix: bool,
    /// Networks to look at too: a manifest with `NetworkAttachmentDefinition`s (kubectl get net-attach-def -A -o yaml).
    #[arg(long, value_name = "FILE")]
    pub nad: Vec<PathBuf>,
    /// The configuration to go by. Default: the one in force in the running daemon, else /etc/hardwire/config.json or
    /// /etc/pcidp/config.json.
    #[arg(long, alias = "config-file", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The kubelet's directory. Default: the running daemon's, else /var/lib/kubelet.
    #[arg(long, value_name = "DIR")]
    pub kubelet_dir: Option<PathBuf>,
    /// Where the kubelet's podresources socket is. Default: where the running daemon looks for it.
    #[arg(long, value_name = "DIR")]
    pub pod_resources_dir: Option<PathBuf>,
    /// Read devices below DIR. Default: where the running daemon reads them, else /sys.
    #[arg(long, value_name = "DIR")]
    pub sysfs_root: Option<PathBuf>,
    /// The prefix of resources whose configuration gives none. Default: the running daemon's, else intel.com.
    #[arg(long, value_name = "PREFIX")]
    pub resource_prefix: Option<String>,
    /// The directory of CNI plugins. Default: the running daemon's, else /opt/cni/bin.
    #[arg(long = "cni-plugin-dir", value_name = "DIR")]
    pub cni_bin_dir: Option<PathBuf>,
    /// The directory of network configurations. Default: /etc/cni/net.d, else what k3s and others have.
    #[arg(long, value_name = "DIR")]
    pub cni_conf_dir: Option<PathBuf>,
    /// The daemon's `DaemonSet`, for commands, and where its container is called otherwise than in deploy/, that one's name.
    /// Default: that of the daemon's pod, else kube-system/hardwired.
    #[arg(long, value_name = "NAMESPACE/NAME[/CONTAINER]")]
    pub daemonset: Option<String>,
    /// Where CNI and its IPAM plugins keep what they know.
    #[arg(long, value_name = "DIR", default_value = CNI_STATE_DIR)]
    pub cni_state_dir: PathBuf,
    /// Read processes and the kernel's command line below DIR.
    #[arg(long, value_name = "DIR", default_value = PROC)]
    pub proc_root: PathBuf,
}

// === impl DoctorArgs ===

impl DoctorArgs {
    /// Whether what the arguments name can be read. What is not named need not be there.
    pub fn readable(&self) -> Result<(), BadPath> {
        let named = |path: &Path, default: &str| (path != Path::new(default)).then(|| path.to_owned());
        let (cni_state_dir, proc_root) = (named(&self.cni_state_dir, CNI_STATE_DIR), named(&self.proc_root, PROC));
        let files = [("--config", self.config.as_ref())]
            .into_iter()
            .chain(self.nad.iter().map(|nad| ("--nad", Some(nad))));
        let directories = [
            ("--kubelet-dir", self.kubelet_dir.as_ref()),
            ("--pod-resources-dir", self.pod_resources_dir.as_ref()),
            ("--sysfs-root", self.sysfs_root.as_ref()),
            ("--cni-plugin-dir", self.cni_bin_dir.as_ref()),
            ("--cni-conf-dir", self.cni_conf_dir.as_ref()),
            ("--cni-state-dir", cni_state_dir.as_ref()),
            ("--proc-root", proc_root.as_ref()),
        ];
        for (flag, path) in files {
            readable(flag, path, |path| File::open(path).map(drop))?;
        }
        for (flag, path) in directories {
            readable(flag, path, |path| fs::read_dir(path).map(drop))?;
        }
        Ok(())
    }
}

/// Whether what an argument names can be read by this.
pub(in crate::commands) fn readable(
    flag: &'static str,
    path: Option<&PathBuf>,
    read: impl Fn(&Path) -> io::Result<()>,
) -> Result<(), BadPath> {
    let Some(path) = path else { return Ok(()) };
    read(path).map_err(|source| BadPath {
        flag,
        path: path.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::commands::args::{Cli, Command};

    #[test]
    fn what_an_argument_names_must_be_there_and_what_none_names_need_not() {
        let directory = tempfile::tempdir().unwrap();
        let (there, nowhere) = (directory.path().to_str().unwrap(), directory.path().join("nope"));
        let nowhere = nowhere.to_str().unwrap();
        let read = |arguments: &[&str]| match Cli::parse_from([&["hardwired", "doctor"], arguments].concat()).command {
            Command::Doctor(args) => args.readable().map_err(|error| error.to_string()),
            other => panic!("{other:?}"),
        };
        assert_eq!(read(&[]), Ok(()));
        for flag in [
            "--nad",
            "--config",
            "--kubelet-dir",
            "--pod-resources-dir",
            "--sysfs-root",
            "--cni-plugin-dir",
            "--cni-conf-dir",
            "--cni-state-dir",
            "--proc-root",
        ] {
            let error = read(&[flag, nowhere]).unwrap_err();
            assert!(error.starts_with(&format!("{flag} {nowhere}: No such file")), "{error}");
            assert_eq!(read(&[flag, there]), Ok(()), "{flag}");
        }
    }
}
