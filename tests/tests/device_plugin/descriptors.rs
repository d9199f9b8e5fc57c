//! Descriptors run out, or are used up by clients that say nothing: what works goes on, and what failed is done later.

use std::fs;
use std::io::{self, Read};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use hardwire_tests::http;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::*;

/// The connections that the metrics' port takes at a time.
const MOST: usize = 32;

fn start() -> (Running, String) {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let mut daemon = site.start_with(&one_pool(), tree.root(), &["--metrics-bind", "127.0.0.1:0"]);
    let line = daemon.wait_for_log("metrics and probes on http://", SOON);
    let address = line.rsplit_once("http://").unwrap().1.to_owned();
    let running = Running {
        daemon,
        kubelet,
        site,
        tree,
    };
    running.wait_for(RESOURCE, 2);
    (running, address)
}

fn descriptors(running: &Running) -> usize {
    fs::read_dir(format!("/proc/{}/fd", running.daemon.id()))
        .unwrap()
        .count()
}

/// The number that the next descriptor would have.
fn lowest_free(running: &Running) -> u64 {
    let used = |number: &u64| fs::symlink_metadata(format!("/proc/{}/fd/{number}", running.daemon.id())).is_ok();
    (0..1024).find(|number| !used(number)).unwrap()
}

/// What it ran for, user and system, in the kernel's ticks of 10 ms.
fn ticks(running: &Running) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", running.daemon.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn limit(running: &Running, descriptors: u64) -> Rlimit {
    let pid = Pid::from_raw(running.daemon.id().cast_signed());
    let new = Rlimit {
        current: Some(descriptors),
        maximum: prlimit_maximum(running),
    };
    prlimit(pid, Resource::Nofile, new).unwrap()
}

fn prlimit_maximum(running: &Running) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.daemon.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(4).unwrap().parse().ok()
}

/// The daemon closed it, or reset it where it had more to read, and the wait for that is not over.
#[track_caller]
fn assert_ended(read: io::Result<usize>) {
    match read {
        Ok(length) => assert_eq!(length, 0),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn rule_10_silent_connections_do_not_add_up_and_do_not_stay() {
    let (running, address) = start();
    let before = descriptors(&running);
    let mut silent: Vec<TcpStream> = (0..3 * MOST).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(http::get(&address, "/readyz").unwrap().0, 200, "the newest is answered");
    let open = descriptors(&running) - before;
    assert!(open <= MOST, "{open} connections are open");
    for stream in &mut silent {
        stream.set_read_timeout(Some(SOON)).unwrap();
        assert_ended(stream.read(&mut [0; 1]));
    }
    let deadline = Instant::now() + SOON;
    while descriptors(&running) > before {
        assert!(Instant::now() < deadline, "descriptors stay: {}", descriptors(&running));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn rule_10_half_a_question_does_not_keep_a_connection() {
    use std::io::Write;

    let (_running, address) = start();
    let mut slow = TcpStream::connect(&address).unwrap();
    slow.set_read_timeout(Some(SOON)).unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nhost: no").unwrap();
    assert_ended(slow.read(&mut [0; 1]));
}

#[test]
fn rule_10_a_client_of_a_pools_socket_that_says_nothing_is_let_go() {
    let (running, _address) = start();
    let mut silent = UnixStream::connect(running.site.plugin_dir().join(ENDPOINT)).unwrap();
    silent.set_read_timeout(Some(SOON)).unwrap();
    assert_ended(silent.read(&mut [0; 1]));
    running.kubelet.allocate(RESOURCE, &[&["0000:01:10.0"]]).unwrap();
    running.assert_no_more_registrations_than(1);
}

#[test]
fn without_descriptors_it_waits_and_goes_on_when_there_are_some_again() {
    let (mut running, address) = start();
    // A call of the kubelet needs none: its connection is there.
    let before = limit(&running, lowest_free(&running));
    let state = running.site.state_dir();
    let mut asked = UnixStream::connect(state.join("control.sock")).unwrap();
    let metrics = TcpStream::connect(&address).unwrap();
    let pool = UnixStream::connect(running.site.plugin_dir().join(ENDPOINT)).unwrap();
    for _ in 0..3 {
        running.daemon.wait_for_log("no connection can be taken for now", SOON);
    }
    let (ticks_before, begin) = (ticks(&running), Instant::now());
    running.kubelet.allocate(RESOURCE, &[&["0000:01:10.0"]]).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let (ran, passed) = (ticks(&running) - ticks_before, begin.elapsed());
    assert!(
        Duration::from_millis(ran * 10) < passed / 2,
        "{ran} ticks within {passed:?}: it spins"
    );
    limit(&running, before.current.unwrap());
    let request = std::io::Write::write_all(&mut asked, b"adopt 0000:ff:00.0\n");
    request.unwrap();
    asked.set_read_timeout(Some(SOON)).unwrap();
    let mut answer = String::new();
    asked.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "error 0000:ff:00.0 is in no pool\n");
    drop((metrics, pool));
    http::wait_for(&address, "/readyz", |(status, _)| *status == 200, SOON);
    running.kubelet.client(ENDPOINT).unwrap();
}

#[test]
fn documents_that_cannot_be_written_are_written_later() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    fs::write(site.device_info_dir(), "in the way").unwrap();
    let mut daemon = site.start(&one_pool(), tree.root());
    let two = |devices: &[Device]| devices.len() == 2;
    kubelet.wait_for_devices(RESOURCE, two, SOON).unwrap();
    daemon.wait_for_log("1 others are not written either; trying again later", SOON);
    fs::remove_file(site.device_info_dir()).unwrap();
    let deadline = Instant::now() + SOON;
    while fs::read_dir(site.device_info_dir()).map_or(0, Iterator::count) < 2 {
        assert!(Instant::now() < deadline, "no file:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}
