//! What the cluster's API is told, that nothing waits for it, and that the program that tells it is one the daemon can do
//! without.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use hardwire_cni::journal::{InPod, Journal};
use hardwire_tests::api_server::{ApiServer, NODE, NODE_UID, Request, kubeconfig};
use hardwire_tests::binaries::{hardwired, hardwired_cluster};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::given_away::attached;
use super::*;

/// Writes are seconds apart.
const WRITTEN: Duration = Duration::from_secs(60);
/// What the log says when it runs.
const RUNS: &str = "hardwired-cluster runs";

fn telling(site: &Site, tree: &SysfsTree, kubeconfig: &Path) -> (Kubelet, Daemon) {
    telling_of(&one_pool(), site, tree, kubeconfig)
}

fn telling_of(config: &Value, site: &Site, tree: &SysfsTree, kubeconfig: &Path) -> (Kubelet, Daemon) {
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let arguments = ["--kube", kubeconfig.to_str().unwrap()];
    let daemon = site.start_with_variables(config, tree.root(), &arguments, &[("NODE_NAME", NODE)]);
    kubelet
        .wait_for_devices(RESOURCE, |devices| !devices.is_empty(), SOON)
        .unwrap();
    (kubelet, daemon)
}

fn devices(request: &Request) -> Vec<Value> {
    request.json()["status"]["devices"].as_array().unwrap().clone()
}

/// A running helper.
struct Helper {
    pid: Pid,
    /// Tells its end, whoever its parent is.
    end: OwnedFd,
}

impl Helper {
    /// The one that the log tells of next.
    fn of(daemon: &mut Daemon) -> Self {
        let line = daemon.wait_for_log(RUNS, SOON);
        let (_, number) = line.split_once("pid=").unwrap();
        let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
        let pid = Pid::from_raw(digits.parse().unwrap()).unwrap();
        let end = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        Self { pid, end }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    fn wait_for_end(&self) {
        let bound = Timespec { tv_sec: 20, tv_nsec: 0 };
        let mut ends = [PollFd::new(&self.end, PollFlags::IN)];
        assert_eq!(poll(&mut ends, Some(&bound)).unwrap(), 1, "it still runs");
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid.as_raw_nonzero()))
    }
}

#[test]
fn the_cluster_is_told_over_tls_of_each_device_of_its_pod_and_of_its_attachment() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(3));
    let api = ApiServer::start_with_tls(site.directory()).unwrap();
    let (kubelet, _daemon) = telling(&site, &tree, &api.kubeconfig(site.directory()));
    let first = api.wait_for(Request::is_write, WRITTEN);
    assert_eq!(first.token, "first");
    let object = first.json();
    assert_eq!(object["metadata"]["name"], NODE);
    assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], NODE_UID);
    let told = devices(&first);
    assert_eq!(told.len(), 3);
    assert_eq!(told[1]["id"], "0000:01:10.1");
    assert_eq!(
        (&told[1]["pool"], &told[1]["pfName"], &told[1]["numaNode"]),
        (&json!(RESOURCE), &json!("eth0"), &json!(1))
    );

    let given = kubelet.admit("red/web", "main", RESOURCE, 1).unwrap().devices;
    let mut record = attached(&given[0], Some(("red", "web")));
    record.in_pod = InPod {
        mac: Some("02:00:00:00:00:07".parse().unwrap()),
        addresses: vec!["10.0.0.7/24".to_owned()],
    };
    Journal::at(&site.state_dir()).put(&record).unwrap();
    let its = |request: &Request| {
        devices(request)
            .into_iter()
            .find(|device| device["id"] == given[0].as_str())
    };
    let is_told =
        |request: &Request| request.is_write() && its(request).is_some_and(|device| device["attachment"].is_object());
    let told = its(&api.wait_for(is_told, WRITTEN)).unwrap();
    assert_eq!(told["ownership"], "Held");
    assert_eq!(
        told["holder"],
        json!({"namespace": "red", "pod": "web", "container": "main"})
    );
    assert_eq!(told["attachment"]["mac"], "02:00:00:00:00:07");
    assert_eq!(told["attachment"]["addresses"], json!(["10.0.0.7/24"]));
    assert_eq!(told["attachment"]["network"], record.owner.network.as_str());
}

/// A pool that is none, beside one that is.
fn with_a_bad_pool() -> Value {
    let mut config = one_pool();
    let pools = config["resourceList"].as_array_mut().unwrap();
    pools.push(json!({"resourceName": "bad name", "selectors": {}}));
    config
}

