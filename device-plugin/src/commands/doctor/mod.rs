//! The command `doctor`: what is wrong on this node, since when and why, and the one command that mends it.
//!
//! Witnesses are asked first (`facts`), then judged by functions of what they said (`findings`, one file per kind of cause),
//! then ordered by what explains what (`causes`), then printed (`print`). Nothing is changed but by the daemon, with `--fix`,
//! and that is said before.
//!
//! - [`args`]: the flags; [`name`]: the names of findings, which stay; [`finding`]: one of them; `ranges`: host-local's.

pub mod args;
pub mod causes;
pub mod facts;
pub mod finding;
pub mod findings;
pub mod name;
pub mod print;
pub mod ranges;

use std::collections::BTreeSet;
use std::io::{self, Write};

use self::args::{BadPath, DoctorArgs};
use self::facts::Facts;
use self::finding::{Finding, Severity};
use self::print::{Fixed, Report, json, text};
use crate::ask::control;
use crate::ask::fix::Fix;
use crate::commands::terminal::Paint;

/// Exit status where nothing could be told.
pub const NOT_EXAMINED: u8 = 3;

/// How the node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health(Option<Severity>);

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// An argument names what is not there.
    #[error(transparent)]
    Argument(#[from] BadPath),
    /// Nobody reads what is printed.
    #[error("output: {0}")]
    Output(#[from] io::Error),
}

// === impl Health ===

impl Health {
    /// 0: nothing is wrong; 1: warnings; 2: errors.
    pub fn exit_status(self) -> u8 {
        match self.0 {
            None | Some(Severity::Note) => 0,
            Some(Severity::Warning) => 1,
            Some(Severity::Error) => 2,
        }
    }
}

/// Examines the node and prints what was found to `out`. With `--json`, what is mended is said on `aside`.
pub fn run(
    args: &DoctorArgs,
    paint: Paint,
    out: &mut impl Write,
    aside: &mut impl Write,
) -> Result<Health, DoctorError> {
    args.readable()?;
    let mut facts = Facts::read(args);
    let mut findings = findings::all(&facts);
    let mut fixes = Vec::new();
    if args.fix {
        let fixed = if args.json {
            mend(&facts, &findings, aside)?
        } else {
            mend(&facts, &findings, out)?
        };
        if fixed.iter().any(|fixed| fixed.done) {
            facts = Facts::read(args);
            findings = findings::all(&facts);
        }
        fixes = fixed;
    }
    let report = Report {
        node: &facts.places.node,
        now: facts.now,
        findings: &findings,
        unseen: &facts.unseen,
        fixes: &fixes,
        paint,
    };
    if args.json {
        json::write(out, &report)?;
    } else {
        text::write(out, &report)?;
    }
    Ok(Health(report.worst()))
}

/// Has the daemon mend what it can, one thing after the other, each said first.
fn mend(facts: &Facts, findings: &[Finding], out: &mut impl Write) -> io::Result<Vec<Fixed>> {
    let all = findings.iter().flat_map(Finding::all);
    let wanted: BTreeSet<&Fix> = all.filter_map(|finding| finding.fix.as_ref()).collect();
    if wanted.is_empty() {
        writeln!(out, "fix: there is nothing that hardwired may mend by itself")?;
    }
    let mut fixes = Vec::new();
    for fix in wanted {
        writeln!(out, "fix: hardwired is to {}", in_words(facts, fix))?;
        out.flush()?;
        let (done, said) = match control::fix(&facts.places.state, fix) {
            Ok(said) => (true, said),
            Err(error) => (false, error.to_string()),
        };
        let word = if done { "done" } else { "not done" };
        writeln!(out, "     {word}: {}", hardwire_cni::printable::printable(&said))?;
        let fix = fix.to_string();
        fixes.push(Fixed { fix, done, said });
    }
    writeln!(out)?;
    Ok(fixes)
}

fn in_words(facts: &Facts, fix: &Fix) -> String {
    match fix {
        Fix::Plugin => format!("put the CNI plugin into {}", facts.places.cni_bin.display()),
        Fix::Sockets => "remove its own sockets that nobody serves".to_owned(),
        Fix::Release(device) => format!("release {device}, which nobody has by the ledger"),
    }
}
