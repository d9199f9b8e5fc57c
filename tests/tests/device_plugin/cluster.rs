//! What the cluster's API is told, and that nothing waits for it.

use std::net::TcpListener;
use std::path::Path;

use hardwire_cni::journal::{InPod, Journal};
use hardwire_tests::api_server::{ApiServer, NODE, NODE_UID, Request, kubeconfig};

use super::given_away::attached;
use super::*;

/// Writes are seconds apart.
const WRITTEN: Duration = Duration::from_secs(60);

fn telling(site: &Site, tree: &SysfsTree, kubeconfig: &Path) -> (Kubelet, Daemon) {
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let arguments = ["--kube", kubeconfig.to_str().unwrap()];
    let daemon = site.start_with_variables(&one_pool(), tree.root(), &arguments, &[("NODE_NAME", NODE)]);
    kubelet
        .wait_for_devices(RESOURCE, |devices| !devices.is_empty(), SOON)
        .unwrap();
    (kubelet, daemon)
}

fn devices(request: &Request) -> Vec<Value> {
    request.json()["status"]["devices"].as_array().unwrap().clone()
}

#[test]
fn the_cluster_is_told_of_each_device_of_its_pod_and_of_its_attachment() {
    let (site, tree, api) = (Site::new(), SysfsTree::with_vfs(3), ApiServer::start().unwrap());
    let (kubelet, _daemon) = telling(&site, &tree, &api.kubeconfig(site.directory()));
    let first = api.wait_for(Request::is_write, WRITTEN);
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

#[test]
fn a_pool_that_is_refused_is_an_event_on_the_node() {
    let (site, tree, api) = (Site::new(), SysfsTree::with_vfs(1), ApiServer::start().unwrap());
    let mut config = one_pool();
    let pools = config["resourceList"].as_array_mut().unwrap();
    pools.push(json!({"resourceName": "bad name", "selectors": {}}));
    let kubeconfig = api.kubeconfig(site.directory());
    let arguments = ["--kube", kubeconfig.to_str().unwrap()];
    let _kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start_with_variables(&config, tree.root(), &arguments, &[("NODE_NAME", NODE)]);
    let event = api.wait_for(|request| request.method == "POST", WRITTEN).json();
    assert_eq!(event["reason"], "PoolRefused");
    assert_eq!(event["regarding"]["name"], NODE);
    assert!(event["note"].as_str().unwrap().contains("bad name"), "{event}");
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
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait(SOON).success());
    let log = daemon.wait_for_end_of_log(SOON);
    assert_eq!(log.matches("the cluster does not have").count(), 1, "{log}");
}

#[test]
fn a_kubeconfig_that_is_of_no_use_keeps_nothing_from_working() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let (kubelet, mut daemon) = telling(&site, &tree, Path::new("/nowhere/kubeconfig"));
    let line = daemon.wait_for_log("the cluster is told nothing", SOON);
    assert!(line.contains("/nowhere/kubeconfig"), "{line}");
    assert_eq!(kubelet.admit("red/web", "main", RESOURCE, 1).unwrap().devices.len(), 1);
}
