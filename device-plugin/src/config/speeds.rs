//! `25000`, `>=25000`, `10000-40000`: speeds of a link, in Mbit/s.

use std::ops::RangeInclusive;

use super::object::{BadField, Item};

/// Speeds, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Speeds(RangeInclusive<u32>);

// === impl Speeds ===

impl Speeds {
    pub(super) fn item(item: &Item) -> Result<Self, BadField> {
        let speeds = range(item.text.trim()).filter(|range| !range.is_empty());
        speeds
            .map(Self)
            .ok_or_else(|| item.bad("expected Mbit/s, as in 25000, >=25000, <100000 or 10000-40000"))
    }

    pub(super) fn contain(&self, speed: u32) -> bool {
        self.0.contains(&speed)
    }
}

fn range(text: &str) -> Option<RangeInclusive<u32>> {
    // The longer signs first.
    if let Some(least) = text.strip_prefix(">=") {
        return Some(number(least)?..=u32::MAX);
    }
    if let Some(most) = text.strip_prefix("<=") {
        return Some(1..=number(most)?);
    }
    if let Some(less) = text.strip_prefix('>') {
        return Some(number(less)?.checked_add(1)?..=u32::MAX);
    }
    if let Some(more) = text.strip_prefix('<') {
        return Some(1..=number(more)?.checked_sub(1)?);
    }
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    Some(number(least)?..=number(most)?)
}

fn number(text: &str) -> Option<u32> {
    let digits = text.trim();
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let number = plain.then(|| digits.parse().ok())?;
    number.filter(|speed| *speed > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Speeds, BadField> {
        Speeds::item(&Item {
            field: "linkSpeeds[0]".to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn each_form_means_what_it_says() {
        for (text, within, beyond) in [
            ("25000", 25000, 25001),
            (">=25000", 25000, 24999),
            (">= 25000", 400_000, 10000),
            (">25000", 25001, 25000),
            ("<=25000", 25000, 25001),
            ("<25000", 24999, 25000),
            ("10000-40000", 40000, 40001),
        ] {
            let speeds = parse(text).unwrap();
            assert!(speeds.contain(within) && !speeds.contain(beyond), "{text}");
        }
    }

    #[test]
    fn what_is_no_speed_is_refused() {
        for text in ["", "25G", "=25000", ">=", "40000-10000", "-1", "0", "<1", "99999999999"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(">=25000"), "{text:?}: {error}");
        }
    }
}
