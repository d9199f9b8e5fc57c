//! The keys of a configuration that are known, and what they are for.
//!
//! Everything else on stdin is somebody else's: it is passed over when stdin is read, and costs nothing.

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It decides what happens to a device or which addresses it gets, or is refused because it cannot.
    Acts,
    /// It frames the configuration, or is another program's.
    Frame,
}

/// Every key that means something here, or that CNI, Multus, sriov-cni, ib-sriov-cni or host-device put into a configuration.
pub(super) const KNOWN: &[(&str, Role)] = &[
    ("allmulti", Role::Acts),
    ("allowNodeDevice", Role::Acts),
    ("args", Role::Frame),
    ("attach", Role::Acts),
    ("bandwidth", Role::Acts),
    ("capabilities", Role::Frame),
    ("cni.dev/attachments", Role::Frame),
    ("cni.dev/valid-attachments", Role::Frame),
    ("cniVersion", Role::Frame),
    ("device", Role::Acts),
    ("deviceID", Role::Acts),
    ("dns", Role::Acts),
    ("DPDKMode", Role::Frame),
    ("guid", Role::Acts),
    ("hwaddr", Role::Acts),
    ("ibKubernetesEnabled", Role::Acts),
    ("ingress", Role::Acts),
    ("ipam", Role::Acts),
    ("kernelpath", Role::Acts),
    ("link_state", Role::Acts),
    ("logFile", Role::Frame),
    ("logLevel", Role::Frame),
    ("mac", Role::Acts),
    ("Master", Role::Frame),
    ("max_tx_rate", Role::Acts),
    ("min_tx_rate", Role::Acts),
    ("mtu", Role::Acts),
    ("name", Role::Frame),
    ("OrigVfState", Role::Frame),
    ("pciBusID", Role::Acts),
    ("pkey", Role::Acts),
    ("prevResult", Role::Frame),
    ("promisc", Role::Acts),
    ("rdmaIsolation", Role::Acts),
    ("reportIps", Role::Acts),
    ("resourceName", Role::Frame),
    ("runtimeConfig", Role::Acts),
    ("spoofchk", Role::Acts),
    ("trust", Role::Acts),
    ("type", Role::Frame),
    ("VFID", Role::Frame),
    ("vlan", Role::Acts),
    ("vlanProto", Role::Acts),
    ("vlanQoS", Role::Acts),
    ("vlanTrunk", Role::Acts),
];

/// The key that a text spells, in any case.
pub(super) fn known(key: &str) -> Option<&'static str> {
    // Of many keys few are as long as one of ours.
    let mut names = KNOWN
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| name.len() == key.len());
    names.find(|name| name.eq_ignore_ascii_case(key))
}
