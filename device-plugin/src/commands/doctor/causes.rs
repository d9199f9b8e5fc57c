//! The cause first: a finding that follows from another one is put below it.

use super::finding::{Cause, Finding};

/// Puts each finding below the first of its causes that was found too. What is left on top is to be mended; the worst comes
/// first.
pub fn folded(findings: Vec<Finding>) -> Vec<Finding> {
    let mut parents: Vec<Option<usize>> = findings.iter().map(|finding| parent(finding, &findings)).collect();
    for index in 0..findings.len() {
        // Two that explain each other explain nothing: the first of them stays on top.
        if !reaches_a_root(index, &parents)
            && let Some(parent) = parents.get_mut(index)
        {
            *parent = None;
        }
    }
    let mut nodes: Vec<Option<Finding>> = findings.into_iter().map(Some).collect();
    let on_top = parents.iter().enumerate().filter(|(_, parent)| parent.is_none());
    let mut roots: Vec<Finding> = on_top
        .filter_map(|(index, _)| with_followers(index, &parents, &mut nodes))
        .collect();
    roots.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.name));
    roots
}

fn parent(finding: &Finding, all: &[Finding]) -> Option<usize> {
    let found = |cause: &Cause| all.iter().position(|other| other != finding && cause.is(other));
    finding.causes.iter().find_map(found)
}

fn reaches_a_root(mut index: usize, parents: &[Option<usize>]) -> bool {
    for _ in 0..=parents.len() {
        match parents.get(index).copied().flatten() {
            Some(parent) => index = parent,
            None => return true,
        }
    }
    false
}

fn with_followers(index: usize, parents: &[Option<usize>], nodes: &mut [Option<Finding>]) -> Option<Finding> {
    let mut finding = nodes.get_mut(index)?.take()?;
    let followers = parents.iter().enumerate().filter(|(_, parent)| **parent == Some(index));
    let followers: Vec<usize> = followers.map(|(follower, _)| follower).collect();
    for follower in followers {
        finding.follows.extend(with_followers(follower, parents, nodes));
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::super::name::Name;
    use super::*;

    fn finding(name: Name, subject: &str, severity: Severity) -> Finding {
        Finding::by_hand("", name, severity, subject, "")
    }

    #[test]
    fn what_follows_is_below_its_cause_however_deep() {
        let found = folded(vec![
            finding(Name::PluginOld, "p", Severity::Warning),
            finding(Name::PoolEmpty, "a/b", Severity::Error)
                .after([Cause::of(Name::NoVfs, "eth0"), Cause::any(Name::DriverMissing)]),
            finding(Name::DriverMissing, "x", Severity::Error).after([Cause::of(Name::PfDown, "eth1")]),
            finding(Name::PfDown, "eth1", Severity::Error),
            finding(Name::NoVfs, "eth2", Severity::Error),
        ]);
        let names = |findings: &[Finding]| findings.iter().map(|finding| finding.name).collect::<Vec<_>>();
        assert_eq!(names(&found), [Name::NoVfs, Name::PfDown, Name::PluginOld]);
        assert_eq!(names(&found[1].follows), [Name::DriverMissing]);
        assert_eq!(names(&found[1].follows[0].follows), [Name::PoolEmpty]);
        assert_eq!(found[1].all().len(), 3);
    }

    #[test]
    fn two_that_explain_each_other_are_both_told() {
        let found = folded(vec![
            finding(Name::NoVfs, "a", Severity::Error).after([Cause::any(Name::PfDown)]),
            finding(Name::PfDown, "b", Severity::Error).after([Cause::any(Name::NoVfs)]),
            finding(Name::PoolEmpty, "c", Severity::Error).after([Cause::any(Name::PoolEmpty)]),
        ]);
        assert_eq!(found.iter().map(|finding| finding.all().len()).sum::<usize>(), 3);
    }
}
