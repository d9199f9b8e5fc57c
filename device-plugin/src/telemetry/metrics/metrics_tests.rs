//! What scrapers and probes read.

use super::*;

use hardwire_cni::report::Phase;

fn vfs() -> ResourceName {
    ResourceName::new("intel.com", "vfs").unwrap()
}

fn lines(metrics: &Metrics) -> Vec<String> {
    metrics.text().unwrap().lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_has(metrics: &Metrics, expected: &[&str]) {
    let lines = lines(metrics);
    for line in expected {
        assert!(lines.iter().any(|l| l == line), "no {line}:\n{}", lines.join("\n"));
    }
}

#[test]
fn what_happens_to_a_pool_is_counted() {
    let (metrics, vfs) = (Metrics::default(), vfs());
    metrics.served(&vfs);
    assert_has(&metrics, &[r#"hardwired_registered{resource="intel.com/vfs"} 0"#]);
    metrics.not_registered(&vfs);
    metrics.registered(&vfs, true);
    metrics.streams(&vfs, 1);
    metrics.list_sent(&vfs);
    metrics.devices(&vfs, 5, 2);
    metrics.held(&vfs, 3);
    metrics.allocated(&vfs, true);
    metrics.allocated(&vfs, true);
    metrics.allocated(&vfs, false);
    assert_has(
        &metrics,
        &[
            &format!(
                r#"hardwired_build_info{{version="{}",commit="{}"}} 1"#,
                env!("CARGO_PKG_VERSION"),
                hardwire_cni::COMMIT
            ),
            r#"hardwired_devices{resource="intel.com/vfs",state="healthy"} 5"#,
            r#"hardwired_devices{resource="intel.com/vfs",state="unhealthy"} 2"#,
            r#"hardwired_devices_held{resource="intel.com/vfs"} 3"#,
            r#"hardwired_allocations_total{resource="intel.com/vfs",result="ok"} 2"#,
            r#"hardwired_allocations_total{resource="intel.com/vfs",result="refused"} 1"#,
            r#"hardwired_registered{resource="intel.com/vfs"} 1"#,
            r#"hardwired_registrations_total{resource="intel.com/vfs",result="ok"} 1"#,
            r#"hardwired_registrations_total{resource="intel.com/vfs",result="failed"} 1"#,
            r#"hardwired_list_streams{resource="intel.com/vfs"} 1"#,
            r#"hardwired_lists_sent_total{resource="intel.com/vfs"} 1"#,
            "# EOF",
        ],
    );
    metrics.forget(&vfs);
    let left = lines(&metrics);
    let states = ["hardwired_devices", "hardwired_registered", "hardwired_list_streams"];
    let told = |line: &&String| states.iter().any(|state| line.starts_with(state));
    assert_eq!(left.iter().find(told), None, "{left:#?}");
    assert_has(&metrics, &[r#"hardwired_lists_sent_total{resource="intel.com/vfs"} 1"#]);
}

#[test]
fn labelled_counters_are_there_before_anything_happens() {
    let metrics = Metrics::default();
    metrics.served(&vfs());
    let mut expected = vec![
        r#"hardwired_repairs_total{result="ok"} 0"#.to_owned(),
        r#"hardwired_repairs_total{result="failed"} 0"#.to_owned(),
        r#"hardwired_config_reloads_total{result="ok"} 0"#.to_owned(),
        r#"hardwired_config_reloads_total{result="failed"} 0"#.to_owned(),
        r#"hardwired_allocations_total{resource="intel.com/vfs",result="ok"} 0"#.to_owned(),
        r#"hardwired_allocations_total{resource="intel.com/vfs",result="refused"} 0"#.to_owned(),
        r#"hardwired_registrations_total{resource="intel.com/vfs",result="ok"} 0"#.to_owned(),
        r#"hardwired_registrations_total{resource="intel.com/vfs",result="failed"} 0"#.to_owned(),
        r#"hardwired_lists_sent_total{resource="intel.com/vfs"} 0"#.to_owned(),
    ];
    for verb in ["add", "del"] {
        for code in [0, 1, 4, 5, 6, 7, 8, 11, 50, 51, 101, 102, 103, 999] {
            expected.push(format!(
                "hardwired_attachments_total{{verb=\"{verb}\",code=\"{code}\"}} 0"
            ));
        }
        expected.push(format!(
            "hardwired_attachment_duration_seconds_count{{verb=\"{verb}\"}} 0"
        ));
        for phase in ["lock", "journal", "pf", "move", "ipam", "addresses", "announce"] {
            expected.push(format!(
                "hardwired_attachment_phase_duration_seconds_count{{verb=\"{verb}\",phase=\"{phase}\"}} 0"
            ));
        }
    }
    for source in [
        "udev",
        "netlink",
        "configuration",
        "signal",
        "journal",
        "timer",
        "overrun",
    ] {
        expected.push(format!("hardwired_events_total{{source=\"{source}\"}} 0"));
    }
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_has(&metrics, &expected);
    metrics.allocated(&vfs(), true);
    metrics.served(&vfs());
    assert_has(
        &metrics,
        &[r#"hardwired_allocations_total{resource="intel.com/vfs",result="ok"} 1"#],
    );
}

#[test]
fn what_the_plugin_reports_is_told_in_seconds() {
    let metrics = Metrics::default();
    let report = |verb: &str, code| Report {
        version: Report::VERSION,
        verb: verb.to_owned(),
        device: None,
        network: "n".to_owned(),
        container: "c".to_owned(),
        ifname: "net1".to_owned(),
        renamed: None,
        code,
        total_us: 4_000,
        phases_us: [(Phase::Move, 1_500), (Phase::Ipam, 2_000_000)].into(),
    };
    metrics.reported(&report("ADD", 0));
    metrics.reported(&report("DEL", 11));
    metrics.reported(&report("anything", 0));
    metrics.report_refused();
    assert_has(
        &metrics,
        &[
            r#"hardwired_attachments_total{verb="add",code="0"} 1"#,
            r#"hardwired_attachments_total{verb="del",code="11"} 1"#,
            r#"hardwired_attachments_total{verb="other",code="0"} 1"#,
            "# UNIT hardwired_attachment_duration_seconds seconds",
            r#"hardwired_attachment_duration_seconds_sum{verb="add"} 0.004"#,
            r#"hardwired_attachment_duration_seconds_bucket{le="0.0025",verb="add"} 0"#,
            r#"hardwired_attachment_duration_seconds_bucket{le="0.005",verb="add"} 1"#,
            r#"hardwired_attachment_phase_duration_seconds_sum{verb="add",phase="move"} 0.0015"#,
            r#"hardwired_attachment_phase_duration_seconds_count{verb="del",phase="ipam"} 1"#,
            "hardwired_reports_refused_total 1",
        ],
    );
}

#[test]
fn what_happens_to_the_daemon_is_counted() {
    let metrics = Metrics::default();
    metrics.repaired(true);
    metrics.repaired(false);
    metrics.event(Source::Netlink);
    metrics.event(Source::Netlink);
    metrics.event(Source::Udev);
    metrics.reloaded(false);
    assert_has(
        &metrics,
        &[
            r#"hardwired_repairs_total{result="ok"} 1"#,
            r#"hardwired_repairs_total{result="failed"} 1"#,
            r#"hardwired_events_total{source="netlink"} 2"#,
            r#"hardwired_events_total{source="udev"} 1"#,
            r#"hardwired_config_reloads_total{result="failed"} 1"#,
        ],
    );
}

#[test]
fn the_daemon_is_ready_when_the_kubelet_listens_to_every_pool() {
    let (metrics, vfs) = (Metrics::default(), vfs());
    assert_eq!(metrics.missing(), ["starting: not all pools are served yet"]);
    metrics.served(&vfs);
    metrics.started();
    assert_eq!(metrics.missing(), ["intel.com/vfs: not registered with the kubelet"]);
    metrics.registered(&vfs, true);
    assert_eq!(
        metrics.missing(),
        ["intel.com/vfs: registered, but the kubelet has no ListAndWatch stream open"]
    );
    metrics.streams(&vfs, 1);
    assert_eq!(metrics.missing(), [""; 0]);
    metrics.registered(&vfs, false);
    assert_eq!(metrics.missing().len(), 1);
    metrics.forget(&vfs);
    assert_eq!(metrics.missing(), [""; 0]);
}

#[test]
fn a_refused_pool_is_told_and_keeps_nobody_from_being_ready() {
    let metrics = Metrics::default();
    metrics.started();
    metrics.configured(vec!["resourceList[0] (a\nb): x is 1: expected 2".to_owned()]);
    assert_has(&metrics, &["hardwired_pools_refused 1", "hardwired_config_in_force 1"]);
    assert_eq!(metrics.missing(), [""; 0]);
    let of_pool = "pool refused: resourceList[0] (a\\nb): x is 1: expected 2";
    assert_eq!(metrics.notes(), [of_pool]);
    metrics.not_configured("f: not JSON".to_owned());
    assert_has(&metrics, &["hardwired_pools_refused 1", "hardwired_config_in_force 0"]);
    assert_eq!(
        metrics.notes(),
        [
            of_pool,
            "configuration refused: f: not JSON; the one before stays in force"
        ]
    );
    metrics.configured(Vec::new());
    assert_has(&metrics, &["hardwired_pools_refused 0", "hardwired_config_in_force 1"]);
    assert_eq!(metrics.notes(), [""; 0]);
}

#[test]
fn that_the_kubelet_does_not_tell_who_has_what_is_told_while_it_is_there() {
    let (metrics, vfs) = (Metrics::default(), vfs());
    metrics.podresources(Some("no mount"));
    assert_eq!(metrics.notes().len(), 1, "a node without pools");
    metrics.served(&vfs);
    assert_eq!(metrics.notes(), [""; 0]);
    metrics.registered(&vfs, true);
    assert!(metrics.notes()[0].ends_with(": no mount"), "{:?}", metrics.notes());
    metrics.podresources(None);
    assert_eq!(metrics.notes(), [""; 0]);
}

#[test]
fn a_main_loop_that_hangs_is_not_alive() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (watchdog, mut pulse) = watchdog::watchdog();
        let bound = Duration::from_secs(1);
        assert!(!watchdog.is_alive(bound).await, "nobody beats");
        let main_loop = tokio::spawn(async move {
            loop {
                pulse.beat().await;
            }
        });
        assert!(watchdog.is_alive(bound).await);
        assert!(watchdog.is_alive(bound).await);
        main_loop.abort();
        assert!(!watchdog.is_alive(bound).await, "the loop is gone");
    });
}

#[test]
fn addresses_are_understood_or_refused() {
    use super::http::MetricsBind;
    let at = |text: &str| MetricsBind::At(text.parse().unwrap());
    assert_eq!("none".parse(), Ok(MetricsBind::None));
    assert_eq!("127.0.0.1:9808".parse(), Ok(at("127.0.0.1:9808")));
    assert_eq!("[::]:0".parse(), Ok(at("[::]:0")));
    for bad in ["", "9808", "localhost:9808", "127.0.0.1", "::1", "127.0.0.1:99999"] {
        assert_eq!(bad.parse::<MetricsBind>(), Err(http::BadMetricsBind), "{bad}");
    }
}

#[test]
fn an_unknown_journal_is_a_note_a_lost_address_is_not_ready_and_what_ended_is_not_alive() {
    let metrics = Metrics::default();
    metrics.started();
    let state = Path::new("/run/hardwire");
    metrics.journal(state, Some("no journal"));
    assert_has(&metrics, &[r#"hardwired_journal_heard{mount="/run/hardwire"} 0"#]);
    assert!(metrics.notes()[0].ends_with(": no journal"), "{:?}", metrics.notes());
    assert_eq!(metrics.missing(), [""; 0], "devices are offered all the same");
    metrics.journal(state, None);
    assert_has(&metrics, &[r#"hardwired_journal_heard{mount="/run/hardwire"} 1"#]);
    assert_eq!(metrics.notes(), [""; 0]);
    metrics.address(Some("in use".to_owned()));
    assert_eq!(metrics.missing(), ["in use"]);
    metrics.address(None);
    assert_eq!(metrics.missing(), [""; 0]);

    drop(metrics.fatal_panic("a pool: its task"));
    assert_eq!(metrics.dead(), [""; 0]);
    let panicking = metrics.clone();
    let thread = std::thread::spawn(move || {
        let _watched = panicking.fatal_panic("a pool: its task");
        panic!("!");
    });
    assert!(thread.join().is_err());
    metrics.not_alive("uevents are heard no more: !".to_owned());
    metrics.not_alive("uevents are heard no more: !".to_owned());
    let reasons = ["a pool: its task panicked", "uevents are heard no more: !"];
    assert_eq!(metrics.dead(), reasons);
    assert_eq!(metrics.missing(), reasons);
}
