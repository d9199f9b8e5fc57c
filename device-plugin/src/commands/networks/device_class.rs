//! The command `deviceclass`: what the devices of a pool are asked for by, in claims or, of a pool with `via: extended`, as a
//! resource. An administrator applies it; the daemon writes none.

use std::io::Write;

use serde_json::{Value, json};

use super::args::{ClassArgs, Form};
use super::nad::{NadError, choose, pools};
use crate::commands::yaml;
use crate::config::{Pool, Via};

/// Prints a `DeviceClass` for a pool.
pub fn print(args: &ClassArgs, out: &mut impl Write) -> Result<(), NadError> {
    let pools = pools(args.config.as_deref(), args.resource_prefix.as_deref())?;
    let pool = choose(&args.pool, &pools)?;
    let class = class(pool, args.name.as_deref())?;
    let text = match args.output {
        Form::Json => format!("{class:#}\n"),
        Form::Yaml => format!("{}{}", explained(&class, pool), yaml::document(&class)),
    };
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn class(pool: &Pool, name: Option<&str>) -> Result<Value, NadError> {
    let resource = pool.resource.to_string();
    let Some(driver) = &pool.driver else {
        return Err(NadError::NotForClaims(resource));
    };
    // What the API server takes of a name.
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let default = || format!("{}.{}", plain(pool.resource.name()), pool.resource.prefix());
    let name = name.map_or_else(default, str::to_owned);
    let expression = format!("device.driver == \"{driver}\" && device.attributes[\"{driver}\"].pool == \"{resource}\"");
    let mut class = json!({
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {"selectors": [{"cel": {"expression": expression}}]},
    });
    if pool.via == Via::Extended {
        class["spec"]["extendedResourceName"] = resource.into();
    }
    Ok(class)
}

fn explained(class: &Value, pool: &Pool) -> String {
    let name = class["metadata"]["name"].as_str().unwrap_or_default();
    let asked = format!("# A claim asks for a device of it by deviceClassName: {name}\n");
    if pool.via != Via::Extended {
        return asked;
    }
    format!(
        "{asked}# and a pod by {}: \"1\" in the limits of a container (Kubernetes 1.36 and later: an older one drops\n\
         # extendedResourceName without a word).\n",
        pool.resource
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::commands::args::{Cli, Command};

    const POOLS: &str = r#"{"dra": {"driver": "nic.example.com"}, "resourceList": [
        {"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}, "via": "dra"},
        {"resourceName": "Net_A", "resourcePrefix": "acme.org", "selectors": {"functions": ["plain"]}, "via": "extended"},
        {"resourceName": "old", "selectors": {}}
    ]}"#;

    fn printed(line: &[&str]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), POOLS).unwrap();
        let file = file.path().to_str().unwrap();
        let cli = Cli::try_parse_from([&["hardwired", "deviceclass", "--config", file], line].concat());
        let Command::Deviceclass(args) = cli.map_err(|error| error.to_string())?.command else {
            panic!("another command")
        };
        let mut out = Vec::new();
        print(&args, &mut out).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_class_selects_the_devices_of_its_pool() {
        let expected = r#"# A claim asks for a device of it by deviceClassName: vfs.intel.com
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata:
  name: vfs.intel.com
spec:
  selectors:
    - cel:
        expression: device.driver == "nic.example.com" && device.attributes["nic.example.com"].pool == "intel.com/vfs"
"#;
        assert_eq!(printed(&["vfs"]).unwrap(), expected);
    }

    #[test]
    fn an_extended_pool_is_asked_for_by_its_resource_too() {
        let class: Value = serde_json::from_str(&printed(&["Net_A", "-o", "json", "--name", "x"]).unwrap()).unwrap();
        assert_eq!(class["spec"]["extendedResourceName"], "acme.org/Net_A");
        assert_eq!(class["metadata"]["name"], "x");
        let text = printed(&["acme.org/Net_A"]).unwrap();
        assert!(text.contains("name: net-a.acme.org") && text.contains("1.36"), "{text}");
    }

    #[test]
    fn a_pool_that_is_for_no_claims_has_no_class() {
        let error = printed(&["old"]).unwrap_err();
        assert!(error.contains("intel.com/old") && error.contains("via: dra"), "{error}");
        assert!(printed(&["other"]).unwrap_err().contains("no pool is called so"));
    }
}
