//! What undoes a difference is a command only of plain words.

use super::*;

#[test]
fn a_difference_is_undone_by_a_command_only_where_every_name_is_a_plain_word() {
    let mut facts = Facts::sample();
    let vf = facts.add_vf(3, Some("igbvf"));
    let undone = |facts: &Facts, difference: &str| undo(facts, &vf, difference);
    assert_eq!(
        undone(&facts, "vlan was 0, is 7; trust was off, is on").as_deref(),
        Some("ip link set dev eth0 vf 3 vlan 0 trust off")
    );
    assert_eq!(undone(&facts, "vlan was $(reboot), is 7"), None);
    for bad in ["$(reboot)", "`x`", "a;b", "-x"] {
        facts.rename_pf(bad);
        assert_eq!(undone(&facts, "vlan was 0, is 7"), None, "{bad}");
        facts.rename_pf("eth0");
        assert_eq!(undone(&facts, &format!("name was {bad}, is y")), None, "{bad}");
    }
}

/// Who adopts it takes somebody's program on a free VF for its idle state.
#[test]
fn rule_7_what_cannot_be_undone_by_a_command_is_never_adopted_by_one() {
    let mut facts = Facts::sample();
    let vf = facts.add_vf(3, Some("igbvf"));
    let seen = Seen {
        pool: "intel.com/vfs".to_owned(),
        healthy: false,
        kind: Some("not-idle".to_owned()),
        reason: Some(format!("{NOT_IDLE}XDP programs was none, is 7")),
        since: None,
        had_netdev: true,
        held_as: None,
    };
    let Mend::Considered { how, text, .. } = dirty(&facts, &vf, &seen, seen.reason.as_deref().unwrap()).mend else {
        panic!("a command alone")
    };
    assert!(
        how.starts_with("see who changed it; if it is right: hardwired adopt 0000:01:10.3;"),
        "{how}"
    );
    assert_eq!(
        text,
        "echo 0000:01:10.3 > /sys/bus/pci/devices/0000:01:10.3/driver/unbind && \
         echo 0000:01:10.3 > /sys/bus/pci/drivers_probe"
    );
}

#[test]
fn another_plugin_is_never_deleted_cluster_wide() {
    let mut facts = Facts::sample();
    let vf = facts.add_vf(0, Some("igbvf")).to_string();
    let registered = [("intel.com/vfs", &vf), ("other.io/nic", &vf)];
    let registered = registered.map(|(resource, id)| (resource.to_owned(), vec![id.clone()]));
    facts.kubelet.checkpoint = Some(crate::commands::doctor::facts::kubelet::Checkpoint {
        registered: registered.into(),
        written: None,
    });
    facts.kubelet.has_upstream = Some(true);
    let found = offered_twice(&facts);
    assert_eq!((found.len(), found[0].since), (1, None));
    assert!(
        matches!(&found[0].mend, Mend::ByHand(how) if how.contains("off this node")),
        "{found:?}"
    );
}
