//! `hardwire`, the CNI plugin: environment and stdin in, one JSON document out.

mod logging;

use std::io::{self, Read, Write};
use std::panic;
use std::process::ExitCode;

use hardwire_cni::Context;
use hardwire_cni::config::{Base, LogSettings};
use hardwire_cni::protocol::{CniError, Command, Environment, SpecVersion, code};
use hardwire_cni::report::Phases;
use hardwire_cni::verbs;
use serde_json::Value;

fn main() -> ExitCode {
    panic::set_hook(Box::new(report_panic));
    let (version, outcome) = call();
    let printed = match &outcome {
        Ok(Some(result)) => print(result),
        Ok(None) => Ok(()),
        Err(error) => print(&error.to_json(version)),
    };
    if outcome.is_ok() && printed.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The call, and the version to report an error in.
fn call() -> (Option<SpecVersion>, Result<Option<Value>, CniError>) {
    let environment = match Environment::read(|name| std::env::var_os(name)) {
        Ok(Some(environment)) => environment,
        Ok(None) => return (None, about()),
        Err(error) => return (None, Err(error)),
    };
    if environment.is_version() {
        return (None, Ok(Some(verbs::version())));
    }
    let mut stdin = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut stdin);
    let base = Base::parse(&stdin);
    let settings = base
        .as_ref()
        .map(|base| LogSettings::parse(base.fields()))
        .unwrap_or_default();
    logging::start(&settings, std::env::var_os("HARDWIRE_LOG_DIR"));
    // A DEL needs its environment and the journal only.
    if let Err(error) = read
        && !matches!(environment.command(), Ok(Command::Del))
    {
        return (
            None,
            Err(CniError::new(code::IO, format!("error reading from stdin: {error}"))),
        );
    }
    // On every line, whatever its level.
    let span = tracing::error_span!(
        "cni",
        command = environment.command().map_or("?", Command::as_str),
        network = base.as_ref().map_or("?", |base| base.name.as_str()),
        container = environment.container_id().map_or("", |id| id.as_str()),
        netns = environment.netns.as_deref().unwrap_or_default(),
        ifname = environment.ifname().map_or("", |name| name.as_str()),
        device = tracing::field::Empty,
    );
    let entered = span.enter();
    let version = base.as_ref().ok().and_then(Base::version);
    let network = base
        .as_ref()
        .map_or_else(|_| String::new(), |base| base.name.to_string());
    let outcome = match environment.command() {
        // By the record, if there is one, whatever is on stdin.
        Ok(Command::Del) => dispatch(&environment, &stdin, &network),
        _ => base.and_then(|_valid| dispatch(&environment, &stdin, &network)),
    };
    if let Err(error) = &outcome {
        tracing::error!(code = error.code, "{error}");
    }
    drop(entered);
    (version, outcome)
}

fn dispatch(environment: &Environment, stdin: &[u8], network: &str) -> Result<Option<Value>, CniError> {
    let context = Context::read(|name| std::env::var_os(name));
    let mut phases = Phases::begin();
    match environment.command()? {
        Command::Add => {
            let added = verbs::add(&context, environment, stdin, print, &mut phases);
            report(&context, phases, environment, network, &added);
            added.map(|()| None)
        }
        Command::Del => {
            let deleted = verbs::del(&context, environment, stdin, &mut phases);
            report(&context, phases, environment, network, &deleted);
            deleted.map(|()| None)
        }
        Command::Check => verbs::check(&context, environment, stdin).map(|()| None),
        Command::Version => Ok(Some(verbs::version())),
        Command::Gc => verbs::gc(&context, environment, stdin).map(|()| None),
        Command::Status => verbs::status(&context, environment, stdin).map(|()| None),
    }
}

/// Says what a call cost, to the log and to the daemon.
fn report(context: &Context, phases: Phases, environment: &Environment, network: &str, outcome: &Result<(), CniError>) {
    let code = outcome.as_ref().err().map_or(0, |error| error.code);
    let report = phases.report(environment, network, code);
    tracing::info!("{report}");
    report.send(&context.state);
}

fn about() -> Result<Option<Value>, CniError> {
    let written = io::stderr().lock().write_all(verbs::about().as_bytes());
    written.map(|()| None).map_err(|error| CniError::new(code::IO, error))
}

fn print(document: &Value) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(document)?;
    text.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&text)?;
    stdout.flush()
}

/// A panic is an error object too: with an empty stdout the runtime would know nothing.
#[allow(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "after a panic there is no main to return to"
)]
fn report_panic(info: &panic::PanicHookInfo<'_>) {
    let place = info
        .location()
        .map(|at| format!(" at {}:{}", at.file(), at.line()))
        .unwrap_or_default();
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    let error = CniError::new(code::INTERNAL, format!("hardwire failed{place}: {text}"));
    // Nothing more can be done where even this cannot be written.
    drop(print(&error.to_json(None)));
    std::process::exit(1);
}
