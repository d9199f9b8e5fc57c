//! veth: an interface of the host that can be made in any number. To the kernel's move it is a NIC like another.

use super::shell::{run, succeeds};

/// A pair of interfaces on the host: one to attach, and its neighbour `<name>p`. Removed when dropped.
#[derive(Debug)]
pub struct Veth {
    name: String,
}

impl Veth {
    /// A pair, both ends down.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        run(&[
            "ip",
            "link",
            "add",
            name,
            "type",
            "veth",
            "peer",
            "name",
            &format!("{name}p"),
        ]);
        Self { name: name.to_owned() }
    }

    /// The end to attach.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The end that stays.
    pub fn neighbour(&self) -> String {
        format!("{}p", self.name)
    }

    /// Changes the end to attach: `set(&["mtu", "1400", "up"])`.
    #[track_caller]
    pub fn set(&self, words: &[&str]) {
        run(&[&["ip", "link", "set", "dev", self.name()], words].concat());
    }

    /// Removes both ends, wherever the other one is.
    pub fn remove(&self) {
        succeeds(&["ip", "link", "del", &self.neighbour()]);
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        self.remove();
    }
}
