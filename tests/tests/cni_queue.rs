//! The queue for the move: many at once all get their turn, and who is killed in front holds up nobody.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hardwire_tests::node::{Pod, Veth, host_links, isolated};
use hardwire_tests::plugin::{Call, Outcome, Plugin, Scene};
use hardwire_tests::trace::{Disturbance, Moment, trace};
use serde_json::{Value, json};

/// As long as the plugin waits for who is in front (`queue.rs`).
const BOUND: Duration = Duration::from_secs(10);
const MANY: usize = 24;

fn tickets(plugin: &Plugin) -> Vec<PathBuf> {
    let entries = fs::read_dir(plugin.state().join("queue"));
    let paths = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| !path.ends_with("tail")).collect()
}

#[track_caller]
fn all_at_once(calls: &[Call]) -> Vec<Outcome> {
    let children: Vec<_> = calls.iter().map(Call::start).collect();
    children.into_iter().map(Outcome::of).collect()
}

#[test]
fn many_at_once_all_get_their_turn_and_leave_no_ticket() {
    isolated(|| {
        let plugin = Plugin::new();
        let nics: Vec<Veth> = (0..MANY).map(|n| Veth::new(&format!("hwmany{n}"))).collect();
        let pods: Vec<Pod> = (0..MANY).map(|_| Pod::new("many")).collect();
        let before = host_links();
        let calls = |command: &str| -> Vec<Call> {
            let of = |(nic, pod): (&Veth, &Pod)| {
                let conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": nic.name(),
                                  "ipam": plugin.host_local("10.61.0.0/24")});
                plugin.request(command, pod, &conf)
            };
            nics.iter().zip(&pods).map(of).collect()
        };
        for _ in 0..2 {
            let given: BTreeSet<String> = all_at_once(&calls("ADD"))
                .iter()
                .map(|outcome| outcome.success()["ips"][0]["address"].to_string())
                .collect();
            assert_eq!(given.len(), MANY, "{given:?}");
            assert!(pods.iter().all(|pod| pod.link_names() == ["lo", "net1"]));
            assert_eq!(tickets(&plugin), [""; 0].map(PathBuf::from));
            for outcome in all_at_once(&calls("DEL")) {
                outcome.silence();
            }
            assert_eq!(plugin.state_files(), [""; 0].map(PathBuf::from));
            assert_eq!(plugin.reservations("net-a"), [""; 0]);
            assert_eq!(host_links(), before);
        }
    });
}

#[test]
fn who_is_killed_in_front_holds_up_nobody() {
    isolated(|| {
        let (scene, behind) = (Scene::new("killed"), Scene::new("behind"));
        let before = host_links();
        let call = |command: &str, of: &Scene| scene.plugin.request(command, &of.pod, &of.conf(&json!({})));
        let add = call("ADD", &scene);
        // The first call makes directories that a second finds.
        let mut points = Vec::new();
        for _ in 0..2 {
            points = trace(&add, Disturbance::None, false).points;
            call("DEL", &scene).run().silence();
        }
        let at = points.iter().position(|point| point.what.ends_with("(a move)"));
        let at = at.expect("a move");
        for moment in [Moment::Before, Moment::After] {
            let killed = trace(&add, Disturbance::Kill { at, moment }, false);
            assert_eq!(killed.outcome.status, -1);
            assert_eq!(tickets(&scene.plugin).len(), 1, "it had its turn");
            let begun = Instant::now();
            call("ADD", &behind).run().success();
            assert!(begun.elapsed() < BOUND / 2, "{:?}", begun.elapsed());
            assert_eq!(tickets(&scene.plugin).len(), 0);
            call("DEL", &behind).run().silence();
            call("DEL", &scene).run().silence();
            assert_eq!(scene.plugin.state_files(), [""; 0].map(PathBuf::from));
            assert_eq!(host_links(), before);
        }
    });
}

/// The test itself is in front, as a process that was stopped there would be.
fn in_front(plugin: &Plugin) -> File {
    let queue = plugin.state().join("queue");
    fs::create_dir_all(&queue).expect("the queue");
    let ticket = File::create(queue.join("1-1")).expect("a ticket");
    ticket.lock().expect("a lock");
    fs::write(queue.join("tail"), "1-1").expect("the tail");
    ticket
}

#[test]
fn who_is_behind_moves_as_soon_as_the_turn_in_front_ends() {
    isolated(|| {
        let scene = Scene::new("turn");
        let before = scene.seen();
        let ticket = in_front(&scene.plugin);
        let child = scene.call("ADD", &json!({})).start();
        let deadline = Instant::now() + BOUND / 2;
        while tickets(&scene.plugin).len() < 2 {
            assert!(Instant::now() < deadline, "it draws no ticket");
            std::thread::sleep(Duration::from_millis(5));
        }
        // Half a second is many times what a move takes.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(scene.pod.link_names(), ["lo"], "it waits");
        let begun = Instant::now();
        drop(ticket);
        Outcome::of(child).success();
        assert!(begun.elapsed() < BOUND / 4, "{:?}", begun.elapsed());
        scene.del(&json!({}));
        assert_eq!(scene.seen(), before);
    });
}

/// The one test here that takes as long as it says.
#[test]
fn who_is_stopped_in_front_holds_the_others_up_for_the_bound_only() {
    isolated(|| {
        let (scene, other) = (Scene::new("stopped"), Scene::new("stopped2"));
        let _ticket = in_front(&scene.plugin);
        let call = |command: &str, of: &Scene| scene.plugin.request(command, &of.pod, &of.conf(&json!({})));
        let begun = Instant::now();
        let both: [Value; 2] = {
            let children = [&scene, &other].map(|of| call("ADD", of).start());
            children.map(|child| Outcome::of(child).success())
        };
        assert!(both.iter().all(|result| result["interfaces"][0]["name"] == "net1"));
        let took = begun.elapsed();
        assert!(BOUND < took + Duration::from_secs(1) && took < BOUND * 2, "{took:?}");
        for of in [&scene, &other] {
            call("DEL", of).run().silence();
        }
        assert_eq!(tickets(&scene.plugin).len(), 1, "the one in front has its own still");
    });
}
