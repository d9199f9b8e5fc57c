//! What the log says of the API: once for each state, however often it is tried.

use hardwire_cni::printable::printable;
use tracing::{info, warn};

use super::messages::ApiError;

/// What is told to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The object.
    Devices,
    /// Events.
    Events,
    /// How often they were seen.
    Counts,
    /// `ResourceSlices`.
    Slices,
    /// The devices of claims.
    Claims,
}

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// What keeps everything from being told.
    whole: Option<State>,
    /// Of each of [`What`].
    each: [Option<State>; 5],
}

/// What a person has to know of each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Told,
    NoAccess,
    NoHelper,
    Away,
    Unknown,
    Forbidden,
    Absent,
    Refused,
}

// === impl What ===

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::Devices => "this node's devices",
            Self::Events => "this node's Events",
            Self::Counts => "the counts of this node's Events",
            Self::Slices => "this node's slices",
            Self::Claims => "how the devices of claims are",
        }
    }
}

// === impl State ===

impl State {
    fn of(outcome: Result<(), &ApiError>) -> Self {
        match outcome {
            Ok(()) => Self::Told,
            Err(ApiError::NoAccess(_)) => Self::NoAccess,
            Err(ApiError::NoHelper(_)) => Self::NoHelper,
            Err(ApiError::Away { .. }) => Self::Away,
            Err(ApiError::Refused { code: 401, .. }) => Self::Unknown,
            Err(ApiError::Forbidden(_)) => Self::Forbidden,
            Err(ApiError::Absent(_)) => Self::Absent,
            Err(ApiError::Refused { .. }) => Self::Refused,
        }
    }

    /// Whatever it is that cannot be told.
    fn is_of_all(self) -> bool {
        matches!(self, Self::NoAccess | Self::NoHelper | Self::Away | Self::Unknown)
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Forbidden => " (deploy/base/rbac.yaml has what is asked for)",
            Self::Unknown => " (the token or certificate is none of this cluster's, or has run out)",
            Self::Absent => " (deploy/base/crd.yaml defines NodeNetworkDevices; the node's name is from NODE_NAME)",
            _ => "",
        }
    }
}

// === impl Said ===

impl Said {
    /// It was told, or was not.
    pub(super) fn say(&mut self, what: What, outcome: Result<(), &ApiError>) {
        let Some(line) = self.line(what, outcome) else { return };
        if outcome.is_ok() {
            info!("{line}");
        } else {
            warn!("{line}");
        }
    }

    /// The line for it, if it is news.
    fn line(&mut self, what: What, outcome: Result<(), &ApiError>) -> Option<String> {
        let now = State::of(outcome);
        let whole = now.is_of_all().then_some(now);
        let before = std::mem::replace(&mut self.whole, whole);
        if whole.is_some() {
            if before == whole {
                return None;
            }
        } else {
            let of_it = self.each[what as usize].replace(now);
            if of_it == Some(now) && before.is_none() {
                return None;
            }
        }
        let what = if now.is_of_all() { What::Devices } else { what }.as_str();
        Some(match outcome {
            Ok(()) => format!("the cluster has {what}"),
            Err(error) => {
                let (error, hint) = (error.to_string(), now.hint());
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
        let mut said = Said::default();
        let away = ApiError::away;
        let forbidden = ApiError::Forbidden("cannot patch resource \"x\"\n".to_owned());
        let first = said.line(What::Devices, Err(&away("connection refused"))).unwrap();
        assert!(
            first.contains("this node's devices") && first.contains("connection refused"),
            "{first}"
        );
        assert_eq!(
            said.line(What::Devices, Err(&away("timed out"))),
            None,
            "it is the same to a person"
        );
        assert_eq!(
            said.line(What::Events, Err(&away("timed out"))),
            None,
            "and whatever was to be told"
        );
        let right = said.line(What::Devices, Err(&forbidden)).unwrap();
        assert!(right.contains("cannot patch") && right.contains("rbac.yaml"), "{right}");
        assert!(!right.contains('\n'), "{right}");
        assert_eq!(said.line(What::Devices, Err(&forbidden)), None);
        assert!(
            said.line(What::Events, Err(&forbidden)).is_some(),
            "that is another right"
        );
        assert_eq!(
            said.line(What::Devices, Ok(())).as_deref(),
            Some("the cluster has this node's devices")
        );
        assert_eq!(said.line(What::Devices, Ok(())), None);
        assert!(said.line(What::Events, Err(&away("x"))).is_some(), "it is news again");
        assert!(said.line(What::Devices, Ok(())).is_some(), "and so is that it is over");
        let old = ApiError::Refused {
            code: 401,
            message: "Unauthorized".to_owned(),
        };
        assert!(said.line(What::Devices, Err(&old)).unwrap().contains("token"));
        assert_eq!(said.line(What::Counts, Err(&old)), None);
    }
}
