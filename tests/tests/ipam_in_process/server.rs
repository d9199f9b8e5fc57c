//! Who answers: a reference plugin's program, or the library.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::{Command as Process, Stdio};

use hardwire_cni::Context;
use hardwire_cni::ipam::Delegate;
use hardwire_cni::protocol::{Command, Environment, SpecVersion};
use serde_json::{Value, json};

/// A call of an IPAM plugin.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The verb.
    pub(crate) command: Command,
    /// `CNI_CONTAINERID`.
    pub(crate) container: String,
    /// `CNI_IFNAME`.
    pub(crate) ifname: String,
    /// `CNI_ARGS`.
    pub(crate) args: String,
    /// stdin.
    pub(crate) config: Value,
}

/// What was answered: a result of 1.0.0, or the words of an error.
pub(crate) type Answer = Result<Value, String>;

impl Request {
    fn variables(&self) -> [(&'static str, String); 6] {
        [
            ("CNI_COMMAND", self.command.as_str().to_owned()),
            ("CNI_CONTAINERID", self.container.clone()),
            ("CNI_NETNS", "/run/netns/none".to_owned()),
            ("CNI_IFNAME", self.ifname.clone()),
            ("CNI_ARGS", self.args.clone()),
            ("CNI_PATH", "/nonexistent".to_owned()),
        ]
    }

    /// The program's answer.
    pub(crate) fn ask(&self, program: &Path) -> Answer {
        let mut process = Process::new(program);
        process.env_clear().envs(self.variables());
        process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut running = process.spawn().unwrap();
        running
            .stdin
            .take()
            .unwrap()
            .write_all(self.config.to_string().as_bytes())
            .unwrap();
        let output = running.wait_with_output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if !output.status.success() {
            return Err(answer["msg"].as_str().unwrap().to_owned());
        }
        // Older ones print an empty `dns`.
        let dns = answer["dns"].as_object().filter(|dns| !dns.is_empty());
        Ok(json!({"ips": answer["ips"], "routes": answer["routes"], "dns": dns}))
    }

    /// The library's answer, where no program can be found.
    pub(crate) fn ask_here(&self, context: &Context) -> Answer {
        let variable = |name: &str| {
            let found = self.variables().into_iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let environment = Environment::read(variable).unwrap().unwrap();
        let (plugin, stdin) = (self.config["ipam"]["type"].as_str().unwrap(), self.config.to_string());
        let delegate = Delegate::of_call(context, plugin, &environment, stdin.as_bytes());
        let here = delegate.locate().unwrap();
        if !matches!(self.command, Command::Add) {
            return here.run(self.command).map(|()| empty()).map_err(|error| error.msg);
        }
        let given = here.add(SpecVersion::V1_0_0).map_err(|error| error.msg)?;
        let printed = given.to_json(SpecVersion::V1_0_0).unwrap();
        Ok(json!({"ips": printed["ips"], "routes": printed["routes"], "dns": printed["dns"]}))
    }
}

fn empty() -> Value {
    json!({"ips": null, "routes": null, "dns": null})
}
