//! News as an Event of events.k8s.io/v1.
//!
//! Contract: `ValidateEventCreate` in pkg/apis/core/validation/events.go: an Event of what has no namespace is in `default`; a
//! note has at most 1,024 bytes, an instance at most 128; a series counts from two on.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::clock;
use super::measure::cut;
use super::messages::Place;
use super::news::{News, Subject};

/// Who says so, to the API.
const CONTROLLER: &str = "hardwire.dev/hardwired";
/// Bytes of a note.
const LONGEST_NOTE: usize = 1024;
/// Bytes of an instance.
const LONGEST_INSTANCE: usize = 128;
/// Characters of the subject in the name, which has at most 253 with what follows.
const LONGEST_NAME: usize = 200;

/// How often something was seen, once it was seen twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Series {
    /// How often.
    pub(super) count: u32,
    /// The last time.
    pub(super) last: SystemTime,
}

/// A place for what was seen at a moment; the number tells it from others of that moment.
pub(super) fn place(news: &News, node: &str, at: SystemTime, number: u64) -> Place {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (namespace, subject) = match &news.subject {
        Subject::Node => ("default", node),
        Subject::Pod { namespace, name, .. } => (namespace.as_str(), name.as_str()),
    };
    let subject: String = subject.chars().take(LONGEST_NAME).collect();
    // A part of a name ends with a letter or a digit.
    let subject = subject.trim_end_matches(['.', '-']);
    Place {
        namespace: namespace.to_owned(),
        name: format!("{subject}.{:x}-{number:x}", since.as_micros()),
    }
}

/// A new Event.
pub(super) fn event(
    news: &News,
    place: &Place,
    (node, uid): (&str, &str),
    first: SystemTime,
    series: Option<Series>,
) -> Value {
    let instance: String = node.chars().take(LONGEST_INSTANCE).collect();
    let mut event = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": place.namespace, "name": place.name},
        "eventTime": clock::micros(first),
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "type": if news.kind.is_warning() { "Warning" } else { "Normal" },
        "reason": news.kind.as_str(),
        "action": news.kind.action(),
        "regarding": regarding(&news.subject, node, uid),
        "note": note(&news.text),
    });
    if let (Some(series), Some(event)) = (series, event.as_object_mut()) {
        event.insert("series".to_owned(), counted(series));
    }
    event
}

/// What makes an Event one that was seen so often.
pub(super) fn counting(series: Series) -> Value {
    json!({"series": counted(series)})
}

fn counted(series: Series) -> Value {
    json!({"count": series.count, "lastObservedTime": clock::micros(series.last)})
}

fn regarding(subject: &Subject, node: &str, node_uid: &str) -> Value {
    match subject {
        Subject::Node => json!({"apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid}),
        Subject::Pod {
            namespace, name, uid, ..
        } => {
            let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name});
            if let (Some(uid), Some(pod)) = (uid, pod.as_object_mut()) {
                pod.insert("uid".to_owned(), uid.as_str().into());
            }
            pod
        }
    }
}

/// The uid of the pod that it is about, which was not known before.
pub(super) fn set_uid(event: &mut Value, uid: String) {
    if let Some(regarding) = event.get_mut("regarding").and_then(Value::as_object_mut) {
        regarding.insert("uid".to_owned(), uid.into());
    }
}

fn note(text: &str) -> String {
    let mut most = LONGEST_NOTE;
    loop {
        let note = cut(text, most);
        if note.len() <= LONGEST_NOTE {
            return note.into_owned();
        }
        most -= 1 + (note.len() - LONGEST_NOTE) / 4;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::news::Kind;

    fn news(subject: Subject, text: &str) -> News {
        News {
            subject,
            kind: Kind::DeviceVanished,
            text: text.to_owned(),
        }
    }

    #[test]
    fn an_event_has_what_the_api_asks_for_and_no_field_is_too_long() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let pod = Subject::Pod {
            namespace: "red".to_owned(),
            name: "p".repeat(253),
            uid: Some("u-1".to_owned()),
            device: "0000:01:10.0".parse().unwrap(),
        };
        let news = news(pod, &"ß".repeat(2000));
        let place = place(&news, "node1", at, 7);
        assert_eq!(place.namespace, "red");
        assert!(
            place.name.len() <= 253 && place.name.ends_with(".f4240-7"),
            "{}",
            place.name
        );
        let node = "n".repeat(253);
        let event = event(&news, &place, (&node, "n-1"), at, None);
        assert_eq!(event["eventTime"], "1970-01-01T00:00:01.000000Z");
        assert_eq!(event["regarding"]["uid"], "u-1");
        assert_eq!(event["type"], "Warning");
        let length = |field: &str| event[field].as_str().unwrap().len();
        assert!(length("note") <= 1024 && length("note") > 1000, "{}", length("note"));
        assert_eq!(length("reportingInstance"), 128);
        assert!(event.get("series").is_none());
    }

    #[test]
    fn an_event_of_the_node_is_in_the_default_namespace() {
        let news = news(Subject::Node, "x");
        let place = place(&news, "node.1", SystemTime::UNIX_EPOCH, 0);
        assert_eq!(
            (place.namespace.as_str(), place.name.as_str()),
            ("default", "node.1.0-0")
        );
        let series = Series {
            count: 3,
            last: SystemTime::UNIX_EPOCH,
        };
        let event = event(&news, &place, ("node.1", "n-1"), SystemTime::UNIX_EPOCH, Some(series));
        assert_eq!(
            event["regarding"],
            json!({"apiVersion": "v1", "kind": "Node", "name": "node.1", "uid": "n-1"})
        );
        assert_eq!(event["series"]["count"], 3);
        assert_eq!(counting(series)["series"], event["series"]);
    }
}
