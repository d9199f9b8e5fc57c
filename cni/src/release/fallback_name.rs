//! The name of an interface whose own is taken on the host.
//!
//! A release ends with it: the device goes by it from then on. It is made of the device's id, so that the daemon and a
//! later release know it for one.

use hardwire_pci::{DeviceId, IfName};

/// How many names a device has in reserve, should even one be taken.
const RESERVE: u32 = 8;
/// Of the id itself, so that a person recognises the device.
const TAIL: usize = 6;

/// Names that no other device gets, in the order in which they are tried: made of the whole id, within 15 bytes.
pub(super) fn fallback_names(id: &DeviceId) -> impl Iterator<Item = IfName> {
    let id = id.to_string();
    (0..RESERVE).filter_map(move |turn| {
        let text: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let tail = text.get(text.len().saturating_sub(TAIL)..).unwrap_or_default();
        // Letters and digits, at most 15 of them: always a name.
        format!("hw{tail}{}", base36(fnv1a(&format!("{id}#{turn}"))))
            .parse()
            .ok()
    })
}

/// The first of the names that a device gets when its own is taken.
pub fn fallback_name(id: &DeviceId) -> Option<IfName> {
    fallback_names(id).next()
}

/// Whether an interface has its name only because another one of the host had the device's.
pub fn is_fallback_name(id: &DeviceId, name: &str) -> bool {
    fallback_names(id).any(|fallback_name| fallback_name.as_str() == name)
}

/// FNV-1a, 32 bits: the same in each release, which the standard library's hashes do not promise.
fn fnv1a(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

/// Seven digits, which hold 32 bits.
fn base36(mut number: u32) -> String {
    let mut digits = [b'0'; 7];
    for digit in digits.iter_mut().rev() {
        let value = u8::try_from(number % 36).unwrap_or_default();
        *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
        number /= 36;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rule_6_two_devices_share_no_fallback_name() {
        let ids = [
            "net/veth_0",
            "net/veth0",
            "net/vet.h0",
            "net/a23456789012345",
            "net/b23456789012345",
            "0000:01:00.2",
            "1000:10:00.2",
            "0000:3b:00.0",
            "0000:3b:00.0/p1",
            "netdevsim10/pf0vf1",
            "netdevsim1/pf0vf1",
            "mlx5_core.sf.4",
        ];
        let ids = ids.map(|id| id.parse::<DeviceId>().unwrap());
        let names: Vec<IfName> = ids.iter().flat_map(fallback_names).collect();
        let distinct: HashSet<&str> = names.iter().map(IfName::as_str).collect();
        assert_eq!(distinct.len(), ids.len() * RESERVE as usize);
        for (id, name) in ids.iter().zip(names.chunks(RESERVE as usize)) {
            assert!(name.iter().all(|name| is_fallback_name(id, name.as_str())));
            assert!(!is_fallback_name(&"net/other".parse().unwrap(), name[0].as_str()));
        }
    }
}
