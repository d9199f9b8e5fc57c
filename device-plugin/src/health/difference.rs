//! How a free VF differs from its baseline: field, what was, what is.
//!
//! Only settings are compared. An interface's index and its running state are nobody's setting, whether it is up and
//! what else it is called are the business of the node's network manager, and what the driver cannot tell is no part of
//! health.

use std::fmt::Display;

use hardwire_cni::baseline::{Baseline, BaselineVf};
use hardwire_cni::journal::{InterfaceSettings, OriginalLink};
use hardwire_cni::pf::AdminMac;
use hardwire_cni::release::is_fallback_name;
use hardwire_pci::MacAddr;
use hardwire_pci::netlink::{LinkFlags, OffloadLimits, VfLinkState, VfState, VlanProtocol};

/// The differences, as one text; `None` if there are none. A driver that changed is not among them: it was bound
/// deliberately, and whether it is the pool's the selectors tell. With it comes another interface (`rebound`), of which
/// nothing is known yet.
pub fn difference(was: &Baseline, is: &Baseline, rebound: bool) -> Option<String> {
    let mut found = Found::default();
    if let (Some(before), Some(now), false) = (&was.link, &is.link, rebound) {
        // A release gave it that name, because another interface had its own: it is its name now, and so is its own again.
        let stands_in = |link: &OriginalLink| is_fallback_name(&was.device, link.name.as_str());
        if !stands_in(before) && !stands_in(now) {
            found.compare("name", &before.name, &now.name);
        }
        found.link(before, now);
    }
    if let (Some(before), Some(now)) = (&was.vf, &is.vf) {
        // A VF driver that comes up tells its own address to the PF, and some PFs (igb) show that as the admin MAC, until
        // it is unset again.
        let told = follows_interface(was) && (rebound || follows_interface(is));
        found.vf(before, now, told);
    }
    (!found.0.is_empty()).then(|| found.0.join("; "))
}

/// Whether nobody gave the VF an admin MAC. Without an interface (vfio) what is shown may be what the last one told.
fn follows_interface(record: &Baseline) -> bool {
    let Some(vf) = &record.vf else { return true };
    let Some(shown) = vf.state.mac.filter(|mac| *mac != MacAddr::ZERO) else {
        return true;
    };
    match &record.link {
        Some(link) => link.mac == Some(shown),
        None => vf.admin_mac == AdminMac::Unset,
    }
}

fn list(ids: impl Iterator<Item = u32>) -> String {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    if ids.is_empty() {
        "none".to_owned()
    } else {
        ids.join(" and ")
    }
}

#[derive(Default)]
struct Found(Vec<String>);

// === impl Found ===

impl Found {
    fn compare<T: PartialEq + Display>(&mut self, field: &str, was: &T, is: &T) {
        if was != is {
            self.0.push(format!("{field} was {was}, is {is}"));
        }
    }

    fn link(&mut self, was: &OriginalLink, is: &OriginalLink) {
        if let (Some(was), Some(is)) = (was.mac, is.mac) {
            self.compare("MAC", &was, &is);
        }
        self.compare("MTU", &was.mtu, &is.mtu);
        for (name, flag) in [
            ("promiscuous", LinkFlags::PROMISC),
            ("all multicast", LinkFlags::ALLMULTI),
        ] {
            let on = |link: &OriginalLink| if link.flags & flag == 0 { "off" } else { "on" };
            self.compare(name, &on(was), &on(is));
        }
        self.settings(&was.settings, &is.settings);
        for (name, flag) in [("ARP", LinkFlags::NOARP), ("multicast", LinkFlags::MULTICAST)] {
            let on = |link: &OriginalLink| if link.flags & flag == 0 { "unset" } else { "set" };
            self.compare(&format!("its flag for {name}"), &on(was), &on(is));
        }
    }

