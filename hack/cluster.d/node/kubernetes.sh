# shellcheck shell=bash
# The kubelet and kube-proxy.
# Relies on boot, services.sh and runtime.sh. Runs in the guest.
# shellcheck disable=SC2154

start_kubernetes() {
    cat >/run/node/kubelet.yaml <<CONFIGURATION
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $share/ca.crt}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
failSwapOn: false
# The disk is sparse and the memory small: nothing is evicted for them.
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
imageGCHighThresholdPercent: 100
# No name server is reached from here. The cluster has none either; naming one spares each pod a warning.
resolvConf: ""
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
CONFIGURATION
    service kubelet kubelet --config /run/node/kubelet.yaml --kubeconfig "$share/kubelet.kubeconfig" \
        --hostname-override "$name" --node-ip "$address"
    service kube-proxy kube-proxy --kubeconfig "$share/kube-proxy.kubeconfig" --hostname-override "$name" \
        --cluster-cidr "$pod_range" --conntrack-max-per-core 0
}
