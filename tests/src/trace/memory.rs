//! Memory of a stopped process, through `/proc/PID/mem`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use nix::unistd::Pid;

/// Longer than any path or message head that is looked at.
const LONGEST: usize = 4096;

fn open(pid: Pid, write: bool) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(write);
    options.open(format!("/proc/{pid}/mem")).expect("memory of a tracee")
}

/// What is at `address`, `length` bytes or as many as are mapped.
pub(super) fn read(pid: Pid, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length.min(LONGEST)];
    let count = open(pid, false).read_at(&mut bytes, address).unwrap_or(0);
    bytes.truncate(count);
    bytes
}

/// The C string at `address`.
pub(super) fn text(pid: Pid, address: u64) -> String {
    let bytes = read(pid, address, LONGEST);
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The 64-bit number at `address`.
pub(super) fn number(pid: Pid, address: u64) -> u64 {
    let bytes = read(pid, address, 8).try_into().expect("a mapped address");
    u64::from_ne_bytes(bytes)
}

/// Overwrites what is at `address`.
pub(super) fn write(pid: Pid, address: u64, bytes: &[u8]) {
    open(pid, true)
        .write_all_at(bytes, address)
        .expect("memory of a tracee");
}
