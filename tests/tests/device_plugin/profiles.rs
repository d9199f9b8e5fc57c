//! `ddptool`: once per adapter, and nothing waits for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::Signal;

use super::*;

/// A folder with a tool of that name, whose every call is a line of a file.
struct Tool {
    programs: tempfile::TempDir,
}

impl Tool {
    fn new(script: &str) -> Self {
        let programs = tempfile::tempdir().unwrap();
        let tool = programs.path().join("ddptool");
        let calls = programs.path().join("calls");
        fs::write(
            &tool,
            format!("#!/bin/sh\necho \"$*\" >> {}\n{script}\n", calls.display()),
        )
        .unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        Self { programs }
    }

    /// Prints a profile once the file [`Self::go`] is there.
    fn that_waits() -> Self {
        let tool = Self::new("");
        let go = tool.programs.path().join("go");
        let script = format!(
            "while ! [ -e {} ]; do sleep 0.05; done\necho '{{\"DDPInventory\": {{\"DDPpackage\": {{\"name\": \"gtp\"}}}}}}'",
            go.display()
        );
        let path = tool.programs.path().join("ddptool");
        let head = fs::read_to_string(&path).unwrap();
        fs::write(path, head + &script).unwrap();
        tool
    }

    fn folder(&self) -> &Path {
        self.programs.path()
    }

    fn go(&self) {
        fs::write(self.programs.path().join("go"), "").unwrap();
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.programs.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
}

/// A pool of the last VF, and one of those with a profile.
fn two_pools(last: &str) -> Value {
    json!({"resourceList": [
        {"resourceName": "plain", "selectors": {"pciAddresses": [last]}},
        {"resourceName": "gtp", "selectors": {"ddpProfiles": ["gtp"], "drivers": ["igbvf"]}},
    ]})
}

#[test]
fn an_adapter_is_asked_once_and_its_pool_follows_while_others_are_served() {
    let (site, tree, tool) = (Site::new(), SysfsTree::with_vfs(64), Tool::that_waits());
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let config = two_pools(&SysfsTree::vf(63));
    let daemon = site.start_with_programs(tool.folder(), &config, tree.root());
    let listed = |resource: &str, count: usize| {
        let all = |devices: &[Device]| devices.len() == count;
        kubelet.wait_for_devices(resource, all, SOON).unwrap()
    };
    // The tool waits for us, and we for these lists.
    assert_eq!(ids(&listed("intel.com/plain", 1)), [SysfsTree::vf(63)]);
    listed("intel.com/gtp", 0);
    tool.go();
    listed("intel.com/gtp", 63);
    // Another look at everything is no reason to ask; SIGHUP is.
    assert_eq!(tool.calls(), ["-l -a -j -s 0000:01:00.0"]);
    daemon.signal(Signal::HUP);
    let deadline = Instant::now() + SOON;
    while tool.calls().len() < 2 {
        assert!(Instant::now() < deadline, "{:?}", tool.calls());
    }
    listed("intel.com/gtp", 63);
}

#[test]
fn a_tool_that_hangs_holds_up_neither_pools_nor_the_end_and_ends_too() {
    let (site, tree, tool) = (
        Site::new(),
        SysfsTree::with_vfs(2),
        Tool::new("echo $$ > $0.pid; sleep 1000"),
    );
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let config = two_pools(&SysfsTree::vf(1));
    let mut daemon = site.start_with_programs(tool.folder(), &config, tree.root());
    kubelet
        .wait_for_devices("intel.com/plain", |devices| devices.len() == 1, SOON)
        .unwrap();
    let file = tool.folder().join("ddptool.pid");
    let deadline = Instant::now() + SOON;
    let pid = loop {
        match fs::read_to_string(&file) {
            Ok(pid) if pid.ends_with('\n') => break pid.trim().to_owned(),
            _ => assert!(Instant::now() < deadline, "nobody asks"),
        }
    };
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(SOON).code(), Some(0));
    assert!(
        !PathBuf::from(format!("/proc/{pid}")).exists(),
        "the tool outlives the daemon"
    );
}

#[test]
fn a_tool_that_is_missing_or_prints_anything_else_is_told_once() {
    for (tool, told) in [
        (None, "ddptool: No such file or directory"),
        (
            Some(Tool::new("echo junk")),
            "ddptool told no DDPInventory.DDPpackage.name",
        ),
    ] {
        let (site, tree, empty) = (Site::new(), SysfsTree::with_vfs(64), tempfile::tempdir().unwrap());
        // A second adapter, of which the same is to be said.
        tree.add(&hardwire_tests::sysfs_tree::Pci::at("0000:05:00.0"));
        let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let config = json!({"resourceList": [{"resourceName": "gtp", "selectors": {"ddpProfiles": ["gtp"]}}]});
        let folder = tool.as_ref().map_or_else(|| empty.path(), Tool::folder);
        let mut daemon = site.start_with_programs(folder, &config, tree.root());
        kubelet
            .wait_for_devices("intel.com/gtp", <[Device]>::is_empty, SOON)
            .unwrap();
        // Each adapter has had its answer.
        let answered = |log: &str, device: &str| {
            let is_it = |line: &str| line.contains(device) && line.contains("differs in ddpProfiles");
            log.lines().any(is_it)
        };
        let deadline = Instant::now() + SOON;
        while !["0000:05:00.0", "0000:01:10.0"]
            .iter()
            .all(|device| answered(&daemon.log(), device))
        {
            assert!(Instant::now() < deadline, "{}", daemon.log());
        }
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait(SOON).code(), Some(0));
        let log = daemon.wait_for_end_of_log(SOON);
        let warnings = log.lines().filter(|line| line.contains("WARN") && line.contains(told));
        assert_eq!(warnings.count(), 1, "{log}");
    }
}
