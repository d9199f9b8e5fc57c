# shellcheck shell=bash
# Who may speak to whom: one authority, the API server's certificate, and a token for each client.
# Relies on openssl and on cluster.sh; leaves everything in $running/identities.
# shellcheck disable=SC2154

identities=$running/identities

make_identities() {
    local name
    mkdir -p "$identities"
    chmod 700 "$identities"
    # One after the other with &&: in a condition nothing else ends a list at what fails.
    {
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=hardwire-cluster" \
            -keyout "$identities/ca.key" -out "$identities/ca.crt" &&
            certify api-server /CN=kube-apiserver serverAuth \
            "IP:$control_address,IP:127.0.0.1,IP:$service_address,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost" &&
            certify kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth DNS:kube-apiserver &&
            openssl genrsa -out "$identities/service-accounts.key" 2048 &&
            openssl rsa -in "$identities/service-accounts.key" -pubout -out "$identities/service-accounts.pub"
    } 2>"$logs/openssl.log" || { cat "$logs/openssl.log" >&2 && die "openssl failed"; }
    : >"$identities/tokens.csv"
    identify admin admin system:masters
    identify controller-manager system:kube-controller-manager
    identify scheduler system:kube-scheduler
    identify kube-proxy system:kube-proxy
    identify multus hardwire-cluster:multus
    for name in $(node_names); do identify "$name" "system:node:$name" system:nodes; done
}

# certify NAME SUBJECT USAGE ALTERNATIVE_NAMES
certify() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" \
        -keyout "$identities/$1.key" -out "$identities/$1.csr" &&
        openssl x509 -req -in "$identities/$1.csr" -days 365 -CA "$identities/ca.crt" -CAkey "$identities/ca.key" \
            -CAcreateserial -out "$identities/$1.crt" -extfile <(printf 'extendedKeyUsage=%s\nsubjectAltName=%s\n' "$3" "$4")
}

# identify NAME USER [GROUP]: a token, and the kubeconfig that has it.
identify() {
    local token
    token=$(openssl rand -hex 16)
    echo "$token,$2,$2${3:+,\"$3\"}" >>"$identities/tokens.csv"
    cat >"$identities/$1.kubeconfig" <<KUBECONFIG
apiVersion: v1
kind: Config
current-context: hardwire-cluster
clusters:
  - name: hardwire-cluster
    cluster: {server: "$api_url", certificate-authority-data: $(base64 -w 0 "$identities/ca.crt")}
users:
  - name: $1
    user: {token: $token}
contexts:
  - name: hardwire-cluster
    context: {cluster: hardwire-cluster, user: $1}
KUBECONFIG
    chmod 600 "$identities/$1.kubeconfig"
}
