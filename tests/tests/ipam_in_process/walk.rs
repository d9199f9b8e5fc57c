//! A walk at random on two stores: one that a program alone serves, and one that both serve in turn.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hardwire_cni::Context;
use hardwire_cni::protocol::Command;
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

use crate::programs;
use crate::random::Random;
use crate::server::{Answer, Request};

const STEPS: usize = 400;

/// Files of a store with their contents.
fn files(store: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for network in fs::read_dir(store).into_iter().flatten() {
        let network = network.unwrap().path();
        for file in fs::read_dir(&network).unwrap() {
            let file = file.unwrap().path();
            let content = fs::read_to_string(&file).unwrap();
            found.insert(file.strip_prefix(store).unwrap().to_owned(), content);
        }
    }
    found
}

/// Small ranges, so that they are full now and then.
fn ranges(random: &mut Random) -> Value {
    let sets = [
        json!([[{"subnet": "10.9.0.0/29"}]]),
        json!([[{"subnet": "10.9.0.0/28", "rangeStart": "10.9.0.4", "rangeEnd": "10.9.0.7", "gateway": "10.9.0.5"}]]),
        json!([[{"subnet": "10.9.0.0/30"}, {"subnet": "10.9.1.0/30", "gateway": "10.9.1.2"}]]),
        json!([[{"subnet": "10.9.0.0/29"}], [{"subnet": "fd00:9::/125", "rangeStart": "fd00:9::3"}]]),
        json!([[{"subnet": "fd00:9::/64", "rangeStart": "fd00:9::a", "rangeEnd": "fd00:9::e", "gateway": "fd00:9::b"}]]),
        json!([[{"subnet": "10.9.0.0/29"}], [{"subnet": "10.9.0.0/30"}]]),
        json!([[{"subnet": "10.9.0.1/29"}]]),
    ];
    random.one(&sets).clone()
}

fn request(random: &mut Random, network: &str, ranges: &Value) -> Request {
    let mut ipam = json!({"type": "host-local", "ranges": ranges});
    if random.one_in(4) {
        ipam["routes"] = json!([{"dst": "0.0.0.0/0"}, {"dst": "10.7.0.0/16", "gw": "10.9.0.1"}]);
    }
    let mut config = json!({"cniVersion": "1.0.0", "name": network, "type": "hardwire", "ipam": ipam});
    let asked = [
        "10.9.0.1",
        "10.9.0.4",
        "10.9.0.6/24",
        "10.9.1.1",
        "fd00:9::c",
        "10.8.0.1",
        "x",
    ];
    let mut args = String::new();
    match random.below(12) {
        0 => config["runtimeConfig"] = json!({"ips": [random.one(&asked)]}),
        1 => config["args"] = json!({"cni": {"ips": [random.one(&asked)]}}),
        2 => args = format!("IP={}", random.one(&asked)),
        3 => args.push_str("K8S_POD_NAME=a;IgnoreUnknown=1"),
        4 => args.push_str("K8S_POD_NAME=a"),
        _ => {}
    }
    Request {
        command: *random.one(&[
            Command::Add,
            Command::Add,
            Command::Add,
            Command::Del,
            Command::Del,
            Command::Check,
        ]),
        container: format!("c{}", random.below(6)),
        ifname: (*random.one(&["net1", "net2"])).to_owned(),
        args,
        config,
    }
}

/// The same request of a store.
fn on(request: &Request, store: &Path) -> Request {
    let mut request = request.clone();
    request.config["ipam"]["dataDir"] = json!(store);
    request
}

fn walk(program: &Path, seed: u64) {
    eprintln!("seed {seed}, {}", program.display());
    let mut random = Random::new(seed);
    let plugin = Plugin::new();
    let (alone, shared) = (plugin.directory().join("alone"), plugin.directory().join("shared"));
    plugin.operator_says(&json!({"ipamDataDirs": [shared], "ipamInProcess": true}));
    let context = Context {
        plugin_config: plugin.operator_file(),
        ..Context::read(|_nothing| None)
    };
    let networks = [("blue", ranges(&mut random)), ("red", ranges(&mut random))];
    let (mut given, mut refused) = (0, 0);
    for step in 0..STEPS {
        let (network, ranges) = random.one(&networks);
        let asked = request(&mut random, network, ranges);
        let expected: Answer = on(&asked, &alone).ask(program);
        let on_shared = on(&asked, &shared);
        let is_here = random.one_in(2);
        let found = if is_here {
            on_shared.ask_here(&context)
        } else {
            on_shared.ask(program)
        };
        let words =
            |answer: Answer| answer.map_err(|words| words.replace(shared.to_str().unwrap(), alone.to_str().unwrap()));
        assert_eq!(
            words(found),
            expected,
            "seed {seed}, step {step}, here: {is_here}, {asked:?}"
        );
        assert_eq!(
            files(&shared),
            files(&alone),
            "seed {seed}, step {step}, here: {is_here}, {asked:?}"
        );
        match &expected {
            Ok(answer) if answer["ips"].is_array() => given += 1,
            Ok(_) => {}
            Err(_) => refused += 1,
        }
    }
    assert!(given > 0 || refused == STEPS, "{given} of {STEPS} were given addresses");
    eprintln!("{given} attachments were given addresses, {refused} calls refused");
}

#[test]
fn both_serve_one_store_in_turn() {
    let programs = programs("host-local");
    assert!(!programs.is_empty(), "no host-local is here");
    for program in programs {
        for seed in 1..=4 {
            walk(&program, seed);
        }
    }
}

#[test]
fn static_addresses_are_the_programs_own() {
    let mut programs = programs("static");
    assert!(!programs.is_empty(), "no static is here");
    let program = programs.remove(0);
    let context = Context::read(|_nothing| None);
    let sections = [
        json!({"addresses": [{"address": "10.0.0.5/24", "gateway": "10.0.0.1"}], "dns": {"nameservers": ["10.0.0.2"]}}),
        json!({"addresses": [{"address": "10.0.0.5/24"}, {"address": "fd00::5/64"}], "routes": [{"dst": "0.0.0.0/0"}]}),
        json!({"addresses": [{"address": "10.0.0.5"}]}),
    ];
    let mut answers = 0;
    for section in sections {
        for args in ["", "IP=10.1.0.5/16;GATEWAY=10.1.0.1", "IP=10.1.0.5", "GATEWAY=x", "A=b"] {
            for ips in [json!(null), json!(["10.2.0.5/16"]), json!(["10.2.0.5"])] {
                let mut ipam = section.clone();
                ipam["type"] = json!("static");
                let mut config = json!({"cniVersion": "1.0.0", "name": "n", "type": "hardwire", "ipam": ipam});
                config["runtimeConfig"] = json!({"ips": ips});
                let request = Request {
                    command: Command::Add,
                    container: "c1".to_owned(),
                    ifname: "net1".to_owned(),
                    args: args.to_owned(),
                    config,
                };
                assert_eq!(request.ask_here(&context), request.ask(&program), "{request:?}");
                answers += 1;
            }
        }
    }
    assert_eq!(answers, 45);
}
