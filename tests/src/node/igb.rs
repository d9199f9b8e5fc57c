//! The emulated Intel 82576: a PF with seven VFs on a PCI bus (QEMU's `igb`).

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::links::{host_link, vf, vfs};
use super::shell::{run, wait_until};

const VFS: u32 = 7;

/// The PF, with all its VFs made.
#[derive(Debug, Clone)]
pub struct Igb {
    /// PCI address.
    pub address: String,
    /// Name of its interface.
    pub name: String,
}

impl Igb {
    /// The node's igb. VFs are made on first use and kept for the other tests of the program.
    ///
    /// # Panics
    /// Where there is none: these tests mean nothing without it (`hack/test` runs them in the emulated node).
    #[track_caller]
    pub fn get() -> Self {
        static IGB: OnceLock<Igb> = OnceLock::new();
        IGB.get_or_init(Self::find).clone()
    }

    fn find() -> Self {
        let driver = fs::read_dir("/sys/bus/pci/drivers/igb").expect("the igb driver: run this in hack/vm");
        let names = driver.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let address = names
            .into_iter()
            .find(|name| name.contains(':'))
            .expect("an igb device");
        let name = netdev(&address).expect("the PF has an interface");
        // igb tells its VFs their addresses when they are made, and only while it is up.
        run(&["ip", "link", "set", &name, "up"]);
        let device = PathBuf::from("/sys/bus/pci/devices").join(&address);
        let num_vfs = fs::read_to_string(device.join("sriov_numvfs")).expect("sriov_numvfs");
        let igb = Self { address, name };
        if num_vfs.trim() != VFS.to_string() {
            igb.renew();
        }
        igb
    }

    /// Makes all VFs anew. A PF that was down has forgotten the addresses of its VFs and passes nothing of theirs on until
    /// they reset.
    pub fn renew(&self) {
        self.up();
        let num_vfs = format!("/sys/bus/pci/devices/{}/sriov_numvfs", self.address);
        fs::write(&num_vfs, "0").expect("removing VFs");
        fs::write(&num_vfs, VFS.to_string()).expect("making VFs");
    }

    /// Removes all VFs, for a test of the card itself; [`Igb::renew`] makes them again.
    pub fn without_vfs(&self) {
        let num_vfs = format!("/sys/bus/pci/devices/{}/sriov_numvfs", self.address);
        fs::write(&num_vfs, "0").expect("removing VFs");
    }

    /// Makes all VFs anew if this one is not as nobody has had it: what an earlier test failed to put back is no concern of
    /// the next one.
    pub fn tidy(&self, index: u32) {
        let vf = self.vf(index);
        // iproute2 prints no VLAN 0.
        let attributes = (vf["vlan_list"][0]["vlan"].is_null(), &vf["spoofchk"], &vf["trust"]);
        let named = self.vf_netdev(index).is_some_and(|name| {
            let link = host_link(&name);
            name.starts_with("eth")
                && link["mtu"] == 1500
                && link["flags"] == json!(["MULTICAST"])
                && link["altnames"].is_null()
        });
        if !named || attributes != (true, &json!(true), &json!(false)) {
            self.renew();
            self.wait_for_vf(index);
        }
    }

    /// Name of the PF's interface now.
    pub fn interface(&self) -> Option<String> {
        netdev(&self.address)
    }

    /// PCI address of a VF.
    pub fn vf_address(&self, index: u32) -> String {
        let link = format!("/sys/bus/pci/devices/{}/virtfn{index}", self.address);
        let target = fs::read_link(&link).unwrap_or_else(|error| panic!("{link}: {error}"));
        target
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a PCI address")
            .to_owned()
    }

    /// Name of a VF's interface on the host, if it is there.
    pub fn vf_netdev(&self, index: u32) -> Option<String> {
        netdev(&self.vf_address(index))
    }

    /// Sets the PF up and waits for its carrier.
    pub fn up(&self) {
        up(&self.name);
    }

    /// Sets a VF's interface on the host up and waits for its carrier.
    pub fn vf_up(&self, index: u32) {
        up(&self.vf_netdev(index).expect("the VF has an interface on the host"));
    }

    /// Waits until a VF's interface is on the host, where the kernel brings it after the end of its namespace.
    pub fn wait_for_vf(&self, index: u32) {
        wait_until("the VF does not come back", || self.vf_netdev(index).is_some());
    }

    /// Waits until the PF's interface is on the host, where the kernel brings it after the end of its namespace.
    pub fn wait_for_pf(&self) {
        wait_until("the PF does not come back", || self.interface().is_some());
    }

    /// A VF as the PF shows it.
    #[track_caller]
    pub fn vf(&self, index: u32) -> Value {
        vf(&self.name, index)
    }

    /// All VFs as the PF shows them.
    #[track_caller]
    pub fn vfs(&self) -> Vec<Value> {
        vfs(&self.name)
    }
}

fn netdev(address: &str) -> Option<String> {
    let mut directory = fs::read_dir(format!("/sys/bus/pci/devices/{address}/net")).ok()?;
    directory.next()?.ok()?.file_name().into_string().ok()
}

fn up(name: &str) {
    run(&["ip", "link", "set", name, "up"]);
    wait_until(&format!("{name} has no carrier"), || {
        fs::read_to_string(format!("/sys/class/net/{name}/carrier")).is_ok_and(|text| text.trim() == "1")
    });
}
