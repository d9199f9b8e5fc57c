//! All that is wrong with a configuration, for people who ask before a pod waits. An ADD ends at the first.
//!
//! ADD's own reading is asked again and again, each time without the field that it refused last: what it takes is what an
//! ADD takes.

use serde_json::Value;
use tracing::subscriber::{NoSubscriber, with_default};

use super::{Base, LogSettings, NetConf, typos};
use crate::protocol::{CniArgs, CniError, SpecVersion};

/// What ADD makes of a configuration.
#[derive(Debug)]
pub struct Examined {
    /// Why it refuses it, one for each field.
    pub refused: Vec<CniError>,
    /// What it passes over, a sentence each.
    pub ignored: Vec<String>,
    /// What is left without the fields that are refused; none where nothing can be read.
    pub conf: Option<NetConf>,
}

/// Reads a configuration as an ADD without `CNI_ARGS` does, before it looks at any device.
pub fn examine(stdin: &[u8]) -> Examined {
    // What is ignored is told here, once.
    with_default(NoSubscriber::default(), || examine_quietly(stdin))
}

fn examine_quietly(stdin: &[u8]) -> Examined {
    let mut examined = Examined {
        refused: Vec::new(),
        ignored: Vec::new(),
        conf: None,
    };
    let mut base = match Base::parse(stdin) {
        Ok(base) => base,
        Err(error) => {
            examined.refused.push(error);
            return examined;
        }
    };
    let version = base.required_version().unwrap_or_else(|error| {
        examined.refused.push(error);
        SpecVersion::NEWEST
    });
    let unknown = base.strangers().iter();
    examined
        .ignored
        .extend(unknown.filter_map(|key| typos::without_effect(key)));
    examined.ignored.extend(LogSettings::parse(base.fields()).ignored);
    loop {
        match NetConf::parse(base.clone(), version, &CniArgs::default()) {
            Ok(conf) => {
                examined.conf = Some(conf);
                return examined;
            }
            // Said already, so that leaving out what it names does not help.
            Err(error) if examined.refused.contains(&error) => return examined,
            Err(error) => {
                let went = leave_out(&mut base, &error);
                examined.refused.push(error);
                if !went {
                    return examined;
                }
            }
        }
    }
}

/// Takes the field that an error names out of the way.
fn leave_out(base: &mut Base, error: &CniError) -> bool {
    [&error.msg, &error.details].into_iter().any(|text| {
        let field = text.split([':', ' ', '.']).next().unwrap_or_default();
        // Without a VLAN its priority would be refused because there is none.
        let stand_in = field.eq_ignore_ascii_case("vlan").then(|| Value::from(1));
        base.replace(field, stand_in)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(conf: &Value) -> Vec<String> {
        let examined = examine(conf.to_string().as_bytes());
        examined.refused.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_field_that_add_would_refuse_is_told_once() {
        let conf = json!({
            "cniVersion": "1.0.0", "name": "n", "type": "hardwire", "vlan": 5000, "vlanQoS": 9, "spoofchk": true, "mtu": 10,
            "max-tx-rate": 7, "mac": "x", "min_tx_rate": 5, "max_tx_rate": 4, "ipam": {"type": "../../sh"}, "pkey": "1",
            "dns": {"domain": 7}, "deviceID": "3b:02.1", "promisc": "yes", "vlanTrunk": "0", "allowNodeDevice": 1,
            "logLevel": 7, "log_file": "x", "foo": 1,
        });
        let refused = refused(&conf);
        for field in [
            "vlan: 5000",
            "vlanQoS: 9",
            "spoofchk: true",
            "mtu: 10",
            "max-tx-rate: ",
            "mac: ",
            "min_tx_rate: 5",
            "invalid plugin",
            "pkey: ",
            "dns",
            "deviceID: ",
            "promisc: ",
            "vlanTrunk: ",
            "allowNodeDevice: ",
        ] {
            let told = refused.iter().filter(|text| text.starts_with(field)).count();
            assert_eq!(told, 1, "{field}: {refused:#?}");
        }
        assert_eq!(refused.len(), 14, "{refused:#?}");
        let examined = examine(conf.to_string().as_bytes());
        assert!(examined.conf.is_some());
        let keys: Vec<&str> = examined
            .ignored
            .iter()
            .filter_map(|text| text.split(':').next())
            .collect();
        assert_eq!(keys, ["foo", "log_file", "logLevel"]);
    }

    #[test]
    fn what_add_takes_is_good_and_what_cannot_be_read_is_not() {
        let good = json!({"cniVersion": "1.0.0", "name": "n", "type": "hardwire", "vlan": 100, "ipam": {"type": "host-local"}});
        let examined = examine(good.to_string().as_bytes());
        assert!(examined.refused.is_empty() && examined.ignored.is_empty());
        assert_eq!(examined.conf.unwrap().vf.needing_a_pf(), ["vlan"]);
        for (conf, said) in [
            (json!({"type": "hardwire"}), "missing network name"),
            (json!({"name": "n", "cniVersion": "9.0.0"}), "incompatible CNI versions"),
            (json!({"name": "n"}), "cniVersion: 0.1.0 cannot express"),
            (
                json!({"name": "n", "cniVersion": "0.2.0"}),
                "cniVersion: 0.2.0 cannot express",
            ),
            (json!({"name": "n", "ipam": 7}), "ipam: 7 is no object"),
            (json!([]), "error unmarshall network config"),
        ] {
            let refused = refused(&conf);
            assert!(refused.len() == 1 && refused[0].contains(said), "{conf}: {refused:?}");
        }
    }

    #[test]
    fn a_field_that_depends_on_a_wrong_one_is_not_blamed_for_it() {
        let with = |vlan: u32, qos: u32| json!({"cniVersion": "1.0.0", "name": "n", "vlan": vlan, "vlanQoS": qos});
        assert_eq!(refused(&with(5000, 3)).len(), 1);
        assert_eq!(refused(&with(0, 3)).len(), 1);
        assert_eq!(refused(&with(5000, 9)).len(), 2);
        let rates = json!({"cniVersion": "1.0.0", "name": "n", "min_tx_rate": 5, "max_tx_rate": "fast"});
        assert_eq!(refused(&rates).len(), 1);
    }
}
