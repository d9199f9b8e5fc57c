//! One entry of a `resourceList`.

use std::collections::BTreeMap;

use hardwire_pci::{Device, DeviceId, Function, IfName};
use serde_json::Value;

use super::Defaults;
use super::additional_info::{self, AdditionalInfo};
use super::attachment::Attachment;
use super::candidate::{Asked, Detail};
use super::dra::{DriverName, Via};
use super::object::{BadField, Item, Object};
use super::policy::{DeviceType, OnCarrierLoss, OnChange, Placement};
use super::resource_name::{BadResourceName, ResourceName};
use super::selector::Selector;
use super::unknown_keys;

/// The longest path of a unix socket: `sun_path` without its NUL (unix(7)).
const SOCKET_PATH_MAX: usize = 107;

/// A pool of interchangeable devices, offered as one extended resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// What it is called.
    pub resource: ResourceName,
    /// A device belongs to it if one of these matches.
    pub selectors: Vec<Selector>,
    /// The same as the configuration has it, as a list, to tell whether it is still the same.
    pub selected_by: String,
    /// Which kind of device it holds.
    pub device_type: DeviceType,
    /// What a change on a free device means.
    pub on_change: OnChange,
    /// What a PF without carrier means.
    pub on_carrier_loss: OnCarrierLoss,
    /// Which devices the kubelet is advised to take.
    pub placement: Placement,
    /// Do not tell the kubelet the NUMA node.
    pub exclude_topology: bool,
    /// What containers are told of a device besides its address.
    pub additional_info: Option<AdditionalInfo>,
    /// Devices that may be given away although the node itself uses them.
    pub allow_node_devices: Vec<NodeDevice>,
    /// How its devices are offered.
    pub via: Via,
    /// Whose claims they are for; none where they are for no claims.
    pub driver: Option<DriverName>,
    /// How its devices reach pods, and which.
    pub attachment: Attachment,
    /// The environment variables that list a container's devices: upstream's, and one for shells where that has a hyphen.
    pub variables: Vec<String>,
}

/// A device of the node, as an operator names it: by its place on the bus or by its interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDevice(String);

// === impl NodeDevice ===

impl NodeDevice {
    fn parse(item: &Item) -> Result<Self, BadField> {
        // Names with dots may look like both.
        let is_device = item.text.parse::<DeviceId>().is_ok() || item.text.parse::<IfName>().is_ok();
        let named = is_device.then(|| Self(item.text.clone()));
        named.ok_or_else(|| item.bad("expected an interface name or a full PCI address"))
    }

    fn is(&self, device: &Device) -> bool {
        let mut interfaces = device.netdevs.iter();
        self.0.parse().is_ok_and(|id: DeviceId| id == device.id)
            || interfaces.any(|netdev| netdev.name.as_str() == self.0)
    }
}

// === impl Pool ===

impl Pool {
    /// What must be known of devices besides what is read anyway.
    pub fn asks(&self) -> Asked {
        // Claims may ask for a speed.
        let of_claims = self.via.is_dra().then_some(Detail::Speed);
        self.selectors
            .iter()
            .flat_map(Selector::asks)
            .chain(of_claims)
            .collect()
    }

    /// What containers are told of a device besides its address; `None` where the configuration has no such field. What is
    /// said of all comes first, then, as upstream has it for subfunctions, what is said of the parent, then of the device.
    pub fn extra(&self, device: &Device) -> Option<BTreeMap<&str, &str>> {
        let additional = self.additional_info.as_ref()?;
        let parent = device.pf().filter(|_| matches!(device.function, Function::Sf { .. }));
        let keys = ["*".to_owned()].into_iter();
        let keys = keys
            .chain(parent.map(ToString::to_string))
            .chain([device.id.to_string()]);
        let said = keys.filter_map(|key| additional.get(&key)).flatten();
        Some(said.map(|(name, value)| (name.as_str(), value.as_str())).collect())
    }

    /// Whether a VF may be in it, whose PF sets VLAN, rates and trust.
    pub fn may_have_vfs(&self) -> bool {
        self.device_type != DeviceType::AuxNetDevice && self.selectors.iter().any(Selector::may_take_vfs)
    }

