# shellcheck shell=bash
# The guest's kernel: the distribution's stock kernel, its modules and netdevsim, made once
# into one directory of the cache:
#   version  vmlinuz  vmlinux (where the kernel can be booted unpacked)  busybox  lib/modules/
# Relies on packages.sh and netdevsim.sh, and on $work.
# shellcheck disable=SC2154

# The kernel that the distribution's meta package stands for; prints the image's package.
newest_kernel() {
  local meta=linux-image-amd64
  # shellcheck disable=SC1091
  [[ $(. /etc/os-release && echo "$ID") != ubuntu ]] || meta=linux-image-generic
  linux_packages "$meta" | grep -E '^linux-image-[0-9].*-(amd64|generic)$' | sed -n 1p
}

build_kernel() {
  local into=$1 image version modules
  apt_prepare
  image=$(newest_kernel) || die "the distribution offers no kernel package"
  version=${image#linux-image-}
  say "downloading and unpacking kernel $version (about 100 MB)"
  # Ubuntu keeps the modules, and among them vfio and netdevsim, in packages of their own.
  mapfile -t modules < <(
    linux_packages linux-image-generic 2>/dev/null \
      | grep -xF -e "linux-modules-$version" -e "linux-modules-extra-$version" || true
  )
  unpack "$work/image" "$image" "${modules[@]}"
  unpack "$work/busybox" busybox-static

  # kmod looks below lib or usr/lib, as it was built.
  mkdir -p "$into/lib/modules" "$into/usr"
  ln -s ../lib "$into/usr/lib"
  find "$work/busybox" -type f -path '*/bin/busybox' -exec cp {} "$into/busybox" \;
  cp "$work/image/boot/vmlinuz-$version" "$into/vmlinuz"
  cp "$work/image/boot/System.map-$version" "$work/System.map"
  mv "$(find "$work/image" -type d -path "*/lib/modules/$version")" "$into/lib/modules/"
  unpack_kernel "$into/vmlinuz" "$into/vmlinux" || rm -f "$into/vmlinux"

  if [[ -z $(find "$into/lib/modules" -name 'netdevsim.ko*') ]]; then
    build_netdevsim "$version" "$(candidate_version "$image")"
    mkdir -p "$into/lib/modules/$version/updates"
    cp "$work/netdevsim/netdevsim.ko" "$into/lib/modules/$version/updates/"
  fi
  say "indexing the kernel's modules"
  depmod -b "$into" -F "$work/System.map" "$version"
  echo "$version" >"$into/version"
}

# Without KVM the kernel's unpacking of itself costs 1.5 s of every run. QEMU can start an
# ELF kernel (PVH) directly, so unpack it here. Where it lies in the file is in the boot
# protocol's header (Documentation/arch/x86/boot.rst: setup_sects, payload_offset and _length).
unpack_kernel() {
  local from=$1 to=$2 sectors offset length
  sectors=$(od -An -tu1 -j$((0x1f1)) -N1 "$from")
  offset=$(od -An -tu4 -j$((0x248)) -N4 "$from")
  length=$(od -An -tu4 -j$((0x24c)) -N4 "$from")
  # The payload ends in four bytes that are no part of the zstd stream: its unpacked size.
  dd if="$from" bs=64k iflag=skip_bytes,count_bytes status=none \
    skip=$(((sectors + 1) * 512 + offset)) count=$((length - 4)) \
    | zstd -dcq >"$to" 2>/dev/null || return 1
  # "Xen" with note type 18 is the entry that QEMU looks for.
  LC_ALL=C grep -qaP '\x04\x00\x00\x00[\x04\x08]\x00\x00\x00\x12\x00\x00\x00Xen\x00' "$to"
}
