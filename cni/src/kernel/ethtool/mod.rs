//! What ethtool shows and sets: offloads, rings, channels, coalescing, how received packets are spread and steered.
//!
//! A driver answers for what it has; the rest is unknown and left alone. Contract: `include/uapi/linux/ethtool.h`,
//! net/ethtool/ioctl.c. Each question takes RTNL for a moment, so they are asked where no move of another is waited for.
//!
//! - `ioctl`: the call;
//! - here: what is known of an interface, and reading it;
//! - [`restore`]: putting it back;
//! - `steering`: rules for flows, the table and the key that spread the rest (RSS).

mod ioctl;
mod restore;
mod steering;

use std::io;

use serde::{Deserialize, Serialize};

use ioctl::{Interface, command};
pub use restore::{clear_steering, restore};
pub use steering::{Rule, Spread};

/// Settings of an interface; `None` is what its driver does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EthtoolSettings {
    /// Which offloads are wanted: a bit for each, in the order of this kernel (`NETIF_F_*_BIT`).
    pub features: Option<Vec<u32>>,
    /// Those of the driver (`ethtool --show-priv-flags`).
    pub private_flags: Option<u32>,
    /// Receive, send, other and combined ones.
    pub channels: Option<[u32; 4]>,
    /// Entries of the rings: receive, mini, jumbo, send.
    pub rings: Option<[u32; 4]>,
    /// `struct ethtool_coalesce` without its first word.
    pub coalescing: Option<Vec<u32>>,
    /// Pause frames: negotiated, taken, sent. Of a port of its own only; a VF's is its PF's affair.
    pub pause: Option<[u32; 3]>,
    /// The rules that steer flows.
    pub rules: Option<Vec<Rule>>,
    /// How other packets are spread over the queues.
    pub spread: Option<Spread>,
    /// Which fields are hashed for that, by kind of flow (`RXH_*`).
    pub hash_fields: Vec<(u32, u64)>,
}

impl EthtoolSettings {
    /// Settings of the interface with this name in the calling thread's network namespace.
    pub fn read(name: &str, is_vf: bool) -> io::Result<Self> {
        let interface = Interface::open(name)?;
        let rules = steering::rules(&interface);
        // What has neither rules nor a table hashes nothing.
        let spread = steering::spread(&interface);
        Ok(Self {
            features: features(&interface).map(|blocks| blocks.into_iter().map(|block| block.wanted).collect()),
            private_flags: words(&interface, command::GET_PRIVATE_FLAGS).map(|[flags]: [u32; 1]| flags),
            channels: channels(&interface),
            rings: rings(&interface),
            coalescing: words(&interface, command::GET_COALESCE).map(|words: [u32; 22]| words.to_vec()),
            pause: if is_vf {
                None
            } else {
                words(&interface, command::GET_PAUSE)
            },
            hash_fields: if spread.is_some() || rules.is_some() {
                steering::hash_fields(&interface)
            } else {
                Vec::new()
            },
            rules,
            spread,
        })
    }

    /// Each setting that differs from these, in words; what is not known on both sides does not.
    pub fn differences(&self, now: &Self) -> Vec<&'static str> {
        fn differ<T: PartialEq>(was: Option<&T>, now: Option<&T>) -> bool {
            was.zip(now).is_some_and(|(was, now)| was != now)
        }
        let coalescing = self.coalescing.as_deref().zip(now.coalescing.as_deref());
        let found = [
            ("offloads", differ(self.features.as_ref(), now.features.as_ref())),
            (
                "private flags",
                differ(self.private_flags.as_ref(), now.private_flags.as_ref()),
            ),
            ("channels", differ(self.channels.as_ref(), now.channels.as_ref())),
            ("rings", differ(self.rings.as_ref(), now.rings.as_ref())),
            (
                "coalescing",
                coalescing.is_some_and(|(was, now)| !coalesce_alike(was, now)),
            ),
            ("pause frames", differ(self.pause.as_ref(), now.pause.as_ref())),
            ("flow rules", differ(self.rules.as_ref(), now.rules.as_ref())),
            ("RSS", differ(self.spread.as_ref(), now.spread.as_ref())),
            ("RSS hash fields", self.hash_fields != now.hash_fields),
        ];
        found
            .into_iter()
            .filter_map(|(what, differs)| differs.then_some(what))
            .collect()
    }
}

/// Whether two say the same. Where the driver adapts a delay to the load, it is nobody's setting.
fn coalesce_alike(was: &[u32], now: &[u32]) -> bool {
    const RECEIVE: std::ops::Range<usize> = 0..4;
    const SEND: std::ops::Range<usize> = 4..8;
    const ADAPTS_RECEIVE: usize = 9;
    const ADAPTS_SEND: usize = 10;
    let on = |words: &[u32], at: usize| words.get(at).is_some_and(|word| *word != 0);
    let adapts = |at| on(was, at) && on(now, at);
    let (receive, send) = (adapts(ADAPTS_RECEIVE), adapts(ADAPTS_SEND));
    was.len() == now.len()
        && was
            .iter()
            .zip(now)
            .enumerate()
            .all(|(at, (was, now))| was == now || receive && RECEIVE.contains(&at) || send && SEND.contains(&at))
}

/// 32 offloads (`struct ethtool_get_features_block`).
struct Features {
    available: u32,
    wanted: u32,
}

fn features(interface: &Interface) -> Option<Vec<Features>> {
    /// More blocks than any kernel has; it says how many it has.
    const MOST: usize = 8;
    let mut words = [0; 2 + 4 * MOST];
    words[0] = command::GET_FEATURES;
    words[1] = u32::try_from(MOST).ok()?;
    interface.call(&mut words).ok()?;
    let count = usize::try_from(words[1]).ok()?.min(MOST);
    let blocks = words[2..].chunks_exact(4).take(count);
    Some(
        blocks
            .map(|block| Features {
                available: block[0],
                wanted: block[1] & block[0],
            })
            .collect(),
    )
}

fn channels(interface: &Interface) -> Option<[u32; 4]> {
    // The largest counts come first.
    words(interface, command::GET_CHANNELS)
        .map(|[_, _, _, _, receive, send, other, combined]: [u32; 8]| [receive, send, other, combined])
}

fn rings(interface: &Interface) -> Option<[u32; 4]> {
    words(interface, command::GET_RINGS)
        .map(|[_, _, _, _, receive, mini, jumbo, send]: [u32; 8]| [receive, mini, jumbo, send])
}

/// The answer to a command without parameters, after its first word.
fn words<const N: usize>(interface: &Interface, command: u32) -> Option<[u32; N]> {
    let mut words = vec![0; N + 1];
    words[0] = command;
    interface.call(&mut words).ok()?;
    words[1..].try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_that_the_driver_adapts_are_no_setting() {
        let (was, mut now) = (vec![0; 22], vec![0; 22]);
        now[0] = 50;
        assert!(!coalesce_alike(&was, &now));
        let (mut was, mut now) = (was, now);
        (was[9], now[9]) = (1, 1);
        assert!(coalesce_alike(&was, &now));
        now[9] = 0;
        assert!(!coalesce_alike(&was, &now));
    }

    #[test]
    fn what_is_not_known_does_not_differ() {
        let now = EthtoolSettings {
            rings: Some([1, 0, 0, 1]),
            ..EthtoolSettings::default()
        };
        assert!(EthtoolSettings::default().differences(&now).is_empty());
        let was = EthtoolSettings {
            rings: Some([2, 0, 0, 1]),
            ..EthtoolSettings::default()
        };
        assert_eq!(was.differences(&now), ["rings"]);
    }
}