#[test]
fn a_helper_that_is_killed_is_started_again_and_nothing_is_told_twice() {
    let (site, tree, api) = (Site::new(), SysfsTree::with_vfs(2), ApiServer::start().unwrap());
    let kubeconfig = api.kubeconfig(site.directory());
    let (kubelet, mut daemon) = telling_of(&with_a_bad_pool(), &site, &tree, &kubeconfig);
    let first = Helper::of(&mut daemon);
    let event = api.wait_for(Request::is_event, WRITTEN).json();
    assert_eq!(event["reason"], "PoolRefused");
    assert_eq!(event["regarding"]["name"], NODE);
    assert!(event["note"].as_str().unwrap().contains("bad name"), "{event}");
    api.wait_for(Request::is_write, WRITTEN);
    // What a helper was asked and had not answered is asked again.
    let deadline = Instant::now() + WRITTEN;
    let is_answered = |log: &str| {
        ["devices", "Events"]
            .iter()
            .all(|what| log.contains(&format!("has this node's {what}")))
    };
    while !is_answered(&daemon.log()) {
        assert!(Instant::now() < deadline, "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    first.signal(Signal::KILL);
    first.wait_for_end();
    let line = daemon.wait_for_log("hardwired-cluster (pid", SOON);
    assert!(line.contains("signal: 9"), "{line}");
    let second = Helper::of(&mut daemon);
    assert_ne!(second.pid, first.pid);
    assert_eq!(kubelet.admit("red/web", "main", RESOURCE, 1).unwrap().devices.len(), 1);
    let has_it = |request: &Request| request.is_write() && request.json()["status"]["counts"]["allocated"] == 1;
    api.wait_for(has_it, WRITTEN);
    let requests = api.requests();
    let events = requests.iter().filter(|request| request.method == "POST").count();
    let writes = requests.iter().filter(|request| request.is_write()).count();
    assert_eq!((writes, events), (2, 1), "{requests:#?}");
}

#[test]
fn the_helper_ends_with_a_daemon_that_is_killed_and_the_next_one_tells_nothing_twice() {
    let (site, tree, api) = (Site::new(), SysfsTree::with_vfs(2), ApiServer::start().unwrap());
    let kubeconfig = api.kubeconfig(site.directory());
    let (kubelet, mut daemon) = telling_of(&with_a_bad_pool(), &site, &tree, &kubeconfig);
    let helper = Helper::of(&mut daemon);
    api.wait_for(Request::is_write, WRITTEN);
    api.wait_for(Request::is_event, WRITTEN);
    daemon.signal(Signal::KILL);
    helper.wait_for_end();
    drop((daemon, kubelet));
    let (kubelet, mut daemon) = telling_of(&with_a_bad_pool(), &site, &tree, &kubeconfig);
    Helper::of(&mut daemon);
    daemon.wait_for_log("the cluster has this node's devices", WRITTEN);
    let writes = || api.requests().iter().filter(|request| request.is_write()).count();
    let before = writes();
    kubelet.admit("red/web", "main", RESOURCE, 1).unwrap();
    let has_it = |request: &Request| request.is_write() && request.json()["status"]["counts"]["allocated"] == 1;
    api.wait_for(has_it, WRITTEN);
    assert_eq!(before, 1, "the object was as it was to be");
    assert_eq!(api.requests().iter().filter(|request| request.is_event()).count(), 1);
}

#[test]
fn the_helper_ends_with_a_daemon_that_is_told_to_stop_and_when_its_stdin_does() {
    let (site, tree, api) = (Site::new(), SysfsTree::with_vfs(1), ApiServer::start().unwrap());
    let (_kubelet, mut daemon) = telling(&site, &tree, &api.kubeconfig(site.directory()));
    let helper = Helper::of(&mut daemon);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(SOON).success());
    helper.wait_for_end();

    let mut alone = Command::new(hardwired_cluster());
    alone.args(["--kube", "/nowhere", "--node", NODE]);
    let mut alone = alone.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(alone.stdin.take());
    assert!(alone.wait().unwrap().success());
}

#[test]
fn the_helper_has_no_capability_no_way_to_one_and_no_descriptor_of_anybody() {
    let (site, tree, api) = (Site::new(), SysfsTree::with_vfs(1), ApiServer::start().unwrap());
    let inherited = fs::File::create(site.directory().join("of-the-parent")).unwrap();
    // As a parent leaves one that does not look at its descriptors.
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    let (_kubelet, mut daemon) = telling(&site, &tree, &api.kubeconfig(site.directory()));
    drop(inherited);
    let helper = Helper::of(&mut daemon);
    api.wait_for(Request::is_write, WRITTEN);
    let status = fs::read_to_string(helper.file("status")).unwrap();
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.unwrap().to_owned()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    let open = |directory: &Path| -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().filter_map(Result::ok);
        let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        links.map(|link| link.to_string_lossy().into_owned()).collect()
    };
    let theirs = open(&PathBuf::from(format!("/proc/{}/fd", daemon.id())));
    assert!(theirs.iter().any(|name| name.ends_with("of-the-parent")), "{theirs:?}");
    let own = open(&helper.file("fd"));
    let is_plain = |name: &String| {
        ["pipe:", "socket:", "anon_inode:", "/dev/null"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    assert!(own.iter().all(is_plain), "{own:?}");
}

#[test]
fn a_helper_that_hangs_holds_nobody_up() {
    let (site, tree, api) = (Site::new(), SysfsTree::with_vfs(3), ApiServer::start().unwrap());
    let (kubelet, mut daemon) = telling(&site, &tree, &api.kubeconfig(site.directory()));
    let helper = Helper::of(&mut daemon);
    api.wait_for(Request::is_write, WRITTEN);
    helper.signal(Signal::STOP);
    for pod in ["red/a", "red/b"] {
        assert_eq!(kubelet.admit(pod, "main", RESOURCE, 1).unwrap().devices.len(), 1);
    }
    let line = daemon.wait_for_log("says nothing for", Duration::from_secs(120));
    assert!(line.contains("all else goes on"), "{line}");
    helper.wait_for_end();
    Helper::of(&mut daemon);
    let has_both = |request: &Request| request.is_write() && request.json()["status"]["counts"]["allocated"] == 2;
    api.wait_for(has_both, WRITTEN);
}

#[test]
fn without_the_helpers_program_one_line_says_so_and_all_else_works() {
    let (site, tree, api) = (Site::new(), SysfsTree::with_vfs(1), ApiServer::start().unwrap());
    let alone = site.directory().join("hardwired");
    fs::copy(hardwired(), &alone).unwrap();
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let kubeconfig = api.kubeconfig(site.directory());
    let arguments = ["--kube", kubeconfig.to_str().unwrap()];
    let mut daemon = site.start_program(&alone, &one_pool(), tree.root(), &arguments, &[("NODE_NAME", NODE)]);
    let line = daemon.wait_for_log("hardwired-cluster", SOON);
    assert!(
        line.contains("No such file") && line.contains("all else goes on"),
        "{line}"
    );
    kubelet
        .wait_for_devices(RESOURCE, |devices| !devices.is_empty(), SOON)
        .unwrap();
    assert_eq!(kubelet.admit("red/web", "main", RESOURCE, 1).unwrap().devices.len(), 1);
}

#[test]
fn without_an_api_server_all_else_works_and_one_line_says_so() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let file = kubeconfig(site.directory(), nobody.local_addr().unwrap().port());
    drop(nobody);
    let (kubelet, mut daemon) = telling(&site, &tree, &file);
    let line = daemon.wait_for_log("the cluster does not have", WRITTEN);
    assert!(line.contains("refused"), "{line}");
    assert_eq!(kubelet.admit("red/web", "main", RESOURCE, 1).unwrap().devices.len(), 1);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(SOON).success());
    let log = daemon.wait_for_end_of_log(SOON);
    assert_eq!(log.matches("the cluster does not have").count(), 1, "{log}");
}

