//! The witnesses that name networks: configurations on the node, NADs that are given, and what attachments were made with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use hardwire_cni::beneath::{is_plain_name, plain_components};
use serde_json::{Map, Value};

use super::places::Places;
use super::reservations::{self, Reservation};
use super::state::StateFacts;
use super::unseen::Unseen;
use crate::commands::install_cni::{PROGRAM, SRIOV, is_ours};
use crate::config::manifest::Manifest;

/// Multus' word for the resource that a network's devices are of.
pub const RESOURCE: &str = "k8s.v1.cni.cncf.io/resourceName";
const HOST_LOCAL: &str = "host-local";
const NAD: &str = "NetworkAttachmentDefinition";

/// What is known of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkFacts {
    /// Configurations of the node, in the order in which a runtime takes the first; none where they cannot be read.
    pub configurations: Option<Vec<Configuration>>,
    /// Networks, each once.
    pub networks: Vec<Network>,
    /// What host-local has reserved, by its folder.
    pub reserved: BTreeMap<PathBuf, BTreeMap<IpAddr, Reservation>>,
    /// The names of what CNI remembers to have attached, in each of which is a container's id; none where that cannot be seen.
    pub attached: Option<BTreeSet<String>>,
    /// Our plugin has taken the place of sriov-cni's, by its name.
    pub takes_sriov: bool,
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
    /// The NAD's namespace, where its object names one, and its name.
    pub nad: Option<(Option<String>, String)>,
    /// The NAD's resource.
    pub resource: Option<String>,
    /// The types of its plugins.
    pub types: Vec<String>,
    /// `ipam` of the plugin that is ours, or the only one.
    pub ipam: Value,
}

// === impl NetworkFacts ===

