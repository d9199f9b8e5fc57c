//! What containers get with each kind of device, and what they are told, to the byte: their programs read it with parsers of
//! their own.

use hardwire_pci::{Device, DeviceId, Function, VdpaDriver};
use serde_json::{Value, json};

use super::tests_tree::{PF, Tree, pool, vdpa, vf};
use crate::config::{DeviceType, Needs};
use crate::kubelet::allocate::allocate;
use crate::pools::offer::Offer;
use hardwire_proto::deviceplugin as api;

const VF: &str = "0000:3b:02.6";
const PLAIN: Needs = Needs {
    rdma: false,
    vhost_net: false,
    vdpa: None,
};

/// The container's answer, as `host:path` of its nodes, and the `_INFO` variable.
fn answer(offer: &Offer, ids: &[&str]) -> (Vec<String>, String) {
    let devices_ids = ids.iter().map(|&id| id.to_owned()).collect();
    let request = api::AllocateRequest {
        container_requests: vec![api::ContainerAllocateRequest { devices_ids }],
    };
    let response = allocate(offer, &request).unwrap().container_responses.remove(0);
    let node = |node: api::DeviceSpec| {
        assert_eq!(node.permissions, "rw");
        if node.host_path == node.container_path {
            node.host_path
        } else {
            format!("{}:{}", node.host_path, node.container_path)
        }
    };
    let nodes = response.devices.into_iter().map(node).collect();
    (nodes, response.envs["PCIDEVICE_INTEL_COM_X_INFO"].clone())
}

/// The sections of one device beside `generic`.
fn sections(info: &str, id: &str) -> Value {
    let mut info: Value = serde_json::from_str(info).unwrap();
    let sections = info[id].as_object_mut().unwrap();
    let generic = sections.remove("generic").unwrap();
    assert_eq!(generic, json!({"deviceID": id}));
    Value::Object(sections.clone())
}

#[test]
fn a_kernel_driver_needs_no_nodes() {
    let tree = Tree::new(false);
    let offer = tree.offer(&pool(&json!({})), &[&vf(VF, "iavf")], PLAIN);
    let (nodes, info) = answer(&offer, &[VF]);
    assert!(nodes.is_empty(), "{nodes:?}");
    assert_eq!(sections(&info, VF), json!({}));
}

#[test]
fn vfio_gives_the_group_and_its_control_file() {
    let tree = Tree::new(false);
    tree.file("dev/vhost-net", "");
    tree.file("dev/net/tun", "");
    let needs = Needs {
        vhost_net: true,
        ..PLAIN
    };
    for driver in ["vfio-pci", "mlx5_vfio_pci"] {
        let offer = tree.offer(&pool(&json!({})), &[&vf(VF, driver)], needs);
        let (nodes, info) = answer(&offer, &[VF]);
        assert_eq!(
            nodes,
            ["/dev/net/tun", "/dev/vfio/169", "/dev/vfio/vfio", "/dev/vhost-net"]
        );
        assert_eq!(
            info,
            concat!(
                r#"{"0000:3b:02.6":{"generic":{"deviceID":"0000:3b:02.6"},"#,
                r#""vfio":{"dev-mount":"/dev/vfio/169","mount":"/dev/vfio/vfio"},"#,
                r#""vhost":{"net-mount":"/dev/vhost-net","tun-mount":"/dev/net/tun"}}}"#
            )
        );
    }
}

#[test]
fn vhost_net_comes_with_tun_or_not_at_all() {
    let tree = Tree::new(false);
    let needs = Needs {
        vhost_net: true,
        ..PLAIN
    };
    let nodes = || answer(&tree.offer(&pool(&json!({})), &[&vf(VF, "iavf")], needs), &[VF]);
    tree.file("dev/vhost-net", "");
    let (none, info) = nodes();
    assert!(none.is_empty());
    assert_eq!(sections(&info, VF), json!({}));
    tree.file("sys/class/misc/tun/dev", "10:200");
    assert_eq!(nodes().0, ["/dev/net/tun", "/dev/vhost-net"]);
}

#[test]
fn without_an_iommu_the_group_is_where_drivers_look_for_it() {
    let tree = Tree::new(false);
    tree.file("sys/class/vfio/noiommu-169/dev", "510:0");
    let offer = tree.offer(&pool(&json!({})), &[&vf(VF, "vfio-pci")], PLAIN);
    let (nodes, info) = answer(&offer, &[VF]);
    assert_eq!(nodes, ["/dev/vfio/noiommu-169:/dev/vfio/169", "/dev/vfio/vfio"]);
    assert_eq!(sections(&info, VF)["vfio"]["dev-mount"], "/dev/vfio/169");
}

