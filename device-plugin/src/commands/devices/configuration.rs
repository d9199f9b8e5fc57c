//! By which configuration devices are placed: the one in force in the running daemon, or a file's.

use std::path::PathBuf;

use hardwire_cni::Context;
use serde::Serialize;
use tracing::{debug, warn};

use crate::ask::control;
use crate::ask::in_force::Running;
use crate::commands::args::{DevicesArgs, NodeArgs};
use crate::config::{Config, ConfigError};

/// Where the pools come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Source {
    /// The running daemon.
    Daemon,
    /// The file of `--config`.
    File,
    /// Nowhere: there are none.
    None,
}

/// What is told of the configuration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub(super) source: Source,
    pub(super) file: Option<PathBuf>,
    /// Why there is none.
    pub(super) reason: Option<String>,
    /// Its pools that are not run, and why.
    pub(super) refused: Vec<String>,
    /// Why the file as it is now is not in force.
    pub(super) bad_file: Option<String>,
    /// What of its PFs is not as it says, by the running daemon.
    pub(super) provisioning: Vec<String>,
}

/// The configuration, and what it was read on.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) node: NodeArgs,
    pub(super) config: Config,
    pub(super) told: Told,
}

// === impl Chosen ===

impl Chosen {
    /// What the arguments say comes first, then what the running daemon says.
    pub(super) fn by(args: &DevicesArgs) -> Result<Self, ConfigError> {
        let context = Context::read(|name| std::env::var_os(name));
        let running = control::running(&context.state).map_err(|error| error.to_string());
        Self::among(args, running)
    }

    fn among(args: &DevicesArgs, running: Result<Running, String>) -> Result<Self, ConfigError> {
        let node = args.node(running.as_ref().ok());
        let mut told = Told {
            source: Source::None,
            file: None,
            reason: None,
            refused: Vec::new(),
            bad_file: None,
            provisioning: Vec::new(),
        };
        let config = match (&args.config, running) {
            (Some(file), running) => {
                if let Err(reason) = running {
                    debug!("{reason}");
                }
                told.source = Source::File;
                told.file = Some(file.clone());
                let config = Config::read(file, &node.defaults())?;
                for warning in &config.warnings {
                    warn!("{warning}");
                }
                config
            }
            (None, Ok(running)) => {
                let in_force = running.in_force;
                let origin = in_force.file.display().to_string();
                told.source = Source::Daemon;
                told.file = Some(in_force.file);
                told.bad_file = in_force.bad_file;
                told.provisioning = running.provisioning;
                Config::from_text(&origin, in_force.text, &running.defaults)?
            }
            (None, Err(reason)) => {
                told.reason = Some(reason);
                Config::default()
            }
        };
        told.refused = config.refused.iter().map(ToString::to_string).collect();
        Ok(Self { node, config, told })
    }
}

// === impl Told ===

impl Told {
    /// For people, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let file = self
            .file
            .as_ref()
            .map(|file| file.display().to_string())
            .unwrap_or_default();
        let mut lines = vec![match (self.source, &self.reason) {
            (Source::Daemon, _) => format!("pools: those in force in the running hardwired, from {file}"),
            (Source::File, _) => format!("pools: those of {file}, by --config"),
            (Source::None, reason) => {
                let reason = reason.as_deref().unwrap_or("none are configured");
                format!("pools: none: {reason} (--config FILE shows a file's)")
            }
        }];
        lines.extend(self.refused.iter().map(|refused| format!("pool refused: {refused}")));
        let bad_file = self.bad_file.iter();
        lines.extend(bad_file.map(|why| format!("configuration refused: {why}; the one before stays in force")));
        let provisioning = self.provisioning.iter();
        lines.extend(provisioning.map(|line| format!("not as configured: {line}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::ask::in_force::InForce;
    use crate::commands::args::{Cli, Command};
    use crate::config::Defaults;

    fn args(line: &[&str]) -> DevicesArgs {
        match Cli::parse_from([&["hardwired", "devices"], line].concat()).command {
            Command::Devices(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn running() -> Running {
        let text = r#"{"resourceList": [{"resourceName": "x", "selectors": {}}, {"resourceName": "y", "pfNames": ["a"],
                       "selectors": {}}]}"#;
        Running {
            kubelet_dir: "/k".into(),
            pod_resources_dir: "/other-root/pod-resources".into(),
            sysfs_root: "/s".into(),
            defaults: Defaults {
                resource_prefix: "acme.org".to_owned(),
                plugin_directory: "/k/device-plugins".into(),
            },
            cni_bin_dir: "/b".into(),
            cni_program: "/p".into(),
            unregistered: Vec::new(),
            provisioning: Vec::new(),
            rights: crate::ask::rights::Rights::default(),
            pod: None,
            in_force: InForce {
                file: "/c/config.json".into(),
                text: text.to_owned(),
                bad_file: Some("/c/config.json: not JSON".to_owned()),
            },
        }
    }

    #[test]
    fn the_running_daemon_says_what_no_argument_says() {
        let chosen = Chosen::among(&args(&[]), Ok(running())).unwrap();
        assert_eq!(chosen.config.pools[0].resource.to_string(), "acme.org/x");
        assert_eq!(
            (chosen.node.kubelet_dir.to_str(), chosen.node.sysfs_root.to_str()),
            (Some("/k"), Some("/s"))
        );
        assert_eq!(
            chosen.node.pod_resources_dir().to_str(),
            Some("/other-root/pod-resources")
        );
        assert_eq!(
            chosen.told.lines(),
            [
                "pools: those in force in the running hardwired, from /c/config.json",
                "pool refused: resourceList[1] (y): pfNames is [\"a\"]: pfNames filters nothing here: it belongs into \
                 selectors",
                "configuration refused: /c/config.json: not JSON; the one before stays in force",
            ]
        );
        let chosen = Chosen::among(&args(&["--kubelet-dir", "/other"]), Ok(running())).unwrap();
        assert_eq!(chosen.node.kubelet_dir.to_str(), Some("/other"));
        assert_eq!(chosen.node.pod_resources_dir().to_str(), Some("/other/pod-resources"));
    }

    #[test]
    fn a_file_takes_precedence_and_is_read_as_the_daemon_would() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            r#"{"resourceList": [{"resourceName": "z", "selectors": {}}]}"#,
        )
        .unwrap();
        let path = file.path().to_str().unwrap();
        let resource = |line: &[&str], running| {
            let chosen = Chosen::among(&args(line), running).unwrap();
            assert_eq!(chosen.told.lines(), [format!("pools: those of {path}, by --config")]);
            chosen.config.pools[0].resource.to_string()
        };
        assert_eq!(resource(&["--config", path], Ok(running())), "acme.org/z");
        assert_eq!(
            resource(&["--config", path], Err("none runs".to_owned())),
            "intel.com/z"
        );
        let line = ["--config", path, "--resource-prefix", "a.b"];
        assert_eq!(resource(&line, Ok(running())), "a.b/z");
    }

    #[test]
    fn without_both_it_is_said_why_there_are_no_pools() {
        let chosen = Chosen::among(&args(&[]), Err("none runs".to_owned())).unwrap();
        assert!(chosen.config.pools.is_empty());
        assert_eq!(chosen.node.kubelet_dir.to_str(), Some("/var/lib/kubelet"));
        assert_eq!(
            chosen.told.lines(),
            ["pools: none: none runs (--config FILE shows a file's)"]
        );
    }
}
