//! `hardwired`: the device manager. Everything of substance is in the library.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use hardwire_device_plugin::ask::control;
use hardwire_device_plugin::commands::args::{Cli, Command, InstallArgs, RunArgs};
use hardwire_device_plugin::commands::chain::Chained;
use hardwire_device_plugin::commands::install_cni::{Installed, PROGRAM, ProgramName, install};
use hardwire_device_plugin::commands::networks::{device_class, nad};
use hardwire_device_plugin::commands::provision;
use hardwire_device_plugin::commands::terminal::{Output, Paint};
use hardwire_device_plugin::commands::{chain, check, completions, devices, doctor, run as daemon, upstream_flags};
use hardwire_device_plugin::telemetry::logging;
use tracing::{error, info};

/// For what the daemon's own drain did not end.
const RUNTIME_BOUND: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let translated = upstream_flags::translate(std::env::args_os());
    let cli = Cli::parse_from(translated.arguments);
    if let Err(error) = logging::start(&cli.log_level, cli.log_format) {
        say(&error.to_string());
        return ExitCode::from(2);
    }
    for flag in translated.ignored {
        info!("{flag}");
    }
    if let Command::Run(args) = &cli.command {
        return match run(args) {
            Ok(()) => ExitCode::SUCCESS,
            // A daemon's end belongs to its log.
            Err(error) => {
                error!("{}", in_words(&error));
                ExitCode::FAILURE
            }
        };
    }
    let mut out = Output::to(io::stdout().lock());
    match command(&cli.command, &mut out) {
        Ok(status) => status,
        Err(_) if out.is_closed() => ExitCode::SUCCESS,
        Err(error) => {
            say(&in_words(&error));
            ExitCode::from(match cli.command {
                Command::Doctor(_) => doctor::NOT_EXAMINED,
                // 1 is an answer.
                Command::Plan(_) => 2,
                _ => 1,
            })
        }
    }
}

/// All but the daemon: a person's commands, which end.
fn command(command: &Command, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let paint = Paint::of(&io::stdout(), |name| std::env::var_os(name));
    match command {
        Command::Doctor(args) => {
            let health = doctor::run(args, paint, out, &mut io::stderr().lock())?;
            return Ok(ExitCode::from(health.exit_status()));
        }
        Command::Run(args) => run(args)?,
        Command::Adopt(args) => adopt(&args.device, out)?,
        Command::Devices(args) => devices::print(args, paint, out)?,
        Command::Check(args) => check::check(args, out)?,
        Command::Nad(args) => nad::print(args, out)?,
        Command::Deviceclass(args) => device_class::print(args, out)?,
        Command::Completions(args) => {
            completions::print(args, &Cli::command(), upstream_flags::DEFAULT, out).context("stdout")?;
        }
        Command::Plan(args) => return Ok(ExitCode::from(provision::plan(args, out)?)),
        Command::Apply(args) => return Ok(ExitCode::from(provision::apply(args, out)?)),
        Command::InstallCni(args) => install_cni(args, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn adopt(device: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let done = control::adopt(&context().state, device).with_context(|| device.to_owned())?;
    Ok(writeln!(out, "{device}: {done}")?)
}

fn install_cni(args: &InstallArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let InstallArgs { from, to, name, .. } = args;
    let programs = to
        .iter()
        .flat_map(|to| name.iter().map(move |name| (to.as_path(), name)));
    for (to, name) in programs {
        match install(from, to, name)? {
            Installed::Already(at) => writeln!(out, "{} is {} already", at.display(), from.display())?,
            Installed::Now { at, kept } => {
                writeln!(out, "installed {} as {}", from.display(), at.display())?;
                if let Some(kept) = kept {
                    writeln!(out, "the other program that was there is {} now", kept.display())?;
                }
            }
        }
    }
    if args.chain {
        let program = name.first().map_or(PROGRAM, ProgramName::as_str);
        match chain::chain(&context(), &args.cni_config_dir, program)? {
            Chained::Already(path) => writeln!(out, "{}: our entry is in it", path.display())?,
            Chained::Now { path, behind } => {
                writeln!(out, "{}: our entry is in it now, behind {behind}", path.display())?;
            }
            Chained::Later => writeln!(
                out,
                "{}: no network here yet but Multus' own: hardwired run puts our entry into the first that comes",
                args.cni_config_dir.display()
            )?,
        }
    }
    if args.unchain {
        let changed = chain::unchain(&context(), &args.cni_config_dir)?;
        if changed.is_empty() {
            writeln!(out, "{}: our entry is in no list", args.cni_config_dir.display())?;
        }
        for path in changed {
            writeln!(out, "{}: our entry is out of it", path.display())?;
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

/// To whoever called, whatever the log leaves out.
fn say(text: &str) {
    // With stderr closed there is nowhere to complain.
    let _ = writeln!(
        io::stderr().lock(),
        "{}",
        hardwire_cni::printable::printable(&format!("hardwired: {text}"))
    );
}
