//! Talking to a plugin that runs: stdin to it, stdout and stderr from it, all at once, bounded in size and in time.
//!
//! A plugin may print before it has read, and its stderr is as long as it likes: each pipe is served when it is ready
//! (`poll(2)`). Its own end is the end: what it has left behind in the background may keep the pipes open for ever. What a
//! plugin prints is partly a tenant's text.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::running::Running;

/// The longest result that is read, bytes: far beyond any, and little to hold.
const LONGEST_RESULT: usize = 1 << 20;

/// As much of a plugin's stderr as is kept, bytes.
const LONGEST_STDERR: usize = 16 << 10;

/// More than a pipe holds by itself (`pipe(7)`): whoever goes on writing after a plugin's end is not heard to their end.
const LONGEST_LEFT: usize = 1 << 20;

/// Why a plugin was not heard to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nobody would hold all of it.
    #[error("it printed more than {LONGEST_RESULT} bytes on stdout")]
    TooLong,
    /// It hangs.
    #[error("it has not ended within {} s: it and what it has started are killed", .0.as_secs_f32())]
    TooLate(Duration),
}

/// What a plugin said, and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    /// Its end.
    pub(super) status: ExitStatus,
    /// All of its stdout.
    pub(super) stdout: Vec<u8>,
    /// The beginning of its stderr.
    pub(super) stderr: Vec<u8>,
}

struct Pipes<'a> {
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// What is still to be written.
    config: &'a [u8],
    result: Vec<u8>,
    chatter: Vec<u8>,
}

/// Gives a plugin its stdin and waits for its end. One that prints or takes more than the bounds is killed, with all that it
/// has started.
pub(super) fn exchange(mut plugin: Running, config: &[u8], bound: Duration) -> Result<Said, ExchangeError> {
    let deadline = Instant::now() + bound;
    let mut pipes = Pipes::of(&mut plugin, config)?;
    loop {
        // Asked before the pipes are read: what an ended plugin printed is in them by then.
        let has_ended = plugin.has_ended();
        pipes.serve()?;
        if has_ended {
            pipes.drain()?;
            break;
        }
        if pipes.are_closed() && plugin.end().is_none() {
            break;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ExchangeError::TooLate(bound));
        }
        pipes.wait(plugin.end(), left)?;
    }
    let Pipes { result, chatter, .. } = pipes;
    Ok(Said {
        status: plugin.wait()?,
        stdout: result,
        stderr: chatter,
    })
}

// === impl Pipes ===

impl<'a> Pipes<'a> {
    fn of(plugin: &mut Running, config: &'a [u8]) -> io::Result<Self> {
        let (stdin, stdout, stderr) = plugin.pipes();
        unblock(stdin.as_ref())?;
        unblock(stdout.as_ref())?;
        unblock(stderr.as_ref())?;
        Ok(Self {
            stdin,
            stdout,
            stderr,
            config,
            result: Vec::new(),
            chatter: Vec::new(),
        })
    }

    fn are_closed(&self) -> bool {
        self.stdin.is_none() && self.stdout.is_none() && self.stderr.is_none()
    }

    /// Writes and reads what can be without waiting.
    fn serve(&mut self) -> Result<(), ExchangeError> {
        if let Some(pipe) = &mut self.stdin {
            match pipe.write(self.config) {
                Ok(count) => self.config = &self.config[count..],
                Err(error) if is_not_ready(&error) => {}
                // A plugin that does not read its stdin to the end has its reasons; how it exits tells.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.config = &[],
                Err(error) => return Err(error.into()),
            }
            if self.config.is_empty() {
                self.stdin = None;
            }
        }
        self.read()?;
        Ok(())
    }

    /// Reads a piece of what is there, and tells how much it was.
    fn read(&mut self) -> Result<usize, ExchangeError> {
        let before = self.result.len();
        if read_some(self.stdout.as_mut(), &mut self.result)? {
            self.stdout = None;
        }
        if self.result.len() > LONGEST_RESULT {
            return Err(ExchangeError::TooLong);
        }
        let (result, before) = (self.result.len() - before, self.chatter.len());
        if read_some(self.stderr.as_mut(), &mut self.chatter)? {
            self.stderr = None;
        }
        let chatter = self.chatter.len() - before;
        self.chatter.truncate(LONGEST_STDERR);
        Ok(result + chatter)
    }

    /// Reads what an ended plugin has left in its pipes.
    fn drain(&mut self) -> Result<(), ExchangeError> {
        let mut drained = 0;
        while drained < LONGEST_LEFT {
            match self.read()? {
                0 => break,
                count => drained += count,
            }
        }
        Ok(())
    }

