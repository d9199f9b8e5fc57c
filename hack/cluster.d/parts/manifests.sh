# shellcheck shell=bash
# The networks and pods that tests and bench make, for whatever namespace they are applied to. The networks are on the legacy
# host's VLAN and in its subnet.
# Relies on cluster.sh.
# shellcheck disable=SC2154

readonly legacy_host=${legacy_address%/*}

# network_manifest NAME TYPE RESOURCE FIRST LAST [MORE]: addresses from FIRST to LAST; MORE are fields of its configuration.
network_manifest() {
    cat <<YAML
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: $1
  annotations: {k8s.v1.cni.cncf.io/resourceName: $3}
spec:
  config: |
    {"cniVersion": "1.0.0", "name": "$1", "type": "$2", "vlan": $legacy_vlan, ${6:+$6, }
     "ipam": {"type": "host-local", "subnet": "${legacy_host%.*}.0/24", "rangeStart": "$4", "rangeEnd": "$5"}}
YAML
}

# pod_manifest NAME GROUP NODE [NETWORKS RESOURCE]: with one device, or none; it ends as soon as it is asked to.
pod_manifest() {
    local networks='' device=''
    [[ $# -lt 5 ]] || networks="k8s.v1.cni.cncf.io/networks: '$4'" device="requests: {$5: 1}, limits: {$5: 1}"
    cat <<YAML
---
apiVersion: v1
kind: Pod
metadata:
  name: $1
  labels: {group: $2}
  annotations: {$networks}
spec:
  nodeSelector: {kubernetes.io/hostname: $3}
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  containers:
    - name: main
      image: $busybox_image
      imagePullPolicy: IfNotPresent
      command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"]
      resources: {$device}
YAML
}
