//! How the fields of a configuration are spelt.

/// The field with the pools.
pub(super) const LIST: &str = "resourceList";

/// Fields of a pool without which it takes other devices.
pub(super) const POOL_DECISIVE: [&str; 2] = ["selectors", "deviceType"];
/// The other fields of a pool.
pub(super) const POOL_HARMLESS: [&str; 14] = [
    "resourceName",
    "resourcePrefix",
    "excludeTopology",
    "additionalInfo",
    "allowNodeDevices",
    "onChange",
    "onCarrierLoss",
    "preferredAllocation",
    "requireAllocation",
    "allow",
    "attach",
    "network",
    "interface",
    "via",
];

/// Those fields of a selector that choose devices.
pub(super) const FILTERS: [&str; 20] = [
    "vendors",
    "devices",
    "drivers",
    "auxTypes",
    "pciAddresses",
    "acpiIndexes",
    "pfNames",
    "pfAltNames",
    "pfMacs",
    "rootDevices",
    "vfIndexes",
    "functions",
    "numaNodes",
    "linkTypes",
    "linkSpeeds",
    "ddpProfiles",
    "pKeys",
    "isRdma",
    "notRdma",
    "vdpaType",
];
/// All fields of a selector.
pub(super) const SELECTOR: [&str; 21] = {
    let mut all = ["needVhostNet"; 21];
    let mut index = 0;
    while index < FILTERS.len() {
        all[index] = FILTERS[index];
        index += 1;
    }
    all
};
