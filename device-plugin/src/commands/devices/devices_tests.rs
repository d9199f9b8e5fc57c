//! The table, as it looks.

use hardwire_pci::{Device, Function, Inventory, LinkType, Netdev, Skipped};

use super::*;
use crate::config::Config;

fn netdev(name: &str, port: Option<&str>) -> Netdev {
    Netdev {
        name: name.parse().unwrap(),
        index: 2,
        mac: Some("02:00:00:00:00:0a".parse().unwrap()),
        mtu: 1500,
        link_type: LinkType::Ether,
        port: port.and_then(hardwire_pci::PortName::parse),
        number: None,
        switch_id: port.map(|_| "a1".to_owned()),
    }
}

fn device(id: &str, netdevs: Vec<Netdev>, function: Function) -> Device {
    Device {
        vendor: "8086".to_owned(),
        device: "10c9".to_owned(),
        class: 0x02_0000,
        driver: Some("igb".to_owned()),
        numa_node: Some(1),
        netdevs,
        function,
        ..Device::unknown(id.parse().unwrap())
    }
}

fn hardware() -> Hardware {
    let pf = Function::Pf {
        total_vfs: 7,
        num_vfs: 1,
        vfs: Vec::new(),
    };
    let vf = Function::Vf {
        pf: Some("0000:01:00.0".parse().unwrap()),
        index: Some(0),
    };
    let ports = vec![netdev("eth0", Some("p0")), netdev("eth0_0", Some("pf0vf0"))];
    Hardware {
        inventory: Inventory {
            devices: vec![
                device("0000:01:00.0", ports, pf),
                device("0000:01:10.0", Vec::new(), vf),
            ],
            skipped: vec![Skipped {
                name: "0000:09:00.0".to_owned(),
                reason: "vendor: garbage".to_owned(),
            }],
        },
        ..Hardware::default()
    }
}

fn told() -> configuration::Told {
    configuration::Told {
        source: configuration::Source::Daemon,
        file: Some("/c".into()),
        reason: None,
        refused: vec!["resourceList[0]: it is 7: expected an object".to_owned()],
        bad_file: None,
        provisioning: Vec::new(),
    }
}

#[test]
fn the_table_is_aligned_and_has_representors_and_skipped_devices() {
    let hardware = hardware();
    let report = rows::Report::new(&hardware, &assign(&hardware, &[]), &[], &uses::Uses::default(), told());
    let mut out = Vec::new();
    table::write(&mut out, &report, table::Width::Whole, Paint::NONE).unwrap();
    let expected = "\
DEVICE               PF    VF  DRIVER  NETDEV  MAC                MTU   NUMA  POD  NETWORK  INTERFACE  NETNS  POOL
0000:01:00.0         -     -   igb     eth0    02:00:00:00:00:0a  1500  1     -    -        -          -      - (PF with 1 VF)
0000:01:00.0/pf0vf0  eth0  -   igb     eth0_0  02:00:00:00:00:0a  1500  -     -    -        -          -      - (representor of pf0vf0)
0000:01:10.0         eth0  0   igb     -       -                  -     1     -    -        -          -      - (no pools are configured)
skipped 0000:09:00.0: vendor: garbage
pools: those in force in the running hardwired, from /c
pool refused: resourceList[0]: it is 7: expected an object
";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn on_a_terminal_every_line_of_the_table_fits_and_what_is_cut_is_marked() {
    let hardware = hardware();
    let mut uses = uses::Uses::default();
    let seen = crate::ask::view::Seen {
        healthy: false,
        reason: Some("MAC address is 02:00:00:00:00:0b and was 02:00:00:00:00:0a".repeat(2)),
        kind: None,
        since: None,
        pool: "intel.com/vfs".to_owned(),
        had_netdev: true,
        held_as: None,
    };
    uses.view.devices.insert("0000:01:10.0".parse().unwrap(), seen);
    let defaults = crate::config::Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let config = serde_json::json!({"resourceList": [{"resourceName": "vfs", "selectors": {"drivers": ["igb"]}}]});
    let pools = Config::from_json(config, &defaults).unwrap().pools;
    let report = rows::Report::new(&hardware, &assign(&hardware, &pools), &pools, &uses, told());
    let print = |width, paint| {
        let mut out = Vec::new();
        table::write(&mut out, &report, width, paint).unwrap();
        String::from_utf8(out).unwrap()
    };
    let table = print(table::Width::Terminal, Paint::NONE);
    let lines: Vec<&str> = table.lines().take(4).collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{table}");
    assert_eq!(lines[0], "DEVICE               PF    VF  DRIVER  NETDEV  POD  POOL");
    assert_eq!(lines[3].chars().count(), 100, "{table}");
    assert!(
        lines[3].contains("intel.com/vfs (unhealthy: MAC address") && lines[3].ends_with('…'),
        "{table}"
    );
    assert!(
        table.contains("… is where a cell was too long: -o wide shows all\n"),
        "{table}"
    );
    let whole = print(table::Width::Whole, Paint::NONE);
    assert!(
        whole.contains("was 02:00:00:00:00:0a)\n") && !whole.contains('…'),
        "{whole}"
    );
    assert!(!table.contains('\u{1b}'));
}

#[test]
fn a_node_without_devices_says_so() {
    let hardware = Hardware::default();
    let report = rows::Report::new(&hardware, &assign(&hardware, &[]), &[], &uses::Uses::default(), told());
    let mut out = Vec::new();
    table::write(&mut out, &report, table::Width::Terminal, Paint::NONE).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with("no network devices found\npools: "), "{out}");
}

#[test]
fn an_unhealthy_device_has_its_reason_beside_its_pool() {
    let hardware = hardware();
    let defaults = crate::config::Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let text = r#"{"resourceList": [{"resourceName": "vfs", "selectors": {"drivers": ["igb"]}}]}"#;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let pools = Config::read(file.path(), &defaults).unwrap().pools;
    let seen = crate::ask::view::Seen {
        kind: None,
        since: None,
        healthy: false,
        reason: Some("the PF has no carrier".to_owned()),
        pool: "a.com/b".to_owned(),
        had_netdev: true,
        held_as: None,
    };
    let mut uses = uses::Uses::default();
    uses.view.devices.insert("0000:01:10.0".parse().unwrap(), seen);
    let report = rows::Report::new(&hardware, &assign(&hardware, &pools), &pools, &uses, told());
    let mut out = Vec::new();
    table::write(&mut out, &report, table::Width::Terminal, Paint::NONE).unwrap();
    let out = String::from_utf8(out).unwrap();
    let line = out.lines().find(|line| line.starts_with("0000:01:10.0")).unwrap();
    assert!(
        line.ends_with("intel.com/vfs (unhealthy: the PF has no carrier)"),
        "{out}"
    );
    let json = serde_json::to_value(&report).unwrap();
    let row = &json["devices"][2];
    assert_eq!(row["healthy"], false, "{json}");
    assert_eq!(row["unhealthyBecause"], "the PF has no carrier");
    assert_eq!(json["configuration"]["source"], "daemon");
    assert_eq!(json["configuration"]["refused"][0], told().refused[0]);
}
