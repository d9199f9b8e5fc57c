# shellcheck shell=bash
# What the emulated node needs of the distribution: programs on this machine, and files
# out of packages that are only unpacked (a kernel, its headers, its source, busybox).
#
# The kernel is never installed: installing one writes an initramfs and boot entries for
# this machine, which takes a minute and changes what the machine boots.
# Relies on apt, root, and `say`, `die` and $work (a temporary directory) of hack/vm.
#
# Debian 12 is the odd one: its QEMU (7.2) has no `igb`, so QEMU and the kernel come from
# its backports suite. That suite is added for these calls only, with lists of its own.
# shellcheck disable=SC2154

# program=package; a program that is there is never asked of apt, so that a second run
# is fast and works offline. ip, ping, ps and devlink are not for set-up: the guest shows
# this machine's file system, and what it lacks a test would lack. (iproute2 also brings
# libelf, which the kernel's objtool is linked with.)
readonly host_programs=(
  gcc=gcc make=make depmod=kmod cpio=cpio xz=xz-utils zstd=zstd
  ip=iproute2 devlink=iproute2 ping=iputils-ping ps=procps
)

apt_options=(-o "DPkg::Lock::Timeout=600")
apt_ready=

# The mirror of the distribution's own archive, as apt itself understood its sources
# (one-line, deb822 and mirror lists alike): the entry of suite $1, component main.
archive_entries() {
  apt-get indextargets --format "\$(REPO_URI) \$(RELEASE) \$(COMPONENT) \$(ORIGIN)" \
    'Created-By: Packages' 2>/dev/null | awk -v suite="$1" '
      $4 == "Debian" && $3 == "main" && index($2, suite) == 1 { print $1, $2, $3 }' | sort -u
}

use_backports() {
  local suite=$1 apt=$work/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  local signed='' entries
  entries=$(archive_entries "$suite")
  if [[ -z $entries ]]; then # a fresh image comes without package lists
    apt-get update -qq >&2 || say "apt-get update reported errors, going on"
    entries=$(archive_entries "$suite")
  fi
  [[ -n $entries ]] || die "apt knows no source for $suite; hack/vm needs its mirror"
  [[ -e $keyring ]] && signed="[signed-by=$keyring] "
  mkdir -p "$apt/lists/partial" "$apt/none"
  awk -v signed="$signed" -v suite="$suite" '
    { print "deb " signed $0 }
    $2 == suite { print "deb " signed $1, suite "-backports", $3 }' <<<"$entries" \
    | sort -u >"$apt/sources.list"
  # Root fetches: the cache may lie where apt's own user may not look.
  apt_options+=(
    -o "Dir::Etc::sourcelist=$apt/sources.list" -o "Dir::Etc::sourceparts=$apt/none"
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache="
    -o "APT::Sandbox::User=root" -o "APT::Default-Release=$suite-backports"
  )
}

# Once per set-up, and only where something is missing.
apt_prepare() {
  [[ -z $apt_ready ]] || return 0
  say "reading the distribution's package lists"
  # shellcheck disable=SC1091 # the distribution's own description of itself
  [[ $(. /etc/os-release && echo "$VERSION_CODENAME") != bookworm ]] || use_backports bookworm
  apt-get "${apt_options[@]}" update -qq >&2 || say "apt-get update reported errors, going on"
  apt_ready=1
}

# The major version, 0 without QEMU. `igb` came with 8.
qemu_version() {
  local line
  line=$(qemu-system-x86_64 --version 2>/dev/null | head -n 1) || true
  [[ $line =~ version\ ([0-9]+) ]] && echo "${BASH_REMATCH[1]}" || echo 0
}

missing_packages() {
  local pair
  for pair in "${host_programs[@]}"; do
    command -v "${pair%%=*}" >/dev/null || echo "${pair#*=}"
  done
  [[ $(qemu_version) -ge 8 ]] || echo qemu-system-x86
}

install_missing() {
  local packages
  mapfile -t packages < <(missing_packages | sort -u)
  [[ ${#packages[@]} -gt 0 ]] || return 0
  apt_prepare
  say "installing ${packages[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get "${apt_options[@]}" install -y -qq \
    --no-install-recommends "${packages[@]}" >"$work/apt.log" 2>&1 \
    || { tail -n 20 "$work/apt.log" >&2; die "apt-get install failed"; }
  mapfile -t packages < <(missing_packages)
  [[ ${#packages[@]} -eq 0 ]] || die "still missing after the installation: ${packages[*]}"
}

# unpack DIRECTORY PACKAGE[=VERSION]...: the packages' files below DIRECTORY.
unpack() {
  local into=$1 deb
  shift
  fetch_packages "$into.debs" "$@"
  mkdir -p "$into"
  for deb in "$into.debs"/*.deb; do dpkg-deb -x "$deb" "$into"; done
  rm -r "$into.debs"
}

fetch_packages() {
  local into=$1
  shift
  apt_prepare
  mkdir -p "$into"
  (cd "$into" && apt-get "${apt_options[@]}" -o APT::Sandbox::User=root download -qq "$@" >&2) \
    || die "cannot download: $*"
}

# The candidate's dependencies, all levels, whose names begin with `linux-`.
linux_packages() {
  apt-cache "${apt_options[@]}" depends --recurse --no-pre-depends --no-recommends \
    --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$1" \
    | grep -oE '^linux-[^: ]+' | sort -u
}

candidate_version() {
  apt-cache "${apt_options[@]}" policy "$1" | awk '$1 == "Candidate:" { print $2 }'
}
