//! Findings for programs: names and keys are stable.

use std::io::{self, Write};

use hardwire_cni::printable::printable_json;
use serde::Serialize;

use super::Report;
use super::when::timestamp;
use crate::commands::doctor::facts::unseen::Unseen;
use crate::commands::doctor::finding::{Finding, Mend, Severity};

/// Layout of the document.
const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    version: u32,
    node: &'a str,
    /// The worst of all findings; null without any.
    severity: Option<&'static str>,
    findings: Vec<Entry<'a>>,
    unseen: &'a [Unseen],
    fixes: &'a [super::Fixed],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    name: &'static str,
    severity: &'static str,
    subject: &'a str,
    devices: &'a [String],
    what: &'a str,
    why: Option<&'a str>,
    since: Option<String>,
    /// For a shell.
    command: Option<&'a str>,
    /// Where that, or `then`, is typed: `node`, as root, or `kubectl`: where that is.
    command_at: Option<&'static str>,
    /// What no command does.
    by_hand: Option<&'a str>,
    /// For a shell, once a person has done that.
    then: Option<&'a str>,
    /// Whether `--fix` does it.
    fixable: bool,
    follows: Vec<Entry<'a>>,
}

/// Writes the document.
pub fn write(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let document = Document {
        version: VERSION,
        node: report.node,
        severity: report.worst().map(Severity::as_str),
        findings: report.findings.iter().map(Entry::of).collect(),
        unseen: report.unseen,
        fixes: report.fixes,
    };
    // serde_json leaves characters beyond ASCII as they are, and tenants name things.
    for line in serde_json::to_string_pretty(&document)?.lines() {
        writeln!(out, "{}", printable_json(line))?;
    }
    out.flush()
}

// === impl Entry ===

impl<'a> Entry<'a> {
    fn of(finding: &'a Finding) -> Self {
        let (command, at, by_hand, then) = match &finding.mend {
            Mend::Command { at, text } => (Some(text.as_str()), Some(at.word()), None, None),
            Mend::ByHand(how) => (None, None, Some(how.as_str()), None),
            Mend::Considered { how, at, text } => (None, Some(at.word()), Some(how.as_str()), Some(text.as_str())),
        };
        Self {
            name: finding.name.as_str(),
            severity: finding.severity.as_str(),
            subject: &finding.subject,
            devices: &finding.devices,
            what: &finding.what,
            why: finding.why.as_deref(),
            since: finding.since.map(timestamp),
            command,
            command_at: at,
            by_hand,
            then,
            fixable: finding.fix.is_some(),
            follows: finding.follows.iter().map(Self::of).collect(),
        }
    }
}
