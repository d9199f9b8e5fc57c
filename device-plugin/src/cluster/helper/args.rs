//! What the helper is started with.

use clap::Parser;
use hardwire_cni::VERSION;

use crate::cluster::access::{KubeAccess, is_node_name};
use crate::cluster::messages::PROGRAM;

/// Tells the Kubernetes API what `hardwired` says of this node's devices.
///
/// `hardwired run` starts it where `--kube` is on, and ends it: it is nobody's to start. It does one request after the other as
/// lines on its stdin say, and answers on its stdout. It gives up all capabilities before it speaks to anybody, and connects to
/// the API server alone, through no proxy (`HTTPS_PROXY` is not looked at).
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version = VERSION)]
pub struct HelperArgs {
    /// Where the API is: auto (by the service account's token of this pod), or by this kubeconfig.
    #[arg(long, value_name = "auto|KUBECONFIG")]
    pub kube: KubeAccess,
    /// The name of this node's Node object.
    #[arg(long, value_name = "NAME", value_parser = node)]
    pub node: String,
}

fn node(text: &str) -> Result<String, String> {
    if is_node_name(text) {
        return Ok(text.to_owned());
    }
    Err("expected up to 253 small letters, digits, - and .".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_node_has_a_name_that_the_api_takes() {
        HelperArgs::command().debug_assert();
        let parse = |node: &str| HelperArgs::try_parse_from(["hardwired-cluster", "--kube", "auto", "--node", node]);
        assert!(parse("node1").is_ok());
        let error = parse("../node1").unwrap_err().to_string();
        assert!(error.contains("small letters"), "{error}");
    }
}
