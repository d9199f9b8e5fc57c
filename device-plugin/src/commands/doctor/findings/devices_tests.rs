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
