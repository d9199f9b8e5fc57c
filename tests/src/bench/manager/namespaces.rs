//! How long the search for what stands on devices takes on a node with 500 pods, each with a veth to the host.

use std::time::Instant;

use hardwire_cni::netns::Netns;
use hardwire_cni::node::search;

use super::super::measured::{Effort, Measured};
use super::super::stats::{median, ms};
use crate::node::Pod;

const PODS: usize = 500;

/// `daemon.search_500_netns_ms`.
pub(super) fn namespaces(effort: Effort, measured: &mut Measured) {
    let pods: Vec<Pod> = (0..PODS).map(|number| pod(&format!("search{number}"))).collect();
    let host = Netns::open("/proc/thread-self/ns/net").expect("our own namespace");
    let mut times = Vec::new();
    for _round in 0..=effort.rounds {
        let begun = Instant::now();
        let found = search(&host).expect("the host's links");
        times.push(begun.elapsed());
        assert!(found.is_empty(), "the other end of a veth stands on nothing: {found:?}");
    }
    drop(pods);
    measured.time("daemon.search_500_netns", median(&times));
    measured.figure("daemon.search_500_netns_ms", ms(median(&times)));
}

fn pod(name: &str) -> Pod {
    let pod = Pod::new(name);
    let words = [
        "ip",
        "link",
        "add",
        name,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        pod.name(),
    ];
    crate::node::run(&words);
    pod
}
