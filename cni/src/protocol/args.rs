//! `CNI_ARGS`.
//!
//! Read leniently: thin Multus repeats the runtime's own pairs, and the reference's refusal of unknown keys without
//! `IgnoreUnknown` helps nobody here: Multus sets it for all.

/// The pairs of `CNI_ARGS`, `K=V;K2=V2`, of which few are ever looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniArgs(String);

impl CniArgs {
    /// Takes pairs; segments without `=` are passed over.
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The last value given for a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.rsplit(';').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_empty_segments_and_equal_signs_are_taken() {
        let args = CniArgs::parse("IgnoreUnknown=true;A=b;A=c;X=y=z;FOO;;");
        assert_eq!(
            (args.get("A"), args.get("X"), args.get("FOO")),
            (Some("c"), Some("y=z"), None)
        );
    }
}
