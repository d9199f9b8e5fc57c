//! A NIC of the node's own that is lent: what the node has on it is part of what must be as it was.

use hardwire_tests::matrix::{Subject, View};
use hardwire_tests::node::run;
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

use super::nic::{NAME, Nic};

const ON_IT: [&str; 9] = [
    "address add 192.0.2.9/24 dev hwkill label hwkill:a",
    "address add 2001:db8::9/64 dev hwkill nodad",
    "route add default via 192.0.2.1 dev hwkill table 99",
    "nexthop add id 7 via 192.0.2.2 dev hwkill",
    "route add 198.18.0.0/15 nhid 7",
    "-6 route add 2001:db8:1::/48 via 2001:db8::1 dev hwkill",
    "neighbour add 192.0.2.3 lladdr 02:00:00:00:00:03 dev hwkill nud permanent",
    "neighbour add proxy 192.0.2.4 dev hwkill",
    "rule add iif hwkill table 99 priority 500",
];

pub(crate) struct Lent(Nic);

impl Lent {
    pub(crate) fn new() -> Self {
        let lent = Self(Nic::new());
        lent.plugin().operator_says(&json!({"allowNodeDevices": [NAME]}));
        furnish();
        lent
    }
}

/// What is there already stays.
fn furnish() {
    if run(&["ip", "address", "show", "dev", NAME]).contains("192.0.2.9") {
        return;
    }
    // The rule stays when its interface goes.
    let lines = ON_IT
        .iter()
        .filter(|line| !line.starts_with("rule") || !run(&["ip", "rule", "show"]).contains(NAME));
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        run(&[&["ip"], &words[..]].concat());
    }
}

impl Subject for Lent {
    fn plugin(&self) -> &Plugin {
        self.0.plugin()
    }

    fn conf(&self) -> Value {
        json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": NAME, "mtu": 1300,
               "allowNodeDevice": true})
    }

    fn look(&self, view: &mut View) {
        for words in [["rule", "show"], ["nexthop", "show"]] {
            view.add(words[0], run(&["ip", words[0], words[1]]).into());
        }
        for which in [&["nud", "permanent"][..], &["proxy"]] {
            let words = [&["ip", "neighbour", "show", "dev", NAME], which].concat();
            view.add(which[0], run(&words).into());
        }
    }

    fn renew(&self) {
        self.0.renew();
        furnish();
    }
}
