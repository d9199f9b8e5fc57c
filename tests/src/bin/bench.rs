//! The bench behind `hack/bench`: measures here and in the emulated node, and reports both together.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};
use hardwire_tests::bench::{Effort, Measured, Programs, Scene};
use hardwire_tests::bench::{manager, node, parallel, plot, private, report, sequential, startup, storm};

/// Whole processes against whole processes.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure on this machine, in a network namespace of its own.
    Native(Measure),
    /// Measure in the emulated node, with its virtual functions.
    Node(Measure),
    /// Put parts together and print the report.
    Report {
        /// What the measuring commands wrote.
        parts: Vec<PathBuf>,
        /// Write the figures here too.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Write the plot (SVG) here.
        #[arg(long, value_name = "FILE")]
        plot: Option<PathBuf>,
        /// A line for the reader.
        #[arg(long = "note", value_name = "TEXT")]
        notes: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Measure {
    /// Folder of programs: hardwire, floor, empty, and the peers that are there.
    #[arg(long, value_name = "DIR")]
    programs: PathBuf,
    /// Where to write what was measured.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Few samples: to try the bench out.
    #[arg(long)]
    quick: bool,
    /// Only these parts: sequential, startup, parallel, storm, manager.
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Native(_) | Command::Node(_) if !private::is_inside() => {
            let status = private::enter(std::env::args_os().skip(1)).context("setpriv and unshare (util-linux)")?;
            Ok(if status.success() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Command::Native(measure) => measure.run(native).map(|()| ExitCode::SUCCESS),
        Command::Node(measure) => measure
            .run(|_, programs, directory, effort, measured| {
                node::node(programs, directory, effort, measured);
                manager::events(programs, directory, effort, measured);
            })
            .map(|()| ExitCode::SUCCESS),
        Command::Report {
            parts,
            json,
            plot,
            notes,
        } => report_on(&parts, json.as_deref(), plot.as_deref(), notes).map(|()| ExitCode::SUCCESS),
    }
}

impl Measure {
    fn run(&self, part: impl FnOnce(&Self, &Programs, &Path, Effort, &mut Measured)) -> anyhow::Result<()> {
        private::lay_out();
        let directory = Path::new("/run/bench");
        fs::create_dir_all(directory)?;
        let programs = Programs::copy(&self.programs, directory);
        let effort = if self.quick { Effort::QUICK } else { Effort::FULL };
        let mut measured = Measured::default();
        part(self, &programs, directory, effort, &mut measured);
        fs::write(&self.out, serde_json::to_vec_pretty(&measured)?).context("writing what was measured")
    }

    fn wants(&self, part: &str) -> bool {
        let wanted = self.only.is_empty() || self.only.iter().any(|only| only == part);
        if wanted {
            eprintln!("-- {part}");
        }
        wanted
    }
}

fn native(measure: &Measure, programs: &Programs, directory: &Path, effort: Effort, measured: &mut Measured) {
    if programs.find("host-device").is_none() {
        measured.note("left out: host_device_*, for host-device is missing");
    }
    if measure.wants("sequential") {
        let scene = Scene::new(1, directory);
        sequential::bare(programs, &scene, effort, measured);
        sequential::ipam(programs, &scene, effort, measured);
    }
    if measure.wants("startup") {
        let scene = Scene::new(1, directory);
        startup::version(programs, &scene, effort, measured);
        startup::chain(programs, &scene, effort, measured);
        startup::size(programs, &scene, measured);
    }
    if measure.wants("parallel") {
        let most = parallel::PARALLEL.into_iter().max().unwrap_or_default();
        parallel::parallel(programs, &Scene::new(most, directory), effort, measured);
    }
    if measure.wants("storm") {
        storm::storm(programs, directory, effort, measured);
    }
    if measure.wants("manager") {
        manager::manager(programs, directory, effort, measured);
    }
}

#[allow(clippy::print_stdout, reason = "the report is this program's output")]
fn report_on(parts: &[PathBuf], json: Option<&Path>, plot: Option<&Path>, notes: Vec<String>) -> anyhow::Result<()> {
    let mut measured = Measured::default();
    for part in parts {
        let text = fs::read(part).with_context(|| format!("reading {}", part.display()))?;
        measured.join(serde_json::from_slice(&text)?);
    }
    ensure!(!measured.figures.is_empty(), "nothing was measured");
    measured.notes.extend(notes);
    print!("{}", report::table(&measured));
    if let Some(path) = json {
        fs::write(path, serde_json::to_vec_pretty(&report::document(&measured))?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = plot.filter(|_path| !measured.curves.is_empty()) {
        plot::latency(&measured, path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        println!("latency against parallelism: {}", path.display());
    }
    Ok(())
}
