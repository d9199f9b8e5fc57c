//! The conditions of the object: whether the kubelet knows the pools, whether the configuration is in force, and whether the
//! daemon is blind to anything.

use std::time::SystemTime;

use serde::Serialize;

use super::clock;
use super::measure::cut;
use super::messages::Since;
use crate::telemetry::metrics::readiness::Standing;

/// Characters of a message.
const LONGEST: usize = 1024;

/// `metav1.Condition`, without a generation: nothing is asked of the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `True` or `False`.
    pub status: &'static str,
    /// One word for programs.
    pub reason: &'static str,
    /// For a person.
    pub message: String,
    /// Since when, as far as the daemons of this node have known.
    pub last_transition_time: String,
}

/// The conditions as they are now. Those whose status is as it was keep their time.
pub fn conditions(standing: &Standing, before: &[Since], now: SystemTime) -> Vec<Condition> {
    let wrong: Vec<String> = standing.bad_file.iter().chain(&standing.refused).cloned().collect();
    let not_configured = match standing.bad_file {
        Some(_) => "FileRefused",
        None => "PoolsRefused",
    };
    let mut conditions = [
        Condition::new("Registered", &standing.unregistered, true)
            .with("AllPools", "the kubelet knows every pool and listens")
            .or("PoolsMissing"),
        Condition::new("Configured", &wrong, true)
            .with("InForce", "the configuration is in force with all its pools")
            .or(not_configured),
        Condition::new("Degraded", &standing.degraded, false)
            .with("AllHeard", "all that the daemon goes by can be heard")
            .or("NotAllHeard"),
    ];
    for condition in &mut conditions {
        let is_same = |was: &&Since| (&*was.kind, &*was.status) == (condition.kind, condition.status);
        let since = before.iter().find(is_same).map(|was| was.at.clone());
        condition.last_transition_time = since.unwrap_or_else(|| clock::seconds(now));
    }
    conditions.into()
}

// === impl Condition ===

impl Condition {
    /// What is kept of it.
    pub fn since(&self) -> Since {
        Since {
            kind: self.kind.to_owned(),
            status: self.status.to_owned(),
            at: self.last_transition_time.clone(),
        }
    }

    /// What is wrong, and what its status is while nothing is.
    fn new(kind: &'static str, wrong: &[String], well: bool) -> Self {
        let is_true = wrong.is_empty() == well;
        Self {
            kind,
            status: if is_true { "True" } else { "False" },
            reason: "",
            message: cut(&wrong.join("; "), LONGEST).into_owned(),
            last_transition_time: String::new(),
        }
    }

    /// What is said while nothing is wrong.
    fn with(self, reason: &'static str, message: &str) -> Self {
        if !self.message.is_empty() {
            return self;
        }
        Self {
            reason,
            message: message.to_owned(),
            ..self
        }
    }

    /// The word for it if anything is.
    fn or(self, reason: &'static str) -> Self {
        if self.reason.is_empty() {
            Self { reason, ..self }
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(standing: &Standing, before: &[Condition], second: u64) -> Vec<Condition> {
        let before: Vec<Since> = before.iter().map(Condition::since).collect();
        conditions(standing, &before, SystemTime::UNIX_EPOCH + Duration::from_secs(second))
    }

    fn summary(conditions: &[Condition]) -> Vec<(&str, &str, &str)> {
        conditions.iter().map(|it| (it.kind, it.status, it.reason)).collect()
    }

    #[test]
    fn each_condition_says_what_is_wrong_and_since_when() {
        let well = told(&Standing::default(), &[], 1);
        let all_well = [
            ("Registered", "True", "AllPools"),
            ("Configured", "True", "InForce"),
            ("Degraded", "False", "AllHeard"),
        ];
        assert_eq!(summary(&well), all_well);
        let standing = Standing {
            unregistered: vec!["a/b: not registered with the kubelet".to_owned()],
            refused: vec!["resourceList[0]: no".to_owned(), "resourceList[1]: no".to_owned()],
            ..Standing::default()
        };
        let ill = told(&standing, &well, 2);
        assert_eq!(
            summary(&ill),
            [
                ("Registered", "False", "PoolsMissing"),
                ("Configured", "False", "PoolsRefused"),
                ("Degraded", "False", "AllHeard"),
            ]
        );
        assert_eq!(ill[1].message, "resourceList[0]: no; resourceList[1]: no");
        let since = |conditions: &[Condition]| -> Vec<String> {
            conditions.iter().map(|it| it.last_transition_time.clone()).collect()
        };
        let (one, two) = ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z");
        assert_eq!(since(&ill), [two, two, one]);
        // Another reason for the same status is no transition.
        let standing = Standing {
            bad_file: Some("f: not JSON".to_owned()),
            degraded: vec!["the kubelet: no answer".to_owned()],
            ..standing
        };
        let worse = told(&standing, &ill, 3);
        assert_eq!(worse[1].reason, "FileRefused");
        assert_eq!((worse[2].status, worse[2].reason), ("True", "NotAllHeard"));
        assert_eq!(since(&worse), [two, two, "1970-01-01T00:00:03Z"]);
        assert_eq!(summary(&told(&Standing::default(), &worse, 4)), all_well);
    }

    #[test]
    fn a_message_has_a_bound() {
        let standing = Standing {
            refused: (0..200).map(|n| format!("resourceList[{n}]: not a pool")).collect(),
            ..Standing::default()
        };
        let message = &told(&standing, &[], 1)[1].message;
        assert!(
            message.chars().count() == LONGEST && message.ends_with('…'),
            "{message}"
        );
    }
}
