//! How IPAM is found, called and understood.

use std::fs;
use std::process::Stdio;
use std::thread;

use hardwire_tests::plugin::{Outcome, REFERENCE_PLUGINS, Scene};
use serde_json::{Value, json};

use super::{addresses, inside, remarkable};

#[test]
fn c42_an_ipam_plugin_that_is_not_there_is_named_with_the_path_and_nothing_changes() {
    let (scene, mut extra) = remarkable("c42");
    extra["ipam"] = json!({"type": "nosuch"});
    scene.unchanged_by(|| {
        let call = scene.call("ADD", &extra).set("CNI_PATH", "/a:/b");
        let error = call.run().error();
        assert_eq!(error["msg"], "failed to find plugin \"nosuch\" in path [/a /b]");
    });
}

#[test]
fn c42_an_ipam_type_is_a_name_and_no_path() {
    let (scene, mut extra) = remarkable("c42p");
    extra["ipam"] = json!({"type": "../static"});
    scene.unchanged_by(|| {
        let error = scene.call("ADD", &extra).run().error();
        assert_eq!(error["msg"], "invalid plugin name: ../static");
    });
}

#[test]
fn c42_ipam_none_is_a_plugin_name_like_any_other() {
    let (scene, mut extra) = remarkable("c42n");
    extra["ipam"] = json!({"type": "none"});
    scene.unchanged_by(|| {
        scene
            .call("ADD", &extra)
            .run()
            .error_naming(&["failed to find plugin", "none"])
    });
}

#[test]
fn c43_ipam_is_found_in_the_first_directory_that_has_a_file_of_that_name() {
    let mut scene = Scene::new("c43");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let root = scene.plugin.directory().to_owned();
    let (folder, linked, later) = (root.join("with-folder"), root.join("with-link"), root.join("later"));
    fs::create_dir_all(folder.join("wanted")).expect("a folder named like the plugin");
    fs::create_dir_all(&linked).expect("a folder");
    std::os::unix::fs::symlink(root.join("plugins/addresses"), linked.join("wanted")).expect("a link");
    fs::create_dir_all(&later).expect("a folder");
    std::os::unix::fs::symlink("/bin/false", later.join("wanted")).expect("a link");
    let path = format!(
        "/nonexistent::{}:{}:{}",
        folder.display(),
        linked.display(),
        later.display()
    );
    let extra = json!({"ipam": {"type": "wanted"}});
    let call = |command| scene.call(command, &extra).set("CNI_PATH", &path);
    assert_eq!(call("ADD").run().success()["ips"][0]["address"], "10.77.0.5/24");
    call("DEL").run().silence();
    assert_eq!(ipam.commands(), ["ADD", "DEL"]);
}

#[test]
fn c44_ipam_gets_our_stdin_byte_for_byte_and_our_environment() {
    let mut scene = Scene::new("c44");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let stdin = concat!(
        r#" {"name":"net-a",  "cniVersion":"1.0.0","device":"hwc44", "IPAM":{"type":"addresses", "x":"\u003c\u00e9"},"#,
        "\n",
        r#""runtimeConfig":{"ips":["10.77.0.5/24"],"mac":"02:00:00:00:44:01"},"args":{"cni":{"ips":[]}},"#,
        r#""big":12345678901234567890,"float":1.0e0,"dup":1,"dup":2}"#,
        "\n\n"
    );
    let call = |command: &str| {
        let call = scene.call(command, &json!({})).stdin(stdin);
        let call = call
            .set("CNI_ARGS", "IgnoreUnknown=1;IP=10.77.0.5;X")
            .set("TRACEPARENT", "00-4-4-01");
        call.set("CNI_NETNS_OVERRIDE", "0")
    };
    call("ADD").run().success();
    call("DEL").run().silence();
    for command in ["ADD", "DEL"] {
        assert_eq!(
            ipam.stdin(command).map(String::from_utf8),
            Some(Ok(stdin.to_owned())),
            "{command}"
        );
        let environment = ipam.environment(command);
        let expected = [
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", scene.pod.name()),
            ("CNI_NETNS", &scene.pod.path()),
            ("CNI_IFNAME", "net1"),
            ("CNI_PATH", &scene.plugin.path),
            ("CNI_ARGS", "IgnoreUnknown=1;IP=10.77.0.5;X"),
            ("CNI_NETNS_OVERRIDE", "0"),
            ("TRACEPARENT", "00-4-4-01"),
        ];
        for (name, value) in expected {
            assert_eq!(
                environment.get(name).map(String::as_str),
                Some(value),
                "{command} {name}"
            );
        }
    }
}

#[test]
fn c44_ipam_runs_on_the_host_when_the_interface_is_in_the_pod_under_its_final_name_and_mac() {
    let mut scene = Scene::new("c44n");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.on(
        "ADD",
        "readlink /proc/self/ns/net > $here/netns\npwd > $here/cwd\n\
         ip -netns \"${CNI_NETNS##*/}\" -json link show dev $CNI_IFNAME > $here/link\n\
         echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.77.0.5/24\"}]}'\n",
    );
    let extra = json!({"ipam": ipam.conf(), "mac": "02:00:00:00:44:02", "mtu": 1400});
    scene.add(&extra);
    let own = fs::read_link("/proc/self/ns/net").expect("our own namespace");
    assert_eq!(ipam.kept("netns").expect("ran").trim(), own.to_str().expect("UTF-8"));
    let link: Value = serde_json::from_str(&ipam.kept("link").expect("ran")).expect("JSON of ip");
    assert_eq!(
        (&link[0]["ifname"], &link[0]["address"], &link[0]["mtu"]),
        (&json!("net1"), &json!("02:00:00:00:44:02"), &json!(1400))
    );
    scene.del(&extra);
}

