//! What a pool wants beyond its devices: for containers, and when something changes.

use hardwire_pci::{BaseClass, Device, Function, VdpaDriver};

/// What kind of device a pool holds; upstream's `deviceType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceType {
    /// `netDevice`: PCI functions of class 02.
    #[default]
    NetDevice,
    /// `accelerator`: PCI functions of class 12.
    Accelerator,
    /// `auxNetDevice`: subfunctions on the auxiliary bus.
    AuxNetDevice,
}

/// What a device of a selector is given out with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// `isRdma`: the character devices of its RDMA devices.
    pub rdma: bool,
    /// `needVhostNet`: `/dev/vhost-net` and `/dev/net/tun`.
    pub vhost_net: bool,
    /// `vdpaType`: the character device of its vDPA device.
    pub vdpa: Option<VdpaDriver>,
}

/// What a change that somebody made on a free device means: `onChange`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnChange {
    /// `unhealthy`: the device is not given out until it is right again, or the change is adopted.
    #[default]
    Unhealthy,
    /// `adopt`: it is the device's new idle state.
    Adopt,
}

/// What a PF without carrier means for its VFs: `onCarrierLoss`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCarrierLoss {
    /// `ignore`.
    #[default]
    Ignore,
    /// `unhealthy`.
    Unhealthy,
}

/// Which devices the kubelet is advised to take: `preferredAllocation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Placement {
    /// `spread`: over as many PFs as there are.
    #[default]
    Spread,
    /// `pack`: on as few PFs as possible.
    Pack,
    /// `pairs`: in twos, each on two PFs, for bonds.
    Pairs,
}

// === impl DeviceType ===

impl DeviceType {
    pub(super) const WORDS: [(&str, Self); 3] = [
        (Self::NetDevice.word(), Self::NetDevice),
        (Self::Accelerator.word(), Self::Accelerator),
        (Self::AuxNetDevice.word(), Self::AuxNetDevice),
    ];

    /// How a configuration calls it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NetDevice => "netDevice",
            Self::Accelerator => "accelerator",
            Self::AuxNetDevice => "auxNetDevice",
        }
    }

    /// The type of a device.
    pub fn of(device: &Device) -> Self {
        match (&device.function, BaseClass::of(device.class)) {
            (Function::Sf { .. }, _) => Self::AuxNetDevice,
            (_, Some(BaseClass::Accelerator)) => Self::Accelerator,
            (_, Some(BaseClass::Network) | None) => Self::NetDevice,
        }
    }
}

impl OnChange {
    pub(super) const WORDS: [(&str, Self); 2] = [("unhealthy", Self::Unhealthy), ("adopt", Self::Adopt)];
}

impl OnCarrierLoss {
    pub(super) const WORDS: [(&str, Self); 2] = [("ignore", Self::Ignore), ("unhealthy", Self::Unhealthy)];
}

impl Placement {
    pub(super) const WORDS: [(&str, Self); 3] =
        [("spread", Self::Spread), ("pack", Self::Pack), ("pairs", Self::Pairs)];
}
