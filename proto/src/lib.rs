//! The kubelet's gRPC contracts as code, from our own .proto files with the kubelet's names and numbers.
//!
//! - [`deviceplugin`]: `Registration`, which the kubelet serves, and `DevicePlugin`, which `hardwired` serves;
//! - [`podresources`]: which pod holds which device;
//! - [`pluginregistration`]: how the kubelet gets to know a driver of dynamic resource allocation;
//! - [`dra`]: what it asks of one, in both versions; [`drahealth`]: how the driver's devices are.
//!
//! The code itself is made at build time (build.rs) and is nowhere checked in.

/// `deviceplugin/v1beta1`.
#[allow(
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    reason = "generated; tonic writes none of the documentation that we ask of ourselves"
)]
pub mod deviceplugin {
    tonic::include_proto!("v1beta1");

    /// The version that both sides speak.
    pub const VERSION: &str = "v1beta1";
    /// A device that may be given out.
    pub const HEALTHY: &str = "Healthy";
    /// A device that may not.
    pub const UNHEALTHY: &str = "Unhealthy";
    /// The kubelet's socket, in its device-plugin directory.
    pub const KUBELET_SOCKET: &str = "kubelet.sock";
    /// The device-plugin directory, below the kubelet's.
    pub const DIRECTORY: &str = "device-plugins";
}

/// `podresources/v1`.
#[allow(
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    reason = "generated; tonic writes none of the documentation that we ask of ourselves"
)]
pub mod podresources {
    tonic::include_proto!("v1");

    /// The socket, below the kubelet's directory.
    pub const SOCKET: &str = "pod-resources/kubelet.sock";
    /// The directory of that socket, below the kubelet's.
    pub const DIRECTORY: &str = "pod-resources";
    /// The socket, in that directory.
    pub const KUBELET_SOCKET: &str = "kubelet.sock";
}

/// `pluginregistration/v1`.
#[allow(
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    reason = "generated; tonic writes none of the documentation that we ask of ourselves"
)]
pub mod pluginregistration {
    tonic::include_proto!("pluginregistration");

    /// The directory whose sockets the kubelet dials, below its own.
    pub const DIRECTORY: &str = "plugins_registry";
    /// The kind of a driver.
    pub const DRA_PLUGIN: &str = "DRAPlugin";
}

/// `dra/v1`, and `dra/v1beta1`, whose messages are the same.
#[allow(
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    reason = "generated; tonic writes none of the documentation that we ask of ourselves"
)]
pub mod dra {
    /// The messages, and the service of Kubernetes 1.34 and later.
    pub mod v1 {
        tonic::include_proto!("k8s.io.kubelet.pkg.apis.dra.v1");
    }

    /// The service of 1.32 and 1.33.
    pub mod v1beta1 {
        tonic::include_proto!("k8s.io.kubelet.pkg.apis.dra.v1beta1");
    }

    /// What `supported_versions` calls the services, the newest first.
    pub const VERSIONS: [&str; 2] = ["v1.DRAPlugin", "v1beta1.DRAPlugin"];
    /// Where drivers have directories of their own, below the kubelet's.
    pub const DIRECTORY: &str = "plugins";
}

/// `dra-health/v1alpha1`.
#[allow(
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    reason = "generated; tonic writes none of the documentation that we ask of ourselves"
)]
pub mod drahealth {
    tonic::include_proto!("v1alpha1");

    /// What `supported_versions` calls the service.
    pub const VERSION: &str = "v1alpha1.DRAResourceHealth";
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{deviceplugin as dp, dra, drahealth as health, pluginregistration as reg, podresources as pr};

    #[test]
    fn registration_is_encoded_with_the_kubelets_numbers() {
        let request = dp::RegisterRequest {
            version: "v".into(),
            endpoint: "e".into(),
            resource_name: "r".into(),
            options: Some(dp::DevicePluginOptions {
                pre_start_required: true,
                get_preferred_allocation_available: true,
            }),
        };
        assert_eq!(
            request.encode_to_vec(),
            b"\x0a\x01v\x12\x01e\x1a\x01r\x22\x04\x08\x01\x10\x01"
        );
    }

    #[test]
    fn a_device_is_encoded_with_the_kubelets_numbers() {
        let list = dp::ListAndWatchResponse {
            devices: vec![dp::Device {
                id: "d".into(),
                health: "h".into(),
                topology: Some(dp::TopologyInfo {
                    nodes: vec![dp::NumaNode { id: 1 }],
                }),
            }],
        };
        assert_eq!(
            list.encode_to_vec(),
            b"\x0a\x0c\x0a\x01d\x12\x01h\x1a\x04\x0a\x02\x08\x01"
        );
    }

