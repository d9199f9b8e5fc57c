//! How much of each text is written: an object has a bound, whatever its devices are called.

use std::borrow::Cow;

/// The bound of the whole object, bytes: a third of what etcd takes.
pub const LARGEST: usize = 512 << 10;

/// How much is written of each device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Characters of a reason.
    pub reason: usize,
    /// Characters of each name of a pod, a container or a network.
    pub name: usize,
    /// Addresses of an attachment.
    pub addresses: usize,
    /// The container, and the names of interfaces on the host.
    pub is_whole: bool,
}

// === impl Measure ===

impl Measure {
    /// What fits better and better. The first is what the definition allows.
    pub const ALL: [Self; 4] = [
        Self {
            reason: 1024,
            name: 253,
            addresses: 16,
            is_whole: true,
        },
        Self {
            reason: 160,
            name: 253,
            addresses: 4,
            is_whole: true,
        },
        Self {
            reason: 64,
            name: 253,
            addresses: 1,
            is_whole: false,
        },
        Self {
            reason: 32,
            name: 40,
            addresses: 0,
            is_whole: false,
        },
    ];

    /// What was done to the texts, for who reads the object.
    pub fn words(&self) -> String {
        let Self {
            reason,
            name,
            addresses,
            is_whole,
        } = self;
        let left_out = if *is_whole {
            ""
        } else {
            ", without containers and the host's names of interfaces"
        };
        format!("reasons to {reason} characters, names to {name}, addresses to {addresses} a device{left_out}")
    }
}

/// A text of at most so many characters. One that was cut shows it.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    Cow::Owned(kept + "…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_was_cut_shows_it_and_one_that_fits_is_as_it_was() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn each_measure_is_smaller_than_the_one_before() {
        for pair in Measure::ALL.windows(2) {
            assert!(pair[1].reason < pair[0].reason && pair[1].addresses < pair[0].addresses);
            assert!(pair[1].name <= pair[0].name);
        }
    }
}
