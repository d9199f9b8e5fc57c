//! Devices by name, which the container runtime looks up.

use std::fs;
use std::time::Instant;

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

    /// Whatever is there, at whatever time, is good.
    #[track_caller]
    fn specs(&self) -> Specs {
        let specs = Specs::read(&self.site.cdi_dir());
        specs.check_with_the_projects_library(&self.site.cdi_dir());
        specs
    }

    /// Waits until the folder has exactly these files. With `looking`, the daemon looks again and again, as it does by itself
    /// only once a minute.
    #[track_caller]
    fn wait_for_files(&self, files: &[&str], looking: bool) {
        let deadline = Instant::now() + SOON;
        while self.files() != files {
            assert!(Instant::now() < deadline, "{:?}", self.files());
            if looking {
                self.daemon.signal(Signal::HUP);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.site.cdi_dir()).into_iter().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
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
    let theirs = json!({"cdiVersion": "0.5.0", "kind": "a.b/class", "devices": [
        {"name": "x", "containerEdits": {"env": ["A=1"]}},
    ]});
    fs::write(&others, theirs.to_string()).unwrap();
    let mut fewer = two_pools();
    fewer["resourceList"].as_array_mut().unwrap().pop();
    with.restart(&fewer);
    with.daemon.wait_for_log("resource=intel.com/plain", SOON);
    with.wait_for_files(&["hardwire_intel.com_dpdk_net-pci.json", "vendor.json"], true);
    assert_eq!(with.specs().names(), ["a.b/class=x", "intel.com/net-pci=0000:01:10.0"]);
}

#[test]
fn a_pool_without_devices_has_no_spec() {
    let mut config = two_pools();
    config["resourceList"][1]["selectors"] = json!({"drivers": ["nothing"]});
    let with = WithCdi::start(&config);
    with.allocate("intel.com/dpdk", &["0000:01:10.0"], 1);
    let none: fn(&[Device]) -> bool = <[Device]>::is_empty;
    with.kubelet.wait_for_devices("intel.com/plain", none, SOON).unwrap();
    let (dpdk, plain) = (
        "hardwire_intel.com_dpdk_net-pci.json",
        "hardwire_intel.com_plain_net-pci.json",
    );
    with.wait_for_files(&[dpdk], false);
    with.specs();
    // The first device comes, and the last one goes.
    with.tree.bind("0000:01:10.1", "nothing");
    with.daemon.signal(Signal::HUP);
    with.wait_for_files(&[dpdk, plain], false);
    let names = ["0000:01:10.0", "0000:01:10.1"].map(|id| format!("intel.com/net-pci={id}"));
    assert_eq!(with.specs().names(), names);
    with.tree.bind("0000:01:10.1", "igbvf");
    with.wait_for_files(&[dpdk], true);
    assert_eq!(with.specs().names(), names[..1]);
}

#[test]
fn a_pods_device_resolves_after_its_pool_was_removed_or_renamed_until_the_pod_ends() {
    let mut without = two_pools();
    without["resourceList"].as_array_mut().unwrap().remove(0);
    let mut renamed = two_pools();
    renamed["resourceList"][0]["resourceName"] = json!("renamed");
    let (plain, other) = (
        "hardwire_intel.com_plain_net-pci.json",
        "hardwire_intel.com_renamed_net-pci.json",
    );
    let kept = "hardwire_intel.com_net-pci.json";
    for (config, restarts, held, free) in [
        (&without, false, [kept, plain], &[plain][..]),
        (&without, true, [kept, plain], &[plain]),
        (&renamed, false, [plain, other], &[plain, other]),
        (&renamed, true, [plain, other], &[plain, other]),
    ] {
        let mut with = WithCdi::start(&two_pools());
        let answer = with.allocate("intel.com/dpdk", &["0000:01:10.0"], 1);
        with.kubelet.admit("red/a", "main", "intel.com/dpdk", 1).unwrap();
        let before = with.specs().apply(std::slice::from_ref(&answer)).unwrap();
        if restarts {
            with.restart(config);
        } else {
            with.site.config(config);
        }
        with.wait_for_files(&held, false);
        // A container that is started again, now and after every look at who has what.
        let info = with
            .site
            .device_info_dir()
            .join("intel.com-dpdk-0000:01:10.0-device.json");
        for _look in 0..2 {
            assert_eq!(with.specs().apply(std::slice::from_ref(&answer)).unwrap(), before);
            assert!(info.exists(), "what a new sandbox is attached by");
            with.daemon.signal(Signal::HUP);
            with.daemon
                .wait_for_log("reading configuration and hardware again", SOON);
            // The list that follows the look.
            with.kubelet
                .wait_for_devices("intel.com/plain", |_| true, SOON)
                .unwrap();
        }
        with.kubelet.free("red/a");
        let deadline = Instant::now() + SOON;
        while info.exists() {
            assert!(Instant::now() < deadline, "nobody has it, and it stays");
            with.daemon.signal(Signal::HUP);
            std::thread::sleep(Duration::from_millis(50));
        }
        with.wait_for_files(free, true);
        with.specs();
    }
}
