//! `CNI_ARGS`.
//!
//! Read leniently: thin Multus repeats the runtime's own pairs, and the reference's refusal of unknown keys without
//! `IgnoreUnknown` helps nobody here (contract.md 3.1 [D]).

/// The pairs of `CNI_ARGS`, `K=V;K2=V2`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniArgs(Vec<(String, String)>);

impl CniArgs {
    /// Reads pairs; segments without `=` are passed over.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// The last value given for a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
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
