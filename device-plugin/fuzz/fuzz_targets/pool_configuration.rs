#![no_main]

#[path = "../../../pci/fuzz/bounds.rs"]
mod bounds;

#[global_allocator]
static ALLOCATOR: bounds::Counting = bounds::Counting;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bounds::within_bounds(hardwire_device_plugin::fuzz::pool_configuration, input));
