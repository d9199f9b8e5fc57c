//! What the witnesses say, and what the ledger makes of it.

use std::path::PathBuf;

use hardwire_proto::podresources as api;

use super::allocations::UNCONFIRMED;
use super::*;

const RESOURCE: &str = "intel.com/pool";

fn id() -> DeviceId {
    "0000:01:10.0".parse().unwrap()
}

fn held_as(resource: &str) -> Held {
    let devices = api::ContainerDevices {
        resource_name: resource.to_owned(),
        device_ids: vec![id().to_string()],
        ..Default::default()
    };
    let container = api::ContainerResources {
        name: "app".to_owned(),
        devices: vec![devices],
        ..Default::default()
    };
    api::ListPodResourcesResponse {
        pod_resources: vec![api::PodResources {
            name: "pod".to_owned(),
            namespace: "tenant".to_owned(),
            containers: vec![container],
            ..Default::default()
        }],
    }
    .into()
}

fn attached() -> Attachments {
    Attachments {
        by_device: [(id(), Attachment::Living)].into(),
        unheard: None,
    }
}

fn unheard() -> PodResourcesError {
    PodResourcesError::TooLate(PathBuf::from("/kubelet.sock"))
}

fn timeless<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(test)
}

#[test]
fn rule_7_what_no_witness_can_be_heard_of_is_never_free() {
    let now = Instant::now();
    let mut ledger = Ledger::new(Attachments::default(), now);
    assert!(matches!(ledger.owner(&id(), false), Ownership::Unknown(_)));
    assert!(ledger.take(now), "it asks by itself");
    ledger.on_podresources(Ok(Held::default()), now);
    assert_eq!(ledger.owner(&id(), false), Ownership::Free);
    ledger.on_podresources(Err(unheard()), now);
    let Ownership::Unknown(because) = ledger.owner(&id(), false) else {
        panic!("free without the kubelet's word");
    };
    assert!(because.contains("/kubelet.sock"), "{because}");
}

#[test]
fn rule_7_each_witness_is_enough() {
    let now = Instant::now();
    let mut ledger = Ledger::new(Attachments::default(), now);
    ledger.on_podresources(Ok(Held::default()), now);
    let is_held = |ledger: &Ledger| ledger.owner(&id(), false).holding().is_some();
    assert!(!is_held(&ledger));
    assert!(
        ledger
            .owner(&id(), true)
            .holding()
            .is_some_and(|holding| holding.is_away)
    );
    ledger.on_podresources(Ok(held_as("other.io/plugin")), now);
    assert!(is_held(&ledger), "under whatever resource");
    ledger.on_podresources(Ok(Held::default()), now);
    ledger.on_attachments(attached(), now);
    assert!(is_held(&ledger));
    assert_eq!(ledger.on_attachments(Attachments::default(), now), [id()]);
    assert!(!is_held(&ledger));
    ledger.allocations().note(RESOURCE, [id().to_string().as_str()]);
    assert!(ledger.owner(&id(), false).is_only_allocated());
}

#[test]
fn rule_7_an_allocation_that_no_pod_accounts_for_is_over_on_a_node_without_pfs_too() {
    timeless(async {
        let mut ledger = Ledger::new(Attachments::default(), Instant::now());
        assert!(ledger.take(Instant::now()));
        ledger.on_podresources(Ok(Held::default()), Instant::now());
        assert_eq!(ledger.due(), None);
        ledger.allocations().note(RESOURCE, [id().to_string().as_str()]);
        ledger.on_allocate(Instant::now());
        // Soon, when the kubelet has booked it, and once more when it should have.
        for pause in [BOOKED, UNCONFIRMED.saturating_sub(BOOKED)] {
            assert!(ledger.owner(&id(), false).is_only_allocated());
            tokio::time::advance(pause).await;
            assert!(ledger.due().is_some_and(|due| due <= Instant::now()));
            assert!(ledger.take(Instant::now()));
            assert_eq!(ledger.due(), None, "the loop sleeps until the answer comes");
            ledger.on_podresources(Ok(Held::default()), Instant::now());
        }
        assert_eq!(ledger.owner(&id(), false), Ownership::Free);
        assert_eq!(ledger.due(), None, "nothing is outstanding");
    });
}

