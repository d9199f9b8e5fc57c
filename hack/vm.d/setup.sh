# shellcheck shell=bash
# What a run needs, from the cache or made now. Nothing is asked of apt, and nothing printed,
# when all is there.
#
# The cache holds  kernel-VERSION-KEY/ (kernel.sh, netdevsim.sh),  initramfs-KEY.cpio  and
# kvm-KEY (yes or no). A KEY is the hash of what made it, so a changed script makes anew, and
# clones with other scripts keep theirs. Everything is made in a temporary directory under a
# lock and renamed into place: two first uses at once are safe.
# Relies on the other parts of vm.d, and on $here and $cache. Sets $kernel, $initramfs and
# $accelerator for the run.
# shellcheck disable=SC2154,SC2034

hash_of() { cat "$@" | sha256sum | cut -c 1-16; }

# Sets what a run uses; fails when some of it is not there yet.
find_cached() {
  local found
  kernel='' accelerator=tcg
  for found in "$cache"/kernel-*-"$kernel_key"; do [[ ! -d $found ]] || kernel=$found; done
  [[ -n $kernel ]] || return 1
  # init* is all that makes the initramfs: init, init-command, initramfs.sh.
  initramfs=$cache/initramfs-$(hash_of "$kernel/version" "$here"/vm.d/init*)-$kernel_key.cpio
  [[ -e $initramfs ]] || return 1
  [[ -w /dev/kvm ]] || return 0
  # The answer holds for this processor, this machine's kernel, this QEMU and this guest.
  kvm_answer=$cache/kvm-$({
    grep -m 1 'model name' /proc/cpuinfo
    uname -r
    qemu-system-x86_64 --version
    echo "$initramfs"
  } | hash_of -)
  [[ -e $kvm_answer ]] || return 1
  [[ $(<"$kvm_answer") != yes ]] || accelerator=kvm
}

set_up() {
  kernel_key=$(hash_of "$here"/vm.d/{packages,kernel,netdevsim}.sh /etc/os-release)
  if [[ -n $(missing_packages) ]] || ! find_cached; then
    exec 9>"$cache/lock"
    flock -n 9 || { say "waiting for another hack/vm, which is setting up" && flock 9; }
    set_up_locked
    exec 9>&-
  fi
  # Tells forget_old that these are in use.
  touch -c "$kernel" "$initramfs"
}

set_up_locked() {
  # What an ended set-up left: nobody else can be at work here.
  rm -rf "$cache"/work.*
  work=$(mktemp -d "$cache/work.XXXXXX")
  install_missing
  if ! find_cached && [[ -z $kernel ]]; then
    say "setting up the emulated node, once (about a minute and 300 MB of downloads)"
    build_kernel "$work/kernel"
    mv "$work/kernel" "$cache/kernel-$(<"$work/kernel/version")-$kernel_key"
  fi
  if ! find_cached && [[ ! -e $initramfs ]]; then
    build_initramfs "$kernel" "$work/initramfs.cpio"
    mv "$work/initramfs.cpio" "$initramfs"
  fi
  find_cached || probe_kvm
  forget_old
  # With it go the package lists that were read there: who unpacks more in this process reads them again.
  rm -rf "$work"
  work='' apt_ready=''
}

# A /dev/kvm that cannot run a stock kernel exists: it hangs or resets. Only a boot tells.
probe_kvm() {
  # Not the run's: the answer must not depend on what this run asks for.
  local memory=1024 cpus=2 nics=1
  say "trying /dev/kvm with a boot of at most 20 s"
  mkdir "$work/probe"
  write_run "$work/probe" "$kernel" / true
  start_qemu "$work/probe" "$kernel" "$initramfs" kvm
  await 20 "$qemu"
  end_process "$qemu"
  if [[ $(cat "$work/probe/status" 2>/dev/null) == 0 ]]; then echo yes; else echo no; fi \
    >"$work/answer"
  say "KVM can be used: $(<"$work/answer")"
  mv "$work/answer" "$kvm_answer"
  find_cached
}

# What no run has used for two weeks.
forget_old() {
  find "$cache" -maxdepth 1 \( -name 'kernel-*' -o -name 'initramfs-*' -o -name 'kvm-*' \) \
    -mtime +14 -exec rm -rf {} +
}
