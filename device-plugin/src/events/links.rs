//! rtnetlink's notifications.

use std::io;
use std::thread;

use hardwire_pci::netlink::{NetlinkError, Notice, Notices};
use tracing::error;

use super::{Event, EventSender};

/// Starts the thread.
pub(super) fn listen(events: EventSender) -> Result<(), NetlinkError> {
    let notices = Notices::open()?;
    let thread = thread::Builder::new().name("link-events".to_owned());
    let started = thread.spawn(move || {
        if let Err(error) = follow(notices, &events) {
            error!("link events are no longer heard: {error}");
        }
    });
    let failed = |source: io::Error| NetlinkError::Socket {
        step: "start a thread",
        source,
    };
    started.map(|_thread| ()).map_err(failed)
}

fn follow(mut socket: Notices, events: &EventSender) -> Result<(), NetlinkError> {
    let mut notices = Vec::new();
    loop {
        socket.next(&mut notices)?;
        for notice in notices.drain(..) {
            let event = match notice {
                Notice::Link(index) => Event::Link(index),
                Notice::Address(index) => Event::Address(index),
                Notice::DefaultRoute(index) => Event::DefaultRoute(index),
                Notice::Overrun => Event::Overrun,
            };
            if !events.tell(event) {
                return Ok(());
            }
        }
    }
}
