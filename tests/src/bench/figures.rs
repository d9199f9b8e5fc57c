//! The figures and their bars, as the project has set them. A figure that misses its bar is reported so; bars don't move.

/// On which side of the bar a figure must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// At most.
    Most(f64),
    /// At least.
    Least(f64),
    /// A peer against ours, where what is possible depends on the machine: at least what the floor would have, within 5 %.
    OfPossible,
}

/// A figure that has a bar.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// Its key in the JSON.
    pub name: &'static str,
    /// Its bar.
    pub bar: Bar,
    /// What it compares.
    pub what: &'static str,
}

const fn figure(name: &'static str, bar: Bar, what: &'static str) -> Figure {
    Figure { name, bar, what }
}

use Bar::{Least, Most, OfPossible};

/// How near to the floor [`Bar::OfPossible`] is.
const NEAR: f64 = 1.05;

/// All of them, as they are reported: with a headline for each group.
pub const GROUPS: [(&str, &[Figure]); 6] = [
    (
        "One at a time (veth, no IPAM)",
        &[
            figure("add_over_floor", Most(1.1), "ADD : floor"),
            figure("del_over_floor", Most(1.1), "DEL : floor"),
            figure("host_device_add_over_ours", OfPossible, "host-device's ADD : ours"),
            figure("host_device_del_over_ours", OfPossible, "host-device's DEL : ours"),
            figure(
                "ipam_over_floor_plus_exec",
                Most(1.2),
                "ADD with host-local : floor with address + host-local",
            ),
            figure(
                "ipam_in_process_over_floor",
                Most(1.1),
                "ADD with host-local in process : floor with address",
            ),
        ],
    ),
    (
        "In parallel (veth, no IPAM)",
        &[
            figure("parallel8_total_over_floor", Most(1.15), "8 ADDs, total : floor"),
            figure("parallel30_total_over_floor", Most(1.15), "30 ADDs, total : floor"),
            figure("parallel200_total_over_floor", Most(1.15), "200 ADDs, total : floor"),
            figure(
                "host_device_parallel200_total_over_ours",
                Least(1.5),
                "host-device's 200 ADDs, total : ours",
            ),
            figure(
                "host_device_parallel200_p50_over_ours",
                Least(2.5),
                "host-device's 200 ADDs, median : ours",
            ),
            figure(
                "storm_total_over_floor",
                Most(1.15),
                "1000 ADDs and DELs, 50 at a time : floor",
            ),
        ],
    ),
    (
        "The program",
        &[
            figure("version_over_empty", Most(1.5), "VERSION : an empty program"),
            figure(
                "chain_add_without_devices_ms",
                Most(1.0),
                "ms over VERSION, of the list's ADD for a pod without a device",
            ),
            figure("binary_mib", Most(3.0), "MiB on disk"),
            figure("add_peak_rss_mib", Most(4.0), "MiB resident at most, of ADD"),
        ],
    ),
    (
        "A VF in the emulated node (igb, VLAN, no IPAM)",
        &[
            figure("vf_add_over_floor", Most(1.1), "ADD : floor"),
            figure("vf_del_over_floor", Most(1.1), "DEL : floor"),
            figure("sriov_cni_add_over_ours", Least(1.95), "sriov-cni's ADD : ours"),
            figure("sriov_cni_del_over_ours", Least(1.5), "sriov-cni's DEL : ours"),
        ],
    ),
    (
        "The same with host-local, and with a MAC",
        &[
            figure(
                "sriov_cni_add_ipam_over_ours",
                Least(2.2),
                "sriov-cni's ADD with host-local : ours, in process",
            ),
            figure(
                "sriov_cni_del_ipam_over_ours",
                Least(1.6),
                "sriov-cni's DEL with host-local : ours, in process",
            ),
            figure(
                "sriov_cni_add_mac_over_ours",
                OfPossible,
                "sriov-cni's ADD with mac : ours",
            ),
        ],
    ),
    (
        "The device manager (1,024 VFs in a tree of files)",
        &[
            figure("daemon.first_list_ms", Most(50.0), "ms from start to the first list"),
            figure("daemon.rss_mib_at_1024", Most(10.0), "MiB resident 10 s after it"),
            figure(
                "daemon.rss_mib_with_api",
                Most(24.0),
                "MiB resident, with its helper, while they tell an API server of them over TLS",
            ),
            figure(
                "daemon.api_object_kib_at_1024",
                Most(512.0),
                "KiB of the object that it writes",
            ),
            figure(
                "daemon.api_writes_in_busy_minute",
                Most(6.0),
                "writes in a minute in which two pods come every second and are attached",
            ),
            figure("daemon.allocate_p99_ms", Most(1.0), "ms, 99 of 100 Allocates"),
            figure(
                "daemon.search_500_netns_ms",
                Most(150.0),
                "ms to look into the namespaces of 500 pods",
            ),
            figure("daemon.idle_cpu_ms", Most(10.0), "ms of processor in an idle minute"),
            figure("daemon.idle_switches", Most(5.0), "context switches in it"),
            figure(
                "daemon.upstream_first_list_over_ours",
                Least(20.0),
                "sriov-network-device-plugin's first list : ours",
            ),
            figure("daemon.upstream_rss_over_ours", Least(3.0), "its memory : ours"),
            figure(
                "daemon.event_to_list_ms",
                Most(200.0),
                "ms from the last event to the list, 99 of 100, in the node",
            ),
        ],
    ),
];

impl Bar {
    /// Whether a value meets it; `possible` is what the floor would have.
    pub fn is_met(self, value: f64, possible: Option<f64>) -> bool {
        match self {
            Self::Most(most) => value <= most,
            Self::Least(least) => value >= least,
            Self::OfPossible => possible.is_some_and(|possible| value >= possible / NEAR),
        }
    }

    /// As the report shows it.
    pub fn show(self, possible: Option<f64>) -> String {
        match (self, possible) {
            (Self::Most(most), _) => format!("<= {most}"),
            (Self::Least(least), _) => format!(">= {least}"),
            (Self::OfPossible, Some(possible)) => format!(">= {:.2}", possible / NEAR),
            (Self::OfPossible, None) => "-".to_owned(),
        }
    }
}
