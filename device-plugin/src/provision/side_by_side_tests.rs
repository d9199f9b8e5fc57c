use serde_json::json;

use super::super::fixture::{Bench, PF, Tree};
use super::super::holders::Holders;
use super::super::look;
use super::super::plan::{Around, plan};
use super::super::wanted::Wanted;
use super::*;
use crate::config::pfs::PfEntry;
use crate::config::{Config, Defaults};

const BOOT: &str = "b";

fn entries() -> Vec<PfEntry> {
    let defaults = Defaults {
        resource_prefix: "a.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let config = json!({"pfs": [{"selectors": {"pfNames": ["pf0"]}, "numVfs": 4, "mtu": 9000, "linkUp": true, "vfs": [
        {"indices": "0-1", "mtu": 9000}, {"indices": "2-3", "driver": "vfio-pci"}]}]});
    Config::from_json(config, &defaults).unwrap().pfs.entries
}

fn plans(sysfs: &Sysfs, records: &Records, entries: &[PfEntry]) -> Vec<PfPlan> {
    let planned = |pf: &super::super::now::PfNow| {
        let record = records.get(&pf.id).unwrap();
        let wanted = Wanted::of(pf, entries, record.as_ref())?;
        let around = Around {
            holders: &Holders::default(),
            record: record.as_ref(),
            boot: BOOT,
            owner: None,
            forced: false,
            has_driver: &|_driver| true,
        };
        Some(plan(pf, &wanted, &around))
    };
    look::pfs(sysfs).iter().filter_map(planned).collect()
}

fn records(directory: &tempfile::TempDir) -> Records {
    Records::at(directory.path())
}

fn workshop(bench: &Bench, records: &Records, bound: Duration) -> Arc<Workshop> {
    let short = Duration::from_millis(100);
    let tree: Tree = bench.tree.clone();
    let (sysfs, seen) = (bench.sysfs.clone(), records.clone());
    Arc::new(Workshop {
        sysfs: bench.sysfs.clone(),
        records: records.clone(),
        baselines: BaselineStore::at(&bench.tree.root.join("state")),
        boot: BOOT.to_owned(),
        patience: Patience {
            few: short,
            many: short,
            carrier: Duration::ZERO,
        },
        bound,
        machine: Box::new(move || Box::new(tree.clone()) as Box<dyn Machine>),
        remaining: Box::new(move |_pf| {
            let plans = plans(&sysfs, &seen, &entries());
            plans
                .iter()
                .flat_map(|plan| plan.differences.iter())
                .map(ToString::to_string)
                .collect()
        }),
    })
}

/// Plans and does it; returns what was written.
fn apply(bench: &Bench, records: &Records) -> (Vec<String>, Vec<Outcome>) {
    bench.tree.written.lock().unwrap().clear();
    let workshop = workshop(bench, records, Duration::from_secs(60));
    let outcomes = side_by_side(plans(&bench.sysfs, records, &entries()), &workshop);
    let written = bench.tree.written.lock().unwrap().clone();
    (written, outcomes)
}

/// What the tree is like, in all that was to be set.
fn state(bench: &Bench) -> Vec<String> {
    let read = |file: &str| {
        std::fs::read_to_string(bench.sysfs.path(file))
            .unwrap_or_else(|error| error.to_string())
            .trim()
            .to_owned()
    };
    let own = |file: &str| read(&format!("bus/pci/devices/{PF}/{file}"));
    let mut state = vec![own("sriov_numvfs"), own("net/pf0/mtu"), own("net/pf0/flags")];
    for vf in 0..4 {
        let at = format!("bus/pci/devices/0000:01:10.{vf}");
        let driver = bench.sysfs.link_name(&bench.sysfs.path(format!("{at}/driver")));
        state.push(format!("{driver:?} {}", read(&format!("{at}/driver_override")).trim()));
        if vf < 2 {
            state.push(read(&format!("{at}/net/eth9/mtu")));
        }
    }
    state
}

