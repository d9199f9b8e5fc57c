//! A holder on its way out is waited for; one that is not is no reason to wait.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use hardwire_tests::node::{Pod, host_links, isolated, run, wait_until};
use hardwire_tests::plugin::{Call, FakeIpam, Outcome, Scene};
use serde_json::{Value, json};

use super::{change, one_file};

/// Long enough that a test which waits for its end fails.
const LONG: &str = "120000";
const SHORT: &str = "300";

/// A pod whose DEL is in the middle, and a pod that wants its device.
struct Handover {
    scene: Scene,
    ipam: FakeIpam,
    next: Pod,
}

impl Handover {
    fn new(name: &str) -> Self {
        let mut scene = Scene::new(name);
        let ipam = scene.plugin.fake_ipam("addresses");
        ipam.gives_an_address();
        let gate = scene.plugin.directory().join("gate");
        run(&["mkfifo", gate.to_str().expect("UTF-8")]);
        // DEL releases IPAM first: it is stopped there until the gate is opened.
        ipam.on(
            "DEL",
            &format!("touch $here/at-the-gate\nread _line < {}\n", gate.display()),
        );
        let handover = Self {
            next: Pod::new(&format!("{name}-next")),
            scene,
            ipam,
        };
        handover.scene.add(&handover.extra());
        handover
    }

    fn extra(&self) -> Value {
        json!({"ipam": self.ipam.conf()})
    }

    /// The holder's DEL, which has begun.
    fn del(&self) -> Child {
        let del = self.scene.call("DEL", &json!({})).start();
        wait_until("DEL asks IPAM", || self.ipam.kept("at-the-gate").is_some());
        del
    }

    fn open_gate(&self) {
        let gate = self.scene.plugin.directory().join("gate");
        fs::write(gate, "go\n").expect("the gate");
    }

    /// The next pod's call, with a bound in milliseconds.
    fn next(&self, command: &str, bound: &str) -> Call {
        let conf = self.scene.conf(&json!({}));
        let call = self.scene.plugin.request(command, &self.next, &conf);
        call.set("HARDWIRE_HOLDER_WAIT_MS", bound)
    }

    /// Its ADD, which waits.
    fn waiting_add(&self) -> Child {
        let add = self.next("ADD", LONG).start();
        wait_until("the ADD waits", || self.waits());
        add
    }

    fn waits(&self) -> bool {
        fs::read_dir(self.scene.plugin.state().join("waiting")).is_ok_and(|entries| entries.count() > 0)
    }

    /// Ends the attachments and asserts that nothing is left.
    fn end(self) {
        self.next("DEL", LONG).run().silence();
        assert!(!self.waits());
        assert!(
            self.scene.plugin.state_files().is_empty(),
            "{:?}",
            self.scene.plugin.state_files()
        );
        assert!(self.scene.pod.link("net1").is_none() && self.next.link("net1").is_none());
        assert!(host_links().iter().any(|link| link["ifname"] == self.scene.nic.name()));
    }
}

#[test]
fn an_add_waits_for_a_del_that_has_begun_and_then_has_the_device() {
    isolated(|| {
        let handover = Handover::new("waits");
        let del = handover.del();
        let mut add = handover.waiting_add();
        assert!(add.try_wait().expect("the plugin").is_none());
        handover.open_gate();
        Outcome::of(del).silence();
        Outcome::of(add).success();
        assert!(handover.next.link("net1").is_some());
        handover.end();
    });
}

#[test]
fn an_add_whose_own_del_came_attaches_nothing() {
    isolated(|| {
        let handover = Handover::new("owndel");
        let del = handover.del();
        let add = handover.waiting_add();
        handover.next("DEL", LONG).run().silence();
        // It ends at once, and not with the holder.
        Outcome::of(add).failure_naming(11, &["a DEL of this attachment came"]);
        handover.open_gate();
        Outcome::of(del).silence();
        assert!(handover.next.link("net1").is_none());
        handover.end();
    });
}

