//! The versions of the CNI specification that are spoken.

use std::fmt;
use std::str::FromStr;

/// A version of the specification. Ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpecVersion {
    /// 0.1.0, which an absent or empty `cniVersion` means too.
    V0_1_0,
    /// 0.2.0
    V0_2_0,
    /// 0.3.0
    V0_3_0,
    /// 0.3.1
    V0_3_1,
    /// 0.4.0: CHECK and prevResult in DEL.
    V0_4_0,
    /// 1.0.0: no `version` in an IP.
    V1_0_0,
    /// 1.1.0: GC and STATUS.
    V1_1_0,
}

/// All of them, oldest first, as VERSION lists them.
pub const SUPPORTED: [SpecVersion; 7] = [
    SpecVersion::V0_1_0,
    SpecVersion::V0_2_0,
    SpecVersion::V0_3_0,
    SpecVersion::V0_3_1,
    SpecVersion::V0_4_0,
    SpecVersion::V1_0_0,
    SpecVersion::V1_1_0,
];

/// A version that is not spoken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("config is {0:?}, plugin supports [{list}]", list = list())]
pub struct UnknownVersion(pub String);

fn list() -> String {
    SUPPORTED.map(|version| format!("{:?}", version.as_str())).join(" ")
}

impl SpecVersion {
    /// The one that is answered in where no other is asked for.
    pub const NEWEST: Self = Self::V1_1_0;
    /// The one that brought GC and STATUS.
    pub const WITH_GC_AND_STATUS: Self = Self::V1_1_0;

    /// As `cniVersion` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }
}

impl FromStr for SpecVersion {
    type Err = UnknownVersion;

    /// Exact text only, as libcni compares: `0.3` is not `0.3.0`.
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let text = if text.is_empty() { "0.1.0" } else { text };
        let version = SUPPORTED.into_iter().find(|version| version.as_str() == text);
        version.ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
