//! What the node's witnesses say, each for itself, side by side. Nothing is judged here, and nothing is changed.
//!
//! Each witness may be out of sight: in the daemon's pod the node's processes are, on a node without a kubelet the kubelet is.
//! What cannot be seen is said ([`unseen`]), and how to see it; nothing is concluded from it.
//!
//! - [`places`]: where things are; [`hardware`]: sysfs; [`iommu`]; [`kubelet`]: sockets, checkpoint, podresources, process;
//! - [`plugin`]: the directory of CNI plugins; [`networks`]: configurations, NADs, what attachments were made with;
//!   [`reservations`]: their addresses;
//! - [`state`]: the daemon's sockets and view, journal and leases.

pub mod hardware;
pub mod iommu;
pub mod kubelet;
pub mod networks;
pub mod places;
pub mod plugin;
pub mod reservations;
#[cfg(test)]
mod sample;
pub mod state;
pub mod unseen;

use std::path::PathBuf;
use std::time::SystemTime;

use hardwire_cni::Context;

use self::hardware::HardwareFacts;
use self::kubelet::KubeletFacts;
use self::networks::NetworkFacts;
use self::places::Places;
use self::plugin::PluginFacts;
use self::state::StateFacts;
use self::unseen::Unseen;
use crate::ask::control::{self, ControlError};
use crate::ask::in_force::Running;
use crate::ask::rights::Rights;
use crate::commands::doctor::args::DoctorArgs;
use crate::config::Config;

/// Where a configuration is, in this order, where no daemon says.
const CONFIGURATIONS: [&str; 2] = ["/etc/hardwire/config.json", "/etc/pcidp/config.json"];

/// What all witnesses say.
#[derive(Debug)]
pub struct Facts {
    /// When they were asked.
    pub now: SystemTime,
    /// Where.
    pub places: Places,
    /// The running daemon; why it is not heard.
    pub daemon: Result<Running, NoDaemon>,
    /// The configuration.
    pub configured: Configured,
    /// sysfs.
    pub hardware: HardwareFacts,
    /// The kubelet.
    pub kubelet: KubeletFacts,
    /// The directory of CNI plugins.
    pub plugin: PluginFacts,
    /// Networks.
    pub networks: NetworkFacts,
    /// Our state.
    pub state: StateFacts,
    /// What the daemon may do, or this process where none runs.
    pub rights: Rights,
    /// What could not be seen.
    pub unseen: Vec<Unseen>,
}

/// Why the daemon is not heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDaemon {
    /// None runs: nobody listens.
    Absent(String),
    /// It cannot be asked from here, or does not answer: it may run.
    Unheard(String),
}

/// The configuration, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Configured {
    /// Its good pools.
    pub config: Config,
    /// Where it is.
    pub file: Option<PathBuf>,
    /// Pools that are refused.
    pub refused: Vec<String>,
    /// Why the file as it is now is of no use.
    pub bad_file: Option<String>,
}

// === impl Facts ===

impl Facts {
    /// Asks every witness.
    pub fn read(args: &DoctorArgs) -> Self {
        let context = Context::read(|name| std::env::var_os(name));
        let daemon = control::running(&context.state).map_err(|error| NoDaemon::of(&error));
        let places = Places::of(args, &context, daemon.as_ref().ok());
        let mut unseen = Vec::new();
        let configured = Configured::read(args, &places, daemon.as_ref().ok(), &mut unseen);
        let hardware = HardwareFacts::read(&places, &configured.config);
        if let Some(why) = &hardware.unreadable {
            unseen.push(Unseen::new(
                "which network devices there are",
                why,
                "--sysfs-root, where sysfs is mounted elsewhere",
            ));
        }
        // A daemon that runs serves those of its pools, and goes by its own marks for the others, as does this.
        let pools = configured.config.pools.iter().filter(|_| daemon.is_err());
        let endpoints: Vec<String> = pools.map(|pool| pool.resource.endpoint()).collect();
        let state = StateFacts::read(&places, &endpoints, &mut unseen);
        let plugin = PluginFacts::read(&places, &mut unseen);
        if let Err(NoDaemon::Unheard(why)) = &daemon {
            unseen.push(Unseen::new(
                "what the running daemon knows, or whether one runs",
                why,
                "run doctor as root, of the same version as the daemon, on the node or in its pod",
            ));
        }
        if daemon.is_err() {
            unseen.push(Unseen::new(
                "whether free VFs are in their idle state",
                "only a running daemon compares them",
                "start hardwired, and run doctor again",
            ));
        }
        Self {
            now: SystemTime::now(),
            kubelet: KubeletFacts::read(&places, &mut unseen),
            networks: NetworkFacts::read(&places, &args.nad, &state, &mut unseen),
            plugin,
            rights: match &daemon {
                Ok(running) => running.rights.clone(),
                // As root this process may do what a daemon beside it may; a plain user tells nothing of a daemon.
                Err(NoDaemon::Absent(_)) if rustix::process::geteuid().is_root() => {
                    Rights::of_this_process(&places.sysfs)
                }
                Err(_) => Rights::default(),
            },
            places,
            daemon,
            configured,
            hardware,
            state,
            unseen,
        }
    }
}

// === impl NoDaemon ===

impl NoDaemon {
    fn of(error: &ControlError) -> Self {
        use std::io::ErrorKind::{ConnectionRefused, NotFound};

        let text = error.to_string();
        match error {
            ControlError::NoDaemon { source, .. } if [ConnectionRefused, NotFound].contains(&source.kind()) => {
                Self::Absent(text)
            }
            _ => Self::Unheard(text),
        }
    }
}

// === impl Configured ===

impl Configured {
    /// What the arguments name, else what is in force, else what is where configurations are.
    fn read(args: &DoctorArgs, places: &Places, running: Option<&Running>, unseen: &mut Vec<Unseen>) -> Self {
        let in_force = running
            .filter(|_| args.config.is_none())
            .map(|running| &running.in_force);
        let usual = || CONFIGURATIONS.iter().map(PathBuf::from).find(|path| path.is_file());
        let (file, read, bad_file) = if let Some(in_force) = in_force {
            let origin = in_force.file.display().to_string();
            let config = Config::from_text(&origin, in_force.text.clone(), &places.defaults);
            (in_force.file.clone(), config, in_force.bad_file.clone())
        } else if let Some(file) = args.config.clone().or_else(usual) {
            (file.clone(), Config::read(&file, &places.defaults), None)
        } else {
            unseen.push(Unseen::new(
                "which pools are configured",
                "no daemon runs that would say, and no file is where configurations are",
                "--config FILE",
            ));
            return Self::default();
        };
        let (config, bad_file) = match read {
            Ok(config) => (config, bad_file),
            Err(error) => (Config::default(), Some(error.to_string())),
        };
        Self {
            refused: config.refused.iter().map(ToString::to_string).collect(),
            config,
            file: Some(file),
            bad_file,
        }
    }
}
