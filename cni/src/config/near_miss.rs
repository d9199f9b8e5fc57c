//! Keys that are almost one of ours: `max-tx-rate`, `spoofcheck`, `vlanId`.
//!
//! Go ignores unknown keys, so a slip of the pen meant "no limit" or "no check" and nobody was told. Keys that resemble
//! nothing are other plugins' and stay ignored.

use crate::protocol::{CniError, Folded};

/// Every key that means something here, or that CNI, Multus, sriov-cni or host-device put into a configuration.
const KNOWN: &[&str] = &[
    "allmulti",
    "allowNodeDevice",
    "args",
    "bandwidth",
    "capabilities",
    "cniVersion",
    "device",
    "deviceID",
    "dns",
    "DPDKMode",
    "hwaddr",
    "ingress",
    "ipam",
    "kernelpath",
    "link_state",
    "logFile",
    "logLevel",
    "mac",
    "Master",
    "max_tx_rate",
    "min_tx_rate",
    "mtu",
    "name",
    "OrigVfState",
    "pciBusID",
    "prevResult",
    "promisc",
    "resourceName",
    "runtimeConfig",
    "spoofchk",
    "trust",
    "type",
    "VFID",
    "vlan",
    "vlanProto",
    "vlanQoS",
    "vlanTrunk",
];

/// Other words for a field that are too far from its name to be found by likeness.
const MEANT: &[(&str, &str)] = &[
    ("macaddress", "mac"),
    ("macaddr", "mac"),
    ("maxrate", "max_tx_rate"),
    ("minrate", "min_tx_rate"),
    ("pciaddress", "deviceID"),
    ("spoofcheck", "spoofchk"),
    ("vlanid", "vlan"),
    ("vlanpriority", "vlanQoS"),
    ("vlanprotocol", "vlanProto"),
];

/// Keys that are somebody's and only look like ours.
const INNOCENT: &[&str] = &["vf", "ips", "pf", "types", "names", "devices"];

pub(super) fn check(fields: Folded<'_>) -> Result<(), CniError> {
    for key in fields.keys() {
        if let Some(meant) = meant(key) {
            return Err(CniError::config(format!(
                "{key}: unknown field, and almost {meant}: is that what is meant?"
            )));
        }
    }
    Ok(())
}

fn meant(key: &str) -> Option<&'static str> {
    if key.starts_with("cni.dev/")
        || KNOWN
            .iter()
            .chain(INNOCENT)
            .any(|known| known.eq_ignore_ascii_case(key))
    {
        return None;
    }
    let plain = plain(key);
    if let Some((_, meant)) = MEANT.iter().find(|(word, _)| *word == plain) {
        return Some(meant);
    }
    let distances = KNOWN
        .iter()
        .map(|known| (distance(&plain, &self::plain(known)), *known));
    let (distance, nearest) = distances.min()?;
    // One slip in a short word makes another word; longer ones stay what they are with two.
    let allowed = match self::plain(nearest).len() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    (distance <= allowed).then_some(nearest)
}

fn plain(key: &str) -> String {
    key.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' ' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// How many insertions, deletions, replacements and swaps of neighbours lie between two words (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        for (key, expected) in [
            ("max-tx-rate", "max_tx_rate"),
            ("maxTxRate", "max_tx_rate"),
            ("min-tx-rate", "min_tx_rate"),
            ("max_tx_rates", "max_tx_rate"),
            ("spoofcheck", "spoofchk"),
            ("spoof_chk", "spoofchk"),
            ("linkstate", "link_state"),
            ("vlan_id", "vlan"),
            ("vlna", "vlan"),
            ("vlanQos ", "vlanQoS"),
            ("turst", "trust"),
            ("device_id", "deviceID"),
            ("macAddress", "mac"),
        ] {
            assert_eq!(meant(key), Some(expected), "{key}");
        }
        for key in [
            "VLAN",
            "Spoofchk",
            "vf",
            "foo",
            "cni.dev/foo",
            "sysctl",
            "mode",
            "master",
            "isGateway",
            "x",
            "rdma",
            "metaPlugin",
            "ipMasq",
        ] {
            assert_eq!(meant(key), None, "{key}");
        }
    }
}
