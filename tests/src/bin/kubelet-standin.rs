//! The kubelet's stand-in as a program, for `hack/demo` and for trying things by hand.
//!
//! `run` is the kubelet. The other commands ask a running one through DIR/standin.sock: one line of JSON each way.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Parser, Subcommand};
use hardwire_tests::kubelet::{Allocation, End, Kubelet, Resource};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

/// A kubelet without pods: takes registrations, allocates devices.
#[derive(Debug, Parser)]
#[command(name = "kubelet-standin")]
struct Cli {
    /// Stands for /var/lib/kubelet.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
enum Command {
    /// Be the kubelet, until SIGTERM or SIGINT; what happens is printed. This is what no command means.
    Run,
    /// Print each resource, with its devices and who holds them.
    List,
    /// Wait until a resource has so many healthy devices.
    Wait {
        /// As in intel.com/sriov.
        resource: String,
        /// How many.
        #[arg(default_value_t = 1)]
        count: usize,
        /// For how long.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// Admit a pod: choose devices, call Allocate, print the devices and the environment variables.
    Allocate {
        /// As in intel.com/sriov.
        resource: String,
        /// NAMESPACE/NAME or NAME.
        pod: String,
        /// How many devices.
        #[arg(default_value_t = 1)]
        count: usize,
    },
    /// A pod is gone.
    Free {
        /// As given to allocate.
        pod: String,
    },
    /// Restart the kubelet.
    Restart {
        /// As if killed: its old socket stays until it starts.
        #[arg(long)]
        kill: bool,
    },
    /// End the kubelet.
    Stop,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let control = cli.dir.join("standin.sock");
    let done = match cli.command {
        None | Some(Command::Run) => run(&cli.dir, &control),
        Some(command) => ask(&control, &command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With stderr closed there is nowhere to complain.
            let _ = writeln!(io::stderr().lock(), "kubelet-standin: {error:#}");
            ExitCode::FAILURE
        }
    }
}

// The kubelet.

fn run(dir: &Path, control: &Path) -> anyhow::Result<()> {
    let mut kubelet = Kubelet::start_telling(dir, |event| {
        // A closed stdout is no reason for a kubelet to end.
        let _ = writeln!(io::stdout().lock(), "kubelet: {event}");
    })?;
    if UnixStream::connect(control).is_ok() {
        bail!("{}: another stand-in serves this directory", control.display());
    }
    let _ = std::fs::remove_file(control);
    let listener = UnixListener::bind(control).with_context(|| control.display().to_string())?;
    stop_on_signals(control.to_owned())?;
    for stream in listener.incoming() {
        let stopped = answer(&mut kubelet, &stream?);
        // One client's trouble is not the kubelet's.
        if stopped.unwrap_or(false) {
            break;
        }
    }
    std::fs::remove_file(control)?;
    Ok(())
}

/// A signal is the same as the command `stop`.
fn stop_on_signals(control: PathBuf) -> io::Result<()> {
    // A runtime of its own: the kubelet's ends with each restart.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = || Ok::<_, io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?));
    let (mut terminate, mut interrupt) = runtime.block_on(async { signals() })?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        ask(&control, &Command::Stop)
    });
    Ok(())
}

/// Answers one client; true if it asked to stop.
fn answer(kubelet: &mut Kubelet, mut stream: &UnixStream) -> anyhow::Result<bool> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let command: Command = serde_json::from_str(&line)?;
    let answer = match carry_out(kubelet, &command) {
        Ok(lines) => json!({"ok": lines}),
        Err(error) => json!({"error": error.to_string()}),
    };
    writeln!(stream, "{answer}")?;
    Ok(matches!(command, Command::Stop))
}

fn carry_out(kubelet: &mut Kubelet, command: &Command) -> anyhow::Result<Vec<Value>> {
    match command {
        Command::Run | Command::Stop => Ok(Vec::new()),
        Command::List => {
            let state = kubelet.state();
            let row = |(name, resource): (&String, &Resource)| list_row(name, resource, &state.allocations);
            Ok(state.resources.iter().map(row).collect())
        }
        Command::Wait {
            resource,
            count,
            seconds,
        } => {
            let enough = |state: &hardwire_tests::kubelet::State| {
                let resource = state.resources.get(resource);
                resource.is_some_and(|resource| resource.connected && resource.allocatable() >= *count)
            };
            let waited = kubelet.wait_for(enough, Duration::from_secs(*seconds));
            let state = waited.map_err(|_late| anyhow!("{resource}: not {count} healthy devices in {seconds} s"))?;
            let found = state.resources.get(resource).map_or(0, Resource::allocatable);
            Ok(vec![json!({"resource": resource, "healthy": found})])
        }
        Command::Allocate { resource, pod, count } => {
            let held = kubelet.admit(&full_name(pod), "app", resource, *count)?;
            Ok(vec![json!({
                "pod": held.pod,
                "resource": held.resource,
                "devices": held.devices,
                "env": held.response.envs,
            })])
        }
        Command::Free { pod } => {
            let freed = kubelet.free(&full_name(pod)).into_iter();
            let row = |held: Allocation| json!({"pod": held.pod, "resource": held.resource, "devices": held.devices});
            Ok(freed.map(row).collect())
        }
        Command::Restart { kill } => {
            kubelet.restart(if *kill { End::Killed } else { End::Clean })?;
            Ok(Vec::new())
        }
    }
}

fn full_name(pod: &str) -> String {
    if pod.contains('/') {
        pod.to_owned()
    } else {
        format!("default/{pod}")
    }
}

fn list_row(name: &str, resource: &Resource, allocations: &[Allocation]) -> Value {
    let holder = |id: &String| {
        let mut of_resource = allocations.iter().filter(|held| held.resource == name);
        of_resource
            .find(|held| held.devices.contains(id))
            .map(|held| held.pod.clone())
    };
    let device = |device: &hardwire_proto::deviceplugin::Device| json!({"id": device.id, "health": device.health, "pod": holder(&device.id)});
    json!({
        "resource": name,
        "connected": resource.connected,
        "capacity": resource.capacity(),
        "allocatable": resource.allocatable(),
        "devices": resource.devices.iter().map(device).collect::<Vec<_>>(),
    })
}

// Its clients.

fn ask(control: &Path, command: &Command) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(control).with_context(|| format!("{}", control.display()))?;
    writeln!(stream, "{}", serde_json::to_string(command)?)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let mut answer: Value = serde_json::from_str(&line).context("the stand-in's answer")?;
    if let Some(error) = answer["error"].as_str() {
        bail!("{error}");
    }
    let mut out = io::stdout().lock();
    for line in answer["ok"].as_array_mut().into_iter().flatten() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
