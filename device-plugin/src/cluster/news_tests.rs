use super::*;
use crate::cluster::fixture::{id, node};
use crate::ledger::told::Repaired;

fn lines(news: &[News]) -> Vec<(&'static str, &str)> {
    news.iter()
        .map(|news| (news.kind.as_str(), news.text.as_str()))
        .collect()
}

fn pod(name: &str, device: usize) -> Subject {
    Subject::Pod {
        namespace: "red".to_owned(),
        name: name.to_owned(),
        uid: Some(format!("uid-{name}")),
        device: id(device),
    }
}

/// What is told once this has lasted, after an hour.
fn lasting(known: &mut Known, facts: &Facts) -> Vec<News> {
    let begin = Instant::now();
    known.begun.get_or_insert(begin);
    let later = begin + BEGINNING;
    assert_eq!(known.look(facts, later), []);
    known.look_at_what_lasts(facts, known.due().unwrap_or(later))
}

#[test]
fn devices_with_the_same_thing_wrong_are_told_of_together_and_once() {
    let (mut known, mut facts) = (Known::default(), node(20));
    assert_eq!(lasting(&mut known, &facts), []);
    for n in 0..12 {
        facts.ill(n, "no driver is bound to it");
    }
    facts.ill(15, "gone from the bus");
    let news = lasting(&mut known, &facts);
    assert_eq!(
        lines(&news),
        [
            ("DeviceUnhealthy", "0000:02:01.7 of intel.com/vfs: gone from the bus"),
            (
                "DeviceUnhealthy",
                "0000:02:00.0, 0000:02:00.1, 0000:02:00.2, 0000:02:00.3, 0000:02:00.4, 0000:02:00.5, 0000:02:00.6, \
                 0000:02:00.7 and 4 more of intel.com/vfs: no driver is bound to it"
            ),
        ]
    );
    assert!(
        news.iter()
            .all(|news| news.subject == Subject::Node && news.kind.is_warning())
    );
    assert_eq!(lasting(&mut known, &facts), [], "it is known");
    facts.well(3);
    assert_eq!(lasting(&mut known, &facts), [], "that one is well again is no Event");
    facts.ill(3, "no driver is bound to it");
    assert_eq!(lasting(&mut known, &facts).len(), 1);
}

#[test]
fn a_pool_that_is_refused_is_told_once_for_as_long_as_it_is() {
    let (mut known, mut facts) = (Known::default(), node(1));
    facts.standing.refused = vec!["resourceList[1] (a/b): isRdma is yes".to_owned()];
    assert_eq!(
        lines(&lasting(&mut known, &facts)),
        [("PoolRefused", "resourceList[1] (a/b): isRdma is yes")]
    );
    assert_eq!(lasting(&mut known, &facts), []);
    facts.standing.refused.clear();
    assert_eq!(lasting(&mut known, &facts), []);
}

#[test]
fn a_vf_that_vanishes_under_a_pod_is_told_to_the_pod_even_if_it_is_soon_back() {
    let (mut known, mut facts) = (Known::default(), node(4));
    facts.hold(1, "red", "web", "main");
    facts.attach(1, Some(("red", "web")), "c1", &[]);
    assert_eq!(known.look(&facts, Instant::now()), []);
    let before = facts.clone();
    facts.remove(1);
    // One that nobody has is no pod's business.
    facts.remove(2);
    let news = known.look(&facts, Instant::now());
    assert_eq!(news.len(), 1);
    assert_eq!((&news[0].subject, news[0].kind), (&pod("web", 1), Kind::DeviceVanished));
    assert!(
        news[0].text.starts_with("0000:02:00.1 (net1, network vfs) is gone"),
        "{}",
        news[0].text
    );
    assert_eq!(known.look(&facts, Instant::now()), []);
    let later = Instant::now() + BEGINNING;
    assert_eq!(known.look(&before, later), [], "it is back");
    assert_eq!(known.look(&facts, later).len(), 1, "and gone again");
    let mut next = Known::remembering(&known.remembered());
    assert_eq!(next.look(&before, later), [], "not all is seen yet");
    assert_eq!(next.look(&facts, later), [], "the daemon before told it");
}

#[test]
fn of_a_pod_that_only_the_kubelet_names_no_uid_is_known() {
    let (mut known, mut facts) = (Known::default(), node(1));
    facts.hold(0, "red", "web", "main");
    facts.remove(0);
    let news = known.look(&facts, Instant::now());
    let Subject::Pod { uid, name, .. } = &news[0].subject else {
        unreachable!()
    };
    assert_eq!((name.as_str(), uid), ("web", &None));
}

#[test]
fn a_repair_is_told_on_the_node_and_to_the_pod_and_one_that_failed_on_the_node() {
    let (mut known, mut facts) = (Known::default(), node(2));
    let repaired = |is_done| Repaired {
        device: id(0),
        pod: Some(PodName {
            namespace: "red".to_owned(),
            name: "web".to_owned(),
            uid: Some("uid-web".to_owned()),
        }),
        network: "vfs".parse().unwrap(),
        is_done,
    };
    facts.told.repairs.push_back(repaired(false));
    let news = known.look(&facts, Instant::now());
    assert_eq!(news.len(), 1);
    assert_eq!((&news[0].subject, news[0].kind), (&Subject::Node, Kind::RepairFailed));
    facts.told.repairs.push_back(repaired(true));
    let news = known.look(&facts, Instant::now());
    let whose: Vec<_> = news.iter().map(|news| (&news.subject, news.kind)).collect();
    assert_eq!(
        whose,
        [
            (&Subject::Node, Kind::DeviceRepaired),
            (&pod("web", 0), Kind::DeviceRepaired)
        ]
    );
    assert!(news[0].text.contains("of red/web"), "{}", news[0].text);
    assert_eq!(known.look(&facts, Instant::now()), []);
}

#[test]
fn a_pod_that_is_attached_to_another_sandbox_is_told_so_and_another_pod_of_the_name_is_not() {
    let (mut known, mut facts) = (Known::default(), node(3));
    facts.hold(1, "red", "web", "main");
    facts.attach(1, Some(("red", "web")), "c1", &[]);
    assert_eq!(known.look(&facts, Instant::now()), [], "its first");
    facts.attached_mut().clear();
    assert_eq!(known.look(&facts, Instant::now()), []);
    facts.attach(2, Some(("red", "web")), "c2", &[]);
    let news = known.look(&facts, Instant::now());
    assert_eq!(
        lines(&news),
        [(
            "DeviceAttachedAgain",
            "0000:02:00.2 (net1, network vfs) is attached again, to a new sandbox of this pod"
        )]
    );
    assert_eq!(news[0].subject, pod("web", 2));
    // Its pod has ended, and the kubelet says so, before the next one of the name comes.
    facts.attached_mut().clear();
    facts.snapshot.held = std::sync::Arc::default();
    assert_eq!(known.look(&facts, Instant::now()), []);
    facts.attach(1, Some(("red", "web")), "c3", &[]);
    assert_eq!(known.look(&facts, Instant::now()), []);
}
