//! The conversation, through a helper, with a service in the place of the API server, and a clock that only moves when all wait.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::duplex;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::cluster::facts::Facts;
use crate::cluster::fixture::{id, node};
use crate::cluster::helper::mock_server::{Server, State};
use crate::cluster::helper::serve;
use crate::cluster::line::Heard;
use crate::cluster::schedule::PACE;
use crate::cluster::snapshot::Snapshot;
use crate::ledger::told::{Repaired, Told};
use crate::telemetry::metrics::Metrics;

const HOUR: Duration = Duration::from_secs(3600);

/// What the log says.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }
}

/// A daemon that tells it.
struct Daemon {
    snapshots: watch::Sender<Option<Snapshot>>,
    teller: watch::Sender<Told>,
    metrics: Metrics,
    log: Log,
    server: Server,
}

impl Daemon {
    fn show(&self, facts: &Facts) {
        self.teller.send_replace(facts.told.clone());
        self.snapshots.send_replace(Some(facts.snapshot.clone()));
    }
}

/// With a server, for as long as the test takes.
fn telling<F: Future<Output = ()>>(test: impl FnOnce(Daemon) -> F) {
    let state = tempfile::tempdir().unwrap();
    telling_on(state.path(), &Server::new(), test);
}

/// With that state directory, in which the kubelet's checkpoint is too.
fn telling_on<F: Future<Output = ()>>(state: &Path, server: &Server, test: impl FnOnce(Daemon) -> F) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async move {
            let (snapshots, teller) = (watch::Sender::new(None), watch::Sender::new(Told::default()));
            let sources = Sources {
                snapshots: snapshots.subscribe(),
                told: teller.subscribe(),
                metrics: Metrics::default(),
            };
            let daemon = Daemon {
                snapshots,
                teller,
                metrics: sources.metrics.clone(),
                log,
                server: server.clone(),
            };
            let (line, mut requests) = Line::new();
            let (to, from_daemon) = duplex(64 << 10);
            let (to_daemon, from) = duplex(64 << 10);
            let server = server.clone();
            let helper = tokio::spawn(async move {
                let made = || std::future::ready(Ok(server.client()));
                serve(from_daemon, to_daemon, "node1", made).await.unwrap();
            });
            let carrying = tokio::spawn(async move {
                let mut heard = Heard::new(from);
                heard.opening().await.unwrap();
                heard.carry(to, &mut requests).await
            });
            let memory = Memory::at(Some(state));
            let conversation = Conversation::new(line, "node1".to_owned(), sources, memory, state.to_owned());
            let task = tokio::spawn(conversation.run());
            test(daemon).await;
            assert!(!task.is_finished() && !carrying.is_finished() && !helper.is_finished());
            task.abort();
            carrying.abort();
            helper.await.unwrap();
        });
    });
}

fn seconds(seconds: u64) -> tokio::time::Sleep {
    sleep(Duration::from_secs(seconds))
}

#[test]
fn the_object_is_written_when_it_changes_and_not_else() {
    telling(|daemon| async move {
        seconds(60).await;
        assert_eq!(
            daemon.server.calls().len(),
            0,
            "before the first list there is nothing to tell"
        );
        let mut facts = node(4);
        daemon.show(&facts);
        sleep(HOUR).await;
        let calls = daemon.server.calls();
        let asked: Vec<_> = calls.iter().map(|call| (call.verb, call.resource)).collect();
        let (look, write) = (("get", "nodenetworkdevices"), ("patch", "nodenetworkdevices"));
        assert_eq!(asked[..3], [look, ("get", "nodes"), write]);
        assert!(asked[3..].iter().all(|asked| *asked == look), "{asked:?}");
        assert!(
            (3..=12).contains(&asked[3..].len()),
            "{} looks in an hour",
            asked.len() - 3
        );
        let query = "?fieldManager=hardwired&force=true";
        assert_eq!(
            calls[2].path,
            format!("/apis/hardwire.dev/v1alpha1/nodenetworkdevices/node1{query}")
        );
        assert_eq!(calls[2].body["metadata"]["ownerReferences"][0]["uid"], "uid-node");
        // The hardware was read again, and is the same.
        facts.snapshot.hardware = Arc::new((*facts.snapshot.hardware).clone());
        daemon.show(&facts);
        daemon.metrics.podresources(None);
        sleep(HOUR).await;
        assert_eq!(daemon.server.writes().len(), 1);
        facts.hold(1, "red", "web", "main");
        daemon.show(&facts);
        sleep(HOUR).await;
        let writes = daemon.server.writes();
        assert_eq!(writes.len(), 2);
        assert_eq!(writes[1].body["status"]["counts"]["allocated"], 1);
        daemon.metrics.not_configured("f: not JSON".to_owned());
        sleep(HOUR).await;
        let writes = daemon.server.writes();
        assert_eq!(writes.len(), 3, "a condition changed");
        assert_eq!(writes[2].body["status"]["conditions"][1]["reason"], "FileRefused");
        assert_eq!(daemon.server.events().len(), 0);
    });
}

