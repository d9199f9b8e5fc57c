//! One entry of `pfs`.

use serde_json::Value;

use super::super::object::{BadField, Object};
use super::super::unknown_keys;
use super::LIST;
use super::selection::PfSelection;
use super::vf_group::{LARGEST_MTU, LEAST_MTU, VfGroup, VfWanted, WantedDriver, number};

/// A PF has no more (PCI Express, 9.3.3.5: `TotalVFs` has 16 bits).
const MOST_VFS: u64 = 65_535;

/// What some PFs should be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PfEntry {
    /// How messages call it: `pfs[0]`.
    pub at: String,
    /// Which PFs.
    pub selection: PfSelection,
    /// What is said of them.
    pub settings: PfSettings,
}

/// What a PF and its VFs should be like. What is not said is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PfSettings {
    /// `numVfs`.
    pub num_vfs: Option<u32>,
    /// `mtu` of its interface.
    pub mtu: Option<u32>,
    /// `eswitchMode`.
    pub eswitch_mode: Option<EswitchMode>,
    /// `driversAutoprobe`: whether new VFs are bound to drivers by themselves.
    pub drivers_autoprobe: Option<bool>,
    /// `linkUp`: whether its interface is up.
    pub link_up: Option<bool>,
    /// `externallyManaged`: somebody else makes its VFs; count and MTU are compared, and only VFs are touched.
    pub externally_managed: bool,
    /// `vfs`; no VF is in two of them.
    pub vfs: Vec<VfGroup>,
}

/// What the switch in a PF does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EswitchMode {
    /// `legacy`.
    Legacy,
    /// `switchdev`: each VF has a representor.
    Switchdev,
}

// === impl EswitchMode ===

impl EswitchMode {
    /// How a configuration and devlink call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Switchdev => "switchdev",
        }
    }
}

// === impl PfSettings ===

impl PfSettings {
    /// What the VF with this index should be like.
    pub fn vf(&self, index: u32) -> Option<&VfWanted> {
        let group = self.vfs.iter().find(|group| group.indices.contain(index));
        group.map(|group| &group.wanted)
    }

    fn parse(mut object: Object, label: &str, warnings: &mut Vec<String>) -> Result<Self, BadField> {
        let words = [("legacy", EswitchMode::Legacy), ("switchdev", EswitchMode::Switchdev)];
        let settings = Self {
            num_vfs: number(&mut object, "numVfs", 0, MOST_VFS, "VFs")?,
            mtu: number(&mut object, "mtu", LEAST_MTU, LARGEST_MTU, "bytes")?,
            eswitch_mode: object.word("eswitchMode", &words)?,
            drivers_autoprobe: object.optional_boolean("driversAutoprobe")?,
            link_up: object.optional_boolean("linkUp")?,
            externally_managed: object.boolean("externallyManaged")?,
            vfs: groups(&mut object, label, warnings)?,
        };
        if let Some(unknown) = object.unknown().into_iter().next() {
            let expected = "a PF has no such field; it has selectors, numVfs, mtu, eswitchMode, driversAutoprobe, linkUp, \
                            externallyManaged and vfs";
            return Err(BadField::new(unknown.field, &unknown.value, expected));
        }
        settings.contradicted()?;
        Ok(settings)
    }

    fn contradicted(&self) -> Result<(), BadField> {
        if *self == Self::default() {
            let expected = "expected something that this PF should be, as in numVfs: 4";
            return Err(BadField::new("numVfs", &Value::Null, expected));
        }
        if self.externally_managed {
            for (field, is_said) in [
                ("eswitchMode", self.eswitch_mode.is_some()),
                ("driversAutoprobe", self.drivers_autoprobe.is_some()),
                ("linkUp", self.link_up.is_some()),
            ] {
                if is_said {
                    let expected =
                        "externallyManaged is true: of the PF itself nothing is set, so leave one of both out";
                    return Err(BadField::new(field, &Value::from("set"), expected));
                }
            }
        }
        for (index, group) in self.vfs.iter().enumerate() {
            self.contradicted_by(index, group)?;
        }
        Ok(())
    }

    fn contradicted_by(&self, index: usize, group: &VfGroup) -> Result<(), BadField> {
        let bad = |field: &str, value: Value, expected: String| {
            Err(BadField::new(format!("{}.{field}", group.at), &value, expected))
        };
        let last = group.indices.last();
        if let Some(num_vfs) = self.num_vfs.filter(|num_vfs| last >= *num_vfs) {
            let expected = match num_vfs {
                0 => "numVfs is 0: there are no VFs".to_owned(),
                most => format!("numVfs is {most}: expected indices up to {}", most - 1),
            };
            return bad("indices", last.into(), expected);
        }
        let mut before = self.vfs.iter().take(index);
        if let Some((shared, other)) = before.find_map(|other| Some((group.indices.shared(&other.indices)?, other))) {
            return bad("indices", shared.into(), format!("VF {shared} is in {} too", other.at));
        }
        let (mtu, pf_mtu) = (group.wanted.mtu, self.mtu);
        if let (Some(mtu), Some(pf_mtu)) = (mtu, pf_mtu)
            && mtu > pf_mtu
        {
            return bad(
                "mtu",
                mtu.into(),
                format!("expected at most the PF's, which is {pf_mtu}"),
            );
        }
        if self.drivers_autoprobe == Some(false) && group.wanted.driver == Some(WantedDriver::Default) {
            let expected =
                "driversAutoprobe is false, with which no VF gets a driver by default: name the driver".to_owned();
            return bad("driver", "default".into(), expected);
        }
        Ok(())
    }
}

// === impl PfEntry ===

impl PfEntry {
    pub(super) fn parse(label: &str, value: Value, warnings: &mut Vec<String>) -> Result<Self, BadField> {
        let mut object = Object::new("", value)?;
        for key in object.keys().into_iter().filter(|key| unknown_keys::is_note(key)) {
            object.value(&key)?;
            warnings.push(format!("{label}: {key} is a note and does nothing"));
        }
        let selection = PfSelection::take(&mut object)?;
        Ok(Self {
            at: label.to_owned(),
            selection,
            settings: PfSettings::parse(object, label, warnings)?,
        })
    }
}

fn groups(object: &mut Object, label: &str, warnings: &mut Vec<String>) -> Result<Vec<VfGroup>, BadField> {
    let at = object.field("vfs");
    match object.value("vfs")? {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            let items = items.into_iter().enumerate();
            items
                .map(|(index, item)| VfGroup::parse(&format!("{at}[{index}]"), item, label, warnings))
                .collect()
        }
        Some(other) => Err(BadField::new(at, &other, "expected a list of groups of VFs")),
    }
}

/// How a message calls an entry, whatever state it is in.
pub(super) fn label(index: usize, value: &Value) -> String {
    let selectors = value.as_object().into_iter().flatten();
    let mut selectors = selectors.filter(|(key, _)| key.eq_ignore_ascii_case("selectors"));
    let names = selectors.find_map(|(_, selectors)| {
        let fields = selectors.as_object()?.iter();
        let mut named = fields.filter(|(key, _)| {
            ["pfNames", "rootDevices", "pfAltNames", "pfMacs"]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(key))
        });
        let names: Vec<&str> = named.next()?.1.as_array()?.iter().filter_map(Value::as_str).collect();
        (!names.is_empty()).then(|| names.join(", "))
    });
    names.map_or_else(
        || format!("{LIST}[{index}]"),
        |names| format!("{LIST}[{index}] ({names})"),
    )
}
