//! What an Allocate finds that the offer had not.

use std::sync::Arc;

use hardwire_pci::{Device, DeviceId};
use serde_json::json;

use super::*;
use crate::config::Needs;
use crate::container::tests_tree::{Tree, pool};
use crate::pools::offer::Offer;

const A: &str = "0000:3b:02.6";
const B: &str = "0000:3b:02.7";
const RDMA: Needs = Needs {
    rdma: true,
    vhost_net: false,
    vdpa: None,
};
const VHOST_NET: Needs = Needs {
    rdma: false,
    vhost_net: true,
    vdpa: None,
};

/// A function with an RDMA device, as sysfs has it.
fn device(tree: &Tree, id: &str, rdma: &str) -> Device {
    let directory = format!("sys/bus/pci/devices/{id}");
    for (file, content) in [
        ("vendor", "0x15b3\n"),
        ("device", "0x101e\n"),
        ("class", "0x020000\n"),
        (&format!("infiniband/{rdma}/node_type"), "1\n"),
    ] {
        tree.file(&format!("{directory}/{file}"), content);
    }
    read_device(&tree.host_paths.sysfs, &id.parse::<DeviceId>().unwrap()).unwrap()
}

fn nodes(offer: &Offer, id: &str) -> Vec<String> {
    offer.devices[id]
        .given
        .nodes
        .iter()
        .map(|node| node.host.clone())
        .collect()
}

fn look(offer: &mut Arc<Offer>, ids: &[&str]) -> bool {
    let late = offer.late(ids.iter().copied());
    late.is_some_and(|late| Offer::complete(offer, &late.look()))
}

#[test]
fn files_of_rdma_that_came_later_are_found_for_the_devices_that_are_asked_about() {
    let tree = Tree::new(true);
    let devices = [device(&tree, A, "mlx5_2"), device(&tree, B, "mlx5_3")];
    let mut offer = Arc::new(tree.offer(&pool(&json!({})), &devices.each_ref(), RDMA));
    assert_eq!(nodes(&offer, A), [""; 0]);
    assert!(!look(&mut offer, &[A]), "there is nothing yet");

    tree.rdma("mlx5_2", 2);
    tree.rdma("mlx5_3", 3);
    assert!(look(&mut offer, &[B]));
    let files = ["issm3", "rdma_cm", "ucm3", "umad3", "uverbs3"].map(|name| format!("/dev/infiniband/{name}"));
    assert_eq!((nodes(&offer, A), nodes(&offer, B)), (Vec::new(), files.to_vec()));
    let spec = &offer.cdi.as_ref().unwrap().spec.content;
    assert!(spec.contains("/dev/infiniband/uverbs3"), "{spec}");
    assert!(
        offer.devices[B]
            .given
            .info
            .contains(r#""uverbs":"/dev/infiniband/uverbs3""#)
    );
    // What has all is not looked at again, and what an event would have led to is the same.
    assert!(offer.late([B]).is_none());
    assert!(look(&mut offer, &[A, B]));
    assert_eq!(*offer, tree.offer(&pool(&json!({})), &devices.each_ref(), RDMA));
}

#[test]
fn the_connection_manager_and_vhost_net_may_come_later_too() {
    let tree = Tree::new(false);
    let device = device(&tree, A, "mlx5_2");
    tree.rdma("mlx5_2", 2);
    std::fs::remove_dir(tree.path("sys/class/misc/rdma_cm")).unwrap();
    let mut offer = Arc::new(tree.offer(&pool(&json!({})), &[&device], RDMA));
    assert!(!nodes(&offer, A).contains(&"/dev/infiniband/rdma_cm".to_owned()));
    tree.file("sys/class/misc/rdma_cm/dev", "10:122");
    assert!(look(&mut offer, &[A]));
    assert!(nodes(&offer, A).contains(&"/dev/infiniband/rdma_cm".to_owned()));

    let mut offer = Arc::new(tree.offer(&pool(&json!({})), &[&device], VHOST_NET));
    assert_eq!(nodes(&offer, A), [""; 0]);
    tree.file("dev/vhost-net", "");
    tree.file("sys/class/misc/tun/dev", "10:200");
    assert!(look(&mut offer, &[A]));
    assert_eq!(nodes(&offer, A), ["/dev/net/tun", "/dev/vhost-net"]);
}

#[test]
fn nothing_is_read_where_nothing_is_missing_or_the_device_is_gone() {
    let tree = Tree::new(false);
    let device = device(&tree, A, "mlx5_2");
    let plain = tree.offer(&pool(&json!({})), &[&device], Needs::default());
    assert!(plain.late([A]).is_none());
    let mut offer = Arc::new(tree.offer(&pool(&json!({})), &[&device], RDMA));
    assert!(offer.late(["0000:3b:02.5"]).is_none(), "of another pool");
    tree.rdma("mlx5_2", 2);
    std::fs::remove_dir_all(tree.path("sys/bus")).unwrap();
    assert!(!look(&mut offer, &[A]));
}
