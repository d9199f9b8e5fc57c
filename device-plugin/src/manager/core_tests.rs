//! The core, case by case: what comes in, what the lists say then, and what is to be done.

use hardwire_pci::{Function, Inventory, LinkType, Netdev, NodeUse};
use hardwire_proto::podresources as api;
use serde_json::{Value, json};

use super::*;
use crate::config::{Defaults, Details};
use crate::events::{Change, DevicePath, Event};
use crate::health::UnhealthyReason;
use crate::ledger::Attachment;
use crate::ledger::allocations::UNCONFIRMED;
use crate::ledger::podresources::Held;
use crate::pools::HostUse;
use crate::pools::ddp::DdpError;

const GRACE: Duration = Duration::from_secs(30);
const NIC: &str = "0000:03:00.0";

fn id() -> DeviceId {
    NIC.parse().unwrap()
}

/// One NIC, as the host sees it.
fn hardware(has_netdev: bool, host_use: Option<HostUse>) -> Arc<Hardware> {
    let netdev = Netdev {
        name: "eth1".parse().unwrap(),
        index: 7,
        mac: None,
        mtu: 1500,
        link_type: LinkType::Ether,
        port: None,
        number: None,
        switch_id: None,
    };
    let device = Device {
        driver: Some("igb".to_owned()),
        function: Function::Plain,
        netdevs: has_netdev.then_some(netdev).into_iter().collect(),
        ..Device::unknown(id())
    };
    Arc::new(Hardware {
        inventory: Inventory {
            devices: vec![device],
            ..Inventory::default()
        },
        host_uses: host_use.map(|host_use| (id(), host_use)).into_iter().collect(),
        ..Hardware::default()
    })
}

fn config(name: &str) -> Config {
    let pools: Value = json!({"resourceList": [{"resourceName": name, "selectors": {"pciAddresses": [NIC]}}]});
    Config::from_json(pools, &defaults()).unwrap()
}

fn defaults() -> Defaults {
    Defaults {
        resource_prefix: "a.com".to_owned(),
        plugin_directory: "/p".into(),
    }
}

fn held_as(resource: &str) -> Held {
    let devices = api::ContainerDevices {
        resource_name: resource.to_owned(),
        device_ids: vec![NIC.to_owned()],
        ..Default::default()
    };
    let container = api::ContainerResources {
        devices: vec![devices],
        ..Default::default()
    };
    let pod = api::PodResources {
        name: "pod".to_owned(),
        namespace: "tenant".to_owned(),
        containers: vec![container],
        ..Default::default()
    };
    api::ListPodResourcesResponse {
        pod_resources: vec![pod],
    }
    .into()
}

/// The core of a node with one NIC and one pool, and how its shell answers.
struct Node {
    core: Core,
    effects: Vec<String>,
}

impl Node {
    fn new() -> Self {
        let scanner = Scanner::new(hardware(true, None));
        let core = Core::new(scanner, config("x").pools, Attachments::default(), GRACE);
        let mut node = Self {
            core,
            effects: Vec::new(),
        };
        node.tell(Input::Searched(Ok(Vec::new()), Duration::ZERO));
        node.tell(Input::PodResources(Ok(Held::default())));
        node
    }

    fn tell(&mut self, input: Input) {
        let mut effects = self.core.on(input, Instant::now());
        effects.reverse();
        while let Some(effect) = effects.pop() {
            self.effects.push(format!("{effect:?}"));
            if let Effect::LookForHidden = effect {
                let seen = Input::Hidden(Arc::clone(self.core.scanner.hardware()));
                effects.extend(self.core.on(seen, Instant::now()).into_iter().rev());
            }
        }
    }

    /// What the kernel told was read.
    fn scan(&mut self, hardware: Arc<Hardware>) {
        self.core.scanner.on_everything(Instant::now());
        self.tell(Input::Timer);
        self.tell(Input::Scanned(hardware));
    }

    /// The same for that device only.
    fn scan_path(&mut self, hardware: Arc<Hardware>) {
        let path = DevicePath::Pci(id().pci().unwrap());
        self.core.scanner.on_path(path, Instant::now());
        self.tell(Input::Timer);
        self.tell(Input::Scanned(hardware));
    }

    fn allocate(&mut self, resource: &str) {
        self.core.ledger.allocations().note(resource, [NIC]);
        self.tell(Input::Allocated);
    }

