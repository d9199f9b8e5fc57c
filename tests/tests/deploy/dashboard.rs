//! The dashboard and the alerts, as Debian's Prometheus sees them: each query asked, each rule evaluated, on what a daemon serves.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hardwire_cni::report::{Phase, Report};
use hardwire_tests::binaries::peer;
use hardwire_tests::daemon::Site;
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::sysfs_tree::SysfsTree;

use super::*;

/// For a machine on which everything else runs too.
const LONG: Duration = Duration::from_secs(90);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/dashboard");

/// Ended when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// `hack/dashboard`, with the programs that `HARDWIRE_PEERS` has.
fn dashboard(programs: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(SCRIPT);
    command.args(arguments).env("HARDWIRE_PROMETHEUS", programs);
    command.output().unwrap()
}

fn programs() -> Option<PathBuf> {
    let prometheus = peer("prometheus")?;
    peer("promtool")?;
    prometheus.parent().map(Path::to_owned)
}

fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("prometheus/dashboard.json")).unwrap();
    let panels = list(&dashboard["panels"]).iter();
    let targets = panels.flat_map(|panel| list(&panel["targets"]));
    targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

/// Whoever is called by an alert of one node is told where to go on.
#[test]
fn each_alert_of_a_node_names_the_command_that_says_why() {
    let rules = yaml("prometheus/rules.yaml");
    let rules = list(&rules["spec"]["groups"][0]["rules"]);
    let warnings: Vec<&Value> = rules
        .iter()
        .filter(|rule| rule["labels"]["severity"] == "warning")
        .collect();
    assert!(warnings.len() >= 7, "{}", warnings.len());
    for rule in warnings {
        let description = rule["annotations"]["description"].as_str().unwrap();
        assert!(
            description.contains("`hardwired doctor`") || description.contains("`hardwired check`"),
            "{}: {description}",
            rule["alert"]
        );
    }
}

/// Where there is no Graphviz the picture cannot be drawn again, but it says which text it was drawn from.
#[test]
fn each_diagram_is_drawn_from_the_text_beside_it() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/diagrams.d"));
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|end| end == "dot"))
        .collect();
    assert!(texts.len() >= 2, "{texts:?}");
    for text in texts {
        let output = Command::new("sha256sum").arg(&text).output().unwrap();
        let sum = String::from_utf8(output.stdout).unwrap();
        let drawn = format!(
            "<!-- Drawn from {}, SHA-256 {} -->",
            text.file_name().unwrap().display(),
            &sum[..64]
        );
        let picture = fs::read_to_string(text.with_extension("svg")).unwrap();
        assert!(picture.contains(&drawn), "hack/diagrams draws it: {drawn}");
    }
}

#[test]
fn the_dashboard_is_the_one_that_its_description_makes() {
    let description = concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/dashboard.d/make.jq");
    let made = Command::new("jq").args(["-n", "-f", description]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let kept: Value = serde_json::from_str(&text("prometheus/dashboard.json")).unwrap();
    assert_eq!(made, kept, "hack/dashboard make");
    let ids: BTreeSet<u64> = list(&kept["panels"])
        .iter()
        .map(|panel| panel["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), list(&kept["panels"]).len());
    for query in queries() {
        assert!(query.contains("$node"), "{query}: another node's too");
    }
}

#[test]
fn every_panel_has_data_and_every_rule_is_evaluated_on_what_a_daemon_serves() {
    let Some(programs) = programs() else { return };
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(3));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let config = serde_json::json!({"resourceList": [{"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}}]});
    let mut daemon = site.start_with(&config, tree.root(), &["--metrics-bind", "127.0.0.1:0"]);
    let line = daemon.wait_for_log("metrics and probes on http://", LONG);
    let served = line.rsplit_once("http://").unwrap().1.to_owned();
    kubelet
        .wait_for_devices("intel.com/vfs", |devices| devices.len() == 3, LONG)
        .unwrap();
    kubelet.admit("red/a", "main", "intel.com/vfs", 1).unwrap();

    let own = format!("127.0.0.1:{}", super::arguments::free_port());
    let folder = site.directory().to_str().unwrap();
    let target = format!("node1={served}");
    let configured = dashboard(&programs, &["configure", folder, &own, "500ms", &target]);
    assert!(configured.status.success(), "{configured:?}");
    let _prometheus = Process(
        Command::new(programs.join("prometheus"))
            .arg(format!("--config.file={folder}/prometheus.yml"))
            .arg(format!("--storage.tsdb.path={folder}/data"))
            .arg(format!("--web.listen-address={own}"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let url = format!("http://{own}");
    let since = Instant::now();
    let _calls = Calls::begin(&site);
    loop {
        let checked = dashboard(&programs, &["check", &url, "10s"]);
        if checked.status.success() {
            break;
        }
        let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
        assert!(since.elapsed() < LONG, "{said}");
    }
    let picture = site.directory().join("dashboard.svg");
    let drawn = dashboard(&programs, &["draw", &url, picture.to_str().unwrap(), "10s"]);
    assert!(drawn.status.success(), "{drawn:?}");
    let picture = fs::read_to_string(picture).unwrap();
    let kept: Value = serde_json::from_str(&text("prometheus/dashboard.json")).unwrap();
    for panel in list(&kept["panels"]) {
        let title = format!(">{}</text>", panel["title"].as_str().unwrap());
        assert_eq!(picture.matches(&title).count(), 1, "{title}");
    }
    assert!(
        picture.matches("<polyline").count() >= 10 && !picture.contains("NaN"),
        "{picture}"
    );
}

/// Calls of the plugin, some between any two scrapes, until it is dropped.
struct Calls {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Calls {
    fn begin(site: &Site) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, state) = (Arc::clone(&is_over), site.state_dir());
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                for verb in ["ADD", "DEL"] {
                    report(&state, verb);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let thread = Some(thread);
        Self { is_over, thread }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn report(state: &Path, verb: &str) {
    let report = Report {
        version: Report::VERSION,
        verb: verb.to_owned(),
        device: Some("0000:01:10.0".parse().unwrap()),
        network: "blue".to_owned(),
        container: "c1".to_owned(),
        ifname: "net1".to_owned(),
        renamed: None,
        code: 0,
        total_us: 2_000,
        phases_us: Phase::ALL.map(|phase| (phase, 250)).into(),
    };
    report.send(state);
}

/// `promtool test rules`: each alert with what makes it fire, and with what must not.
#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let configured = dashboard(
        &programs,
        &["configure", place, "127.0.0.1:9090", "30s", "node1=127.0.0.1:9808"],
    );
    assert!(configured.status.success(), "{configured:?}");
    let cases = include_str!("alerts.yaml");
    fs::write(folder.path().join("alerts.yaml"), cases).unwrap();
    let run = |arguments: &[&str]| {
        let mut promtool = Command::new(programs.join("promtool"));
        let output = promtool.args(arguments).current_dir(folder.path()).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (is_good, said) = run(&["check", "config", "prometheus.yml"]);
    assert!(is_good, "{said}");
    let (is_good, said) = run(&["test", "rules", "alerts.yaml"]);
    assert!(is_good, "{said}");
    let rules = yaml("prometheus/rules.yaml");
    for rule in list(&rules["spec"]["groups"][0]["rules"]) {
        let name = rule["alert"].as_str().unwrap();
        let case = format!("alertname: {name}\n");
        assert!(
            cases.matches(&case).count() >= 2,
            "{name}: no case in which it fires, and none in which not"
        );
    }
}
