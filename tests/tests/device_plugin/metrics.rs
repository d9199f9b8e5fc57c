//! `/metrics`, `/healthz`, `/readyz`, the plugin's reports, and the log's forms.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use hardwire_cni::report::{Phase, Report};
use hardwire_tests::http::{self, Answer};
use hardwire_tests::kubelet::End;

use super::*;

/// A daemon whose endpoints are known.
struct Observed {
    running: Running,
    address: String,
}

// === impl Observed ===

impl Observed {
    fn start(config: &Value, kubelet_runs: bool) -> Self {
        let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
        let mut kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        if !kubelet_runs {
            kubelet.end(End::Clean);
        }
        let mut daemon = site.start_with(config, tree.root(), &["--metrics-bind", "127.0.0.1:0"]);
        let line = daemon.wait_for_log("metrics and probes on http://", SOON);
        let (_, address) = line.rsplit_once("http://").unwrap();
        Self {
            address: address.to_owned(),
            running: Running {
                daemon,
                kubelet,
                site,
                tree,
            },
        }
    }

    fn get(&self, path: &str) -> Answer {
        http::get(&self.address, path).unwrap()
    }

    #[track_caller]
    fn wait_for(&self, path: &str, is_right: impl Fn(&Answer) -> bool) -> Answer {
        http::wait_for(&self.address, path, is_right, SOON)
    }

    #[track_caller]
    fn wait_for_metrics(&self, lines: &[&str]) {
        http::wait_for_metrics(&self.address, lines, SOON);
    }
}

