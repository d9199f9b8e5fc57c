//! Which device a configuration names, and which interface a release takes for it: names and addresses are lent, the hardware
//! is what it is.
//!
//! All but USB runs anywhere as root, in namespaces of its own.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod located;
mod names;
mod ports;
mod software;
mod usb;
