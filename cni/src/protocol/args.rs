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

    /// What the kubelet says of the pod, without what anybody else may have asked for (`MAC`, `IP`).
    #[must_use]
    pub fn of_kubernetes(&self) -> Self {
        let is_its = |pair: &&str| {
            let key = pair.split_once('=').map_or("", |(key, _)| key);
            key == "IgnoreUnknown" || key.starts_with("K8S_")
        };
        Self(self.0.split(';').filter(is_its).collect::<Vec<_>>().join(";"))
    }

    /// As `CNI_ARGS` has them.
    pub fn as_str(&self) -> &str {
        &self.0
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

    #[test]
    fn what_the_kubelet_says_is_told_from_what_anybody_asks_for() {
        let args = CniArgs::parse("IgnoreUnknown=1;K8S_POD_NAME=a;MAC=02:00:00:00:00:01;IP=10.0.0.9;x;K8S_POD_UID=u");
        assert_eq!(
            args.of_kubernetes().as_str(),
            "IgnoreUnknown=1;K8S_POD_NAME=a;K8S_POD_UID=u"
        );
    }
}
