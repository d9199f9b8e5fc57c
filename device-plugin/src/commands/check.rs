//! The command `check`: what is wrong with a configuration, told before anything runs with it. It also reads whole manifests,
//! since that is what an operator has before there is a file on a node.

use std::fs;
use std::io::{self, Write};

use crate::commands::args::CheckArgs;
use crate::commands::networks;
use crate::commands::networks::check::NetworksError;
use crate::config::manifest::Manifest;
use crate::config::{Config, ConfigError, Defaults, Pool};
use crate::provision::wanted;

/// Why a configuration does not pass.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Some configurations of a manifest are of no use. Which and why has been printed.
    #[error("{file}: {bad} of {all} configurations are of no use")]
    Unusable {
        /// Which file.
        file: String,
        /// How many are of no use.
        bad: usize,
        /// How many there are.
        all: usize,
    },
    /// Some of it is of no use. Which pools has been printed.
    #[error("{file}: {refused} of {} refused", pools(*.all))]
    Refused {
        /// Which file.
        file: String,
        /// How many pools are refused.
        refused: usize,
        /// How many pools there are.
        all: usize,
    },
    /// Some entries of `pfs` are of no use. Which has been printed.
    #[error("{file}: {refused} of {all} entries of pfs refused")]
    RefusedPfs {
        /// Which file.
        file: String,
        /// How many are refused.
        refused: usize,
        /// How many there are.
        all: usize,
    },
    /// There are warnings, which have been printed, and `--strict`.
    #[error("{file}: {}, which --strict does not let pass", warnings(*.count))]
    Strict {
        /// Which file.
        file: String,
        /// How many warnings there are.
        count: usize,
    },
    /// It is about networks.
    #[error(transparent)]
    Networks(#[from] NetworksError),
    /// Nobody reads what is printed.
    #[error("stdout: {0}")]
    Output(#[from] io::Error),
}

/// What was found in all configurations.
#[derive(Debug, Default)]
struct Tally {
    good: usize,
    refused: usize,
    good_pfs: usize,
    refused_pfs: usize,
    warnings: usize,
}

/// Prints what a configuration is and what is wrong with it, one line each.
pub fn check(args: &CheckArgs, out: &mut impl Write) -> Result<(), CheckError> {
    if let Some(nad) = &args.nad {
        return Ok(networks::check::check(args, nad, out)?);
    }
    let (path, defaults) = (args.config(), args.node.defaults());
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut tally = Tally::default();
    match Manifest::find(&text) {
        None => tally.check(&file, text, &defaults, out)?,
        Some(manifest) => tally.check_all(&file, manifest, &defaults, out)?,
    }
    out.flush()?;
    let Tally {
        good,
        refused,
        good_pfs,
        refused_pfs,
        warnings,
    } = tally;
    if refused > 0 {
        let all = good + refused;
        return Err(CheckError::Refused { file, refused, all });
    }
    if refused_pfs > 0 {
        let all = good_pfs + refused_pfs;
        let refused = refused_pfs;
        return Err(CheckError::RefusedPfs { file, refused, all });
    }
    if args.strict && warnings > 0 {
        let count = warnings;
        return Err(CheckError::Strict { file, count });
    }
    Ok(())
}

// === impl Tally ===

impl Tally {
    /// One configuration.
    fn check(
        &mut self,
        origin: &str,
        text: String,
        defaults: &Defaults,
        out: &mut impl Write,
    ) -> Result<(), CheckError> {
        let config = Config::from_text(origin, text, defaults)?;
        for refused in &config.refused {
            writeln!(out, "{origin}: pool refused: {refused}")?;
        }
        for warning in &config.warnings {
            writeln!(out, "{origin}: warning: {warning}")?;
        }
        for refused in &config.pfs.refused {
            writeln!(out, "{origin}: PFs refused: {refused}")?;
        }
        for pool in &config.pools {
            writeln!(out, "{}", described(pool))?;
        }
        for entry in &config.pfs.entries {
            let wanted = wanted::in_words(&entry.settings);
            writeln!(out, "{}: {wanted} (provision: {})", entry.at, config.pfs.mode.word())?;
        }
        if config.refused.is_empty() && config.pfs.refused.is_empty() {
            let remark = if !config.pfs.entries.is_empty() {
                ", and PFs"
            } else if config.pools.is_empty() {
                ", nothing to offer"
            } else {
                ""
            };
            writeln!(out, "{origin}: good: {}{remark}", pools(config.pools.len()))?;
        }
        self.good += config.pools.len();
        self.refused += config.refused.len();
        self.good_pfs += config.pfs.entries.len();
        self.refused_pfs += config.pfs.refused.len();
        self.warnings += config.warnings.len();
        Ok(())
    }

    /// All configurations of a manifest: one that is of no use hides nothing of the others.
    fn check_all(
        &mut self,
        file: &str,
        manifest: Manifest,
        defaults: &Defaults,
        out: &mut impl Write,
    ) -> Result<(), CheckError> {
        let contents = manifest.contents(file)?;
        for ignored in &contents.ignored {
            writeln!(out, "{ignored}: not checked")?;
        }
        let all = contents.configurations.len();
        let mut bad = Vec::new();
        for part in contents.configurations {
            match self.check(&part.origin, part.text, defaults, out) {
                Ok(()) => {}
                Err(CheckError::Config(error)) => bad.push(error),
                Err(other) => return Err(other),
            }
        }
        let count = bad.len();
        match bad.pop() {
            None => Ok(()),
            Some(only) if bad.is_empty() => Err(only.into()),
            Some(last) => {
                for error in bad.into_iter().chain([last]) {
                    writeln!(out, "{error}")?;
                }
                out.flush()?;
                let (file, bad) = (file.to_owned(), count);
                Err(CheckError::Unusable { file, bad, all })
            }
        }
    }
}

fn described(pool: &Pool) -> String {
    let kind = pool.device_type.word();
    let variables = pool.variables.join(" ");
    let selectors = counted(pool.selectors.len(), "selector");
    format!("{}: {kind}, {selectors}, {variables}", pool.resource)
}

fn pools(count: usize) -> String {
    counted(count, "pool")
}

fn warnings(count: usize) -> String {
    counted(count, "warning")
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::commands::args::{Cli, Command};

    /// What is printed, and what is wrong.
    fn run(content: &str, arguments: &[&str]) -> (String, Result<(), String>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, content).unwrap();
        let line = [&["hardwired", "check", "--config", path.to_str().unwrap()], arguments].concat();
        let Command::Check(args) = Cli::parse_from(line).command else {
            panic!("another command")
        };
        let mut out = Vec::new();
        let result = check(&args, &mut out);
        let place = format!("{}/", directory.path().display());
        let plain = |text: String| text.replace(&place, "");
        (
            plain(String::from_utf8(out).unwrap()),
            result.map_err(|error| plain(error.to_string())),
        )
    }

    #[test]
    fn warnings_pass_unless_they_are_not_to() {
        let noted = r#"{"resourceList": [{"resourceName": "x", "_why": "", "selectors": {}}]}"#;
        let (printed, result) = run(noted, &[]);
        assert_eq!(result, Ok(()));
        assert!(
            printed.contains("f: warning: resourceList[0] (x): _why is a note"),
            "{printed}"
        );
        let (same, result) = run(noted, &["--strict"]);
        assert_eq!(same, printed);
        assert_eq!(result, Err("f: 1 warning, which --strict does not let pass".to_owned()));
        let clean = r#"{"resourceList": [{"resourceName": "x", "selectors": {}}]}"#;
        assert_eq!(run(clean, &["--strict"]).1, Ok(()));
    }

    #[test]
    fn each_configuration_of_a_manifest_is_told_of() {
        let map = |data: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata:\n{data}");
        let good = r#"'{"resourceList": [{"resourceName": "x", "selectors": {}}]}'"#;
        let empty = "'{\"resourceList\": null}'";
        let (printed, result) = run(&map(&format!("  config.json: {good}\n  notes: x\n")), &["--strict"]);
        assert_eq!(result, Ok(()));
        assert_eq!(
            printed,
            "f: ConfigMap m, notes: no resourceList in it: not checked\n\
             intel.com/x: netDevice, 1 selector, PCIDEVICE_INTEL_COM_X\n\
             f: ConfigMap m, config.json: good: 1 pool\n"
        );
        let bad = "'{\"resourceList\": [{}]}'";
        let (printed, result) = run(&map(&format!("  a: {bad}\n  b: {empty}\n  c: {good}\n")), &[]);
        assert!(
            result
                .unwrap_err()
                .starts_with("f: ConfigMap m, a: no good pool: resourceList[0]")
        );
        assert!(
            printed.contains("f: ConfigMap m, b: good: 0 pools, nothing to offer\n"),
            "{printed}"
        );
        assert!(printed.ends_with("f: ConfigMap m, c: good: 1 pool\n"), "{printed}");
        let (printed, result) = run(
            &map(&format!("  config.json: '{{}}}}'\n  b: {bad}\n  c: {good}\n")),
            &[],
        );
        assert_eq!(result, Err("f: 2 of 3 configurations are of no use".to_owned()));
        assert!(printed.contains("f: ConfigMap m, config.json: not JSON"), "{printed}");
    }

    #[test]
    fn a_manifest_without_a_configuration_is_never_good() {
        for text in [
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {nics: x}\n",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: m}\n",
            "apiVersion: v1\nkind: List\nitems: []\n",
            "replicas: 1\nimage: x\n",
        ] {
            let (printed, result) = run(text, &[]);
            assert_eq!(printed, "");
            assert!(result.unwrap_err().contains("expected a"), "{text}");
        }
    }
}
