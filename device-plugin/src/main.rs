//! `hardwired`: the device manager. Everything of substance is in the library.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use hardwire_device_plugin::ask::control;
use hardwire_device_plugin::commands::args::{Cli, Command, InstallArgs, RunArgs};
use hardwire_device_plugin::commands::chain::Chained;
use hardwire_device_plugin::commands::doctor::args::DoctorArgs;
use hardwire_device_plugin::commands::install_cni::{Installed, PROGRAM, ProgramName, install};
use hardwire_device_plugin::commands::networks::nad;
use hardwire_device_plugin::commands::terminal::Paint;
use hardwire_device_plugin::commands::{chain, check, completions, devices, doctor, run as daemon, upstream_flags};
use hardwire_device_plugin::telemetry::logging;
use tracing::{error, info};

/// For what the daemon's own drain did not end.
const RUNTIME_BOUND: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let translated = upstream_flags::translate(std::env::args_os());
    let cli = Cli::parse_from(translated.arguments);
    if let Err(error) = logging::start(&cli.log_level, cli.log_format) {
        eprintln_or_nothing(&error);
        return ExitCode::from(2);
    }
    for flag in translated.ignored {
        info!("{flag}");
    }
    match command(&cli.command) {
        Ok(status) => status,
        Err(error) => {
            error!("{}", in_words(&error));
            ExitCode::FAILURE
        }
    }
}

fn command(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Doctor(args) => return Ok(examine(args)),
        Command::Run(args) => run(args),
        Command::Adopt(args) => adopt(&args.device),
        Command::Devices(args) => {
            let paint = Paint::of(&io::stdout(), |name| std::env::var_os(name));
            Ok(devices::print(args, paint, &mut io::stdout().lock())?)
        }
        Command::Check(args) => Ok(check::check(args, &mut io::stdout().lock())?),
        Command::Nad(args) => Ok(nad::print(args, &mut io::stdout().lock())?),
        Command::Completions(args) => {
            let printed = completions::print(args, &mut Cli::command(), &mut io::stdout().lock());
            printed.context("stdout")
        }
        Command::InstallCni(args) => install_cni(args),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn examine(args: &DoctorArgs) -> ExitCode {
    let paint = Paint::of(&io::stdout(), |name| std::env::var_os(name));
    match doctor::run(args, paint, &mut io::stdout().lock(), &mut io::stderr().lock()) {
        Ok(health) => ExitCode::from(health.exit_status()),
        Err(error) => {
            error!("{error}");
            ExitCode::from(doctor::NOT_EXAMINED)
        }
    }
}

fn adopt(device: &str) -> anyhow::Result<()> {
    use std::io::Write;

    let done = control::adopt(&context().state, device).with_context(|| device.to_owned())?;
    Ok(writeln!(io::stdout().lock(), "{device}: {done}")?)
}

fn install_cni(args: &InstallArgs) -> anyhow::Result<()> {
    let InstallArgs { from, to, name, .. } = args;
    let programs = to
        .iter()
        .flat_map(|to| name.iter().map(move |name| (to.as_path(), name)));
    for (to, name) in programs {
        match install(from, to, name)? {
            Installed::Already(at) => info!("{} is {} already", at.display(), from.display()),
            Installed::Now { at, kept } => {
                info!("installed {} as {}", from.display(), at.display());
                if let Some(kept) = kept {
                    info!("the other program that was there is {} now", kept.display());
                }
            }
        }
    }
    if args.chain {
        let program = name.first().map_or(PROGRAM, ProgramName::as_str);
        match chain::chain(&context(), &args.cni_config_dir, program)? {
            Chained::Already(path) => info!("{}: our entry is in it", path.display()),
            Chained::Now { path, behind } => info!("{}: our entry is in it now, behind {behind}", path.display()),
            Chained::Later => info!(
                "{}: no network here yet but Multus' own: hardwired run puts our entry into the first that comes",
                args.cni_config_dir.display()
            ),
        }
    }
    if args.unchain {
        let changed = chain::unchain(&context(), &args.cni_config_dir)?;
        if changed.is_empty() {
            info!("{}: our entry is in no list", args.cni_config_dir.display());
        }
        for path in changed {
            info!("{}: our entry is out of it", path.display());
        }
    }
    Ok(())
}

fn context() -> hardwire_cni::Context {
    hardwire_cni::Context::read(|name| std::env::var_os(name))
}

fn run(args: &RunArgs) -> anyhow::Result<()> {
    info!("hardwired {}", hardwire_cni::VERSION);
    // One thread: the work is a few small messages, and each thread would cost memory on every node.
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().context("runtime")?;
    let ended = runtime.block_on(daemon::run(args));
    runtime.shutdown_timeout(RUNTIME_BOUND);
    Ok(ended?)
}

/// The error and what caused it, each once: most errors say their cause themselves.
fn in_words(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Before there is a log.
fn eprintln_or_nothing(error: &dyn std::error::Error) {
    use std::io::Write;

    // With stderr closed there is nowhere to complain.
    let text = format!("hardwired: {error}");
    let _ = writeln!(io::stderr().lock(), "{}", hardwire_cni::printable::printable(&text));
}
