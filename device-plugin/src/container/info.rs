//! The `_INFO` variable's part for one device, in the sections and keys of sriov-network-device-plugin.

use std::collections::BTreeMap;

use hardwire_pci::{DeviceId, Function};

use super::Characters;
use super::Member;
use super::characters::{RDMA_CM, TUN, VFIO, VHOST_NET};
use crate::config::Pool;
use crate::container::go_json;

type Sections = BTreeMap<&'static str, BTreeMap<String, String>>;

/// The sections as JSON.
pub(crate) fn info(pool: &Pool, member: &Member<'_>, characters: &Characters) -> String {
    let mut sections = Sections::new();
    sections.insert("generic", keys([("deviceID", Some(member.device.id.to_string()))]));
    drivers(characters, &mut sections);
    if let Some(rdma) = rdma(characters) {
        sections.insert("rdma", rdma);
    }
    if characters.vhost_net {
        let path = |path: &str| Some(path.to_owned());
        sections.insert(
            "vhost",
            keys([("net-mount", path(VHOST_NET)), ("tun-mount", path(TUN))]),
        );
    }
    if let Some(extra) = extra(pool, member) {
        sections.insert("extra", extra);
    }
    // Maps of strings always have a JSON form.
    go_json::to_string(&sections).unwrap_or_else(|_never| "{}".to_owned())
}

fn keys<const N: usize>(pairs: [(&str, Option<String>); N]) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter();
    pairs
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

fn drivers(characters: &Characters, sections: &mut Sections) {
    if let Some(vfio) = &characters.vfio {
        let group = vfio.group.map(|group| format!("/dev/vfio/{group}"));
        sections.insert("vfio", keys([("mount", Some(VFIO.to_owned())), ("dev-mount", group)]));
    }
    let dev = |name: &String| format!("/dev/{name}");
    if let Some(uio) = &characters.uio {
        sections.insert("uio", keys([("mount", Some(dev(uio)))]));
    }
    if let Some(vdpa) = &characters.vdpa {
        sections.insert("vdpa", keys([("mount", vdpa.file.as_ref().map(dev))]));
    }
}

/// Of the first RDMA device: the section has room for one.
fn rdma(characters: &Characters) -> Option<BTreeMap<String, String>> {
    let first = characters.rdma.first()?;
    let file = |kind: &str| {
        let name = first.files.iter().find(|name| name.starts_with(kind));
        name.map(|name| format!("/dev/infiniband/{name}"))
    };
    Some(keys([
        ("uverbs", file("uverbs")),
        ("umad", file("umad")),
        ("issm", file("issm")),
        ("rdma_cm", characters.rdma_cm.then(|| RDMA_CM.to_owned())),
        ("rdma_dev", Some(first.device.clone())),
    ]))
}

/// What is said of the device itself comes over what is said of the function that it hangs below, and that over what is
/// said of all. Upstream's key for a subfunction is the function's address.
fn extra(pool: &Pool, member: &Member<'_>) -> Option<BTreeMap<String, String>> {
    let additional = pool.additional_info.as_ref()?;
    let parent = match &member.device.function {
        Function::Sf { parent, .. } => parent.as_ref().map(DeviceId::to_string),
        Function::Plain | Function::Pf { .. } | Function::Vf { .. } => None,
    };
    let keys = [Some("*".to_owned()), parent, Some(member.device.id.to_string())];
    let said = keys.iter().flatten().filter_map(|key| additional.get(key)).flatten();
    Some(said.map(|(name, value)| (name.clone(), value.clone())).collect())
}
