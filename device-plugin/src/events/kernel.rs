//! Uevents, from the kernel itself: udevd's own events need udevd in our namespace, and come after its rules have run.

use std::io;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use tracing::{debug, error};
use udev::{EventType, MonitorBuilder, MonitorSocket};

use super::{Change, DevicePath, Event, EventSender};

/// Buses and classes whose devices are ours, or hang below ours. `netdevsim` is a bus too.
const SUBSYSTEMS: [&str; 6] = ["pci", "net", "netdevsim", "auxiliary", "vdpa", "infiniband"];

/// Starts the thread, which has its socket when this returns. libudev's objects stay with one thread.
pub(super) fn listen(events: EventSender) -> io::Result<()> {
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("uevents".to_owned());
    thread.spawn(move || match open() {
        Ok(socket) => {
            // The starter waits for it.
            let _ = ready.send(Ok(()));
            if let Err(error) = follow(&socket, &events) {
                error!("uevents are no longer heard: {error}");
            }
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    })?;
    is_ready.recv().unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn open() -> io::Result<MonitorSocket> {
    let mut builder = MonitorBuilder::new_kernel()?;
    for subsystem in SUBSYSTEMS {
        builder = builder.match_subsystem(subsystem)?;
    }
    builder.listen()
}

fn follow(socket: &MonitorSocket, events: &EventSender) -> io::Result<()> {
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        // libudev tells nobody of an overrun (ENOBUFS); the socket's pending error does.
        let overrun = fds[0].revents().contains(PollFlags::ERR);
        if overrun && !events.tell(Event::Overrun) {
            return Ok(());
        }
        for event in socket.iter() {
            let Some(path) = DevicePath::of(event.devpath().as_ref()) else {
                continue;
            };
            let change = change(&event);
            debug!(?path, ?change, "uevent");
            if !events.tell(Event::Device { path, change }) {
                return Ok(());
            }
        }
    }
}

/// Only a bus tells of the device itself: what a class tells is of something below it.
fn change(event: &udev::Event) -> Change {
    let is_bus = event
        .subsystem()
        .is_some_and(|name| name == "pci" || name == "netdevsim" || name == "auxiliary");
    match event.event_type() {
        EventType::Add if is_bus => Change::Added,
        EventType::Remove if is_bus => Change::Removed,
        EventType::Bind | EventType::Unbind if is_bus => Change::Driver,
        _ => Change::Other,
    }
}