impl NetworkFacts {
    /// Reads all of them. A NAD that cannot be read is told of as unseen.
    pub fn read(places: &Places, nads: &[PathBuf], state: &StateFacts, unseen: &mut Vec<Unseen>) -> Self {
        let mut facts = Self {
            configurations: facts_of_directory(&places.cni_conf, unseen),
            takes_sriov: fs::read(places.cni_bin.join(SRIOV)).is_ok_and(|program| is_ours(&program)),
            ..Self::default()
        };
        for configuration in facts.configurations.iter().flatten() {
            let text = fs::read_to_string(&configuration.file).unwrap_or_default();
            let origin = configuration.file.display().to_string();
            facts.networks.extend(Network::of_text(&text, "", origin));
        }
        for file in nads {
            match fs::read_to_string(file) {
                Ok(text) => {
                    let found = of_manifest(&text, &file.display().to_string());
                    if found.is_empty() {
                        unseen.push(Unseen::new(
                            format!("the networks of {}", file.display()),
                            format!("there is no {NAD} in it"),
                            to_show_networks(places),
                        ));
                    }
                    facts.networks.extend(found);
                }
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
                to_show_networks(places),
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
        facts.read_addresses(&places.cni_state, unseen);
        facts
    }

    /// Reservations before what CNI remembers, and again: an ADD or a DEL may run meanwhile.
    fn read_addresses(&mut self, cni_state: &Path, unseen: &mut Vec<Unseen>) {
        let stores: BTreeSet<PathBuf> = self
            .networks
            .iter()
            .filter_map(|network| network.host_local_store(cni_state)?.ok())
            .collect();
        let mut before = BTreeMap::new();
        for store in stores {
            match reservations::read(cni_state, &store) {
                Ok(reserved) => drop(before.insert(store, reserved)),
                Err(why) => unseen.push(Unseen::new(
                    format!("which addresses are reserved in {}", store.display()),
                    why,
                    "look there on the node",
                )),
            }
        }
        self.attached = names(&cni_state.join("results"));
        for (store, reserved) in before {
            if let Ok(again) = reservations::read(cni_state, &store) {
                self.reserved.insert(store, reservations::in_both(reserved, &again));
            }
        }
        for network in &self.networks {
            unseen.extend(network.addresses_unseen(cni_state));
        }
    }

    /// Whether our plugin is the one that a type means.
    pub fn is_ours(&self, kind: &str) -> bool {
        kind == PROGRAM || (kind == SRIOV && self.takes_sriov)
    }

    /// Whether CNI remembers a container; `None` where that cannot be seen.
    pub fn remembers(&self, container: &str) -> Option<bool> {
        let names = self.attached.as_ref()?;
        Some(names.iter().any(|name| name.contains(container)))
    }
}

/// How NADs are shown to doctor: the daemon's pod has no files of whoever calls, and takes what is handed to it.
fn to_show_networks(places: &Places) -> String {
    let all = "kubectl get net-attach-def -A -o yaml";
    match places.pod.as_ref().filter(|_| places.in_pod) {
        Some(pod) => format!(
            "{all} | kubectl -n {} exec -i {} -- hardwired doctor --nad /dev/stdin",
            pod.namespace, pod.name
        ),
        None => format!("{all} > nads.yaml, and --nad nads.yaml"),
    }
}

/// libcni keeps one file for each attachment.
fn names(directory: &Path) -> Option<BTreeSet<String>> {
    let entries = fs::read_dir(directory).ok()?;
    Some(
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect(),
    )
}

fn facts_of_directory(directory: &Path, unseen: &mut Vec<Unseen>) -> Option<Vec<Configuration>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            unseen.push(Unseen::new(
                "which network configurations the node has, and whether Multus is among them",
                format!("{}: {error}", directory.display()),
                format!(
                    "on the node: ls {}, or --cni-conf-dir where the runtime has another",
                    directory.display()
                ),
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
    let types_of = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap_or_default();
        types(&serde_json::from_str(&text).unwrap_or_default())
    };
    Some(
        files
            .into_iter()
            .map(|file| Configuration {
                types: types_of(&file),
                file,
            })
            .collect(),
    )
}

fn types(configuration: &Value) -> Vec<String> {
    let of = |plugin: &Value| Some(plugin.get("type")?.as_str()?.to_owned());
    plugins(configuration).into_iter().filter_map(of).collect()
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
    let namespace = text("namespace").map(str::to_owned);
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
            types: Vec::new(),
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
            types: types(&value),
            ipam: with_ipam.unwrap_or_default(),
        })
    }

    /// As a person knows it.
    pub fn called(&self) -> String {
        match &self.nad {
            Some((Some(namespace), name)) => format!("{namespace}/{name}"),
            Some((None, name)) => name.clone(),
            None => self.name.clone(),
        }
    }

    /// host-local's folder for it, where host-local is its IPAM: below `cni_state`. An error: what its configuration names instead.
    pub fn host_local_store(&self, cni_state: &Path) -> Option<Result<PathBuf, &str>> {
        // A network's name is a tenant's text, and becomes no path that leads elsewhere.
        if self.ipam.get("type")? != HOST_LOCAL || !is_plain_name(&self.name) {
            return None;
        }
        let named = self.ipam.get("dataDir").and_then(Value::as_str);
        let Some(named) = named.filter(|text| !text.is_empty()) else {
            return Some(Ok(cni_state.join("networks").join(&self.name)));
        };
        let is_below = plain_components(named).is_some() && Path::new(named).starts_with(cni_state);
        Some(if is_below {
            Ok(Path::new(named).join(&self.name))
        } else {
            Err(named)
        })
    }

    /// What cannot be seen of its addresses.
    fn addresses_unseen(&self, cni_state: &Path) -> Option<Unseen> {
        let kind = self.ipam.get("type").and_then(Value::as_str)?;
        let (why, how) = match (self.host_local_store(cni_state), kind) {
            (Some(Ok(_)), _) | (None, HOST_LOCAL | "static" | "dhcp") => return None,
            (Some(Err(named)), _) => (
                format!(
                    "its dataDir {named:?} is not below {}, where doctor looks",
                    cni_state.display()
                ),
                "look there on the node".to_owned(),
            ),
            (None, "whereabouts") => (
                "they are whereabouts', in the API, which doctor does not ask".to_owned(),
                "kubectl get ippools.whereabouts.cni.cncf.io -A".to_owned(),
            ),
            (None, kind) => (
                format!("they are those of the IPAM plugin {kind:?}, which doctor does not know"),
                "what that plugin has for it".to_owned(),
            ),
        };
        Some(Unseen::new(
            format!("whether the ranges of {} have addresses left", self.called()),
            why,
            how,
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ask::own_pod::OwnPod;
    use crate::commands::doctor::facts::Facts;

    fn network(ipam: &Value) -> Network {
        let config = json!({"name": "blue", "type": "hardwire", "ipam": ipam});
        Network::of_text(&config.to_string(), "", "test".to_owned()).unwrap()
    }

    #[test]
    fn rule_9_a_tenants_directory_is_looked_into_only_below_cnis_own() {
        let state = Path::new("/var/lib/cni");
        let store = |data_dir: &str| {
            let network = network(&json!({"type": "host-local", "dataDir": data_dir}));
            let is_unseen = network.addresses_unseen(state).is_some();
            let store = network.host_local_store(state).unwrap().ok();
            assert_eq!(store.is_none(), is_unseen, "{data_dir}");
            store
        };
        assert_eq!(store(""), Some("/var/lib/cni/networks/blue".into()));
        assert_eq!(store("/var/lib/cni/other"), Some("/var/lib/cni/other/blue".into()));
        for bad in [
            "/",
            "/etc",
            "/var/lib/cni/../../etc",
            "/var/lib/cnix",
            "var/lib/cni",
            "/var/lib/cni/./x",
            "/proc/self/fd",
        ] {
            assert_eq!(store(bad), None, "{bad}");
        }
    }

    #[test]
    fn in_the_daemons_pod_networks_are_handed_over_and_no_file_is_named() {
        let mut places = Facts::sample().places;
        assert!(to_show_networks(&places).ends_with("--nad nads.yaml"));
        places.in_pod = true;
        places.pod = Some(OwnPod {
            namespace: "kube-system".to_owned(),
            name: "hardwired-x7k2p".to_owned(),
            node: "n1".to_owned(),
        });
        let told = to_show_networks(&places);
        assert!(
            told.ends_with("| kubectl -n kube-system exec -i hardwired-x7k2p -- hardwired doctor --nad /dev/stdin"),
            "{told}"
        );
    }

    #[test]
    fn ranges_that_are_elsewhere_are_named_as_not_seen() {
        let unseen = |kind: &str| network(&json!({"type": kind})).addresses_unseen(Path::new("/var/lib/cni"));
        assert!(unseen("whereabouts").unwrap().how.contains("ippools"));
        assert!(unseen("calico-ipam").is_some() && unseen("host-local").is_none() && unseen("dhcp").is_none());
    }
}
