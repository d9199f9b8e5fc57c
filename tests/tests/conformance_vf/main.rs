//! What only a VF can show: its PCI address, its attributes on the PF, user space's drivers, device-info.
//!
//! These tests need the emulated node's igb and netdevsim.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod device_info;
mod fields;
mod lost;
mod user_space;

use hardwire_tests::node::{Igb, host_link};
use serde_json::{Value, json};

/// A configuration that names its device by nothing yet.
fn nameless(extra: &Value) -> Value {
    let mut conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire"});
    for (key, value) in extra.as_object().expect("an object") {
        conf[key] = value.clone();
    }
    conf
}

fn conf(igb: &Igb, vf: u32, extra: &Value) -> Value {
    let mut conf = nameless(extra);
    conf["deviceID"] = json!(igb.vf_address(vf));
    conf
}

/// What must be the same before and after.
fn seen(igb: &Igb, vf: u32) -> (Value, Option<Value>) {
    (igb.vf(vf), igb.vf_netdev(vf).map(|name| host_link(&name)))
}

fn with_previous(conf: &Value, result: &Value) -> Value {
    let mut conf = conf.clone();
    conf["prevResult"] = result.clone();
    conf
}
