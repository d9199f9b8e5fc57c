//! What is particular to the driver of a PF, as data: the plan knows no driver by name.
//!
//! Contract: each driver's source in the kernel. `ice_eswitch.c`: the mode changes only without VFs; `mlx5/core/sriov.c` and
//! `eswitch_offloads.c`: it changes with VFs that are bound to nothing; `bnxt_vfr.c`: with VFs; `netdevsim/dev.c`: with VFs, and the
//! last one that goes takes the mode with it; `bnxt_sriov.c`: nothing happens while the PF is down, and success is said.

/// When the mode of the switch can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModeChange {
    /// Never: there is no such switch.
    Never,
    /// While there are no VFs.
    WithoutVfs,
    /// While there are VFs; without any it is `legacy`.
    WithVfs,
    /// The same, and none of them is bound to a driver.
    WithVfsUnbound,
}

/// An attribute of VFs that a driver is known to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refuses {
    /// The field of the configuration.
    pub field: &'static str,
    /// Why, and what would be right.
    pub because: &'static str,
}

/// What a plan has to know of a driver.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a trait of its own, which drivers have in all combinations"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// Its name; empty for those that are not known.
    pub driver: &'static str,
    /// Without the PF being up, its VFs come to nothing.
    pub wants_pf_up: bool,
    /// Making or removing VFs resets the PF, whose link is down for a moment.
    pub resets_pf: bool,
    /// Another MTU resets the PF, and with it all VFs.
    pub mtu_resets_pf: bool,
    /// When the mode of the switch can be changed.
    pub mode: ModeChange,
    /// The last VF that goes takes mode `switchdev` with it.
    pub mode_goes_with_vfs: bool,
    /// In mode `switchdev` rates are not set through the PF.
    pub no_rates_in_switchdev: bool,
    /// VFs come with interfaces or as functions that drivers bind to; netdevsim's, in legacy mode, are neither.
    pub has_functions: bool,
    /// What it refuses of VFs.
    pub refuses: &'static [Refuses],
    /// Milliseconds until VFs are there: in all, and for each.
    pub takes: (u32, u32),
}

const ONLY_8021Q: Refuses = Refuses {
    field: "vlanProto",
    because: "its driver knows 802.1q only",
};
const NO_MIN_RATE: Refuses = Refuses {
    field: "minTxRate",
    because: "its driver guarantees no rate: only maxTxRate can be set",
};
const NO_LINK_STATE: Refuses = Refuses {
    field: "linkState",
    because: "its driver cannot set it: a VF has the PF's link state",
};
const NO_MSIX: Refuses = Refuses {
    field: "msixCount",
    because: "its driver shares out no vectors",
};

/// The general order: the mode while there are no VFs, which is right or refused on every switch but mlx5's and bnxt's.
const GENERAL: Traits = Traits {
    driver: "",
    wants_pf_up: false,
    resets_pf: false,
    mtu_resets_pf: false,
    mode: ModeChange::WithoutVfs,
    mode_goes_with_vfs: false,
    no_rates_in_switchdev: false,
    has_functions: true,
    refuses: &[],
    takes: (1_000, 350),
};

const KNOWN: [Traits; 7] = [
    Traits {
        driver: "igb",
        wants_pf_up: true,
        resets_pf: true,
        mtu_resets_pf: true,
        mode: ModeChange::Never,
        refuses: &[NO_LINK_STATE, NO_MIN_RATE, ONLY_8021Q, NO_MSIX],
        ..GENERAL
    },
    Traits {
        driver: "ixgbe",
        resets_pf: true,
        mtu_resets_pf: true,
        mode: ModeChange::Never,
        refuses: &[NO_MIN_RATE, ONLY_8021Q, NO_MSIX],
        ..GENERAL
    },
    Traits {
        driver: "i40e",
        resets_pf: true,
        mtu_resets_pf: true,
        mode: ModeChange::Never,
        refuses: &[NO_MIN_RATE, ONLY_8021Q, NO_MSIX],
        ..GENERAL
    },
    Traits {
        driver: "ice",
        mode: ModeChange::WithoutVfs,
        ..GENERAL
    },
    Traits {
        driver: "mlx5_core",
        mode: ModeChange::WithVfsUnbound,
        ..GENERAL
    },
    Traits {
        driver: "bnxt_en",
        wants_pf_up: true,
        mode: ModeChange::WithVfs,
        refuses: &[NO_MSIX],
        ..GENERAL
    },
    Traits {
        driver: "netdevsim",
        mode: ModeChange::WithVfs,
        mode_goes_with_vfs: true,
        no_rates_in_switchdev: true,
        has_functions: false,
        refuses: &[NO_MSIX],
        takes: (100, 5),
        ..GENERAL
    },
];

/// A driver that takes the number of its VFs from a parameter of its module, and from nothing else.
const BY_PARAMETER: [(&str, &str); 1] = [(
    "mlx4_core",
    "its VFs are made by the module's parameters num_vfs and probe_vf, when it is loaded",
)];

// === impl Traits ===

impl Traits {
    /// Those of a driver; the general ones where it is not known.
    pub fn of(driver: &str) -> &'static Self {
        KNOWN.iter().find(|traits| traits.driver == driver).unwrap_or(&GENERAL)
    }

    /// Whether they are of this driver in particular.
    pub fn is_known(&self) -> bool {
        !self.driver.is_empty()
    }

    /// Why nothing can be made with a driver.
    pub fn never(driver: &str) -> Option<&'static str> {
        let mut by_parameter = BY_PARAMETER.iter();
        by_parameter
            .find(|(name, _)| *name == driver)
            .map(|(_, because)| *because)
    }

    /// Seconds until so many VFs are there, rounded up.
    pub fn seconds(&self, vfs: u32) -> u32 {
        let (all, each) = self.takes;
        all.saturating_add(each.saturating_mul(vfs)).div_ceil(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_is_not_known_has_the_general_order() {
        let traits = Traits::of("qede");
        assert!(!traits.is_known() && traits.mode == ModeChange::WithoutVfs && traits.refuses.is_empty());
        assert!(Traits::of("igb").is_known() && Traits::of("igb").wants_pf_up);
        assert!(Traits::never("mlx4_core").is_some() && Traits::never("igb").is_none());
    }

    #[test]
    fn what_is_expected_of_64_vfs_of_i40e_is_what_was_measured_once() {
        // nmstate's issue 1704: 22 s.
        assert!(Traits::of("i40e").seconds(64).abs_diff(22) <= 2);
    }
}