#[test]
fn c46_what_ipam_prints_on_stderr_is_on_ours_and_stdout_stays_clean() {
    let mut scene = Scene::new("c46");
    let ipam = scene.plugin.fake_ipam("chatty");
    ipam.on(
        "ADD",
        "echo chatter of ipam >&2\necho '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.77.0.5/24\"}]}'\n",
    );
    ipam.on("DEL", "echo more chatter >&2\necho 'not JSON at all'\n");
    let extra = json!({ "ipam": ipam.conf() });
    let outcome = scene.call("ADD", &extra).run();
    outcome.success();
    assert!(outcome.stderr.contains("chatter of ipam"), "{}", outcome.stderr);
    let outcome = scene.call("DEL", &extra).run();
    outcome.silence();
    assert!(outcome.stderr.contains("more chatter"), "{}", outcome.stderr);
}

#[test]
fn c48_a_result_of_ipam_is_read_by_its_own_version_and_printed_in_ours() {
    let mut scene = Scene::new("c48");
    let ipam = scene.plugin.fake_ipam("old");
    let rows = [
        (
            json!({"cniVersion": "0.2.0",
                   "ip4": {"ip": "10.48.0.5/24", "gateway": "10.48.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
                   "ip6": {"ip": "FD48::5/64", "routes": [{"dst": "fd91::/64"}]}}),
            json!([{"dst": "0.0.0.0/0"}, {"dst": "fd91::/64"}]),
        ),
        (
            json!({"ips": [{"address": "10.48.0.5/24", "gateway": "10.48.0.1"}, {"address": "fd48::5/64"}]}),
            json!(null),
        ),
        (
            json!({"cniVersion": "0.3.1", "interfaces": [{"name": "x"}, {"name": "y"}],
                   "ips": [{"version": "4", "address": "10.48.0.5/24", "gateway": "10.48.0.1"},
                           {"version": "6", "address": "fd48::5/64"}], "dns": {}}),
            json!(null),
        ),
        (
            json!({"CNIVersion": "1.1.0", "IPs": [{"Address": "10.48.0.5/24", "Gateway": "10.48.0.1"},
                                                  {"address": "fd48::5/64", "gateway": ""}], "routes": null}),
            json!(null),
        ),
    ];
    for (given, routes) in rows {
        ipam.gives(&given);
        let extra = json!({ "ipam": ipam.conf() });
        let result = scene.add(&extra);
        assert_eq!(result["cniVersion"], "1.0.0");
        assert_eq!(
            result["ips"],
            json!([{"interface": 0, "address": "10.48.0.5/24", "gateway": "10.48.0.1"},
                   {"interface": 0, "address": "fd48::5/64"}]),
            "{given}"
        );
        assert_eq!(result["interfaces"].as_array().map(Vec::len), Some(1), "{given}");
        assert_eq!(result["routes"], routes, "{given}");
        scene.del(&extra);
    }
}

#[test]
fn c48_an_ipv4_address_in_ipv6_clothes_is_ipv4() {
    let mut scene = Scene::new("c48m");
    let ipam = scene.plugin.fake_ipam("mapped");
    ipam.gives(&json!({"cniVersion": "1.0.0", "ips": [{"address": "::ffff:10.48.0.5/120"}]}));
    let extra = json!({"cniVersion": "0.4.0", "ipam": ipam.conf()});
    let result = scene.add(&extra);
    assert_eq!(result["ips"][0]["version"], "4");
    assert_eq!(addresses(&inside(&scene.pod, "net1")), ["10.48.0.5/24"]);
    scene.del(&extra);
}

#[test]
fn ipam_runs_without_the_plugins_files_but_the_lock_that_is_its_own() {
    let mut scene = Scene::new("files");
    let ipam = scene.plugin.fake_ipam("curious");
    ipam.on(
        "ADD",
        "ls -l /proc/self/fd > $here/files\necho '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.77.0.5/24\"}]}'\n",
    );
    let extra = json!({ "ipam": ipam.conf() });
    scene.add(&extra);
    let files = ipam.kept("files").expect("ran");
    // One lock is meant for it: as long as it is held, a DEL after a kill knows that the addresses are still being given.
    let ours = |line: &&str| {
        ["socket:", "net:[", ".lock", "/attachments/"]
            .iter()
            .any(|part| line.contains(part))
    };
    assert_eq!(files.lines().find(ours), None, "{files}");
    scene.del(&extra);
}

#[test]
fn a_busy_ipam_plugin_is_tried_again() {
    let mut scene = Scene::new("busy");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let folder = scene.plugin.directory().join("busy");
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("busy");
    fs::copy(format!("{REFERENCE_PLUGINS}/static"), &path).expect("a copy");
    let writer = fs::OpenOptions::new().append(true).open(&path).expect("a writer");
    let extra = json!({"ipam": {"type": "busy", "addresses": [{"address": "10.77.0.5/24"}]}});
    let call = |command| scene.call(command, &extra).set("CNI_PATH", folder.as_os_str());
    let child = call("ADD").start_with_stdout(Stdio::piped());
    let writing = thread::spawn(move || {
        thread::sleep(std::time::Duration::from_millis(1500));
        drop(writer);
    });
    let outcome = Outcome::of(child);
    writing.join().expect("the writer");
    outcome.success();
    call("DEL").run().silence();
}
