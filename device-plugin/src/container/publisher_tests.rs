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
const KEPT: &str = "hardwire_intel.com_net-pci.json";

fn file(id: &str) -> String {
    format!("intel.com-x-{id}-device.json")
}

impl Offer {
    fn all_there(&self) -> bool {
        let specs = self.cdi.iter().map(|cdi| &cdi.spec);
        specs.chain(self.device_infos()).all(Document::is_there)
    }
}

/// What is kept of devices that nobody has goes.
async fn release(publisher: &Publisher, held: &[&str]) {
    if let Some(task) = publisher.release(|id| held.contains(&id)) {
        task.await.unwrap();
    }
}

/// The devices that a spec describes, and the names of their pool in the variables of those without nodes.
fn described(tree: &Tree, file: &str) -> Vec<String> {
    let text = fs::read_to_string(tree.path("cdi").join(file)).unwrap_or_default();
    spec_file::in_text(&text, "intel.com/net-pci").into_keys().collect()
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
    publisher.publish(&pool.resource, None, &both);
    assert_eq!(tree.names("devinfo"), [file(A), file(B)]);
    assert_eq!(tree.names("cdi"), [SPEC]);
    assert!(both.all_there());

    let one = offer(&tree, &pool, &[B]);
    publisher.publish(&pool.resource, Some(&both), &one);
    release(publisher, &[]).await;
    assert_eq!(tree.names("devinfo"), [file(B)]);
    assert_eq!(tree.names("cdi"), [SPEC]);
    assert!(one.all_there());

    publisher.withdraw(&pool.resource);
    release(publisher, &[]).await;
    assert_eq!(tree.names("devinfo"), [""; 0]);
    assert_eq!(tree.names("cdi"), [""; 0]);
    assert_eq!(tree.names("state/published"), [""; 0]);
}

#[tokio::test]
async fn a_new_process_keeps_what_is_right_and_replaces_the_rest() {
    let (tree, pool) = (Tree::new(true), pool(&json!({})));
    let publisher = tree.publisher();
    let before = offer(&tree, &pool, &[A, B]);
    publisher.publish(&pool.resource, None, &before);
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
    publisher.publish(&pool.resource, None, &offer(&tree, &pool, &[A, B]));
    assert_eq!(inode(&file(A)), kept);
    assert_eq!(tree.names("cdi"), [SPEC, "other.json"]);
    assert!(before.all_there());
    publisher.publish(&pool.resource, None, &offer(&tree, &pool, &[A]));
    release(publisher, &[]).await;
    assert_eq!(tree.names("devinfo"), [file(A)]);
    assert_eq!(described(&tree, SPEC), [A]);
}

#[tokio::test]
async fn a_group_with_another_number_is_another_spec() {
    let (tree, pool) = (Tree::new(true), pool(&json!({})));
    let before = offer(&tree, &pool, &[A]);
    tree.publisher().publish(&pool.resource, None, &before);
    let moved = Device {
        iommu_group: Some(7),
        ..vf(A, "vfio-pci")
    };
    let after = tree.offer(&pool, &[&moved], Needs::default());
    tree.publisher().publish(&pool.resource, Some(&before), &after);
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
        tree.publisher().publish(&pool.resource, None, &offer);
    }
    tree.file("devinfo/other.com-x-0000:3b:02.6-device.json", "another plugin's");
    tree.file("devinfo/.hardwired-abc", "unfinished");
    tree.publisher().sweep([&alike.resource]);
    release(tree.publisher(), &[]).await;
    assert_eq!(
        tree.names("devinfo"),
        [
            "intel.com-x-y-0000:3b:02.6-device.json",
            "other.com-x-0000:3b:02.6-device.json"
        ]
    );
    assert_eq!(tree.names("cdi"), ["hardwire_intel.com_x-y_net-pci.json"]);
}

#[tokio::test]
async fn without_devices_there_is_no_spec() {
    let (tree, pool) = (Tree::new(true), pool(&json!({})));
    let publisher = tree.publisher();
    let (none, some) = (offer(&tree, &pool, &[]), offer(&tree, &pool, &[A]));
    publisher.publish(&pool.resource, None, &none);
    assert_eq!(tree.names("cdi"), [""; 0]);
    publisher.publish(&pool.resource, Some(&none), &some);
    assert_eq!(tree.names("cdi"), [SPEC]);
    publisher.publish(&pool.resource, Some(&some), &none);
    release(publisher, &[]).await;
    assert_eq!(tree.names("cdi"), [""; 0], "the last device left");
}

#[tokio::test]
async fn what_somebody_has_outlives_its_place_in_the_pool() {
    let (tree, pool) = (Tree::new(true), pool(&json!({})));
    let publisher = tree.publisher();
    let (both, none) = (offer(&tree, &pool, &[A, B]), offer(&tree, &pool, &[]));
    publisher.publish(&pool.resource, None, &both);
    publisher.publish(&pool.resource, Some(&both), &none);
    release(publisher, &[A]).await;
    assert_eq!(tree.names("cdi"), [KEPT]);
    assert_eq!(described(&tree, KEPT), [A]);
    assert_eq!(tree.names("devinfo"), [file(A)]);
    assert!(publisher.kept_devices().contains(A));
    release(publisher, &[]).await;
    assert_eq!(tree.names("cdi"), [""; 0]);
    assert_eq!(tree.names("devinfo"), [""; 0]);
    assert!(publisher.kept_devices().is_empty());
}

