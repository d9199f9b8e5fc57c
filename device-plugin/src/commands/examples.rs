//! Examples below the help of commands: each line is one to be typed.

/// What the program does, in the order in which one meets it.
pub(super) const ALL: &str = "\
Examples:
  hardwired check --config pools.yaml            # is the configuration good? ConfigMaps too
  hardwired run --config pools.yaml              # offer its pools (the command may be left out)
  hardwired devices                              # what is here, who has it, why it is in no pool
  hardwired doctor                               # what is wrong here, why, and what mends it
  hardwired plan                                 # what would make PFs and VFs as configured?
  hardwired apply                                # do it, never under a VF in use
  hardwired nad intel.com/vfs --vlan 100         # a network for the pods of a pool
  hardwired check --nad network.yaml             # what would an ADD refuse?
  hardwired completions bash >/etc/bash_completion.d/hardwired";

/// Of `run`.
pub(super) const RUN: &str = "\
Examples:
  hardwired run --config pools.yaml              # on the node itself, as root
  hardwired run --config pools.yaml --metrics-bind 127.0.0.1:9110 --log-level debug
  hardwired run --config pools.yaml --pod-resources-dir /data/kubelet/pod-resources";

/// Of `adopt`.
pub(super) const ADOPT: &str = "\
Examples:
  hardwired doctor                               # device-dirty: what is different, and since when
  hardwired adopt 0000:3b:02.1                   # that is right from now on";

/// Of `install-cni`.
pub(super) const INSTALL_CNI: &str = "\
Examples:
  hardwired install-cni --to /opt/cni/bin
  hardwired install-cni --from ./hardwire --to /opt/cni/bin
  hardwired install-cni --to /opt/cni/bin --name hardwire,sriov     # in sriov-cni's place, too";

/// Of `completions`.
pub(super) const COMPLETIONS: &str = "\
Examples:
  hardwired completions bash >/etc/bash_completion.d/hardwired
  hardwired completions zsh >/usr/local/share/zsh/site-functions/_hardwired
  hardwired completions fish >/etc/fish/completions/hardwired.fish";

/// Of `devices`.
pub(super) const DEVICES: &str = "\
Examples:
  hardwired devices -o wide
  hardwired devices --config pools.yaml          # which devices would these pools have?
  hardwired devices -o json |
      jq -r '.devices[] | select(.pod) | \"\\(.device) \\(.namespace)/\\(.pod)\"'";

/// Of `check`.
pub(super) const CHECK: &str = "\
Examples:
  hardwired check --config configmap.yaml --strict
  hardwired check --nad network.yaml             # compared with the pools of the running daemon
  hardwired check --nad network.yaml --config configmap.yaml";

/// Of `plan`.
pub(super) const PLAN: &str = "\
Examples:
  hardwired plan --config pools.yaml             # steps, whom they disturb, and what is refused
  hardwired plan --json | jq -r '.pfs[] | \"\\(.device) \\(.outlook)\"'
  hardwired plan --from state.yaml               # an SriovNetworkNodeState, as pfs of hardwired";

/// Of `apply`.
pub(super) const APPLY: &str = "\
Examples:
  hardwired apply --config pools.yaml            # where no daemon runs
  hardwired apply                                # the running daemon does it
  hardwired apply --force ens1f0                 # though the node uses the link of ens1f0";

/// Of `doctor`.
pub(super) const DOCTOR: &str = "\
Examples:
  hardwired doctor
  kubectl get net-attach-def -A -o yaml >nads.yaml; hardwired doctor --nad nads.yaml
  hardwired doctor --fix                         # has the daemon mend what is surely ours
  hardwired doctor --json | jq -r '.findings[] | \"\\(.severity) \\(.name) \\(.subject)\"'";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::commands::args::Cli;

    /// clap would break them, and half a command is not one to be typed.
    #[test]
    fn each_example_fits_a_terminal_of_100_columns() {
        let root = Cli::command();
        for command in root.get_subcommands().chain([&root]) {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.starts_with("Examples:\n  "), "{}", command.get_name());
            for line in examples.lines() {
                assert!(line.chars().count() <= 100, "{line}");
            }
        }
    }
}
