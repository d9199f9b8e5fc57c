//! Uevents, from the kernel itself: udevd's own events need udevd in our namespace, and come after its rules have run.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tracing::{debug, warn};
use udev::{EventType, MonitorBuilder, MonitorSocket};

use super::{Change, DevicePath, Event, EventSender, Origin};

/// Buses and classes whose devices are ours, or hang below ours. `netdevsim` is a bus too.
const SUBSYSTEMS: [&str; 6] = ["pci", "net", "netdevsim", "auxiliary", "vdpa", "infiniband"];
/// Classes of an RDMA device's character devices (`drivers/infiniband/core/{uverbs_main,user_mad}.c`), which come when the
/// module is loaded that makes them, and not with the device.
const RDMA_FILES: [&str; 2] = ["infiniband_verbs", "infiniband_mad"];
/// Character devices that belong to no device.
const MISC: &str = "misc";
/// Those of them that containers get.
const MISC_FILES: [&str; 4] = ["rdma_cm", "vhost-net", "tun", "iommu"];

/// Starts the thread, which has its socket when this returns. libudev's objects stay with one thread.
pub(super) fn listen(events: EventSender) -> io::Result<()> {
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("uevents".to_owned());
    thread.spawn(move || match open() {
        Ok(socket) => {
            // The starter waits for it.
            let _ = ready.send(Ok(()));
            events.run(Origin::Uevents, |events| follow(&socket, events));
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    })?;
    is_ready.recv().unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Without a filter, which libudev would apply by receiving until something passes: each message is to be looked at here.
fn open() -> io::Result<MonitorSocket> {
    MonitorBuilder::new_kernel()?.listen()
}

fn follow(socket: &MonitorSocket, events: &EventSender) -> io::Result<()> {
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let told = fds[0].revents();
        if told.intersects(PollFlags::NVAL | PollFlags::HUP) {
            return Err(io::Error::other(format!("the socket is of no use any more: {told:?}")));
        }
        loop {
            match next(socket)? {
                Next::Told(event) => {
                    if !events.tell(event) {
                        return Ok(());
                    }
                }
                Next::OfNoConcern => {}
                Next::None => break,
            }
        }
    }
}

/// What is next in the socket.
enum Next {
    /// Nothing.
    None,
    /// A message about something else.
    OfNoConcern,
    /// Something that happened.
    Told(Event),
}

fn next(socket: &MonitorSocket) -> io::Result<Next> {
    // libudev does not tell a message that it ignores from none, nor that some were lost.
    match recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok(_) => {}
        Err(Errno::AGAIN | Errno::INTR) => return Ok(Next::None),
        Err(Errno::NOBUFS) => return Ok(Next::Told(Event::Overrun)),
        Err(errno) => return Err(errno.into()),
    }
    let Some(event) = socket.iter().next() else {
        warn!("a uevent was not understood: {}", io::Error::last_os_error());
        return Ok(Next::Told(Event::Malformed(Origin::Uevents)));
    };
    let subsystem = event.subsystem().and_then(OsStr::to_str).unwrap_or_default();
    let Some(event) = meaning(subsystem, event.event_type(), event.devpath().as_ref()) else {
        return Ok(Next::OfNoConcern);
    };
    debug!(?event, "uevent");
    Ok(Next::Told(event))
}

/// What an event says, if it concerns anything of ours.
fn meaning(subsystem: &str, kind: EventType, path: &Path) -> Option<Event> {
    if subsystem == MISC {
        let name = path.file_name()?.to_str()?;
        return MISC_FILES.contains(&name).then_some(Event::CharacterDevices);
    }
    let is_file = RDMA_FILES.contains(&subsystem);
    if !is_file && !SUBSYSTEMS.contains(&subsystem) {
        return None;
    }
    match DevicePath::of(path) {
        Some(path) if is_file => Some(Event::Device {
            path,
            change: Change::CharacterDevices,
        }),
        Some(path) => Some(Event::Device {
            path,
            change: change(subsystem, kind),
        }),
        None => None,
    }
}

/// Only a bus tells of the device itself: what a class tells is of something below it.
fn change(subsystem: &str, kind: EventType) -> Change {
    let is_bus = ["pci", "netdevsim", "auxiliary"].contains(&subsystem);
    match kind {
        EventType::Add if is_bus => Change::Added,
        EventType::Remove if is_bus => Change::Removed,
        EventType::Bind | EventType::Unbind if is_bus => Change::Driver,
        _ => Change::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PCI: &str = "/devices/pci0000:00/0000:00:01.0/0000:01:10.2";

    fn told(subsystem: &str, kind: EventType, path: &str) -> Option<Event> {
        meaning(subsystem, kind, Path::new(path))
    }

    fn of_device(change: Change) -> Event {
        let path = DevicePath::Pci("0000:01:10.2".parse().unwrap());
        Event::Device { path, change }
    }

    #[test]
    fn a_bus_tells_of_a_device_and_a_class_of_something_below_it() {
        assert_eq!(told("pci", EventType::Add, PCI), Some(of_device(Change::Added)));
        assert_eq!(told("pci", EventType::Bind, PCI), Some(of_device(Change::Driver)));
        let netdev = format!("{PCI}/net/eth1");
        assert_eq!(told("net", EventType::Add, &netdev), Some(of_device(Change::Other)));
        assert_eq!(told("net", EventType::Add, "/devices/virtual/net/veth0"), None);
    }

    #[test]
    fn files_of_rdma_that_come_later_are_a_change_of_what_containers_get() {
        for (class, name) in [
            ("infiniband_verbs", "uverbs3"),
            ("infiniband_mad", "umad3"),
            ("infiniband_mad", "issm3"),
        ] {
            for kind in [EventType::Add, EventType::Remove] {
                let path = format!("{PCI}/{class}/{name}");
                assert_eq!(told(class, kind, &path), Some(of_device(Change::CharacterDevices)));
            }
        }
        assert_eq!(
            told(
                "infiniband_verbs",
                EventType::Add,
                "/devices/virtual/infiniband_verbs/uverbs0"
            ),
            None
        );
    }

    #[test]
    fn of_miscellaneous_devices_those_count_that_containers_get() {
        let misc = |name: &str| told("misc", EventType::Add, &format!("/devices/virtual/misc/{name}"));
        for name in ["rdma_cm", "vhost-net", "tun", "iommu"] {
            assert_eq!(misc(name), Some(Event::CharacterDevices), "{name}");
        }
        for name in ["kvm", "loop-control", "vfio"] {
            assert_eq!(misc(name), None, "{name}");
        }
    }
}
