//! The command `install-cni`: the CNI plugin's program, put into the node's directory of CNI plugins.
//!
//! A runtime may run the program at any moment, and a node may lose power at any moment: both find the old file or the new
//! one, whole. So the new one is written under a name that no configuration can ask for, made durable, and renamed. In
//! Rust rather than in a script, so that an image needs no shell.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// `type` in the configurations that use it.
const PROGRAM: &str = "hardwire";
/// CNI refuses a `type` that begins with a dot, so that nobody runs a half.
const TEMPORARY: &str = ".hardwire.new";

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// The file was there already, with the same content.
    Already,
    /// It was written.
    Now,
}

/// Installs the program `from` in the directory `to`.
pub fn install(from: &Path, to: &Path) -> Result<Installed, InstallError> {
    let at = |step, path: &Path| {
        let path = path.to_owned();
        move |source| InstallError { step, path, source }
    };
    let (target, temporary) = (to.join(PROGRAM), to.join(TEMPORARY));
    let mut program = File::open(from).map_err(at("open", from))?;
    if is_same(&mut program, &target).map_err(at("compare with", &target))? {
        return Ok(Installed::Already);
    }
    fs::create_dir_all(to).map_err(at("make", to))?;
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
    Ok(Installed::Now)
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
mod tests {
    use super::*;

    struct Scene {
        directory: tempfile::TempDir,
    }

    impl Scene {
        fn new(content: &str) -> Self {
            let scene = Self {
                directory: tempfile::tempdir().unwrap(),
            };
            fs::write(scene.from(), content).unwrap();
            scene
        }

        fn from(&self) -> PathBuf {
            self.directory.path().join("image-hardwire")
        }

        fn to(&self) -> PathBuf {
            self.directory.path().join("opt/cni/bin")
        }

        fn install(&self) -> Result<Installed, InstallError> {
            install(&self.from(), &self.to())
        }

        fn files(&self) -> Vec<String> {
            let entries = fs::read_dir(self.to()).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort_unstable();
            names
        }
    }

    #[test]
    fn the_program_is_there_executable_and_alone() {
        let scene = Scene::new("one");
        assert_eq!(scene.install().unwrap(), Installed::Now);
        assert_eq!(scene.files(), ["hardwire"]);
        let target = scene.to().join("hardwire");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(scene.install().unwrap(), Installed::Already);
        fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(scene.install().unwrap(), Installed::Now);
    }

    #[test]
    fn whoever_runs_the_old_program_keeps_it_whole() {
        let scene = Scene::new("one");
        scene.install().unwrap();
        let mut running = File::open(scene.to().join("hardwire")).unwrap();
        // Of the same length, and beside what a killed install left.
        fs::write(scene.from(), "two").unwrap();
        fs::write(scene.to().join(TEMPORARY), "torn").unwrap();
        assert_eq!(scene.install().unwrap(), Installed::Now);
        let mut old = String::new();
        running.read_to_string(&mut old).unwrap();
        assert_eq!(old, "one");
        assert_eq!(fs::read_to_string(scene.to().join("hardwire")).unwrap(), "two");
        assert_eq!(scene.files(), ["hardwire"]);
    }

    #[test]
    fn what_fails_leaves_nothing_behind_and_names_the_file() {
        let scene = Scene::new("one");
        fs::create_dir_all(scene.to().join("hardwire/in-the-way")).unwrap();
        let error = scene.install().unwrap_err();
        assert!(error.to_string().contains("opt/cni/bin/hardwire"), "{error}");
        assert_eq!(scene.files(), ["hardwire"]);
        fs::remove_file(scene.from()).unwrap();
        let error = scene.install().unwrap_err().to_string();
        assert!(
            error.contains("image-hardwire") && error.contains("No such file"),
            "{error}"
        );
    }
}