#[test]
fn iommufd_gives_the_device_a_file_of_its_own() {
    let tree = Tree::new(false);
    tree.file(&format!("sys/bus/pci/devices/{VF}/vfio-dev/vfio3/dev"), "511:3");
    tree.file("sys/class/vfio-dev/vfio3/dev", "511:3");
    tree.file("sys/class/vfio/169/dev", "510:0");
    tree.file("sys/class/misc/iommu/dev", "10:125");
    let device = vf(VF, "vfio-pci");
    let nodes = || answer(&tree.offer(&pool(&json!({})), &[&device], PLAIN), &[VF]).0;
    let expected = [
        "/dev/iommu",
        "/dev/vfio/169",
        "/dev/vfio/devices/vfio3",
        "/dev/vfio/vfio",
    ];
    assert_eq!(nodes(), expected);
    std::fs::remove_dir_all(tree.path("sys/class/vfio")).unwrap();
    assert_eq!(nodes(), ["/dev/iommu", "/dev/vfio/devices/vfio3"]);
}

#[test]
fn uio_gives_its_file_from_the_first_time_on() {
    let tree = Tree::new(false);
    tree.file(&format!("sys/bus/pci/devices/{VF}/uio/uio2/dev"), "240:2");
    for driver in ["uio", "igb_uio", "uio_pci_generic"] {
        let offer = tree.offer(&pool(&json!({})), &[&vf(VF, driver)], PLAIN);
        let (nodes, info) = answer(&offer, &[VF]);
        assert_eq!(nodes, ["/dev/uio2"], "{driver}");
        assert_eq!(sections(&info, VF), json!({"uio": {"mount": "/dev/uio2"}}));
    }
}

#[test]
fn rdma_gives_the_files_of_the_rdma_device_where_the_pool_wants_them() {
    let tree = Tree::new(false);
    tree.rdma("mlx5_3", 4);
    tree.rdma("mlx5_0", 0);
    let device = Device {
        rdma: vec!["mlx5_3".to_owned()],
        ..vf(VF, "mlx5_core")
    };
    let needs = Needs { rdma: true, ..PLAIN };
    let (nodes, info) = answer(&tree.offer(&pool(&json!({})), &[&device], needs), &[VF]);
    let expected = ["issm4", "rdma_cm", "ucm4", "umad4", "uverbs4"].map(|name| format!("/dev/infiniband/{name}"));
    assert_eq!(nodes, expected);
    assert_eq!(
        info,
        concat!(
            r#"{"0000:3b:02.6":{"generic":{"deviceID":"0000:3b:02.6"},"#,
            r#""rdma":{"issm":"/dev/infiniband/issm4","rdma_cm":"/dev/infiniband/rdma_cm","#,
            r#""rdma_dev":"mlx5_3","umad":"/dev/infiniband/umad4","uverbs":"/dev/infiniband/uverbs4"}}}"#
        )
    );
    assert!(
        answer(&tree.offer(&pool(&json!({})), &[&device], PLAIN), &[VF])
            .0
            .is_empty()
    );
    // A VF without RDMA does not get the connection manager either.
    let without = tree.offer(&pool(&json!({})), &[&vf(VF, "mlx5_core")], needs);
    assert_eq!(answer(&without, &[VF]).0, [""; 0]);
}

#[test]
fn vdpa_gives_the_file_of_vhost() {
    let tree = Tree::new(false);
    tree.file(&format!("sys/bus/pci/devices/{VF}/vdpa0/vhost-vdpa-5/dev"), "241:5");
    let wants = |vdpa| Needs {
        vdpa: Some(vdpa),
        ..PLAIN
    };
    let vhost = vdpa(vf(VF, "mlx5_core"), VdpaDriver::Vhost);
    let offer = tree.offer(&pool(&json!({})), &[&vhost], wants(VdpaDriver::Vhost));
    let (nodes, info) = answer(&offer, &[VF]);
    assert_eq!(nodes, ["/dev/vhost-vdpa-5"]);
    assert_eq!(sections(&info, VF), json!({"vdpa": {"mount": "/dev/vhost-vdpa-5"}}));
    let virtio = vdpa(vf(VF, "mlx5_core"), VdpaDriver::Virtio);
    let offer = tree.offer(&pool(&json!({})), &[&virtio], wants(VdpaDriver::Virtio));
    let (nodes, info) = answer(&offer, &[VF]);
    assert_eq!((nodes.len(), sections(&info, VF)), (0, json!({"vdpa": {}})));
}

