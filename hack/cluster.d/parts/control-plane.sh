# shellcheck shell=bash
# etcd, the API server, the controller manager and the scheduler, as processes of this machine in the cluster's namespace.
# Relies on cluster.sh, processes.sh, programs.sh and certificates.sh.
# shellcheck disable=SC2154

start_control_plane() {
    # A cluster that is thrown away has nothing to lose in a crash of this machine.
    start etcd "$(program etcd)" --name hardwire --data-dir "$disks/etcd" --unsafe-no-fsync --log-level warn \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster hardwire=http://127.0.0.1:2380
    start kube-apiserver "$(program kube-apiserver)" --etcd-servers http://127.0.0.1:2379 \
        --bind-address 0.0.0.0 --secure-port 6443 --advertise-address "$control_address" \
        --service-cluster-ip-range "$service_range" --allow-privileged=true \
        --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
        --token-auth-file "$identities/tokens.csv" --client-ca-file "$identities/ca.crt" \
        --tls-cert-file "$identities/api-server.crt" --tls-private-key-file "$identities/api-server.key" \
        --kubelet-client-certificate "$identities/kubelet-client.crt" \
        --kubelet-client-key "$identities/kubelet-client.key" --kubelet-preferred-address-types InternalIP \
        --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$identities/service-accounts.pub" \
        --service-account-signing-key-file "$identities/service-accounts.key"
    await_api
    start kube-controller-manager "$(program kube-controller-manager)" --kubeconfig "$identities/controller-manager.kubeconfig" \
        --leader-elect=false --use-service-account-credentials \
        --service-account-private-key-file "$identities/service-accounts.key" --root-ca-file "$identities/ca.crt"
    start kube-scheduler "$(program kube-scheduler)" --kubeconfig "$identities/scheduler.kubeconfig" --leader-elect=false
}

cluster_kubectl() {
    KUBECONFIG=$identities/admin.kubeconfig inside "$(program kubectl)" --cache-dir "$running/kubectl-cache" "$@"
}

await_api() {
    local waited=0
    until cluster_kubectl get --raw /readyz >/dev/null 2>&1; do
        need_alive etcd kube-apiserver
        ((waited++ < 240)) || { tail -n 20 "$logs/kube-apiserver.log" >&2; die "the API server was not ready within 120 s"; }
        sleep 0.5
    done
}
