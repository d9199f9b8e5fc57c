use std::path::Path;

use hardwire_pci::Sysfs;
use serde_json::Value;

use super::*;
use crate::container::{HostPaths, Publisher};
use crate::dra::allocated::Allocation;
use crate::dra::claimable::fixture::of_pool;

const DRIVER: &str = "hardwire.dev";

/// A daemon's claims, and the API that has what they were allocated.
struct Node {
    claims: Claims,
    prepared: watch::Receiver<Arc<Prepared>>,
    questions: mpsc::Receiver<AboutClaim>,
    _claimable: watch::Sender<Arc<Claimable>>,
}

fn node(directory: &Path) -> Node {
    let store = ClaimStore::at(&directory.join("state"));
    let publisher = Publisher::new(true, directory.join("cdi"), directory.join("devinfo"), None);
    let host_paths = HostPaths {
        sysfs: Sysfs::at(directory.join("sys")),
        dev: directory.join("dev"),
        publisher,
    };
    let claimable = watch::Sender::new(Arc::new(of_pool(&Value::Null, 4)));
    let sender = watch::Sender::new(Arc::new(Prepared::read(&store)));
    let (api, questions) = mpsc::channel(1);
    let prepared = sender.subscribe();
    let claims = Claims::new(store, Specs::new(host_paths), sender, claimable.subscribe(), Some(api));
    Node {
        claims,
        prepared,
        questions,
        _claimable: claimable,
    }
}

fn claim(uid: &str) -> ClaimName {
    ClaimName {
        namespace: "red".to_owned(),
        name: format!("claim-{uid}"),
        uid: uid.to_owned(),
    }
}

fn allocated(uid: &str, device: &str) -> Allocated {
    Allocated {
        uid: uid.to_owned(),
        is_owned: true,
        is_allocated: true,
        reserved_for: vec!["u1".to_owned()],
        results: vec![Allocation {
            request: "vf".to_owned(),
            pool: "node1".to_owned(),
            device: device.to_owned(),
            ..Allocation::default()
        }],
        config: Vec::new(),
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap().block_on(test)
}

impl Node {
    /// Prepares a claim, which the API answers so, one answer a question.
    async fn prepare(
        &mut self,
        uid: &str,
        answers: &[Result<Option<Allocated>, String>],
    ) -> Result<ClaimRecord, String> {
        let mut answers = answers.iter();
        let (claims, claim) = (self.claims.clone(), claim(uid));
        let prepared = claims.prepare(DRIVER, &claim);
        tokio::pin!(prepared);
        loop {
            tokio::select! {
                biased;
                done = &mut prepared => {
                    assert_eq!(answers.len(), 0, "it was asked less often");
                    return done;
                }
                Some(about) = self.questions.recv() => {
                    assert_eq!((about.namespace.as_str(), about.driver.as_str()), ("red", DRIVER));
                    let answer = answers.next().unwrap_or_else(|| panic!("it was asked once more"));
                    about.reply.send(answer.clone()).unwrap();
                }
            }
        }
    }
}

#[test]
fn the_same_claim_has_the_same_answer_after_a_restart_too_and_without_an_api() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let mut first = node(directory.path());
        let answer = Ok(Some(allocated("c-1", "0000-3b-02-1")));
        let record = first.prepare("c-1", &[answer]).await.unwrap();
        assert_eq!(record.devices[0].cdi, ["hardwire.dev/claim=c-1_0000-3b-02-1"]);
        assert_eq!(first.prepare("c-1", &[]).await.unwrap(), record);
        drop(first);
        let mut second = node(directory.path());
        // Removed by a reboot, or by somebody.
        std::fs::remove_dir_all(directory.path().join("cdi")).unwrap();
        assert_eq!(second.prepare("c-1", &[]).await.unwrap(), record);
        assert!(
            directory.path().join("cdi/hardwire-claim-c-1.json").exists(),
            "and all that belongs to it"
        );
    });
}

#[test]
fn a_claim_that_ends_leaves_nothing_and_ends_once_more_at_any_time() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let mut node = node(directory.path());
        node.prepare("c-1", &[Ok(Some(allocated("c-1", "0000-3b-02-1")))])
            .await
            .unwrap();
        assert_eq!(node.prepared.borrow().records.len(), 1);
        for _ in 0..2 {
            node.claims.unprepare("c-1").await.unwrap();
        }
        node.claims.unprepare("../x").await.unwrap();
        assert_eq!(node.prepared.borrow().records, []);
        for folder in ["cdi", "state/claims"] {
            assert_eq!(
                std::fs::read_dir(directory.path().join(folder)).unwrap().count(),
                0,
                "{folder}"
            );
        }
    });
}

#[test]
fn a_device_is_one_claims_until_that_has_ended() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let mut node = node(directory.path());
        node.prepare("c-1", &[Ok(Some(allocated("c-1", "0000-3b-02-1")))])
            .await
            .unwrap();
        let theirs = || Ok(Some(allocated("c-2", "0000-3b-02-1")));
        let error = node.prepare("c-2", &[theirs()]).await.unwrap_err();
        assert!(error.contains("claim red/claim-c-1 has 0000:3b:02.1"), "{error}");
        node.claims.unprepare("c-1").await.unwrap();
        node.prepare("c-2", &[theirs()]).await.unwrap();
    });
}

#[test]
fn an_api_that_is_away_is_asked_again_and_no_longer_than_the_kubelet_waits() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let mut node = node(directory.path());
        let away = || Err("connection refused".to_owned());
        let answers = [away(), away(), Ok(Some(allocated("c-1", "0000-3b-02-1")))];
        node.prepare("c-1", &answers).await.unwrap();
        let error = node.prepare("c-2", &[Ok(None)]).await.unwrap_err();
        assert!(error.contains("there is no claim red/claim-c-2"), "{error}");
        let begun = Instant::now();
        let (claims, claim) = (node.claims.clone(), claim("c-3"));
        let prepared = claims.prepare(DRIVER, &claim);
        tokio::pin!(prepared);
        let error = loop {
            tokio::select! {
                done = &mut prepared => break done.unwrap_err(),
                Some(about) = node.questions.recv() => about.reply.send(away()).unwrap(),
            }
        };
        assert!(error.contains("cannot be had: connection refused"), "{error}");
        assert!(begun.elapsed() <= FETCHED, "{:?}", begun.elapsed());
    });
}

#[test]
fn records_that_are_not_understood_give_nothing_away() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("state/claims")).unwrap();
        std::fs::write(directory.path().join("state/claims/c-9.json"), "{").unwrap();
        let mut node = node(directory.path());
        let answer = Ok(Some(allocated("c-1", "0000-3b-02-1")));
        let error = node.prepare("c-1", &[answer]).await.unwrap_err();
        assert!(error.contains("which devices claims have is not known"), "{error}");
    });
}

#[test]
fn what_a_killed_daemon_left_of_no_claim_goes() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let mut node = node(directory.path());
        node.prepare("c-1", &[Ok(Some(allocated("c-1", "0000-3b-02-1")))])
            .await
            .unwrap();
        let left = directory.path().join("cdi/hardwire-claim-c-8.json");
        std::fs::write(&left, "{}").unwrap();
        node.claims.sweep().await;
        assert!(!left.exists() && directory.path().join("cdi/hardwire-claim-c-1.json").exists());
    });
}
