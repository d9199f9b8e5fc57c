//! The steps of a PF, in the one order that is right for all drivers but for when the mode of the switch changes.

use super::super::now::{PfNow, VfNow};
use super::super::step::Step;
use super::super::traits::{ModeChange, Traits};
use super::{Around, PfPlan, vf};
use crate::config::pfs::{EswitchMode, PfSettings};

/// What changes on the PF itself.
struct Changes {
    count: u32,
    /// The mode that there is to be, where it is not that now or does not stay.
    mode: Option<EswitchMode>,
    /// There are other VFs than before, or they are like new.
    vfs_are_new: bool,
    removes: bool,
    makes: bool,
    mtu: Option<u32>,
}

/// All steps; what differs is told too.
pub(super) fn steps(plan: &mut PfPlan, traits: &Traits, around: &Around<'_>) -> Vec<Step> {
    let (pf, settings) = (plan.pf.clone(), plan.settings.clone());
    differences(plan, &pf, &settings);
    let changes = if settings.externally_managed {
        plan.waiting.extend(
            plan.differences
                .iter()
                .map(|difference| format!("{}: somebody else makes its VFs (externallyManaged)", difference.text)),
        );
        Changes::none(&pf)
    } else {
        Changes::of(&pf, &settings, traits)
    };
    let mut steps = before_vfs(&pf, &settings, &changes, traits);
    if changes.removes {
        steps.push(Step::RemoveVfs { from: pf.num_vfs });
    }
    let is_raised = changes.mtu.is_some_and(|mtu| pf.mtu.is_none_or(|now| mtu > now));
    let mtu_first = changes.vfs_are_new || is_raised;
    steps.extend(changes.mtu.filter(|_| mtu_first).map(Step::PfMtu));
    if traits.mode == ModeChange::WithoutVfs {
        steps.extend(changes.mode.map(Step::Mode));
    }
    if changes.makes {
        steps.push(Step::MakeVfs(changes.count));
    }
    with_vfs(&mut steps, &changes, &settings, &pf, traits);
    let was_left = around.record.is_some_and(|record| record.pending);
    if was_left && !changes.vfs_are_new && has_unbound(&pf, &settings) {
        steps.push(Step::ProbeAll);
    }
    let mut of_vfs = Vec::new();
    for index in 0..changes.count {
        if let Some(wanted) = settings.vf(index) {
            let now = pf.vf(index).filter(|_| !changes.vfs_are_new);
            of_vfs.extend(vf::steps(plan, index, wanted, now, around));
        }
    }
    // Of all VFs one thing after the other, which is the same for most of them.
    of_vfs.sort_by_key(|(phase, _)| *phase);
    steps.extend(of_vfs.into_iter().map(|(_, step)| step));
    steps.extend(changes.mtu.filter(|_| !mtu_first).map(Step::PfMtu));
    if settings.link_up == Some(false) && pf.is_up == Some(true) {
        steps.push(Step::Link { up: false });
    }
    steps
}

/// Whether VFs of which no driver is said have none, though they would get one.
fn has_unbound(pf: &PfNow, settings: &PfSettings) -> bool {
    let is_unbound = |vf: &VfNow| vf.id.is_some() && vf.driver.is_none();
    let is_free_to_be = |vf: &VfNow| settings.vf(vf.index).is_none_or(|wanted| wanted.driver.is_none());
    let binds = settings.drivers_autoprobe.or(pf.autoprobe) != Some(false);
    binds && pf.vfs.iter().any(|vf| is_unbound(vf) && is_free_to_be(vf))
}

