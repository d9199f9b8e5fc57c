//! What every verb needs of the configuration: its name, its version, its IPAM plugin.

use serde_json::{Map, Value};

use crate::protocol::{CniError, Folded, NetworkName, SpecVersion, code};

/// The configuration's frame, and all of it as JSON.
#[derive(Debug, Clone)]
pub struct Base {
    /// `name`.
    pub name: NetworkName,
    /// `cniVersion` as it is spelt; empty where absent.
    pub version_text: String,
    /// `ipam.type`; none means a layer 2 attachment.
    pub ipam: Option<String>,
    json: Map<String, Value>,
}

impl Base {
    /// Decodes stdin and validates the name.
    pub fn parse(stdin: &[u8]) -> Result<Self, CniError> {
        Self::parse_with(stdin, ipam_type)
    }

    /// The same for a DEL without a record: an `ipam` of which no ADD could make sense has nothing to release.
    pub fn parse_for_del(stdin: &[u8]) -> Result<Self, CniError> {
        Self::parse_with(stdin, |fields| {
            Ok(ipam_type(fields).unwrap_or_else(|error| {
                tracing::warn!("{error}: IPAM is not asked");
                None
            }))
        })
    }

    /// Refuses a version that is not spoken, of a configuration of which nothing else need make sense.
    pub fn refuse_unspoken_version(stdin: &[u8]) -> Result<(), CniError> {
        let Ok(Value::Object(json)) = serde_json::from_slice(stdin) else {
            return Ok(());
        };
        let version = Folded::new(&json).get("cniVersion").and_then(Value::as_str).map(spoken);
        version.map_or(Ok(()), |version| version.map(|_spoken| ()))
    }

    fn parse_with(
        stdin: &[u8],
        ipam_type: impl FnOnce(Folded<'_>) -> Result<Option<String>, CniError>,
    ) -> Result<Self, CniError> {
        let decode = |error: &dyn std::fmt::Display| {
            CniError::new(code::DECODE, format!("error unmarshall network config: {error}"))
        };
        let value: Value = serde_json::from_slice(stdin).map_err(|error| decode(&error))?;
        let json = match value {
            Value::Object(json) => json,
            // Go decodes null into an empty configuration.
            Value::Null => Map::new(),
            other => return Err(decode(&format!("{} is no object", kind(&other)))),
        };
        let fields = Folded::new(&json);
        let name = match fields.get("name") {
            None => String::new(),
            Some(Value::String(name)) => name.clone(),
            Some(other) => return Err(decode(&format!("name: {other} is no text"))),
        };
        if name.is_empty() {
            return Err(CniError::config("missing network name"));
        }
        let name: NetworkName = name
            .parse()
            .map_err(|_pattern| CniError::config("invalid characters found in network name").with_details(&name))?;
        let version_text = match fields.get("cniVersion") {
            None => String::new(),
            Some(Value::String(version)) => version.clone(),
            Some(other) => {
                let msg = format!("decoding version from network config: cniVersion: {other} is no text");
                return Err(CniError::new(code::DECODE, msg));
            }
        };
        let ipam = ipam_type(fields)?;
        Ok(Self {
            name,
            version_text,
            ipam,
            json,
        })
    }

    /// The fields.
    pub fn fields(&self) -> Folded<'_> {
        Folded::new(&self.json)
    }

    /// The version, where it is one that is spoken.
    pub fn version(&self) -> Option<SpecVersion> {
        self.version_text.parse().ok()
    }

    /// The version for ADD and DEL.
    pub fn required_version(&self) -> Result<SpecVersion, CniError> {
        spoken(&self.version_text)
    }

    /// The version for a verb that older ones do not have.
    pub fn version_since(&self, since: SpecVersion, verb: &str) -> Result<SpecVersion, CniError> {
        let text = if self.version_text.is_empty() {
            "0.1.0"
        } else {
            &self.version_text
        };
        if let Some(part) = text.split('.').find(|part| part.parse::<u32>().is_err()) {
            return Err(CniError::new(
                code::DECODE,
                format!("failed to convert version part {part:?} to a number"),
            ));
        }
        let not_spoken = |who: &str| {
            CniError::new(
                code::INCOMPATIBLE_VERSION,
                format!("{who} version does not allow {verb}"),
            )
        };
        match self.version() {
            Some(version) if version >= since => Ok(version),
            Some(_) => Err(not_spoken("config")),
            None => Err(not_spoken("plugin")),
        }
    }

    /// A JSON text of the whole configuration with another `cniVersion`-independent field order: for records.
    pub fn json(&self) -> &Map<String, Value> {
        &self.json
    }
}

fn spoken(version: &str) -> Result<SpecVersion, CniError> {
    version
        .parse()
        .map_err(|error| CniError::new(code::INCOMPATIBLE_VERSION, "incompatible CNI versions").with_details(error))
}

fn ipam_type(fields: Folded<'_>) -> Result<Option<String>, CniError> {
    let decode = |msg: String| CniError::new(code::DECODE, msg);
    let Some(ipam) = fields.get("ipam") else {
        return Ok(None);
    };
    let Some(ipam) = ipam.as_object() else {
        return Err(decode(format!("ipam: {ipam} is no object")));
    };
    match Folded::new(ipam).get("type") {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name.clone()).filter(|name| !name.is_empty())),
        Some(other) => Err(decode(format!("ipam.type: {other} is no text"))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
