//! Which queue a packet gets: rules for flows (ntuple), and the table, key and function that spread the rest (RSS).

use std::io;

use serde::{Deserialize, Serialize};

use super::ioctl::{Interface, RSS_WORDS, RULE_LIST, RULE_WORDS, command};

/// `struct ethtool_rx_flow_spec`, word by word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule(Vec<u32>);

/// RSS, without further contexts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// The queue of each remainder.
    pub table: Vec<u32>,
    /// The key, in words; the last may be padded.
    pub key: Vec<u32>,
    /// Bytes of the key.
    pub key_length: u32,
    /// `ETH_RSS_HASH_*` in the lowest byte, the transformation of the input in the next.
    pub function: u32,
}

/// Where in `struct ethtool_rxnfc` the rule stands, and in the rule its place in the table.
const SPEC: std::ops::Range<usize> = 4..46;
const LOCATION: usize = 40;
const COUNT: usize = RULE_LIST - 1;
/// Kinds of flows with a hash of their own: TCP, UDP, SCTP, AH and ESP over IPv4 and IPv6, plain IPv4 and IPv6.
const FLOWS: [u32; 14] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x10, 0x11];
/// `ETH_RXFH_INDIR_NO_CHANGE`.
const UNCHANGED: u32 = u32::MAX;

impl Rule {
    fn location(&self) -> u32 {
        self.0.get(LOCATION).copied().unwrap_or_default()
    }
}

fn request(command: u32) -> [u32; RULE_WORDS] {
    let mut words = [0; RULE_WORDS];
    words[0] = command;
    words
}

/// All rules; `None` where the driver has none or does not tell.
pub(super) fn rules(interface: &Interface) -> Option<Vec<Rule>> {
    let mut count = request(command::COUNT_RULES);
    interface.call(&mut count).ok()?;
    if count[COUNT] == 0 {
        return Some(Vec::new());
    }
    let mut list = vec![0; RULE_WORDS + usize::try_from(count[COUNT]).ok()?];
    list[0] = command::LIST_RULES;
    list[COUNT] = count[COUNT];
    interface.call(&mut list).ok()?;
    let listed = usize::try_from(list[COUNT].min(count[COUNT])).ok()?;
    let read = |location: &u32| {
        let mut words = request(command::GET_RULE);
        words[SPEC][LOCATION] = *location;
        interface.call(&mut words).ok()?;
        Some(Rule(words[SPEC].to_vec()))
    };
    list[RULE_LIST..RULE_LIST + listed].iter().map(read).collect()
}

/// Removes rules that were not there and makes those again that were.
pub(super) fn restore_rules(interface: &Interface, was: &[Rule], now: &[Rule]) -> io::Result<()> {
    for strange in now.iter().filter(|rule| !was.contains(rule)) {
        let mut words = request(command::DELETE_RULE);
        words[SPEC][LOCATION] = strange.location();
        interface.call(&mut words)?;
    }
    for lost in was.iter().filter(|rule| !now.contains(rule)) {
        let mut words = request(command::INSERT_RULE);
        words[SPEC].copy_from_slice(lost.0.get(..SPEC.len()).ok_or(io::ErrorKind::InvalidData)?);
        interface.call(&mut words)?;
    }
    Ok(())
}

/// Table, key and function; `None` where the driver does not tell.
pub(super) fn spread(interface: &Interface) -> Option<Spread> {
    let mut sizes = [0; RSS_WORDS];
    sizes[0] = command::GET_RSS;
    interface.call(&mut sizes).ok()?;
    let (table, key_length) = (usize::try_from(sizes[2]).ok()?, sizes[3]);
    let key = usize::try_from(key_length).ok()?.div_ceil(4);
    let mut words = vec![0; RSS_WORDS + table + key];
    words[0] = command::GET_RSS;
    (words[2], words[3]) = (sizes[2], sizes[3]);
    interface.call(&mut words).ok()?;
    Some(Spread {
        table: words[RSS_WORDS..RSS_WORDS + table].to_vec(),
        key: words[RSS_WORDS + table..].to_vec(),
        key_length,
        function: words[4],
    })
}

/// Lets the driver spread as it does by itself: only so is a changed number of channels free to change the table again.
pub(super) fn reset_table(interface: &Interface) -> io::Result<()> {
    let mut words = [0; RSS_WORDS];
    words[0] = command::SET_RSS;
    interface.call(&mut words)
}

/// Sets what differs of table, key and function. What a driver cannot take is not in the call.
pub(super) fn restore_spread(interface: &Interface, was: &Spread, now: &Spread) -> io::Result<()> {
    let table = if was.table == now.table { &[][..] } else { &was.table };
    let key = if was.key == now.key { &[][..] } else { &was.key };
    let mut words = vec![command::SET_RSS, 0, 0, 0, 0, 0];
    words[2] = if table.is_empty() {
        UNCHANGED
    } else {
        u32::try_from(table.len()).unwrap_or(UNCHANGED)
    };
    words[3] = if key.is_empty() { 0 } else { was.key_length };
    // 0 is ETH_RSS_HASH_NO_CHANGE; the transformation has no such value before Linux 6.8, and 0xff since.
    words[4] = if was.function == now.function { 0 } else { was.function };
    words.extend(table);
    words.extend(key);
    interface.call(&mut words)
}

/// The fields that are hashed, of each kind of flow that the driver tells of.
pub(super) fn hash_fields(interface: &Interface) -> Vec<(u32, u64)> {
    let read = |flow: u32| {
        let mut words = request(command::GET_HASH_FIELDS);
        words[1] = flow;
        interface.call(&mut words).ok()?;
        Some((flow, u64::from(words[2]) | u64::from(words[3]) << 32))
    };
    FLOWS.into_iter().filter_map(read).collect()
}

/// Sets those that differ.
pub(super) fn restore_hash_fields(interface: &Interface, was: &[(u32, u64)], now: &[(u32, u64)]) -> io::Result<()> {
    for (flow, fields) in was.iter().filter(|fields| !now.contains(fields)) {
        let mut words = request(command::SET_HASH_FIELDS);
        words[1] = *flow;
        words[2] = u32::try_from(fields & 0xffff_ffff).unwrap_or_default();
        words[3] = u32::try_from(fields >> 32).unwrap_or_default();
        interface.call(&mut words)?;
    }
    Ok(())
}