#[test]
fn a_right_that_is_missing_is_named_with_the_file_that_has_it() {
    let (site, tree, api) = (Site::new(), SysfsTree::with_vfs(1), ApiServer::start().unwrap());
    let rbac = "nodenetworkdevices.hardwire.dev \"node1\" is forbidden: User \"x\" cannot patch resource \"nodenetworkdevices\" in API group \"hardwire.dev\" at the cluster scope";
    api.refuse("PATCH", "/nodenetworkdevices/", 403, rbac);
    let (kubelet, mut daemon) = telling(&site, &tree, &api.kubeconfig(site.directory()));
    let line = daemon.wait_for_log("the cluster does not have", WRITTEN);
    assert!(
        line.contains("cannot patch resource") && line.contains("rbac.yaml"),
        "{line}"
    );
    assert_eq!(kubelet.admit("red/web", "main", RESOURCE, 1).unwrap().devices.len(), 1);
}

#[test]
fn a_kubeconfig_that_is_of_no_use_keeps_nothing_from_working() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let (kubelet, mut daemon) = telling(&site, &tree, Path::new("/nowhere/kubeconfig"));
    let line = daemon.wait_for_log("the cluster does not have", WRITTEN);
    assert!(line.contains("/nowhere/kubeconfig"), "{line}");
    assert_eq!(kubelet.admit("red/web", "main", RESOURCE, 1).unwrap().devices.len(), 1);
}

#[test]
fn started_by_hand_the_helper_says_whose_it_is() {
    let output = |arguments: &[&str]| {
        let mut command = Command::new(hardwired_cluster());
        let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said)
    };
    let (is_well, said) = output(&["--kube", "auto", "--node", NODE]);
    assert!(
        !is_well && said.contains("`hardwired run` starts this program"),
        "{said}"
    );
    let (is_well, help) = output(&["--help"]);
    assert!(
        is_well && help.contains("KUBECONFIG") && help.contains("HTTPS_PROXY"),
        "{help}"
    );
    let (_, version) = output(&["--version"]);
    let daemons = Command::new(hardwired()).arg("--version").output().unwrap().stdout;
    assert_eq!(
        version.strip_prefix("hardwired-cluster"),
        String::from_utf8(daemons).unwrap().strip_prefix("hardwired")
    );
}
