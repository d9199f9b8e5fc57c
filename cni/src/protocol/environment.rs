//! The environment of a call, validated in the reference's order.
//!
//! Contract: CNI spec 1.1.0, "Parameters", and `getCmdArgsFromEnv` of libcni's pkg/skel. An invalid value is reported at once; missing ones are collected, in the table's order.

use std::ffi::OsString;

use hardwire_pci::{BadIfName, IfName};

use super::args::CniArgs;
use super::chain_call::ChainCall;
use super::error::{CniError, code};
use super::names::ContainerId;
use crate::printable::printable;

/// `CNI_COMMAND`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Attach.
    Add,
    /// Detach.
    Del,
    /// Is the attachment as it was made?
    Check,
    /// Release what is not listed.
    Gc,
    /// Could an ADD work?
    Status,
    /// Which versions are spoken?
    Version,
}

impl Command {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "ADD" => Some(Self::Add),
            "DEL" => Some(Self::Del),
            "CHECK" => Some(Self::Check),
            "GC" => Some(Self::Gc),
            "STATUS" => Some(Self::Status),
            "VERSION" => Some(Self::Version),
            _ => None,
        }
    }

    /// As the environment spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }
}

/// The variables of a call. What a command does not require may be absent.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    command: String,
    container_id: Option<ContainerId>,
    ifname: Option<IfName>,
    /// `CNI_NETNS`, verbatim.
    pub netns: Option<String>,
    /// `CNI_PATH`.
    pub path: String,
    /// `CNI_ARGS`, parsed.
    pub args: CniArgs,
    /// `CNI_ARGS`, verbatim.
    pub raw_args: String,
    /// `CNI_NETNS_OVERRIDE`: the plugin's own namespace is allowed.
    pub netns_override: bool,
    /// The runtime's call, where this is one of the attachments that it is for.
    pub chain: Option<ChainCall>,
}

