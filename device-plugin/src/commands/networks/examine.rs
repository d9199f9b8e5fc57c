//! What is wrong with a network: what an ADD of a pod on it would refuse, and what is probably not meant.

use hardwire_cni::config::{NetConf, examine as as_add_reads};
use serde_json::{Map, Value};
use strsim::osa_distance;

use super::definition::{self, API_VERSION, PluginConf, RESOURCE, is_object_name, plugins, wrong};
use super::sections;
use crate::commands::install_cni::{PROGRAM, SRIOV};
use crate::config::{Pool, repeated_keys_of};

/// The most names that a message lists.
const SHOWN: usize = 8;
/// As many slips of the pen make another word of the plugin's name.
const SLIPS: usize = 2;

/// What is to be said of one network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What keeps its pods from starting.
    pub refused: Vec<String>,
    /// What is probably not meant.
    pub warnings: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// How many of its plugins are ours.
    pub ours: usize,
}

/// Examines a NetworkAttachmentDefinition. Without pools, whether its resource is there is not known. Networks of type sriov are
/// ours only where our plugin has taken that name.
pub fn examine(object: &Map<String, Value>, pools: Option<&[Pool]>, takes_sriov: bool) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.frame(object);
    let name = definition::metadata(object).and_then(|metadata| metadata.get("name"));
    let name = name.and_then(Value::as_str).unwrap_or_default();
    let resource = resource(object).unwrap_or_else(|error| {
        verdict.refused.push(error);
        None
    });
    let config = match object.get("spec").and_then(|spec| spec.get("config")) {
        None | Some(Value::Null) => {
            let note = format!("spec.config: there is none: Multus looks for a network called {name} on the node");
            verdict.warnings.push(note);
            return verdict;
        }
        Some(Value::String(config)) if config.is_empty() => {
            let note = format!("spec.config: it is empty: Multus looks for a network called {name} on the node");
            verdict.warnings.push(note);
            return verdict;
        }
        Some(Value::String(config)) => config,
        Some(other) => {
            verdict
                .refused
                .push(wrong("spec.config", other, "a text (after the key, |)"));
            return verdict;
        }
    };
    let repeated = repeated_keys_of(config).into_iter();
    let twice = repeated.map(|key| format!("spec.config: {key}: there more than once: the last one counts"));
    verdict.warnings.extend(twice);
    match plugins(config, name, resource.is_some()) {
        Ok(plugins) => {
            let pool = pools.zip(resource).map(|(pools, resource)| pool_of(resource, pools));
            for plugin in &plugins {
                if plugin.kind == SRIOV && !takes_sriov {
                    verdict.notes.push(format!(
                        "{}: type {SRIOV}: sriov-cni's, where hardwire has not taken its name: not checked",
                        plugin.place
                    ));
                    continue;
                }
                verdict.plugin(
                    plugin,
                    resource,
                    pool.as_ref().and_then(|pool| pool.as_ref().ok().copied()),
                );
            }
            // Where none is ours, the resource is another plugin's.
            if let Some(Err(error)) = pool.filter(|_| verdict.ours > 0) {
                verdict.refused.push(error);
            }
        }
        Err(error) => verdict.refused.push(error),
    }
    verdict
}

// === impl Verdict ===

impl Verdict {
    /// What the API server would say.
    fn frame(&mut self, object: &Map<String, Value>) {
        let version = object.get("apiVersion").unwrap_or(&Value::Null);
        if version != API_VERSION {
            self.refused.push(wrong("apiVersion", version, API_VERSION));
        }
        let name = definition::metadata(object).and_then(|metadata| metadata.get("name"));
        if !name.and_then(Value::as_str).is_some_and(is_object_name) {
            let right = "lower-case letters, digits and hyphens, as in vfs-100";
            self.refused
                .push(wrong("metadata.name", name.unwrap_or(&Value::Null), right));
        }
        let namespace = definition::metadata(object).and_then(|metadata| metadata.get("namespace"));
        if let Some(namespace) = namespace.filter(|namespace| !namespace.as_str().is_some_and(is_namespace_name)) {
            let right = "lower-case letters, digits and hyphens, as in default";
            self.refused.push(wrong("metadata.namespace", namespace, right));
        }
    }

