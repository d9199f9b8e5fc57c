//! `install-cni --chain`: our entry in the default network's list, put there, kept there, taken out.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use hardwire_cni::journal::{Journal, Record};
use hardwire_cni::protocol::ChainCall;
use hardwire_tests::http;

use super::*;

const LIST: &str = r#"{"name": "k8s", "cniVersion": "1.0.0", "plugins": [{"type": "cilium-cni"}]}"#;

struct Lists {
    site: Site,
    directory: PathBuf,
}

impl Lists {
    fn new() -> Self {
        let site = Site::new();
        let directory = site.directory().join("net.d");
        fs::create_dir(&directory).unwrap();
        let lists = Self { site, directory };
        lists.write(LIST);
        lists
    }

    fn path(&self) -> PathBuf {
        self.directory.join("05-cilium.conflist")
    }

    /// As its owner writes it.
    fn write(&self, text: &str) {
        self.write_at(&self.path(), text);
    }

    fn write_at(&self, path: &std::path::Path, text: &str) {
        fs::write(self.directory.join(".new"), text).unwrap();
        fs::rename(self.directory.join(".new"), path).unwrap();
    }

    fn install(&self, flag: &str) -> Output {
        let directory = self.directory.to_str().unwrap();
        self.site.install_cni(&[flag, "--cni-config-dir", directory])
    }

    fn entries(&self) -> usize {
        fs::read_to_string(self.path())
            .unwrap()
            .matches(r#""attach": "pod""#)
            .count()
    }
}

#[test]
fn our_entry_is_put_into_the_list_once_and_taken_out_when_nothing_is_attached() {
    let lists = Lists::new();
    for _ in 0..2 {
        let output = lists.install("--chain");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(lists.entries(), 1);
    }
    let journal = Journal::at(&lists.site.state_dir());
    let chained = Record {
        chain: Some(ChainCall {
            network: "k8s".parse().unwrap(),
            ifname: "eth0".parse().unwrap(),
        }),
        ..hardwire_tests::records::attached("0000:01:10.0")
    };
    journal.put(&chained).unwrap();
    let refused = lists.install("--unchain");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("0000:01:10.0"), "{said}");
    assert_eq!(lists.entries(), 1);
    journal.remove(&chained.device).unwrap();
    assert!(lists.install("--unchain").status.success());
    assert_eq!(lists.entries(), 0);
}

#[test]
fn a_list_that_is_written_anew_gets_our_entry_back_until_that_is_a_fight() {
    let lists = Lists::new();
    assert!(lists.install("--chain").status.success());
    let tree = SysfsTree::with_vfs(1);
    let kubelet = Kubelet::start(&lists.site.kubelet_dir()).unwrap();
    let directory = lists.directory.to_str().unwrap();
    let flags = ["--cni-config-dir", directory, "--metrics-bind", "127.0.0.1:0"];
    let mut pools = one_pool();
    pools["resourceList"][0]["attach"] = json!("chain");
    let mut daemon = lists.site.start_with(&pools, tree.root(), &flags);
    let line = daemon.wait_for_log("metrics and probes on http://", SOON);
    let address = line.rsplit_once("http://").unwrap().1.to_owned();
    for _ in 0..3 {
        lists.write(LIST);
        daemon.wait_for_log("our entry is in it again, behind cilium-cni", SOON);
        assert_eq!(lists.entries(), 1);
    }
    lists.write(LIST);
    daemon.wait_for_log("cilium-cni writes the file anew each time", SOON);
    assert_eq!(lists.entries(), 0);
    let is_told = |(status, body): &(u16, String)| {
        *status != 200 && body.contains("05-cilium.conflist: our entry was put back 3 times")
    };
    http::wait_for(&address, "/readyz", is_told, SOON);
    // An operator sees to it.
    assert!(lists.install("--chain").status.success());
    http::wait_for(&address, "/readyz", |(status, _)| *status == 200, SOON);
    // Out for good: the daemon sees the list that is the first now, and lets it be.
    assert!(lists.install("--unchain").status.success());
    let first = lists.directory.join("04-other.conflist");
    lists.write_at(&first, LIST);
    let is_seen = |(_, body): &(u16, String)| body.contains("04-other.conflist: our entry is not in it");
    http::wait_for(&address, "/readyz", is_seen, SOON);
    assert_eq!(fs::read_to_string(&first).unwrap(), LIST);
    assert_eq!(lists.entries(), 0);
    drop(kubelet);
}

#[test]
fn a_node_whose_network_comes_later_gets_our_entry_then() {
    let lists = Lists::new();
    fs::remove_file(lists.path()).unwrap();
    assert!(lists.install("--chain").status.success());
    let tree = SysfsTree::with_vfs(1);
    let _kubelet = Kubelet::start(&lists.site.kubelet_dir()).unwrap();
    let directory = lists.directory.to_str().unwrap();
    let mut daemon = lists
        .site
        .start_with(&one_pool(), tree.root(), &["--cni-config-dir", directory]);
    daemon.wait_for_log("no network configuration here", SOON);
    lists.write(LIST);
    daemon.wait_for_log("our entry is in it again, behind cilium-cni", SOON);
    assert_eq!(lists.entries(), 1);
}
