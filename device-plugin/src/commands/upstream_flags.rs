//! The flags of sriov-network-device-plugin, of its program and of its image's entrypoint, as ours, so that a `DaemonSet`
//! that runs it runs this one with its arguments as they are.
//!
//! Contract: Go's package `flag` takes `-x` for `--x`, a value after `=` or as the next argument, and for booleans after `=`
//! only; glog adds its flags; the entrypoint has `--log-dir`, `--log-level` and the rest with `=`. There are no subcommands:
//! without one, ours is `run`.
//!
//! And those of sriov-cni's image, of which sriov-network-operator gives `--no-sleep`: to put the program into the node's
//! directory and end, which is our `install-cni`.

use std::ffi::{OsStr, OsString};

use clap::CommandFactory;

use crate::commands::args::Cli;
use crate::commands::install_cni::{PROGRAM, SRIOV};

/// The subcommand of a call without one.
pub const DEFAULT: &str = "run";
/// Where sriov-cni's image puts its program.
const CNI_BIN_DIR: &str = "/host/opt/cni/bin";

/// Arguments as clap takes them, and what is to be said of them once there is a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// All arguments, the name of the program first.
    pub arguments: Vec<OsString>,
    /// Flags that mean nothing here.
    pub ignored: Vec<String>,
}