#[test]
fn a_thousand_devices_that_flap_cost_a_bounded_number_of_writes_and_events() {
    telling(|daemon| async move {
        let mut facts = node(1024);
        daemon.show(&facts);
        for round in 0..180 {
            for n in (round % 7..1024).step_by(7) {
                if round % 2 == 0 {
                    facts.ill(n, &format!("no driver is bound to it, for the {round}th time"));
                } else {
                    facts.well(n);
                }
            }
            daemon.show(&facts);
            seconds(20).await;
        }
        let writes = daemon.server.writes();
        let gaps: Vec<Duration> = writes.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
        assert!(gaps.iter().all(|gap| *gap >= PACE.0), "{gaps:?}");
        let (writes, events) = (writes.len(), daemon.server.events().len());
        assert!((80..=122).contains(&writes), "{writes} writes in an hour");
        assert!((60..=140).contains(&events), "{events} events in an hour");
    });
}

#[test]
fn an_api_server_that_was_away_for_an_hour_gets_one_write_and_the_log_one_line() {
    telling(|daemon| async move {
        let mut facts = node(8);
        daemon.show(&facts);
        seconds(60).await;
        assert_eq!(daemon.server.writes().len(), 1);
        daemon.server.is(State::Away);
        let before = daemon.server.calls().len();
        for minute in 0..60 {
            facts.hold(minute % 8, "red", &format!("web-{minute}"), "main");
            daemon.show(&facts);
            seconds(60).await;
        }
        let tried = daemon.server.calls().len() - before;
        assert!(tried <= 30, "{tried} tries in an hour");
        daemon.server.is(State::Well);
        seconds(600).await;
        let writes = daemon.server.writes();
        assert_eq!(writes.len(), 2, "one write for all that happened");
        assert_eq!(writes[1].body["status"]["devices"][3]["holder"]["pod"], "web-59");
        sleep(HOUR).await;
        assert_eq!(daemon.server.writes().len(), 2);
        let lines = daemon.log.lines();
        let said: Vec<bool> = lines.iter().map(|line| line.contains("does not have")).collect();
        assert_eq!(said, [false, true, false], "{lines:#?}");
        assert!(lines[1].contains("connection refused"), "{lines:#?}");
    });
}

#[test]
fn without_the_definition_one_line_says_so_it_is_asked_for_slowly_and_events_go_on() {
    telling(|daemon| async move {
        daemon.server.is(State::WithoutDefinition);
        let mut facts = node(2);
        facts.ill(1, "no driver is bound to it");
        daemon.show(&facts);
        sleep(HOUR).await;
        let asked = daemon.server.calls();
        let asked = asked.iter().filter(|call| call.status == 404).count();
        // The pauses are 60, 120, 240, 480 and then 600 s, and the dice make each of them half to one and a half of that.
        assert!((7..=16).contains(&asked), "{asked} times in an hour");
        let events = daemon.server.events();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].body["regarding"]["uid"], "uid-node");
        assert_eq!(
            events[0].path,
            "/apis/events.k8s.io/v1/namespaces/default/events?fieldManager=hardwired"
        );
        let lines = daemon.log.lines();
        let absent: Vec<&String> = lines.iter().filter(|line| line.contains("does not have")).collect();
        assert_eq!(absent.len(), 1, "{lines:#?}");
        assert!(absent[0].contains("crd.yaml"), "{absent:?}");
        daemon.server.is(State::Well);
        seconds(1000).await;
        assert_eq!(
            daemon.server.writes().len(),
            1,
            "it is asked again without anything that changes"
        );
    });
}

