use serde_json::{Value, json};

use super::*;
use crate::journal::Step;

fn record(attempt: &str, container: &str, ipam: bool) -> Record {
    Record {
        attempt: attempt.into(),
        step: Step::Moved,
        ipam: ipam.then(|| Ipam {
            plugin: "host-local".into(),
            config: "{}".into(),
            args: String::new(),
            path: "/p".into(),
        }),
        ..Record::fixture("0000:01:10.0", container)
    }
}

fn attempts(leases: Vec<Lease>) -> Vec<String> {
    let mut attempts: Vec<String> = leases.into_iter().map(|lease| lease.attempt).collect();
    attempts.sort_unstable();
    attempts
}

#[test]
fn attempts_of_one_device_and_owner_do_not_overwrite_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let leases = Leases::at(&directory.path().join("leases"));
    assert_eq!(leases.all().unwrap(), []);
    let long = "c".repeat(300);
    for (attempt, container) in [("1-1", "a"), ("1-2", "a"), ("2-9", long.as_str())] {
        leases.keep(&record(attempt, container, true)).unwrap();
    }
    leases.keep(&record("3-3", "without-ipam", false)).unwrap();
    let of = |container: &str| {
        attempts(
            leases
                .of(&container.parse().unwrap(), &"net1".parse().unwrap())
                .unwrap(),
        )
    };
    assert_eq!(
        (of("a"), of(&long)),
        (vec!["1-1".into(), "1-2".into()], vec!["2-9".into()])
    );
    assert_eq!(of("without-ipam"), Vec::<String>::new());
    leases.forget("1-1").unwrap();
    leases.forget("1-1").unwrap();
    assert_eq!(of("a"), ["1-2"]);
    assert!(leases.has("1-2") && !leases.has("1-1"));
}

#[test]
fn a_lease_is_no_path() {
    let directory = tempfile::tempdir().unwrap();
    let leases = Leases::at(directory.path());
    for attempt in ["", "../x", "a/b", ".", &"1".repeat(300)] {
        assert!(leases.keep(&record(attempt, "a", true)).is_err(), "{attempt:?}");
        assert!(leases.forget(attempt).is_err(), "{attempt:?}");
    }
}

#[test]
fn what_is_torn_is_set_aside_and_what_is_of_another_layout_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let leases = Leases::at(directory.path());
    leases.keep(&record("1-1", "a", true)).unwrap();
    let whole = fs::read_to_string(directory.path().join("1-1.json")).unwrap();
    let mut newer: Value = serde_json::from_str(&whole).unwrap();
    newer["version"] = json!(2);
    newer["owner"] = json!("elsewhere");
    let torn = ["", &whole[..whole.len() / 2], "\0\0\0\0"];
    for (n, content) in torn.iter().enumerate() {
        fs::write(directory.path().join(format!("2-{n}.json")), content).unwrap();
    }
    fs::write(directory.path().join("3-1.json"), newer.to_string()).unwrap();
    assert_eq!(attempts(leases.all().unwrap()), ["1-1"]);
    assert_eq!(leases.files(TORN).unwrap().len(), torn.len());
    assert_eq!(leases.files(LEASE).unwrap().len(), 2);
}

#[test]
fn what_is_left_for_good_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let leases = Leases::at(directory.path());
    for n in 0..MOST + 3 {
        leases.keep(&record(&format!("1-{n}"), "a", true)).unwrap();
    }
    for n in 0..MOST_TORN + 2 {
        fs::write(directory.path().join(format!("2-{n}.{TORN}")), "").unwrap();
    }
    fs::write(directory.path().join("3-1.tmp"), "").unwrap();
    let old = SystemTime::now() - ABANDONED * 2;
    let unfinished = File::create(directory.path().join("3-2.tmp")).unwrap();
    unfinished.set_modified(old).unwrap();
    leases.tidy(|lease| lease.attempt != "1-0").unwrap();
    assert_eq!(leases.all().unwrap().len(), MOST + 1);
    assert!(leases.has("1-0"), "it is somebody's");
    assert_eq!(leases.files(TORN).unwrap().len(), MOST_TORN);
    assert_eq!(leases.files("tmp").unwrap().len(), 1);
}
