//! Keys that are almost one of ours: `max-tx-rate`, `spoofcheck`, `vlanId`.
//!
//! Go ignores unknown keys, so a slip of the pen meant "no limit" or "no check" and nobody was told. Keys that resemble
//! nothing are other plugins' and stay ignored. Those that resemble a key which does nothing to a device are ignored too, with
//! a line in the log.

use strsim::osa_distance;

use super::keys::{KNOWN, Role, known};
use crate::protocol::CniError;

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

/// Refuses a key that is almost one which does something; one that is almost another is logged.
pub(super) fn check(strangers: &[String]) -> Result<(), CniError> {
    for key in strangers {
        match meant(key) {
            Some((meant, Role::Acts)) => {
                let msg = format!("{key}: unknown field, and almost {meant}: is that what is meant?");
                return Err(CniError::config(msg));
            }
            Some((meant, Role::Frame)) => tracing::warn!("{}", almost(key, meant)),
            None => {}
        }
    }
    Ok(())
}

/// What is said of a key that does nothing, for people who ask: those that resemble nothing too.
pub(super) fn without_effect(key: &str) -> Option<String> {
    match meant(key) {
        Some((_, Role::Acts)) => None,
        Some((meant, Role::Frame)) => Some(almost(key, meant)),
        None => Some(format!("{key}: unknown field: it is ignored")),
    }
}

fn almost(key: &str, meant: &str) -> String {
    format!("{key}: unknown field, and almost {meant}: it is ignored")
}

fn meant(key: &str) -> Option<(&'static str, Role)> {
    let innocent = || INNOCENT.iter().any(|name| name.eq_ignore_ascii_case(key));
    if key.starts_with("cni.dev/") || known(key).is_some() || innocent() {
        return None;
    }
    let role = |meant: &str| KNOWN.iter().find(|(name, _)| *name == meant).copied();
    let plain = plain(key);
    if let Some((_, meant)) = MEANT.iter().find(|(word, _)| *word == plain) {
        return role(meant);
    }
    let near = KNOWN.iter().filter_map(|(name, role)| {
        let word = self::plain(name);
        if word.len() <= 3 && plain.strip_suffix('s') == Some(&word) {
            // The plural of a short word may be another plugin's list as well.
            return Some((1, *name, Role::Frame));
        }
        // One slip in a short word makes another word; longer ones stay what they are with two.
        let allowed = match word.len() {
            0..=3 => 0,
            4..=7 => 1,
            _ => 2,
        };
        if word.len().abs_diff(plain.len()) > allowed {
            return None;
        }
        let distance = osa_distance(&plain, &word);
        (distance <= allowed).then_some((distance, *name, *role))
    });
    // What does something comes first where two are as near.
    let nearest = near.min_by_key(|(distance, name, role)| (*distance, *role == Role::Frame, *name))?;
    Some((nearest.1, nearest.2))
}

fn plain(key: &str) -> String {
    key.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' ' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
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
            assert_eq!(meant(key), Some((expected, Role::Acts)), "{key}");
        }
        for key in [
            "log_level",
            "masters",
            "resourceNames",
            "logfile_",
            "prev_result",
            "cni_version",
            "arg",
            "mtus",
            "MACs",
            "dnss",
        ] {
            assert!(matches!(meant(key), Some((_, Role::Frame))), "{key}");
        }
        for key in [
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
