//! Asking the daemon over HTTP, as a probe or a scraper does.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Status and body.
pub type Answer = (u16, String);

/// One question. An answer that is none is [`io::ErrorKind::InvalidData`].
pub fn get(address: &str, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let parsed = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    });
    parsed.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Asks until the answer is right.
///
/// # Panics
/// Without one in time.
#[track_caller]
pub fn wait_for(address: &str, path: &str, is_right: impl Fn(&Answer) -> bool, bound: Duration) -> Answer {
    let deadline = Instant::now() + bound;
    loop {
        let answer = get(address, path);
        match answer {
            Ok(answer) if is_right(&answer) => return answer,
            answer => assert!(Instant::now() < deadline, "http://{address}{path}: {answer:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the metrics have all of these lines.
#[track_caller]
pub fn wait_for_metrics(address: &str, lines: &[&str], bound: Duration) {
    let has_all = |(_, body): &Answer| lines.iter().all(|line| body.lines().any(|l| l == *line));
    wait_for(address, "/metrics", has_all, bound);
}
