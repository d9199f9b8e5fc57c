#![no_main]

#[path = "../bounds.rs"]
mod bounds;

#[global_allocator]
static ALLOCATOR: bounds::Counting = bounds::Counting;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bounds::within_bounds(hardwire_pci::fuzz::identifiers, input));
