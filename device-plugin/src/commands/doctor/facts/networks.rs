//! The witnesses that name networks: configurations on the node, NADs that are given, and what attachments were made with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::places::Places;
use super::state::StateFacts;
use super::unseen::Unseen;
use crate::config::manifest::Manifest;

/// Multus' word for the resource that a network's devices are of.
pub const RESOURCE: &str = "k8s.v1.cni.cncf.io/resourceName";
const NAD: &str = "NetworkAttachmentDefinition";

/// What is known of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkFacts {
    /// Configurations of the node, in the order in which a runtime takes the first; none where they cannot be read.
    pub configurations: Option<Vec<Configuration>>,
    /// Networks, each once.
    pub networks: Vec<Network>,
}

/// A file of the directory of network configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The file.
    pub file: PathBuf,
    /// The types of its plugins.
    pub types: Vec<String>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// `name` of the configuration.
    pub name: String,
    /// Who says so: a file, a NAD, an attachment.
    pub origin: String,
    /// The NAD's namespace and name.
    pub nad: Option<(String, String)>,
    /// The NAD's resource.
    pub resource: Option<String>,
    /// `ipam` of the plugin that is ours, or the only one.
    pub ipam: Value,
}

// === impl NetworkFacts ===

impl NetworkFacts {
    /// Reads all of them. A NAD that cannot be read is told of as unseen.
    pub fn read(places: &Places, nads: &[PathBuf], state: &StateFacts, unseen: &mut Vec<Unseen>) -> Self {
        let mut facts = Self {
            configurations: facts_of_directory(&places.cni_conf, places.in_pod, unseen),
            networks: Vec::new(),
        };
        for configuration in facts.configurations.iter().flatten() {
            let text = fs::read_to_string(&configuration.file).unwrap_or_default();
            let origin = configuration.file.display().to_string();
            facts.networks.extend(Network::of_text(&text, "", origin));
        }
        for file in nads {
            match fs::read_to_string(file) {
                Ok(text) => facts.networks.extend(of_manifest(&text, &file.display().to_string())),
                Err(error) => unseen.push(Unseen::new(
                    format!("the networks of {}", file.display()),
                    error.to_string(),
                    "give a file that can be read",
                )),
            }
        }
        if nads.is_empty() {
            unseen.push(Unseen::new(
                "which NetworkAttachmentDefinitions there are",
                "they are in the API, which doctor does not ask",
                "kubectl get net-attach-def -A -o yaml > nads.yaml, and --nad nads.yaml",
            ));
        }
        for (device, config) in state.configurations() {
            let origin = format!("the attachment of {device}");
            if let Some(network) = Network::of_text(config, "", origin) {
                let is_known = |known: &Network| known.name == network.name && known.ipam == network.ipam;
                if !facts.networks.iter().any(is_known) {
                    facts.networks.push(network);
                }
            }
        }
        facts
    }
}

fn facts_of_directory(directory: &Path, in_pod: bool, unseen: &mut Vec<Unseen>) -> Option<Vec<Configuration>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !in_pod => return Some(Vec::new()),
        Err(error) => {
            unseen.push(Unseen::new(
                "which network configurations the node has, and whether Multus is among them",
                format!("{}: {error}", directory.display()),
                format!("on the node: ls {}", directory.display()),
            ));
            return None;
        }
    };
    let is_configuration = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("conf" | "conflist" | "json"))
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(is_configuration);
    files.sort_unstable();
    let types = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let of = |plugin: &Value| Some(plugin.get("type")?.as_str()?.to_owned());
        plugins(&value).into_iter().filter_map(of).collect()
    };
    Some(
        files
            .into_iter()
            .map(|file| Configuration {
                types: types(&file),
                file,
            })
            .collect(),
    )
}

/// The plugins of a list, or the one of a configuration that is none.
fn plugins(configuration: &Value) -> Vec<&Value> {
    match configuration.get("plugins").and_then(Value::as_array) {
        Some(plugins) => plugins.iter().collect(),
        None => vec![configuration],
    }
}

fn of_manifest(text: &str, file: &str) -> Vec<Network> {
    let objects = Manifest::find(text).map(Manifest::into_objects).unwrap_or_default();
    let nads = objects
        .iter()
        .filter(|object| object.get("kind").and_then(Value::as_str) == Some(NAD));
    nads.filter_map(|nad| of_nad(nad, file)).collect()
}

fn of_nad(nad: &Map<String, Value>, file: &str) -> Option<Network> {
    let metadata = nad.get("metadata")?;
    let text = |key: &str| metadata.get(key).and_then(Value::as_str);
    let name = text("name")?.to_owned();
    let namespace = text("namespace").unwrap_or("default").to_owned();
    let resource = metadata.get("annotations").and_then(|all| all.get(RESOURCE)?.as_str());
    let config = nad.get("spec").and_then(|spec| spec.get("config")?.as_str());
    let network = Network::of_text(config.unwrap_or_default(), &name, file.to_owned());
    let network = network.into_iter().next();
    Some(Network {
        resource: resource.map(str::to_owned),
        nad: Some((namespace, name.clone())),
        ..network.unwrap_or_else(|| Network {
            name,
            origin: file.to_owned(),
            nad: None,
            resource: None,
            ipam: Value::Null,
        })
    })
}

// === impl Network ===

impl Network {
    /// The network of a configuration; `name` where it has none, as Multus does it.
    fn of_text(text: &str, name: &str, origin: String) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let own_name = value.get("name").and_then(Value::as_str).filter(|own| !own.is_empty());
        let name = own_name.unwrap_or(name).to_owned();
        let with_ipam = plugins(&value).into_iter().find_map(|plugin| {
            let ipam = plugin.get("ipam")?;
            ipam.get("type")?.as_str().map(|_name| ipam.clone())
        });
        (!name.is_empty()).then(|| Self {
            name,
            origin,
            nad: None,
            resource: None,
            ipam: with_ipam.unwrap_or_default(),
        })
    }

    /// As a person knows it.
    pub fn called(&self) -> String {
        match &self.nad {
            Some((namespace, name)) => format!("{namespace}/{name}"),
            None => self.name.clone(),
        }
    }

    /// host-local's folder for it, in `cni_state` where its configuration names none.
    pub fn host_local_store(&self, cni_state: &Path) -> Option<PathBuf> {
        if self.ipam.get("type")? != "host-local" {
            return None;
        }
        let named = self
            .ipam
            .get("dataDir")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        let directory = named.map_or_else(|| cni_state.join("networks"), PathBuf::from);
        // A network's name is a tenant's text, and becomes no path that leads elsewhere.
        hardwire_cni::beneath::is_plain_name(&self.name).then(|| directory.join(&self.name))
    }
}

/// What host-local has reserved: by address, the container.
pub fn reservations(store: &Path) -> BTreeMap<std::net::IpAddr, (String, PathBuf)> {
    let entries = fs::read_dir(store).into_iter().flatten().filter_map(Result::ok);
    let reserved = entries.filter_map(|entry| {
        // As a file's name: `:` of IPv6 stands for itself on Linux.
        let address = entry.file_name().to_str()?.parse().ok()?;
        let text = fs::read_to_string(entry.path()).ok()?;
        let container = text.lines().next().unwrap_or_default().trim().to_owned();
        Some((address, (container, entry.path())))
    });
    reserved.collect()
}
