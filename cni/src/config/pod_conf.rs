//! The configuration of our entry in a list: `{"type": "hardwire", "attach": "pod"}`.
//!
//! Which devices, and how they are to be attached, is not in it: the node says so. What would belong into a NAD or a pool's
//! `network` is refused by name, so that nobody believes in it.

use super::base::Base;
use super::field;
use super::keys::{KNOWN, Role};
use super::typos;
use crate::protocol::{CniError, SpecVersion};

/// Keys that are another member's or the runtime's, and may stand here.
const OTHERS: [&str; 4] = ["args", "dns", "runtimeConfig", "prevResult"];

/// The configuration of an entry that attaches what its pod was given.
#[derive(Debug, Clone)]
pub struct PodConf {
    /// The list's version, which the result has.
    pub version: SpecVersion,
    /// `reportIps`: our addresses are among those of the result.
    pub report_ips: bool,
    /// The frame.
    pub base: Base,
}

// === impl PodConf ===

impl PodConf {
    /// Whether a configuration is such a one.
    pub fn is_meant(base: &Base) -> bool {
        base.fields().get("attach").is_some()
    }

    /// Reads it.
    pub fn parse(base: Base, version: SpecVersion) -> Result<Self, CniError> {
        let fields = base.fields();
        typos::check(base.strangers())?;
        field::word(fields, "attach", &[("pod", ())])?
            .ok_or_else(|| field::wrong("attach", "\"\"", "\"pod\", or the field left out"))?;
        let acts = KNOWN.iter().filter(|(_, role)| *role == Role::Acts);
        let mut not_its = acts.filter(|(key, _)| !matches!(*key, "attach" | "reportIps") && !OTHERS.contains(key));
        if let Some((key, _)) = not_its.find(|(key, _)| fields.get(key).is_some()) {
            let msg = format!(
                "{key}: it does nothing with attach: pod: a pool's network says it, in hardwired's configuration"
            );
            return Err(CniError::config(msg));
        }
        Ok(Self {
            version,
            report_ips: field::boolean(fields, "reportIps")?.unwrap_or_default(),
            base,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PodConf, String> {
        let base = Base::parse(text.as_bytes()).unwrap();
        let version = base.required_version().unwrap();
        PodConf::parse(base, version).map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_says_nothing_of_devices() {
        let entry = |rest: &str| {
            format!(r#"{{"cniVersion": "1.0.0", "name": "n", "type": "hardwire", "attach": "pod"{rest}}}"#)
        };
        let conf = parse(&entry(r#", "reportIps": true, "runtimeConfig": {"portMappings": []}"#)).unwrap();
        assert!(conf.report_ips && PodConf::is_meant(&conf.base));
        assert!(!parse(&entry("")).unwrap().report_ips);
        for (rest, expected) in [
            (r#", "vlan": 100"#, "vlan: it does nothing with attach: pod"),
            (r#", "ipam": {"type": "host-local"}"#, "ipam: it does nothing"),
            (r#", "deviceID": "0000:3b:02.1""#, "deviceID: it does nothing"),
            (r#", "reportIps": "yes""#, "true or false"),
            (r#", "reportIp": true"#, "almost reportIps"),
        ] {
            let error = parse(&entry(rest)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = parse(r#"{"cniVersion": "1.0.0", "name": "n", "attach": "all"}"#).unwrap_err();
        assert!(error.contains("attach: \"all\" is not valid"), "{error}");
    }
}
