//! A device that the kubelet gives to another pod while the journal has it: its owner has ended, and the record says so.

use hardwire_cni::journal::{Ending, Journal, Owner, PodName, Record};
use hardwire_cni::netns::Netns;

use super::*;

/// The attachment of a pod that lives: its namespace is ours.
pub(super) fn attached(device: &str, pod: Option<(&str, &str)>) -> Record {
    let own = Netns::own().and_then(Netns::enter).unwrap();
    let record = hardwire_tests::records::attached(device);
    Record {
        owner: Owner {
            netns_path: "/proc/self/ns/net".into(),
            netns: own.identity,
            ..record.owner
        },
        pod: pod.map(|(namespace, name)| PodName {
            namespace: namespace.into(),
            name: name.into(),
            uid: None,
        }),
        ..record
    }
}

fn ending(journal: &Journal, record: &Record) -> Option<Ending> {
    journal.get(&record.device).unwrap().unwrap().ending
}

#[test]
fn an_allocate_of_an_attached_device_says_that_its_owner_has_ended() {
    let mut running = Running::registered(1);
    let journal = Journal::at(&running.site.state_dir());
    let device = "0000:01:10.0";
    // Of the same name, as the pods of a StatefulSet are one after the other.
    let record = attached(device, Some(("red", "a")));
    journal.put(&record).unwrap();
    assert_eq!(ending(&journal, &record), None);
    let mut allocated = running.kubelet.admit("red/a", "main", RESOURCE, 1).unwrap().devices;
    assert_eq!(allocated.pop().as_deref(), Some(device));
    let line = running.daemon.wait_for_log("its owner has ended", SOON);
    assert!(line.contains(device), "{line}");
    assert_eq!(ending(&journal, &record), Some(Ending::GivenAway));
}

#[test]
fn podresources_that_name_another_pod_say_it_too_and_those_of_its_own_do_not() {
    let mut running = Running::registered(2);
    let journal = Journal::at(&running.site.state_dir());
    let first = running.kubelet.admit("red/a", "main", RESOURCE, 1).unwrap().devices;
    let second = running.kubelet.admit("blue/b", "main", RESOURCE, 1).unwrap().devices;
    // Attached while no daemon was there to hear of an Allocate.
    let other = attached(&first[0], Some(("red", "before-a")));
    let own = attached(&second[0], Some(("blue", "b")));
    drop(std::mem::replace(
        &mut running.daemon,
        running
            .site
            .start_elsewhere(&json!({"resourceList": null}), running.tree.root()),
    ));
    journal.put(&other).unwrap();
    journal.put(&own).unwrap();
    running.daemon = running.site.start(&one_pool(), running.tree.root());
    let line = running.daemon.wait_for_log("its owner has ended", SOON);
    assert!(line.contains("red/a") && line.contains(&first[0]), "{line}");
    assert_eq!(ending(&journal, &other), Some(Ending::GivenAway));
    assert_eq!(ending(&journal, &own), None);
}
