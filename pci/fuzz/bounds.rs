//! What one input of a fuzz target may cost: processor time and memory, both of the thread that takes it.
//!
//! Shared by the targets of all crates, and by the tests that replay their corpora.
#![allow(unsafe_code, reason = "an allocator that counts is an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

/// Of an optimized build; others are ten times as slow.
const PROCESSOR: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 100 });
const MEMORY: isize = 64 << 20;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, which counts what each thread has.
#[derive(Debug)]
pub(super) struct Counting;

fn count(bytes: isize) {
    // A thread that ends has its counters no more.
    let counted = NOW.try_with(|now| {
        now.set(now.get().saturating_add(bytes));
        now.get()
    });
    if let Ok(now) = counted {
        let _ = MOST.try_with(|most| most.set(most.get().max(now)));
    }
}

fn size(layout: Layout) -> isize {
    layout.size().cast_signed()
}

// SAFETY: all of it is the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size.cast_signed() - size(layout));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Gives one input to a target.
///
/// # Panics
///
/// Where it costs more than it may.
pub(super) fn within_bounds(target: fn(&[u8]), input: &[u8]) {
    let (before, begun) = (NOW.get(), processor_time());
    MOST.set(before);
    target(input);
    let (took, most) = (processor_time().saturating_sub(begun), MOST.get() - before);
    assert!(
        took <= PROCESSOR,
        "an input of {} bytes took {took:?} of processor",
        input.len()
    );
    assert!(
        most <= MEMORY,
        "an input of {} bytes took {most} bytes of memory",
        input.len()
    );
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
