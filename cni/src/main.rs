//! `hardwire`, the CNI plugin: environment and stdin in, one JSON document out.

mod by_hand;
mod logging;

use std::io::{self, Read, Write};
use std::panic;
use std::process::ExitCode;

use hardwire_cni::Context;
use hardwire_cni::config::{Base, Bounds, LogSettings, too_large};
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
        Ok(None) => return (None, by_hand::answer(std::env::args_os().skip(1)).map(|()| None)),
        Err(error) => return (None, Err(error)),
    };
    if environment.is_version() {
        return (None, Ok(Some(verbs::version())));
    }
    let bounds = Bounds::of(environment.command().ok());
    let mut stdin = Vec::new();
    let read = read_stdin(bounds.bytes, &mut stdin);
    let base = match read {
        Ok(bytes) if bytes > bounds.bytes => Err(too_large(bytes, bounds)),
        _ => Base::parse_within(&stdin, bounds),
    };
    let settings = base
        .as_ref()
        .map(|base| LogSettings::parse(base.fields()))
        .unwrap_or_default();
    logging::start(&settings, |name| std::env::var_os(name));
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
    let outcome = match (base, environment.command()) {
        (Err(error), command) if command != Ok(Command::Del) => Err(error),
        // A DEL goes by the record, if there is one, whatever is on stdin. What was read is dropped before the verb reads it
        // again: it may be large.
        (base, _) => {
            drop(base);
            dispatch(&environment, &stdin, &network)
        }
    };
    if let Err(error) = &outcome {
        tracing::error!(code = error.code, "{error}");
    }
    drop(entered);
    (version, outcome)
}

/// Reads stdin into `stdin`, one byte more than `bound` at most, and tells its size. The rest is read and dropped, so that
/// the runtime can write all of it, up to a bound too.
fn read_stdin(bound: usize, stdin: &mut Vec<u8>) -> io::Result<usize> {
    const LARGEST_REST: u64 = 16 << 20;
    let kept = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    let mut source = io::stdin().lock();
    let read = source.by_ref().take(kept).read_to_end(stdin)?;
    let rest = io::copy(&mut source.take(LARGEST_REST), &mut io::sink())?;
    Ok(read.saturating_add(usize::try_from(rest).unwrap_or(usize::MAX)))
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