    /// Whether its devices are all for user space: they have no interfaces.
    pub fn is_for_vfio(&self) -> bool {
        !self.selectors.is_empty() && self.selectors.iter().all(Selector::is_for_vfio)
    }

    /// Whether the configuration names a device of the node itself.
    pub fn allows(&self, device: &Device) -> bool {
        self.allow_node_devices.iter().any(|named| named.is(device))
    }

    pub(super) fn parse(value: Value, defaults: &Defaults, warnings: &mut Vec<String>) -> Result<Self, BadField> {
        let selected_by = selectors_as_text(&value);
        let mut object = Object::new("", value)?;
        let resource = resource(&mut object, defaults)?;
        let via = Via::parse(&mut object, &resource)?;
        let device_type = object.word("deviceType", &DeviceType::WORDS)?.unwrap_or_default();
        let pool = Self {
            variables: vec![resource.variable()],
            resource,
            selectors: selectors(&mut object, device_type, warnings)?,
            selected_by,
            device_type,
            on_change: object.word("onChange", &OnChange::WORDS)?.unwrap_or_default(),
            on_carrier_loss: object.word("onCarrierLoss", &OnCarrierLoss::WORDS)?.unwrap_or_default(),
            placement: object
                .word("preferredAllocation", &Placement::WORDS)?
                .unwrap_or_default(),
            exclude_topology: object.boolean("excludeTopology")?,
            additional_info: additional_info::parse(&mut object, warnings)?,
            allow_node_devices: object
                .strings("allowNodeDevices")?
                .iter()
                .map(NodeDevice::parse)
                .collect::<Result<_, _>>()?,
            via,
            driver: None,
            attachment: Attachment::parse(&mut object, via, warnings)?,
        };
        unknown_keys::in_pool(object.unknown(), warnings)?;
        Ok(pool)
    }
}

fn resource(object: &mut Object, defaults: &Defaults) -> Result<ResourceName, BadField> {
    let own_prefix = object.string("resourcePrefix")?;
    let name = object.string("resourceName")?.unwrap_or_default();
    let prefix = own_prefix.as_ref().unwrap_or(&defaults.resource_prefix);
    let resource = ResourceName::new(prefix, &name).map_err(|error| match error {
        BadResourceName::Name => BadField::new("resourceName", &name.as_str().into(), error.to_string()),
        BadResourceName::Prefix | BadResourceName::Reserved => {
            let field = if own_prefix.is_some() {
                "resourcePrefix"
            } else {
                "the prefix of --resource-prefix"
            };
            BadField::new(field, &prefix.as_str().into(), error.to_string())
        }
    })?;
    let path = defaults.plugin_directory.join(resource.endpoint());
    let excess = path.as_os_str().len().saturating_sub(SOCKET_PATH_MAX);
    if excess > 0 {
        let expected = format!("the path of its socket, {}, is {excess} bytes too long", path.display());
        return Err(BadField::new("resourceName", &name.into(), expected));
    }
    Ok(resource)
}

fn selectors_as_text(pool: &Value) -> String {
    let mut fields = pool.as_object().into_iter().flatten();
    let selectors = fields.find(|(key, _)| key.eq_ignore_ascii_case("selectors"));
    match selectors.map(|(_, value)| value) {
        None => String::new(),
        Some(Value::Object(one)) => format!("[{}]", Value::Object(one.clone())),
        Some(list) => list.to_string(),
    }
}

/// An object, or a list of objects of which one must match.
fn selectors(object: &mut Object, kind: DeviceType, warnings: &mut Vec<String>) -> Result<Vec<Selector>, BadField> {
    // sriov-network-operator writes its own empty field beside it.
    for field in ["selectorObj", "selectorObjs"] {
        object.value(field)?;
    }
    let expected = "expected an object or a list of objects; {} selects every device";
    match object.value("selectors")? {
        None => Err(BadField::new("selectors", &Value::Null, expected)),
        Some(Value::Array(items)) if items.is_empty() => Err(BadField::new("selectors", &items.into(), expected)),
        Some(Value::Array(items)) => {
            let each = items.into_iter().enumerate();
            each.map(|(index, item)| Selector::parse(&format!("selectors[{index}]"), item, kind, warnings))
                .collect()
        }
        Some(one) => Ok(vec![Selector::parse("selectors", one, kind, warnings)?]),
    }
}