#[tokio::test]
async fn a_kept_spec_that_cannot_be_read_is_left_as_it_is() {
    let (tree, pool) = (Tree::new(true), pool(&json!({})));
    let publisher = tree.publisher();
    let (both, none) = (offer(&tree, &pool, &[A, B]), offer(&tree, &pool, &[]));
    publisher.publish(&pool.resource, None, &both);
    publisher.publish(&pool.resource, Some(&both), &none);
    release(publisher, &[A]).await;
    // Beyond what is read of any.
    let kept = fs::OpenOptions::new().write(true).open(tree.path("cdi").join(KEPT));
    kept.unwrap().set_len(17 << 20).unwrap();
    release(publisher, &[]).await;
    assert_eq!(tree.names("cdi"), [KEPT]);
    assert_eq!(fs::metadata(tree.path("cdi").join(KEPT)).unwrap().len(), 17 << 20);
}

#[tokio::test]
async fn what_somebody_has_outlives_its_pool_under_whatever_name_and_is_described_once() {
    let (tree, old) = (Tree::new(true), pool(&json!({})));
    let publisher = tree.publisher();
    publisher.publish(&old.resource, None, &offer(&tree, &old, &[A, B]));
    let before = fs::read_to_string(tree.path("cdi").join(SPEC)).unwrap();
    publisher.withdraw(&old.resource);
    release(publisher, &[A]).await;
    assert_eq!(described(&tree, KEPT), [A]);
    let kept = fs::read_to_string(tree.path("cdi").join(KEPT)).unwrap();
    let edits = |text: &str| spec_file::in_text(text, "intel.com/net-pci")[A].clone();
    assert_eq!(edits(&kept), edits(&before), "the same as before");
    // Its new pool calls it the same, and describes it from now on.
    let new = pool(&json!({"resourceName": "y"}));
    let renamed = "hardwire_intel.com_y_net-pci.json";
    let of_new = offer(&tree, &new, &[A]);
    publisher.publish(&new.resource, None, &of_new);
    assert_eq!(tree.names("cdi"), [renamed]);
    assert_eq!(described(&tree, renamed), [A]);
    // It leaves that one as well.
    publisher.publish(&new.resource, Some(&of_new), &offer(&tree, &new, &[B]));
    release(publisher, &[A]).await;
    assert_eq!(tree.names("cdi"), [KEPT, renamed]);
    assert_eq!(
        (described(&tree, KEPT), described(&tree, renamed)),
        (vec![A.to_owned()], vec![B.to_owned()])
    );
    assert_eq!(tree.names("devinfo").len(), 3, "of the old pool and of the new one");
    release(publisher, &[]).await;
    assert_eq!(tree.names("cdi"), [renamed]);
    assert_eq!(tree.names("devinfo").len(), 1);
    assert_eq!(tree.names("state/published"), ["intel.com_y"]);
}

#[tokio::test]
async fn another_process_keeps_what_is_held_and_not_longer() {
    let (tree, old) = (Tree::new(true), pool(&json!({})));
    let earlier = tree.publisher();
    earlier.publish(&old.resource, None, &offer(&tree, &old, &[A, B]));
    let none: [&ResourceName; 0] = [];
    for _restart in 0..2 {
        let ours = tree.another_publisher();
        ours.sweep(none);
        ours.kept().await;
        release(&ours, &[B]).await;
        assert_eq!(
            (tree.names("cdi"), tree.names("devinfo")),
            (vec![KEPT.to_owned()], vec![file(B)])
        );
    }
    let ours = tree.another_publisher();
    ours.sweep(none);
    release(&ours, &[]).await;
    assert_eq!(tree.names("cdi"), [""; 0]);
    assert_eq!(tree.names("devinfo"), [""; 0]);
    assert_eq!(tree.names("state/published"), [""; 0]);
}

#[tokio::test]
async fn a_pool_that_comes_back_has_its_documents_again() {
    let (tree, pool) = (Tree::new(true), pool(&json!({})));
    let publisher = tree.publisher();
    let both = offer(&tree, &pool, &[A, B]);
    publisher.publish(&pool.resource, None, &both);
    publisher.withdraw(&pool.resource);
    publisher.publish(&pool.resource, None, &both);
    assert!(publisher.kept_devices().is_empty());
    assert_eq!(tree.names("cdi"), [SPEC]);
    release(publisher, &[]).await;
    assert!(both.all_there());
    assert_eq!(tree.names("state/published"), ["intel.com_x"]);
}

#[tokio::test]
async fn cdi_turned_off_leaves_what_pods_have() {
    let (tree, pool) = (Tree::new(true), pool(&json!({})));
    tree.publisher()
        .publish(&pool.resource, None, &offer(&tree, &pool, &[A, B]));
    let without = Tree::new(false);
    let off = tree.another_publisher();
    off.publish(&pool.resource, None, &offer(&without, &pool, &[A, B]));
    release(&off, &[A]).await;
    assert_eq!(described(&tree, KEPT), [A]);
    release(&off, &[]).await;
    assert_eq!(tree.names("cdi"), [""; 0]);
}

#[test]
fn names_of_devices_are_read_back() {
    for id in [
        "0000:3b:02.6",
        "0000:3b:02.6/p1",
        "netdevsim10/pf0vf1",
        "mlx5_core.sf.4",
    ] {
        let name = id.replace('/', "_");
        assert_eq!(cdi::id(&name), id);
    }
}
