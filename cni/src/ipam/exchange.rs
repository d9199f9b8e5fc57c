//! Talking to a plugin that runs: stdin to it, stdout and stderr from it, all at once and with a bound.
//!
//! A plugin may print before it has read, and its stderr is as long as it likes: each pipe is served when it is ready
//! (`poll(2)`). What a plugin prints is partly a tenant's text.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ExitStatus};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// The longest result that is read, bytes: far beyond any, and little to hold.
const LONGEST_RESULT: usize = 1 << 20;

/// As much of a plugin's stderr as is kept, bytes.
const LONGEST_STDERR: usize = 16 << 10;

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

/// Gives a plugin its stdin and waits for its end. One whose stdout is beyond the bound is killed.
pub(super) fn exchange(mut child: Child, config: &[u8]) -> io::Result<Said> {
    let talked = talk(&mut child, config);
    if talked.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    let (stdout, stderr) = talked?;
    Ok(Said { status, stdout, stderr })
}

fn talk(child: &mut Child, config: &[u8]) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut stdin, mut stdout, mut stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut left, mut result, mut chatter) = (config, Vec::new(), Vec::new());
    unblock(stdin.as_ref())?;
    unblock(stdout.as_ref())?;
    unblock(stderr.as_ref())?;
    if left.is_empty() {
        stdin = None;
    }
    while stdin.is_some() || stdout.is_some() || stderr.is_some() {
        wait(stdin.as_ref(), stdout.as_ref(), stderr.as_ref())?;
        if let Some(pipe) = &mut stdin {
            match pipe.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if is_not_ready(&error) => {}
                // A plugin that does not read its stdin to the end has its reasons; how it exits tells.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => left = &[],
                Err(error) => return Err(error),
            }
            if left.is_empty() {
                stdin = None;
            }
        }
        if drain(stdout.as_mut(), &mut result)? {
            stdout = None;
        }
        if result.len() > LONGEST_RESULT {
            let bound = format!("it printed more than {LONGEST_RESULT} bytes on stdout");
            return Err(io::Error::other(bound));
        }
        if drain(stderr.as_mut(), &mut chatter)? {
            stderr = None;
        }
        chatter.truncate(LONGEST_STDERR);
    }
    Ok((result, chatter))
}

fn unblock(pipe: Option<&impl AsFd>) -> io::Result<()> {
    if let Some(pipe) = pipe {
        rustix::fs::fcntl_setfl(pipe, OFlags::NONBLOCK)?;
    }
    Ok(())
}

/// Waits until one of the pipes can be served.
fn wait(stdin: Option<&impl AsFd>, stdout: Option<&impl AsFd>, stderr: Option<&impl AsFd>) -> io::Result<()> {
    let mut pipes = Vec::with_capacity(3);
    pipes.extend(stdin.map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
    pipes.extend(stdout.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    pipes.extend(stderr.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    match rustix::event::poll(&mut pipes, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads what is there. Tells whether it was the end.
fn drain(pipe: Option<&mut impl Read>, into: &mut Vec<u8>) -> io::Result<bool> {
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

    use super::*;

    fn run(script: &str, config: &[u8]) -> io::Result<Said> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        exchange(command.spawn().unwrap(), config)
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
}
