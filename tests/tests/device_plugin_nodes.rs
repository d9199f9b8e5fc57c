//! The device nodes that containers get, on a kernel that has them: VFs of the emulated igb behind the emulated IOMMU, and
//! `rdma_rxe`. That what Allocate names is there, and is what sysfs says it is.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use hardwire_proto::deviceplugin::ContainerAllocateResponse;
use hardwire_tests::cdi::Specs;
use hardwire_tests::daemon::Site;
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::node::{Igb, run};
use hardwire_tests::sysfs_tree::SysfsTree;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const RESOURCE: &str = "intel.com/x";

/// Allocate's answer for all devices of a pool.
fn allocate(
    site: &Site,
    sysfs: &Path,
    selectors: &Value,
    ids: &[&str],
    arguments: &[&str],
) -> ContainerAllocateResponse {
    let config = json!({"resourceList": [{"resourceName": "x", "selectors": selectors}]});
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start_with(&config, sysfs, arguments);
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == ids.len(), SOON)
        .unwrap();
    let mut answer = kubelet.allocate(RESOURCE, &[ids]).unwrap();
    answer.container_responses.remove(0)
}

fn paths(answer: &ContainerAllocateResponse) -> Vec<&str> {
    assert!(answer.devices.iter().all(|node| node.host_path == node.container_path));
    answer.devices.iter().map(|node| node.host_path.as_str()).collect()
}

