//! Both programs as a person meets them in a terminal: help, version, completions, colours.

use std::process::{Command, Output};

use hardwire_tests::binaries::{hardwire, hardwired};

use super::*;

fn run(command: &mut Command) -> String {
    let output: Output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn both_programs_say_their_version_and_the_same_commit() {
    let (daemon, plugin) = (
        run(Command::new(hardwired()).arg("--version")),
        run(Command::new(hardwire()).arg("--version")),
    );
    let version = daemon.strip_prefix("hardwired ").unwrap();
    assert_eq!(plugin.strip_prefix("hardwire ").unwrap(), version);
    let commit = version
        .strip_prefix(concat!(env!("CARGO_PKG_VERSION"), " (commit "))
        .unwrap();
    let commit = commit.strip_suffix(")\n").unwrap();
    let digits = commit.strip_suffix("-modified").unwrap_or(commit);
    let is_commit = digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    // Built by cargo alone, or from an archive, nobody told it.
    assert!(is_commit || commit == "unknown", "{version}");
    if std::env::var_os("HARDWIRE_DIST").is_some() {
        let revision = run(Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/build")).arg("--revision"));
        // Another commit may have come since, but not the first one or the end of all.
        assert_eq!(
            revision.trim() == "unknown",
            commit == "unknown",
            "{revision}: {version}"
        );
    }
}

/// What stands in the examples is what a person pastes.
#[test]
fn every_command_of_the_examples_is_one_that_there_is() {
    let help = run(Command::new(hardwired()).arg("--help"));
    let commands: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("hardwired "))
        .collect();
    assert!(commands.len() >= 6, "{help}");
    for command in commands {
        let words = command.split(['#', '>']).next().unwrap().split_whitespace();
        let mut words: Vec<&str> = words.take_while(|word| !["|", "\\"].contains(word)).collect();
        words.push("--help");
        run(Command::new(hardwired()).args(&words));
    }
    assert!(help.contains("Usage: hardwired [COMMAND] [OPTIONS]\n"), "{help}");
    let mut all = vec![help];
    for command in [
        "run",
        "devices",
        "adopt",
        "check",
        "nad",
        "completions",
        "doctor",
        "plan",
        "apply",
        "install-cni",
    ] {
        let help = run(Command::new(hardwired()).args([command, "--help"]));
        assert!(help.contains("Examples:\n  hardwired "), "{help}");
        all.push(help);
    }
    let help = run(Command::new(hardwire()).arg("--help"));
    all.push(help.clone());
    for line in all.iter().flat_map(|help| help.lines()) {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(help.contains("CNI_COMMAND=ADD hardwire <try.json"), "{help}");
    let answer = Command::new(hardwire()).arg("--verson").output().unwrap();
    assert_eq!(answer.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert!(
        error["msg"]
            .as_str()
            .unwrap()
            .contains("argument --verson: it must be --help or --version"),
        "{error}"
    );
}

#[test]
fn a_shell_completes_commands_flags_and_values() {
    let script = run(Command::new(hardwired()).args(["completions", "bash"]));
    let complete = |words: &[&str]| {
        let program = format!(
            "{script}\nCOMP_WORDS=(hardwired \"$@\"); COMP_CWORD=$#\n\
             _hardwired hardwired \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[*]}}\"\n"
        );
        run(Command::new("bash")
            .args(["--norc", "-c", &program, "bash"])
            .args(words))
    };
    assert_eq!(complete(&["dev"]), "devices\n");
    // Without a command it is `run`.
    assert!(
        complete(&["--metr"]).contains("--metrics-bind"),
        "{}",
        complete(&["--metr"])
    );
    assert!(complete(&["check", "--na"]).contains("--nad"));
    assert!(complete(&["devices", "--output", ""]).contains("wide"));
    assert!(complete(&["completions", "z"]).contains("zsh"));
    for shell in ["zsh", "fish"] {
        let script = run(Command::new(hardwired()).args(["completions", shell]));
        for word in ["install-cni", "nad", "spoofchk"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

/// `script` (util-linux) gives a program a terminal.
#[test]
fn colours_are_on_a_terminal_only_and_not_where_nobody_wants_them() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let line = format!(
        "{} devices --sysfs-root {}",
        hardwired().display(),
        tree.root().display()
    );
    let on_terminal = |variable: &str, value: &str| {
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        script
            .env("HARDWIRE_STATE_DIR", site.state_dir())
            .env_remove("NO_COLOR")
            .env("TERM", "xterm");
        run(script.env(variable, value))
    };
    assert!(on_terminal("TERM", "xterm").contains("\u{1b}[1mDEVICE"));
    for (variable, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = on_terminal(variable, value);
        assert!(plain.contains("DEVICE") && !plain.contains('\u{1b}'), "{plain:?}");
    }
}

#[test]
fn what_goes_wrong_is_said_to_who_called_whatever_the_log_leaves_out() {
    let site = Site::new();
    let mut nad = Command::new(hardwired());
    nad.args(["nad", "vfs", "--vlan", "-1", "--config"])
        .arg(site.config(&one_pool()));
    for level in ["off", "info"] {
        let output = nad.env("RUST_LOG", level).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("hardwired: vlan: -1 is not valid"), "{said}");
    }
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    let mut command = site.prepared(&["devices", "-o", "json"], tree.root());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.env("RUST_LOG", "info").stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn what_is_installed_is_printed_and_logged_nowhere() {
    let site = Site::new();
    let mut command = Command::new(hardwired());
    let bin = site.directory().join("bin");
    command
        .args(["install-cni", "--from"])
        .arg(hardwire())
        .arg("--to")
        .arg(&bin);
    let output = command.output().unwrap();
    let expected = format!(
        "installed {} as {}\n",
        hardwire().display(),
        bin.join("hardwire").display()
    );
    assert_eq!(
        (String::from_utf8(output.stdout).unwrap(), output.stderr.len()),
        (expected, 0)
    );
}
