//! Several calls for one device at once: ownership decides, and who loses does no harm.

use hardwire_tests::node::Pod;
use hardwire_tests::plugin::{Call, Outcome};

use super::{NETWORK, Stage, VF};

const ROUNDS: usize = 3;

fn at_once<const N: usize>(calls: [Call; N]) -> [Outcome; N] {
    // Each reads its stdin before it does anything.
    calls.map(|call| call.start()).map(Outcome::of)
}

impl Stage {
    /// Asserts that a pod has the device, with all that its configuration asks for.
    #[track_caller]
    fn has_it(&self, pod: &Pod) {
        let link = pod.link("net1").expect("net1 is in the pod");
        let addresses = link["addr_info"].as_array().expect("a list");
        let given = addresses.iter().filter(|address| address["family"] == "inet").count();
        assert_eq!((given, &link["mtu"]), (1, &serde_json::json!(1400)));
        let vf = self.igb.vf(VF);
        assert_eq!(
            (&vf["vlan_list"][0]["vlan"], &vf["trust"], &vf["spoofchk"]),
            (
                &serde_json::json!(60),
                &serde_json::json!(true),
                &serde_json::json!(false)
            )
        );
        assert_eq!(self.plugin.reservations(NETWORK).len(), 1);
        assert_eq!(self.record()["owner"]["container_id"], pod.name());
    }
}

#[test]
fn a_late_del_after_the_device_went_to_the_next_pod() {
    for gone in [false, true] {
        let mut stage = Stage::new("late");
        let del = stage.add();
        del.run().silence();
        let next = Pod::new("next");
        stage.call("ADD", &next).run().success();
        if gone {
            stage.pod = None;
        }
        for late in [del.clone(), del.clone().unset("CNI_NETNS"), del] {
            late.run().silence();
            stage.has_it(&next);
        }
        stage.call("DEL", &next).run().silence();
        stage.as_before();
    }
}

#[test]
fn two_dels_at_once() {
    let stage = Stage::new("dels");
    for _ in 0..ROUNDS {
        let del = stage.add();
        for outcome in at_once([del.clone(), del]) {
            outcome.silence();
        }
        stage.as_before();
    }
}

#[test]
fn two_dels_at_once_after_the_namespace_ended() {
    let mut stage = Stage::new("lates");
    for _ in 0..ROUNDS {
        let del = stage.add();
        stage.end_namespace();
        for outcome in at_once([del.clone(), del]) {
            outcome.silence();
        }
        stage.as_before();
        stage.pod = Some(Pod::new("lates"));
    }
}

#[test]
fn a_del_beside_the_next_pods_add() {
    let stage = Stage::new("delnext");
    let mut won = 0;
    for _ in 0..ROUNDS {
        let del = stage.add();
        let next = Pod::new("next");
        let add = stage.call("ADD", &next);
        let [deleted, added] = at_once([del, add.clone()]);
        deleted.silence();
        if added.status == 0 {
            won += 1;
        } else {
            assert_eq!(added.error()["code"], 11, "{}", added.stderr);
            add.run().success();
        }
        stage.has_it(&next);
        stage.call("DEL", &next).run().silence();
        stage.as_before();
    }
    println!("{won} of {ROUNDS} ADDs came after the DEL");
}

/// As after a runtime's time limit. Whichever is first, the DEL that follows leaves nothing.
#[test]
fn a_del_beside_the_same_pods_add() {
    let stage = Stage::new("delsame");
    for _ in 0..ROUNDS {
        let [add, del] = ["ADD", "DEL"].map(|command| stage.call(command, stage.pod()));
        let [added, deleted] = at_once([add, del.clone()]);
        deleted.silence();
        if added.status == 0 && stage.pod().link("net1").is_some() {
            stage.has_it(stage.pod());
        } else if added.status != 0 {
            added.error();
        }
        del.run().silence();
        stage.as_before();
    }
}

#[test]
fn two_adds_of_one_device_at_once() {
    let stage = Stage::new("adds");
    let other = Pod::new("adds-other");
    for _ in 0..ROUNDS {
        let pods = [stage.pod(), &other];
        let outcomes = at_once(pods.map(|pod| stage.call("ADD", pod)));
        let winners: Vec<usize> = (0..2).filter(|&n| outcomes[n].status == 0).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        let (winner, loser) = (winners[0], 1 - winners[0]);
        assert_eq!(outcomes[loser].error_naming(&[pods[winner].name()])["code"], 11);
        stage.has_it(pods[winner]);
        // The runtime's answer to a failed ADD.
        stage.call("DEL", pods[loser]).run().silence();
        stage.has_it(pods[winner]);
        stage.call("DEL", pods[winner]).run().silence();
        stage.as_before();
    }
}

#[test]
fn two_adds_of_one_device_at_once_where_a_dead_pod_had_it() {
    let mut stage = Stage::new("dead");
    for _ in 0..ROUNDS {
        stage.add();
        stage.end_namespace();
        let pods = [Pod::new("first"), Pod::new("second")];
        let calls = [&pods[0], &pods[1]].map(|pod| stage.call("ADD", pod));
        let outcomes = at_once(calls);
        let winners: Vec<usize> = (0..2).filter(|&n| outcomes[n].status == 0).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert_eq!(outcomes[1 - winners[0]].error()["code"], 11);
        stage.has_it(&pods[winners[0]]);
        for pod in &pods {
            stage.call("DEL", pod).run().silence();
        }
        stage.as_before();
        stage.pod = Some(Pod::new("dead"));
    }
}
