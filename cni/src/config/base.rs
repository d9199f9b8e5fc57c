//! What every verb needs of the configuration: its name, its version, its IPAM plugin.

use hardwire_pci::DeviceId;
use serde_json::{Map, Value};

use super::bounds::Bounds;
use super::document::{Document, DocumentError};
use crate::printable::excerpt;
use crate::protocol::{AnyCase, CniError, NetworkName, SpecVersion, code};

/// The configuration's frame, and all of it as JSON.
#[derive(Debug, Clone)]
pub struct Base {
    /// `name`.
    pub name: NetworkName,
    /// `cniVersion` as it is spelt; empty where absent.
    pub version_text: String,
    /// `ipam.type`; none means a layer 2 attachment.
    pub ipam: Option<String>,
    document: Document,
}

impl Base {
    /// Decodes stdin and validates the name.
    pub fn parse(stdin: &[u8]) -> Result<Self, CniError> {
        Self::parse_within(stdin, Bounds::CALL)
    }

    /// The same within the bounds of a verb.
    pub fn parse_within(stdin: &[u8], bounds: Bounds) -> Result<Self, CniError> {
        Self::parse_with(stdin, bounds, ipam_type)
    }

    /// The same for a DEL without a record: an `ipam` of which no ADD could make sense has nothing to release.
    pub fn parse_for_del(stdin: &[u8]) -> Result<Self, CniError> {
        Self::parse_with(stdin, Bounds::CALL, |fields| {
            Ok(ipam_type(fields).unwrap_or_else(|error| {
                tracing::warn!("{error}: IPAM is not asked");
                None
            }))
        })
    }

    /// The id that stands where Multus writes the device's, of a configuration of which nothing else need make sense: where
    /// to look first.
    pub fn device_hint(stdin: &[u8]) -> Option<DeviceId> {
        let document = Document::read(stdin, Bounds::CALL).ok()?;
        AnyCase::new(&document.fields).get("deviceID")?.as_str()?.parse().ok()
    }

    /// Refuses a version that is not spoken, of a configuration of which nothing else need make sense.
    pub fn refuse_unspoken_version(stdin: &[u8]) -> Result<(), CniError> {
        let Ok(document) = Document::read(stdin, Bounds::CALL) else {
            return Ok(());
        };
        let version = AnyCase::new(&document.fields)
            .get("cniVersion")
            .and_then(Value::as_str)
            .map(spoken);
        version.map_or(Ok(()), |version| version.map(|_spoken| ()))
    }

    fn parse_with(
        stdin: &[u8],
        bounds: Bounds,
        ipam_type: impl FnOnce(AnyCase<'_>) -> Result<Option<String>, CniError>,
    ) -> Result<Self, CniError> {
        let decode = |msg: &dyn std::fmt::Display| {
            CniError::new(code::DECODE, format!("error unmarshall network config: {msg}"))
        };
        let document = Document::read(stdin, bounds)?;
        let fields = AnyCase::new(&document.fields);
        let name = match fields.get("name") {
            None => String::new(),
            Some(Value::String(name)) => name.clone(),
            Some(other) => return Err(decode(&format!("name: {} is no text", quoted(other)))),
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
                let other = quoted(other);
                let msg = format!("decoding version from network config: cniVersion: {other} is no text");
                return Err(CniError::new(code::DECODE, msg));
            }
        };
        let ipam = ipam_type(fields)?;
        Ok(Self {
            name,
            version_text,
            ipam,
            document,
        })
    }

    /// The fields.
    pub fn fields(&self) -> AnyCase<'_> {
        AnyCase::new(&self.document.fields)
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

    /// The fields, with the lists of GC.
    pub fn json(&self) -> &Map<String, Value> {
        &self.document.fields
    }

    /// Takes a field out, unless it is `null`: what is large is held once.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        let fields = &mut self.document.fields;
        let spelt = AnyCase::new(fields).spelling(key)?.to_owned();
        fields.remove(&spelt).filter(|value| !value.is_null())
    }

    /// Short keys that are nobody's we know.
    pub(super) fn strangers(&self) -> &[String] {
        &self.document.strangers
    }

    /// Gives a key another value, or takes it out, whoever's it is; false where it is not there.
    pub(super) fn replace(&mut self, key: &str, value: Option<Value>) -> bool {
        let fields = &mut self.document.fields;
        let Some(spelt) = AnyCase::new(fields).spelling(key).map(str::to_owned) else {
            let known = self.document.strangers.len();
            self.document.strangers.retain(|stranger| stranger != key);
            return self.document.strangers.len() < known;
        };
        if key.eq_ignore_ascii_case("ipam") {
            self.ipam = None;
        }
        match value {
            Some(value) => fields.insert(spelt, value),
            None => fields.remove(&spelt),
        };
        true
    }
}

/// The error for a text of so many bytes.
pub fn too_large(bytes: usize, bounds: Bounds) -> CniError {
    DocumentError::TooLarge {
        bytes,
        bound: bounds.bytes,
    }
    .into()
}

/// Whether a text is beyond a bound of what is read, whatever else it may be: nothing can have been attached by it.
pub fn is_beyond_bounds(stdin: &[u8]) -> bool {
    match Document::read(stdin, Bounds::CALL) {
        Err(error) => !matches!(error, DocumentError::Decode(_)),
        Ok(_) => false,
    }
}

/// As much of a value as an error quotes.
fn quoted(value: &Value) -> String {
    excerpt(&value.to_string(), 256)
}

fn spoken(version: &str) -> Result<SpecVersion, CniError> {
    version
        .parse()
        .map_err(|error| CniError::new(code::INCOMPATIBLE_VERSION, "incompatible CNI versions").with_details(error))
}

fn ipam_type(fields: AnyCase<'_>) -> Result<Option<String>, CniError> {
    let decode = |msg: String| CniError::new(code::DECODE, msg);
    let Some(ipam) = fields.get("ipam") else {
        return Ok(None);
    };
    let Some(ipam) = ipam.as_object() else {
        return Err(decode(format!("ipam: {} is no object", quoted(ipam))));
    };
    let ipam = AnyCase::new(ipam);
    if let Some(other) = ipam.get("inProcess").filter(|value| !value.is_boolean()) {
        return Err(decode(format!(
            "ipam.inProcess: {} is neither true nor false",
            quoted(other)
        )));
    }
    match ipam.get("type") {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name.clone()).filter(|name| !name.is_empty())),
        Some(other) => Err(decode(format!("ipam.type: {} is no text", quoted(other)))),
    }
}