/// A node is the character device that a class of sysfs says it is.
#[track_caller]
fn assert_is(path: &str, class: &str) {
    let metadata = fs::metadata(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(metadata.file_type().is_char_device(), "{path}");
    let name = Path::new(path).file_name().unwrap().to_str().unwrap();
    let number = fs::read_to_string(format!("/sys/class/{class}/{name}/dev")).unwrap();
    let device = metadata.rdev();
    let found = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    assert_eq!(found, number.trim(), "{path}");
}

fn group(address: &str) -> String {
    let link = fs::read_link(format!("/sys/bus/pci/devices/{address}/iommu_group")).unwrap();
    format!("/dev/vfio/{}", link.file_name().unwrap().to_str().unwrap())
}

#[test]
fn vfs_on_vfio_are_given_as_groups_that_can_be_opened() {
    let (igb, site) = (Igb::get(), Site::new());
    let _bound = [igb.bind_vfio(1), igb.bind_vfio(4)];
    run(&["modprobe", "vhost_net"]);
    run(&["modprobe", "tun"]);
    let vfs = [igb.vf_address(4), igb.vf_address(1)];
    let ids = vfs.each_ref().map(String::as_str);
    let selectors = json!({"drivers": ["vfio-pci"], "needVhostNet": true});
    let answer = allocate(&site, Path::new("/sys"), &selectors, &ids, &[]);
    let groups = ids.map(group);
    let mut expected = vec![
        "/dev/net/tun",
        "/dev/vfio/vfio",
        "/dev/vhost-net",
        &groups[0],
        &groups[1],
    ];
    expected.sort_unstable();
    assert_eq!(paths(&answer), expected);
    for (path, class) in [
        ("/dev/vfio/vfio", "misc"),
        ("/dev/vhost-net", "misc"),
        ("/dev/net/tun", "misc"),
        (&groups[0], "vfio"),
        (&groups[1], "vfio"),
    ] {
        assert_is(path, class);
    }
    let info: Value = serde_json::from_str(&answer.envs["PCIDEVICE_INTEL_COM_X_INFO"]).unwrap();
    for (id, group) in ids.iter().zip(&groups) {
        assert_eq!(info[id]["vfio"]["dev-mount"], *group.as_str());
        OpenOptions::new().read(true).write(true).open(group).unwrap();
    }
}

#[test]
fn a_runtime_with_cdi_is_told_the_same_groups() {
    let (igb, site) = (Igb::get(), Site::new());
    let _bound = igb.bind_vfio(2);
    let vf = igb.vf_address(2);
    let selectors = json!({"drivers": ["vfio-pci"]});
    let answer = allocate(&site, Path::new("/sys"), &selectors, &[&vf], &["--use-cdi"]);
    assert!(answer.devices.is_empty());
    let edits = Specs::read(&site.cdi_dir()).apply(&[answer]).unwrap();
    let group = group(&vf);
    assert_eq!(
        edits.nodes,
        [format!("{group}:{group}"), "/dev/vfio/vfio:/dev/vfio/vfio".to_owned()]
    );
    let info = site.device_info_dir().join(format!("intel.com-x-{vf}-device.json"));
    let info: Value = serde_json::from_slice(&fs::read(info).unwrap()).unwrap();
    assert_eq!(info["pci"], json!({"pci-address": vf, "pf-pci-address": igb.address}));
}

#[test]
fn a_vf_on_uio_is_given_as_its_file() {
    let (igb, site) = (Igb::get(), Site::new());
    let _bound = igb.bind_uio(3);
    let vf = igb.vf_address(3);
    let selectors = json!({"drivers": ["uio_pci_generic"]});
    let answer = allocate(&site, Path::new("/sys"), &selectors, &[&vf], &[]);
    let [path] = paths(&answer)[..] else {
        panic!("{answer:?}")
    };
    assert_is(path, "uio");
    let bound = format!("/sys/bus/pci/devices/{vf}/uio/{}", path.strip_prefix("/dev/").unwrap());
    assert!(Path::new(&bound).exists(), "{bound}");
}

/// An RDMA device, removed when dropped.
struct Rxe;

impl Rxe {
    fn new(netdev: &str) -> Self {
        for module in ["rdma_rxe", "ib_umad", "rdma_ucm"] {
            run(&["modprobe", module]);
        }
        run(&["rdma", "link", "add", "rxe0", "type", "rxe", "netdev", netdev]);
        Self
    }
}

impl Drop for Rxe {
    fn drop(&mut self) {
        run(&["rdma", "link", "delete", "rxe0"]);
    }
}

/// A device of a tree of files has the RDMA device, with the kernel's own classes.
fn show_rxe(tree: &SysfsTree, address: &str) {
    fs::create_dir_all(tree.device(address).join("infiniband/rxe0")).unwrap();
    for class in ["infiniband_mad", "infiniband_verbs", "misc"] {
        symlink(
            Path::new("/sys/class").join(class),
            tree.root().join("class").join(class),
        )
        .unwrap();
    }
}

/// rxe hangs below no PCI function, so a tree of files says that it does; its classes are the kernel's.
#[test]
fn an_rdma_device_is_given_as_its_character_devices() {
    let (igb, site, tree) = (Igb::get(), Site::new(), SysfsTree::with_vfs(1));
    let _rxe = Rxe::new(&igb.name);
    let vf = SysfsTree::vf(0);
    show_rxe(&tree, &vf);
    let answer = allocate(&site, tree.root(), &json!({"isRdma": true}), &[&vf], &[]);
    let paths = paths(&answer);
    let [rdma_cm, umad, uverbs] = paths[..] else {
        panic!("{answer:?}")
    };
    assert_is(rdma_cm, "misc");
    assert_is(umad, "infiniband_mad");
    assert_is(uverbs, "infiniband_verbs");
    let info: Value = serde_json::from_str(&answer.envs["PCIDEVICE_INTEL_COM_X_INFO"]).unwrap();
    assert_eq!(
        info[&vf]["rdma"],
        json!({"rdma_dev": "rxe0", "rdma_cm": rdma_cm, "umad": umad, "uverbs": uverbs})
    );
    let document = site.device_info_dir().join(format!("intel.com-x-{vf}-device.json"));
    let document: Value = serde_json::from_slice(&fs::read(document).unwrap()).unwrap();
    assert_eq!(document["pci"]["rdma-device"], "rxe0");
}

#[test]
fn files_of_rdma_that_the_kernel_makes_after_the_list_are_in_the_next_answer() {
    let (igb, site, tree) = (Igb::get(), Site::new(), SysfsTree::with_vfs(1));
    let vf = SysfsTree::vf(0);
    show_rxe(&tree, &vf);
    let config = json!({"resourceList": [{"resourceName": "x", "selectors": {"isRdma": true}}]});
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start_with(&config, tree.root(), &[]);
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
        .unwrap();
    let allocate = || {
        let mut answer = kubelet.allocate(RESOURCE, &[&[&vf]]).unwrap();
        answer.container_responses.remove(0)
    };
    let before = allocate();
    assert!(!paths(&before).iter().any(|path| path.contains("uverbs")), "{before:?}");
    let _rxe = Rxe::new(&igb.name);
    let answer = allocate();
    let [rdma_cm, umad, uverbs] = paths(&answer)[..] else {
        panic!("{answer:?}")
    };
    assert_is(rdma_cm, "misc");
    assert_is(umad, "infiniband_mad");
    assert_is(uverbs, "infiniband_verbs");
}

/// What is told of a device without anybody asking.
#[test]
fn a_module_that_is_loaded_or_removed_later_changes_what_is_offered() {
    let (igb, site) = (Igb::get(), Site::new());
    let vf = igb.vf_address(0);
    run(&["modprobe", "tun"]);
    run(&["modprobe", "--remove", "vhost_net"]);
    let config = json!({"resourceList": [{
        "resourceName": "x", "selectors": {"pciAddresses": [vf], "needVhostNet": true},
    }]});
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    // What stands for /dev is empty: what the kernel lists is what counts.
    let _daemon = site.start_with(&config, Path::new("/sys"), &[]);
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
        .unwrap();
    let document = site.device_info_dir().join(format!("intel.com-x-{vf}-device.json"));
    let wait = |has_it: bool| {
        let deadline = Instant::now() + SOON;
        while !fs::read_to_string(&document).is_ok_and(|text| text.contains("/dev/vhost-net") == has_it) {
            assert!(Instant::now() < deadline, "{:?}", fs::read_to_string(&document));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait(false);
    run(&["modprobe", "vhost_net"]);
    wait(true);
    run(&["modprobe", "--remove", "vhost_net"]);
    wait(false);
    run(&["modprobe", "vhost_net"]);
}
