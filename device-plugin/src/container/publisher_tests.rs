//! When documents come and go.

use hardwire_pci::Device;
use serde_json::json;

use super::*;
use crate::config::{Needs, Pool};
use crate::container::tests_tree::{Tree, pool, vf};
use crate::pools::offer::Offer;

const A: &str = "0000:3b:02.6";
const B: &str = "0000:3b:02.7";
const SPEC: &str = "hardwire_intel.com_x_net-pci.json";

fn file(id: &str) -> String {
    format!("intel.com-x-{id}-device.json")
}

fn offer(tree: &Tree, pool: &Pool, ids: &[&str]) -> Offer {
    let devices: Vec<Device> = ids.iter().map(|id| vf(id, "vfio-pci")).collect();
    tree.offer(pool, &devices.iter().collect::<Vec<_>>(), Needs::default())
}

#[tokio::test]
async fn documents_follow_the_offer() {
    let (tree, pool) = (Tree::new(true), pool(&json!({})));
    let publisher = tree.publisher();
    let both = offer(&tree, &pool, &[A, B]);
    publisher.publish(&pool.resource, None, &both).await;
    assert_eq!(tree.names("devinfo"), [file(A), file(B)]);
    assert_eq!(tree.names("cdi"), [SPEC]);
    assert!(both.documents().all(Document::is_there));

    let one = offer(&tree, &pool, &[B]);
    publisher.publish(&pool.resource, Some(&both), &one).await;
    assert_eq!(tree.names("devinfo"), [file(B)]);
    assert!(one.documents().all(Document::is_there));

    publisher.withdraw(&pool.resource);
    assert_eq!(tree.names("devinfo"), [""; 0]);
    assert_eq!(tree.names("cdi"), [""; 0]);
    assert_eq!(tree.names("state/published"), [""; 0]);
}

#[tokio::test]
async fn a_new_process_keeps_what_is_right_and_replaces_the_rest() {
    let (tree, pool) = (Tree::new(true), pool(&json!({})));
    let publisher = tree.publisher();
    let before = offer(&tree, &pool, &[A, B]);
    publisher.publish(&pool.resource, None, &before).await;
    let inode = |name: &str| {
        let metadata = fs::metadata(tree.path("devinfo").join(name)).unwrap();
        std::os::unix::fs::MetadataExt::ino(&metadata)
    };
    let kept = inode(&file(A));
    tree.file("cdi/sriov-dp-intel.com-net-pci-x.yaml", "the replaced plugin's, killed");
    tree.file("cdi/other.json", "somebody's");
    fs::remove_file(tree.path("devinfo").join(file(B))).unwrap();
    tree.file(&format!("devinfo/{}", file(B)), "half a docum");
    publisher.sweep([&pool.resource]);
    publisher
        .publish(&pool.resource, None, &offer(&tree, &pool, &[A, B]))
        .await;
    assert_eq!(inode(&file(A)), kept);
    assert_eq!(tree.names("cdi"), [SPEC, "other.json"]);
    assert!(before.documents().all(Document::is_there));
    publisher
        .publish(&pool.resource, None, &offer(&tree, &pool, &[A]))
        .await;
    assert_eq!(tree.names("devinfo"), [file(A)]);
}

#[tokio::test]
async fn a_group_with_another_number_is_another_spec() {
    let (tree, pool) = (Tree::new(true), pool(&json!({})));
    let before = offer(&tree, &pool, &[A]);
    tree.publisher().publish(&pool.resource, None, &before).await;
    let moved = Device {
        iommu_group: Some(7),
        ..vf(A, "vfio-pci")
    };
    let after = tree.offer(&pool, &[&moved], Needs::default());
    tree.publisher().publish(&pool.resource, Some(&before), &after).await;
    let spec = fs::read_to_string(tree.path("cdi").join(SPEC)).unwrap();
    assert!(spec.contains("/dev/vfio/7\""), "{spec}");
}

#[tokio::test]
async fn a_pool_that_is_configured_no_more_is_swept() {
    let tree = Tree::new(true);
    let gone = pool(&json!({}));
    // Alike up to the hyphen, and not to be mistaken for it.
    let alike = pool(&json!({"resourceName": "x-y"}));
    for pool in [&gone, &alike] {
        let offer = offer(&tree, pool, &[A]);
        tree.publisher().publish(&pool.resource, None, &offer).await;
    }
    tree.file("devinfo/other.com-x-0000:3b:02.6-device.json", "another plugin's");
    tree.file("devinfo/.hardwired-abc", "unfinished");
    tree.publisher().sweep([&alike.resource]);
    assert_eq!(
        tree.names("devinfo"),
        [
            "intel.com-x-y-0000:3b:02.6-device.json",
            "other.com-x-0000:3b:02.6-device.json"
        ]
    );
    assert_eq!(tree.names("cdi"), ["hardwire_intel.com_x-y_net-pci.json"]);
}