/// As after a runtime's time limit: the ADD goes on, and is given an address while its DEL releases what there was of them.
#[test]
fn a_del_that_found_no_record_releases_what_its_add_made_meanwhile() {
    isolated(|| {
        let mut scene = Scene::new("beside");
        let ipam = scene.plugin.fake_ipam("addresses");
        ipam.gives_an_address();
        let gate = scene.plugin.directory().join("gate");
        run(&["mkfifo", gate.to_str().expect("UTF-8")]);
        ipam.on(
            "DEL",
            &format!("touch $here/at-the-gate\nread _line < {}\n", gate.display()),
        );
        let extra = json!({"ipam": ipam.conf()});
        let del = scene.call("DEL", &extra).start();
        wait_until("DEL asks IPAM", || ipam.kept("at-the-gate").is_some());
        ipam.on("DEL", "");
        scene.add(&extra);
        fs::write(&gate, "go\n").expect("the gate");
        Outcome::of(del).silence();
        assert!(scene.pod.link("net1").is_none());
        assert!(
            scene.plugin.state_files().is_empty(),
            "{:?}",
            scene.plugin.state_files()
        );
        assert_eq!(ipam.commands(), ["DEL", "ADD", "DEL"]);
    });
}

/// Another call has the lock, as one whose driver hangs in firmware does.
#[test]
fn an_add_whose_own_del_came_while_it_waited_for_the_lock_attaches_nothing() {
    isolated(|| {
        let (scene, pod) = (Scene::new("locked"), Pod::new("locked-next"));
        let call = |command| scene.plugin.request(command, &pod, &scene.conf(&json!({})));
        let locks = scene.plugin.state().join("locks");
        fs::create_dir_all(&locks).expect("a folder");
        let waiting = scene.plugin.state().join("waiting");
        let waits = || fs::read_dir(&waiting).is_ok_and(|entries| entries.count() > 0);
        for is_wanted in [false, true] {
            let lock = fs::File::create(locks.join("net_hwlocked.lock")).expect("a lock");
            lock.lock().expect("the lock");
            let add = call("ADD").start();
            wait_until("the ADD waits", waits);
            if !is_wanted {
                call("DEL").run().silence();
            }
            drop(lock);
            let outcome = Outcome::of(add);
            if is_wanted {
                outcome.success();
                call("DEL").run().silence();
            } else {
                outcome.failure_naming(11, &["a DEL of this attachment came"]);
            }
            assert!(pod.link("net1").is_none() && !waits());
            assert!(
                scene.plugin.state_files().is_empty(),
                "{:?}",
                scene.plugin.state_files()
            );
        }
    });
}

#[test]
fn an_add_whose_namespace_is_gone_meanwhile_attaches_nothing() {
    isolated(|| {
        let mut handover = Handover::new("gone");
        let del = handover.del();
        let add = handover.waiting_add();
        let later = handover.next("DEL", LONG);
        std::mem::replace(&mut handover.next, Pod::new("gone-later")).delete();
        handover.open_gate();
        Outcome::of(del).silence();
        Outcome::of(add).failure_naming(4, &["CNI_NETNS"]);
        later.run().silence();
        handover.end();
    });
}

#[test]
fn an_add_into_another_namespace_at_the_same_path_attaches_nothing() {
    isolated(|| {
        let handover = Handover::new("another");
        let del = handover.del();
        let add = handover.waiting_add();
        run(&["ip", "netns", "del", handover.next.name()]);
        run(&["ip", "netns", "add", handover.next.name()]);
        handover.open_gate();
        Outcome::of(del).silence();
        Outcome::of(add).failure_naming(4, &["CNI_NETNS", "another"]);
        handover.end();
    });
}