    fn attach(&mut self, attachment: Option<Attachment>) {
        self.tell(Input::Attachments(Attachments {
            by_device: attachment.map(|attachment| (id(), attachment)).into_iter().collect(),
            unheard: None,
        }));
    }

    fn configure(&mut self, name: &str) {
        let hardware = Arc::clone(self.core.scanner.hardware());
        self.tell(Input::ConfigRead(Some(Box::new(config(name)))));
        self.scan(hardware);
    }

    /// Why the NIC is not healthy in its only pool.
    fn unhealthy(&self) -> Option<UnhealthyReason> {
        self.core.lists.pools[0].entries[&id()].unhealthy.clone()
    }

    fn is_refused(&self) -> bool {
        self.core.lists.pools[0].entries[&id()].refused.is_some()
    }

    fn did(&mut self, effect: &str) -> bool {
        std::mem::take(&mut self.effects)
            .iter()
            .any(|done| done.starts_with(effect))
    }
}

fn timeless(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(test);
}

fn used() -> HostUse {
    HostUse::Used(NodeUse::Upper("br0".to_owned()))
}

#[test]
fn rule_5_a_nic_that_the_node_began_to_use_after_an_allocate_is_neither_healthy_nor_given_out() {
    timeless(async {
        let mut node = Node::new();
        assert_eq!((node.unhealthy(), node.is_refused()), (None, false));
        node.allocate("a.com/x");
        // Its pod has ended before the kubelet was asked.
        node.scan(hardware(true, Some(used())));
        assert!(matches!(node.unhealthy(), Some(UnhealthyReason::UsedByNode(_))));
        assert!(node.is_refused());
        node.allocate("a.com/x");
        assert!(
            matches!(node.unhealthy(), Some(UnhealthyReason::UsedByNode(_))),
            "no Allocate makes it healthy"
        );
        node.scan(hardware(true, None));
        assert_eq!((node.unhealthy(), node.is_refused()), (None, false));
    });
}

#[test]
fn rule_7_the_kubelet_is_asked_on_a_node_without_pfs() {
    timeless(async {
        let mut node = Node::new();
        node.effects.clear();
        node.allocate("a.com/x");
        assert!(!node.did("AskKubelet"), "it books an Allocate after the answer");
        for _ in 0..2 {
            tokio::time::advance(UNCONFIRMED / 2).await;
            node.tell(Input::Timer);
            assert!(node.did("AskKubelet"));
            node.tell(Input::PodResources(Ok(Held::default())));
        }
        assert!(node.core.ledger.owner(&id(), false).is_free());
        // The slow timer wanted the namespaces searched as well.
        tokio::time::advance(Duration::from_secs(1)).await;
        node.tell(Input::Timer);
        node.tell(Input::Searched(Ok(Vec::new()), Duration::ZERO));
        assert_eq!(node.core.due(), None, "an idle node sleeps");
    });
}

#[test]
fn rule_6_a_pool_that_is_renamed_offers_nothing_that_is_held_under_the_old_name() {
    timeless(async {
        for attached in [false, true] {
            let mut node = Node::new();
            node.allocate("a.com/x");
            if attached {
                node.attach(Some(Attachment::Living));
            } else {
                node.tell(Input::PodResources(Ok(held_as("a.com/x"))));
            }
            assert_eq!(node.unhealthy(), None);
            node.configure("y");
            assert!(node.did("Serve"));
            let unhealthy = node.unhealthy();
            assert!(matches!(&unhealthy, Some(UnhealthyReason::HeldAsOther(other)) if other.resource == "a.com/x"));
            assert!(node.core.lists.pools[0].entries[&id()].held_as.is_some());
            // Its pod ends.
            node.attach(None);
            tokio::time::advance(UNCONFIRMED).await;
            node.tell(Input::Timer);
            node.tell(Input::PodResources(Ok(Held::default())));
            assert_eq!(node.unhealthy(), None);
        }
    });
}

#[test]
fn rule_6_what_another_plugin_gave_away_is_not_offered() {
    timeless(async {
        let mut node = Node::new();
        node.tell(Input::PodResources(Ok(held_as("other.io/plugin"))));
        assert!(matches!(node.unhealthy(), Some(UnhealthyReason::HeldAsOther(_))));
        node.tell(Input::PodResources(Ok(Held::default())));
        assert_eq!(node.unhealthy(), None);
    });
}