/// What becomes of a flag.
enum Flag {
    /// It is one of ours.
    Ours { takes_value: bool },
    /// It is another name for one of ours, with a value.
    Alias(&'static str),
    /// It means nothing here.
    Ignored { takes_value: bool, why: &'static str },
    /// clap may say what it thinks of it.
    Unknown,
}

/// Translates the arguments of the program, its name first.
pub fn translate(arguments: impl IntoIterator<Item = OsString>) -> Translated {
    let mut arguments = arguments.into_iter();
    let mut translation = Translation::new(arguments.next());
    while let Some(argument) = arguments.next() {
        translation.take(argument, &mut arguments);
    }
    translation.end()
}

struct Translation {
    root: clap::Command,
    name: OsString,
    taken: Vec<OsString>,
    ignored: Vec<String>,
    command: Option<String>,
    /// Help or the version is asked for, which the program itself has.
    asks_itself: Option<OsString>,
    /// Whether sriov-cni's image would end after its installation.
    installs: bool,
    /// Where it would install.
    cni_bin_dir: Option<String>,
}

// === impl Translation ===

impl Translation {
    fn new(name: Option<OsString>) -> Self {
        Self {
            root: Cli::command(),
            name: name.unwrap_or_else(|| "hardwired".into()),
            taken: Vec::new(),
            ignored: Vec::new(),
            command: None,
            asks_itself: None,
            installs: false,
            cni_bin_dir: None,
        }
    }

    fn take(&mut self, argument: OsString, rest: &mut impl Iterator<Item = OsString>) {
        let Some((name, value)) = argument.to_str().and_then(split) else {
            if self.command.is_none() {
                self.command = Some(argument.to_string_lossy().into_owned());
            }
            self.taken.push(argument);
            return;
        };
        if self.command.is_none() && self.is_of_sriov_cni(&name, value.as_deref()) {
            return;
        }
        let dashed = |name: &str| OsString::from(format!("--{name}"));
        let joined = |name: &str, value: &OsStr| {
            let mut whole = dashed(name);
            whole.push("=");
            whole.push(value);
            whole
        };
        match self.meaning(&name) {
            Flag::Ours { takes_value } => match value {
                Some(value) => match boolean(&value).filter(|_| !takes_value) {
                    Some(true) => self.taken.push(dashed(&name)),
                    // The last one counts.
                    Some(false) => self.taken.retain(|taken| *taken != dashed(&name)),
                    None => self.taken.push(joined(&name, value.as_ref())),
                },
                None if takes_value => {
                    self.taken.push(dashed(&name));
                    self.taken.extend(rest.next());
                }
                None => self.taken.push(dashed(&name)),
            },
            Flag::Alias(ours) => match value.map(OsString::from).or_else(|| rest.next()) {
                Some(value) => self.taken.push(joined(ours, &value)),
                None => self.taken.push(dashed(ours)),
            },
            Flag::Ignored { takes_value, why } => {
                self.ignored.push(format!("--{name} has no meaning here: {why}"));
                if takes_value && value.is_none() {
                    rest.next();
                }
            }
            Flag::Unknown => {
                if matches!(name.as_str(), "h" | "help" | "V" | "version") {
                    self.asks_itself.get_or_insert_with(|| argument.clone());
                }
                self.taken.push(argument);
            }
        }
    }

    /// Takes a flag of sriov-cni's image.
    fn is_of_sriov_cni(&mut self, name: &str, value: Option<&str>) -> bool {
        match (name, value) {
            ("no-sleep", None) => self.installs = true,
            ("cni-bin-dir", Some(directory)) => self.cni_bin_dir = Some(directory.to_owned()),
            _ => return false,
        }
        true
    }

    fn meaning(&self, name: &str) -> Flag {
        let stderr = "logs go to stderr, always";
        let glog = "the log is filtered by --log-level";
        match name {
            // Its program logs nothing by it, so a number is all that it is good for.
            "v" => return Flag::Alias("log-level"),
            "logtostderr" | "alsologtostderr" => {
                return Flag::Ignored {
                    takes_value: false,
                    why: stderr,
                };
            }
            "log-dir" | "log_dir" | "log_link" | "logbuflevel" => {
                return Flag::Ignored {
                    takes_value: true,
                    why: stderr,
                };
            }
            "stderrthreshold" | "vmodule" | "log_backtrace_at" => {
                return Flag::Ignored {
                    takes_value: true,
                    why: glog,
                };
            }
            _ => {}
        }
        let command = self.command.as_deref().unwrap_or(DEFAULT);
        let own = self.root.find_subcommand(command).into_iter();
        let mut known = self
            .root
            .get_arguments()
            .chain(own.flat_map(clap::Command::get_arguments));
        let found = known.find(|argument| {
            let aliases = argument.get_all_aliases().unwrap_or_default();
            argument.get_long() == Some(name) || aliases.contains(&name)
        });
        found.map_or(Flag::Unknown, |argument| Flag::Ours {
            takes_value: argument.get_action().takes_values(),
        })
    }

    fn end(mut self) -> Translated {
        if self.installs && self.command.is_none() {
            let to = self.cni_bin_dir.as_deref().unwrap_or(CNI_BIN_DIR);
            let install = [
                "install-cni".into(),
                format!("--to={to}"),
                format!("--name={PROGRAM},{SRIOV}"),
            ];
            let install = install.into_iter().map(OsString::from);
            return Translated {
                arguments: [self.name].into_iter().chain(install).chain(self.taken).collect(),
                ignored: self.ignored,
            };
        }
        // It is clap's to refuse.
        let stray = self.cni_bin_dir.take();
        self.taken
            .extend(stray.map(|directory| format!("--cni-bin-dir={directory}").into()));
        if let (None, Some(asked)) = (&self.command, self.asks_itself) {
            // Flags of `run` beside it, the program itself has not.
            return Translated {
                arguments: vec![self.name, asked],
                ignored: self.ignored,
            };
        }
        let default = self.command.is_none().then(|| DEFAULT.into());
        Translated {
            arguments: [self.name].into_iter().chain(default).chain(self.taken).collect(),
            ignored: self.ignored,
        }
    }
}

/// What Go's package `flag` takes for a boolean.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `-x`, `--x`, `-x=V`, `--x=V`: x and V.
fn split(argument: &str) -> Option<(String, Option<String>)> {
    let flag = argument.strip_prefix('-')?;
    let flag = flag.strip_prefix('-').unwrap_or(flag);
    let (name, value) = flag
        .split_once('=')
        .map_or((flag, None), |(name, value)| (name, Some(value)));
    (!name.is_empty()).then(|| (name.to_owned(), value.map(str::to_owned)))
}

#[cfg(test)]
#[path = "upstream_flags_tests.rs"]
mod tests;
