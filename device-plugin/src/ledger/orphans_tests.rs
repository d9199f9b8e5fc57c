//! Which attachments repair may end, and when.

use hardwire_proto::podresources as api;
use serde_json::json;

use super::*;

const GRACE: Duration = Duration::from_secs(10);

fn record(n: u32, ending: Option<&str>) -> Record {
    let record = json!({
        "version": Record::VERSION,
        "attempt": format!("attempt-{n}"),
        "device": format!("0000:01:10.{n}"),
        "owner": {"network": "net", "container_id": "c1", "ifname": "net1", "netns_path": "/run/netns/x",
                  "netns": {"cookie": 1, "device": 4, "inode": 5}},
        "step": "begun",
        "target": {"name": "net1", "mac": null, "mtu": null, "index": null},
        "link": null, "vf": null, "ipam": null,
        "ending": ending,
        "pod": {"namespace": "tenant", "name": "pod"},
    });
    serde_json::from_value(record).unwrap()
}

fn held_by(pod: &str) -> Held {
    let devices = api::ContainerDevices {
        resource_name: "other.io/plugin".to_owned(),
        device_ids: vec!["0000:01:10.1".to_owned()],
        ..Default::default()
    };
    let container = api::ContainerResources {
        devices: vec![devices],
        ..Default::default()
    };
    let pod = api::PodResources {
        name: pod.to_owned(),
        namespace: "tenant".to_owned(),
        containers: vec![container],
        ..Default::default()
    };
    api::ListPodResourcesResponse {
        pod_resources: vec![pod],
    }
    .into()
}

#[test]
fn rule_2_the_kubelets_word_is_a_veto_unless_it_has_given_the_device_away() {
    let record_1 = record(1, None);
    assert!(veto(&record_1, &held_by("pod")).is_some());
    assert!(veto(&record_1, &held_by("another")).is_none());
    assert!(veto(&record_1, &Held::default()).is_none());
    assert!(veto(&record(2, None), &held_by("pod")).is_none());
    // To a pod of the same name, as a StatefulSet makes.
    assert!(veto(&record(1, Some("given-away")), &held_by("pod")).is_none());
    let unnamed = Record { pod: None, ..record_1 };
    assert!(
        veto(&unnamed, &held_by("another")).is_some(),
        "whose it is, nobody knows"
    );
}

#[test]
fn a_repair_that_does_not_end_keeps_no_other_and_one_that_failed_is_tried_again() {
    let begin = Instant::now();
    let at = |seconds| begin + Duration::from_secs(seconds);
    let mut orphans = Orphans::default();
    let due = |orphans: &mut Orphans, records: &[(Record, bool)], now| {
        let (due, next) = orphans.due(records, GRACE, now);
        (due.into_iter().map(|record| record.attempt).collect::<Vec<_>>(), next)
    };
    let mut records = vec![(record(1, None), true), (record(3, None), false)];
    assert_eq!(due(&mut orphans, &records, at(0)), (vec![], Some(at(10))));
    assert_eq!(due(&mut orphans, &records, at(10)).0, ["attempt-1"]);
    orphans.begins(&records[0].0);
    records.push((record(2, Some("del")), false));
    assert_eq!(due(&mut orphans, &records, at(11)).0, [""; 0]);
    assert_eq!(
        due(&mut orphans, &records, at(21)).0,
        ["attempt-2"],
        "the first one hangs"
    );
    orphans.ended("attempt-1", false, at(22));
    orphans.begins(&records[2].0);
    assert_eq!(due(&mut orphans, &records, at(23)).0, [""; 0]);
    assert_eq!(due(&mut orphans, &records, at(82)).0, ["attempt-1"]);
    orphans.ended("attempt-1", false, at(83));
    orphans.on_return();
    assert_eq!(due(&mut orphans, &records, at(84)).0, ["attempt-1"], "it came back");
}

#[test]
fn repairs_at_once_are_bounded() {
    let records: Vec<(Record, bool)> = (0..40).map(|n| (record(n % 8, None), true)).collect();
    let records: Vec<(Record, bool)> = records
        .into_iter()
        .enumerate()
        .map(|(n, (record, lost))| {
            let attempt = format!("attempt-{n}");
            (Record { attempt, ..record }, lost)
        })
        .collect();
    let mut orphans = Orphans::default();
    let now = Instant::now();
    let (due, _) = orphans.due(&records, Duration::ZERO, now);
    assert_eq!(
        (due.len(), orphans.room()),
        (40, AT_ONCE),
        "which of them are vetoed, is asked before any has its turn"
    );
    for record in due.iter().take(AT_ONCE) {
        orphans.begins(record);
    }
    assert_eq!(orphans.room(), 0);
    orphans.ended("attempt-0", true, now);
    assert_eq!(orphans.room(), 1);
    assert_eq!(orphans.due(&records[1..], Duration::ZERO, now).0.len(), 40 - AT_ONCE);
}

#[test]
fn a_device_that_comes_back_after_its_del_is_put_right_at_once() {
    let now = Instant::now();
    let records = [(record(1, Some("del")), true), (record(2, None), true)];
    let mut orphans = Orphans::default();
    assert!(orphans.due(&records, GRACE, now).0.is_empty());
    orphans.on_return();
    let (due, _) = orphans.due(&records, GRACE, now);
    assert_eq!(due.len(), 1, "a DEL that has not come is waited for");
    assert_eq!(due[0].attempt, "attempt-1");
    assert!(orphans.due(&records, GRACE, now).0.is_empty(), "once");
}

#[test]
fn a_device_that_comes_back_while_its_repair_fails_is_put_right_at_once() {
    let now = Instant::now();
    let records = [(record(1, Some("del")), true)];
    let mut orphans = Orphans::default();
    assert_eq!(orphans.due(&records, Duration::ZERO, now).0.len(), 1);
    orphans.begins(&records[0].0);
    orphans.on_return();
    assert!(orphans.due(&records, GRACE, now).0.is_empty(), "it runs");
    orphans.ended("attempt-1", false, now);
    assert_eq!(orphans.due(&records, GRACE, now).0.len(), 1);
    orphans.begins(&records[0].0);
    orphans.ended("attempt-1", false, now);
    assert!(
        orphans.due(&records, GRACE, now).0.is_empty(),
        "nothing came back since"
    );
}

#[test]
fn a_veto_is_told_once() {
    let now = Instant::now();
    let mut orphans = Orphans::default();
    let records = [(record(1, None), true)];
    orphans.due(&records, GRACE, now);
    assert!(orphans.is_newly_vetoed("attempt-1"));
    orphans.due(&records, GRACE, now);
    assert!(!orphans.is_newly_vetoed("attempt-1"));
    orphans.due(&[], GRACE, now);
    orphans.due(&records, GRACE, now);
    assert!(orphans.is_newly_vetoed("attempt-1"), "it was over meanwhile");
}
