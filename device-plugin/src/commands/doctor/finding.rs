//! One finding: what is wrong, with what, since when and why, and the one command that mends it.

use std::time::SystemTime;

use super::name::Name;
use crate::ask::fix::Fix;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// To be known, and nothing wrong.
    Note,
    /// Something does not work as it might.
    Warning,
    /// Pods wait, or will.
    Error,
}

/// Where a command is to be typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// On the node, as root. The daemon's image has no shell.
    Node,
    /// Where kubectl is.
    Kubectl,
}

/// What mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// A command for a shell.
    Command {
        /// Where.
        at: At,
        /// The command.
        text: String,
    },
    /// What no command does.
    ByHand(String),
    /// What a person sees to first, and the command that is right only then.
    Considered {
        /// What to see to.
        how: String,
        /// Where the command is to be typed.
        at: At,
        /// The command.
        text: String,
    },
}

/// What another finding is known by. Without a subject, any of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    name: Name,
    subject: Option<String>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub name: Name,
    /// How bad.
    pub severity: Severity,
    /// What it is about: a PF, a pool, a file.
    pub subject: String,
    /// The devices concerned.
    pub devices: Vec<String>,
    /// What is the case.
    pub what: String,
    /// Why, as far as it is known.
    pub why: Option<String>,
    /// Since when, as far as it is known.
    pub since: Option<SystemTime>,
    /// What mends it.
    pub mend: Mend,
    /// What the daemon can do about it.
    pub fix: Option<Fix>,
    /// Findings that explain it, the likeliest first.
    pub causes: Vec<Cause>,
    /// Findings that it explains.
    pub follows: Vec<Finding>,
}

// === impl Severity ===

impl Severity {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

// === impl At ===

impl At {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "on the node, as root",
            Self::Kubectl => "where kubectl is",
        }
    }

    /// The same for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Kubectl => "kubectl",
        }
    }
}

// === impl Mend ===

impl Mend {
    /// A command for a shell on the node.
    pub fn on_node(text: impl Into<String>) -> Self {
        let (at, text) = (At::Node, text.into());
        Self::Command { at, text }
    }

    /// A call of kubectl.
    pub fn kubectl(text: impl Into<String>) -> Self {
        let (at, text) = (At::Kubectl, text.into());
        Self::Command { at, text }
    }

    /// What no command does.
    pub fn by_hand(how: impl Into<String>) -> Self {
        Self::ByHand(how.into())
    }

    /// The same, and only once a person has seen to this.
    #[must_use]
    pub fn once(self, how: impl Into<String>) -> Self {
        let first = how.into();
        match self {
            Self::Command { at, text } => Self::Considered { how: first, at, text },
            Self::ByHand(then) => Self::ByHand(format!("{first}; then {then}")),
            Self::Considered { how, at, text } => {
                let how = format!("{first}; {how}");
                Self::Considered { how, at, text }
            }
        }
    }
}

// === impl Cause ===

impl Cause {
    /// A finding of this name about this subject.
    pub fn of(name: Name, subject: impl Into<String>) -> Self {
        let subject = Some(subject.into());
        Self { name, subject }
    }

    /// Any finding of this name.
    pub fn any(name: Name) -> Self {
        Self { name, subject: None }
    }

    /// Whether a finding is it.
    pub fn is(&self, finding: &Finding) -> bool {
        self.name == finding.name && self.subject.as_ref().is_none_or(|subject| *subject == finding.subject)
    }
}

// === impl Finding ===

impl Finding {
    /// What is wrong with what, and what mends it.
    pub fn mended_by(
        mend: Mend,
        name: Name,
        severity: Severity,
        subject: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self::new(name, severity, subject.into(), what.into(), mend)
    }

    /// What is wrong with what, where a person has to do something that is no command.
    pub fn by_hand(
        how: impl Into<String>,
        name: Name,
        severity: Severity,
        subject: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self::new(name, severity, subject.into(), what.into(), Mend::ByHand(how.into()))
    }

    fn new(name: Name, severity: Severity, subject: String, what: String, mend: Mend) -> Self {
        Self {
            name,
            severity,
            subject,
            devices: Vec::new(),
            what,
            why: None,
            since: None,
            mend,
            fix: None,
            causes: Vec::new(),
            follows: Vec::new(),
        }
    }

    /// Of these devices.
    #[must_use]
    pub fn devices(mut self, devices: impl IntoIterator<Item = String>) -> Self {
        self.devices = devices.into_iter().collect();
        self
    }

    /// For this reason.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Since then.
    #[must_use]
    pub fn since(mut self, since: Option<SystemTime>) -> Self {
        self.since = since;
        self
    }

    /// Which the daemon can mend.
    #[must_use]
    pub fn fixed_by(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// Which follows from one of these, if it was found.
    #[must_use]
    pub fn after(mut self, causes: impl IntoIterator<Item = Cause>) -> Self {
        self.causes.extend(causes);
        self
    }

    /// It, and all that it explains.
    pub fn all(&self) -> Vec<&Self> {
        let mut all = vec![self];
        for finding in &self.follows {
            all.extend(finding.all());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_sees_to_first_is_told_first_and_is_never_a_command_alone() {
        let command = Mend::on_node("true").once("look");
        let (at, text) = (At::Node, "true".to_owned());
        assert_eq!(
            command,
            Mend::Considered {
                how: "look".to_owned(),
                at,
                text: text.clone()
            }
        );
        let how = "listen; look".to_owned();
        assert_eq!(command.once("listen"), Mend::Considered { how, at, text });
        assert_eq!(Mend::by_hand("do").once("look"), Mend::by_hand("look; then do"));
    }
}
