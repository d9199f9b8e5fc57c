//! `hardwired-cluster`: the helper of `hardwired` that speaks to the Kubernetes API. Everything of substance is in the library.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use hardwire_cni::printable::printable;
use hardwire_device_plugin::cluster::helper::args::HelperArgs;
use hardwire_device_plugin::cluster::helper::{confine, run};

fn main() -> ExitCode {
    let args = HelperArgs::parse();
    match tell(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With stderr closed there is nowhere to complain.
            let _ = writeln!(
                io::stderr().lock(),
                "hardwired-cluster: {}",
                printable(&format!("{error:#}"))
            );
            ExitCode::FAILURE
        }
    }
}

fn tell(args: &HelperArgs) -> anyhow::Result<()> {
    confine::confine()?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().context("runtime")?;
    let ended = runtime.block_on(run(args));
    // What is still read, or run, is nobody's to wait for.
    runtime.shutdown_background();
    Ok(ended?)
}
