//! What cannot be had: said with the limit, and the PF is left alone.

use hardwire_pci::netlink::VlanProtocol;

use super::super::traits::{ModeChange, Traits};
use super::{Around, PfPlan};
use crate::config::pfs::{EswitchMode, VfGroup, VfWanted, WantedDriver};

/// Says of each wish that cannot be fulfilled why.
pub(super) fn check(plan: &mut PfPlan, traits: &Traits, around: &Around<'_>) {
    let Some(driver) = plan.pf.identity.driver.clone() else {
        let why = "no driver is bound to it: load its module (modprobe MODULE; echo MODULE \
                   >>/etc/modules-load.d/hardwire.conf), which hardwired has no right to do"
            .to_owned();
        plan.refused.push(why);
        return;
    };
    if let Some(never) = Traits::never(&driver) {
        plan.refused.push(format!("{driver}: {never}"));
        return;
    }
    let mut refused = Vec::new();
    of_pf(plan, traits, &driver, &mut refused);
    for group in &plan.settings.vfs {
        of_group(plan, group, traits, &driver, around, &mut refused);
    }
    plan.refused.extend(refused);
}

fn of_pf(plan: &PfPlan, traits: &Traits, driver: &str, refused: &mut Vec<String>) {
    let (pf, settings, said_by) = (&plan.pf, &plan.settings, &plan.said_by);
    if let (Some(wanted), Some(total)) = (settings.num_vfs, pf.total_vfs)
        && wanted > total
    {
        refused.push(format!(
            "{said_by}: numVfs is {wanted}: it has at most {total} (sriov_totalvfs)"
        ));
    }
    if let (Some(mtu), Some((least, most))) = (settings.mtu, pf.mtu_range)
        && (mtu < least || most > 0 && mtu > most)
    {
        refused.push(format!("{said_by}: mtu is {mtu}: its driver takes {least} to {most}"));
    }
    if pf.interface.is_none() && (settings.mtu.is_some() || settings.link_up.is_some()) {
        refused.push(format!(
            "{said_by}: mtu and linkUp are said, and it has no interface in the host's namespace"
        ));
    }
    if settings.eswitch_mode == Some(EswitchMode::Switchdev) {
        if traits.mode == ModeChange::Never {
            refused.push(format!(
                "{said_by}: eswitchMode is switchdev: {driver} has no such switch"
            ));
        } else if pf.mode.is_none() {
            refused.push(format!(
                "{said_by}: eswitchMode is switchdev: devlink knows of no switch in it"
            ));
        }
    }
}

fn of_group(
    plan: &PfPlan,
    group: &VfGroup,
    traits: &Traits,
    driver: &str,
    around: &Around<'_>,
    refused: &mut Vec<String>,
) {
    let (pf, settings, said_by) = (&plan.pf, &plan.settings, &plan.said_by);
    let (at, wanted) = (&group.at, &group.wanted);
    let mut refuse = |field: &str, why: &str| refused.push(format!("{said_by}: {at}.{field}: {why}"));
    let count = settings.num_vfs.unwrap_or(pf.num_vfs);
    if group.indices.last() >= count {
        refuse(
            "indices",
            &format!("VF {} is wanted, and it has {count} VFs", group.indices.last()),
        );
    }
    for refuses in traits.refuses.iter().filter(|refuses| is_said(wanted, refuses.field)) {
        refuse(refuses.field, &format!("{driver}: {}", refuses.because));
    }
    let mode = settings.eswitch_mode.or(pf.mode);
    let has_rates = wanted.min_tx_rate.is_some() || wanted.max_tx_rate.is_some();
    if traits.no_rates_in_switchdev && has_rates && mode == Some(EswitchMode::Switchdev) {
        refuse("maxTxRate", &format!("{driver} sets no rates of VFs in mode switchdev"));
    }
    if !traits.has_functions {
        for field in ["driver", "mtu", "msixCount"]
            .into_iter()
            .filter(|field| is_said(wanted, field))
        {
            refuse(field, &format!("VFs of {driver} are no functions of their own"));
        }
    }
    if let Some(WantedDriver::Named(name)) = &wanted.driver
        && traits.has_functions
        && !(around.has_driver)(name)
    {
        refuse(
            "driver",
            &format!(
                "the kernel has no driver {name}: load it (modprobe {name}; echo {name} >>/etc/modules-load.d/hardwire.conf), which \
                 hardwired has no right to do"
            ),
        );
    }
}

/// Whether a group says something in a field that a driver may refuse.
fn is_said(wanted: &VfWanted, field: &str) -> bool {
    match field {
        "vlanProto" => wanted.vlan.is_some_and(|vlan| vlan.protocol == VlanProtocol::Dot1Ad),
        "minTxRate" => wanted.min_tx_rate.is_some_and(|rate| rate > 0),
        "maxTxRate" => wanted.max_tx_rate.is_some(),
        "linkState" => wanted.link_state.is_some(),
        "msixCount" => wanted.msix_count.is_some(),
        "driver" => wanted.driver.is_some(),
        "mtu" => wanted.mtu.is_some(),
        _ => false,
    }
}