    /// What a pod that may administer its network can leave behind.
    fn settings(&mut self, was: &InterfaceSettings, is: &InterfaceSettings) {
        let (before, now) = (&was.link, &is.link);
        self.known("queue length", before.tx_queue_length, now.tx_queue_length);
        self.known("group", before.group, now.group);
        self.known("link mode", before.mode, now.mode);
        if before.offload_limits != now.offload_limits && before.offload_limits != OffloadLimits::default() {
            self.0.push("its limits of GSO and GRO are others".to_owned());
        }
        if before.broadcast.is_some() && before.broadcast != now.broadcast {
            self.0.push("its broadcast address is another".to_owned());
        }
        let xdp = |settings: &InterfaceSettings| {
            let programs = settings.xdp.as_ref()?.iter().map(|program| program.program);
            Some(list(programs))
        };
        self.known("XDP programs", xdp(was), xdp(is));
        let tcx = |settings: &InterfaceSettings| {
            let programs = settings.tcx.as_ref()?.iter().map(|program| program.program);
            Some(list(programs))
        };
        self.known("tcx programs", tcx(was), tcx(is));
        if let (Some(was), Some(is)) = (&was.ethtool, &is.ethtool) {
            let differing = was.differences(is).into_iter();
            self.0
                .extend(differing.map(|what| format!("its {what} (ethtool) are others")));
        }
    }

    fn known<T: PartialEq + Display>(&mut self, field: &str, was: Option<T>, is: Option<T>) {
        if let (Some(was), Some(is)) = (was, is) {
            self.compare(field, &was, &is);
        }
    }

    fn vf(&mut self, was: &BaselineVf, is: &BaselineVf, told: bool) {
        // Each field by its name: the compiler says when a new one has to be thought of.
        let VfState {
            mac,
            vlan,
            qos,
            vlan_protocol,
            min_tx_rate,
            max_tx_rate,
            spoofchk,
            trust,
            query_rss,
            link_state,
        } = was.state;
        let is = &is.state;
        if let (Some(was), Some(is), false) = (mac, is.mac, told) {
            self.compare("admin MAC", &was, &is);
        }
        self.compare("vlan", &vlan, &is.vlan);
        self.compare("vlanQoS", &qos, &is.qos);
        if vlan != 0 || is.vlan != 0 {
            let protocol = |protocol| match protocol {
                VlanProtocol::Dot1Q => "802.1q",
                VlanProtocol::Dot1Ad => "802.1ad",
            };
            self.compare("vlanProto", &protocol(vlan_protocol), &protocol(is.vlan_protocol));
        }
        self.compare("min_tx_rate", &min_tx_rate, &is.min_tx_rate);
        self.compare("max_tx_rate", &max_tx_rate, &is.max_tx_rate);
        for (field, was, is) in [
            ("spoofchk", spoofchk, is.spoofchk),
            ("trust", trust, is.trust),
            ("query_rss", query_rss, is.query_rss),
        ] {
            let on = |set: bool| if set { "on" } else { "off" };
            if let (Some(was), Some(is)) = (was, is) {
                self.compare(field, &on(was), &on(is));
            }
        }
        let state = |state| match state {
            VfLinkState::Auto => "auto",
            VfLinkState::Enable => "enable",
            VfLinkState::Disable => "disable",
        };
        self.compare("link_state", &state(link_state), &state(is.link_state));
    }
}

#[cfg(test)]
mod tests {
    use hardwire_cni::journal::Hardware;

    use super::*;

    fn record() -> Baseline {
        Baseline {
            version: Baseline::VERSION,
            device: "0000:01:10.0".parse().unwrap(),
            instance: None,
            boot: "b".to_owned(),
            driver: Some("igbvf".to_owned()),
            link: Some(OriginalLink {
                name: "eth1".parse().unwrap(),
                index: 7,
                altnames: vec!["enp1s16".to_owned()],
                mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
                mtu: 1500,
                alias: None,
                flags: 0x1002,
                settings: InterfaceSettings::default(),
                hardware: Hardware::default(),
            }),
            vf: Some(BaselineVf {
                pf: "0000:01:00.0".parse().unwrap(),
                pf_index: 3,
                generation: 1,
                index: 0,
                state: VfState {
                    mac: Some(MacAddr::ZERO),
                    spoofchk: Some(true),
                    ..VfState::default()
                },
                admin_mac: AdminMac::Unset,
                admin_mac_at: None,
            }),
        }
    }

