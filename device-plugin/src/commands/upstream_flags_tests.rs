//! Command lines of sriov-network-device-plugin, of its image and of sriov-network-operator, and our own.

use std::path::Path;

use clap::Parser;

use super::*;
use crate::commands::args::{Command, RunArgs};

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

fn parse(line: &str) -> (Cli, Vec<String>) {
    let translated = translate(words(line));
    let cli = Cli::try_parse_from(&translated.arguments);
    let cli = cli.unwrap_or_else(|error| panic!("{line}: {:?}: {error}", translated.arguments));
    (cli, translated.ignored)
}

fn run(line: &str) -> (RunArgs, Vec<String>) {
    match parse(line) {
        (
            Cli {
                command: Command::Run(args),
                ..
            },
            ignored,
        ) => (args, ignored),
        other => panic!("{line}: {other:?}"),
    }
}

fn level(line: &str) -> String {
    parse(line).0.log_level
}

#[test]
fn the_manifest_of_upstream_is_understood() {
    let (args, ignored) = run("hardwired --log-dir=sriovdp --log-level=10");
    assert_eq!(args.config.to_str(), Some("/etc/pcidp/config.json"));
    assert_eq!(args.node.resource_prefix, "intel.com");
    assert!(!args.container.use_cdi);
    assert_eq!(ignored, ["--log-dir has no meaning here: logs go to stderr, always"]);
    assert_eq!(level("hardwired --log-dir=sriovdp --log-level=10"), "info");
    assert!(
        run("hardwired --log-dir=sriovdp --log-level=10 --use-cdi")
            .0
            .container
            .use_cdi
    );
}

#[test]
fn the_daemon_set_of_the_operator_is_understood() {
    let line = "hardwired --log-level=10 --resource-prefix=openshift.io --config-file=/etc/pcidp/worker-0 --use-cdi";
    let (args, ignored) = run(line);
    assert_eq!(args.config.to_str(), Some("/etc/pcidp/worker-0"));
    assert_eq!(args.node.resource_prefix, "openshift.io");
    assert!(args.container.use_cdi && ignored.is_empty());
}

#[test]
fn the_flags_of_the_program_are_understood_in_each_form_of_go() {
    for line in [
        "sriovdp -config-file /c -resource-prefix a.b -use-cdi",
        "sriovdp --config-file /c --resource-prefix a.b --use-cdi=true",
        "sriovdp -config-file=/c -resource-prefix=a.b -use-cdi=1",
        "sriovdp -logtostderr -v 10 -config-file=/c --resource-prefix a.b -use-cdi=T",
        "sriovdp -use-cdi=false -config-file=/x -config-file=/c -resource-prefix a.b -use-cdi",
    ] {
        let (args, _) = run(line);
        assert_eq!(args.config.to_str(), Some("/c"), "{line}");
        assert_eq!(
            (args.node.resource_prefix.as_str(), args.container.use_cdi),
            ("a.b", true),
            "{line}"
        );
    }
    assert!(!run("sriovdp -use-cdi -use-cdi=false").0.container.use_cdi);
    assert!(!run("sriovdp -use-cdi=false").0.container.use_cdi);
    assert!(!run("sriovdp").0.container.use_cdi);
}

#[test]
fn the_flags_of_glog_are_taken_and_told() {
    let line = "sriovdp -logtostderr -alsologtostderr=true -stderrthreshold INFO -vmodule=a=1 -log_backtrace_at x:1 \
                -log_dir /var/log/sriovdp -log_link= -logbuflevel 0 --config-file=/c";
    let (args, ignored) = run(line);
    assert_eq!(args.config.to_str(), Some("/c"));
    let names: Vec<&str> = ignored.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        names,
        [
            "--logtostderr",
            "--alsologtostderr",
            "--stderrthreshold",
            "--vmodule",
            "--log_backtrace_at",
            "--log_dir",
            "--log_link",
            "--logbuflevel",
        ]
    );
}

#[test]
fn levels_are_words_or_upstreams_numbers() {
    for (line, expected) in [
        ("hardwired", "info"),
        ("hardwired --log-level=0", "info"),
        ("hardwired -v=10", "info"),
        ("hardwired -v 11", "debug"),
        ("hardwired --log-level debug", "debug"),
        (
            "hardwired --log-level=warn,hardwire_cni=trace",
            "warn,hardwire_cni=trace",
        ),
        ("hardwired -log-level trace devices", "trace"),
        ("hardwired --log-level=10 -v=20", "debug"),
    ] {
        assert_eq!(level(line), expected, "{line}");
    }
}

#[test]
fn without_a_command_it_is_run() {
    for (line, command) in [
        ("hardwired", "run"),
        ("hardwired --kubelet-dir /k", "run"),
        ("hardwired --log-level devices", "run"),
        ("hardwired --log-level debug devices", "devices"),
        ("hardwired devices -json --config /c", "devices"),
        ("hardwired check -config-file=/c", "check"),
        ("hardwired check", "check"),
        ("hardwired run -config /c", "run"),
    ] {
        let matches = Cli::command().try_get_matches_from(translate(words(line)).arguments);
        assert_eq!(matches.unwrap().subcommand_name(), Some(command), "{line}");
    }
}

#[test]
fn help_and_mistakes_are_claps() {
    for (line, kind) in [
        ("hardwired -h", clap::error::ErrorKind::DisplayHelp),
        ("hardwired --help", clap::error::ErrorKind::DisplayHelp),
        ("hardwired --version", clap::error::ErrorKind::DisplayVersion),
        ("hardwired --config x --version", clap::error::ErrorKind::DisplayVersion),
        ("hardwired --config x --help", clap::error::ErrorKind::DisplayHelp),
        ("hardwired --no-such-flag", clap::error::ErrorKind::UnknownArgument),
        ("hardwired --use-cdi=perhaps", clap::error::ErrorKind::TooManyValues),
        ("hardwired --config-file", clap::error::ErrorKind::InvalidValue),
        ("hardwired nonsense", clap::error::ErrorKind::InvalidSubcommand),
    ] {
        let error = Cli::try_parse_from(translate(words(line)).arguments).unwrap_err();
        assert_eq!(error.kind(), kind, "{line}: {error}");
    }
}

#[test]
fn the_image_of_sriov_cni_that_an_operator_runs_installs_both_names_and_ends() {
    let install = |line: &str| match parse(line).0.command {
        Command::InstallCni(args) => args,
        other => panic!("{line}: {other:?}"),
    };
    let names = |args: &crate::commands::args::InstallArgs| args.name.len();
    let args = install("hardwired --no-sleep");
    assert_eq!(
        (args.to.as_deref().and_then(Path::to_str), names(&args)),
        (Some("/host/opt/cni/bin"), 2)
    );
    assert_eq!(args.from.to_str(), Some("/usr/bin/hardwire"));
    let args = install("hardwired --cni-bin-dir=/host/bin --no-sleep");
    assert_eq!(args.to.as_deref().and_then(Path::to_str), Some("/host/bin"));
    // Ours, as it is.
    let args = install("hardwired install-cni --to /d --name sriov");
    assert_eq!(
        (args.to.as_deref().and_then(Path::to_str), names(&args)),
        (Some("/d"), 1)
    );
    for line in [
        "hardwired --cni-bin-dir=/d",
        "hardwired run --no-sleep",
        "hardwired install-cni --to /d --no-sleep",
    ] {
        assert!(Cli::try_parse_from(translate(words(line)).arguments).is_err(), "{line}");
    }
}
