//! What the log says of the API: once for each state, however often it is tried.

use hardwire_cni::printable::printable;
use tracing::{info, warn};

use super::api::ApiError;

/// What was said last of one thing that is told to the cluster.
#[derive(Debug)]
pub(super) struct Said {
    /// What is told.
    what: &'static str,
    state: State,
}

/// What a person has to know of each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was tried yet.
    Untried,
    Told,
    Away,
    Forbidden,
    Absent,
    Refused,
}

// === impl Said ===

impl Said {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            state: State::Untried,
        }
    }

    /// It was told, or was not.
    pub(super) fn say(&mut self, outcome: Result<(), &ApiError>) {
        let Some(line) = self.line(outcome) else { return };
        if outcome.is_ok() {
            info!("{line}");
        } else {
            warn!("{line}");
        }
    }

    /// The line for it, if it is news.
    fn line(&mut self, outcome: Result<(), &ApiError>) -> Option<String> {
        let now = match outcome {
            Ok(()) => State::Told,
            Err(ApiError::Away(_)) => State::Away,
            Err(ApiError::Forbidden(_)) => State::Forbidden,
            Err(ApiError::Absent(_)) => State::Absent,
            Err(ApiError::Refused { .. }) => State::Refused,
        };
        let before = std::mem::replace(&mut self.state, now);
        if before == now {
            return None;
        }
        let what = self.what;
        let hint = match now {
            State::Forbidden => " (deploy/base/rbac.yaml has what is asked for)",
            State::Refused if matches!(outcome, Err(ApiError::Refused { code: 401, .. })) => {
                " (the token or certificate is none of this cluster's, or has run out)"
            }
            State::Absent => " (deploy/base/crd.yaml defines NodeNetworkDevices; the node's name is from NODE_NAME)",
            _ => "",
        };
        Some(match outcome {
            Ok(()) => format!("the cluster has {what}"),
            Err(error) => {
                let error = error.to_string();
                let error = printable(&error);
                format!("the cluster does not have {what}, all else goes on, and it is tried again: {error}{hint}")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_said_once_and_names_what_is_missing() {
        let mut said = Said::new("this node's devices");
        let away = |text: &str| ApiError::Away(text.to_owned());
        let forbidden = ApiError::Forbidden("cannot patch resource \"x\"\n".to_owned());
        let line = said.line(Err(&away("connection refused"))).unwrap();
        assert!(
            line.contains("this node's devices") && line.contains("connection refused"),
            "{line}"
        );
        assert_eq!(said.line(Err(&away("timed out"))), None, "it is the same to a person");
        let line = said.line(Err(&forbidden)).unwrap();
        assert!(line.contains("cannot patch") && line.contains("rbac.yaml"), "{line}");
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(said.line(Err(&forbidden)), None);
        assert_eq!(
            said.line(Ok(())).as_deref(),
            Some("the cluster has this node's devices")
        );
        assert_eq!(said.line(Ok(())), None);
        assert!(said.line(Err(&away("x"))).is_some(), "it is news again");
    }
}
