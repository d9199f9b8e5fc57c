//! Which devices the kubelet is advised to take.

use hardwire_tests::sysfs_tree::Pci;

use super::*;

/// Two PFs on NUMA nodes 0 and 0, and one on node 1, with two VFs each.
fn three_pfs() -> SysfsTree {
    let tree = SysfsTree::new();
    for (bus, numa_node) in [(1, 0), (2, 0), (3, 1)] {
        let pf = format!("0000:0{bus}:00.0");
        tree.add_pf(
            &Pci {
                numa_node,
                ..Pci::at(&pf)
            },
            7,
        );
        for index in 0..2 {
            let vf = format!("0000:0{bus}:10.{index}");
            let vf = Pci {
                driver: Some("igbvf"),
                numa_node,
                ..Pci::at(&vf)
            };
            tree.add_vf(&pf, index, &vf);
        }
    }
    tree
}

struct Advising {
    _daemon: Daemon,
    kubelet: Kubelet,
    ids: Vec<String>,
    _site: Site,
    _tree: SysfsTree,
}

impl Advising {
    fn start(placement: &str) -> Self {
        let (site, tree) = (Site::new(), three_pfs());
        let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let mut config = one_pool();
        config["resourceList"][0]["preferredAllocation"] = json!(placement);
        let daemon = site.start(&config, tree.root());
        let devices = kubelet.wait_for_devices(RESOURCE, |devices| devices.len() == 6, SOON);
        let ids = devices.unwrap().into_iter().map(|device| device.id).collect();
        Self {
            _daemon: daemon,
            kubelet,
            ids,
            _site: site,
            _tree: tree,
        }
    }

    #[track_caller]
    fn ask(&self, must: &[&str], size: i32) -> Vec<String> {
        let all: Vec<&str> = self.ids.iter().map(String::as_str).collect();
        let mut answer = self.kubelet.preferred(RESOURCE, &all, must, size).unwrap();
        assert_eq!(answer.container_responses.len(), 1);
        let mut ids = answer.container_responses.remove(0).device_i_ds;
        ids.sort();
        ids
    }
}

#[test]
fn d23_advice_is_flagged_exact_and_as_the_pool_wants_it() {
    for (placement, two, three) in [
        (
            "spread",
            ["0000:01:10.0", "0000:02:10.0"],
            ["0000:01:10.0", "0000:01:10.1", "0000:02:10.0"],
        ),
        (
            "pack",
            ["0000:01:10.0", "0000:01:10.1"],
            ["0000:01:10.0", "0000:01:10.1", "0000:02:10.0"],
        ),
        (
            "pairs",
            ["0000:01:10.0", "0000:02:10.0"],
            ["0000:01:10.0", "0000:01:10.1", "0000:02:10.0"],
        ),
    ] {
        let advising = Advising::start(placement);
        let mut client = advising.kubelet.client(ENDPOINT).unwrap();
        assert!(client.options().unwrap().get_preferred_allocation_available);
        assert_eq!(advising.ask(&[], 2), two, "{placement}");
        assert_eq!(advising.ask(&[], 3), three, "{placement}");
        assert_eq!(advising.ask(&[], 6), advising.ids, "{placement}");
        assert_eq!(advising.ask(&[], 7), [""; 0], "{placement}");
    }
}

#[test]
fn d23_what_must_be_included_is_and_its_numa_node_comes_first() {
    let advising = Advising::start("spread");
    assert_eq!(advising.ask(&["0000:03:10.1"], 2), ["0000:03:10.0", "0000:03:10.1"]);
    assert_eq!(
        advising.ask(&["0000:02:10.1", "0000:01:10.1"], 2),
        ["0000:01:10.1", "0000:02:10.1"]
    );
}

#[test]
fn d23_the_kubelet_takes_the_advice() {
    let advising = Advising::start("pairs");
    let held = advising.kubelet.admit("default/a", "app", RESOURCE, 2).unwrap();
    assert_eq!(held.devices, ["0000:01:10.0", "0000:02:10.0"]);
}
