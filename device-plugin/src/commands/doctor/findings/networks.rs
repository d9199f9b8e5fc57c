//! Multus, the resources that networks name, and the addresses of their ranges.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use hardwire_cni::beneath::is_plain_name;

use super::commands::{of_plain_words, plain_word, quoted};
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::facts::networks::{Network, RESOURCE};
use crate::commands::doctor::facts::reservations::Reservation;
use crate::commands::doctor::finding::{Finding, Mend, Severity};
use crate::commands::doctor::name::Name;
use crate::commands::doctor::ranges::{Range, range_sets};

const MULTUS: [&str; 2] = ["multus", "multus-shim"];
/// The project's own manifest, of a release.
const MULTUS_MANIFEST: &str =
    "https://raw.githubusercontent.com/k8snetworkplumbingwg/multus-cni/v4.2.3/deployments/multus-daemonset.yml";

/// As many slips of the pen make another word of a pool's name.
const SLIPS: usize = 2;
/// What an ADD takes at most, and far more.
const HANDING_OUT: Duration = Duration::from_secs(600);

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
        // A node may do without on purpose: its network is one of ours.
        let mut types = configurations.iter().flat_map(|configuration| &configuration.types);
        let severity = if types.any(|kind| facts.networks.is_ours(kind)) {
            Severity::Note
        } else {
            Severity::Warning
        };
        let node = if facts.places.node.is_empty() {
            "this node"
        } else {
            &facts.places.node
        };
        let look = format!(
            "kubectl get daemonset -A | grep -i multus: where there is one, see its pod on {node}, which writes its configuration"
        );
        // A second one, for all nodes, is what nobody wants.
        let mend = if has_program {
            Mend::by_hand(look)
        } else {
            let install = Mend::kubectl(format!("kubectl apply -f {MULTUS_MANIFEST}"));
            install.once(format!("{look}; where there is none, install it, for all nodes"))
        };
        let found = Finding::mended_by(mend, Name::MultusAbsent, severity, "Multus", what);
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
            Finding::mended_by(Mend::on_node(command), name, severity, file, what)
        }
        None => Finding::by_hand("give it a name that comes first", name, severity, file, what),
    };
    Some(found.because(why))
}

/// Only of our networks: other plugins have resources of their own. Another node may have the pool, so only what is almost the name
/// of a pool here counts as a slip of the pen.
fn unknown_resource(facts: &Facts, network: &Network) -> Option<Finding> {
    let resource = network.resource.as_deref()?;
    // Without a configuration nothing is known of pools.
    let is_ours = network.types.iter().any(|kind| facts.networks.is_ours(kind));
    if !is_ours || facts.configured.file.is_none() {
        return None;
    }
    let pools = facts.configured.config.pools.iter();
    let pools: BTreeSet<String> = pools.map(|pool| pool.resource.to_string()).collect();
    let registered = facts.kubelet.checkpoint.iter();
    let mut registered = registered.flat_map(|checkpoint| checkpoint.registered.keys());
    if pools.contains(resource) || registered.any(|known| known == resource) {
        return None;
    }
    let what = format!("its {RESOURCE} is {resource:?}, and no pool of this node is called so");
    let subject = network.called();
    let why = match &pools {
        none if none.is_empty() => "no pool is configured here".to_owned(),
        pools => format!("pools here: {}", pools.iter().cloned().collect::<Vec<_>>().join(", ")),
    };
    let meant = pools.iter().find(|pool| is_almost(pool, resource));
    let (severity, mend, why) = match (meant, &network.nad) {
        (Some(meant), Some((namespace, nad))) => {
            let command = format!(
                "{} annotate --overwrite net-attach-def {} {RESOURCE}={}",
                kubectl_in(namespace.as_deref()),
                quoted(nad),
                quoted(meant)
            );
            let why = format!("{why}. Unless another node has a pool of that name, {meant} is meant");
            (Severity::Error, Mend::kubectl(command), why)
        }
        (Some(meant), None) => (
            Severity::Error,
            Mend::by_hand(format!("name {meant}, if that is meant")),
            why,
        ),
        (None, _) => (
            Severity::Note,
            Mend::by_hand("nothing, where another node has that pool; else name a pool, or configure one"),
            why,
        ),
    };
    Some(Finding::mended_by(mend, Name::NadUnknownResource, severity, subject, what).because(why))
}

/// In the namespace that an object names, else in the one that kubectl uses.
fn kubectl_in(namespace: Option<&str>) -> String {
    namespace.map_or_else(
        || "kubectl".to_owned(),
        |namespace| format!("kubectl -n {}", quoted(namespace)),
    )
}

