//! sriov-network-device-plugin and sriov-cni replaced under running pods, and put back: what deploy/README.md has people do,
//! with the real pair. Both programs are where `hack/test --peers` says; without them nothing is done.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hardwire_proto::deviceplugin::{Device, HEALTHY};
use hardwire_tests::binaries::peer;
use hardwire_tests::daemon::Site;
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::node::{Igb, Pod, host_link};
use hardwire_tests::plugin::Plugin;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const RESOURCE: &str = "intel.com/vfs";
const SOON: Duration = Duration::from_secs(30);

/// sriov-network-device-plugin, which knows one directory of the kubelet and looks up names in a list of all vendors.
struct OldPlugin(Child);

impl OldPlugin {
    fn start(program: &Path, site: &Site, config: &Path) -> Self {
        let names = site.directory().join("pci.ids");
        fs::write(&names, "8086  Intel Corporation\n\t10ca  82576 Virtual Function\n").expect("a list");
        let in_place = "mkdir -p /var/lib/kubelet && mount --bind \"$1\" /var/lib/kubelet && exec \"$0\" -logtostderr -config-file \"$2\"";
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-euc", in_place])
            .arg(program)
            .arg(site.kubelet_dir())
            .arg(config)
            .env("PCIDB_PATH", names)
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("unshare"))
    }

    /// As a `DaemonSet` ends a pod before the next one comes.
    fn end(mut self) {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::TERM).expect("a signal");
        self.0.wait().expect("its end");
    }
}

impl Drop for OldPlugin {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn seven_are_healthy(devices: &[Device]) -> bool {
    devices.len() == 7 && devices.iter().all(|device| device.health == HEALTHY)
}

/// The one device that a pod is given.
fn admitted(kubelet: &Kubelet, pod: &str) -> String {
    let mut devices = kubelet.admit(pod, "main", RESOURCE, 1).expect("a device").devices;
    assert_eq!(devices.len(), 1);
    devices.remove(0)
}

fn disconnected(kubelet: &Kubelet) {
    let is_gone = |state: &hardwire_tests::kubelet::State| !state.resources[RESOURCE].connected;
    kubelet.wait_for(is_gone, SOON).expect("nobody has the resource");
}

/// All VFs as the PF and the host show them.
fn vfs(igb: &Igb) -> Vec<(Value, Value)> {
    let of = |vf| (igb.vf(vf), host_link(&igb.vf_netdev(vf).expect("it is on the host")));
    (0..7).map(of).collect()
}

#[test]
fn the_old_pair_is_replaced_under_running_pods_and_put_back() {
    let (Some(sriov), Some(sriovdp)) = (peer("sriov"), peer("sriovdp")) else {
        return;
    };
    let (igb, plugin, site) = (Igb::get(), Plugin::new(), Site::new());
    igb.renew();
    (0..7).for_each(|vf| igb.wait_for_vf(vf));
    let before = vfs(&igb);
    let pools =
        json!({"resourceList": [{"resourceName": "vfs", "selectors": {"vendors": ["8086"], "drivers": ["igbvf"]}}]});
    let ipam = plugin.host_local("10.88.0.0/24");
    let network = |device: &str| json!({"cniVersion": "1.0.0", "name": "vfs", "type": "sriov", "deviceID": device, "vlan": 100, "ipam": ipam});

    let kubelet = Kubelet::start(&site.kubelet_dir()).expect("a kubelet");
    let old_plugin = OldPlugin::start(&sriovdp, &site, &site.config(&pools));
    kubelet
        .wait_for_devices(RESOURCE, seven_are_healthy, SOON)
        .expect("theirs");
    let old_pod = Pod::new("old");
    let of_old = network(&admitted(&kubelet, "default/old"));
    plugin.request("ADD", &old_pod, &of_old).by(&sriov).run().success();
    old_plugin.end();
    disconnected(&kubelet);

    let mut daemon = site.start_live(&pools, Some(&plugin.state()));
    kubelet
        .wait_for_devices(RESOURCE, seven_are_healthy, SOON)
        .expect("ours");
    let new_pod = Pod::new("new");
    let of_new = network(&admitted(&kubelet, "default/new"));
    assert_ne!(
        of_new["deviceID"], of_old["deviceID"],
        "what a pod has is nobody else's"
    );
    plugin.add(&new_pod, &of_new);
    assert!(new_pod.reaches("10.88.0.2", 10), "a pod of before has lost its network");

    plugin.del(&old_pod, &of_old);
    kubelet.free("default/old");
    plugin.del(&new_pod, &of_new);
    kubelet.free("default/new");
    assert_eq!(vfs(&igb), before);
    assert!(plugin.reservations("vfs").is_empty());

    daemon.signal(Signal::TERM);
    assert!(daemon.wait(SOON).success());
    disconnected(&kubelet);
    let old_plugin = OldPlugin::start(&sriovdp, &site, &site.config(&pools));
    kubelet
        .wait_for_devices(RESOURCE, seven_are_healthy, SOON)
        .expect("theirs again");
    let pod = Pod::new("again");
    let conf = network(&admitted(&kubelet, "default/again"));
    for command in ["ADD", "DEL"] {
        let outcome = plugin.request(command, &pod, &conf).by(&sriov).run();
        assert_eq!(outcome.status, 0, "{command}: {}", outcome.stdout);
    }
    old_plugin.end();
}
