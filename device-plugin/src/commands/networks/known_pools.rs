//! With which pools a network is compared: those of a file, or those in force in the running daemon.

use std::fs;
use std::path::Path;

use hardwire_cni::Context;

use crate::ask::control;
use crate::commands::install_cni::{CNI_BIN_DIR, SRIOV, is_ours};
use crate::config::manifest::Manifest;
use crate::config::{Config, ConfigError, Defaults, Pool};

/// The pools of a file: a configuration, or a manifest with `ConfigMap`s that hold some.
pub fn of_file(path: &Path, defaults: &Defaults) -> Result<Vec<Pool>, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let file = path.display().to_string();
    let Some(manifest) = Manifest::find(&text) else {
        return Ok(Config::from_text(&file, text, defaults)?.pools);
    };
    let mut pools = Vec::new();
    for part in manifest.contents(&file)?.configurations {
        pools.extend(Config::from_text(&part.origin, part.text, defaults)?.pools);
    }
    Ok(pools)
}

/// Those in force in the daemon with this state directory, or why they are not known.
pub fn in_force(state: &Path) -> Result<Vec<Pool>, String> {
    let running = control::running(state).map_err(|error| error.to_string())?;
    let origin = running.in_force.file.display().to_string();
    let config = Config::from_text(&origin, running.in_force.text, &running.defaults);
    config.map(|config| config.pools).map_err(|error| error.to_string())
}

/// Whether networks of type sriov are ours on this node: our plugin has taken the place of sriov-cni's.
pub fn takes_sriov() -> bool {
    let context = Context::read(|name| std::env::var_os(name));
    let running = control::running(&context.state).map(|running| running.cni_bin_dir);
    let directory = running.ok().filter(|directory| !directory.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| CNI_BIN_DIR.into());
    fs::read(directory.join(SRIOV)).is_ok_and(|program| is_ours(&program))
}
