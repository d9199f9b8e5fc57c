//! Which boot this is: what is kept of the kernel's state counts for the boot it was written in.

use std::fs;
use std::io;

/// `/proc/sys/kernel/random/boot_id`.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim_end()
        .to_owned())
}