impl Environment {
    /// Reads and validates what `variable` returns for each name. `None`: no `CNI_COMMAND` at all.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, CniError> {
        let text = |name: &str| {
            variable(name)
                .map(|value| value.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let command = text("CNI_COMMAND");
        if command.is_empty() {
            return Ok(None);
        }
        let requires = |verbs: &[&str]| verbs.contains(&command.as_str());
        let mut missing = Vec::new();

        let container = text("CNI_CONTAINERID");
        if container.is_empty() && requires(&["ADD", "CHECK", "DEL"]) {
            missing.push("CNI_CONTAINERID");
        }
        let container_id = optional(&container, |text| {
            let bad =
                |_pattern| CniError::new(code::ENVIRONMENT, "invalid characters in containerID").with_details(text);
            text.parse::<ContainerId>().map_err(bad)
        });
        // VERSION, GC and STATUS are called with dummies or nothing.
        let container_id = if requires(&["ADD", "CHECK", "DEL"]) {
            container_id?
        } else {
            None
        };

        let netns = Some(text("CNI_NETNS")).filter(|netns| !netns.is_empty());
        if netns.is_none() && requires(&["ADD", "CHECK"]) {
            missing.push("CNI_NETNS");
        }

        let name = text("CNI_IFNAME");
        if name.is_empty() && requires(&["ADD", "CHECK", "DEL"]) {
            missing.push("CNI_IFNAME");
        }
        let is_text = variable("CNI_IFNAME").is_none_or(|name| name.to_str().is_some());
        let ifname = optional(&name, |text| requested_ifname(text, is_text));
        let ifname = if requires(&["ADD", "CHECK", "DEL"]) {
            ifname?
        } else {
            None
        };

        let path = text("CNI_PATH");
        if path.is_empty() && requires(&["ADD", "CHECK", "DEL", "GC", "STATUS"]) {
            missing.push("CNI_PATH");
        }
        if !missing.is_empty() {
            let msg = format!("required env variables [{}] missing", missing.join(","));
            return Err(CniError::new(code::ENVIRONMENT, msg));
        }
        let raw_args = text("CNI_ARGS");
        // A DEL goes on: the record has what its ADD was called with.
        if requires(&["ADD", "CHECK", "STATUS", "GC"]) {
            let values = [
                ("CNI_NETNS", netns.as_deref()),
                ("CNI_PATH", Some(&path)),
                ("CNI_ARGS", Some(&raw_args)),
            ];
            for (name, value) in values {
                bounded(name, value.unwrap_or_default())?;
            }
        }
        let netns_override = text("CNI_NETNS_OVERRIDE");
        Ok(Some(Self {
            args: CniArgs::parse(&raw_args),
            netns_override: netns_override == "1" || netns_override.eq_ignore_ascii_case("true"),
            command,
            container_id,
            ifname,
            netns,
            path,
            raw_args,
            chain: None,
        }))
    }

    /// The same call for one of the attachments that it is for: these are as the operator says, and nobody's arguments count.
    #[must_use]
    pub fn for_attachment(&self, ifname: IfName, chain: ChainCall) -> Self {
        let args = self.args.of_kubernetes();
        Self {
            ifname: Some(ifname),
            chain: Some(chain),
            raw_args: args.as_str().to_owned(),
            args,
            ..self.clone()
        }
    }

    /// The command. Unknown ones are reported only after stdin was validated, as the reference does.
    pub fn command(&self) -> Result<Command, CniError> {
        let unknown = || CniError::new(code::ENVIRONMENT, format!("unknown CNI_COMMAND: {}", self.command));
        Command::parse(&self.command).ok_or_else(unknown)
    }

    /// Whether the command is VERSION, which reads no stdin.
    pub fn is_version(&self) -> bool {
        self.command == Command::Version.as_str()
    }

    /// `CNI_CONTAINERID`.
    pub fn container_id(&self) -> Result<&ContainerId, CniError> {
        self.container_id.as_ref().ok_or_else(|| missing("CNI_CONTAINERID"))
    }

    /// `CNI_IFNAME`.
    pub fn ifname(&self) -> Result<&IfName, CniError> {
        self.ifname.as_ref().ok_or_else(|| missing("CNI_IFNAME"))
    }

    /// `CNI_NETNS`.
    pub fn netns(&self) -> Result<&str, CniError> {
        self.netns.as_deref().ok_or_else(|| missing("CNI_NETNS"))
    }
}

/// The longest value of a variable, bytes; the kernel's own bound is 128 KiB (`MAX_ARG_STRLEN`).
const LONGEST: usize = 32 << 10;

fn bounded(name: &str, value: &str) -> Result<(), CniError> {
    let bytes = value.len();
    if bytes <= LONGEST {
        return Ok(());
    }
    let msg = format!("{name} has {bytes} bytes, more than the {LONGEST} that are read");
    Err(CniError::new(code::ENVIRONMENT, msg))
}

fn optional<T>(text: &str, parse: impl Fn(&str) -> Result<T, CniError>) -> Result<Option<T>, CniError> {
    if text.is_empty() {
        Ok(None)
    } else {
        parse(text).map(Some)
    }
}

fn missing(name: &str) -> CniError {
    CniError::new(code::ENVIRONMENT, format!("required env variables [{name}] missing"))
}

/// A name that may be given to an interface: the kernel takes bytes that no one could see or tell apart.
fn requested_ifname(text: &str, is_text: bool) -> Result<IfName, CniError> {
    let name = text.parse::<IfName>().map_err(|error| bad_ifname(&error))?;
    if is_text && printable(text) == text {
        return Ok(name);
    }
    let error = CniError::new(
        code::ENVIRONMENT,
        "interface name contains characters that cannot be seen",
    );
    Err(error.with_details(text))
}

fn bad_ifname(error: &BadIfName) -> CniError {
    let (msg, details) = match error {
        BadIfName::TooLong(_) => (
            "interface name is too long",
            "interface name should be less than 16 characters",
        ),
        BadIfName::Dots(_) => ("interface name is . or ..", ""),
        BadIfName::Template(_) => (
            "interface name contains %",
            "the kernel takes it for a template and gives another name",
        ),
        BadIfName::Character(_) | BadIfName::Empty => ("interface name contains / or : or whitespace characters", ""),
    };
    CniError::new(code::ENVIRONMENT, msg).with_details(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Environment>, CniError> {
        Environment::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    }

    fn message(pairs: &[(&str, &str)]) -> String {
        let error = read(pairs).unwrap_err();
        assert_eq!(error.code, code::ENVIRONMENT);
        error.msg
    }

    #[test]
    fn missing_variables_are_listed_in_the_references_order() {
        assert_eq!(
            message(&[("CNI_COMMAND", "ADD")]),
            "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing"
        );
        assert_eq!(
            message(&[("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", "c"), ("CNI_PATH", "/p")]),
            "required env variables [CNI_IFNAME] missing"
        );
        assert!(read(&[("CNI_COMMAND", "GC"), ("CNI_PATH", "/p")]).is_ok());
        assert!(read(&[]).unwrap().is_none());
    }

    #[test]
    fn an_invalid_value_is_reported_before_a_missing_one() {
        assert_eq!(
            message(&[("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "-bad")]),
            "invalid characters in containerID"
        );
        let named = |name| message(&[("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "c"), ("CNI_IFNAME", name)]);
        assert_eq!(named("abcdefghijklmnop"), "interface name is too long");
        assert_eq!(named(".."), "interface name is . or ..");
        assert_eq!(named("a b"), "interface name contains / or : or whitespace characters");
        assert_eq!(named("eth%d"), "interface name contains %");
        assert_eq!(
            named("a\u{1b}b"),
            "interface name contains characters that cannot be seen"
        );
    }
}
