//! rtnetlink's notifications, by a socket of our own on a thread of its own.
//!
//! Not by the crate `rtnetlink` (0.24, on netlink-proto 0.14), which does pass overruns on: between the socket and its user is
//! an unbounded queue of decoded messages, so that a burst (a routing daemon that starts) ends in our memory, which has a
//! bound of 12 MiB, and not in the socket's buffer, which has one too: 50,000 routes that came while nobody read took 14 MiB.
//! And a message that it cannot decode is logged and dropped, so that nobody can count it or look at what it was about.

use std::io;
use std::thread;

use hardwire_pci::netlink::{NetlinkError, Notice, Notices};
use tracing::warn;

use super::{Event, EventSender, Origin};

/// Starts the thread.
pub(super) fn listen(events: EventSender) -> Result<(), NetlinkError> {
    let notices = Notices::open()?;
    let thread = thread::Builder::new().name("link-events".to_owned());
    let started = thread.spawn(move || events.run(Origin::Links, |events| follow(notices, events)));
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
                Notice::Malformed => {
                    warn!("a message of rtnetlink was not understood");
                    Event::Malformed(Origin::Links)
                }
            };
            if !events.tell(event) {
                return Ok(());
            }
        }
    }
}