#[test]
fn a_device_that_comes_back_to_the_host_wakes_repair() {
    timeless(async {
        let mut node = Node::new();
        node.attach(Some(Attachment::Living));
        node.scan(hardware(false, None));
        node.attach(Some(Attachment::NotGivenBack));
        assert_eq!(node.unhealthy(), Some(UnhealthyReason::NotGivenBack));
        node.effects.clear();
        node.scan(hardware(true, None));
        assert!(node.did("WakeRepair"));
        node.attach(None);
        assert_eq!(node.unhealthy(), None);
        node.scan(hardware(false, None));
        node.effects.clear();
        node.scan(hardware(true, None));
        assert!(!node.did("WakeRepair"), "nobody had it");
    });
}

#[test]
fn rule_7_without_the_kubelet_devices_are_offered_and_nothing_is_adopted() {
    timeless(async {
        let mut node = Node::new();
        let unheard = crate::ledger::podresources::PodResourcesError::TooLate("/kubelet.sock".into());
        node.tell(Input::PodResources(Err(unheard)));
        assert_eq!((node.unhealthy(), node.is_refused()), (None, false));
        let (reply, answer) = tokio::sync::oneshot::channel();
        node.tell(Input::Adopt(Adopt { device: id(), reply }));
        let refused = answer.await.unwrap().unwrap_err();
        assert!(refused.contains("not known to be free"), "{refused}");
        // It is asked again when its socket comes.
        node.effects.clear();
        node.tell(Input::KubeletSocket);
        assert!(node.did("AskKubelet"));
    });
}