    /// Waits until one of them can be served, the plugin ends, or the time is over.
    fn wait(&self, end: Option<&impl AsFd>, left: Duration) -> io::Result<()> {
        let mut ready = Vec::with_capacity(4);
        ready.extend(end.map(|end| PollFd::new(end, PollFlags::IN)));
        ready.extend(self.stdin.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        ready.extend(self.stdout.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        ready.extend(self.stderr.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match rustix::event::poll(&mut ready, Some(&left)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn unblock(pipe: Option<&impl AsFd>) -> io::Result<()> {
    if let Some(pipe) = pipe {
        rustix::fs::fcntl_setfl(pipe, OFlags::NONBLOCK)?;
    }
    Ok(())
}

/// Reads a piece of what is there. Tells whether it was the end.
fn read_some(pipe: Option<&mut impl Read>, into: &mut Vec<u8>) -> io::Result<bool> {
    const CHUNK: usize = 16 << 10;
    let Some(pipe) = pipe else { return Ok(false) };
    let mut chunk = [0; CHUNK];
    match pipe.read(&mut chunk) {
        Ok(count) => {
            into.extend_from_slice(&chunk[..count]);
            Ok(count == 0)
        }
        Err(error) if is_not_ready(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_not_ready(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, test_kill_process};

    use super::*;

    /// No script of these tests takes as long.
    const LONG: Duration = Duration::from_secs(60);

    fn run_within(bound: Duration, script: &str, config: &[u8]) -> Result<Said, ExchangeError> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        exchange(Running::spawn(&mut command).unwrap(), config, bound)
    }

    fn run(script: &str, config: &[u8]) -> Result<Said, ExchangeError> {
        run_within(LONG, script, config)
    }

    /// Waits for the end of a process that is not our child.
    fn wait_for_end(pid: &str) {
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        let deadline = Instant::now() + LONG;
        // A killed orphan is a zombie until init looks.
        let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
        let is_zombie = || std::fs::read_to_string(&stat).is_ok_and(|text| text.contains(") Z "));
        while test_kill_process(pid).is_ok() && !is_zombie() {
            assert!(Instant::now() < deadline, "{pid:?} still runs");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_plugin_may_print_before_it_reads_and_need_not_read() {
        let config = vec![b'x'; 300 << 10];
        let said = run("head -c 200000 /dev/zero; cat >/dev/null; echo done >&2", &config).unwrap();
        assert_eq!((said.stdout.len(), said.stderr.as_slice()), (200_000, &b"done\n"[..]));
        assert!(run("exit 0", &config).unwrap().status.success());
        assert_eq!(run("cat", &config).unwrap().stdout, config);
    }

    #[test]
    fn rule_9_an_endless_result_ends_the_plugin_and_an_endless_stderr_is_cut() {
        let error = run("cat >/dev/null; exec yes", b"x").unwrap_err();
        assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");
        let said = run("head -c 5000000 /dev/zero >&2; exit 3", b"x").unwrap();
        assert_eq!((said.stderr.len(), said.status.code()), (LONGEST_STDERR, Some(3)));
    }

    #[test]
    fn rule_9_a_plugin_that_hangs_is_killed_with_what_it_has_started() {
        let directory = tempfile::tempdir().unwrap();
        for hangs in [
            "wait",
            "exec >&- 2>&-; wait",
            "yes x | head -c 300000; wait",
            "trap '' TERM INT HUP; wait",
        ] {
            let pids = directory.path().join("pids");
            let script = format!("sleep 1000 & echo $! $$ > {}; {hangs}", pids.display());
            let error = run_within(Duration::from_millis(300), &script, b"x").unwrap_err();
            assert!(matches!(error, ExchangeError::TooLate(_)), "{hangs}: {error:?}");
            for pid in std::fs::read_to_string(&pids).unwrap().split_whitespace() {
                wait_for_end(pid);
            }
        }
    }

    #[test]
    fn rule_9_what_a_plugin_leaves_in_the_background_keeps_nobody() {
        let said = run("echo said; echo noted >&2; sleep 1000 & echo $!; exit 4", b"x").unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        let (first, pid) = text.split_once('\n').unwrap();
        assert_eq!(
            (first, said.stderr.as_slice(), said.status.code()),
            ("said", &b"noted\n"[..], Some(4))
        );
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        // It is the plugin's, and lives on.
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    #[test]
    fn all_that_an_ended_plugin_printed_is_read() {
        // As much as its pipe holds, so that it can end before anything is read.
        let said = run("head -c 65536 /dev/zero; sleep 1000 & kill -9 $!; exit 0", b"").unwrap();
        assert_eq!(said.stdout.len(), 65536);
    }
}
