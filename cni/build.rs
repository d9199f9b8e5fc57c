//! The version that both programs tell: the workspace's, and the commit, where `hack/build` says which (`HARDWIRE_COMMIT`).
//!
//! Nobody asks git here: a build by cargo alone would be made anew at each commit, and an archive may lie in another
//! repository. What is not said is not known, and the programs say so.

use std::env;

/// As many digits as tell commits apart and stand in a line.
const SHOWN: usize = 12;
/// Behind a commit whose files are not what was built.
const MODIFIED: &str = "-modified";

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=HARDWIRE_COMMIT");
    let given = env::var("HARDWIRE_COMMIT").unwrap_or_default();
    let commit = match given.strip_suffix(MODIFIED) {
        _ if given.is_empty() => "unknown".to_owned(),
        Some(digits) => format!("{}{MODIFIED}", shown(digits)?),
        None => shown(&given)?,
    };
    let version = env::var("CARGO_PKG_VERSION").map_err(|error| error.to_string())?;
    println!("cargo::rustc-env=HARDWIRE_COMMIT_SHOWN={commit}");
    println!("cargo::rustc-env=HARDWIRE_VERSION={version} (commit {commit})");
    Ok(())
}

fn shown(digits: &str) -> Result<String, String> {
    let is_commit = (SHOWN..=64).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_commit.then(|| digits.chars().take(SHOWN).collect()).ok_or_else(|| {
        format!("HARDWIRE_COMMIT={digits}: must be the digits of a commit, as `git rev-parse HEAD` prints them")
    })
}