#[test]
fn what_happens_to_a_pod_while_the_api_server_says_nothing_is_told_when_it_does() {
    telling(|daemon| async move {
        let mut facts = node(2);
        facts.hold(1, "red", "web", "main");
        facts.attach(1, Some(("red", "web")), "c1", &[]);
        daemon.show(&facts);
        seconds(30).await;
        daemon.server.is(State::Silent);
        let healthy = facts.clone();
        facts.ill(0, "no driver is bound to it");
        daemon.show(&facts);
        seconds(12).await;
        facts.remove(1);
        daemon.show(&facts);
        seconds(3).await;
        daemon.show(&healthy);
        daemon.server.is(State::Well);
        seconds(600).await;
        let events = daemon.server.events();
        let told: Vec<_> = events
            .iter()
            .map(|call| {
                (
                    call.body["reason"].as_str().unwrap(),
                    call.body["metadata"]["namespace"].as_str().unwrap(),
                )
            })
            .collect();
        assert!(told.contains(&("DeviceVanished", "red")), "{told:?}");
        let vanished = events.iter().find(|call| call.body["reason"] == "DeviceVanished");
        assert_eq!(vanished.unwrap().body["regarding"]["uid"], "uid-web");
    });
}

/// The verbs of deploy/base/rbac.yaml, by resource.
fn rights() -> BTreeSet<(String, String)> {
    let text = include_str!("../../../deploy/base/rbac.yaml");
    let role: Value = serde_saphyr::from_str(text.split("\n---\n").next().unwrap()).unwrap();
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().unwrap().iter();
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for resource in texts(&rule["resources"]) {
            rights.extend(texts(&rule["verbs"]).into_iter().map(|verb| (resource.clone(), verb)));
        }
    }
    rights
}

/// All that it ever asks for: the object, and Events, one of them again and again.
async fn all_that_is_told(daemon: &Daemon) {
    let mut facts = node(2);
    for _round in 0..10 {
        facts.ill(1, "no driver is bound to it");
        daemon.show(&facts);
        seconds(60).await;
        facts.well(1);
        daemon.show(&facts);
        seconds(60).await;
    }
}

#[test]
fn the_role_has_what_is_asked_for_and_nothing_else() {
    telling(|daemon| async move {
        let rights = rights();
        daemon.server.is(State::Allowing(rights.clone()));
        all_that_is_told(&daemon).await;
        let calls = daemon.server.calls();
        assert!(calls.iter().all(|call| call.status != 403), "{calls:#?}");
        let mut used: BTreeSet<(String, String)> = calls
            .iter()
            .map(|call| (call.resource.to_owned(), call.verb.to_owned()))
            .collect();
        // By the first apply.
        used.insert(("nodenetworkdevices".to_owned(), "create".to_owned()));
        assert_eq!(used, rights);
    });
}

#[test]
fn with_one_verb_less_one_line_names_it_and_what_needs_another_goes_on() {
    for missing in rights() {
        telling(|daemon| async move {
            let mut rights = rights();
            rights.remove(&missing);
            daemon.server.is(State::Allowing(rights));
            all_that_is_told(&daemon).await;
            let lines = daemon.log.lines();
            let (resource, verb) = &missing;
            let refusal = format!("cannot {verb} resource \"{resource}\"");
            let named: Vec<&String> = lines.iter().filter(|line| line.contains(&refusal)).collect();
            assert_eq!(named.len(), 1, "{missing:?}: {lines:#?}");
            assert!(named[0].contains("rbac.yaml"), "{named:?}");
            let (written, told) = (!daemon.server.writes().is_empty(), !daemon.server.events().is_empty());
            match resource.as_str() {
                "events" => assert!(written, "{missing:?}"),
                _ => assert!(told && !written, "{missing:?}"),
            }
        });
    }
}

#[test]
fn a_repair_is_told_once() {
    telling(|daemon| async move {
        daemon.show(&node(1));
        seconds(60).await;
        let mut facts = node(1);
        facts.told.repairs.push_back(Repaired {
            device: id(0),
            pod: None,
            network: "vfs".parse().unwrap(),
            is_done: true,
        });
        daemon.show(&facts);
        sleep(HOUR).await;
        daemon.show(&facts);
        sleep(HOUR).await;
        let events = daemon.server.events();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].body["reason"], "DeviceRepaired");
        assert_eq!(events[0].body["type"], "Normal");
    });
}

#[test]
fn an_object_that_somebody_deleted_or_changed_is_written_again() {
    telling(|daemon| async move {
        daemon.show(&node(2));
        seconds(60).await;
        assert_eq!(daemon.server.writes().len(), 1);
        daemon.server.delete();
        seconds(1000).await;
        assert_eq!(daemon.server.writes().len(), 2);
        daemon.server.spoil();
        seconds(1000).await;
        let writes = daemon.server.writes();
        assert_eq!(writes.len(), 3);
        assert_eq!(writes[2].body["status"]["devices"].as_array().unwrap().len(), 2);
        sleep(HOUR).await;
        assert_eq!(daemon.server.writes().len(), 3);
    });
}

