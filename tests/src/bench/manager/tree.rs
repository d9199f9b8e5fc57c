//! The synthetic node.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::node::{run, succeeds};

const PFS: usize = 8;
const VFS_OF_A_PF: usize = 128;
/// Interfaces of the tree are no interfaces of this machine.
const FIRST_INDEX: usize = 1_000_000;

/// All VFs.
pub(super) const VFS: usize = PFS * VFS_OF_A_PF;
/// The one pool.
pub(super) const RESOURCE: &str = "intel.com/vfs";

/// Builds what stands for /sys. The PFs' interfaces exist in this network namespace too: the peer asks netlink for them.
pub(super) fn build(root: &Path) {
    for pf in 0..PFS {
        let (address, netdev) = (format!("0000:{:02x}:00.0", 0x10 + pf), format!("hwpf{pf}"));
        function(root, &address, "10c9", "igb", pf);
        let directory = device(root, &address);
        put(&directory.join("sriov_totalvfs"), &VFS_OF_A_PF);
        put(&directory.join("sriov_numvfs"), &VFS_OF_A_PF);
        let net = directory.join("net").join(&netdev);
        for (file, value) in [
            ("ifindex", (FIRST_INDEX + pf).to_string()),
            ("mtu", "1500".to_owned()),
            ("type", "1".to_owned()),
        ] {
            put(&net.join(file), &value);
        }
        put(&net.join("address"), &format!("02:00:00:00:00:{pf:02x}"));
        if !succeeds(&["ip", "link", "show", &netdev]) {
            run(&[
                "ip",
                "link",
                "add",
                &netdev,
                "type",
                "veth",
                "peer",
                "name",
                &format!("{netdev}p"),
            ]);
        }
        for vf in 0..VFS_OF_A_PF {
            let address_of_vf = format!("0000:{:02x}:{:02x}.{}", 0x10 + pf, 1 + vf / 8, vf % 8);
            function(root, &address_of_vf, "10ca", "vfio-pci", pf * VFS_OF_A_PF + vf);
            let own = device(root, &address_of_vf);
            link(&format!("../{address}"), &own.join("physfn"));
            link(&format!("../{address_of_vf}"), &directory.join(format!("virtfn{vf}")));
        }
    }
}

/// The configuration for both programs.
pub(super) fn config(directory: &Path) -> PathBuf {
    let path = directory.join("config.json");
    let pool = json!({"resourceName": "vfs", "selectors": {"vendors": ["8086"], "devices": ["10ca"], "drivers": ["vfio-pci"]}});
    put(&path, &json!({"resourceList": [pool]}));
    path
}

fn function(root: &Path, address: &str, id: &str, driver: &str, group: usize) {
    let directory = device(root, address);
    let upper = id.to_uppercase();
    let attributes = [
        ("vendor", "0x8086".to_owned()),
        ("device", format!("0x{id}")),
        ("class", "0x020000".to_owned()),
        ("revision", "0x01".to_owned()),
        ("numa_node", "0".to_owned()),
        (
            "modalias",
            format!("pci:v00008086d0000{upper}sv00008086sd0000A03Cbc02sc00i00"),
        ),
    ];
    for (file, value) in attributes {
        put(&directory.join(file), &value);
    }
    link(&format!("../../drivers/{driver}"), &directory.join("driver"));
    fs::create_dir_all(root.join("bus/pci/drivers").join(driver)).expect("a directory");
    let group_directory = root.join(format!("kernel/iommu_groups/{group}"));
    fs::create_dir_all(&group_directory).expect("a directory");
    link(
        &format!("../../../../kernel/iommu_groups/{group}"),
        &directory.join("iommu_group"),
    );
}

fn device(root: &Path, address: &str) -> PathBuf {
    root.join("bus/pci/devices").join(address)
}

fn put(path: &Path, value: &impl ToString) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, format!("{}\n", value.to_string())).expect("a file");
}

fn link(target: &str, at: &Path) {
    symlink(target, at).expect("a link");
}
