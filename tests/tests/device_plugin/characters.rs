//! The character devices of each kind of device, from the first Allocate on.

use std::fs;

use super::*;

const VF: &str = "0000:01:10.0";

/// What Allocate answers for the first VF: `host:path:permissions` of the nodes, and the device's part of `_INFO`.
fn allocate(selectors: &Value, prepare: impl FnOnce(&Site, &SysfsTree)) -> (Vec<String>, Value) {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    prepare(&site, &tree);
    let config = json!({"resourceList": [{"resourceName": "vfs", "selectors": selectors}]});
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start(&config, tree.root());
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
        .unwrap();
    let mut answer = kubelet.allocate(RESOURCE, &[&[VF]]).unwrap();
    let response = answer.container_responses.remove(0);
    let info: Value = serde_json::from_str(&response.envs["PCIDEVICE_INTEL_COM_VFS_INFO"]).unwrap();
    let nodes = response.devices.iter();
    let nodes = nodes.map(|node| format!("{}:{}:{}", node.host_path, node.container_path, node.permissions));
    (nodes.collect(), info[VF].clone())
}

fn same(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| format!("{path}:{path}:rw")).collect()
}

#[test]
fn d21_vfio_gives_group_and_control_file() {
    let (nodes, info) = allocate(&json!({"drivers": ["vfio-pci"]}), |_, tree| tree.bind_vfio(VF, 42));
    assert_eq!(nodes, same(&["/dev/vfio/42", "/dev/vfio/vfio"]));
    assert_eq!(
        info["vfio"],
        json!({"mount": "/dev/vfio/vfio", "dev-mount": "/dev/vfio/42"})
    );
}

#[test]
fn d21_uio_gives_its_file() {
    for driver in ["igb_uio", "uio_pci_generic"] {
        let (nodes, info) = allocate(&json!({"drivers": [driver]}), |_, tree| tree.bind_uio(VF, driver, 3));
        assert_eq!(nodes, same(&["/dev/uio3"]));
        assert_eq!(info["uio"], json!({"mount": "/dev/uio3"}));
    }
}

#[test]
fn d21_rdma_gives_its_character_devices() {
    let (nodes, info) = allocate(&json!({"isRdma": true, "drivers": ["igbvf"]}), |_, tree| {
        tree.add_rdma(VF, "mlx5_3", 4);
    });
    let files = ["issm4", "rdma_cm", "ucm4", "umad4", "uverbs4"].map(|name| format!("/dev/infiniband/{name}"));
    assert_eq!(nodes, same(&files.each_ref().map(String::as_str)));
    assert_eq!(info["rdma"]["rdma_dev"], "mlx5_3");
    assert_eq!(info["rdma"]["uverbs"], "/dev/infiniband/uverbs4");
}

#[test]
fn d21_vdpa_gives_the_file_of_vhost() {
    let (nodes, info) = allocate(&json!({"vdpaType": "vhost"}), |_, tree| {
        tree.add_vhost_vdpa(VF, "vdpa0", 5);
    });
    assert_eq!(nodes, same(&["/dev/vhost-vdpa-5"]));
    assert_eq!(info["vdpa"], json!({"mount": "/dev/vhost-vdpa-5"}));
}

#[test]
fn d21_vhost_net_comes_with_tun() {
    let (nodes, info) = allocate(&json!({"needVhostNet": true, "drivers": ["igbvf"]}), |site, _| {
        fs::create_dir_all(site.dev_root().join("net")).unwrap();
        fs::write(site.dev_root().join("net/tun"), "").unwrap();
        fs::write(site.dev_root().join("vhost-net"), "").unwrap();
    });
    assert_eq!(nodes, same(&["/dev/net/tun", "/dev/vhost-net"]));
    assert_eq!(
        info["vhost"],
        json!({"net-mount": "/dev/vhost-net", "tun-mount": "/dev/net/tun"})
    );
}

#[test]
fn files_of_rdma_that_come_after_the_list_are_in_the_next_answer() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    // The RDMA device is there, and the module that makes its files is not.
    fs::create_dir_all(tree.device(VF).join("infiniband/mlx5_3")).unwrap();
    let config =
        json!({"resourceList": [{"resourceName": "vfs", "selectors": {"isRdma": true, "drivers": ["igbvf"]}}]});
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start(&config, tree.root());
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
        .unwrap();
    let allocate = || {
        let mut answer = kubelet.allocate(RESOURCE, &[&[VF]]).unwrap();
        let response = answer.container_responses.remove(0);
        response
            .devices
            .into_iter()
            .map(|node| node.host_path)
            .collect::<Vec<_>>()
    };
    assert_eq!(allocate(), [""; 0]);
    tree.add_rdma(VF, "mlx5_3", 4);
    let files = ["issm4", "rdma_cm", "ucm4", "umad4", "uverbs4"].map(|name| format!("/dev/infiniband/{name}"));
    assert_eq!(allocate(), files);
}
