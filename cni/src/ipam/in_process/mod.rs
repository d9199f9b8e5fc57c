//! host-local and static inside this program: no exec on the path of an ADD, and none for a repair.
//!
//! Both are as their programs are, so that either may serve one network in turn: the same configuration, store, order of
//! addresses, results and words of an error. What differs: an address's file is whole at every instant, and no path that a
//! tenant has chosen is opened, only what the operator's directories hold.
//! Contract: the reference plugins' documentation (their pages on host-local and static, of v1.9.1); libcni's `LoadArgs` for `CNI_ARGS`.

mod args;
mod config;
mod host_local;
mod permission;
mod range;
mod range_set;
mod requested;
mod static_addresses;
mod store;

use serde_json::Value;

use self::config::Ipam;
use super::host_local::NAME as HOST_LOCAL;
use crate::journal::{self, Owner};
use crate::node::NodeConfig;
use crate::protocol::{CniError, Command, Success, code};

pub(super) use permission::{Permission, permission};

/// Its name in `ipam.type`.
const STATIC: &str = "static";

/// A plugin that is served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `host-local`.
    HostLocal,
    /// `static`.
    Static,
}

/// Whose attachment a call is about, as the environment of a program would say it.
#[derive(Debug, Clone, Default)]
pub(super) struct Attachment {
    /// `CNI_CONTAINERID`.
    pub(super) container_id: String,
    /// `CNI_IFNAME`.
    pub(super) ifname: String,
    /// `CNI_ARGS`.
    pub(super) args: String,
}

/// A call that no program is run for.
#[derive(Debug)]
pub(super) struct InProcess<'a> {
    /// Whose part is played.
    pub(super) kind: Kind,
    /// The network's configuration, as a program would have it on stdin.
    pub(super) config: &'a [u8],
    /// Whose addresses.
    pub(super) attachment: Attachment,
    /// What the operator allows.
    pub(super) operator: NodeConfig,
}

/// What goes wrong, in the plugin's words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Problem(String);

// === impl Kind ===

impl Kind {
    /// The plugin of this name, if it is served here.
    pub(super) fn of(plugin: &str) -> Option<Self> {
        match plugin {
            HOST_LOCAL => Some(Self::HostLocal),
            STATIC => Some(Self::Static),
            _ => None,
        }
    }
}

// === impl Attachment ===

impl Attachment {
    /// That of a record.
    pub(super) fn on_record(ipam: &journal::Ipam, owner: &Owner) -> Self {
        Self {
            container_id: owner.container_id.to_string(),
            ifname: owner.ifname.to_string(),
            args: ipam.args.clone(),
        }
    }
}

// === impl InProcess ===

impl InProcess<'_> {
    /// Addresses for the attachment.
    pub(super) fn add(&self) -> Result<Success, CniError> {
        self.with(|ipam| match self.kind {
            Kind::HostLocal => host_local::add(ipam, &self.attachment, &self.operator),
            Kind::Static => static_addresses::add(ipam, &self.attachment),
        })
    }

    /// A verb of which only success or failure counts. GC collects nothing, as the programs know no GC.
    pub(super) fn run(&self, command: Command) -> Result<(), CniError> {
        self.with(|ipam| match (self.kind, command) {
            (Kind::HostLocal, Command::Del) => host_local::del(ipam, &self.attachment, &self.operator),
            (Kind::HostLocal, Command::Check) => host_local::check(ipam, &self.attachment, &self.operator),
            (Kind::HostLocal, Command::Status) => host_local::status(ipam),
            (Kind::Static, Command::Check) => static_addresses::check(ipam, &self.attachment),
            (Kind::Static, Command::Status) => static_addresses::status(ipam),
            (Kind::Static, Command::Del) | (_, Command::Gc | Command::Version | Command::Add) => Ok(()),
        })
    }

    fn with<T>(&self, call: impl FnOnce(&Ipam<'_>) -> Result<T, Problem>) -> Result<T, CniError> {
        let value: Value = serde_json::from_slice(self.config)
            .map_err(|error| CniError::new(code::DECODE, format!("network configuration: {error}")))?;
        let done = Ipam::of(&value).and_then(|ipam| call(&ipam));
        done.map_err(|problem| CniError::new(code::INTERNAL, problem))
    }
}

/// Gives what a configuration asks for out of a store below `directory`, and takes it back: nothing stays.
///
/// # Panics
///
/// Where something does.
#[cfg(any(test, fuzzing))]
pub(crate) fn gives_back(config: &[u8], directory: &std::path::Path) {
    use serde_json::json;

    let Ok(Value::Object(mut config)) = serde_json::from_slice(config) else {
        return;
    };
    // Names are checked where the configuration is read.
    config.insert("name".to_owned(), json!("n"));
    if let Some(Value::Object(ipam)) = config.get_mut("ipam") {
        ipam.insert("dataDir".to_owned(), json!(directory));
        ipam.remove("resolvConf");
    }
    let config = Value::Object(config).to_string();
    for kind in [Kind::HostLocal, Kind::Static] {
        let call = InProcess {
            kind,
            config: config.as_bytes(),
            attachment: Attachment {
                container_id: "c".to_owned(),
                ifname: "net1".to_owned(),
                args: String::new(),
            },
            operator: serde_json::from_value(json!({"ipamDataDirs": [directory]})).unwrap_or_default(),
        };
        let given = call.add();
        // static compares with the result of its ADD, which is not there.
        let checked = call.run(Command::Check);
        assert!(
            given.is_err() || kind == Kind::Static || checked.is_ok(),
            "{given:?}: {checked:?}"
        );
        let released = call.run(Command::Del);
        assert!(given.is_err() || released.is_ok(), "{released:?}");
        let entries = std::fs::read_dir(directory.join("n")).into_iter().flatten().flatten();
        let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let left = names.find(|name| name.parse::<std::net::IpAddr>().is_ok());
        assert_eq!(left.filter(|_| released.is_ok()), None);
    }
}
