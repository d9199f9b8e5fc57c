//! How IPAM is called, and what becomes of its errors.

use hardwire_tests::plugin::Scene;
use serde_json::json;

use super::{ending, references};

#[test]
fn ipam_is_called_alike() {
    let mut scene = Scene::new("dipam");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let extra = json!({"ipam": ipam.conf(), "x": [1, 2.5, "<&>"], "runtimeConfig": {"ips": ["10.77.0.5/24"]}});
    let seen = |command: &str| {
        let mut environment = ipam.environment(command);
        // The shell's own.
        for name in ["PWD", "OLDPWD", "SHLVL", "_"] {
            environment.remove(name);
        }
        (ipam.stdin(command), environment)
    };
    for reference in references() {
        for command in ["ADD", "DEL"] {
            let call = scene
                .call(command, &extra)
                .set("CNI_ARGS", "IgnoreUnknown=1;A=b")
                .set("TRACEPARENT", "00-1");
            if command == "ADD" {
                call.clone().by(&reference).run().success();
                let theirs = seen(command);
                scene.call("DEL", &extra).by(&reference).run().silence();
                call.run().success();
                assert_eq!(seen(command), theirs, "ADD by {}", reference.display());
            } else {
                call.run().silence();
                let ours = seen(command);
                scene.call("ADD", &extra).by(&reference).run().success();
                call.by(&reference).run().silence();
                assert_eq!(ours, seen(command), "DEL by {}", reference.display());
            }
        }
    }
}

#[test]
fn errors_of_ipam_are_passed_on_alike_and_only_ours_leaves_nothing_behind() {
    let mut scene = Scene::new("derr");
    let ipam = scene.plugin.fake_ipam("failing");
    // Code 0, which the reference has here, is no error to whoever reads it.
    let rows = [
        (
            "echo '{\"code\":11,\"msg\":\"try later\",\"details\":\"d\"}'; exit 1",
            None,
        ),
        ("exit 3", Some(999)),
        ("echo lost >&2; exit 3", Some(999)),
        ("echo garbage; exit 3", Some(999)),
        ("echo '{\"cniVersion\":\"1.0.0\"}'", None),
    ];
    for reference in references() {
        for (script, our_code) in &rows {
            ipam.on("ADD", &format!("{script}\n"));
            let call = scene.call("ADD", &json!({ "ipam": ipam.conf() }));
            let theirs = call.clone().by(&reference).run();
            assert_ne!(theirs.status, 0);
            // "the reference leaves the device in the pod": put back by hand.
            if scene.pod.link_names().contains(&"net1".to_owned()) {
                let conf = json!({"ipam": null});
                scene.call("DEL", &conf).by(&reference).run().silence();
            }
            let ours = scene.unchanged_by(|| call.run());
            let (theirs, ours) = (ending(&theirs).expect("it failed"), ending(&ours).expect("it failed"));
            match our_code {
                None => assert_eq!(ours, theirs, "{script} by {}", reference.display()),
                Some(code) => assert_eq!((ours.0, theirs.0), (*code, 0), "{script} by {}", reference.display()),
            }
        }
    }
}