/// Whether one name is a slip of the pen of the other: the same prefix, and more than a number is another one.
fn is_almost(pool: &str, resource: &str) -> bool {
    let (Some((prefix, name)), Some((other_prefix, other))) = (pool.split_once('/'), resource.split_once('/')) else {
        return false;
    };
    let without_number = |name: &str| name.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let is_only_a_number = without_number(name) == without_number(other);
    prefix == other_prefix && !is_only_a_number && strsim::osa_distance(name, other) <= SLIPS
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
    let mut seen = BTreeSet::new();
    for network in &facts.networks.networks {
        let Some(Ok(store)) = network.host_local_store(&facts.places.cni_state) else {
            continue;
        };
        let Some(reserved) = facts.networks.reserved.get(&store) else {
            continue;
        };
        if !seen.insert((store, network.ipam.to_string())) {
            continue;
        }
        let forgotten = reserved
            .iter()
            .filter(|(_, reservation)| is_forgotten(facts, reservation));
        let forgotten: BTreeMap<&IpAddr, &Reservation> = forgotten.collect();
        let sets = range_sets(&network.ipam);
        let full = sets.iter().find(|set| {
            let capacity: u128 = set.iter().map(Range::capacity).fold(0, u128::saturating_add);
            let taken = reserved
                .keys()
                .filter(|address| set.iter().any(|range| range.contains(**address)));
            u128::try_from(taken.count()).unwrap_or(u128::MAX) >= capacity
        });
        if let Some(set) = full {
            found.push(exhausted(network, set, reserved.len(), forgotten.len()));
        }
        let subject = network.called();
        let lease = |(address, reservation): (&IpAddr, &Reservation)| forgotten_lease(&subject, *address, reservation);
        found.extend(forgotten.into_iter().map(lease));
    }
    found
}

/// Nobody remembers its container: neither journal nor lease nor CNI, all of which must be seen, and it is no address that is being
/// handed out now.
fn is_forgotten(facts: &Facts, reservation: &Reservation) -> bool {
    let container = reservation.container.as_str();
    let age = reservation.since.and_then(|since| facts.now.duration_since(since).ok());
    let is_old = age.is_some_and(|age| age > HANDING_OUT);
    let is_known = facts.state.knows(container) != Some(false) || facts.networks.remembers(container) != Some(false);
    is_old && !container.is_empty() && !is_known
}

fn exhausted(network: &Network, set: &[Range], reserved: usize, forgotten: usize) -> Finding {
    let subject = network.called();
    let has_none = set.iter().all(|range| range.capacity() == 0);
    let (what, why) = if has_none && set.iter().any(Range::is_inverted) {
        (
            "its range is none: rangeEnd is before rangeStart".to_owned(),
            "host-local refuses it, and every pod waits".to_owned(),
        )
    } else if has_none {
        (
            "its range has no address to give: it is too small, and every pod waits".to_owned(),
            "a range gives neither the network's own address nor the gateway's".to_owned(),
        )
    } else {
        let why = match forgotten {
            0 => "each is a container's that somebody remembers: the range is too small".to_owned(),
            count => format!("{count} of them are of containers that nobody remembers; the others are in use"),
        };
        (
            format!("its range has no address left: {reserved} are reserved, and the next pod waits"),
            why,
        )
    };
    let (name, severity) = (Name::IpamExhausted, Severity::Error);
    let found = if let Some((namespace, nad)) = &network.nad {
        let command = format!(
            "{} edit net-attach-def {}",
            kubectl_in(namespace.as_deref()),
            quoted(nad)
        );
        Finding::mended_by(Mend::kubectl(command), name, severity, subject, what)
    } else {
        let how = format!("a larger subnet or rangeEnd in the network of {}", network.origin);
        Finding::by_hand(how, name, severity, subject, what)
    };
    found.because(why)
}

/// The command, for who has looked, asks the runtime once more, and removes nothing where it cannot answer, where it has no pods (as
/// one at another endpoint), or where the address is another's by now.
fn forgotten_lease(network: &str, address: IpAddr, reservation: &Reservation) -> Finding {
    let container = reservation.container.as_str();
    let what = format!("{network} has {address} reserved for container {container:?}, which nobody here remembers");
    let file = quoted(&reservation.file.display().to_string());
    let command = plain_word(container).map(|id| {
        format!(
            "ids=$(crictl pods -q --no-trunc) && [ -n \"$ids\" ] && case $ids in *{id}*) ;; *) grep -qF {id} {file} && rm \
             {file};; esac"
        )
    });
    let look = format!("look for that container: where any runtime of this node has it, leave {file}");
    let mend = of_plain_words(command, "remove the file").once(look);
    Finding::mended_by(mend, Name::LeaseForgotten, Severity::Warning, address.to_string(), what)
        .because(
            "its DEL never came, or another plugin's container has it: it is shown, and never released by hardwire",
        )
        .since(reservation.since)
}

#[cfg(test)]
#[path = "networks_tests.rs"]
mod tests;
