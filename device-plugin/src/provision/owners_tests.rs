use super::*;

fn pf() -> PfIdentity {
    PfIdentity {
        address: "0000:3b:00.0".to_owned(),
        name: Some("ens1f0".to_owned()),
        macs: vec!["02:00:00:00:00:01".to_owned()],
        driver: Some("i40e".to_owned()),
        ..PfIdentity::default()
    }
}

/// Who owns the PF, with one file below the root.
fn owner(path: &str, text: &str) -> Option<String> {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    let owners = Owners::read(root.path());
    owners.of(&pf()).map(|by| by.replace(root.path().to_str().unwrap(), ""))
}

#[test]
fn a_pf_that_others_name_in_their_files_is_theirs() {
    for (path, text, who) in [
        (
            "etc/systemd/network/10-pf.network",
            "[Match]\nName=ens1f*\n\n[SR-IOV]\nVirtualFunction=0\nTrust=yes\n",
            "systemd-networkd",
        ),
        (
            "etc/systemd/network/10-pf.link",
            "[Match]\nPath=pci-0000:3b:00.0\n[Link]\nSR-IOVVirtualFunctions=4\n",
            "systemd-networkd",
        ),
        (
            "etc/systemd/network/10-pf.link",
            "[Match]\nDriver=i40e ice\n[Link]\nSR-IOVVirtualFunctions=4\n",
            "systemd-networkd",
        ),
        (
            "etc/netplan/50.yaml",
            "network:\n  ethernets:\n    ens1f0: {virtual-function-count: 4}\n",
            "netplan",
        ),
        (
            "etc/netplan/50.yaml",
            "network:\n  ethernets:\n    pf: {match: {macaddress: '02:00:00:00:00:01'}}\n    vf0: {link: pf}\n",
            "netplan",
        ),
        (
            "etc/NetworkManager/system-connections/a.nmconnection",
            "[connection]\ninterface-name=ens1f0\n[sriov]\ntotal-vfs=4\n",
            "NetworkManager",
        ),
        (
            "etc/nmstate/a.yml",
            "interfaces:\n- name: ens1f0\n  type: ethernet\n  ethernet:\n    sr-iov: {total-vfs: 4}\n",
            "nmstate",
        ),
        ("etc/sriov-operator/pci/0000:3b:00.0", "{}", "sriov-network-operator"),
    ] {
        assert_eq!(owner(path, text), Some(format!("{who} (/{path})")), "{text}");
    }
}

#[test]
fn a_file_that_makes_no_vfs_or_names_another_pf_owns_nothing() {
    for (path, text) in [
        (
            "etc/systemd/network/10-pf.network",
            "[Match]\nName=ens1f0\n[Network]\nDHCP=yes\n",
        ),
        (
            "etc/systemd/network/10-pf.network",
            "[Match]\nName=ens2f0\n[SR-IOV]\nVirtualFunction=0\n",
        ),
        (
            "etc/systemd/network/10-pf.link",
            "[Match]\nName=ens1f0\nDriver=ice\n[Link]\nSR-IOVVirtualFunctions=4\n",
        ),
        (
            "etc/netplan/50.yaml",
            "network:\n  ethernets:\n    ens1f0: {dhcp4: true}\n    ens2f0: {virtual-function-count: 4}\n",
        ),
        ("etc/netplan/50.yaml", "network: {ethernets: [\n"),
        (
            "etc/NetworkManager/system-connections/a.nmconnection",
            "[connection]\ninterface-name=ens1f0\n",
        ),
        ("etc/nmstate/a.yml", "interfaces:\n- name: ens1f0\n  type: ethernet\n"),
        ("etc/sriov-operator/pci/0000:3b:00.1", "{}"),
    ] {
        assert_eq!(owner(path, text), None, "{text}");
    }
}

#[test]
fn a_drop_in_is_about_what_its_file_is_about() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("etc/systemd/network");
    fs::create_dir_all(directory.join("10-pf.network.d")).unwrap();
    fs::write(directory.join("10-pf.network"), "[Match]\nName=ens1f0\n").unwrap();
    fs::write(
        directory.join("10-pf.network.d/vfs.conf"),
        "[SR-IOV]\nVirtualFunction=0\n",
    )
    .unwrap();
    assert!(Owners::read(root.path()).of(&pf()).unwrap().contains("vfs.conf"));
}
