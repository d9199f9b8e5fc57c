//! Turns the .proto files into code with `protox`, so that no `protoc` needs to be installed.

use std::error::Error;

const FILES: [&str; 6] = [
    "kubelet/deviceplugin_v1beta1.proto",
    "kubelet/podresources_v1.proto",
    "kubelet/pluginregistration_v1.proto",
    "kubelet/dra_v1.proto",
    "kubelet/drahealth_v1alpha1.proto",
    // Last: it brings the messages of `dra_v1.proto` with it.
    "kubelet/dra_v1beta1.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
        // One by one: both define TopologyInfo and others, in packages of their own.
        let descriptors = protox::compile([file], ["kubelet"])?;
        tonic_prost_build::configure()
            // The same answer is the same bytes.
            .btree_map(".")
            .compile_fds(descriptors)?;
    }
    Ok(())
}
