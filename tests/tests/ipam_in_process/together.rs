//! Many at once on one range, by either.

use std::collections::BTreeSet;
use std::thread;

use hardwire_cni::Context;
use hardwire_cni::protocol::Command;
use hardwire_tests::plugin::Plugin;
use serde_json::json;

use crate::programs;
use crate::server::Request;

const AT_ONCE: usize = 200;

#[test]
fn no_address_is_given_twice_to_many_at_once() {
    let plugin = Plugin::new();
    let store = plugin.directory().join("store");
    plugin.operator_says(&json!({"ipamDataDirs": [store], "ipamInProcess": true}));
    let context = Context {
        plugin_config: plugin.operator_file(),
        ..Context::read(|_nothing| None)
    };
    let program = programs("host-local").remove(0);
    let config = json!({"cniVersion": "1.0.0", "name": "blue", "type": "hardwire",
                        "ipam": {"type": "host-local", "dataDir": store, "ranges": [[{"subnet": "10.9.0.0/24"}]]}});
    let given: Vec<String> = thread::scope(|scope| {
        let calls: Vec<_> = (0..AT_ONCE)
            .map(|index| {
                let request = Request {
                    command: Command::Add,
                    container: format!("c{index}"),
                    ifname: "net1".to_owned(),
                    args: String::new(),
                    config: config.clone(),
                };
                let (context, program) = (&context, &program);
                scope.spawn(move || {
                    // One in four by the program, which has the lock in turn with the others.
                    let answer = if index % 4 == 0 {
                        request.ask(program)
                    } else {
                        request.ask_here(context)
                    };
                    answer.unwrap()["ips"][0]["address"].as_str().unwrap().to_owned()
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), AT_ONCE, "{given:?}");
    assert_eq!(plugin_addresses(&store), AT_ONCE);
}

fn plugin_addresses(store: &std::path::Path) -> usize {
    let files = std::fs::read_dir(store.join("blue")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.parse::<std::net::IpAddr>().is_ok()).count()
}