#[test]
fn a_pools_life_shows_in_the_metrics() {
    let observed = Observed::start(&one_pool(), true);
    let running = &observed.running;
    running.wait_for(RESOURCE, 2);
    running.kubelet.admit("red/a", "main", RESOURCE, 1).unwrap();
    running.kubelet.allocate(RESOURCE, &[&["nonsense"]]).unwrap_err();
    observed.wait_for_metrics(&[
        r#"hardwired_devices{resource="intel.com/vfs",state="healthy"} 2"#,
        r#"hardwired_devices{resource="intel.com/vfs",state="unhealthy"} 0"#,
        r#"hardwired_allocations_total{resource="intel.com/vfs",result="ok"} 1"#,
        r#"hardwired_allocations_total{resource="intel.com/vfs",result="refused"} 1"#,
        r#"hardwired_registered{resource="intel.com/vfs"} 1"#,
        r#"hardwired_registrations_total{resource="intel.com/vfs",result="ok"} 1"#,
        r#"hardwired_list_streams{resource="intel.com/vfs"} 1"#,
        "# EOF",
    ]);
    // The list is sent again after a device that the kubelet should not know of.
    observed.wait_for_metrics(&[r#"hardwired_lists_sent_total{resource="intel.com/vfs"} 2"#]);
}

#[test]
fn the_daemon_is_ready_while_the_kubelet_listens_and_healthy_all_the_time() {
    let mut observed = Observed::start(&one_pool(), false);
    let (status, body) = observed.get("/readyz");
    assert_eq!(
        (status, body.as_str()),
        (503, "intel.com/vfs: not registered with the kubelet\n")
    );
    assert_eq!(observed.get("/healthz"), (200, "ok\n".to_owned()));

    observed.running.kubelet.restart(End::Clean).unwrap();
    observed.wait_for("/readyz", |(status, _)| *status == 200);
    observed.running.kubelet.end(End::Killed);
    observed.wait_for("/readyz", |(status, body)| *status == 503 && body.starts_with(RESOURCE));
    assert_eq!(observed.get("/healthz").0, 200);
    observed.running.kubelet.restart(End::Killed).unwrap();
    observed.wait_for("/readyz", |(status, _)| *status == 200);
    observed.wait_for_metrics(&[r#"hardwired_registered{resource="intel.com/vfs"} 1"#]);
    assert_eq!(observed.get("/nothing").0, 404);
}

#[test]
fn a_node_without_pools_is_ready() {
    let observed = Observed::start(&json!({"resourceList": null}), true);
    assert_eq!(observed.get("/readyz"), (200, "ok\n".to_owned()));
}

#[test]
fn a_refused_pool_is_told_and_the_daemon_is_ready() {
    let good = json!({"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}});
    let typo = json!({"resourceName": "typo", "selectors": {"pfName": ["eth0"]}});
    let observed = Observed::start(&json!({"resourceList": [good, typo]}), true);
    observed.running.wait_for(RESOURCE, 2);
    let (_, body) = observed.wait_for("/readyz", |(status, _)| *status == 200);
    assert!(
        body.starts_with("ok\npool refused: resourceList[1] (typo): selectors.pfName is [\"eth0\"]: "),
        "{body}"
    );
    observed.wait_for_metrics(&["hardwired_pools_refused 1", "hardwired_config_in_force 1"]);

    std::fs::write(observed.running.site.directory().join("config.json"), "{").unwrap();
    let (_, body) = observed.wait_for("/readyz", |(_, body)| body.contains("configuration refused: "));
    assert!(
        body.contains("pool refused: ") && body.ends_with("; the one before stays in force\n"),
        "{body}"
    );
    observed.wait_for_metrics(&[
        "hardwired_config_in_force 0",
        r#"hardwired_config_reloads_total{result="failed"} 1"#,
    ]);

    observed.running.site.config(&json!({"resourceList": [good]}));
    observed.wait_for("/readyz", |(status, body)| (*status, body.as_str()) == (200, "ok\n"));
    observed.wait_for_metrics(&["hardwired_pools_refused 0", "hardwired_config_in_force 1"]);
}

#[test]
fn labelled_counters_are_there_before_anything_happens() {
    let observed = Observed::start(&one_pool(), false);
    observed.wait_for_metrics(&[
        r#"hardwired_allocations_total{resource="intel.com/vfs",result="ok"} 0"#,
        r#"hardwired_allocations_total{resource="intel.com/vfs",result="refused"} 0"#,
        r#"hardwired_registrations_total{resource="intel.com/vfs",result="ok"} 0"#,
        r#"hardwired_lists_sent_total{resource="intel.com/vfs"} 0"#,
        r#"hardwired_attachments_total{verb="add",code="0"} 0"#,
        r#"hardwired_attachments_total{verb="del",code="999"} 0"#,
        r#"hardwired_repairs_total{result="failed"} 0"#,
        r#"hardwired_events_total{source="overrun"} 0"#,
        r#"hardwired_config_reloads_total{result="failed"} 0"#,
    ]);
}

#[test]
fn a_stopped_daemon_does_not_wait_for_scrapers() {
    let mut observed = Observed::start(&one_pool(), true);
    let mut kept = TcpStream::connect(&observed.address).unwrap();
    kept.write_all(b"GET /metrics HTTP/1.1\r\nhost: node\r\n\r\n").unwrap();
    kept.read_exact(&mut [0; 12]).unwrap();
    observed.running.daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(observed.running.daemon.wait(Duration::from_secs(3)).code(), Some(0));
}

#[test]
fn a_busy_port_is_waited_for_while_pods_get_devices() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let mut daemon = site.start_with(&one_pool(), tree.root(), &["--metrics-bind", &address]);
    for _attempt in 0..3 {
        let line = daemon.wait_for_log("--metrics-bind", SOON);
        assert!(line.contains(&format!("{address}: Address already in use")), "{line}");
        assert!(line.contains("not ready"), "{line}");
    }
    let two = |devices: &[Device]| devices.len() == 2;
    kubelet.wait_for_devices(RESOURCE, two, SOON).unwrap();
    kubelet.allocate(RESOURCE, &[&["0000:01:10.0"]]).unwrap();
    drop(taken);
    http::wait_for(&address, "/readyz", |(status, _)| *status == 200, SOON);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.wait(SOON).code(), Some(0));
}

#[test]
fn the_end_does_not_wait_for_a_busy_port() {
    let (site, tree) = (Site::new(), SysfsTree::new());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut daemon = site.start_with(&one_pool(), tree.root(), &["--metrics-bind", &address]);
    daemon.wait_for_log("Address already in use", SOON);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.wait(SOON).code(), Some(0));
}

#[test]
fn an_address_that_is_none_names_the_flag() {
    let (site, tree) = (Site::new(), SysfsTree::new());
    let config = site.config(&one_pool());
    let bad = ["run", "--metrics-bind", "9808", "--config", config.to_str().unwrap()];
    let output = site.output(&bad, tree.root());
    assert_eq!(output.status.code(), Some(2));
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        log.contains("--metrics-bind") && log.contains("127.0.0.1:9808"),
        "{log}"
    );
}

#[test]
fn what_the_plugin_reports_shows_in_the_metrics() {
    let mut observed = Observed::start(&one_pool(), true);
    let state = observed.running.site.state_dir();
    Report {
        version: Report::VERSION,
        verb: "ADD".to_owned(),
        device: Some("0000:01:10.0".parse().unwrap()),
        network: "blue".to_owned(),
        container: "c1".to_owned(),
        ifname: "net1".to_owned(),
        renamed: None,
        code: 0,
        total_us: 2_000,
        phases_us: [(Phase::Pf, 500)].into(),
    }
    .send(&state);
    observed.wait_for_metrics(&[
        r#"hardwired_attachments_total{verb="add",code="0"} 1"#,
        r#"hardwired_attachment_duration_seconds_sum{verb="add"} 0.002"#,
        r#"hardwired_attachment_phase_duration_seconds_sum{verb="add",phase="pf"} 0.0005"#,
    ]);
    let line = observed.running.daemon.wait_for_log("ADD took 2.00 ms", SOON);
    assert!(
        line.contains("network=\"blue\"") && line.contains("device=0000:01:10.0"),
        "{line}"
    );
    observed.running.daemon.signal(rustix::process::Signal::TERM);
    assert!(observed.running.daemon.wait(SOON).success());
    assert!(!state.join(hardwire_cni::report::SOCKET).exists());
}
