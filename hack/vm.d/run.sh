# shellcheck shell=bash
# One boot of the guest: start QEMU, pass the command's output on while it comes, end QEMU.
# Relies on the cache that setup.sh has filled, on init and init-command in the guest, and on
# $repository, $target (empty: nothing is shared for writing), $memory, $cpus and $nics of
# hack/vm.
# shellcheck disable=SC2154

# A guest that has not begun the command after this many seconds never will: it takes 3
# without KVM.
readonly boot_limit=120
# The first five bytes of the cards' addresses, which differ only among guests on one network.
mac_prefix=52:54:00:11:22

# As words of the POSIX shell, which knows no $'...'.
quote() {
  local word
  for word in "$@"; do printf "'%s' " "${word//\'/\'\\\'\'}"; done
}

# write_run DIRECTORY KERNEL WORKING_DIRECTORY COMMAND...: what the guest reads.
write_run() {
  local run=$1 kernel=$2 directory=$3 name version
  shift 3
  version=$(<"$kernel/version")
  {
    echo "repository=$(quote "$repository")"
    echo "target=$(quote "$target")"
    echo "modules=$(quote "$kernel/lib/modules/$version")"
    echo "kernel_version=$(quote "$version")"
  } >"$run/parameters"
  {
    echo "cd $(quote "$directory") || exit 125"
    echo "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    echo "export HOME=/root USER=root LOGNAME=root LANG=C.UTF-8 HARDWIRE_VM=1"
    for name in $(compgen -e); do
      case $name in
        HARDWIRE_VM | HARDWIRE_VM_TIMEOUT | HARDWIRE_CACHE) ;;
        HARDWIRE_* | RUST_BACKTRACE | RUST_LOG | RUST_TEST_THREADS | TERM | CI)
          echo "export $name=$(quote "${!name}")"
          ;;
      esac
    done
    [[ -z $target ]] || echo "export CARGO_TARGET_DIR=$(quote "$target")"
    echo "exec $(quote "$@")"
  } >"$run/job"
  : >"$run/out"
  : >"$run/err"
}

# A background process that ends with this one, even where this one is killed.
bound() { exec setpriv --pdeathsig KILL "$@"; }

# qemu_arguments DIRECTORY KERNEL INITRAMFS ACCELERATOR: sets $arguments. The cards are on the hub 0.
qemu_arguments() {
  local run=$1 kernel=$2 initramfs=$3 accelerator=$4 image=$2/vmlinux
  local card share id fixed path
  [[ -e $image ]] || image=$kernel/vmlinuz
  [[ $accelerator == kvm ]] || accelerator="tcg,thread=multi"
  arguments=(
    -nodefaults -no-user-config -display none -no-reboot
    -machine "q35,kernel-irqchip=split" -accel "$accelerator" -m "$memory" -smp "$cpus"
    # Five-level page tables would only make every emulated memory access slower.
    -cpu "max,la57=off"
    -serial "file:$run/console"
    -kernel "$image" -initrd "$initramfs"
    # The initcalls are self-tests and keys that take a second without KVM. An oops ends the
    # guest (panic=-1: at once), so that no test hangs on a broken kernel; so does a processor
    # whose timer the emulator has lost, which RCU notices again and again. On a busy machine the
    # boot's own look at the timer finds it too slow, and would panic.
    -append "console=ttyS0 quiet intel_iommu=on oops=panic panic=-1 mitigations=off nokaslr \
audit=0 lsm=apparmor cryptomgr.notests random.trust_cpu=on no_timer_check \
sysctl.kernel.panic_on_rcu_stall=1 sysctl.kernel.max_rcu_stall_to_panic=3 \
initcall_blacklist=jent_mod_init,load_system_certificate_list,init_encrypted"
    -device "intel-iommu,intremap=on"
  )
  for ((card = 0; card < nics; card++)); do
    arguments+=(
      -device "pcie-root-port,id=port$card,chassis=$((card + 1))"
      -netdev "hubport,id=hub$card,hubid=0"
      -device "igb,netdev=hub$card,bus=port$card,mac=$mac_prefix:$(printf %02x $((51 + card)))"
    )
  done
  for share in "root:on:/" "target:off:$target" "run:off:$run"; do
    IFS=: read -r id fixed path <<<"$share"
    [[ -n $path ]] || continue
    arguments+=(
      # QEMU's option syntax doubles a comma.
      -fsdev "local,id=$id,path=${path//,/,,},security_model=none,readonly=$fixed,multidevs=remap"
      -device "virtio-9p-pci,fsdev=$id,mount_tag=$id"
    )
  done
}

# start_qemu DIRECTORY KERNEL INITRAMFS ACCELERATOR: in the background; sets $qemu.
start_qemu() {
  local arguments
  qemu_arguments "$@"
  bound qemu-system-x86_64 "${arguments[@]}" </dev/null >"$1/qemu.log" 2>&1 &
  qemu=$!
}

# await SECONDS PROCESS...: sets $ended to the process that ended first, or to nothing.
await() {
  bound sleep "$1" &
  timer=$!
  shift
  ended=''
  wait -n -p ended "$timer" "$@" 2>/dev/null || true
  if [[ $ended == "$timer" ]]; then ended=''; else end_process "$timer"; fi
  timer=''
}

# By its number, and only while it is this shell's: the number of one that has ended may be
# another's by now.
end_process() {
  if [[ $'\n'$(jobs -pr)$'\n' == *$'\n'$1$'\n'* ]]; then
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
  fi
}

# run_guest SECONDS: the whole run in $run; returns the command's exit status.
run_guest() {
  local limit=$1 first=$boot_limit out err
  [[ $limit -ge $first ]] || first=$limit
  start_qemu "$run" "$kernel" "$initramfs" "$accelerator"
  # A tail passes on what is left in the file when QEMU has ended, and then ends; ended before,
  # it has lost its reader. Its own messages (inotify is used up) are nobody's business.
  bound tail -c +1 -s 0.1 --pid="$qemu" -f "$run/out" 2>/dev/null &
  out=$!
  bound tail -c +1 -s 0.1 --pid="$qemu" -f "$run/err" >&2 2>/dev/null &
  err=$!
  await "$first" "$qemu" "$out" "$err"
  if [[ -z $ended && ! -e $run/started && $limit -gt $first ]]; then
    end_process "$qemu"
    failed "the guest did not come up within $first s"
  fi
  if [[ -z $ended && $limit -gt $first ]]; then
    await $((limit - first)) "$qemu" "$out" "$err"
  fi
  [[ $ended == "$qemu" ]] || end_process "$qemu"
  wait "$out" "$err" || true
  case $ended in
    "$qemu") ;;
    '')
      say "the time limit of $limit s is over; the guest was ended"
      return 124
      ;;
    # What SIGPIPE would have made of the command.
    *) return 141 ;;
  esac
  [[ -s $run/status ]] || failed "the guest ended before the command did"
  return "$(<"$run/status")"
}

failed() {
  say "$1; the end of its console and of QEMU's messages:"
  tail -q -n 40 "$run/console" "$run/qemu.log" >&2 || true
  exit 125
}
