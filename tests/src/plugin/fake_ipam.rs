//! An IPAM plugin that does what a test tells it to, and remembers how it was called.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Plugin;

/// An installed script. Where nothing else was said it succeeds without a word.
#[derive(Debug)]
pub struct FakeIpam {
    name: String,
    directory: PathBuf,
}

impl Plugin {
    /// Installs an IPAM plugin before all others.
    pub fn fake_ipam(&mut self, name: &str) -> FakeIpam {
        let directory = self.directory().join(format!("calls-of-{name}"));
        fs::create_dir_all(&directory).expect("a folder");
        let script = format!(
            "#!/bin/sh\n\
             here={}\n\
             echo \"$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME\" >> $here/calls\n\
             cat > $here/$CNI_COMMAND.stdin\n\
             env -0 > $here/$CNI_COMMAND.env\n\
             [ ! -f $here/$CNI_COMMAND.sh ] || . $here/$CNI_COMMAND.sh\n\
             exit 0\n",
            directory.display()
        );
        self.install(name, &script);
        FakeIpam {
            name: name.to_owned(),
            directory,
        }
    }
}

impl FakeIpam {
    /// The `ipam` section that asks for it.
    pub fn conf(&self) -> Value {
        json!({ "type": self.name })
    }

    /// What the shell does on a command from now on; `$here` is a folder for what it wants to keep.
    pub fn on(&self, command: &str, script: &str) {
        fs::write(self.directory.join(format!("{command}.sh")), script).expect("a script");
    }

    /// Prints `result` on ADD.
    pub fn gives(&self, result: &Value) {
        self.on("ADD", &print(result));
    }

    /// Prints `document` on a command.
    pub fn says(&self, command: &str, document: &Value) {
        self.on(command, &print(document));
    }

    /// Fails on a command with this error object.
    pub fn fails(&self, command: &str, error: &Value) {
        self.on(command, &format!("{}exit 1\n", print(error)));
    }

    /// Gives the IPv4 address 10.77.0.5/24 on ADD.
    pub fn gives_an_address(&self) {
        self.gives(&json!({"cniVersion": "1.0.0", "ips": [{"address": "10.77.0.5/24"}]}));
    }

    /// A file that a script put into `$here`.
    pub fn kept(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.directory.join(file)).ok()
    }

    /// Command, container and interface of each call, in order.
    pub fn calls(&self) -> Vec<String> {
        let text = self.kept("calls").unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Forgets all calls so far.
    pub fn forget(&self) {
        // There may have been none.
        drop(fs::remove_file(self.directory.join("calls")));
    }

    /// The commands of all calls, in order.
    pub fn commands(&self) -> Vec<String> {
        let calls = self.calls();
        let commands = calls.iter().filter_map(|call| call.split(' ').next());
        commands.map(str::to_owned).collect()
    }

    /// stdin of the last call with a command.
    pub fn stdin(&self, command: &str) -> Option<Vec<u8>> {
        fs::read(self.directory.join(format!("{command}.stdin"))).ok()
    }

    /// Environment of the last call with a command.
    pub fn environment(&self, command: &str) -> BTreeMap<String, String> {
        let text = self.kept(&format!("{command}.env")).unwrap_or_default();
        let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

fn print(document: &Value) -> String {
    format!("cat <<'END'\n{document}\nEND\n")
}
