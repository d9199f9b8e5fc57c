//! What an ADD and a DEL tell of themselves: one line in the log, and one datagram to the daemon, whom nobody waits for.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hardwire_cni::attach::ANNOUNCEMENTS;
use hardwire_cni::report::{Phase, Report, SOCKET};
use hardwire_tests::daemon::Site;
use hardwire_tests::node::{Pod, isolated, run, succeeds, wait_until};
use hardwire_tests::plugin::{Call, Outcome, Plugin, Scene};
use serde_json::{Value, json};

/// Far above what a call takes, far below any time limit.
const SOON: Duration = Duration::from_secs(5);

fn path(plugin: &Plugin) -> PathBuf {
    fs::create_dir_all(plugin.state()).expect("the state directory");
    plugin.state().join(SOCKET)
}

fn listen(plugin: &Plugin) -> UnixDatagram {
    let socket = UnixDatagram::bind(path(plugin)).expect("a socket");
    socket.set_nonblocking(true).expect("a mode");
    socket
}

/// Every datagram that waits.
fn received(socket: &UnixDatagram) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => datagrams.push(buffer[..length].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return datagrams,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The one report of a call that has ended, which stands in its log too.
#[track_caller]
fn one(socket: &UnixDatagram, outcome: &Outcome, verb: &str) -> Report {
    let datagrams = received(socket);
    assert_eq!(datagrams.len(), 1, "{outcome:?}");
    let report: Report = serde_json::from_slice(&datagrams[0]).expect("a report");
    assert_eq!((report.version, report.verb.as_str()), (Report::VERSION, verb));
    let lines: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains(" took ")).collect();
    assert_eq!(lines.len(), 1, "{}", outcome.stderr);
    assert!(lines[0].ends_with(&report.to_string()), "{} is not {report}", lines[0]);
    for phase in report.phases_us.keys() {
        assert!(lines[0].contains(&format!("{} ", phase.as_str())), "{}", lines[0]);
    }
    let phases: u64 = report.phases_us.values().sum();
    assert!(phases <= report.total_us, "{report:?}");
    report
}

#[track_caller]
fn names(report: &Report, scene: &Scene) {
    let device = report.device.as_ref().map(ToString::to_string);
    assert_eq!(device, Some(format!("net/{}", scene.nic.name())));
    assert_eq!(
        (
            report.network.as_str(),
            report.container.as_str(),
            report.ifname.as_str()
        ),
        ("net-a", scene.pod.name(), "net1")
    );
}

#[test]
fn an_add_and_its_del_send_one_report_each() {
    isolated(|| {
        let scene = Scene::new("rep");
        let socket = listen(&scene.plugin);
        let extra = json!({"ipam": scene.plugin.host_local("10.60.0.0/24")});
        let begun = Instant::now();
        let added = scene.call("ADD", &extra).run();
        let took = begun.elapsed();
        added.success();
        let report = one(&socket, &added, "ADD");
        names(&report, &scene);
        assert_eq!(report.code, 0);
        for phase in [
            Phase::Lock,
            Phase::Journal,
            Phase::Move,
            Phase::Ipam,
            Phase::Addresses,
            Phase::Announce,
        ] {
            assert!(report.phases_us.contains_key(&phase), "{phase:?}: {report:?}");
        }
        assert!(
            report.phases_us[&Phase::Ipam] > 0 && report.phases_us[&Phase::Move] > 0,
            "{report:?}"
        );
        assert!(Duration::from_micros(report.total_us) <= took, "{report:?} in {took:?}");

        let deleted = scene.call("DEL", &extra).run();
        deleted.silence();
        let report = one(&socket, &deleted, "DEL");
        names(&report, &scene);
        assert_eq!(report.code, 0);
        for phase in [Phase::Lock, Phase::Journal, Phase::Move, Phase::Ipam] {
            assert!(report.phases_us.contains_key(&phase), "{phase:?}: {report:?}");
        }
        assert!(!report.phases_us.contains_key(&Phase::Addresses), "{report:?}");

        let again = scene.call("DEL", &extra).run();
        again.silence();
        let report = one(&socket, &again, "DEL");
        assert_eq!((report.code, report.device), (0, None));
    });
}

