//! What is read only on request, and what is kept of what was read before.

use std::fs;
use std::path::Path;

use super::*;

const PF: &str = "0000:01:00.0";

fn write(file: &Path, content: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, format!("{content}\n")).unwrap();
}

fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    let device = tree.path().join("bus/pci/devices").join(PF);
    for (file, content) in [
        ("vendor", "0x8086"),
        ("device", "0x10c9"),
        ("class", "0x020000"),
        ("net/eth0/ifindex", "1000000"),
        ("net/eth0/mtu", "1500"),
        ("net/eth0/type", "1"),
        ("net/eth0/speed", "25000"),
        ("mlx5_core.rdma.0/uevent", ""),
    ] {
        write(&device.join(file), content);
    }
    tree
}

fn asked(details: &[Detail]) -> Asked {
    details.iter().copied().collect()
}

#[test]
fn nothing_is_read_that_nobody_asks_for() {
    let tree = tree();
    let sysfs = Sysfs::at(tree.path());
    let inventory = Inventory::read(&sysfs);
    let of_pf = |details: &[Detail]| {
        read(&sysfs, &inventory, &asked(details), &BTreeMap::new())
            .into_values()
            .next()
    };
    assert_eq!(of_pf(&[]), None);
    let speed = of_pf(&[Detail::Speed]).unwrap();
    assert_eq!((speed.speed, speed.rdma), (Some(25000), false));
    let rdma = of_pf(&[Detail::Rdma]).unwrap();
    assert_eq!((rdma.speed, rdma.rdma), (None, true));
}

#[test]
fn a_link_that_goes_down_keeps_its_speed() {
    let tree = tree();
    let sysfs = Sysfs::at(tree.path());
    let inventory = Inventory::read(&sysfs);
    let of_pf = |before: &BTreeMap<DeviceId, Details>| read(&sysfs, &inventory, &asked(&[Detail::Speed]), before);
    let up = of_pf(&BTreeMap::new());
    let file = tree.path().join("bus/pci/devices").join(PF).join("net/eth0/speed");
    write(&file, "-1");
    assert_eq!(of_pf(&up), up);
    assert_eq!(of_pf(&BTreeMap::new()).into_values().next().unwrap().speed, None);
    write(&file, "10000");
    assert_eq!(of_pf(&up).into_values().next().unwrap().speed, Some(10000));
}