#[test]
fn an_apply_that_is_killed_at_any_write_ends_as_if_it_had_not_been() {
    let (whole, kept) = (Bench::new(0), tempfile::tempdir().unwrap());
    let (writes, outcomes) = apply(&whole, &records(&kept));
    assert_eq!(outcomes[0].failed, None, "{writes:?}");
    assert!(writes.len() >= 12, "{writes:?}");
    let expected = state(&whole);
    let (again, outcomes) = apply(&whole, &records(&kept));
    assert!(
        again.is_empty() && outcomes.iter().all(|outcome| outcome.failed.is_none()),
        "{again:?}"
    );
    for (at, write) in writes.iter().enumerate() {
        for is_written in [false, true] {
            let (mut bench, kept) = (Bench::new(0), tempfile::tempdir().unwrap());
            bench.tree.dies = Some((at, is_written));
            let (_, outcomes) = apply(&bench, &records(&kept));
            assert!(outcomes[0].failed.is_some(), "write {at}");
            bench.tree.dies = None;
            let (second, outcomes) = apply(&bench, &records(&kept));
            assert_eq!(
                outcomes.iter().find_map(|outcome| outcome.failed.clone()),
                None,
                "{at} {is_written}: {second:?}"
            );
            assert_eq!(
                state(&bench),
                expected,
                "killed at write {at} ({write}), then {second:?}"
            );
        }
    }
}

#[test]
fn what_is_set_is_on_record_before_the_first_write_and_ours_afterwards() {
    let (mut bench, kept) = (Bench::new(0), tempfile::tempdir().unwrap());
    let pf: DeviceId = PF.parse().unwrap();
    bench.tree.dies = Some((0, false));
    apply(&bench, &records(&kept));
    let begun = records(&kept).get(&pf).unwrap().unwrap();
    assert!(begun.pending);
    assert_eq!(
        (begun.before.num_vfs, begun.before.mtu, begun.set.num_vfs),
        (Some(0), Some(1500), Some(4))
    );
    bench.tree.dies = None;
    apply(&bench, &records(&kept));
    let done = records(&kept).get(&pf).unwrap().unwrap();
    assert_eq!((done.pending, done.before), (false, begun.before));
}

#[test]
fn an_entry_that_goes_has_what_it_made_undone() {
    let (bench, kept) = (Bench::new(0), tempfile::tempdir().unwrap());
    let before = state(&bench);
    apply(&bench, &records(&kept));
    let workshop = workshop(&bench, &records(&kept), Duration::from_secs(60));
    let outcomes = side_by_side(plans(&bench.sysfs, &records(&kept), &[]), &workshop);
    assert_eq!(outcomes[0].failed, None);
    assert_eq!(state(&bench)[..2], before[..2]);
    assert_eq!(records(&kept).get(&PF.parse().unwrap()).unwrap(), None);
    assert!(plans(&bench.sysfs, &records(&kept), &[]).is_empty());
}

#[test]
fn a_write_that_hangs_is_given_up_and_keeps_no_other_pf() {
    let (mut bench, kept) = (Bench::new(0), tempfile::tempdir().unwrap());
    bench.tree.hangs = Some("sriov_numvfs");
    let records = records(&kept);
    let defaults = Defaults {
        resource_prefix: "a.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let other = json!({"pfs": [{"selectors": {"pfNames": ["pf1"]}, "mtu": 9000}]});
    let both = [entries(), Config::from_json(other, &defaults).unwrap().pfs.entries].concat();
    let planned = plans(&bench.sysfs, &records, &both);
    let mut workshop = workshop(&bench, &records, Duration::from_secs(5));
    Arc::get_mut(&mut workshop).unwrap().remaining = Box::new(|_pf| Vec::new());
    let outcomes = side_by_side(planned.clone(), &workshop);
    let why = outcomes[0].failed.as_ref().unwrap();
    assert!(why.starts_with("make 4 VFs: it hangs"), "{why}");
    assert_eq!((outcomes[1].failed.as_ref(), outcomes[1].done), (None, 1));
    // Nobody begins there a second time.
    let again = side_by_side(planned[..1].to_vec(), &workshop);
    assert_eq!(
        again[0].failed.as_deref(),
        Some("somebody else is changing it at this moment")
    );
}
