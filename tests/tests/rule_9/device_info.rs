//! `runtimeConfig.CNIDeviceInfoFile`: a path of a tenant's.

use std::fs;
use std::path::Path;

use hardwire_tests::node::isolated;
use hardwire_tests::plugin::Scene;
use serde_json::json;

#[test]
fn rule_9_device_information_is_written_in_the_devinfo_directory_only() {
    isolated(|| {
        let scene = Scene::new("devinfo");
        for path in [
            "/run/x",
            "/tmp/hardwire-test-x",
            "/etc/cni/net.d/x",
            "/var/run/k8s.cni.cncf.io/devinfo/x",
            "/var/run/k8s.cni.cncf.io/devinfo/dp/x",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/../dp/x",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/new/x",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/a\nb",
            "x",
        ] {
            let extra = json!({"runtimeConfig": {"CNIDeviceInfoFile": path}});
            scene.unchanged_by(|| {
                let call = scene.call("ADD", &extra).unset("HARDWIRE_DEVICE_INFO_DIR");
                call.run().failure_naming(7, &["CNIDeviceInfoFile", "devinfo/cni"]);
            });
            // What was refused can still be deleted.
            scene
                .call("DEL", &extra)
                .unset("HARDWIRE_DEVICE_INFO_DIR")
                .run()
                .silence();
        }
        assert!(!Path::new("/run/k8s.cni.cncf.io").exists() && !Path::new("/run/x").exists());
        // Nothing is to be said of a veth, and nothing is made.
        for run in ["/var/run", "/run"] {
            let path = format!("{run}/k8s.cni.cncf.io/devinfo/cni/default-net-a-c_net1");
            let extra = json!({"runtimeConfig": {"CNIDeviceInfoFile": path}});
            scene
                .call("ADD", &extra)
                .unset("HARDWIRE_DEVICE_INFO_DIR")
                .run()
                .success();
            scene.del(&extra);
        }
        assert!(fs::read_dir("/run/k8s.cni.cncf.io/devinfo/dp").is_err());
    });
}