#[test]
fn a_holder_that_does_not_end_in_time_is_code_11() {
    isolated(|| {
        let handover = Handover::new("never");
        let del = handover.del();
        let outcome = handover.next("ADD", SHORT).run();
        outcome.failure_naming(11, &[handover.scene.pod.name(), "on its way out"]);
        assert!(!handover.waits());
        handover.open_gate();
        Outcome::of(del).silence();
        handover.end();
    });
}

#[test]
fn a_holder_that_lives_is_refused_at_once() {
    isolated(|| {
        let handover = Handover::new("lives");
        let begun = Instant::now();
        handover
            .next("ADD", LONG)
            .run()
            .failure_naming(11, &[handover.scene.pod.name()]);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert!(!handover.waits());
        handover.ipam.on("DEL", "");
        handover.scene.del(&json!({}));
        handover.end();
    });
}

#[test]
fn a_device_that_was_given_away_is_waited_for_before_its_del_comes() {
    isolated(|| {
        let handover = Handover::new("given");
        handover.ipam.on("DEL", "");
        let record = one_file(&handover.scene.plugin.state().join("attachments"), "json");
        change(&record, |record| record["ending"] = json!("given-away"));
        let add = handover.waiting_add();
        handover.scene.del(&json!({}));
        Outcome::of(add).success();
        assert!(handover.next.link("net1").is_some());
        handover.end();
    });
}

#[test]
fn several_adds_that_wait_are_served_one_and_refused_the_others() {
    isolated(|| {
        let handover = Handover::new("many");
        let others: Vec<Pod> = (0..3).map(|n| Pod::new(&format!("many-{n}"))).collect();
        let del = handover.del();
        let adds: Vec<Child> = others
            .iter()
            .map(|pod| {
                let call = handover
                    .scene
                    .plugin
                    .request("ADD", pod, &handover.scene.conf(&json!({})));
                call.set("HARDWIRE_HOLDER_WAIT_MS", LONG).start()
            })
            .collect();
        let waiting = handover.scene.plugin.state().join("waiting");
        wait_until("all wait", || {
            fs::read_dir(&waiting).is_ok_and(|entries| entries.count() == 3)
        });
        handover.open_gate();
        Outcome::of(del).silence();
        let outcomes: Vec<Outcome> = adds.into_iter().map(Outcome::of).collect();
        let served = outcomes.iter().filter(|outcome| outcome.status == 0).count();
        assert_eq!(served, 1, "{outcomes:?}");
        for (pod, outcome) in others.iter().zip(&outcomes) {
            if outcome.status != 0 {
                outcome.failure(11);
            }
            handover.scene.plugin.del(pod, &handover.scene.conf(&json!({})));
        }
        handover.end();
    });
}

#[test]
fn a_waiting_add_that_was_killed_is_nobodys_trouble() {
    isolated(|| {
        let handover = Handover::new("killed");
        let del = handover.del();
        let mut add = handover.waiting_add();
        add.kill().expect("a kill");
        drop(add.wait());
        handover.open_gate();
        Outcome::of(del).silence();
        handover.next("DEL", LONG).run().silence();
        handover.next("ADD", LONG).run().success();
        handover.end();
    });
}

/// A DEL that was killed after it began leaves the device to the next DEL, to the daemon, or to the end of the namespace.
#[test]
fn an_attachment_whose_del_was_killed_is_finished_by_the_daemon() {
    isolated(|| {
        let handover = Handover::new("halfdel");
        let mut del = handover.del();
        del.kill().expect("a kill");
        drop(del.wait());
        handover.open_gate();
        handover.ipam.on("DEL", "");
        let site = hardwire_tests::daemon::Site::new();
        let mut daemon = site.start_repairing(&handover.scene.plugin.state());
        daemon.wait_for_log("released: the device is as it was", Duration::from_secs(30));
        assert!(
            handover.scene.pod.link("net1").is_none(),
            "although the namespace lives"
        );
        handover.next("ADD", LONG).run().success();
        handover.end();
    });
}
