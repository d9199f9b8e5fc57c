//! XDP and tcx programs, with and without somebody who holds them.

use hardwire_tests::node::{Hook, Program, programs_on, run};

use super::Attached;

#[test]
fn an_xdp_program_whose_link_is_held_is_gone() {
    let attached = Attached::new("hwxdp");
    let held = Program::load(Hook::Xdp).linked(&attached.pod, "net1");
    let link = attached.pod.link("net1").expect("net1");
    assert!(link["xdp"]["prog"]["id"].is_u64(), "{link}");
    attached.del();
    drop(held);
}

#[test]
fn a_tcx_program_is_gone_whether_a_link_holds_it_or_none() {
    for hook in [Hook::TcxIngress, Hook::TcxEgress] {
        let attached = Attached::new("hwtcx");
        let held = Program::load(hook).linked(&attached.pod, "net1");
        Program::load(hook).attach(&attached.pod, "net1");
        attached.del();
        let left = programs_on("hwtcx", hook);
        assert!(left.is_empty(), "{hook:?}: {left:?}");
        drop(held);
    }
}

#[test]
fn what_the_node_had_attached_before_stays() {
    let program = Program::load(Hook::TcxIngress);
    let attached = Attached::prepared("hwnode", |nic| {
        program.attach_here(nix::net::if_::if_nametoindex(nic.name()).expect("an interface"));
    });
    let before = attached.pod.run(&["ip", "link", "show", "net1"]);
    assert!(!before.is_empty());
    Program::load(Hook::TcxIngress).attach(&attached.pod, "net1");
    attached.del();
    assert_eq!(programs_on("hwnode", Hook::TcxIngress).len(), 1);
}

#[test]
fn an_xdp_program_that_netlink_attached_is_gone() {
    let attached = Attached::new("hwnl");
    // `ip netns exec` hides what is mounted below /sys.
    let folder = attached.plugin.directory().join("bpf");
    std::fs::create_dir(&folder).expect("a folder");
    let folder = folder.to_str().expect("UTF-8").to_owned();
    run(&["mount", "-t", "bpf", "bpf", &folder]);
    let pinned = format!("{folder}/pass");
    Program::load(Hook::Xdp).pin(&pinned);
    for mode in ["xdpgeneric", "xdpdrv"] {
        attached.sets(&[mode, "off"]);
        attached.sets(&[mode, "pinned", &pinned]);
        let link = attached.pod.link("net1").expect("net1");
        assert!(link["xdp"]["prog"]["id"].is_u64(), "{link}");
        attached.del();
        attached.plugin.add(&attached.pod, &attached.conf());
    }
    run(&["umount", &folder]);
    attached.del();
}