    fn plugin(&mut self, plugin: &PluginConf, resource: Option<&str>, pool: Option<&Pool>) {
        let place = &plugin.place;
        if ![PROGRAM, SRIOV].contains(&plugin.kind.as_str()) {
            if osa_distance(&plugin.kind.to_lowercase(), PROGRAM) <= SLIPS {
                let right = format!("{PROGRAM}, which is what the plugin is called");
                self.refused
                    .push(wrong(&format!("{place}: type"), &plugin.kind.as_str().into(), &right));
            } else {
                self.notes
                    .push(format!("{place}: type {}: another plugin's, not checked", plugin.kind));
            }
            return;
        }
        self.ours += 1;
        let examined = as_add_reads(Value::Object(plugin.given.clone()).to_string().as_bytes());
        let refused = examined.refused.iter();
        self.refused.extend(refused.map(|error| format!("{place}: {error}")));
        self.warnings
            .extend(examined.ignored.iter().map(|text| format!("{place}: {text}")));
        self.warnings.extend(without_effect(plugin, resource));
        let section = sections::examine(plugin);
        self.refused.extend(section.refused);
        self.notes.extend(section.notes);
        if let Some(conf) = &examined.conf {
            self.device(place, conf, resource, pool);
        }
    }

    /// What depends on which device it will be.
    fn device(&mut self, place: &str, conf: &NetConf, resource: Option<&str>, pool: Option<&Pool>) {
        if conf.device.lookups().next().is_none() {
            self.refused.push(format!(
                "{place}: it names no device: it must have one of deviceID, device, hwaddr and kernelpath, or the object the \
                 annotation {RESOURCE}"
            ));
        }
        let other = conf
            .device
            .lookups()
            .find(|way| resource.is_some() && way.field() != "deviceID" && way.field() != "pciBusID");
        if let Some(other) = other {
            self.warnings.push(format!(
                "{place}: {}: beside a resource it must name the very device that the pod was given",
                other.field()
            ));
        }
        let Some(pool) = pool else { return };
        if conf.allow_node_device {
            self.notes.push(format!(
                "{place}: allowNodeDevice: refused unless allowNodeDevices names the device, in the node's configuration or that of {}",
                pool.resource
            ));
        }
        if pool.is_for_vfio() {
            let of_interfaces = [
                ("mtu", conf.mtu.is_some()),
                ("promisc", conf.promisc == Some(true)),
                ("allmulti", conf.allmulti == Some(true)),
            ];
            for (field, _) in of_interfaces.into_iter().filter(|(_, is_asked)| *is_asked) {
                self.refused.push(format!(
                    "{place}: {field}: it is an interface's, and devices of {} have none (they are bound to VFIO): leave it out",
                    pool.resource
                ));
            }
        }
        if pool.may_have_vfs() {
            return;
        }
        for field in conf.vf.needing_a_pf() {
            self.refused.push(format!(
                "{place}: {field}: it is what a PF sets on its VFs, and {} has none: leave it out",
                pool.resource
            ));
        }
    }
}

/// A label of DNS: an object's name without dots, at most 63 bytes.
fn is_namespace_name(name: &str) -> bool {
    is_object_name(name) && !name.contains('.') && name.len() <= 63
}

fn resource(object: &Map<String, Value>) -> Result<Option<&str>, String> {
    let field = format!("annotation {RESOURCE}");
    match definition::resource(object) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(resource)) if resource.is_empty() => Ok(None),
        Some(Value::String(resource)) => Ok(Some(resource)),
        Some(other) => Err(wrong(&field, other, "the name of a resource, as intel.com/vfs")),
    }
}

/// The pool that has a resource.
fn pool_of<'a>(resource: &str, pools: &'a [Pool]) -> Result<&'a Pool, String> {
    let found = pools.iter().find(|pool| pool.resource.to_string() == resource);
    found.ok_or_else(|| {
        let names = names(pools);
        format!("annotation {RESOURCE}: {resource:?} is not valid: no pool has it: there are {names}")
    })
}

/// The resources of pools, for a message.
pub(super) fn names(pools: &[Pool]) -> String {
    if pools.is_empty() {
        return "none".to_owned();
    }
    let mut names: Vec<String> = pools.iter().map(|pool| pool.resource.to_string()).collect();
    let left_out = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    if left_out > 0 {
        names.push(format!("{left_out} more"));
    }
    names.join(", ")
}

/// What the author wrote and nobody will read.
fn without_effect(plugin: &PluginConf, resource: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let key = |name: &str| plugin.written.keys().find(|key| key.eq_ignore_ascii_case(name));
    if resource.is_some() {
        let replaced = ["deviceID", "pciBusID"].into_iter().filter_map(key);
        found.extend(
            replaced.map(|key| format!("{}: {key}: Multus puts the device of the resource there", plugin.place)),
        );
    }
    let ipam = key("ipam").and_then(|key| plugin.written[key].as_object());
    let is_type = |key: &String| key.eq_ignore_ascii_case("type");
    if ipam.is_some_and(|ipam| !ipam.is_empty() && !ipam.keys().any(is_type)) {
        found.push(format!(
            "{}: ipam.type: there is none: no addresses are given",
            plugin.place
        ));
    }
    found
}

#[cfg(test)]
#[path = "examine_tests.rs"]
mod tests;
