//! What an entry says of VFs, by their indices.

use hardwire_pci::netlink::{VfLinkState, VlanProtocol};
use serde_json::Value;

use super::super::Ranges;
use super::super::object::{BadField, Item, Object};
use super::super::selector::is_vfio;
use super::super::unknown_keys;

/// The largest VLAN id (IEEE 802.1Q, 9.6).
const LAST_VLAN: u64 = 4094;
/// The least MTU of IPv4 (RFC 791).
pub(super) const LEAST_MTU: u64 = 68;
/// An interface has no larger one (`dev->max_mtu` of Ethernet drivers is far below).
pub(super) const LARGEST_MTU: u64 = 65_535;
/// MSI-X vectors of one function (PCI Express, 7.7.2).
const MOST_VECTORS: u64 = 2048;

/// Some VFs of a PF, and what they should be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VfGroup {
    /// Where the configuration has it: `pfs[0].vfs[1]`.
    pub at: String,
    /// Which.
    pub indices: Ranges,
    /// What they should be like; what is not said is left as it is.
    pub wanted: VfWanted,
}

/// What a VF should be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VfWanted {
    /// `driver`.
    pub driver: Option<WantedDriver>,
    /// `mtu` of its interface.
    pub mtu: Option<u32>,
    /// `trust`.
    pub trust: Option<bool>,
    /// `spoofchk`.
    pub spoofchk: Option<bool>,
    /// `vlan`, `vlanQoS`, `vlanProto`.
    pub vlan: Option<VfVlan>,
    /// `linkState`.
    pub link_state: Option<VfLinkState>,
    /// `minTxRate`, Mbit/s.
    pub min_tx_rate: Option<u32>,
    /// `maxTxRate`, Mbit/s.
    pub max_tx_rate: Option<u32>,
    /// `msixCount`: `MSI-X` vectors.
    pub msix_count: Option<u32>,
}

/// Which driver a VF should be bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedDriver {
    /// `default`: the one that the kernel chooses.
    Default,
    /// One by its name.
    Named(String),
}

/// The VLAN of a VF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VfVlan {
    /// 0 is none.
    pub id: u16,
    /// Priority.
    pub qos: u8,
    /// Tag protocol.
    pub protocol: VlanProtocol,
}

// === impl WantedDriver ===

impl WantedDriver {
    /// Whether VFs with it have no interface.
    pub fn is_vfio(&self) -> bool {
        matches!(self, Self::Named(name) if is_vfio(name))
    }
}

