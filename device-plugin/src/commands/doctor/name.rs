//! The names of all findings. They are stable: programs and people look for them.

/// Declares the names, with what each is and what mends it, as the table of deploy/README.md has them.
macro_rules! names {
    ($($variant:ident, $name:literal, $about:literal, $mended_by:literal;)*) => {
        /// What can be wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Name {
            $(#[allow(clippy::doc_markdown, reason = "the words are those of a table")] #[doc = $about] $variant,)*
        }

        impl Name {
            /// All of them, causes before what follows from them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As it is printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }

            /// What mends it.
            pub fn mended_by(self) -> &'static str {
                match self { $(Self::$variant => $mended_by,)* }
            }
        }
    };
}

names! {
    DaemonAbsent, "daemon-absent", "no `hardwired` runs on the node: nothing is offered or repaired", "start it";
    StateNotShared, "state-not-shared", "`/run/hardwire` is not the node's: an `emptyDir`, another volume, the container's root", "mount the hostPath";
    StateOnDisk, "state-on-disk", "`/run/hardwire` is on a disk: what it says would outlive the boot, and what it describes would not", "the directory on the node's tmpfs";
    RightMissing, "right-missing", "a capability, or a writable `/sys`, that the daemon needs is not there", "its `securityContext` as in `deploy/base`";
    SeccompDenies, "seccomp-denies", "a seccomp profile denies a system call that the daemon needs", "the profile `RuntimeDefault`";
    ApparmorDenies, "apparmor-denies", "an AppArmor profile denies what the daemon needs", "the profile `Unconfined`";
    ConfigurationRefused, "configuration-refused", "the configuration as it is now is of no use, and the one before stays in force, where one was", "correct the file";
    PoolRefused, "pool-refused", "a pool of the configuration is refused; the others run", "correct the field that the text names";
    KubeletAbsent, "kubelet-absent", "nobody listens on the kubelet's socket for device plugins", "start the kubelet";
    KubeletOtherRoot, "kubelet-other-root", "the kubelet has another root directory than the daemon looks in", "mount its `pod-resources`";
    KubeletNotRegistered, "kubelet-not-registered", "the kubelet does not know a pool, or does not listen to it", "restart `hardwired`";
    PodresourcesUnheard, "podresources-unheard", "the kubelet does not tell which pod holds which device: nothing is compared or released", "mount `pod-resources`";
    IommuOff, "iommu-off", "the IOMMU is off, and a pool wants devices for VFIO", "the kernel's command line or the firmware, and a boot";
    NoVfs, "no-vfs", "a PF has no VFs, and a pool would take them", "`sriov_numvfs`";
    PfDown, "pf-down", "the interface of a PF with VFs is down: its VFs have no link", "`ip link set PF up`";
    PfNoCarrier, "pf-no-carrier", "a PF with VFs has no carrier", "the cable, or the port of the switch";
    DriverMissing, "driver-missing", "no driver is bound to a device", "load it, or bind it";
    WrongDriver, "wrong-driver", "devices that a pool would take have another driver than it asks for", "bind the pool's driver, once nobody has them";
    TwoPlugins, "two-plugins", "two device plugins offer one device, or a pod has it as another plugin's resource", "one of them has to leave it out";
    NetnsLeaked, "netns-leaked", "the pod is gone and its network namespace lives, with the device in it", "end the namespace";
    AttachmentLeft, "attachment-left", "the namespace of an attachment is gone and no DEL came", "`hardwired doctor --fix`, or wait for repair";
    DeviceDirty, "device-dirty", "a free VF is not as it was when nobody had it", "undo the change, or bind its driver anew; where it is right, `hardwired adopt ID`";
    DeviceGone, "device-gone", "a device that a pool lists is not on the bus any more", "make the VFs anew, or see to the card";
    DeviceUnhealthy, "device-unhealthy", "a device is not given out, for the reason beside it", "what the reason says";
    DeviceUnreadable, "device-unreadable", "sysfs cannot be read for a device", "what the reason says";
    PoolEmpty, "pool-empty", "a pool has no device (a note where no hardware of its kind is on the node)", "its selectors, or the devices";
    PluginMissing, "plugin-missing", "the CNI plugin `hardwire` is not in the node's directory of plugins", "`hardwired doctor --fix`";
    PluginNotExecutable, "plugin-not-executable", "the CNI plugin cannot be executed", "`hardwired doctor --fix`";
    PluginForeign, "plugin-foreign", "the program named `hardwire` is another one", "`hardwired doctor --fix`";
    PluginOld, "plugin-old", "the CNI plugin is another version than `hardwired`", "`hardwired doctor --fix`";
    MultusAbsent, "multus-absent", "there is no Multus: nobody tells the plugin which device the kubelet allocated (a note where the node's own network is ours)", "see its pod on this node; install it where the cluster has none";
    MultusNotFirst, "multus-not-first", "another network configuration comes before Multus', and the runtime takes the first", "rename it";
    NadUnknownResource, "nad-unknown-resource", "a network names a resource that no pool has", "the resource's name in the network's annotation";
    IpamPluginMissing, "ipam-plugin-missing", "the IPAM plugin of a network is not in the directory of CNI plugins", "install it";
    IpamExhausted, "ipam-exhausted", "a range of host-local has no address left", "a larger range, or the addresses that nobody has";
    LeaseForgotten, "lease-forgotten", "an address is reserved for a container that nobody remembers. Shown only: another plugin's container may live", "look for the container, then remove the file";
    LeaseOwed, "lease-owed", "an IPAM plugin has not released what an attachment before the boot had", "the daemon asks it again, and logs why not";
    RecordUnreadable, "record-unreadable", "a record of the journal is torn, or another version's", "the DEL of its pod";
    StaleSocket, "stale-socket", "a socket of ours that nobody serves", "`hardwired doctor --fix`";
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_no_two_are_alike() {
        let mut names: Vec<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
        for name in &names {
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{name}"
            );
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Name::ALL.len());
    }
}