    #[test]
    fn an_allocation_is_encoded_with_the_kubelets_numbers() {
        let response = dp::ContainerAllocateResponse {
            envs: [("k".to_owned(), "v".to_owned())].into(),
            mounts: vec![dp::Mount {
                container_path: "c".into(),
                host_path: "h".into(),
                read_only: true,
            }],
            devices: vec![dp::DeviceSpec {
                container_path: "c".into(),
                host_path: "h".into(),
                permissions: "rw".into(),
            }],
            annotations: [("a".to_owned(), "b".to_owned())].into(),
            cdi_devices: vec![dp::CdiDevice { name: "n".into() }],
        };
        let expected: &[&[u8]] = &[
            b"\x0a\x06\x0a\x01k\x12\x01v",
            b"\x12\x08\x0a\x01c\x12\x01h\x18\x01",
            b"\x1a\x0a\x0a\x01c\x12\x01h\x1a\x02rw",
            b"\x22\x06\x0a\x01a\x12\x01b",
            b"\x2a\x03\x0a\x01n",
        ];
        assert_eq!(response.encode_to_vec(), expected.concat());
    }

    #[test]
    fn a_preference_is_encoded_with_the_kubelets_numbers() {
        let request = dp::ContainerPreferredAllocationRequest {
            available_device_i_ds: vec!["a".into()],
            must_include_device_i_ds: vec!["m".into()],
            allocation_size: 2,
        };
        assert_eq!(request.encode_to_vec(), b"\x0a\x01a\x12\x01m\x18\x02");
    }

    #[test]
    fn pod_resources_are_encoded_with_the_kubelets_numbers() {
        let pod = pr::PodResources {
            name: "p".into(),
            namespace: "n".into(),
            containers: vec![pr::ContainerResources {
                name: "c".into(),
                devices: vec![pr::ContainerDevices {
                    resource_name: "r".into(),
                    device_ids: vec!["d".into()],
                    topology: None,
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        assert_eq!(
            pod.encode_to_vec(),
            b"\x0a\x01p\x12\x01n\x1a\x0b\x0a\x01c\x12\x06\x0a\x01r\x12\x01d"
        );
        let claim = pr::DynamicResource {
            claim_name: "c".into(),
            claim_namespace: "n".into(),
            claim_resources: vec![pr::ClaimResource {
                share_id: Some("s".into()),
                ..Default::default()
            }],
        };
        assert_eq!(claim.encode_to_vec(), b"\x12\x01c\x1a\x01n\x22\x03\x2a\x01s");
    }

    #[test]
    fn a_driver_is_encoded_with_the_kubelets_numbers() {
        let info = reg::PluginInfo {
            r#type: reg::DRA_PLUGIN.into(),
            name: "n".into(),
            endpoint: "e".into(),
            supported_versions: vec!["v".into()],
        };
        assert_eq!(info.encode_to_vec(), b"\x0a\x09DRAPlugin\x12\x01n\x1a\x01e\x22\x01v");
        let status = reg::RegistrationStatus {
            plugin_registered: true,
            error: "e".into(),
        };
        assert_eq!(status.encode_to_vec(), b"\x08\x01\x12\x01e");
    }

    #[test]
    fn a_prepared_claim_is_encoded_with_the_kubelets_numbers() {
        let claim = dra::v1::Claim {
            namespace: "n".into(),
            uid: "u".into(),
            name: "c".into(),
        };
        assert_eq!(claim.encode_to_vec(), b"\x0a\x01n\x12\x01u\x1a\x01c");
        let prepared = dra::v1::NodePrepareResourceResponse {
            devices: vec![dra::v1::Device {
                request_names: vec!["r".into()],
                pool_name: "p".into(),
                device_name: "d".into(),
                cdi_device_ids: vec!["i".into()],
                share_id: Some("s".into()),
            }],
            error: "e".into(),
        };
        let answer = dra::v1::NodePrepareResourcesResponse {
            claims: [("u".to_owned(), prepared)].into(),
        };
        let expected: &[&[u8]] = &[
            b"\x0a\x19\x0a\x01u\x12\x14",
            b"\x0a\x0f\x0a\x01r\x12\x01p\x1a\x01d\x22\x01i\x2a\x01s",
            b"\x12\x01e",
        ];
        assert_eq!(answer.encode_to_vec(), expected.concat());
        let unprepared = dra::v1::NodeUnprepareResourceResponse { error: "e".into() };
        assert_eq!(unprepared.encode_to_vec(), b"\x0a\x01e");
    }

    #[test]
    fn the_health_of_a_device_is_encoded_with_the_kubelets_numbers() {
        let health = health::DeviceHealth {
            device: Some(health::DeviceIdentifier {
                pool_name: "p".into(),
                device_name: "d".into(),
            }),
            health: health::HealthStatus::Unhealthy.into(),
            last_updated_time: 3,
            health_check_timeout_seconds: 4,
            message: "m".into(),
        };
        assert_eq!(
            health.encode_to_vec(),
            b"\x0a\x06\x0a\x01p\x12\x01d\x10\x02\x18\x03\x20\x04\x2a\x01m"
        );
    }
}
