//! Flags of `nad`. What their values mean is the plugin's to say: they are checked as it reads them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  hardwired nad vfs --vlan 100 --ipam host-local --subnet 10.56.217.0/24 | kubectl apply -f -
  hardwired nad vfs --name vfs-left --spoofchk on --trust off --max-tx-rate 1000 --ipam dhcp
  hardwired nad nics --config pools.yaml --mtu 9000 \\
      --ipam '{\"type\": \"static\", \"addresses\": [{\"address\": \"10.0.0.2/24\"}]}'
  hardwired nad vfs --set promisc=true --set 'capabilities={\"bandwidth\": true}' -o json";

/// Options of `nad`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub struct NadArgs {
    /// The pool whose devices its pods get: the resource, or its name without the prefix.
    #[arg(value_name = "POOL")]
    pub pool: String,
    /// Take the pools of this configuration, or `ConfigMap`, instead of those that the running daemon has.
    #[arg(long, alias = "config-file", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The prefix of resources whose configuration gives none. Default: intel.com.
    #[arg(long, value_name = "PREFIX")]
    pub resource_prefix: Option<String>,
    /// What the network is called. Default: as the pool.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// In which namespace. Default: the one that kubectl uses.
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The version of the CNI protocol.
    #[arg(long, value_name = "VERSION", default_value = "1.0.0")]
    pub cni_version: String,
    /// The VLAN with which the PF tags what the VF sends, 0 to 4094.
    #[arg(long, allow_negative_numbers = true, value_name = "ID")]
    pub vlan: Option<String>,
    /// Its priority, 0 to 7.
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub vlan_qos: Option<String>,
    /// 802.1Q or 802.1ad.
    #[arg(long, value_name = "PROTOCOL")]
    pub vlan_proto: Option<String>,
    /// VLANs that the VF may tag itself, as in 10,20-29.
    #[arg(long, allow_negative_numbers = true, value_name = "IDS")]
    pub vlan_trunk: Option<String>,
    /// Bytes.
    #[arg(long, allow_negative_numbers = true, value_name = "BYTES")]
    pub mtu: Option<String>,
    /// Drop what the VF sends with another MAC address: on or off.
    #[arg(long, value_name = "WORD")]
    pub spoofchk: Option<String>,
    /// Let the VF's driver ask for more: on or off.
    #[arg(long, value_name = "WORD")]
    pub trust: Option<String>,
    /// auto, enable or disable.
    #[arg(long, value_name = "WORD")]
    pub link_state: Option<String>,
    /// The least rate of what the VF sends, Mbit/s.
    #[arg(long, allow_negative_numbers = true, value_name = "MBIT")]
    pub min_tx_rate: Option<String>,
    /// The greatest, Mbit/s.
    #[arg(long, allow_negative_numbers = true, value_name = "MBIT")]
    pub max_tx_rate: Option<String>,
    /// The IPAM plugin: host-local, whereabouts, dhcp or another one's name, or its whole section as JSON. Without it, pods get no
    /// addresses.
    #[arg(long, value_name = "TYPE|JSON")]
    pub ipam: Option<String>,
    /// The addresses that host-local or whereabouts gives.
    #[arg(long, value_name = "CIDR")]
    pub subnet: Option<String>,
    /// The gateway that it tells.
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Option<String>,
    /// Any other field of the configuration (cni/README.md); the value is JSON, or a text.
    #[arg(long, value_name = "FIELD=VALUE", action = clap::ArgAction::Append)]
    pub set: Vec<String>,
    /// How it is printed.
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Yaml)]
    pub output: Form,
}

const CLASS_EXAMPLES: &str = "\
Examples:
  hardwired deviceclass vfs | kubectl apply -f -
  hardwired deviceclass vfs --config pools.yaml -o json";

/// Options of `deviceclass`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = CLASS_EXAMPLES)]
pub struct ClassArgs {
    /// The pool whose devices are asked for: the resource, or its name without the prefix.
    #[arg(value_name = "POOL")]
    pub pool: String,
    /// Take the pools of this configuration, or `ConfigMap`, instead of those that the running daemon has.
    #[arg(long, alias = "config-file", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The prefix of resources whose configuration gives none. Default: intel.com.
    #[arg(long, value_name = "PREFIX")]
    pub resource_prefix: Option<String>,
    /// What the class is called. Default: as the pool, with the prefix behind it.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// How it is printed.
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Yaml)]
    pub output: Form,
}

/// How an object is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// As kubectl and people read it.
    #[default]
    Yaml,
    /// As programs do.
    Json,
}

// === impl NadArgs ===

impl NadArgs {
    /// The fields that have flags of their own, by the names that the configuration has for them.
    pub(super) fn fields(&self) -> [(&'static str, Option<&str>); 10] {
        [
            ("vlan", self.vlan.as_deref()),
            ("vlanQoS", self.vlan_qos.as_deref()),
            ("vlanProto", self.vlan_proto.as_deref()),
            ("vlanTrunk", self.vlan_trunk.as_deref()),
            ("mtu", self.mtu.as_deref()),
            ("spoofchk", self.spoofchk.as_deref()),
            ("trust", self.trust.as_deref()),
            ("link_state", self.link_state.as_deref()),
            ("min_tx_rate", self.min_tx_rate.as_deref()),
            ("max_tx_rate", self.max_tx_rate.as_deref()),
        ]
    }
}