#[test]
fn calls_that_fail_send_one_report_with_their_code() {
    isolated(|| {
        let mut scene = Scene::new("repfail");
        let ipam = scene.plugin.fake_ipam("broken");
        ipam.fails("ADD", &json!({"cniVersion": "1.0.0", "code": 444, "msg": "no address"}));
        let socket = listen(&scene.plugin);
        let reported = |outcome: &Outcome, verb: &str| {
            let error: Value = serde_json::from_str(&outcome.stdout).expect("an error");
            let report = one(&socket, outcome, verb);
            assert_eq!(error["code"], report.code, "{error}");
            assert_ne!(report.code, 0);
            report
        };
        let extra = json!({"ipam": ipam.conf()});
        let report = reported(&scene.call("ADD", &extra).run(), "ADD");
        names(&report, &scene);
        assert!(report.phases_us.contains_key(&Phase::Ipam), "{report:?}");
        // Before a device is found, and before the configuration is understood.
        reported(&scene.call("ADD", &json!({"device": "hwnosuch"})).run(), "ADD");

        ipam.gives_an_address();
        scene.call("ADD", &extra).run().success();
        assert_eq!(received(&socket).len(), 1);
        ipam.fails("DEL", &json!({"cniVersion": "1.0.0", "code": 445, "msg": "no release"}));
        let report = reported(&scene.call("DEL", &extra).run(), "DEL");
        names(&report, &scene);
    });
}

#[test]
fn other_verbs_send_none() {
    isolated(|| {
        let scene = Scene::new("repother");
        let result = scene.add(&json!({}));
        let socket = listen(&scene.plugin);
        scene.check(&json!({}), &result).run().silence();
        for verb in ["VERSION", "STATUS"] {
            assert_eq!(
                scene.call(verb, &json!({"cniVersion": "1.1.0"})).run().status,
                0,
                "{verb}"
            );
        }
        assert_eq!(received(&socket), [[0; 0]; 0]);
        scene.del(&json!({}));
        assert_eq!(received(&socket).len(), 1);
    });
}

