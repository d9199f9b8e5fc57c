//! The device information that Multus reads.

use std::fs;
use std::path::{Path, PathBuf};

use hardwire_tests::node::{Igb, Pod};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

use super::conf;

fn info_file(plugin: &Plugin) -> PathBuf {
    plugin.directory().join("devinfo/cni/default-net-a-c_net1")
}

fn read_info(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("device-info");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn c69_device_info_is_written_where_there_is_none_and_left_by_del() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c69"), Plugin::new());
    let file = info_file(&plugin);
    let conf = conf(&igb, 0, &json!({"runtimeConfig": {"CNIDeviceInfoFile": file}}));
    plugin.add(&pod, &conf);
    let info = read_info(&file);
    assert_eq!(
        info,
        json!({"type": "pci", "version": "1.1.0",
               "pci": {"pci-address": igb.vf_address(0), "pf-pci-address": igb.address}})
    );
    plugin.del(&pod, &conf);
    assert_eq!(read_info(&file), info);
}

#[test]
fn c69_device_info_that_is_there_stays_valid_and_keeps_what_it_says() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c69k"), Plugin::new());
    let file = info_file(&plugin);
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let given = json!({"type": "pci", "version": "1.1.0", "pci": {"pci-address": igb.vf_address(0),
                       "pf-pci-address": igb.address, "rdma-device": "mlx5_2"}});
    fs::write(&file, given.to_string()).expect("device-info");
    let conf = conf(&igb, 0, &json!({"runtimeConfig": {"CNIDeviceInfoFile": file}}));
    plugin.add(&pod, &conf);
    assert_eq!(read_info(&file), given);
    plugin.del(&pod, &conf);
    assert_eq!(read_info(&file), given);
}

#[test]
fn c69_a_failed_add_leaves_no_device_info() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c69f"), Plugin::new());
    let file = info_file(&plugin);
    let conf = conf(
        &igb,
        0,
        &json!({"runtimeConfig": {"CNIDeviceInfoFile": file}, "ipam": {"type": "nosuch"}}),
    );
    plugin.call("ADD", &pod, &conf).error();
    assert!(!file.exists());
}

#[test]
fn c69_a_user_space_vf_has_device_info_too() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c69v"), Plugin::new());
    let _bound = igb.bind_vfio(5);
    let file = info_file(&plugin);
    let conf = conf(&igb, 5, &json!({"runtimeConfig": {"CNIDeviceInfoFile": file}}));
    plugin.add(&pod, &conf);
    assert_eq!(read_info(&file)["pci"]["pci-address"], igb.vf_address(5));
    plugin.del(&pod, &conf);
}
