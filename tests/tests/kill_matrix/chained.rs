//! Two NICs that a pod was given, attached in one call of the default network's list.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hardwire_tests::matrix::Subject;
use hardwire_tests::node::{Veth, succeeds};
use hardwire_tests::plugin::{FakeDaemon, Plugin};
use serde_json::{Value, json};

use super::nic::Nic;

const SECOND: &str = "hwkill2";

pub(crate) struct Chained {
    first: Nic,
    second: Veth,
    daemon: Mutex<Option<FakeDaemon>>,
}

impl Chained {
    pub(crate) fn new() -> Self {
        Self {
            first: Nic::new(),
            second: Veth::new(SECOND),
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
        *daemon = Some(FakeDaemon::start(&self.plugin().state(), &both));
    }

    fn renew(&self) {
        self.first.renew();
        // The kernel deletes a veth with its namespace, and its neighbour with it, in its own time.
        while !succeeds(&["ip", "link", "show", "dev", SECOND]) {
            if !succeeds(&["ip", "link", "show", "dev", &self.second.neighbour()]) {
                // The pair is dropped by the first one's name.
                std::mem::forget(Veth::new(SECOND));
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