    #[test]
    fn each_setting_is_named_with_both_values() {
        let (was, mut is) = (record(), record());
        assert_eq!(difference(&was, &is, false), None);
        let link = is.link.as_mut().unwrap();
        link.mtu = 9000;
        link.flags = 0x1103;
        let vf = &mut is.vf.as_mut().unwrap().state;
        vf.vlan = 7;
        vf.spoofchk = Some(false);
        assert_eq!(
            difference(&was, &is, false).unwrap(),
            "MTU was 1500, is 9000; promiscuous was off, is on; vlan was 0, is 7; spoofchk was on, is off"
        );
    }

    #[test]
    fn rule_7_a_fallback_name_is_the_devices_name_and_another_name_is_a_difference() {
        let (was, mut is) = (record(), record());
        let fallback_name = |id: &str| hardwire_cni::release::fallback_name(&id.parse().unwrap()).unwrap();
        is.link.as_mut().unwrap().name = fallback_name("0000:01:10.0");
        assert_eq!(
            (difference(&was, &is, false), difference(&is, &was, false)),
            (None, None)
        );
        is.link.as_mut().unwrap().name = fallback_name("0000:01:10.2");
        assert!(difference(&was, &is, false).unwrap().starts_with("name was eth1"));
    }

    #[test]
    fn what_nobody_set_is_no_difference() {
        let (was, mut is) = (record(), record());
        let link = is.link.as_mut().unwrap();
        link.index = 12;
        link.flags = 0x1003 | 1 << 6 | 1 << 16;
        let vf = is.vf.as_mut().unwrap();
        vf.generation = 2;
        vf.state.mac = Some(MacAddr([2, 0, 0, 0, 0, 1]));
        vf.state.spoofchk = None;
        assert_eq!(difference(&was, &is, false), None);
        is.vf.as_mut().unwrap().state.mac = Some(MacAddr([2, 0, 0, 0, 0, 9]));
        assert!(difference(&was, &is, false).unwrap().starts_with("admin MAC was"));
        assert_eq!(
            difference(&was, &is, true),
            None,
            "a driver that was bound may bring its own"
        );
        is.link = None;
        is.vf = None;
        assert_eq!(difference(&was, &is, false), None, "there is nobody to ask");
    }

    #[test]
    fn a_vf_that_comes_back_from_vfio_may_have_another_address_that_nobody_set() {
        let of_vfio = |shown, admin_mac| {
            let mut record = record();
            (record.driver, record.link) = (Some("vfio-pci".to_owned()), None);
            let vf = record.vf.as_mut().unwrap();
            (vf.state.mac, vf.admin_mac) = (Some(shown), admin_mac);
            record
        };
        let (told, other) = (MacAddr([2, 0, 0, 0, 0, 9]), MacAddr([2, 0, 0, 0, 0, 1]));
        let mut back = record();
        back.vf.as_mut().unwrap().state.mac = Some(other);
        // A reset of the device, which its next user makes, ends what its driver had told the PF.
        let (bound, after_reset) = (of_vfio(told, AdminMac::Unset), of_vfio(MacAddr::ZERO, AdminMac::Unset));
        assert_eq!(difference(&bound, &after_reset, false), None);
        assert_eq!(difference(&bound, &back, true), None);
        let set = of_vfio(told, AdminMac::Set);
        assert!(difference(&set, &back, true).unwrap().starts_with("admin MAC was"));
    }
}
