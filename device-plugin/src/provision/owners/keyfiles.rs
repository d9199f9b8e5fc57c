//! Files with sections, of systemd and of NetworkManager.

use super::Claim;

/// What a file claims; none where it makes no VFs.
pub(super) fn claim(text: &str, by: &str) -> Option<Claim> {
    let mut claim = Claim {
        by: by.to_owned(),
        ..Claim::default()
    };
    let (mut section, mut makes_vfs) = ("", false);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            makes_vfs |= name == "SR-IOV" || name == "sriov";
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) else {
            continue;
        };
        let words = || value.split_whitespace().map(|word| word.trim_matches('"').to_owned());
        match (section, key.trim()) {
            ("Match", "Name" | "OriginalName") | ("connection", "interface-name") => claim.names.extend(words()),
            ("Match", "MACAddress" | "PermanentMACAddress") => {
                claim.macs.extend(words().map(|mac| mac.to_ascii_lowercase()));
            }
            ("ethernet", "mac-address") => claim.macs.extend(words().map(|mac| mac.to_ascii_lowercase())),
            ("Match", "Driver") => claim.drivers.extend(words()),
            ("Match", "Path") => claim.paths.extend(words()),
            ("Link", "SR-IOVVirtualFunctions") => makes_vfs = true,
            _ => {}
        }
    }
    makes_vfs.then_some(claim)
}
