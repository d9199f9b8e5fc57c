//! The command `install-cni`: the CNI plugin's program, put into the node's directory of CNI plugins.
//!
//! A runtime may run the program at any moment, and a node may lose power at any moment: both find the old file or the new
//! one, whole. So the new one is written under a name that no configuration can ask for, made durable, and renamed. In
//! Rust rather than in a script, so that an image needs no shell.
//!
//! Under the name of a plugin whose place is taken (`sriov`) that plugin's program is kept beside it, for the way back.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hardwire_cni::beneath::is_plain_name;

/// `type` in the configurations that use it.
pub const PROGRAM: &str = "hardwire";
/// Where it is in the image.
pub const CNI_PROGRAM: &str = "/usr/bin/hardwire";
/// The directory of CNI plugins on most nodes.
pub const CNI_BIN_DIR: &str = "/opt/cni/bin";
/// What sriov-cni is called.
pub const SRIOV: &str = "sriov";
/// CNI refuses a `type` that begins with a dot, so that nobody runs a half.
const TEMPORARY: &str = ".hardwire.new";
/// What follows the name of a program that was somebody else's.
const KEPT: &str = ".before-hardwire";
/// In each program of ours, of whatever version, and in nobody else's: the name of a variable that it reads.
const MARK: &[u8] = b"HARDWIRE_STATE_DIR";

/// The name of a CNI plugin's program: `type` in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramName(String);

/// A text is no name of a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a file name as in a network's \"type\", such as {PROGRAM} or {SRIOV}, that begins with no dot")]
pub struct BadProgramName;

// === impl ProgramName ===

impl ProgramName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProgramName {
    type Err = BadProgramName;

    fn from_str(text: &str) -> Result<Self, BadProgramName> {
        let is_name = is_plain_name(text) && !text.starts_with('.') && !text.ends_with(KEPT);
        is_name.then(|| Self(text.to_owned())).ok_or(BadProgramName)
    }
}

/// Why the program is not installed.
#[derive(Debug, thiserror::Error)]
#[error("{step} {}: {source}", path.display())]
pub struct InstallError {
    /// What was being done.
    pub step: &'static str,
    /// To which file.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// What there was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// The file was there already, with the same content.
    Already(PathBuf),
    /// It was written.
    Now {
        /// The file.
        at: PathBuf,
        /// Where the program is whose place it took.
        kept: Option<PathBuf>,
    },
}

/// Installs the program `from` in the directory `to`, under a name.
pub fn install(from: &Path, to: &Path, name: &ProgramName) -> Result<Installed, InstallError> {
    let at = |step, path: &Path| {
        let path = path.to_owned();
        move |source| InstallError { step, path, source }
    };
    let (target, temporary) = (to.join(&name.0), to.join(TEMPORARY));
    let mut program = File::open(from).map_err(at("open", from))?;
    if is_same(&mut program, &target).map_err(at("compare with", &target))? {
        return Ok(Installed::Already(target));
    }
    fs::create_dir_all(to).map_err(at("make", to))?;
    let kept = to.join(format!("{}{KEPT}", name.0));
    let kept = if name.0 == PROGRAM {
        None
    } else {
        keep(&target, &kept).map_err(at("keep the other program as", &kept))?
    };
    let written = write(from, &temporary);
    written
        .map_err(at("write", &temporary))
        .and_then(|()| fs::rename(&temporary, &target).map_err(at("rename to", &target)))
        .inspect_err(|_error| {
            // What is left of it does no harm; the error is what matters.
            let _ = fs::remove_file(&temporary);
        })?;
    let directory = File::open(to).and_then(|directory| directory.sync_all());
    directory.map_err(at("sync", to))?;
    Ok(Installed::Now { at: target, kept })
}

/// Gives a program that is not ours a second name, so that it is still there when the first is taken.
fn keep(target: &Path, kept: &Path) -> io::Result<Option<PathBuf>> {
    match fs::read(target) {
        Ok(content) if is_ours(&content) => return Ok(None),
        Ok(_theirs) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    // The newest of theirs: one that was kept before is older.
    match fs::remove_file(kept) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::hard_link(target, kept)?;
    Ok(Some(kept.to_owned()))
}

/// Whether a program is the CNI plugin, of whatever version.
pub fn is_ours(content: &[u8]) -> bool {
    content.windows(MARK.len()).any(|part| part == MARK)
}

fn is_same(program: &mut File, target: &Path) -> io::Result<bool> {
    let there = match File::open(target) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        there => there?,
    };
    let (program_is, there_is) = (program.metadata()?, there.metadata()?);
    let executable = there_is.permissions().mode() & 0o111 == 0o111;
    if !executable || program_is.len() != there_is.len() {
        return Ok(false);
    }
    let read = |file: &mut dyn Read| {
        let mut content = Vec::new();
        file.read_to_end(&mut content).map(|_length| content)
    };
    Ok(read(program)? == read(&mut &there)?)
}

fn write(from: &Path, temporary: &Path) -> io::Result<()> {
    // One that was killed left it.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut program = File::open(from)?;
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    io::copy(&mut program, &mut new)?;
    // Whatever the umask is.
    new.set_permissions(Permissions::from_mode(0o755))?;
    new.sync_all()
}

#[cfg(test)]
#[path = "install_cni_tests.rs"]
mod tests;
