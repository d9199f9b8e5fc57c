//! Multus, the resources that networks name, and the addresses of their ranges.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use hardwire_cni::beneath::is_plain_name;

use super::commands::quoted;
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::facts::networks::{Network, RESOURCE, reservations};
use crate::commands::doctor::finding::{Finding, Severity};
use crate::commands::doctor::name::Name;
use crate::commands::doctor::ranges::{Range, range_sets};

const MULTUS: [&str; 2] = ["multus", "multus-shim"];
/// The project's own manifest.
const MULTUS_MANIFEST: &str =
    "https://raw.githubusercontent.com/k8snetworkplumbingwg/multus-cni/master/deployments/multus-daemonset.yml";

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = multus(facts).into_iter().collect();
    found.extend(
        facts
            .networks
            .networks
            .iter()
            .filter_map(|network| unknown_resource(facts, network)),
    );
    found.extend(missing_ipam(facts));
    found.extend(addresses(facts));
    found
}

fn multus(facts: &Facts) -> Option<Finding> {
    let configurations = facts.networks.configurations.as_ref()?;
    let is_multus = |types: &[String]| types.iter().any(|name| MULTUS.contains(&name.as_str()));
    let mut those = configurations.iter();
    let Some(at) = those.position(|configuration| is_multus(&configuration.types)) else {
        let has_program = MULTUS.iter().any(|name| facts.plugin.has(name) == Some(true));
        let program = if has_program {
            "its program is there"
        } else {
            "nor is its program"
        };
        let why = format!(
            "no configuration in {} is its, {program}",
            facts.places.cni_conf.display()
        );
        let what = "nobody tells the plugin which device the kubelet allocated, and pods get no second interface";
        let command = format!("kubectl apply -f {MULTUS_MANIFEST}");
        let found = Finding::mended_by(command, Name::MultusAbsent, Severity::Warning, "Multus", what);
        return Some(found.because(why));
    };
    let (first, multus) = (configurations.first()?, configurations.get(at)?);
    if at == 0 {
        return None;
    }
    let what = format!("the runtime takes {}, and Multus is not asked", first.file.display());
    let why = "of the files in this directory, the first by name counts";
    let (name, severity, file) = (Name::MultusNotFirst, Severity::Error, multus.file.display().to_string());
    let extension = multus
        .file
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or("conf");
    let names = ["00-multus", "0-multus"].map(|name| facts.places.cni_conf.join(format!("{name}.{extension}")));
    let found = match names.iter().find(|name| **name < first.file) {
        Some(target) => {
            let target = target.display().to_string();
            let command = format!("mv {} {}", quoted(&file), quoted(&target));
            Finding::mended_by(command, name, severity, file, what)
        }
        None => Finding::by_hand("give it a name that comes first", name, severity, file, what),
    };
    Some(found.because(why))
}

fn unknown_resource(facts: &Facts, network: &Network) -> Option<Finding> {
    let resource = network.resource.as_deref()?;
    let pools: BTreeSet<String> = facts
        .configured
        .config
        .pools
        .iter()
        .map(|pool| pool.resource.to_string())
        .collect();
    let registered = facts
        .kubelet
        .checkpoint
        .iter()
        .flat_map(|checkpoint| checkpoint.registered.keys());
    let is_known = pools.contains(resource) || registered.into_iter().any(|known| known == resource);
    // Without a configuration nothing is known of pools.
    if is_known || facts.configured.file.is_none() {
        return None;
    }
    let nearest = pools.iter().min_by_key(|pool| strsim::osa_distance(pool, resource));
    let what = format!("its {RESOURCE} is {resource:?}, and no pool of this node is called so");
    let subject = network.called();
    let (name, severity) = (Name::NadUnknownResource, Severity::Error);
    let why = match &pools {
        none if none.is_empty() => "no pool is configured here".to_owned(),
        pools => format!("pools here: {}", pools.iter().cloned().collect::<Vec<_>>().join(", ")),
    };
    let found = match (nearest, &network.nad) {
        (Some(nearest), Some((namespace, nad))) => {
            let annotation = format!("{RESOURCE}={nearest}");
            let command = format!(
                "kubectl -n {} annotate --overwrite net-attach-def {} {annotation}",
                quoted(namespace),
                quoted(nad)
            );
            Finding::mended_by(command, name, severity, subject, what)
        }
        _ => Finding::by_hand("name a pool, or configure one", name, severity, subject, what),
    };
    Some(found.because(why))
}

