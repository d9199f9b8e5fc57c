//! The command `nad`: a network for a pool, complete. What is printed has passed what an ADD checks.

use std::io::{self, Write};
use std::path::Path;

use hardwire_cni::Context;
use hardwire_cni::protocol::SUPPORTED;
use serde_json::{Map, Value, json};

use super::args::{Form, NadArgs};
use super::definition::{API_VERSION, KIND, RESOURCE};
use super::examine::{examine, names};
use super::ipam::{self, BadOption};
use super::known_pools;
use crate::commands::args::PREFIX;
use crate::commands::install_cni::PROGRAM;
use crate::commands::yaml;
use crate::config::{ConfigError, Defaults, DeviceType, Pool};

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NadError {
    /// The pools cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody tells which pools there are.
    #[error("which pools there are is not known: {0} (--config FILE names some)")]
    NoPools(String),
    /// None is called so.
    #[error("POOL: {name:?} is not valid: no pool is called so: there are {there}")]
    Unknown {
        /// As given.
        name: String,
        /// The pools.
        there: String,
    },
    /// Several are.
    #[error("POOL: {name:?} is not valid: several pools are called so: it must be one of {these}")]
    Ambiguous {
        /// As given.
        name: String,
        /// Which.
        these: String,
    },
    /// Its devices are no interfaces.
    #[error(
        "POOL: {0} is not valid: it has accelerators, which are in no network: it must be a pool of network devices"
    )]
    Accelerators(String),
    /// Its devices are for no claims.
    #[error(
        "POOL: {0} is not valid: the kubelet's device manager gives its devices to pods: it must be a pool with via: dra or \
         via: extended"
    )]
    NotForClaims(String),
    /// An option makes no sense.
    #[error(transparent)]
    Option(#[from] BadOption),
    /// An ADD would refuse it, or leave out what was asked for.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
    /// Nobody reads what is printed.
    #[error("stdout: {0}")]
    Output(#[from] io::Error),
}

/// Prints a network for a pool.
pub fn print(args: &NadArgs, out: &mut impl Write) -> Result<(), NadError> {
    let pools = pools(args.config.as_deref(), args.resource_prefix.as_deref())?;
    let pool = choose(&args.pool, &pools)?;
    let network = network(pool, args)?;
    let text = match args.output {
        Form::Json => format!("{network:#}\n"),
        Form::Yaml => format!("{}{}", explained(&network, pool), yaml::document(&network)),
    };
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The pools of a file, or those in force.
pub(super) fn pools(config: Option<&Path>, resource_prefix: Option<&str>) -> Result<Vec<Pool>, NadError> {
    let context = Context::read(|name| std::env::var_os(name));
    let Some(file) = config else {
        return known_pools::in_force(&context.state).map_err(NadError::NoPools);
    };
    let prefix = resource_prefix.unwrap_or(PREFIX);
    let defaults = Defaults {
        resource_prefix: prefix.to_owned(),
        // Whether its socket's path fits is the node's affair.
        plugin_directory: "/".into(),
    };
    Ok(known_pools::of_file(file, &defaults)?)
}

/// The pool of this resource, or of this name without its prefix.
pub(super) fn choose<'a>(name: &str, pools: &'a [Pool]) -> Result<&'a Pool, NadError> {
    if let Some(exact) = pools.iter().find(|pool| pool.resource.to_string() == name) {
        return Ok(exact);
    }
    let called: Vec<Pool> = pools
        .iter()
        .filter(|pool| pool.resource.name() == name)
        .cloned()
        .collect();
    let found = pools.iter().find(|pool| pool.resource.name() == name);
    match (found, called.len()) {
        (Some(only), 1) => Ok(only),
        (None, _) => Err(NadError::Unknown {
            name: name.to_owned(),
            there: names(pools),
        }),
        (Some(_), _) => Err(NadError::Ambiguous {
            name: name.to_owned(),
            these: names(&called),
        }),
    }
}

/// The object.
fn network(pool: &Pool, args: &NadArgs) -> Result<Value, NadError> {
    if pool.device_type == DeviceType::Accelerator {
        return Err(NadError::Accelerators(pool.resource.to_string()));
    }
    // What the API server takes of a resource's name: letters of one case, and no underscore.
    let default = || pool.resource.name().to_lowercase().replace('_', "-");
    let name = args.name.clone().unwrap_or_else(default);
    let mut metadata = json!({"name": name, "annotations": {RESOURCE: pool.resource.to_string()}});
    if let Some(namespace) = &args.namespace {
        metadata["namespace"] = namespace.as_str().into();
    }
    let config = config(&name, args)?;
    let network = json!({
        "apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": {"config": lines(&config)},
    });
    let object: Map<String, Value> = network.as_object().cloned().unwrap_or_default();
    let verdict = examine(&object, Some(std::slice::from_ref(pool)), false);
    let mut wrong = verdict.refused;
    // Asked for and without effect is wrong as well, here.
    wrong.extend(verdict.warnings);
    let plain = |text: String| {
        text.strip_prefix("spec.config: ")
            .map_or_else(|| text.clone(), str::to_owned)
    };
    if wrong.is_empty() {
        Ok(network)
    } else {
        Err(NadError::Refused(wrong.into_iter().map(plain).collect()))
    }
}

/// The configuration's fields, in the order in which people write them.
fn config(name: &str, args: &NadArgs) -> Result<Vec<(String, Value)>, NadError> {
    if !SUPPORTED.iter().any(|version| version.as_str() == args.cni_version) {
        let spoken = SUPPORTED.map(|version| version.as_str().to_owned()).join(", ");
        let right = format!("a version that is spoken: {spoken}");
        return Err(BadOption::new("--cni-version", &args.cni_version, right).into());
    }
    let mut config: Vec<(String, Value)> = vec![
        ("cniVersion".to_owned(), args.cni_version.as_str().into()),
        ("name".to_owned(), name.into()),
        ("type".to_owned(), PROGRAM.into()),
    ];
    for (field, text) in args.fields() {
        if let Some(text) = text {
            // A list of VLANs is a text, be it of one.
            let value = if field == "vlanTrunk" { text.into() } else { typed(text) };
            config.push((field.to_owned(), value));
        }
    }
    for pair in &args.set {
        let Some((field, text)) = pair.split_once('=') else {
            return Err(BadOption::new("--set", pair, "a field and its value, as in promisc=true").into());
        };
        if config.iter().any(|(there, _)| there.eq_ignore_ascii_case(field)) {
            return Err(BadOption::new(
                "--set",
                pair,
                "a field that is given once, and is not one of the network's own",
            )
            .into());
        }
        config.push((field.to_owned(), typed(text)));
    }
    if let Some(section) = ipam::section(args.ipam.as_deref(), args.subnet.as_deref(), args.gateway.as_deref())? {
        config.push(("ipam".to_owned(), section));
    }
    Ok(config)
}

/// JSON, or the text itself.
fn typed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_text| text.into())
}

fn lines(config: &[(String, Value)]) -> String {
    let line =
        |(field, value): &(String, Value)| format!("  {}: {}", Value::from(field.as_str()), yaml::spaced_json(value));
    let lines: Vec<String> = config.iter().map(line).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// How a pod gets there.
fn explained(network: &Value, pool: &Pool) -> String {
    let name = network["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = network["metadata"]["namespace"].as_str();
    let network = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
    format!(
        "# A pod on it has the annotation k8s.v1.cni.cncf.io/networks: {network}\n\
         # and {}: \"1\" in the requests and limits of a container.\n",
        pool.resource
    )
}

#[cfg(test)]
#[path = "nad_tests.rs"]
mod tests;
