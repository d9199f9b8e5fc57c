use hardwire_cni::kernel::VfAttribute;

use super::super::fixture::{Bench, PF};
use super::*;
use crate::config::pfs::EswitchMode;

fn of(index: u32, change: VfChange) -> Step {
    Step::Vf { index, change }
}

fn named(driver: &str) -> VfChange {
    VfChange::Driver(WantedDriver::Named(driver.to_owned()))
}

#[test]
fn mlx5_changes_its_mode_with_vfs_that_are_bound_to_nothing() {
    let mut bench = Bench::new(0);
    let steps = [
        Step::PfMtu(9000),
        Step::MakeVfs(2),
        Step::UnbindAll,
        Step::Mode(EswitchMode::Switchdev),
        Step::ProbeAll,
        of(0, VfChange::Mtu(9000)),
        of(1, VfChange::Attributes(vec![VfAttribute::Trust(true)])),
    ];
    assert_eq!(
        bench.take(&steps),
        (
            vec![
                format!("{PF}/net/pf0/mtu = 9000"),
                format!("{PF}/sriov_numvfs = 2"),
                "drivers/vfdrv/unbind = 0000:01:10.0".to_owned(),
                "drivers/vfdrv/unbind = 0000:01:10.1".to_owned(),
                format!("{PF} switchdev"),
                "drivers_probe = 0000:01:10.0".to_owned(),
                "drivers_probe = 0000:01:10.1".to_owned(),
                "0000:01:10.0/net/eth9/mtu = 9000".to_owned(),
                "7 VF 1: trust on".to_owned(),
            ],
            None
        )
    );
}

#[test]
fn ice_changes_its_mode_without_vfs_and_bnxt_is_up_before_and_changes_it_with_them() {
    let mut bench = Bench::new(2);
    let ice = [
        Step::RemoveVfs { from: 2 },
        Step::Mode(EswitchMode::Switchdev),
        Step::MakeVfs(1),
    ];
    let (written, failed) = bench.take(&ice);
    assert_eq!(
        (written, failed),
        (
            vec![
                format!("{PF}/sriov_numvfs = 0"),
                format!("{PF} switchdev"),
                format!("{PF}/sriov_numvfs = 1")
            ],
            None
        )
    );
    let mut bench = Bench::new(0);
    let bnxt = [
        Step::Link { up: true },
        Step::MakeVfs(1),
        Step::Mode(EswitchMode::Switchdev),
    ];
    let (written, failed) = bench.take(&bnxt);
    assert_eq!(
        (written, failed),
        (
            vec![
                format!("{PF}/net/pf0/flags = 0x1003"),
                format!("{PF}/sriov_numvfs = 1"),
                format!("{PF} switchdev")
            ],
            None
        )
    );
}

#[test]
fn a_vf_is_bound_by_an_override_that_goes_again_and_what_is_bound_is_left() {
    let mut bench = Bench::new(1);
    let bind = [of(0, named("vfio-pci"))];
    let written = [
        "0000:01:10.0/driver_override = vfio-pci",
        "drivers/vfdrv/unbind = 0000:01:10.0",
        "drivers_probe = 0000:01:10.0",
        "0000:01:10.0/driver_override = ",
    ];
    assert_eq!(bench.take(&bind), (written.map(str::to_owned).to_vec(), None));
    assert_eq!(bench.take(&bind), (Vec::new(), None), "a second time writes nothing");
    let back = [of(0, VfChange::Driver(WantedDriver::Default))];
    let written = ["drivers/vfio-pci/unbind = 0000:01:10.0", "drivers_probe = 0000:01:10.0"];
    assert_eq!(bench.take(&back), (written.map(str::to_owned).to_vec(), None));
    assert_eq!(bench.take(&back), (Vec::new(), None));
}

#[test]
fn a_driver_that_takes_no_vf_is_named_and_leaves_no_override() {
    let mut bench = Bench::new(1);
    let (_, failed) = bench.take(&[of(0, named("refuses"))]);
    assert_eq!(failed.unwrap(), "refuses did not take 0000:01:10.0");
    let left = fs::read_to_string(bench.sysfs.path("bus/pci/devices/0000:01:10.0/driver_override")).unwrap();
    assert_eq!(left, "(null)\n");
}

#[test]
fn fewer_vfs_than_asked_for_are_noticed_though_the_write_succeeds() {
    let mut bench = Bench::new(0);
    bench.tree.most = 3;
    let (written, failed) = bench.take(&[Step::MakeVfs(7), of(0, VfChange::Mtu(9000))]);
    assert_eq!(written, [format!("{PF}/sriov_numvfs = 7")], "nothing more is done");
    assert_eq!(failed.unwrap(), "7 VFs were asked for, and its driver made 3");
}

#[test]
fn vectors_are_shared_out_while_nobody_drives_the_vf() {
    let mut bench = Bench::new(1);
    let steps = [
        of(0, VfChange::Msix(16)),
        of(0, VfChange::Driver(WantedDriver::Default)),
    ];
    let written = [
        "drivers/vfdrv/unbind = 0000:01:10.0",
        "0000:01:10.0/sriov_vf_msix_count = 16",
        "drivers_probe = 0000:01:10.0",
    ];
    assert_eq!(bench.take(&steps), (written.map(str::to_owned).to_vec(), None));
}

#[test]
fn what_the_kernel_refuses_is_said_with_value_and_file() {
    let mut bench = Bench::new(0);
    fs::remove_file(
        bench
            .sysfs
            .path(format!("bus/pci/devices/{PF}/sriov_drivers_autoprobe")),
    )
    .unwrap();
    let (_, failed) = bench.take(&[Step::Autoprobe(false)]);
    let failed = failed.unwrap();
    assert!(
        failed.starts_with("\"0\" to ") && failed.contains("sriov_drivers_autoprobe: No such file"),
        "{failed}"
    );
}