/// IPAM plugins that networks name and the node has not.
fn missing_ipam(facts: &Facts) -> Vec<Finding> {
    let mut by_plugin = BTreeMap::<&str, BTreeSet<String>>::new();
    for network in &facts.networks.networks {
        let plugin = network.ipam.get("type").and_then(serde_json::Value::as_str);
        if let Some(plugin) = plugin.filter(|plugin| is_plain_name(plugin) && facts.plugin.has(plugin) == Some(false)) {
            by_plugin.entry(plugin).or_default().insert(network.called());
        }
    }
    let finding = |(plugin, networks): (&str, BTreeSet<String>)| {
        let networks: Vec<String> = networks.into_iter().collect();
        let what = format!(
            "it is not in {}, and {} names it",
            facts.places.cni_bin.display(),
            networks.join(", ")
        );
        let how = "install it there: host-local, dhcp and static are of the containernetworking plugins";
        Finding::by_hand(how, Name::IpamPluginMissing, Severity::Error, plugin, what)
    };
    by_plugin.into_iter().map(finding).collect()
}

/// What host-local has reserved: ranges without an address left, and addresses that nobody remembers.
fn addresses(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut stores = BTreeSet::new();
    for network in &facts.networks.networks {
        let Some(store) = network.host_local_store(&facts.places.cni_state) else {
            continue;
        };
        if !stores.insert((store.clone(), network.ipam.to_string())) {
            continue;
        }
        let reserved = reservations(&store);
        let forgotten: BTreeMap<IpAddr, PathBuf> = reserved
            .iter()
            .filter(|(_, (container, _))| !container.is_empty() && facts.state.knows(container) == Some(false))
            .map(|(address, (_, file))| (*address, file.clone()))
            .collect();
        let sets = range_sets(&network.ipam);
        let full = sets.iter().find(|set| {
            let capacity: u128 = set.iter().map(Range::capacity).fold(0, u128::saturating_add);
            let taken = reserved
                .keys()
                .filter(|address| set.iter().any(|range| range.contains(**address)));
            u128::try_from(taken.count()).unwrap_or(u128::MAX) >= capacity
        });
        let subject = network.called();
        if full.is_some() {
            found.push(exhausted(network, &subject, reserved.len(), forgotten.len()));
        }
        found.extend(forgotten.iter().map(|(address, file)| {
            let container = reserved.get(address).map_or("", |(container, _)| container.as_str());
            forgotten_lease(&subject, *address, container, file)
        }));
    }
    found
}

fn exhausted(network: &Network, subject: &str, reserved: usize, forgotten: usize) -> Finding {
    let what = format!("its range has no address left: {reserved} are reserved, and the next pod waits");
    let why = match forgotten {
        0 => "each is a container's that somebody remembers: the range is too small".to_owned(),
        count => format!("{count} of them are of containers that nobody remembers; the others are in use"),
    };
    let (name, severity) = (Name::IpamExhausted, Severity::Error);
    let found = if let Some((namespace, nad)) = &network.nad {
        let command = format!("kubectl -n {} edit net-attach-def {}", quoted(namespace), quoted(nad));
        Finding::mended_by(command, name, severity, subject, what)
    } else {
        let how = format!("a larger subnet or rangeEnd in the network of {}", network.origin);
        Finding::by_hand(how, name, severity, subject, what)
    };
    found.because(why)
}

/// The command asks the runtime first, and removes nothing where it cannot answer.
fn forgotten_lease(subject: &str, address: IpAddr, container: &str, file: &std::path::Path) -> Finding {
    let is_id = container
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let what = format!("{subject} has {address} reserved for container {container:?}, which nobody here remembers");
    let since = std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    let (name, severity) = (Name::LeaseForgotten, Severity::Warning);
    let subject = address.to_string();
    let found = if is_id {
        let file = quoted(&file.display().to_string());
        let command = format!("ids=$(crictl pods -q --no-trunc) && case $ids in *{container}*) ;; *) rm {file};; esac");
        Finding::mended_by(command, name, severity, subject, what)
    } else {
        Finding::by_hand(
            "look for that container before you remove the file",
            name,
            severity,
            subject,
            what,
        )
    };
    found
        .because(
            "its DEL never came, or another plugin's container has it: it is shown, and never released by hardwire",
        )
        .since(since)
}
