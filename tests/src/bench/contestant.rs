//! Who takes part, and how each is called.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::process::Process;
use super::scene::Slot;

/// In or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// To the pod.
    Add,
    /// To the host.
    Del,
}

impl Verb {
    /// `CNI_COMMAND`.
    pub fn command(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
        }
    }
}

/// The folder of programs, on a tmpfs, so that none is read from a disk while the clock runs.
#[derive(Debug, Clone)]
pub struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// Copies the programs of `from` below `directory`.
    pub fn copy(from: &Path, directory: &Path) -> Self {
        let directory = directory.join("programs");
        fs::create_dir_all(&directory).expect("a folder for the programs");
        for entry in fs::read_dir(from)
            .expect("the folder of programs")
            .filter_map(Result::ok)
        {
            fs::copy(entry.path(), directory.join(entry.file_name())).expect("a copy");
        }
        Self { directory }
    }

    /// The folder, as `CNI_PATH` has it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The operator's word for hardwire: where it may keep addresses itself.
    pub fn allow_stores_below(&self, directory: &Path) {
        let operator = serde_json::json!({"ipamDataDirs": [directory]});
        fs::write(self.operator(), operator.to_string()).expect("a file");
    }

    fn operator(&self) -> PathBuf {
        self.directory.join("plugin.json")
    }

    /// One that must be there.
    #[track_caller]
    pub fn get(&self, name: &str) -> PathBuf {
        self.find(name)
            .unwrap_or_else(|| panic!("{name} is not among the programs"))
    }

    /// One that may be there.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        Some(self.directory.join(name)).filter(|path| path.is_file())
    }
}

/// A program with a way of calling it.
pub struct Contestant {
    name: &'static str,
    make: Box<Make>,
}

type Make = dyn Fn(Verb, &Slot, &Path) -> Process;

impl fmt::Debug for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Contestant {
    /// The floor, with these options on the way in and on the way back.
    pub fn floor(programs: &Programs, add: &[String], del: &[String]) -> Self {
        let (program, add, del) = (programs.get("floor"), add.to_vec(), del.to_vec());
        let make = move |verb: Verb, slot: &Slot, files: &Path| {
            let (word, name, options) = match verb {
                Verb::Add => ("add", "net1", &add),
                Verb::Del => ("del", slot.device.as_str(), &del),
            };
            let index = slot.index.to_string();
            let words = [word, &slot.netns, &index, name].map(str::to_owned);
            Process::new(&program, &[&words[..], options].concat(), &[], b"", files)
        };
        Self {
            name: "floor",
            make: Box::new(make),
        }
    }

    /// A CNI plugin with a configuration for each slot.
    pub fn plugin(
        name: &'static str,
        programs: &Programs,
        program: &str,
        conf: impl Fn(&Slot) -> Value + 'static,
    ) -> Self {
        let (program, path) = (programs.get(program), programs.directory().display().to_string());
        let operator = programs.operator().display().to_string();
        let make = move |verb: Verb, slot: &Slot, files: &Path| {
            let environment = [
                ("CNI_COMMAND", verb.command().to_owned()),
                ("CNI_CONTAINERID", slot.pod.clone()),
                ("CNI_NETNS", slot.netns.clone()),
                ("CNI_IFNAME", "net1".to_owned()),
                ("CNI_PATH", path.clone()),
                ("HARDWIRE_PLUGIN_CONFIG", operator.clone()),
                ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
            ];
            Process::new(&program, &[], &environment, conf(slot).to_string().as_bytes(), files)
        };
        Self {
            name,
            make: Box::new(make),
        }
    }

    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The call for a slot; its files are below `directory`.
    pub fn process(&self, verb: Verb, slot: &Slot, directory: &Path) -> Process {
        let folder = directory.join("calls").join(self.name);
        fs::create_dir_all(&folder).expect("a folder for files");
        let files = folder.join(format!("{}-{}", verb.command(), slot.number));
        (self.make)(verb, slot, &files)
    }

    /// The calls for all slots.
    pub fn processes(&self, verb: Verb, slots: &[Slot], directory: &Path) -> Vec<Process> {
        slots.iter().map(|slot| self.process(verb, slot, directory)).collect()
    }
}