#[test]
fn nodes_that_devices_share_are_given_once() {
    let tree = Tree::new(false);
    let (a, b) = (vf("0000:3b:02.6", "vfio-pci"), vf("0000:3b:02.7", "vfio-pci"));
    let b = Device {
        iommu_group: Some(170),
        ..b
    };
    let offer = tree.offer(&pool(&json!({})), &[&a, &b], PLAIN);
    let (nodes, _) = answer(&offer, &["0000:3b:02.7", "0000:3b:02.6"]);
    assert_eq!(nodes, ["/dev/vfio/169", "/dev/vfio/170", "/dev/vfio/vfio"]);
}

#[test]
fn offers_with_other_nodes_are_other_offers() {
    let tree = Tree::new(false);
    let pool = pool(&json!({}));
    let before = tree.offer(&pool, &[&vf(VF, "vfio-pci")], PLAIN);
    assert_eq!(before, tree.offer(&pool, &[&vf(VF, "vfio-pci")], PLAIN));
    let moved = Device {
        iommu_group: Some(170),
        ..vf(VF, "vfio-pci")
    };
    assert_ne!(before, tree.offer(&pool, &[&moved], PLAIN));
}

#[test]
fn a_subfunction_is_told_what_is_said_of_the_function_below() {
    let tree = Tree::new(false);
    let id: DeviceId = "mlx5_core.sf.4".parse().unwrap();
    let function = Function::Sf {
        parent: Some(PF.parse().unwrap()),
        number: Some(88),
    };
    let sf = Device {
        function,
        ..Device::unknown(id)
    };
    let mut pool = pool(&json!({"additionalInfo": {
        "*": {"a": "all", "b": "all", "c": "all"},
        PF: {"b": "parent", "c": "parent"},
        "mlx5_core.sf.4": {"c": "own"},
    }}));
    pool.device_type = DeviceType::AuxNetDevice;
    let offer = tree.offer(&pool, &[&sf], PLAIN);
    let (_, info) = answer(&offer, &["mlx5_core.sf.4"]);
    let expected = json!({"extra": {"a": "all", "b": "parent", "c": "own"}});
    assert_eq!(sections(&info, "mlx5_core.sf.4"), expected);
}

#[test]
fn the_device_info_file_says_what_is_known() {
    let tree = Tree::new(false);
    tree.rdma("mlx5_2", 2);
    tree.rdma("mlx5_3", 3);
    tree.file("dev/vhost-net", "");
    tree.file("dev/net/tun", "");
    tree.file(&format!("sys/bus/pci/devices/{VF}/vdpa0/vhost-vdpa-0/dev"), "241:0");
    let read = |pool: &crate::config::Pool, device: &Device, needs| -> Option<Value> {
        let offer = tree.offer(pool, &[device], needs);
        let document = offer.devices.values().next().unwrap().given.device_info.as_ref()?;
        let name = format!("devinfo/intel.com-x-{}-device.json", device.id);
        assert_eq!(document.path, tree.path(&name));
        Some(serde_json::from_str(&document.content).unwrap())
    };
    let plain = pool(&json!({}));
    let document = |section: Value| Some(json!({"type": "pci", "version": "1.1.0", "pci": section}));
    assert_eq!(
        read(&plain, &vf(VF, "iavf"), PLAIN),
        document(json!({"pci-address": VF, "pf-pci-address": PF}))
    );
    let rdma = Device {
        rdma: vec!["mlx5_2".to_owned(), "mlx5_3".to_owned()],
        ..vf(VF, "mlx5_core")
    };
    let all = Needs {
        rdma: true,
        vhost_net: true,
        vdpa: None,
    };
    assert_eq!(
        read(&plain, &rdma, all),
        document(json!({
            "pci-address": VF, "pf-pci-address": PF, "rdma-device": "mlx5_2,mlx5_3", "vhost-net": "/dev/vhost-net"
        }))
    );
    for (driver, more) in [
        (
            VdpaDriver::Vhost,
            json!({"driver": "vhost", "path": "/dev/vhost-vdpa-0"}),
        ),
        (VdpaDriver::Virtio, json!({"driver": "virtio"})),
    ] {
        let mut section = json!({"parent-device": "vdpa0", "pci-address": VF, "pf-pci-address": PF});
        section
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let needs = Needs {
            vdpa: Some(driver),
            ..PLAIN
        };
        assert_eq!(
            read(&plain, &vdpa(vf(VF, "mlx5_core"), driver), needs),
            Some(json!({"type": "vdpa", "version": "1.1.0", "vdpa": section}))
        );
    }
    let mut accelerators = plain.clone();
    accelerators.device_type = DeviceType::Accelerator;
    assert_eq!(read(&accelerators, &vf(VF, "vfio-pci"), PLAIN), None);
}
