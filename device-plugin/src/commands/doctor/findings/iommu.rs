//! Whether the IOMMU is off, and by what. Mended by hand: a kernel's command line is kept in another way by each distribution, and
//! a boot ends every pod of the node.

use super::hardware::has_candidates;
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::facts::iommu::{Iommu, Processor};
use crate::commands::doctor::finding::{Finding, Severity};
use crate::commands::doctor::name::Name;
use crate::config::{Pool, Selector, is_vfio};

/// What the finding is about.
pub(super) const IOMMU: &str = "the IOMMU";
/// What any change of it takes.
const BOOT: &str = "drain the node first (kubectl drain), and boot it";

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let has_devices = |index| facts.hardware.assignment.devices(index).next().is_some();
    let pools = facts.configured.config.pools.iter().enumerate();
    let wanting =
        pools.filter(|(index, pool)| wants_vfio(pool) && (has_devices(*index) || has_candidates(facts, pool)));
    let wanting: Vec<String> = wanting.map(|(_, pool)| pool.resource.to_string()).collect();
    if wanting.is_empty() || !has_no_iommu(facts) {
        return Vec::new();
    }
    let what = format!(
        "it is off: vfio-pci takes no device, and {} wants them",
        wanting.join(" and ")
    );
    let (how, why) = cause(&facts.hardware.iommu);
    vec![Finding::by_hand(how, Name::IommuOff, Severity::Error, IOMMU, what).because(why)]
}

/// Whether a pool wants devices that user space drives through VFIO.
pub(super) fn wants_vfio(pool: &Pool) -> bool {
    let mut drivers = pool.selectors.iter().flat_map(Selector::drivers);
    drivers.any(is_vfio)
}

/// Whether devices can be given to user space.
pub(super) fn has_no_iommu(facts: &Facts) -> bool {
    let iommu = &facts.hardware.iommu;
    iommu.groups == 0 && !iommu.is_waived
}

/// What turns it on, and why it is off.
fn cause(iommu: &Iommu) -> (String, String) {
    if let Some(word) = iommu.turned_off_by() {
        return (
            format!("take {word} off the kernel's command line; {BOOT}"),
            format!("the kernel was told {word}, and the last word counts"),
        );
    }
    let setup = |name: &str| format!("turn on {name} in the firmware's setup; {BOOT}");
    match iommu.processor {
        Processor::Intel if iommu.is_asked_for() => (
            setup("VT-d"),
            "the kernel was told intel_iommu=on and found none: it is off in the firmware".to_owned(),
        ),
        Processor::Intel => (
            format!(
                "put intel_iommu=on iommu=pt on the kernel's command line, as the distribution keeps it (grubby, update-grub, \
                 rpm-ostree kargs); {BOOT}; if there are still no groups, turn on VT-d in the firmware's setup"
            ),
            "the kernel's command line has no intel_iommu=on, and there are no IOMMU groups".to_owned(),
        ),
        Processor::Amd => (
            setup("IOMMU (AMD-Vi)"),
            "there are no IOMMU groups, and AMD's is on unless the firmware or the kernel's command line says no"
                .to_owned(),
        ),
        Processor::Other => (
            format!(
                "the firmware must describe an IOMMU to the kernel (on arm64 the SMMU, in ACPI's IORT or the device tree); {BOOT}"
            ),
            "there are no IOMMU groups".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(processor: Processor, command_line: &str) -> (String, String) {
        cause(&Iommu {
            groups: 0,
            is_waived: false,
            command_line: Some(command_line.to_owned()),
            processor,
        })
    }

    #[test]
    fn what_turned_it_off_is_named_and_no_word_is_advised_that_does_nothing() {
        for (processor, line, how, why) in [
            (
                Processor::Intel,
                "ro quiet",
                "put intel_iommu=on",
                "has no intel_iommu=on",
            ),
            (Processor::Intel, "intel_iommu=on", "VT-d", "off in the firmware"),
            (
                Processor::Intel,
                "intel_iommu=on,sm_on iommu=pt",
                "VT-d",
                "off in the firmware",
            ),
            (
                Processor::Intel,
                "intel_iommu=on intel_iommu=off",
                "take intel_iommu=off",
                "the last word",
            ),
            (
                Processor::Intel,
                "intel_iommu=off intel_iommu=on",
                "VT-d",
                "off in the firmware",
            ),
            (
                Processor::Intel,
                "intel_iommu=on iommu=off",
                "take iommu=off",
                "the last word",
            ),
            (Processor::Amd, "ro", "AMD-Vi", "no IOMMU groups"),
            (Processor::Amd, "intel_iommu=on", "AMD-Vi", "no IOMMU groups"),
            (Processor::Amd, "amd_iommu=off", "take amd_iommu=off", "the last word"),
            (Processor::Other, "ro", "SMMU", "no IOMMU groups"),
        ] {
            let said = told(processor, line);
            assert!(said.0.contains(how) && said.1.contains(why), "{line}: {said:?}");
            assert!(!said.0.contains("amd_iommu=on") && said.0.contains("drain"), "{said:?}");
        }
    }

    #[test]
    fn only_a_node_with_devices_for_vfio_misses_it() {
        let pools = serde_json::json!([{"resourceName": "dpdk", "selectors": {"drivers": ["vfio-pci"], "pfNames": ["eth9"]}},
                                       {"resourceName": "vfs", "selectors": {"pfNames": ["eth0"]}}]);
        let mut facts = Facts::with_pools(&pools);
        facts.add_vf(0, Some("igbvf"));
        facts.hardware.iommu = Iommu::default();
        assert_eq!(findings(&facts), []);
        facts.rename_pf("eth9");
        assert_eq!(
            findings(&facts).len(),
            1,
            "the VF would be in the pool with the other driver"
        );
    }
}
