//! Never under a VF in use, whoever says so.

use std::fs::{File, OpenOptions};

use hardwire_tests::daemon::Site;
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::node::{Pod, run};
use serde_json::{Value, json};

use super::node::{Card, said};

/// A configuration that wants 4 of the card's VFs.
fn four(card: &Card) -> Value {
    json!({"pfs": [{"selectors": {"rootDevices": [card.igb.address]}, "numVfs": 4}]})
}

/// A smaller count is refused, by `plan` and by `apply`, also by force; everything is as it was.
#[track_caller]
fn refused(card: &Card, site: &Site, who: &str) {
    let before = card.state();
    for words in [&["plan"][..], &["apply"], &["apply", "--force", &card.igb.address]] {
        let (status, text) = said(site, words, &four(card));
        assert_eq!(status, 2, "{words:?}: {text}");
        assert!(text.contains("VF 5 (") && text.contains(who), "{words:?}: {text}");
    }
    assert_eq!(card.state(), before, "untouched");
}

fn seven() -> (Card, Site) {
    let card = Card::bare();
    card.igb.renew();
    for vf in 0..7 {
        card.igb.wait_for_vf(vf);
    }
    (card, Site::new())
}

#[test]
fn a_count_is_not_changed_while_a_pod_has_a_vf_by_the_kubelets_word() {
    let (card, site) = seven();
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    kubelet.remember("default/x", "main", "other.org/vfs", &[&card.igb.vf_address(5)]);
    refused(&card, &site, "held by pod default/x (container main)");
}

#[test]
fn a_count_is_not_changed_while_a_vf_is_in_another_namespace() {
    let (card, site) = seven();
    let pod = Pod::new("provisioned");
    let netdev = card.igb.vf_netdev(5).unwrap();
    run(&["ip", "link", "set", &netdev, "netns", pod.name()]);
    refused(&card, &site, "its interface is in another namespace");
    run(&["ip", "-netns", pod.name(), "link", "set", &netdev, "netns", "1"]);
}

#[test]
fn a_count_is_not_changed_while_a_process_has_a_vfio_group_open() {
    let (card, site) = seven();
    let bound = card.igb.bind_vfio(5);
    let group = std::fs::read_link(format!("/sys/bus/pci/devices/{}/iommu_group", card.igb.vf_address(5))).unwrap();
    let group = group.file_name().unwrap().to_str().unwrap().to_owned();
    let open = vfio::open(&group, &card.igb.vf_address(5));
    refused(&card, &site, "open in user space through vfio-pci");
    drop(open);
    drop(bound);
}

#[test]
fn without_a_holder_it_is_changed() {
    let (card, site) = seven();
    let (status, text) = said(&site, &["apply"], &four(&card));
    assert_eq!((status, card.count()), (0, 4), "{text}");
}

/// What a DPDK process does: container, group, device.
mod vfio {
    use super::{File, OpenOptions};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use nix::libc;

    pub(super) struct Open {
        _container: File,
        _group: File,
        _device: OwnedFd,
    }

    const VFIO_GROUP_SET_CONTAINER: libc::c_ulong = 0x3b68;
    const VFIO_SET_IOMMU: libc::c_ulong = 0x3b66;
    const VFIO_GROUP_GET_DEVICE_FD: libc::c_ulong = 0x3b6a;
    const VFIO_TYPE1_IOMMU: libc::c_ulong = 1;

    #[allow(unsafe_code, reason = "VFIO is driven by ioctl(2), which has no safe wrapper")]
    pub(super) fn open(group: &str, address: &str) -> Open {
        let file = |path: &str| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let (container, group) = (file("/dev/vfio/vfio"), file(&format!("/dev/vfio/{group}")));
        let address = std::ffi::CString::new(address).unwrap();
        // SAFETY: each call takes a descriptor or a text that lives until it returns.
        let device = unsafe {
            let number = container.as_raw_fd();
            assert_eq!(
                libc::ioctl(group.as_raw_fd(), VFIO_GROUP_SET_CONTAINER, &raw const number),
                0
            );
            assert_eq!(libc::ioctl(container.as_raw_fd(), VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
            libc::ioctl(group.as_raw_fd(), VFIO_GROUP_GET_DEVICE_FD, address.as_ptr())
        };
        assert!(device >= 0, "{}", std::io::Error::last_os_error());
        Open {
            _container: container,
            _group: group,
            // SAFETY: the kernel has just opened it for this caller.
            _device: unsafe { OwnedFd::from_raw_fd(device) },
        }
    }
}
