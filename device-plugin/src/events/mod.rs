//! What happens on the node, as the kernel tells it: uevents (netlink(7), `NETLINK_KOBJECT_UEVENT`) and rtnetlink's
//! notifications, each on a thread that sleeps in the kernel, merged into one channel.
//!
//! An event says where to look, never what is there: whoever hears of it reads. Lost events (an overrun of a socket or of the
//! channel) are one event of their own, [`Event::Overrun`], and mean: look everywhere. Both sockets belong to the network
//! namespace of the daemon, which is the host's.
//!
//! Files happen too: [`directory`] tells that something in a directory changed, [`socket`] whether a socket's file is still
//! ours. [`debounce`] tells when to look after a burst of events.

pub mod debounce;
mod device_path;
pub mod directory;
mod kernel;
mod links;
pub mod socket;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hardwire_pci::netlink::NetlinkError;
use tokio::sync::mpsc;

pub use device_path::DevicePath;

/// More than a burst of a thousand VFs; what does not fit is an overrun.
const ROOM: usize = 4096;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A device came, went or changed, or something below it did.
    Device {
        /// Where.
        path: DevicePath,
        /// What.
        change: Change,
    },
    /// A link came, went or changed, or what stands on it did.
    Link(u32),
    /// An address of this interface came or went.
    Address(u32),
    /// A default route came or went, through this interface or, with `None`, through any.
    DefaultRoute(Option<u32>),
    /// A character device came or went that belongs to no device, and that containers get.
    CharacterDevices,
    /// Events were lost.
    Overrun,
}

/// What happened to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is there anew: added to its bus.
    Added,
    /// It is no longer on its bus.
    Removed,
    /// A driver took it or let it go.
    Driver,
    /// A character device of it came or went: a module was loaded later than its driver.
    CharacterDevices,
    /// Anything else, such as an interface of it that came or went.
    Other,
}

/// Why nothing is heard.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The uevent socket cannot be had.
    #[error("uevents: {0}")]
    Kernel(io::Error),
    /// The rtnetlink socket cannot be had.
    #[error("link events: {0}")]
    Links(NetlinkError),
}

/// The receiving end.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Event>,
    overrun: Arc<AtomicBool>,
}

/// The sending end, of a thread.
#[derive(Debug, Clone)]
struct EventSender {
    sender: mpsc::Sender<Event>,
    overrun: Arc<AtomicBool>,
}

// === impl Events ===

impl Events {
    /// Begins to listen. Both threads have their sockets when this returns: whatever changes from now on is told.
    pub fn listen() -> Result<Self, ListenError> {
        let (sender, events) = channel();
        kernel::listen(sender.clone()).map_err(ListenError::Kernel)?;
        links::listen(sender).map_err(ListenError::Links)?;
        Ok(events)
    }

    /// For a tree that is not the kernel's: nothing is ever told.
    pub fn none() -> Self {
        channel().1
    }

    /// The next event; waits for ever where nobody tells any more.
    pub async fn next(&mut self) -> Event {
        if self.overrun.swap(false, Ordering::Relaxed) {
            return Event::Overrun;
        }
        match self.receiver.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

fn channel() -> (EventSender, Events) {
    let (sender, receiver) = mpsc::channel(ROOM);
    let overrun = Arc::new(AtomicBool::new(false));
    let events = EventSender {
        sender,
        overrun: Arc::clone(&overrun),
    };
    (events, Events { receiver, overrun })
}

// === impl EventSender ===

impl EventSender {
    /// Waits for nobody. False where nobody listens any more.
    fn tell(&self, event: Event) -> bool {
        match self.sender.try_send(event) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                // The channel is full, so the receiver has something to wake up for, and sees the flag first.
                self.overrun.store(true, Ordering::Relaxed);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_an_overrun() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (sender, mut events) = channel();
        for _ in 0..=ROOM {
            assert!(sender.tell(Event::Link(1)));
        }
        assert_eq!(runtime.block_on(events.next()), Event::Overrun);
        assert_eq!(runtime.block_on(events.next()), Event::Link(1));
        drop(events);
        assert!(!sender.tell(Event::Link(1)));
    }
}
