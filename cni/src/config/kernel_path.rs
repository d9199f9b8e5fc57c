//! host-device's `kernelpath`: the directory of a device below `/sys/devices`, whatever its bus (PCI, USB, platform, virtio).

use std::fmt;

use hardwire_pci::DeviceId;

use crate::beneath::is_plain_name;
use crate::printable::excerpt;

/// As much of a path as a message quotes, bytes.
const QUOTED: usize = 256;

const ROOT: &str = "/sys/";
const DEVICES: &str = "devices/";

/// Such a path, each of whose parts is a name: it leads below `/sys/devices` and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelPath {
    /// Without `/sys/` and without a slash at the end.
    below_sys: String,
    id: Option<DeviceId>,
}

impl KernelPath {
    /// Reads an absolute path below `/sys/devices/`; `None` if it is anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let below_sys = text.strip_prefix(ROOT)?;
        let below_sys = below_sys.strip_suffix('/').unwrap_or(below_sys);
        let mut parts = below_sys.strip_prefix(DEVICES)?.split('/');
        parts.clone().all(is_plain_name).then(|| Self {
            below_sys: below_sys.to_owned(),
            // A virtio NIC's directory is the virtio device's; the device is the PCI function above it.
            id: parts
                .rfind(|part| !part.starts_with("virtio"))
                .and_then(|part| part.parse().ok()),
        })
    }

    /// The path below the root of sysfs.
    pub fn below_sys(&self) -> &str {
        &self.below_sys
    }

    /// The device's name on its bus.
    pub fn name(&self) -> &str {
        self.below_sys.rsplit('/').next().unwrap_or_default()
    }

    /// The device, if its name is an id of its own, as on the buses pci and auxiliary.
    pub fn id(&self) -> Option<&DeviceId> {
        self.id.as_ref()
    }
}

impl fmt::Display for KernelPath {
    /// For messages, so that a long one is cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}{}", excerpt(&self.below_sys, QUOTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_9_a_long_kernelpath_is_cut_in_messages() {
        let text = format!("/sys/devices/{}x", "a/".repeat(50_000));
        let path = KernelPath::parse(&text).unwrap();
        assert_eq!(format!("/sys/{}", path.below_sys()), text);
        let shown = path.to_string();
        assert!(shown.len() < 2 * QUOTED && shown.contains("100009 bytes"), "{shown}");
    }

    #[test]
    fn rule_9_every_part_of_a_kernelpath_is_a_name() {
        for (text, id) in [
            (
                "/sys/devices/pci0000:00/0000:00:02.0/0000:3b:02.1",
                Some("0000:3b:02.1"),
            ),
            ("/sys/devices/pci0000:00/0000:00:02.0/", Some("0000:00:02.0")),
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio0", Some("0000:00:03.0")),
            ("/sys/devices/platform/dummy_hcd.0/usb1/1-1/1-1:1.0", None),
            ("/sys/devices/platform/30be0000.ethernet", None),
        ] {
            let path = KernelPath::parse(text).unwrap();
            assert_eq!(path.id().map(ToString::to_string).as_deref(), id, "{text}");
            assert_eq!(path.to_string(), text.trim_end_matches('/'));
        }
        for text in [
            "",
            "/etc",
            "/sys",
            "/sys/devices",
            "/sys/devices/",
            "/sys/class/net/eth0",
            "devices/x",
            "sys/devices/x",
            "/sys/devices/../../etc",
            "/sys/devices/..",
            "/sys/devices/pci0000:00/./0000:00:02.0",
            "/sys/devices//0000:00:02.0",
            "/sys/devices/0000:00:02.0//",
            "/sys//devices/x",
            "/sys/./devices/x",
            "/sys/devices/a\nb",
            "/sys/devices/a\0b",
        ] {
            assert_eq!(KernelPath::parse(text), None, "{text:?}");
        }
    }
}
