use serde_json::json;
use tokio::sync::oneshot;

use super::*;
use crate::config::pfs::{PfIdentity, PfSettings};
use crate::config::{Config, Defaults};
use crate::provision::now::PfNow;
use crate::provision::plan::{Difference, Planned};
use crate::provision::step::Step;

fn pf() -> DeviceId {
    "0000:01:00.0".parse().unwrap()
}

fn pfs(mode: &str) -> Pfs {
    let defaults = Defaults {
        resource_prefix: "a.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let config = json!({"provision": mode, "pfs": [{"selectors": {"pfNames": ["a"]}, "numVfs": 7}]});
    Config::from_json(config, &defaults).unwrap().pfs
}

fn now_of_pf() -> PfNow {
    PfNow {
        id: pf(),
        identity: PfIdentity {
            address: pf().to_string(),
            name: Some("a".to_owned()),
            ..PfIdentity::default()
        },
        interface: None,
        total_vfs: Some(7),
        num_vfs: 0,
        autoprobe: None,
        mtu: None,
        mtu_range: None,
        is_up: None,
        mode: None,
        instance: None,
        used_by_node: None,
        vfs: Vec::new(),
    }
}

fn survey(refused: &[&str]) -> Survey {
    Survey {
        plans: vec![PfPlan {
            pf: now_of_pf(),
            said_by: "pfs[0]".to_owned(),
            settings: PfSettings::default(),
            differences: vec![
                Difference {
                    vf: None,
                    text: "numVfs is 0, and 7 wanted".to_owned(),
                },
                Difference {
                    vf: Some(2),
                    text: "trust on wanted".to_owned(),
                },
            ],
            steps: vec![Planned {
                step: Step::MakeVfs(7),
                interrupts: None,
                takes: 1,
            }],
            refused: refused.iter().map(|text| (*text).to_owned()).collect(),
            waiting: Vec::new(),
        }],
        notes: Vec::new(),
    }
}

fn outcome(failed: Option<&str>) -> Outcome {
    Outcome {
        plan: survey(&[]).plans.remove(0),
        done: 1,
        failed: failed.map(str::to_owned),
    }
}

/// With a configuration in force, and the first look taken.
fn looked(mode: &str, begin: Instant) -> (Provisioning, Instant) {
    let mut provisioning = Provisioning::default();
    provisioning.configure(pfs(mode), begin);
    let now = begin + SETTLE;
    assert_eq!(provisioning.take(begin), None, "what changes settles first");
    assert_eq!(provisioning.take(now), Some(Task::Survey));
    (provisioning, now)
}

#[test]
fn verify_tells_and_keeps_no_device_back() {
    let (mut provisioning, now) = looked("verify", Instant::now());
    provisioning.surveyed(&survey(&[]), now);
    assert_eq!(provisioning.take(now), None);
    assert_eq!(
        provisioning.lines(),
        [
            "PF a (0000:01:00.0): numVfs is 0, and 7 wanted",
            "PF a (0000:01:00.0): VF 2: trust on wanted"
        ]
    );
    assert_eq!(
        (provisioning.differing(), provisioning.reason(&pf(), Some(2))),
        (1, None)
    );
}

#[test]
fn off_looks_at_nothing_until_an_operator_asks() {
    let begin = Instant::now();
    let mut provisioning = Provisioning::default();
    provisioning.configure(pfs("off"), begin);
    provisioning.want(begin);
    assert_eq!((provisioning.due(), provisioning.take(begin + SETTLE)), (None, None));
    let (reply, mut replied) = oneshot::channel();
    provisioning.ask(Apply {
        forced: BTreeSet::from(["a".to_owned()]),
        reply,
    });
    assert_eq!(provisioning.take(begin), Some(Task::Survey));
    assert!(provisioning.forced().contains("a"));
    provisioning.surveyed(&survey(&[]), begin);
    let carry = Task::Carry(BTreeSet::from([pf()]));
    assert_eq!(provisioning.take(begin), Some(carry));
    assert!(provisioning.is_working(&pf()), "nobody gets these devices meanwhile");
    provisioning.carried(&survey(&[]), &[outcome(None)], begin);
    assert!(!provisioning.is_working(&pf()));
    let applied = replied.try_recv().unwrap().unwrap();
    assert_eq!(applied.status, 0);
    assert!(applied.text.contains("a (0000:01:00.0): done"), "{}", applied.text);
}

#[test]
fn apply_gates_works_and_is_done() {
    let (mut provisioning, now) = looked("apply", Instant::now());
    provisioning.surveyed(&survey(&[]), now);
    assert!(matches!(provisioning.take(now), Some(Task::Carry(_))));
    assert_eq!(provisioning.take(now), None, "one at a time");
    assert!(provisioning.reason(&pf(), Some(0)).unwrap().contains("being changed"));
    provisioning.carried(&survey(&[]), &[outcome(None)], now);
    assert_eq!(provisioning.reason(&pf(), Some(2)), None);
    assert_eq!(
        provisioning.take(now + SETTLE),
        Some(Task::Survey),
        "what was made is looked at"
    );
}

#[test]
fn what_is_refused_is_gated_with_its_difference_and_looked_at_again_when_a_holder_ends() {
    let (mut provisioning, now) = looked("apply", Instant::now());
    provisioning.surveyed(&survey(&["VF 5 is held"]), now);
    assert_eq!(provisioning.take(now), None);
    let reason = provisioning.reason(&pf(), Some(0)).unwrap();
    assert!(reason.contains("numVfs is 0, and 7 wanted"), "{reason}");
    assert!(provisioning.lines().iter().any(|line| line.contains("VF 5 is held")));
    provisioning.want_if_blocked(now);
    assert_eq!(provisioning.take(now + SETTLE), Some(Task::Survey));
}

#[test]
fn what_comes_to_nothing_again_and_again_is_left() {
    let (mut provisioning, mut now) = looked("apply", Instant::now());
    for attempt in 0..ATTEMPTS {
        provisioning.surveyed(&survey(&[]), now);
        assert!(matches!(provisioning.take(now), Some(Task::Carry(_))), "{attempt}");
        provisioning.carried(&survey(&[]), &[outcome(Some("its driver made 3"))], now);
        assert!(provisioning.reason(&pf(), None).unwrap().contains("its driver made 3"));
        now += SETTLE;
        assert_eq!(provisioning.take(now), Some(Task::Survey));
    }
    provisioning.surveyed(&survey(&[]), now);
    assert_eq!(provisioning.take(now), None);
    let later = now + WITHIN;
    provisioning.want(later);
    assert_eq!(provisioning.take(later + SETTLE), Some(Task::Survey));
    provisioning.surveyed(&survey(&[]), later);
    assert!(matches!(provisioning.take(later), Some(Task::Carry(_))));
}

#[test]
fn a_job_that_is_lost_is_told_to_who_asked_and_taken_again_later() {
    let (mut provisioning, now) = looked("apply", Instant::now());
    let (reply, mut replied) = oneshot::channel();
    provisioning.ask(Apply {
        forced: BTreeSet::new(),
        reply,
    });
    provisioning.surveyed(&survey(&["x"]), now);
    assert_eq!(provisioning.take(now), Some(Task::Survey));
    provisioning.lost("panicked", now);
    assert_eq!(replied.try_recv().unwrap(), Err("panicked".to_owned()));
    assert_eq!(provisioning.due(), Some(now + AGAIN));
}
