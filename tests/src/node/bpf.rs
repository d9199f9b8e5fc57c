//! BPF programs that a pod attaches to its interface, and the look at what is attached.
//!
//! Not the plugin's own code, so that a mistake there cannot hide itself. A program does nothing but let every packet pass.
#![allow(
    unsafe_code,
    reason = "bpf(2) has no safe wrapper that would not bring a loader with it"
)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::thread;

use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};

use super::Pod;

/// Where a program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Before the stack.
    Xdp,
    /// Received packets.
    TcxIngress,
    /// Sent packets.
    TcxEgress,
}

impl Hook {
    fn attach_type(self) -> u32 {
        match self {
            Self::Xdp => 37,
            Self::TcxIngress => 46,
            Self::TcxEgress => 47,
        }
    }

    fn program_type(self) -> u32 {
        match self {
            Self::Xdp => 6,
            Self::TcxIngress | Self::TcxEgress => 3,
        }
    }

    /// `XDP_PASS`, `TCX_NEXT`.
    fn verdict(self) -> i32 {
        match self {
            Self::Xdp => 2,
            Self::TcxIngress | Self::TcxEgress => -1,
        }
    }
}

/// A loaded program. Dropping it lets go of the program, and of the link that attaches it.
#[derive(Debug)]
pub struct Program {
    hook: Hook,
    loaded: OwnedFd,
    link: Option<OwnedFd>,
}

impl Program {
    /// Loads one.
    pub fn load(hook: Hook) -> Self {
        let instruction = |code: u8, immediate: i32| u64::from(code) | u64::from(immediate.cast_unsigned()) << 32;
        // r0 = verdict; exit
        let text = [instruction(0xb7, hook.verdict()), instruction(0x95, 0)];
        let mut words = [0_u32; 32];
        words[0] = hook.program_type();
        words[1] = 2;
        put(&mut words, 2, text.as_ptr().expose_provenance() as u64);
        put(&mut words, 4, c"GPL".as_ptr().expose_provenance() as u64);
        let program = bpf(5, &mut words).expect("BPF_PROG_LOAD");
        Self {
            hook,
            // SAFETY: the kernel has just opened it for this caller.
            loaded: unsafe { OwnedFd::from_raw_fd(program) },
            link: None,
        }
    }

    /// Attaches it to an interface of a pod by a `bpf_link`, which this holds from then on.
    #[must_use]
    #[track_caller]
    pub fn linked(mut self, pod: &Pod, interface: &str) -> Self {
        self.link = Some(self.also_linked(pod, interface));
        self
    }

    /// The same to a further interface: whoever has the link holds it.
    #[track_caller]
    pub fn also_linked(&self, pod: &Pod, interface: &str) -> OwnedFd {
        let link = inside(pod, || {
            let mut words = [0_u32; 32];
            words[0] = self.loaded.as_raw_fd().cast_unsigned();
            words[1] = if_nametoindex(interface).expect("an interface");
            words[2] = self.hook.attach_type();
            bpf(28, &mut words).expect("BPF_LINK_CREATE")
        });
        // SAFETY: the kernel has just opened it for this caller.
        unsafe { OwnedFd::from_raw_fd(link) }
    }

    /// Attaches it to an interface of a pod for good: tcx programs stay so without anybody who holds them.
    #[track_caller]
    pub fn attach(&self, pod: &Pod, interface: &str) {
        inside(pod, || {
            self.attach_here(if_nametoindex(interface).expect("an interface"));
        });
    }

    /// The same in the namespace of the caller.
    pub fn attach_here(&self, index: u32) {
        let mut words = [0_u32; 32];
        words[0] = index;
        words[1] = self.loaded.as_raw_fd().cast_unsigned();
        words[2] = self.hook.attach_type();
        bpf(8, &mut words).expect("BPF_PROG_ATTACH");
    }

    /// Puts it where `ip link set xdp pinned` finds it; needs a bpf file system.
    pub fn pin(&self, path: &str) {
        let path = std::ffi::CString::new(path).expect("a path");
        let mut words = [0_u32; 32];
        put(&mut words, 0, path.as_ptr().expose_provenance() as u64);
        words[2] = self.loaded.as_raw_fd().cast_unsigned();
        bpf(6, &mut words).expect("BPF_OBJ_PIN");
    }
}

/// Ids of the programs on an interface of this namespace, as the kernel lists them.
#[track_caller]
pub fn programs_on(interface: &str, hook: Hook) -> Vec<u32> {
    let mut ids = [0_u32; 64];
    let mut words = [0_u32; 32];
    words[0] = if_nametoindex(interface).expect("an interface");
    words[1] = hook.attach_type();
    put(&mut words, 4, ids.as_mut_ptr().expose_provenance() as u64);
    words[6] = 64;
    bpf(16, &mut words).expect("BPF_PROG_QUERY");
    ids[..words[6] as usize].to_vec()
}

fn put(words: &mut [u32; 32], at: usize, value: u64) {
    words[at] = u32::try_from(value & 0xffff_ffff).unwrap_or_default();
    words[at + 1] = u32::try_from(value >> 32).unwrap_or_default();
}

/// In the namespace of a pod, on a thread of its own.
#[track_caller]
fn inside<T: Send>(pod: &Pod, body: impl FnOnce() -> T + Send) -> T {
    let netns = File::open(pod.path()).expect("a namespace");
    let enter = || {
        setns(netns.as_fd(), CloneFlags::CLONE_NEWNET).expect("entering a namespace");
        body()
    };
    thread::scope(|scope| scope.spawn(enter).join()).expect("a body that returns")
}

fn bpf(command: libc::c_long, words: &mut [u32; 32]) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes at most the 128 bytes of `words`, and what callers point to from there lives until
    // the call returns.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, words.as_mut_ptr(), size_of_val(words)) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::try_from(done).expect("a descriptor"))
}
