//! Installing the plugin: in one step, under each name, and what becomes of who had the name.

use super::*;

struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    fn new(content: &str) -> Self {
        let scene = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        scene.brings(content);
        scene
    }

    /// A program of ours, in some version.
    fn brings(&self, version: &str) {
        fs::write(self.from(), format!("{version} HARDWIRE_STATE_DIR")).unwrap();
    }

    fn has(&self, name: &str) -> String {
        fs::read_to_string(self.to().join(name)).unwrap()
    }

    fn from(&self) -> PathBuf {
        self.directory.path().join("image-hardwire")
    }

    fn to(&self) -> PathBuf {
        self.directory.path().join("opt/cni/bin")
    }

    fn install(&self) -> Result<Installed, InstallError> {
        self.install_as(PROGRAM)
    }

    fn install_as(&self, name: &str) -> Result<Installed, InstallError> {
        install(&self.from(), &self.to(), &name.parse().unwrap())
    }

    fn now(&self) -> Installed {
        Installed::Now {
            at: self.to().join(PROGRAM),
            kept: None,
        }
    }

    fn already(&self) -> Installed {
        Installed::Already(self.to().join(PROGRAM))
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
    assert_eq!(scene.install().unwrap(), scene.now());
    assert_eq!(scene.files(), ["hardwire"]);
    let target = scene.to().join("hardwire");
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(scene.install().unwrap(), scene.already());
    fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(scene.install().unwrap(), scene.now());
}

#[test]
fn whoever_runs_the_old_program_keeps_it_whole() {
    let scene = Scene::new("one");
    scene.install().unwrap();
    let mut running = File::open(scene.to().join("hardwire")).unwrap();
    // Of the same length, and beside what a killed install left.
    scene.brings("two");
    fs::write(scene.to().join(TEMPORARY), "torn").unwrap();
    assert_eq!(scene.install().unwrap(), scene.now());
    let mut old = String::new();
    running.read_to_string(&mut old).unwrap();
    assert_eq!(old, "one HARDWIRE_STATE_DIR");
    assert_eq!(scene.has("hardwire"), "two HARDWIRE_STATE_DIR");
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
#[test]
fn the_program_whose_name_is_taken_is_kept_and_none_of_ours_is() {
    let scene = Scene::new("one");
    fs::create_dir_all(scene.to()).unwrap();
    fs::write(scene.to().join("sriov"), "theirs").unwrap();
    let kept = scene.to().join("sriov.before-hardwire");
    let now = |kept: Option<&Path>| Installed::Now {
        at: scene.to().join("sriov"),
        kept: kept.map(Path::to_owned),
    };
    assert_eq!(scene.install_as("sriov").unwrap(), now(Some(&kept)));
    assert_eq!(scene.files(), ["sriov", "sriov.before-hardwire"]);
    assert_eq!(scene.has("sriov.before-hardwire"), "theirs");
    // A newer one of ours takes nothing of theirs away.
    scene.brings("two");
    assert_eq!(scene.install_as("sriov").unwrap(), now(None));
    assert_eq!(scene.has("sriov"), "two HARDWIRE_STATE_DIR");
    assert_eq!(scene.has("sriov.before-hardwire"), "theirs");
    // Theirs came back, in a newer version, and is what the next way back leads to.
    fs::remove_file(scene.to().join("sriov")).unwrap();
    fs::write(scene.to().join("sriov"), "theirs, newer").unwrap();
    assert_eq!(scene.install_as("sriov").unwrap(), now(Some(&kept)));
    assert_eq!(scene.has("sriov.before-hardwire"), "theirs, newer");
    assert_eq!(scene.files(), ["sriov", "sriov.before-hardwire"]);
}

#[test]
fn rule_9_a_name_is_a_file_in_the_directory_that_a_runtime_may_run() {
    for name in ["hardwire", "sriov", "host-device"] {
        assert!(name.parse::<ProgramName>().is_ok(), "{name}");
    }
    for name in ["", ".", "..", "../sriov", "a/b", ".hidden", "sriov.before-hardwire"] {
        assert_eq!(name.parse::<ProgramName>(), Err(BadProgramName), "{name}");
    }
}
