//! Findings for people: lines of at most 100 columns, the command on lines of its own. Tenants name networks and pods, so
//! every line is spelt out.

use std::io::{self, Write};

use hardwire_cni::printable::printable;

use super::Report;
use super::when::{ago, timestamp};
use super::wrap::{wrapped, wrapped_command};
use crate::commands::doctor::finding::{Finding, Mend, Severity};
use crate::commands::terminal::Paint;

const COLUMNS: usize = 100;
/// Below the word for the severity.
const INDENT: &str = "         ";
/// Below the word for what mends.
const COMMAND: &str = "       ";
/// As many devices as are listed.
const SHOWN: usize = 4;

/// Writes all of it.
pub fn write(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let node = if report.node.is_empty() {
        "this node"
    } else {
        report.node
    };
    let line = match report.worst() {
        None => format!("{node}: healthy, as far as can be seen from here"),
        Some(_) => format!("{node}: {}", counts(report.findings)),
    };
    writeln!(out, "{}", printable(&line))?;
    for finding in report.findings {
        writeln!(out)?;
        let subject = printable(&finding.subject);
        let room = COLUMNS - INDENT.len();
        let headline = wrapped(&format!("{}  {subject}", finding.name), room);
        for (index, line) in headline.iter().enumerate() {
            let before = if index == 0 {
                format!("{}  ", severity(finding, report.paint))
            } else {
                INDENT.to_owned()
            };
            writeln!(out, "{before}{line}")?;
        }
        body(out, finding, report)?;
        for follower in &finding.follows {
            followed(out, follower, INDENT)?;
        }
    }
    if !report.unseen.is_empty() {
        writeln!(out, "\nnot to be seen from here:")?;
    }
    for unseen in report.unseen {
        let text = format!("{}: {}. To see it: {}", unseen.what, unseen.why, unseen.how);
        paragraph(out, "- ", "  ", &text)?;
    }
    out.flush()
}

fn counts(findings: &[Finding]) -> String {
    let all: Vec<&Finding> = findings.iter().flat_map(Finding::all).collect();
    let count = |severity| all.iter().filter(|finding| finding.severity == severity).count();
    let counted = |severity: Severity| {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        match count(severity) {
            0 => None,
            some => Some(format!("{some} {}{}", severity.as_str(), plural(some))),
        }
    };
    let parts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .filter_map(counted)
        .collect();
    parts.join(", ")
}

fn severity(finding: &Finding, paint: Paint) -> String {
    let word = format!("{:7}", finding.severity.as_str());
    let painted = match finding.severity {
        Severity::Error => paint.red(&word),
        Severity::Warning => paint.yellow(&word),
        Severity::Note => paint.cyan(&word),
    };
    painted.into_owned()
}

fn body(out: &mut impl Write, finding: &Finding, report: &Report<'_>) -> io::Result<()> {
    paragraph(out, INDENT, INDENT, &finding.what)?;
    if let Some(why) = &finding.why {
        paragraph(out, &format!("{INDENT}why:   "), &format!("{INDENT}       "), why)?;
    }
    if let Some(since) = finding.since {
        let text = format!("{}, {} ago", timestamp(since), ago(since, report.now));
        paragraph(out, &format!("{INDENT}since: "), INDENT, &text)?;
    }
    if let Some(devices) = listed(&finding.devices) {
        paragraph(out, &format!("{INDENT}of:    "), &format!("{INDENT}       "), &devices)?;
    }
    let (first, next) = (format!("{INDENT}mend:  by hand: "), format!("{INDENT}{COMMAND}"));
    match &finding.mend {
        Mend::Command { at, text } => {
            writeln!(out, "{INDENT}mend:  {}:", at.as_str())?;
            command(out, text)
        }
        Mend::ByHand(how) => paragraph(out, &first, &next, how),
        Mend::Considered { how, at, text } => {
            paragraph(out, &first, &next, &format!("{how}. Then, {}:", at.as_str()))?;
            command(out, text)
        }
    }
}

fn command(out: &mut impl Write, text: &str) -> io::Result<()> {
    let room = COLUMNS - INDENT.len() - COMMAND.len() - 2;
    for (index, line) in wrapped_command(&printable(text), room).iter().enumerate() {
        let further = if index == 0 { "" } else { "  " };
        writeln!(out, "{INDENT}{COMMAND}{further}{line}")?;
    }
    Ok(())
}

fn followed(out: &mut impl Write, finding: &Finding, indent: &str) -> io::Result<()> {
    let text = format!("follows: {}  {}: {}", finding.name, finding.subject, finding.what);
    paragraph(out, indent, &format!("{indent}  "), &text)?;
    for follower in &finding.follows {
        followed(out, follower, &format!("{indent}  "))?;
    }
    Ok(())
}

fn listed(devices: &[String]) -> Option<String> {
    match devices.len() {
        0 => None,
        count if count > SHOWN => {
            let first: Vec<&str> = devices.iter().take(SHOWN).map(String::as_str).collect();
            Some(format!("{} and {} more", first.join(", "), count - SHOWN))
        }
        _ => Some(devices.join(", ")),
    }
}

fn paragraph(out: &mut impl Write, first: &str, next: &str, text: &str) -> io::Result<()> {
    let room = COLUMNS - first.chars().count().max(next.chars().count());
    for (index, line) in wrapped(&printable(text), room).iter().enumerate() {
        writeln!(out, "{}{line}", if index == 0 { first } else { next })?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