/// A call that must not wait, ended if it does.
#[track_caller]
fn soon(call: &Call, what: &str) -> Outcome {
    let (mut child, begun) = (call.start(), Instant::now());
    while child.try_wait().expect("a child").is_none() {
        if begun.elapsed() > SOON {
            child.kill().expect("it runs");
            panic!("{what} held it up: {:?}", Outcome::of(child));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Outcome::of(child)
}

/// An attachment and its end with whatever is at the socket's path.
#[track_caller]
fn undisturbed(scene: &Scene, what: &str) {
    scene.unchanged_by(|| {
        soon(&scene.call("ADD", &json!({})), what).success();
        soon(&scene.call("DEL", &json!({})), what).silence();
    });
}

#[test]
fn a_reader_that_is_behind_delays_nothing() {
    isolated(|| {
        let scene = Scene::new("repfull");
        let socket = listen(&scene.plugin);
        let filler = UnixDatagram::unbound().expect("a socket");
        filler.set_nonblocking(true).expect("a mode");
        let mut count = 0;
        while filler.send_to(b"full", path(&scene.plugin)).is_ok() {
            count += 1;
        }
        undisturbed(&scene, "a full socket");
        let left = received(&socket);
        assert_eq!(
            (left.len(), left.iter().all(|datagram| datagram == b"full")),
            (count, true)
        );
        // And is told again once it has caught up.
        undisturbed(&scene, "an empty socket");
        assert_eq!(received(&socket).len(), 2);
    });
}

#[test]
fn what_is_no_reader_delays_nothing() {
    isolated(|| {
        let scene = Scene::new("repstale");
        let path = path(&scene.plugin);
        undisturbed(&scene, "nothing there");
        drop(UnixDatagram::bind(&path).expect("a socket"));
        assert!(path.exists());
        undisturbed(&scene, "a socket without a daemon");
        fs::remove_file(&path).expect("its file");
        let listener = UnixListener::bind(&path).expect("a socket");
        undisturbed(&scene, "a socket of another type");
        drop(listener);
        fs::remove_file(&path).expect("its file");
        fs::write(&path, "").expect("a file");
        undisturbed(&scene, "a file");
        fs::remove_file(&path).expect("the file");
        symlink("/nowhere", &path).expect("a link");
        undisturbed(&scene, "a link to nowhere");
        fs::remove_file(&path).expect("the link");
        fs::create_dir(&path).expect("a directory");
        undisturbed(&scene, "a directory");
    });
}

#[test]
fn a_carrier_that_comes_after_the_add_is_announced_by_the_daemon_and_waited_for_by_nobody() {
    isolated(|| {
        let (scene, observer, site) = (Scene::new("late"), Pod::new("observer"), Site::new());
        let state = scene.plugin.state();
        let mut daemon = site.start_repairing(&state);
        wait_until("the daemon takes no announcements", || {
            state.join(ANNOUNCEMENTS).exists()
        });
        let far = scene.nic.neighbour();
        run(&["ip", "link", "set", &far, "netns", observer.name()]);
        for words in [
            ["link", "set", "lo", "up"].as_slice(),
            &["address", "add", "10.61.0.1/24", "dev", &far],
        ] {
            observer.run(&[&["ip"], words].concat());
        }
        let addresses = [("10.61.0.3/24", "10.61.0.3"), ("2001:db8:61::3/64", "2001:db8:61::3")];
        let ips: Vec<Value> = addresses
            .iter()
            .map(|(address, _)| json!({"address": address}))
            .collect();
        let ipam = json!({"ipam": {"type": "static", "addresses": ips}});
        // The far end is down: there is no carrier, and none comes while the ADD lasts.
        let added = scene.call("ADD", &ipam).run();
        let result = added.success();
        assert!(!added.stderr.contains("not announced"), "{}", added.stderr);
        let mac = result["interfaces"][0]["mac"].as_str().expect("a MAC");
        // What is announced is learned without having been asked for: the announcement comes in the moment of the carrier.
        for sysctl in [
            "ipv4/conf/FAR/arp_accept",
            "ipv6/conf/FAR/forwarding",
            "ipv6/conf/FAR/accept_untracked_na",
        ] {
            let path = format!("/proc/sys/net/{}", sysctl.replace("FAR", &far));
            observer.run(&["sh", "-c", &format!("echo 1 >{path}")]);
        }
        observer.run(&["ip", "link", "set", &far, "up"]);
        for (_, address) in addresses {
            observer.learns(address, mac);
        }
        daemon.wait_for_log("its carrier came, and its addresses are announced", SOON);
        scene.call("DEL", &ipam).run().silence();
    });
}

#[test]
fn nothing_of_the_daemons_keeps_a_namespace_alive_whose_carrier_never_came() {
    isolated(|| {
        let (scene, site) = (Scene::new("gone"), Site::new());
        let state = scene.plugin.state();
        let mut daemon = site.start_repairing(&state);
        wait_until("the daemon takes no announcements", || {
            state.join(ANNOUNCEMENTS).exists()
        });
        let ipam = json!({"ipam": {"type": "static", "addresses": [{"address": "10.62.0.3/24"}]}});
        scene.add(&ipam);
        let neighbour = scene.nic.neighbour();
        let Scene { pod, nic, .. } = scene;
        pod.delete();
        // A veth ends with its namespace, and its other end with it.
        wait_until("the namespace lives", || !succeeds(&["ip", "link", "show", &neighbour]));
        daemon.wait_for_log("is not announced", SOON);
        drop(nic);
    });
}
