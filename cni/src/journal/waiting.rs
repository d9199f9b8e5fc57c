//! ADDs that wait for a holder on its way out, each as an empty file named by its attachment.
//!
//! Such an ADD has no record yet, so a DEL of the same attachment would not see it. It removes the file instead, and the ADD
//! looks for that once its record is written: whichever comes second sees what the other did.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hardwire_pci::{DeviceId, IfName};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::record::Record;
use super::store::{Journal, JournalError, create};
use crate::protocol::{ChainCall, ContainerId};

/// Longer names are cut; a name of 255 bytes is a file system's longest.
const NAME_MAX: usize = 200;

/// An ADD that waits. The file goes with it.
#[derive(Debug)]
pub struct Waiting {
    path: PathBuf,
}

impl Journal {
    /// Notes that the ADD of this attachment waits. One of several that a call is for is noted beside the call's own name.
    pub fn note_waiting(
        &self,
        container_id: &ContainerId,
        ifname: &IfName,
        chain: Option<&ChainCall>,
    ) -> Result<Waiting, JournalError> {
        let path = match chain {
            None => self.waiting_path(container_id, ifname),
            Some(chain) => {
                let mut path = self.waiting_path(container_id, &chain.ifname).into_os_string();
                path.push(format!(":{ifname}"));
                path.into()
            }
        };
        create(&self.waiting)?;
        let mut options = OpenOptions::new();
        let made = options.create(true).append(true).mode(0o600).open(&path);
        match made {
            Ok(_empty) => Ok(Waiting { path }),
            Err(source) => Err(JournalError::Io {
                step: "create",
                path,
                source,
            }),
        }
    }

    /// Tells an ADD of this attachment that waits that its DEL came, and each of those that a call is for.
    pub fn withdraw_waiting(&self, container_id: &ContainerId, ifname: &IfName) -> Result<(), JournalError> {
        let own = self.waiting_path(container_id, ifname);
        let beside = format!("{}:", own.file_name().unwrap_or_default().to_string_lossy());
        let entries = fs::read_dir(&self.waiting).into_iter().flatten().filter_map(Result::ok);
        let parts = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&beside));
        let paths: Vec<PathBuf> = parts.map(|entry| entry.path()).chain([own]).collect();
        for path in paths {
            match fs::remove_file(&path) {
                // Where nothing can be removed, there may be nothing to remove: no reason to keep a device.
                Err(source) if path.exists() => {
                    return Err(JournalError::Io {
                        step: "remove",
                        path,
                        source,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Tells the ADD that made an attachment along with others that it is released: none of them is left without the others. What
    /// an ADD that was killed has noted goes with it.
    pub fn withdraw_call_of(&self, record: &Record) -> Result<(), JournalError> {
        record.chain.as_ref().map_or(Ok(()), |chain| {
            self.withdraw_waiting(&record.owner.container_id, &chain.ifname)
        })
    }

    /// Hears of the next change of a device's record, and of the DEL of the one who waits. Made while the device's lock is
    /// held, so that no change is missed.
    pub fn watch(&self, device: &DeviceId, waiting: &Waiting) -> io::Result<Watch> {
        let events = inotify::init(CreateFlags::CLOEXEC)?;
        // A rename over the record and its removal both change the link count of the file that is there now.
        let mask = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        for path in [&self.record_path(device), &waiting.path] {
            match inotify::add_watch(&events, path, mask) {
                Ok(_) => {}
                // It has changed already: there is nothing to wait for.
                Err(rustix::io::Errno::NOENT) => return Ok(Watch(None)),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(Watch(Some(events)))
    }

    fn waiting_path(&self, container_id: &ContainerId, ifname: &IfName) -> PathBuf {
        // No container id has a colon, and no interface name.
        let id: String = container_id.as_str().chars().take(NAME_MAX).collect();
        self.waiting.join(format!("{id}:{ifname}"))
    }
}

impl Waiting {
    /// Whether no DEL came.
    pub fn is_wanted(&self) -> bool {
        self.path.exists()
    }

    /// Ends it; whether no DEL came until now. One that comes later finds all that was put on record before.
    pub fn end(self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A DEL may have removed it, and clears away what a kill left.
        drop(fs::remove_file(&self.path));
    }
}

/// A record that is watched.
#[derive(Debug)]
pub struct Watch(Option<OwnedFd>);

impl Watch {
    /// Waits for a change; `false` if none came until then.
    pub fn wait_until(self, deadline: Instant) -> io::Result<bool> {
        let Some(events) = self.0 else { return Ok(true) };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut readable = [PollFd::new(&events, PollFlags::IN)];
            match rustix::event::poll(&mut readable, Some(&timespec(left))) {
                Ok(changed) => return Ok(changed > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
