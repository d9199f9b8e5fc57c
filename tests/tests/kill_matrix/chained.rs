//! Two NICs that a pod was given, attached in one call of the default network's list.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hardwire_tests::matrix::Subject;
use hardwire_tests::node::{Veth, run, succeeds};
use hardwire_tests::plugin::{FakeDaemon, Plugin};
use serde_json::{Value, json};

use super::nic::{NAME, Nic};

const SECOND: &str = "hwkill2";

pub(crate) struct Chained {
    first: Nic,
    _second: Veth,
    daemon: Mutex<Option<FakeDaemon>>,
}

impl Chained {
    pub(crate) fn new() -> Self {
        Self {
            first: Nic::new(),
            _second: second(),
            daemon: Mutex::default(),
        }
    }
}

impl Subject for Chained {
    fn plugin(&self) -> &Plugin {
        self.first.plugin()
    }

    /// Alone in the list: the first NIC is the pod's net1.
    fn conf(&self) -> Value {
        json!({"cniVersion": "1.0.0", "name": "cluster", "type": "hardwire", "attach": "pod"})
    }

    fn args(&self) -> &'static str {
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=red;K8S_POD_NAME=a;K8S_POD_UID=u"
    }

    fn begin(&self) {
        let mut daemon = self.daemon.lock().unwrap_or_else(PoisonError::into_inner);
        // The one before removes its socket, which has the same name.
        drop(daemon.take());
        let network = |subnet: &str| json!({"mtu": 1300, "ipam": self.plugin().host_local(subnet)});
        let both = [
            ("net1", "net/hwkill", network("10.70.0.0/24")),
            ("net2", "net/hwkill2", network("10.70.0.0/24")),
        ];
        self.plugin().list_has_us("cluster", true, false);
        *daemon = Some(FakeDaemon::start(&self.plugin().state(), &both));
    }

    fn renew(&self) {
        let is_there = |name: &str| succeeds(&["ip", "link", "show", "dev", name]);
        // The kernel deletes a veth with its namespace, and its neighbour with it, in its own time.
        let is_settled = |name: &str| is_there(name) || !is_there(&format!("{name}p"));
        while !is_settled(NAME) || !is_settled(SECOND) {
            std::thread::sleep(Duration::from_millis(2));
        }
        if is_there(NAME) && is_there(SECOND) {
            return;
        }
        // Both anew: they are seen in the order in which they were made.
        for name in [NAME, SECOND].into_iter().filter(|name| is_there(name)) {
            run(&["ip", "link", "del", name]);
        }
        self.first.renew();
        // The pair is dropped by the first one's name.
        std::mem::forget(second());
    }
}

/// Known by its addresses again when it was made anew.
fn second() -> Veth {
    let veth = Veth::new(SECOND);
    veth.set(&["address", "02:00:00:00:0b:03"]);
    run(&[
        "ip",
        "link",
        "set",
        "dev",
        &veth.neighbour(),
        "address",
        "02:00:00:00:0b:04",
    ]);
    veth
}