impl std::fmt::Display for WantedDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("its default driver"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

// === impl VfGroup ===

impl VfGroup {
    pub(super) fn parse(at: &str, value: Value, label: &str, warnings: &mut Vec<String>) -> Result<Self, BadField> {
        let mut object = Object::new(at, value)?;
        for key in object.keys().into_iter().filter(|key| unknown_keys::is_note(key)) {
            object.value(&key)?;
            warnings.push(format!("{label}: {at}.{key} is a note and does nothing"));
        }
        let indices = indices(&mut object)?;
        let wanted = VfWanted {
            driver: driver(&mut object)?,
            mtu: number(&mut object, "mtu", LEAST_MTU, LARGEST_MTU, "bytes")?,
            trust: object.switch("trust")?,
            spoofchk: object.switch("spoofchk")?,
            vlan: vlan(&mut object)?,
            link_state: object.word(
                "linkState",
                &[
                    ("auto", VfLinkState::Auto),
                    ("enable", VfLinkState::Enable),
                    ("disable", VfLinkState::Disable),
                ],
            )?,
            min_tx_rate: number(&mut object, "minTxRate", 0, u32::MAX.into(), "Mbit/s")?,
            max_tx_rate: number(&mut object, "maxTxRate", 0, u32::MAX.into(), "Mbit/s, 0 for no limit")?,
            msix_count: number(&mut object, "msixCount", 1, MOST_VECTORS, "vectors")?,
        };
        wanted.contradicted(&object)?;
        if let Some(unknown) = object.unknown().into_iter().next() {
            let expected = "VFs have no such field; they have indices, driver, mtu, trust, spoofchk, vlan, vlanQoS, vlanProto, \
                            linkState, minTxRate, maxTxRate and msixCount";
            return Err(BadField::new(unknown.field, &unknown.value, expected));
        }
        if wanted == VfWanted::default() {
            return Err(BadField::new(
                at,
                &Value::Null,
                "expected something that these VFs should be",
            ));
        }
        Ok(Self {
            at: at.to_owned(),
            indices,
            wanted,
        })
    }
}

// === impl VfWanted ===

impl VfWanted {
    fn contradicted(&self, object: &Object) -> Result<(), BadField> {
        if let (Some(mtu), Some(driver)) = (self.mtu, self.driver.as_ref().filter(|driver| driver.is_vfio())) {
            let expected = format!("with {driver} a VF has no interface, and so no MTU: leave one of both out");
            return Err(BadField::new(object.field("mtu"), &mtu.into(), expected));
        }
        if let (Some(min), Some(max)) = (self.min_tx_rate, self.max_tx_rate.filter(|max| *max > 0))
            && min > max
        {
            let expected = format!("expected at most maxTxRate, which is {max}");
            return Err(BadField::new(object.field("minTxRate"), &min.into(), expected));
        }
        Ok(())
    }
}

fn indices(object: &mut Object) -> Result<Ranges, BadField> {
    let expected = "expected indices of VFs, as in \"0-3,5\" or 3";
    let text = match object.value("indices")? {
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        other => {
            return Err(BadField::new(
                object.field("indices"),
                &other.unwrap_or_default(),
                expected,
            ));
        }
    };
    let item = Item {
        field: object.field("indices"),
        text,
    };
    Ranges::parse(&item.text).ok_or_else(|| item.bad(expected))
}

fn driver(object: &mut Object) -> Result<Option<WantedDriver>, BadField> {
    let Some(name) = object.string("driver")? else {
        return Ok(None);
    };
    if name == "default" {
        return Ok(Some(WantedDriver::Default));
    }
    // It becomes part of a path, and is written to `driver_override`.
    let right = name.len() < 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !right {
        let expected = "expected default, vfio-pci or the name of another driver";
        return Err(BadField::new(object.field("driver"), &name.into(), expected));
    }
    Ok(Some(WantedDriver::Named(name)))
}

fn vlan(object: &mut Object) -> Result<Option<VfVlan>, BadField> {
    let id = number(object, "vlan", 0, LAST_VLAN, "0 for none")?;
    let qos = number(object, "vlanQoS", 0, 7, "a priority")?;
    let protocol = object.word(
        "vlanProto",
        &[
            ("802.1q", VlanProtocol::Dot1Q),
            ("802.1Q", VlanProtocol::Dot1Q),
            ("802.1ad", VlanProtocol::Dot1Ad),
            ("802.1AD", VlanProtocol::Dot1Ad),
        ],
    )?;
    let Some(id) = id else {
        if let Some(qos) = qos {
            let expected = "expected a vlan beside it, which has this priority";
            return Err(BadField::new(object.field("vlanQoS"), &qos.into(), expected));
        }
        if protocol.is_some() {
            let expected = "expected a vlan beside it, which has this protocol";
            return Err(BadField::new(object.field("vlanProto"), &Value::Null, expected));
        }
        return Ok(None);
    };
    if let Some(qos) = qos.filter(|qos| *qos > 0 && id == 0) {
        let expected = "vlan is 0, which is none and has no priority";
        return Err(BadField::new(object.field("vlanQoS"), &qos.into(), expected));
    }
    Ok(Some(VfVlan {
        id: u16::try_from(id).unwrap_or_default(),
        qos: u8::try_from(qos.unwrap_or_default()).unwrap_or_default(),
        protocol: protocol.unwrap_or_default(),
    }))
}

/// A number of the configuration; `what` says what it counts.
pub(super) fn number(
    object: &mut Object,
    key: &str,
    least: u64,
    most: u64,
    what: &str,
) -> Result<Option<u32>, BadField> {
    let Some(value) = object.value(key)? else {
        return Ok(None);
    };
    let number = value.as_u64().filter(|number| (least..=most).contains(number));
    let number = number.and_then(|number| u32::try_from(number).ok());
    let number = number.ok_or_else(|| {
        let expected = format!("expected a number from {least} to {most} ({what})");
        BadField::new(object.field(key), &value, expected)
    });
    number.map(Some)
}