fn differences(plan: &mut PfPlan, pf: &PfNow, settings: &PfSettings) {
    if let Some(wanted) = settings.num_vfs.filter(|wanted| *wanted != pf.num_vfs) {
        plan.differs(None, format!("numVfs is {}, and {wanted} wanted", pf.num_vfs));
    }
    if let Some(wanted) = settings.mtu.filter(|wanted| Some(*wanted) != pf.mtu) {
        let now = pf.mtu.map_or_else(|| "not known".to_owned(), |mtu| mtu.to_string());
        plan.differs(None, format!("mtu is {now}, and {wanted} wanted"));
    }
    if let (Some(wanted), Some(now)) = (settings.eswitch_mode, pf.mode)
        && wanted != now
    {
        plan.differs(
            None,
            format!("eswitchMode is {}, and {} wanted", now.word(), wanted.word()),
        );
    }
    if let (Some(wanted), Some(now)) = (settings.drivers_autoprobe, pf.autoprobe)
        && wanted != now
    {
        plan.differs(None, format!("driversAutoprobe is {now}, and {wanted} wanted"));
    }
    if let (Some(wanted), Some(now)) = (settings.link_up, pf.is_up)
        && wanted != now
    {
        plan.differs(None, format!("linkUp is {now}, and {wanted} wanted"));
    }
}

/// What is done before VFs are touched: the PF up, and whether new VFs are bound.
fn before_vfs(pf: &PfNow, settings: &PfSettings, changes: &Changes, traits: &Traits) -> Vec<Step> {
    let mut steps = Vec::new();
    let is_down = pf.is_up == Some(false);
    let for_vfs = traits.wants_pf_up && changes.makes;
    if is_down && (for_vfs || settings.link_up == Some(true)) {
        steps.push(Step::Link { up: true });
    }
    let autoprobe = settings.drivers_autoprobe;
    steps.extend(
        autoprobe
            .filter(|wanted| pf.autoprobe == Some(!wanted))
            .map(Step::Autoprobe),
    );
    steps
}

/// The mode, on a switch that changes it with VFs.
fn with_vfs(steps: &mut Vec<Step>, changes: &Changes, settings: &PfSettings, pf: &PfNow, traits: &Traits) {
    let Some(mode) = changes.mode else { return };
    match traits.mode {
        ModeChange::Never | ModeChange::WithoutVfs => {}
        ModeChange::WithVfs => steps.push(Step::Mode(mode)),
        ModeChange::WithVfsUnbound if changes.count == 0 => steps.push(Step::Mode(mode)),
        ModeChange::WithVfsUnbound => {
            steps.extend([Step::UnbindAll, Step::Mode(mode)]);
            if settings.drivers_autoprobe.or(pf.autoprobe) != Some(false) {
                steps.push(Step::ProbeAll);
            }
        }
    }
}

// === impl Changes ===

impl Changes {
    fn none(pf: &PfNow) -> Self {
        Self {
            count: pf.num_vfs,
            mode: None,
            vfs_are_new: false,
            removes: false,
            makes: false,
            mtu: None,
        }
    }

    fn of(pf: &PfNow, settings: &PfSettings, traits: &Traits) -> Self {
        let count = settings.num_vfs.unwrap_or(pf.num_vfs);
        let other_mode = settings
            .eswitch_mode
            .filter(|mode| pf.mode.is_some_and(|now| now != *mode));
        let count_changes = count != pf.num_vfs;
        let for_mode = other_mode.is_some() && traits.mode == ModeChange::WithoutVfs;
        let removes = pf.num_vfs > 0 && (count_changes || for_mode);
        let makes = count > 0 && (count_changes || removes);
        // A mode that the last VF takes with it is set again.
        let stays = settings
            .eswitch_mode
            .or(pf.mode)
            .filter(|_| removes && traits.mode_goes_with_vfs);
        let stays = stays.filter(|mode| *mode == EswitchMode::Switchdev && makes);
        let mode = other_mode.or(stays).filter(|_| traits.mode != ModeChange::Never);
        Self {
            count,
            mode,
            vfs_are_new: removes || makes || mode.is_some(),
            removes,
            makes,
            mtu: settings.mtu.filter(|mtu| Some(*mtu) != pf.mtu),
        }
    }
}
