# shellcheck shell=bash
# The guest's initramfs: busybox, the guest's init and the modules that every run loads.
# Relies on a kernel directory as kernel.sh makes it, on cpio and kmod, and on $here and $work.
# shellcheck disable=SC2154

# Needed to reach this machine's file system; what a distribution has built in is passed over.
readonly root_modules=(virtio_pci 9pnet_virtio 9p overlay)
# What makes the guest an SR-IOV node. Everything else is left to modprobe.
readonly node_modules=(igb igbvf netdevsim)

# What init calls.
readonly applets=(chmod cp hostname ifconfig insmod ln mkdir mount switch_root umount)

# Into directory $2, numbered in the order of loading and unpacked: busybox cannot load
# compressed modules, and unpacking them at each boot would take longer than reading them.
place_modules() {
  local kernel=$1 into=$2 file name count=100
  shift 2
  mkdir -p "$into"
  while read -r file; do
    name=$(basename "$file")
    name=${name%.xz} name=${name%.zst} name=${name%.gz}
    case $file in
      *.xz) xz -dc "$file" ;;
      *.zst) zstd -dcq "$file" ;;
      *.gz) gzip -dc "$file" ;;
      *) cat "$file" ;;
    esac >"$into/$count-$name"
    count=$((count + 1))
  done < <(for name in "$@"; do
    modprobe -C /dev/null -d "$kernel" -S "$(cat "$kernel/version")" --show-depends "$name" || true
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
}

build_initramfs() {
  local kernel=$1 into=$2 tree=$work/initramfs name
  say "making the guest's initramfs"
  mkdir -p "$tree"/{bin,proc,sys,dev,share,host,upper,node,hold}
  cp "$kernel/busybox" "$tree/bin/busybox"
  for name in "${applets[@]}"; do ln -s busybox "$tree/bin/$name"; done
  cp "$here/vm.d/init" "$here/vm.d/init-command" "$tree/"
  chmod 755 "$tree/init"
  place_modules "$kernel" "$tree/modules/root" "${root_modules[@]}"
  place_modules "$kernel" "$tree/modules/node" "${node_modules[@]}"
  for name in igb igbvf netdevsim; do
    compgen -G "$tree/modules/node/*-$name.ko" >/dev/null || die "the kernel has no module $name"
  done
  # Not compressed: unpacking it in the guest takes longer than QEMU's reading of it.
  (cd "$tree" && find . | cpio -o -H newc --quiet) >"$into"
}
