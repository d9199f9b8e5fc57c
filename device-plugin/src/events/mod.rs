//! What happens on the node, as the kernel tells it: uevents (netlink(7), `NETLINK_KOBJECT_UEVENT`) and rtnetlink's
//! notifications, each on a thread that sleeps in the kernel, merged into one channel.
//!
//! An event says where to look, never what is there: whoever hears of it reads. Lost events (an overrun of a socket or of the
//! channel) are one event of their own, [`Event::Overrun`], and mean: look everywhere. Both sockets belong to the network
//! namespace of the daemon, which is the host's.
//!
//! A message that makes no sense is skipped, counted, and treated as lost events are. A thread that ends, whatever ended it,
//! says so ([`Event::Deaf`]): from then on nothing here is heard of, which the daemon must not hide.
//!
//! Files and connections happen too: [`directory`] tells that something in a directory changed, [`socket`] whether a socket's
//! file is still ours, and [`connections`] takes what comes to it. [`debounce`] tells when to look after a burst of events,
//! [`backoff`] when to try again.

pub mod backoff;
pub mod connections;
pub mod debounce;
mod device_path;
pub mod directory;
mod kernel;
mod links;
pub mod socket;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// A message made no sense: it is lost.
    Malformed(Origin),
    /// These events are heard no more, and why.
    Deaf(Origin, String),
}

/// Who tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The kernel's device model.
    Uevents,
    /// rtnetlink.
    Links,
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
    aside: Arc<Aside>,
}

/// What does not go through the channel, which may be full: whoever leaves something here wakes the receiver up.
#[derive(Debug, Default)]
struct Aside {
    overrun: AtomicBool,
    deaf: Mutex<Vec<(Origin, String)>>,
}

/// The sending end, of a thread.
#[derive(Debug, Clone)]
struct EventSender {
    sender: mpsc::Sender<Event>,
    aside: Arc<Aside>,
}

/// Tells the end of a thread when it is dropped, by a panic too.
struct End {
    events: EventSender,
    origin: Origin,
    reason: String,
}

// === impl Origin ===

impl Origin {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Uevents, Self::Links];

    /// In metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uevents => "udev",
            Self::Links => "netlink",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uevents => "uevents",
            Self::Links => "link events",
        })
    }
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
        if let Some((origin, reason)) = self.aside.deaf().pop() {
            return Event::Deaf(origin, reason);
        }
        if self.aside.overrun.swap(false, Ordering::Relaxed) {
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
    let aside = Arc::<Aside>::default();
    let events = EventSender {
        sender,
        aside: Arc::clone(&aside),
    };
    (events, Events { receiver, aside })
}

// === impl Aside ===

impl Aside {
    fn deaf(&self) -> MutexGuard<'_, Vec<(Origin, String)>> {
        self.deaf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl EventSender ===

impl EventSender {
    /// Waits for nobody. False where nobody listens any more.
    fn tell(&self, event: Event) -> bool {
        match self.sender.try_send(event) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                // The channel is full, so the receiver has something to wake up for, and sees the flag first.
                self.aside.overrun.store(true, Ordering::Relaxed);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }

    /// Runs what a thread does, and tells its end.
    fn run<E: fmt::Display>(self, origin: Origin, follow: impl FnOnce(&Self) -> Result<(), E>) {
        let mut end = End {
            events: self,
            origin,
            reason: "its thread panicked".to_owned(),
        };
        end.reason = match follow(&end.events) {
            // Nobody hears of it: nobody listens.
            Ok(()) => "its thread ended".to_owned(),
            Err(error) => error.to_string(),
        };
    }
}

// === impl End ===

impl Drop for End {
    fn drop(&mut self) {
        let reason = std::mem::take(&mut self.reason);
        self.events.aside.deaf().push((self.origin, reason));
        // Everything is to be looked at for the last time, and the receiver wakes up for it.
        self.events.tell(Event::Overrun);
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

    #[test]
    fn a_thread_that_ends_says_so_whatever_ends_it_and_however_full_the_channel_is() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (sender, mut events) = channel();
        for _ in 0..ROOM {
            assert!(sender.tell(Event::Link(1)));
        }
        sender.clone().run(Origin::Links, |_| Err("no socket"));
        let deaf = |origin, reason: &str| Event::Deaf(origin, reason.to_owned());
        assert_eq!(runtime.block_on(events.next()), deaf(Origin::Links, "no socket"));
        let panics = std::thread::spawn(move || sender.run(Origin::Uevents, |_| -> Result<(), String> { panic!("!") }));
        assert!(panics.join().is_err());
        assert_eq!(
            runtime.block_on(events.next()),
            deaf(Origin::Uevents, "its thread panicked")
        );
        assert_eq!(runtime.block_on(events.next()), Event::Overrun);
    }
}
