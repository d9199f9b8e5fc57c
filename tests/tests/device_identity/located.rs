//! The device is located before its lock and under it, and must be the same both times; and host-device's `kernelpath`.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Child;

use hardwire_cni::journal::Journal;
use hardwire_tests::node::{Pod, Veth, host_link, host_links, isolated, run};
use hardwire_tests::plugin::{Outcome, Plugin};
use hardwire_tests::sysfs_tree::SysfsTree;
use serde_json::json;

const MAC: &str = "02:00:00:00:0d:01";

/// Waits until a call waits for a lock that we hold: flock(2) tells nobody of its waiters but /proc/locks.
fn waits(child: &Child) {
    let is_it = |line: &str| line.contains("-> FLOCK") && line.split_whitespace().any(|w| w == child.id().to_string());
    while !fs::read_to_string("/proc/locks").expect("locks").lines().any(is_it) {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn a_device_that_took_the_named_ones_place_while_its_lock_was_waited_for_is_not_taken() {
    isolated(|| {
        for (naming, swap) in [
            (
                json!({"hwaddr": MAC}),
                &[
                    &["set", "hwfirst", "address", "02:00:00:00:0d:09"][..],
                    &["set", "hwother", "address", MAC],
                ][..],
            ),
            (
                json!({"device": "lent"}),
                &[
                    &["property", "del", "dev", "hwfirst", "altname", "lent"],
                    &["property", "add", "dev", "hwother", "altname", "lent"],
                ],
            ),
        ] {
            let (plugin, pod) = (Plugin::new(), Pod::new("race"));
            let (first, _other) = (Veth::new("hwfirst"), Veth::new("hwother"));
            first.set(&["address", MAC]);
            run(&["ip", "link", "property", "add", "dev", "hwfirst", "altname", "lent"]);
            let mut conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire"});
            for (key, value) in naming.as_object().expect("an object") {
                conf[key] = value.clone();
            }
            let journal = Journal::at(&plugin.state());
            let id = "net/hwfirst".parse().expect("an id");
            let lock = journal.lock(&id).expect("the lock");
            let add = plugin.request("ADD", &pod, &conf).start();
            waits(&add);
            for words in swap {
                run(&[&["ip", "link"], *words].concat());
            }
            let before = host_links();
            journal.unlock(&id, lock).expect("unlocked");
            let refused = Outcome::of(add).error_naming(&["net/hwfirst", "try again"]);
            assert_eq!(refused["code"], 11, "{refused}");
            assert_eq!((host_links(), pod.link_names()), (before, vec!["lo".to_owned()]));
            assert!(plugin.state_files().is_empty());
            // Again, and it is the one that has the name or the address now.
            plugin.add(&pod, &conf);
            plugin.del(&pod, &conf);
        }
    });
}

/// A NIC on a bus that has no ids of ours, as a tree shows it.
fn platform_nic(tree: &SysfsTree, device: &str, name: &str) {
    let index = fs::read_to_string(format!("/sys/class/net/{name}/ifindex"));
    let index = index.map_or(1, |index| index.trim().parse().expect("an index"));
    tree.add_netdev(&tree.root().join("devices/platform").join(device), name, index);
}

#[test]
fn kernelpath_takes_what_host_device_takes() {
    isolated(|| {
        let (plugin, pod, nic, tree) = (Plugin::new(), Pod::new("path"), Veth::new("hwpath"), SysfsTree::new());
        platform_nic(&tree, "30be0000.ethernet", "hwpath");
        let before = host_link("hwpath");
        for path in [
            "/sys/devices/platform/30be0000.ethernet",
            "/sys/devices/platform/30be0000.ethernet/",
        ] {
            let conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "kernelpath": path});
            let call = |verb| {
                plugin
                    .request(verb, &pod, &conf)
                    .set("HARDWIRE_SYSFS_ROOT", tree.root())
            };
            call("ADD").run().success();
            assert!(pod.link("net1").is_some());
            call("DEL").run().silence();
            assert_eq!(host_link("hwpath"), before);
        }
        drop(nic);
    });
}

#[test]
fn rule_9_a_kernelpath_leads_to_one_device_below_sys_devices_or_nowhere() {
    isolated(|| {
        let (plugin, pod, _nic, tree) = (Plugin::new(), Pod::new("bad"), Veth::new("hwpath"), SysfsTree::new());
        platform_nic(&tree, "30be0000.ethernet", "hwpath");
        platform_nic(&tree, "two.ethernet", "hwpathp");
        platform_nic(&tree, "two.ethernet", "hwpathq");
        fs::create_dir_all(tree.root().join("devices/platform/none/net")).expect("a folder");
        let outside = tree.root().join("elsewhere");
        tree.add_netdev(&outside, "hwpathr", 1);
        symlink(&outside, tree.root().join("devices/platform/link")).expect("a link");
        symlink("30be0000.ethernet", tree.root().join("devices/platform/alias")).expect("a link");
        for (path, part) in [
            ("/sys/devices/platform/link", "is a link"),
            ("/sys/devices/platform/alias", "is a link"),
            ("/sys/devices/platform/absent", "is not there"),
            ("/sys/devices/platform/none", "no interface"),
            ("/sys/devices/platform/two.ethernet", "several interfaces"),
            ("/sys/devices/platform/../platform/30be0000.ethernet", "kernelpath"),
            ("/sys/devices/platform/./30be0000.ethernet", "kernelpath"),
            ("/sys/devices//platform/30be0000.ethernet", "kernelpath"),
            ("/sys/elsewhere", "kernelpath"),
            ("/sys/class/net/hwpath", "kernelpath"),
        ] {
            let conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "kernelpath": path});
            let before = host_links();
            let call = plugin
                .request("ADD", &pod, &conf)
                .set("HARDWIRE_SYSFS_ROOT", tree.root());
            assert_eq!(call.run().error_naming(&["kernelpath", part])["code"], 7, "{path}");
            assert_eq!((host_links(), plugin.state_files()), (before, Vec::new()), "{path}");
        }
    });
}
