# shellcheck shell=bash
# netdevsim, built from the distribution's kernel source where its kernel leaves it out, as
# Debian's does. It stands in for the SR-IOV cards with a switchdev mode, which QEMU does not
# emulate.
# Relies on packages.sh, gcc, make and $work; leaves $work/netdevsim/netdevsim.ko.
# shellcheck disable=SC2154

build_netdevsim() {
  local version=$1 package_version=$2 headers=$work/headers source=$work/source
  local packages source_package tree
  mapfile -t packages < <(linux_packages "linux-headers-$version" \
    | grep -E '^linux-(headers|kbuild)-')
  say "downloading the headers and the source of kernel $version for netdevsim (about 170 MB)"
  unpack "$headers" "${packages[@]}"
  # Only the source of the very kernel fits: the driver follows the kernel's inner interfaces.
  source_package=$(source_package "$version")
  unpack "$source" "$source_package=$package_version"

  say "unpacking netdevsim out of the kernel source (10 to 60 s)"
  mkdir -p "$work/netdevsim"
  tar -xf "$(find "$source" -name 'linux-source-*.tar.*' -type f)" -C "$work/netdevsim" \
    --strip-components=4 --wildcards '*/drivers/net/netdevsim/*'
  rm -r "$source"

  say "building netdevsim (10 to 60 s)"
  tree=$headers/usr/src/linux-headers-$version
  # The headers are not installed, but Debian's Makefile names the place where they would be.
  [[ -L $tree/Makefile ]] || sed -i -E "s#(^|[ =])/usr/src/#\\1$headers/usr/src/#" "$tree/Makefile"
  # Without this file the build leaves out BTF, which needs another package (pahole).
  rm -f "$tree/vmlinux"
  make -s -j"$(nproc)" -C "$tree" M="$work/netdevsim" CC=gcc CONFIG_NETDEVSIM=m modules \
    >"$work/netdevsim.log" 2>&1 \
    || { tail -n 30 "$work/netdevsim.log" >&2; die "netdevsim could not be built"; }
  # 7 MB of debug information would be read at each boot.
  strip --strip-debug "$work/netdevsim/netdevsim.ko"
}

# linux-source-6.12 on Debian, linux-source-6.8.0 on Ubuntu.
source_package() {
  local name
  for name in "$(grep -oE '^[0-9]+\.[0-9]+\.[0-9]+' <<<"$1")" "$(grep -oE '^[0-9]+\.[0-9]+' <<<"$1")"; do
    if [[ -n $(candidate_version "linux-source-$name") ]]; then
      echo "linux-source-$name"
      return
    fi
  done
  die "the distribution offers no source package for kernel $1"
}