#[test]
fn rule_7_without_the_kubelet_an_allocation_ends_as_not_known() {
    timeless(async {
        let mut ledger = Ledger::new(Attachments::default(), Instant::now());
        ledger.allocations().note(RESOURCE, [id().to_string().as_str()]);
        tokio::time::advance(UNCONFIRMED).await;
        assert!(ledger.take(Instant::now()));
        ledger.on_podresources(Err(unheard()), Instant::now());
        assert!(matches!(ledger.owner(&id(), false), Ownership::Unknown(_)));
    });
}

#[test]
fn rule_6_a_device_stays_its_holders_under_the_name_it_was_given_out_as() {
    let now = Instant::now();
    let mut ledger = Ledger::new(attached(), now);
    let ownership = ledger.owner(&id(), false);
    assert_eq!(
        ownership.held_as_other("intel.com/new", false),
        None,
        "as what, nobody knows"
    );
    ledger.remember(&id(), &ownership, Some("intel.com/old"));
    let other = ledger
        .owner(&id(), false)
        .held_as_other("intel.com/new", false)
        .unwrap();
    assert_eq!(other.to_string(), "a pod has it as intel.com/old");
    ledger.on_podresources(Ok(held_as("intel.com/old")), now);
    let ownership = ledger.owner(&id(), false);
    assert_eq!(ownership.held_as_other("intel.com/old", false), None);
    let other = ownership.held_as_other("intel.com/new", false).unwrap();
    assert_eq!(other.to_string(), "tenant/pod has it as intel.com/old");
    // Given back, it is anybody's.
    ledger.on_podresources(Ok(Held::default()), now);
    ledger.on_attachments(Attachments::default(), now);
    let free = ledger.owner(&id(), false);
    ledger.remember(&id(), &free, Some("intel.com/new"));
    assert_eq!(free, Ownership::Free);
    ledger.on_attachments(attached(), now);
    assert_eq!(ledger.owner(&id(), false).held_as_other("intel.com/new", false), None);
}

#[test]
fn rule_7_a_journal_that_cannot_be_read_ends_no_attachment_and_frees_nothing() {
    let now = Instant::now();
    let mut ledger = Ledger::new(attached(), now);
    ledger.on_podresources(Ok(Held::default()), now);
    let unheard = Attachments {
        unheard: Some("/run/hardwire: Permission denied".to_owned()),
        ..Attachments::default()
    };
    assert!(ledger.on_attachments(unheard.clone(), now).is_empty());
    assert!(matches!(ledger.owner(&id(), false), Ownership::Unknown(because) if because.contains("denied")));
    assert!(ledger.on_attachments(unheard, now).is_empty());
    // It ended meanwhile.
    assert_eq!(ledger.on_attachments(Attachments::default(), now), [id()]);
    assert!(ledger.on_attachments(Attachments::default(), now).is_empty());
}

#[test]
fn rule_10_nothing_is_due_while_the_kubelet_takes_its_time_with_an_answer() {
    timeless(async {
        let mut ledger = Ledger::new(Attachments::default(), Instant::now());
        ledger.allocations().note(RESOURCE, [id().to_string().as_str()]);
        tokio::time::advance(UNCONFIRMED).await;
        assert!(ledger.due().is_some_and(|due| due <= Instant::now()));
        assert!(ledger.take(Instant::now()));
        assert_eq!(ledger.due(), None, "it is being asked");
        // Somebody else wants to know later, and the next Allocate expires.
        ledger.on_allocate(Instant::now());
        assert!(!ledger.take(Instant::now()));
        assert_eq!(ledger.due(), None, "it is still being asked");
        ledger.on_podresources(Err(unheard()), Instant::now());
        assert_eq!(ledger.due(), Some(Instant::now() + BOOKED));
        ledger.allocations().note(RESOURCE, [id().to_string().as_str()]);
        tokio::time::advance(UNCONFIRMED).await;
        assert!(ledger.take(Instant::now()));
        ledger.lost(Instant::now());
        assert_eq!(ledger.due(), Some(Instant::now() + BOOKED), "not in a hurry");
    });
}
