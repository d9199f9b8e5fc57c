//! Code that was needed to begin, and is not needed to go on, is given back.
//!
//! The kernel maps 64 KiB of a program around each place that is run (`fault_around_bytes`, mm/memory.c), and the daemon runs most
//! of what it runs in its first second. After that it is a few loops that wait. The pages stay in the page cache, where the
//! kernel takes them if it needs to, and come back one by one where they are run again.
//!
//! Contract: madvise(2), `MADV_DONTNEED`: a private mapping of a file reads from the file again. So nothing is lost of code that
//! nobody changed, and code that somebody did change (a debugger's breakpoints, uprobes) is left alone.

use std::fs;
use std::io;
use std::time::Duration;

use tokio::time::sleep;
use tracing::debug;

use crate::telemetry::metrics::Metrics;

/// What belongs to the beginning is over by then.
const SETTLED: Duration = Duration::from_secs(3);

/// A mapping of code that nobody changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Code {
    start: usize,
    length: usize,
    resident_kib: usize,
}

/// Once the kubelet has the first lists, gives back what was needed until then. Does nothing more until it is dropped.
pub(super) async fn give_back(metrics: Metrics) {
    let mut changes = metrics.standing_changes();
    while !metrics.standing().unregistered.is_empty() {
        // Whoever tells lives for as long as there is a handle, and here is one.
        let _ = changes.changed().await.is_ok();
    }
    sleep(SETTLED).await;
    match fs::read_to_string("/proc/self/smaps").and_then(|text| drop_pages(&code(&text))) {
        Ok(kib) => debug!("{kib} KiB of code given back that was needed to begin"),
        // It is as large as before, and works as well.
        Err(error) => debug!("no code is given back: {error}"),
    }
    std::future::pending().await
}

/// The mappings of code (proc(5), `/proc/PID/smaps`).
fn code(smaps: &str) -> Vec<Code> {
    let mut found: Vec<Code> = Vec::new();
    let mut is_code = false;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let kib = second.parse().unwrap_or(0_usize);
        match first {
            "Rss:" if is_code => {
                if let Some(code) = found.last_mut() {
                    code.resident_kib = kib;
                }
            }
            "Private_Dirty:" | "Anonymous:" if is_code && kib > 0 => {
                found.pop();
                is_code = false;
            }
            range if range.contains('-') => {
                let is_file = words.nth(3).is_some_and(|path| path.starts_with('/'));
                let bounds = range.split_once('-').and_then(|(start, end)| {
                    let number = |digits| usize::from_str_radix(digits, 16).ok();
                    number(start).zip(number(end))
                });
                is_code = second == "r-xp" && is_file && bounds.is_some();
                if let (Some((start, end)), true) = (bounds, is_code) {
                    found.push(Code {
                        start,
                        length: end.saturating_sub(start),
                        resident_kib: 0,
                    });
                }
            }
            _ => {}
        }
    }
    found
}

/// Tells how much was resident of them.
#[allow(unsafe_code, reason = "there is no safe call for it")]
fn drop_pages(mappings: &[Code]) -> io::Result<usize> {
    let mut kib = 0;
    for code in mappings {
        let start = std::ptr::with_exposed_provenance_mut(code.start);
        // SAFETY: a private mapping of a file that may not be written to, and has no page of its own: each page reads from the
        // file again as it was.
        if unsafe { libc::madvise(start, code.length, libc::MADV_DONTNEED) } != 0 {
            return Err(io::Error::last_os_error());
        }
        kib += code.resident_kib;
    }
    Ok(kib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_that_nobody_changed_is_given_back() {
        let mapping = |range: &str, access: &str, path: &str, dirty: usize| {
            format!(
                "{range} {access} 00001000 fe:00 42 {path}\nSize: 8 kB\nRss: 8 kB\nPrivate_Dirty: {dirty} kB\nAnonymous: 0 kB\n"
            )
        };
        let smaps = [
            mapping("1000-3000", "r-xp", "/usr/bin/hardwired", 0),
            mapping("3000-4000", "r--p", "/usr/bin/hardwired", 0),
            mapping("4000-5000", "rw-p", "/usr/bin/hardwired", 4),
            mapping("5000-6000", "r-xp", "/usr/lib/libc.so.6", 4),
            mapping("6000-7000", "r-xp", "[vdso]", 0),
            mapping("7000-8000", "r-xp", "", 0),
        ];
        let expected = Code {
            start: 0x1000,
            length: 0x2000,
            resident_kib: 8,
        };
        assert_eq!(code(&smaps.concat()), [expected]);
    }

    #[test]
    fn the_program_goes_on_without_the_pages() {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mappings = code(&smaps);
        assert!(mappings.len() >= 2, "the program and libc: {mappings:?}");
        assert!(drop_pages(&mappings).unwrap() > 0);
        assert_eq!(format!("{:?}", Some(1)), "Some(1)");
    }
}
