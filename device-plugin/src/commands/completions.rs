//! The command `completions`: what a shell needs to complete the commands and flags of `hardwired`.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use clap_complete::Shell as Script;

use super::examples;

const PROGRAM: &str = "hardwired";

/// Options of `completions`.
#[derive(Debug, Args)]
#[command(after_help = examples::COMPLETIONS)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// fish.
    Fish,
}

/// Prints the script for all of a command line, on which the flags of its `default` command may follow the program's name.
pub fn print(args: &CompletionsArgs, command: &clap::Command, default: &str, out: &mut impl Write) -> io::Result<()> {
    let script = match args.shell {
        Shell::Bash => Script::Bash,
        Shell::Zsh => Script::Zsh,
        Shell::Fish => Script::Fish,
    };
    let run = command.find_subcommand(default).into_iter();
    let own: Vec<clap::Arg> = run.flat_map(clap::Command::get_arguments).cloned().collect();
    let mut command = command.clone().args(own);
    // Into memory first: it panics where it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(script, &mut command, PROGRAM, &mut text);
    out.write_all(&text)?;
    out.flush()
}
