//! What a device is called in the API: a DNS label that is the same as long as its id is.

use hardwire_pci::DeviceId;

/// A DNS label (RFC 1123).
const LONGEST: usize = 63;
/// What is kept of one that is too long, or that others may be like.
const KEPT: usize = 50;

/// The device's name in its pool: its id with `-` for what a label has not. One that has such already, or is too long, gets a
/// number that tells it from others.
pub fn device_name(id: &DeviceId) -> String {
    let text = id.to_string();
    let plain = |letter: char| {
        let letter = letter.to_ascii_lowercase();
        if letter.is_ascii_alphanumeric() { letter } else { '-' }
    };
    let mut name: String = text.chars().map(plain).collect();
    let is_ambiguous = text.contains(['-', '_']) || text.chars().any(|letter| letter.is_ascii_uppercase());
    if is_ambiguous || name.len() > LONGEST {
        name.truncate(KEPT);
        let name = name.trim_matches('-');
        return format!("{name}-{:08x}", number(&text));
    }
    name
}

/// FNV-1a, 32 bits: the same in each release.
fn number(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(id: &str) -> String {
        device_name(&id.parse().unwrap())
    }

    #[test]
    fn a_device_has_one_name_and_no_two_have_the_same() {
        assert_eq!(name("0000:3b:02.1"), "0000-3b-02-1");
        assert_eq!(name("0000:3b:00.0/p1"), "0000-3b-00-0-p1");
        assert_eq!(name("netdevsim10/pf0vf1"), "netdevsim10-pf0vf1");
        let alike = [
            "mlx5_core.sf.4",
            "mlx5-core.sf.4",
            "net/veth-0",
            "net/veth_0",
            "net/Veth_0",
            "net/veth0",
        ];
        let mut names: Vec<String> = alike.iter().map(|id| name(id)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), alike.len(), "{names:?}");
        let long = format!("{}.sf.4", "a".repeat(70));
        for name in names.into_iter().chain([name(&long)]) {
            let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(name.len() <= LONGEST && name.bytes().all(is_inner), "{name}");
            assert!(!name.starts_with('-') && !name.ends_with('-'), "{name}");
        }
    }
}