#[test]
fn rule_10_a_kubelet_that_did_not_answer_once_is_asked_again_though_nothing_happens() {
    timeless(async {
        let mut node = Node::new();
        let unheard = crate::ledger::podresources::PodResourcesError::TooLate("/kubelet.sock".into());
        node.tell(Input::PodResources(Err(unheard)));
        node.effects.clear();
        let due = node.core.due().expect("somebody has to ask");
        tokio::time::advance(due - Instant::now()).await;
        node.tell(Input::Timer);
        assert!(node.did("AskKubelet"));
        node.tell(Input::PodResources(Ok(Held::default())));
        assert!(node.core.ledger.owner(&id(), false).is_free());
        node.tell(Input::Searched(Ok(Vec::new()), Duration::ZERO));
        assert!(
            node.core
                .due()
                .is_none_or(|due| due < Instant::now() + Duration::from_secs(1))
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        node.tell(Input::Timer);
        node.tell(Input::Searched(Ok(Vec::new()), Duration::ZERO));
        assert_eq!(node.core.due(), None, "an idle node sleeps");
    });
}

#[test]
fn rule_10_a_pool_that_could_not_be_served_is_tried_again_ever_later() {
    timeless(async {
        let mut node = Node::new();
        let mut pauses = Vec::new();
        for _ in 0..3 {
            node.tell(Input::NotServed);
            node.effects.clear();
            let due = node.core.due().expect("nothing else tells");
            pauses.push(due - Instant::now());
            tokio::time::advance(due - Instant::now()).await;
            node.tell(Input::Timer);
            assert!(node.did("Serve"));
        }
        assert!(pauses.is_sorted() && pauses[0] < pauses[2], "{pauses:?}");
        node.tell(Input::Served);
        assert_eq!(node.core.due(), None);
        node.tell(Input::NotServed);
        assert_eq!(node.core.due(), Some(Instant::now() + pauses[0]));
    });
}

#[test]
fn rule_6_a_device_that_was_given_out_by_its_new_pool_does_not_stay_in_the_old_one() {
    timeless(async {
        let pools = |first: &str, second: &str| {
            let selectors = |nic: &str| json!({"pciAddresses": [nic]});
            let pools = json!({"resourceList": [
                {"resourceName": "x", "selectors": selectors(first)},
                {"resourceName": "y", "selectors": selectors(second)},
            ]});
            Input::ConfigRead(Some(Box::new(Config::from_json(pools, &defaults()).unwrap())))
        };
        let other = "0000:04:00.0";
        let in_lists = |node: &Node| {
            let lists = node.core.lists.pools.iter();
            lists.map(|list| list.entries.contains_key(&id())).collect::<Vec<_>>()
        };
        // It is given out while it is in both lists; or it is in a pod when its pool loses it.
        for (is_free, after) in [(true, [false, true]), (false, [true, false])] {
            let mut node = Node::new();
            let same = Arc::clone(node.core.scanner.hardware());
            node.tell(pools(NIC, other));
            node.scan(Arc::clone(&same));
            assert_eq!(in_lists(&node), [true, false]);
            if !is_free {
                node.tell(Input::PodResources(Ok(held_as("a.com/x"))));
            }
            node.tell(pools(other, NIC));
            node.scan(same);
            assert_eq!(in_lists(&node), [true, is_free]);
            if is_free {
                node.allocate("a.com/y");
                node.tell(Input::PodResources(Ok(held_as("a.com/y"))));
            }
            tokio::time::advance(GRACE).await;
            node.tell(Input::Timer);
            assert_eq!(in_lists(&node), after);
        }
    });
}

#[test]
fn a_job_that_was_lost_is_done_again() {
    timeless(async {
        let mut node = Node::new();
        node.core.scanner.on_everything(Instant::now());
        tokio::time::advance(Duration::from_secs(1)).await;
        node.tell(Input::Timer);
        for (job, effect) in [
            (Job::Scan, "Scan(Stale { all: true"),
            (Job::Search, "Search"),
            (Job::Ask, "AskKubelet"),
            (Job::ReadConfig, "ReadConfig"),
        ] {
            node.effects.clear();
            node.tell(Input::JobLost(job, "it panicked".to_owned()));
            assert!(!node.did(effect), "not in a hurry");
            tokio::time::advance(Duration::from_secs(5)).await;
            node.tell(Input::Timer);
            assert!(node.did(effect), "{job:?}");
        }
    });
}

#[test]
fn a_character_device_that_comes_is_a_reason_to_make_offers_anew_though_no_device_has_changed() {
    let path = DevicePath::Pci(id().pci().unwrap());
    let change = Change::CharacterDevices;
    for event in [Event::CharacterDevices, Event::Device { path, change }] {
        let mut node = Node::new();
        let same = Arc::clone(node.core.scanner.hardware());
        node.tell(Input::Kernel { event, is_ours: false });
        let scans = node.core.on(Input::Timer, Instant::now() + Duration::from_secs(1));
        assert!(
            scans.iter().any(|effect| matches!(effect, Effect::Scan(_))),
            "{scans:?}"
        );
        node.tell(Input::Scanned(Arc::clone(&same)));
        assert!(node.did(&format!("Show {{ changed: {{{:?}}} }}", id())));
        // Once.
        node.scan_path(same);
        assert!(!node.did(&format!("Show {{ changed: {{{:?}}} }}", id())));
    }
}

#[test]
fn a_profile_is_asked_for_beside_the_loop_and_its_device_is_listed_when_it_is_known() {
    for (answer, listed) in [(Ok("gtp".to_owned()), 1), (Err(DdpError::Late), 0)] {
        let mut hardware = hardware(true, None);
        Arc::make_mut(&mut hardware).details.insert(id(), Details::default());
        let pools: Value = json!({"resourceList": [{"resourceName": "x", "selectors": {"ddpProfiles": ["gtp"]}}]});
        let pools = Config::from_json(pools, &defaults()).unwrap().pools;
        let mut core = Core::new(Scanner::new(hardware), pools, Attachments::default(), GRACE);
        let asks = |effects: Vec<Effect>| {
            let functions = effects.into_iter().filter_map(|effect| match effect {
                Effect::AskProfiles(functions) => Some(functions),
                _ => None,
            });
            functions.flatten().collect::<Vec<_>>()
        };
        let searched = || Input::Searched(Ok(Vec::new()), Duration::ZERO);
        let function = id().pci().unwrap();
        assert_eq!(asks(core.on(searched(), Instant::now())), [function]);
        assert!(core.lists.pools[0].entries.is_empty());
        assert!(
            asks(core.on(searched(), Instant::now())).is_empty(),
            "it is being asked"
        );
        core.on(Input::Profile(function, answer), Instant::now());
        assert_eq!(core.lists.pools[0].entries.len(), listed);
    }
}
