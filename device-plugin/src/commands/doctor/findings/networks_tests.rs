//! Networks of others are left alone, and addresses that are being handed out.

use super::*;

fn network(kind: &str, resource: &str) -> Network {
    Network {
        name: "n".to_owned(),
        origin: "nads.yaml".to_owned(),
        nad: Some((Some("red".to_owned()), "n".to_owned())),
        resource: Some(resource.to_owned()),
        types: vec![kind.to_owned()],
        ipam: serde_json::Value::Null,
    }
}

#[test]
fn only_a_slip_of_the_pen_in_a_network_of_ours_is_corrected_by_a_command() {
    let mut facts = Facts::sample();
    let of = |facts: &Facts, kind: &str, resource: &str| unknown_resource(facts, &network(kind, resource));
    let command = of(&facts, "hardwire", "intel.com/vf").unwrap();
    assert_eq!(command.severity, Severity::Error);
    let right = format!("kubectl -n red annotate --overwrite net-attach-def n {RESOURCE}=intel.com/vfs");
    assert_eq!(command.mend, Mend::kubectl(right));
    for other in [
        "bridge.network.kubevirt.io/br1",
        "other.com/vfs",
        "intel.com/vfs2",
        "intel.com/dpdk",
    ] {
        assert_eq!(of(&facts, "cnv-bridge", other), None, "{other}");
        let noted = of(&facts, "hardwire", other).unwrap();
        assert!(
            matches!(noted.mend, Mend::ByHand(_)) && noted.severity == Severity::Note,
            "{other}"
        );
    }
    assert_eq!(of(&facts, "sriov", "intel.com/vf"), None, "sriov-cni's own");
    facts.networks.takes_sriov = true;
    assert!(of(&facts, "sriov", "intel.com/vf").is_some());
}

#[test]
fn an_address_that_is_being_handed_out_is_not_forgotten() {
    let mut facts = Facts::sample();
    let reservation = |facts: &Facts, container: &str, age| Reservation {
        container: container.to_owned(),
        file: "/var/lib/cni/networks/n/10.0.0.2".into(),
        since: Some(facts.now - Duration::from_secs(age)),
    };
    let is_told = |facts: &Facts, container: &str, age| is_forgotten(facts, &reservation(facts, container, age));
    assert!(!is_told(&facts, "c9", 3600), "what CNI remembers cannot be seen");
    facts.networks.attached = Some(["n-c7-net1".to_owned()].into());
    assert!(is_told(&facts, "c9", 3600));
    assert!(!is_told(&facts, "c9", 60) && !is_told(&facts, "c7", 3600) && !is_told(&facts, "", 3600));
    facts.attach("0000:01:10.0", "red", "a");
    assert!(!is_told(&facts, "c1", 3600));
    facts.state.is_unread = true;
    assert!(!is_told(&facts, "c9", 3600), "the journal cannot be read");
    let odd = forgotten_lease(
        "n",
        "10.0.0.2".parse().unwrap(),
        &reservation(&facts, "$(reboot)", 3600),
    );
    assert!(matches!(odd.mend, Mend::ByHand(_)));
    let forgotten = forgotten_lease("n", "10.0.0.2".parse().unwrap(), &reservation(&facts, "c9", 3600));
    let Mend::Considered { how, text, .. } = forgotten.mend else {
        panic!("a command alone")
    };
    assert!(
        how.starts_with("look for that container") && text.contains("[ -n \"$ids\" ] && case"),
        "{text}"
    );
}

#[test]
fn a_range_that_is_none_is_not_called_full() {
    let of = |ipam: &serde_json::Value| {
        let set = range_sets(ipam).remove(0);
        exhausted(&network("hardwire", "intel.com/vfs"), &set, 0, 0).what
    };
    let range =
        |start: &str, end: &str| serde_json::json!({"subnet": "10.1.0.0/24", "rangeStart": start, "rangeEnd": end});
    assert_eq!(
        of(&range("10.1.0.20", "10.1.0.10")),
        "its range is none: rangeEnd is before rangeStart"
    );
    assert!(of(&range("10.1.0.1", "10.1.0.1")).contains("too small"));
    assert!(of(&range("10.1.0.2", "10.1.0.2")).starts_with("its range has no address left"));
}

#[test]
fn a_network_without_a_namespace_is_in_the_one_that_kubectl_uses() {
    let mut nad = network("hardwire", "intel.com/vf");
    nad.nad = Some((None, "n".to_owned()));
    let found = unknown_resource(&Facts::sample(), &nad).unwrap();
    assert_eq!(found.subject, "n");
    let command = format!("kubectl annotate --overwrite net-attach-def n {RESOURCE}=intel.com/vfs");
    assert_eq!(found.mend, Mend::kubectl(command));
}

#[test]
fn multus_is_installed_only_once_somebody_has_looked_and_a_node_whose_own_network_is_ours_may_do_without() {
    let mut facts = Facts::sample();
    let configuration = |kind: &str| crate::commands::doctor::facts::networks::Configuration {
        file: "/etc/cni/net.d/10-x.conflist".into(),
        types: vec![kind.to_owned()],
    };
    assert_eq!(multus(&facts), None, "no configurations are seen");
    facts.networks.configurations = Some(vec![configuration("calico")]);
    let absent = multus(&facts).unwrap();
    assert_eq!(absent.severity, Severity::Warning);
    assert!(
        matches!(&absent.mend, Mend::Considered { how, text, .. }
            if how.contains("see its pod on node-1") && text.starts_with("kubectl apply -f ")),
        "{absent:?}"
    );
    facts.plugin.names = Some(["multus".to_owned()].into());
    let absent = multus(&facts).unwrap();
    assert!(
        matches!(&absent.mend, Mend::ByHand(how) if !how.contains("kubectl apply")),
        "its program is there, so there is one: {absent:?}"
    );
    facts.networks.configurations = Some(vec![configuration("hardwire")]);
    assert_eq!(multus(&facts).unwrap().severity, Severity::Note);
}
