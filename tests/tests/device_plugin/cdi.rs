//! Devices by name, which the container runtime looks up.

use std::fs;

use hardwire_proto::deviceplugin::ContainerAllocateResponse;
use hardwire_tests::cdi::Specs;
use rustix::process::Signal;

use super::*;

const CDI: &[&str] = &["--use-cdi"];

/// Two pools: one whose VFs are on vfio-pci, one of plain interfaces.
fn two_pools() -> Value {
    json!({"resourceList": [
        {"resourceName": "dpdk", "selectors": {"drivers": ["vfio-pci"]}},
        {"resourceName": "plain", "selectors": {"drivers": ["igbvf"]}},
    ]})
}

/// A daemon with CDI, and VFs of which the first is on vfio-pci.
struct WithCdi {
    daemon: Daemon,
    kubelet: Kubelet,
    site: Site,
    tree: SysfsTree,
}

impl WithCdi {
    fn start(config: &Value) -> Self {
        let (site, tree) = (Site::new(), SysfsTree::with_vfs(3));
        tree.bind_vfio(&SysfsTree::vf(0), 42);
        let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let daemon = site.start_with(config, tree.root(), CDI);
        Self {
            daemon,
            kubelet,
            site,
            tree,
        }
    }

    #[track_caller]
    fn restart(&mut self, config: &Value) {
        self.daemon.signal(Signal::TERM);
        assert_eq!(self.daemon.wait(SOON).code(), Some(0));
        self.daemon = self.site.start_with(config, self.tree.root(), CDI);
    }

    #[track_caller]
    fn allocate(&self, resource: &str, ids: &[&str], listed: usize) -> ContainerAllocateResponse {
        self.kubelet
            .wait_for_devices(resource, |devices| devices.len() == listed, SOON)
            .unwrap();
        let mut answer = self.kubelet.allocate(resource, &[ids]).unwrap();
        answer.container_responses.remove(0)
    }

    fn specs(&self) -> Specs {
        Specs::read(&self.site.cdi_dir())
    }
}

#[test]
fn d22_names_resolve_by_the_time_of_the_answer() {
    let with = WithCdi::start(&two_pools());
    let answer = with.allocate("intel.com/dpdk", &["0000:01:10.0"], 1);
    assert!(answer.devices.is_empty(), "{answer:?}");
    assert_eq!(answer.cdi_devices[0].name, "intel.com/net-pci=0000:01:10.0");
    let edits = with.specs().apply(&[answer]).unwrap();
    assert_eq!(
        edits.nodes,
        ["/dev/vfio/42:/dev/vfio/42", "/dev/vfio/vfio:/dev/vfio/vfio"]
    );
    // Somebody tidies up.
    fs::remove_dir_all(with.site.cdi_dir()).unwrap();
    let answer = with.allocate("intel.com/dpdk", &["0000:01:10.0"], 1);
    assert_eq!(with.specs().apply(&[answer]).unwrap(), edits);
}

#[test]
fn d22_two_pools_in_one_container_are_applied_each_and_once() {
    let with = WithCdi::start(&two_pools());
    let answers = [
        with.allocate("intel.com/dpdk", &["0000:01:10.0"], 1),
        with.allocate("intel.com/plain", &["0000:01:10.2", "0000:01:10.1"], 2),
    ];
    let both = with.specs().apply(&answers).unwrap();
    assert_eq!(both.nodes.len(), 2, "{both:?}");
    assert_eq!(
        both.env,
        [
            "HARDWIRE_0000_01_10_1=intel.com/plain",
            "HARDWIRE_0000_01_10_2=intel.com/plain"
        ]
    );
    // A runtime that knows the field only, or the annotation only, does the same.
    let only = |keep: fn(&mut ContainerAllocateResponse)| {
        let mut answers = answers.clone();
        answers.iter_mut().for_each(keep);
        with.specs().apply(&answers).unwrap()
    };
    assert_eq!(only(|answer| answer.annotations.clear()), both);
    assert_eq!(only(|answer| answer.cdi_devices.clear()), both);
}

#[test]
fn d22_specs_outlive_the_process_and_follow_the_hardware() {
    let mut with = WithCdi::start(&two_pools());
    let answer = with.allocate("intel.com/dpdk", &["0000:01:10.0"], 1);
    let before = with.specs().apply(std::slice::from_ref(&answer)).unwrap();
    with.daemon.signal(Signal::TERM);
    assert_eq!(with.daemon.wait(SOON).code(), Some(0));
    // A container that is started again now finds its device.
    assert_eq!(with.specs().apply(std::slice::from_ref(&answer)).unwrap(), before);
    with.tree.bind_vfio("0000:01:10.0", 7);
    with.daemon = with.site.start_with(&two_pools(), with.tree.root(), CDI);
    with.kubelet.wait_for_registrations(4, SOON).unwrap();
    let again = with.allocate("intel.com/dpdk", &["0000:01:10.0"], 1);
    assert_eq!(again.cdi_devices, answer.cdi_devices);
    let after = with.specs().apply(&[again]).unwrap();
    assert_eq!(
        after.nodes,
        ["/dev/vfio/7:/dev/vfio/7", "/dev/vfio/vfio:/dev/vfio/vfio"]
    );
}

#[test]
fn d22_a_group_that_changes_under_the_running_daemon_is_in_the_next_answer() {
    let with = WithCdi::start(&two_pools());
    with.allocate("intel.com/dpdk", &["0000:01:10.0"], 1);
    with.tree.bind_vfio("0000:01:10.0", 9);
    with.daemon.signal(Signal::HUP);
    let expected = ["/dev/vfio/9:/dev/vfio/9", "/dev/vfio/vfio:/dev/vfio/vfio"];
    let deadline = std::time::Instant::now() + SOON;
    loop {
        let answer = with.allocate("intel.com/dpdk", &["0000:01:10.0"], 1);
        let nodes = with.specs().apply(&[answer]).unwrap().nodes;
        if nodes == expected {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{nodes:?}");
    }
}

#[test]
fn the_spec_of_a_removed_pool_goes_and_others_stay() {
    let mut with = WithCdi::start(&two_pools());
    with.allocate("intel.com/dpdk", &["0000:01:10.0"], 1);
    with.allocate("intel.com/plain", &["0000:01:10.1"], 2);
    let others = with.site.cdi_dir().join("vendor.json");
    fs::write(&others, r#"{"cdiVersion": "0.5.0", "kind": "a.b/c", "devices": []}"#).unwrap();
    let mut fewer = two_pools();
    fewer["resourceList"].as_array_mut().unwrap().pop();
    with.restart(&fewer);
    with.daemon.wait_for_log("resource=intel.com/plain", SOON);
    assert_eq!(with.specs().names(), ["intel.com/net-pci=0000:01:10.0"]);
    assert!(others.exists());
}
