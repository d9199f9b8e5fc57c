//! How the kubelet gets to know the driver, and what it hears of the devices' health.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use hardwire_proto::drahealth::HealthStatus;
use hardwire_tests::kubelet::claim;
use rustix::process::Signal;

use super::*;

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A call of `GetInfo` with this authority, written as grpc-go writes it: into the table, so that a second call refers to it.
/// Returns the kind of the first frame that answers it.
fn call_with_authority(socket: &mut UnixStream, authority: &str) -> u8 {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let plain = |name: &str, value: &str| [vec![0], text(name), text(value)].concat();
    let fields = [
        vec![0x83, 0x86],
        [vec![0x44], text("/pluginregistration.Registration/GetInfo")].concat(),
        [vec![0x41], text(authority)].concat(),
        plain("content-type", "application/grpc"),
        plain("te", "trailers"),
    ];
    let call = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, 4, 1, &fields.concat()),
        // An empty message.
        frame(0, 1, 1, &[0; 5]),
    ];
    socket.write_all(&call.concat()).unwrap();
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).unwrap();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        socket.read_exact(&mut payload).unwrap();
        if head[5..] == 1_u32.to_be_bytes() {
            return head[3];
        }
    }
}

#[test]
fn the_driver_says_who_it_is_where_it_serves_and_in_which_versions() {
    let running = Running::start(&for_claims(), 2);
    let driver = running.kubelet.driver(DRIVER, SOON);
    assert_eq!(
        (driver.info.r#type.as_str(), driver.info.name.as_str()),
        ("DRAPlugin", DRIVER)
    );
    assert_eq!(
        driver.info.supported_versions,
        ["v1.DRAPlugin", "v1beta1.DRAPlugin", "v1alpha1.DRAResourceHealth"]
    );
    assert!(Path::new(&driver.info.endpoint).is_absolute());
    // Nobody asks for these; the pool is offered in one way.
    let registered = running.kubelet.state().registrations;
    assert!(registered.is_empty(), "{registered:?}");
}

#[test]
fn the_plugin_watchers_authority_is_taken() {
    let running = Running::start(&for_claims(), 1);
    let driver = running.kubelet.driver(DRIVER, SOON);
    for authority in [
        "localhost",
        "%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fhardwire.dev-reg.sock",
    ] {
        let mut socket = UnixStream::connect(driver.registry()).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        assert_eq!(call_with_authority(&mut socket, authority), HEADERS, "{authority}");
    }
}

#[test]
fn another_name_is_served_under_that_and_a_removed_socket_comes_back() {
    let mut config = for_claims();
    config["dra"] = json!({"driver": "nic.example.com"});
    let running = Running::start(&config, 1);
    let driver = running.kubelet.driver("nic.example.com", SOON);
    assert_eq!(driver.info.name, "nic.example.com");
    fs::remove_file(driver.registry()).unwrap();
    running.kubelet.driver("nic.example.com", SOON);
}

#[test]
fn sockets_go_when_the_daemon_does_and_slices_stay() {
    let mut running = Running::start(&for_claims(), 1);
    let path = running.kubelet.driver(DRIVER, SOON).registry().to_owned();
    running.api.wait_for(|request| request.is_of_slices(), SOON);
    running.daemon.signal(Signal::TERM);
    assert!(running.daemon.wait(SOON).success());
    assert!(!path.exists(), "{}", path.display());
    assert_eq!(running.api.slices().len(), 1);
}

#[test]
fn without_pools_for_claims_there_is_no_driver() {
    let config = json!({"resourceList": [{"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}}]});
    let running = Running::start(&config, 1);
    running
        .kubelet
        .wait_for_devices("intel.com/vfs", |devices| devices.len() == 1, SOON)
        .unwrap();
    assert!(!running.site.kubelet_dir().join("plugins_registry").exists());
}

#[test]
fn without_an_api_server_that_is_named_the_driver_says_what_is_missing() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let _kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let mut daemon = site.start_with(&for_claims(), tree.root(), &["--kube", "off"]);
    let line = daemon.wait_for_log("pools with via: dra are given to nobody", SOON);
    assert!(line.contains("--kube"), "{line}");
}

#[test]
fn the_kubelet_hears_how_each_device_is() {
    let running = Running::start(&for_claims(), 2);
    let driver = running.kubelet.driver(DRIVER, SOON);
    let all_well = driver.health(|devices| devices.len() == 2, SOON);
    let first = all_well[0].device.clone().unwrap();
    assert_eq!(
        (first.pool_name.as_str(), first.device_name.as_str()),
        (NODE, "0000-01-10-0")
    );
    assert!(
        all_well.iter().all(|device| device.health() == HealthStatus::Healthy),
        "{all_well:#?}"
    );
    drop(driver.unprepare(&[claim("red", "c", "c-1")]));
}
