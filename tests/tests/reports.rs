//! What the daemon tells of attachments: real ones, with their real phases.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::time::Duration;

use hardwire_tests::daemon::Site;
use hardwire_tests::http::{get, wait_for_metrics};
use hardwire_tests::node::{Igb, Pod};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(30);

fn conf(igb: &Igb, plugin: &Plugin) -> Value {
    json!({"cniVersion": "1.0.0", "name": "net-m", "type": "hardwire", "deviceID": igb.vf_address(4), "vlan": 90,
           "ipam": plugin.host_local("10.71.0.0/24")})
}

#[test]
fn attachments_and_repairs_show_in_the_metrics() {
    let (igb, plugin, site) = (Igb::get(), Plugin::new(), Site::new());
    let conf = conf(&igb, &plugin);
    let mut daemon = site.start_repairing_with(&["--metrics-bind", "127.0.0.1:0"], &plugin.state());
    let line = daemon.wait_for_log("metrics and probes on http://", BOUND);
    let (_, address) = line.rsplit_once("http://").expect("an address");

    let pod = Pod::new("counted");
    plugin.add(&pod, &conf);
    plugin.del(&pod, &conf);
    wait_for_metrics(
        address,
        &[
            r#"hardwired_attachments_total{verb="add",code="0"} 1"#,
            r#"hardwired_attachments_total{verb="del",code="0"} 1"#,
            r#"hardwired_attachment_duration_seconds_count{verb="add"} 1"#,
            r#"hardwired_attachment_phase_duration_seconds_count{verb="add",phase="move"} 1"#,
            r#"hardwired_attachment_phase_duration_seconds_count{verb="add",phase="ipam"} 1"#,
            r#"hardwired_attachment_phase_duration_seconds_count{verb="del",phase="move"} 1"#,
        ],
        BOUND,
    );
    let (_, text) = get(address, "/metrics").expect("an answer");
    let sum = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a sum");
        line.trim().parse().expect("a number")
    };
    let whole = sum(r#"hardwired_attachment_duration_seconds_sum{verb="add"}"#);
    let ipam = sum(r#"hardwired_attachment_phase_duration_seconds_sum{verb="add",phase="ipam"}"#);
    assert!(0.0 < ipam && ipam < whole && whole < 30.0, "{ipam} of {whole}");

    plugin.add(&pod, &conf);
    pod.delete();
    wait_for_metrics(address, &[r#"hardwired_repairs_total{result="ok"} 1"#], BOUND);
}
