//! Events are bounded, counted, and none holds another up. Its clock is the test's.

use super::*;
use crate::cluster::news::Subject;

const NODE: (&str, &str) = ("node1", "u");
const HOUR: Duration = Duration::from_secs(3600);

fn news(text: &str) -> News {
    News {
        subject: Subject::Node,
        kind: Kind::DeviceUnhealthy,
        text: text.to_owned(),
    }
}

fn note(events: &mut Events, text: &str, now: Instant) {
    events.note(news(text), NODE.0, now, SystemTime::UNIX_EPOCH);
}

/// All that can be sent until then, each taken.
fn send_all(events: &mut Events, mut now: Instant, until: Instant) -> Vec<Post> {
    let mut sent = Vec::new();
    while let Some(due) = events.due(now).filter(|due| *due <= until) {
        now = due;
        let post = events.take(NODE, now).unwrap();
        events.landed(&post, Sent::Taken, now, 0.5);
        sent.push(post);
    }
    sent
}

#[test]
fn the_same_news_again_only_count() {
    let (mut events, begin) = (Events::default(), Instant::now());
    for second in 0..600 {
        note(&mut events, "ill", begin + Duration::from_secs(second));
    }
    let sent = send_all(&mut events, begin + Duration::from_secs(600), begin + HOUR);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].is_new);
    assert_eq!(sent[0].body["series"]["count"], 600);
    note(&mut events, "ill", begin + Duration::from_secs(700));
    let sent = send_all(&mut events, begin + Duration::from_secs(700), begin + HOUR);
    assert_eq!(sent.len(), 1);
    assert!(!sent[0].is_new);
    assert_eq!(sent[0].body["series"]["count"], 601);
    // Long after, it is news again.
    note(&mut events, "ill", begin + HOUR);
    let sent = send_all(&mut events, begin + HOUR, begin + HOUR);
    assert!(sent[0].is_new && sent[0].body.get("series").is_none());
}

#[test]
fn whatever_happens_so_many_are_sent_in_an_hour() {
    let (mut events, begin) = (Events::default(), Instant::now());
    let mut sent = 0;
    for second in 0..3600 {
        let now = begin + Duration::from_secs(second);
        for device in 0..40 {
            note(&mut events, &format!("{device} is ill for the {second}th time"), now);
        }
        sent += send_all(&mut events, now, now).len();
    }
    assert_eq!(sent, 20 + 119, "{sent} events in an hour");
    assert!(events.take_dropped() > 100_000);
    assert_eq!(events.take_dropped(), 0);
    assert!(events.open.len() <= REMEMBERED.0);
}

#[test]
fn what_an_api_server_that_is_away_did_not_take_is_sent_when_it_is_back() {
    let (mut events, begin) = (Events::default(), Instant::now());
    note(&mut events, "ill", begin);
    let mut now = begin;
    let mut pauses = Vec::new();
    for _attempt in 0..4 {
        let due = events.due(now).unwrap();
        pauses.push((due - now).as_secs());
        now = due;
        let post = events.take(NODE, now).unwrap();
        assert!(post.is_new);
        events.landed(&post, Sent::Away(Duration::ZERO), now, 0.5);
    }
    assert_eq!(pauses, [0, 5, 10, 20]);
    let sent = send_all(&mut events, now, now + HOUR);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].is_new);
}

#[test]
fn an_event_that_is_refused_holds_no_other_up() {
    let (mut events, now) = (Events::default(), Instant::now());
    note(&mut events, "a", now);
    note(&mut events, "b", now);
    let first = events.take(NODE, now).unwrap();
    events.landed(&first, Sent::Refused, now, 0.5);
    let second = events.take(NODE, now).unwrap();
    assert_ne!(first.news, second.news);
    events.landed(&second, Sent::Forbidden, now, 0.5);
    assert_eq!(events.due(now), Some(now + REFUSED), "it is asked again then");
    let again = events.take(NODE, now + REFUSED).unwrap();
    assert_eq!((&again.news, again.is_new), (&second.news, true));
}

fn on_pod(n: usize, kind: Kind) -> News {
    News {
        subject: Subject::Pod {
            namespace: "red".to_owned(),
            name: format!("pod-{n}"),
            uid: None,
            device: "0000:01:10.0".parse().unwrap(),
        },
        kind,
        text: "gone".to_owned(),
    }
}

#[test]
fn a_node_with_much_to_tell_holds_no_pods_event_up() {
    let (mut events, now) = (Events::default(), Instant::now());
    for n in 0..1000 {
        note(&mut events, &format!("{n} is ill"), now);
    }
    assert_eq!(send_all(&mut events, now, now).len(), 20);
    for n in 0..300 {
        events.note(
            on_pod(n, Kind::DeviceAttachedAgain),
            NODE.0,
            now,
            SystemTime::UNIX_EPOCH,
        );
    }
    events.note(on_pod(7, Kind::DeviceVanished), NODE.0, now, SystemTime::UNIX_EPOCH);
    let sent = send_all(&mut events, now, now);
    assert_eq!(sent.len(), 100);
    assert_eq!(
        sent[0].news.kind,
        Kind::DeviceVanished,
        "what a pod has lost comes first"
    );
    let sent = send_all(&mut events, now, now + Duration::from_secs(1010));
    assert_eq!(
        sent.iter().filter(|post| post.news.is_on_pod()).count(),
        201,
        "all are told within a quarter of an hour"
    );
}

#[test]
fn what_was_told_makes_room() {
    let (mut events, begin) = (Events::default(), Instant::now());
    let hour = begin + Duration::from_secs(1200);
    for n in 0..512 {
        events.note(on_pod(n, Kind::DeviceVanished), NODE.0, begin, SystemTime::UNIX_EPOCH);
    }
    events.note(on_pod(512, Kind::DeviceVanished), NODE.0, begin, SystemTime::UNIX_EPOCH);
    assert_eq!(events.take_dropped(), 1, "none was told yet");
    assert!(!send_all(&mut events, begin, hour).is_empty());
    events.note(on_pod(513, Kind::DeviceVanished), NODE.0, hour, SystemTime::UNIX_EPOCH);
    assert_eq!(events.take_dropped(), 0);
}

#[test]
fn a_count_of_an_event_that_is_gone_makes_it_anew() {
    let (mut events, begin) = (Events::default(), Instant::now());
    note(&mut events, "ill", begin);
    assert_eq!(send_all(&mut events, begin, begin).len(), 1);
    note(&mut events, "ill", begin);
    let counted = events.take(NODE, begin + COUNTED).unwrap();
    assert!(!counted.is_new);
    events.landed(&counted, Sent::Refused, begin + COUNTED, 0.5);
    let anew = events.take(NODE, begin + COUNTED).unwrap();
    assert!(anew.is_new && anew.body["series"]["count"] == 2, "{}", anew.body);
}
