//! Examples below the help of commands: each line is one to be typed.

/// What the program does, in the order in which one meets it.
pub(super) const ALL: &str = "\
Examples:
  hardwired check --config pools.yaml            # is the configuration good? ConfigMaps too
  hardwired run --config pools.yaml              # offer its pools; `hardwired --config ...` is the same
  hardwired devices                              # what is here, who has it, and why it is in no pool
  hardwired doctor                               # what is wrong here, why, and what mends it
  hardwired nad intel.com/vfs --vlan 100         # a network for the pods of a pool
  hardwired check --nad network.yaml             # what would an ADD refuse?
  hardwired completions bash >/etc/bash_completion.d/hardwired";

/// Of `devices`.
pub(super) const DEVICES: &str = "\
Examples:
  hardwired devices -o wide
  hardwired devices --config pools.yaml          # which devices would these pools have?
  hardwired devices -o json | jq -r '.devices[] | select(.pod) | \"\\(.device) \\(.namespace)/\\(.pod)\"'";

/// Of `check`.
pub(super) const CHECK: &str = "\
Examples:
  hardwired check --config configmap.yaml --strict
  hardwired check --nad network.yaml             # compared with the pools of the running daemon
  hardwired check --nad network.yaml --config configmap.yaml";

/// Of `doctor`.
pub(super) const DOCTOR: &str = "\
Examples:
  hardwired doctor
  kubectl get net-attach-def -A -o yaml >nads.yaml; hardwired doctor --nad nads.yaml
  hardwired doctor --fix                         # has the daemon mend what is surely ours
  hardwired doctor --json | jq -r '.findings[] | \"\\(.severity) \\(.name) \\(.subject)\"'";
