# shellcheck shell=bash
# Everything that a verb which starts or boots machines needs, hack/vm's parts among it.
# shellcheck disable=SC1090,SC1091,SC2034,SC2154

. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
# The names that hack/vm's parts rely on.
here=$repository/hack work='' qemu='' timer=''
for part in packages kernel netdevsim initramfs run setup; do . "$here/vm.d/$part.sh"; done
for part in processes programs recipe packages images disks network certificates control-plane machines; do
    . "$cluster_parts/$part.sh"
done
unset part
