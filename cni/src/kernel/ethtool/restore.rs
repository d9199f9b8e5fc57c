//! Putting settings back.
//!
//! Rules first, for they name queues, which may go; then what the driver has fewer or other queues for; then the table, which
//! names queues that are there again. What is refused is looked at once more: one setting may follow from another.

use std::io;

use super::ioctl::{Interface, command};
use super::{EthtoolSettings, coalesce_alike, features, steering};

/// Sets whatever differs on the interface with this name. Returns what still does, with what the driver says of it.
pub fn restore(name: &str, was: &EthtoolSettings, is_vf: bool) -> io::Result<Vec<String>> {
    let now = EthtoolSettings::read(name, is_vf)?;
    if was.differences(&now).is_empty() {
        return Ok(Vec::new());
    }
    let interface = Interface::open(name)?;
    let refused = set(&interface, was, &now);
    let after = EthtoolSettings::read(name, is_vf)?;
    let why = |what: &str| {
        let error = refused.iter().find(|(step, _)| *step == what).map(|(_, error)| error);
        error.map_or_else(|| what.to_owned(), |error| format!("{what}: {error}"))
    };
    Ok(was.differences(&after).into_iter().map(why).collect())
}

/// Takes away what steers packets, where nothing is known of before: there are no rules then, and the table is the driver's own.
pub fn clear_steering(name: &str) -> io::Result<()> {
    let interface = Interface::open(name)?;
    if let Some(rules) = steering::rules(&interface).filter(|rules| !rules.is_empty()) {
        steering::restore_rules(&interface, &[], &rules)?;
    }
    if steering::spread(&interface).is_none() {
        return Ok(());
    }
    match steering::reset_table(&interface) {
        // One that nobody can set, the pod could not set either.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
        reset => reset,
    }
}

fn set(interface: &Interface, was: &EthtoolSettings, now: &EthtoolSettings) -> Vec<(&'static str, io::Error)> {
    let mut refused = Vec::new();
    let mut note = |what, done: io::Result<()>| refused.extend(done.err().map(|error| (what, error)));
    if let (Some(was), Some(now)) = (&was.rules, &now.rules) {
        let kept: Vec<_> = now.iter().filter(|rule| was.contains(rule)).cloned().collect();
        note("flow rules", steering::restore_rules(interface, &kept, now));
    }
    let spreads = was.spread.as_ref().zip(now.spread.as_ref());
    if spreads.is_some_and(|(was, now)| was.table != now.table) {
        note("RSS", steering::reset_table(interface));
    }
    if let Some(was) = was.private_flags.filter(|_| was.private_flags != now.private_flags) {
        note("private flags", interface.call(&mut [command::SET_PRIVATE_FLAGS, was]));
    }
    if let (Some(was), true) = (&was.features, was.features != now.features) {
        note("offloads", set_features(interface, was));
    }
    if let Some(was) = was.channels.filter(|_| was.channels != now.channels) {
        note(
            "channels",
            set_counts(interface, command::GET_CHANNELS, command::SET_CHANNELS, was),
        );
    }
    if let Some(was) = was.rings.filter(|_| was.rings != now.rings) {
        note(
            "rings",
            set_counts(interface, command::GET_RINGS, command::SET_RINGS, was),
        );
    }
    if let (Some(was), Some(now)) = (&was.coalescing, &now.coalescing)
        && !coalesce_alike(was, now)
    {
        let mut words = vec![command::SET_COALESCE];
        words.extend(was);
        note("coalescing", interface.call(&mut words));
    }
    if let Some([negotiated, taken, sent]) = was.pause.filter(|_| was.pause != now.pause) {
        note(
            "pause frames",
            interface.call(&mut [command::SET_PAUSE, negotiated, taken, sent]),
        );
    }
    // Of all channels again, and after the reset.
    if let (Some(was), Some(now)) = (&was.spread, steering::spread(interface))
        && *was != now
    {
        note("RSS", steering::restore_spread(interface, was, &now));
    }
    let fields = steering::restore_hash_fields(interface, &was.hash_fields, &now.hash_fields);
    note("RSS hash fields", fields);
    if let (Some(was), Some(now)) = (&was.rules, steering::rules(interface)) {
        note("flow rules", steering::restore_rules(interface, was, &now));
    }
    refused
}

fn set_features(interface: &Interface, was: &[u32]) -> io::Result<()> {
    let now = features(interface).ok_or(io::ErrorKind::Unsupported)?;
    let mut words = vec![command::SET_FEATURES, u32::try_from(now.len()).unwrap_or_default()];
    for (block, was) in now.iter().zip(was) {
        words.extend([(block.wanted ^ was) & block.available, *was]);
    }
    interface.call(&mut words)
}

/// Channels and rings: the largest counts, which are the driver's, come before those that are set.
fn set_counts(interface: &Interface, get: u32, set: u32, counts: [u32; 4]) -> io::Result<()> {
    let mut words = [0; 9];
    words[0] = get;
    interface.call(&mut words)?;
    words[0] = set;
    words[5..].copy_from_slice(&counts);
    interface.call(&mut words)
}