#[test]
fn a_daemon_that_follows_writes_and_tells_nothing_again() {
    let (state, server) = (tempfile::tempdir().unwrap(), Server::new());
    let mut facts = node(3);
    facts.ill(1, "no driver is bound to it");
    facts.hold(2, "red", "web", "main");
    telling_on(state.path(), &server, |daemon| async move {
        daemon.show(&node(3));
        seconds(60).await;
        daemon.show(&facts);
        seconds(60).await;
        facts.remove(2);
        daemon.show(&facts);
        sleep(HOUR).await;
    });
    let (writes, events) = (server.writes().len(), server.events().len());
    assert_eq!(
        (writes, events),
        (3, 3),
        "one device is ill, one is gone, of which its pod is told too"
    );
    let told = server.writes()[2].body["status"]["conditions"].clone();
    let mut facts = node(3);
    facts.ill(1, "no driver is bound to it");
    facts.hold(2, "red", "web", "main");
    facts.remove(2);
    telling_on(state.path(), &server, |daemon| async move {
        daemon.show(&facts);
        sleep(HOUR).await;
        assert_eq!(daemon.server.writes().len(), writes, "it is there as it is to be");
        assert_eq!(daemon.server.events().len(), events);
        facts.well(1);
        daemon.show(&facts);
        seconds(60).await;
        facts.ill(1, "no driver is bound to it");
        daemon.show(&facts);
        seconds(60).await;
        let all = daemon.server.writes();
        assert_eq!(all.len(), writes + 2);
        assert_eq!(all[writes].body["status"]["conditions"], told, "since when they are so");
        assert_eq!(daemon.server.events().len(), events + 1, "it was well in between");
    });
}

#[test]
fn an_api_server_that_says_when_is_left_alone_until_then() {
    telling(|daemon| async move {
        daemon.server.is(State::Busy(120));
        let mut facts = node(2);
        facts.ill(1, "no driver is bound to it");
        daemon.show(&facts);
        sleep(HOUR).await;
        let calls = daemon.server.calls();
        let gaps: Vec<Duration> = calls
            .windows(2)
            .filter(|pair| pair[0].resource == "nodenetworkdevices" && pair[1].resource == "nodenetworkdevices")
            .map(|pair| pair[1].at - pair[0].at)
            .collect();
        assert!(calls.len() <= 60, "{} calls in an hour", calls.len());
        assert!(gaps.iter().all(|gap| *gap >= Duration::from_secs(120)), "{gaps:?}");
        let lines = daemon.log.lines();
        assert_eq!(lines.len(), 1, "whatever is not taken, it is one line: {lines:#?}");
    });
}

#[test]
fn a_token_that_ran_out_is_read_again() {
    telling(|daemon| async move {
        let mut facts = node(2);
        daemon.show(&facts);
        seconds(60).await;
        assert_eq!(daemon.server.clients(), 1);
        daemon.server.is(State::Unauthorized);
        facts.ill(1, "no driver is bound to it");
        daemon.show(&facts);
        seconds(60).await;
        let clients = daemon.server.clients();
        assert!(clients > 1, "its files may be others now");
        daemon.server.is(State::Well);
        seconds(900).await;
        assert_eq!(daemon.server.writes().len(), 2);
        assert_eq!(daemon.server.events().len(), 1, "no Event is lost by it");
        let made = daemon.server.clients();
        sleep(HOUR).await;
        assert_eq!(daemon.server.clients(), made, "while it works it stays");
    });
}

#[test]
fn a_pod_that_only_the_kubelet_names_is_told_by_the_uid_of_its_checkpoint() {
    let (state, server) = (tempfile::tempdir().unwrap(), Server::new());
    let entry = serde_json::json!({"PodUID": "uid-of-web", "ContainerName": "main", "ResourceName": "intel.com/vfs",
        "DeviceIDs": {"-1": [id(1).to_string()]}});
    let written = serde_json::json!({"Data": {"PodDeviceEntries": [entry]}, "Checksum": 1});
    std::fs::write(state.path().join("kubelet_internal_checkpoint"), written.to_string()).unwrap();
    telling_on(state.path(), &server, |daemon| async move {
        let mut facts = node(2);
        facts.hold(1, "red", "web", "main");
        daemon.show(&facts);
        seconds(60).await;
        facts.remove(1);
        daemon.show(&facts);
        seconds(60).await;
        let events = daemon.server.events();
        let vanished = events
            .iter()
            .find(|call| call.body["reason"] == "DeviceVanished")
            .unwrap();
        assert_eq!(
            vanished.body["regarding"],
            serde_json::json!({"apiVersion": "v1", "kind": "Pod", "namespace": "red", "name": "web", "uid": "uid-of-web"})
        );
    });
}
