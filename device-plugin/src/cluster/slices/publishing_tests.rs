//! Through a helper, with a service in the place of the API server, and a clock that only moves when all wait.

use serde_json::Value;
use tokio::io::duplex;

use super::*;
use crate::cluster::helper::mock_server::{Server, State as Api};
use crate::cluster::helper::serve;
use crate::cluster::line::Heard;
use crate::dra::claimable::fixture::{claimable, of_pool};

struct Node {
    server: Server,
    claimable: watch::Sender<Arc<Claimable>>,
    taken: watch::Sender<u64>,
}

impl Node {
    /// Runs a test beside a daemon that has so many VFs for claims.
    fn run<F: Future<Output = ()>>(vfs: u32, test: impl FnOnce(Self) -> F) {
        Self::run_with(claimable(vfs), test);
    }

    fn run_with<F: Future<Output = ()>>(claimable: Claimable, test: impl FnOnce(Self) -> F) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let server = Server::new();
            let node = Self {
                server: server.clone(),
                claimable: watch::Sender::new(Arc::new(claimable)),
                taken: watch::Sender::new(0),
            };
            let (line, mut requests) = Line::new();
            let publishing = Publishing::new(
                line,
                "node1".to_owned(),
                Sysfs::at("/nowhere"),
                node.claimable.subscribe(),
                node.taken.subscribe(),
            );
            let carrying = async {
                let (ours, theirs) = duplex(1 << 20);
                let (from, to) = tokio::io::split(ours);
                let (read, write) = tokio::io::split(theirs);
                let making = move || {
                    let client = server.client();
                    async move { Ok(client) }
                };
                let mut heard = Heard::new(from);
                let carried = async {
                    heard.opening().await.unwrap();
                    heard.carry(to, &mut requests).await
                };
                tokio::select! {
                    ended = serve(read, write, "node1", making) => panic!("{ended:?}"),
                    ended = carried => panic!("{ended:?}"),
                }
            };
            tokio::select! {
                () = publishing.run() => unreachable!("for ever"),
                () = carrying => unreachable!("for ever"),
                () = test(node) => {}
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Claimable)) {
        self.claimable.send_modify(|claimable| change(Arc::make_mut(claimable)));
    }

    fn ill(&self, vf: &str) {
        let id: hardwire_pci::DeviceId = vf.parse().unwrap();
        self.change(|claimable| {
            let device = claimable.pools[0].devices.get_mut(&id).unwrap();
            (device.unhealthy, device.kind) = (Some("x".to_owned()), Some("no-driver"));
            device.is_held = true;
        });
    }
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[test]
fn slices_are_written_once_and_one_change_is_one_write() {
    Node::run(1024, |node| async move {
        seconds(5).await;
        assert_eq!((node.server.slices().len(), node.server.slice_writes()), (16, 16));
        // Hardware that was read again is no change.
        node.change(|claimable| claimable.hardware = Arc::default());
        seconds(3600).await;
        assert_eq!(node.server.slice_writes(), 16);
        node.ill("0000:3b:02.1");
        seconds(5).await;
        assert_eq!(node.server.slice_writes(), 17);
    });
}

#[test]
fn what_is_deleted_comes_back_when_the_kubelet_takes_us_and_soon_enough_without() {
    Node::run(100, |node| async move {
        seconds(5).await;
        node.server.delete_slices();
        node.taken.send_modify(|taken| *taken += 1);
        seconds(1).await;
        assert_eq!(node.server.slices().len(), 2, "its looks begin at once");
        // The kubelet is slow.
        seconds(3).await;
        node.server.delete_slices();
        seconds(2).await;
        assert_eq!(node.server.slices().len(), 2);
        node.server.delete_slices();
        seconds(1000).await;
        assert_eq!(node.server.slices().len(), 2);
        let writes = node.server.slice_writes();
        seconds(3600).await;
        assert_eq!(node.server.slice_writes(), writes);
    });
}

#[test]
fn an_api_server_that_is_away_gets_what_is_newest_when_it_is_back() {
    Node::run(2, |node| async move {
        node.server.is(Api::Away);
        seconds(120).await;
        node.ill("0000:3b:02.0");
        seconds(10).await;
        node.server.is(Api::Well);
        seconds(120).await;
        let slices = node.server.slices();
        let taint: &Value = &slices[0]["spec"]["devices"][0]["taints"][0]["value"];
        assert_eq!((taint, node.server.slice_writes()), (&Value::from("no-driver"), 1));
    });
}

#[test]
fn without_a_driver_nothing_is_asked() {
    Node::run(2, |node| async move {
        seconds(5).await;
        node.claimable.send_replace(Arc::default());
        let calls = node.server.calls().len();
        seconds(3600).await;
        assert!(
            node.server.calls().len() <= calls + 1,
            "{:?}",
            node.server.calls().len()
        );
        assert_eq!(node.server.slices().len(), 1, "the kubelet deletes them");
    });
}

#[test]
fn a_pool_that_is_asked_for_as_a_resource_is_told_where_that_can_be_done() {
    for (minor, count) in [("36+", 3), ("37", 3), ("35", 0)] {
        let extended = of_pool(&serde_json::json!({"via": "extended"}), 3);
        Node::run_with(extended, |node| async move {
            node.server.is_of(minor);
            seconds(10).await;
            let slices = node.server.slices();
            let devices = slices[0]["spec"]["devices"].as_array().unwrap();
            assert_eq!(devices.len(), count, "1.{minor}");
        });
    }
}
