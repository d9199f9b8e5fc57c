//! Which `:authority` a caller may send. The kubelet's device manager sends `localhost`, as the stand-in does in every
//! other test; its plugin watcher would send an escaped path, which Rust's HTTP stack refuses before any service sees the
//! call. That is why hardwired registers the classic way; the day this test fails, it may do otherwise.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::*;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PROTOCOL_ERROR: u32 = 1;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header field, literal and unindexed (RFC 7541, 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// Calls `GetDevicePluginOptions` and returns the kind and the payload of the first frame that answers it.
fn call_with_authority(socket: &mut UnixStream, authority: &str) -> (u8, Vec<u8>) {
    let fields = [
        field(":method", "POST"),
        field(":scheme", "http"),
        field(":path", "/v1beta1.DevicePlugin/GetDevicePluginOptions"),
        field(":authority", authority),
        field("content-type", "application/grpc"),
        field("te", "trailers"),
    ];
    let call = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, 1, &fields.concat()),
        // An empty message.
        frame(0, END_STREAM, 1, &[0; 5]),
    ];
    socket.write_all(&call.concat()).unwrap();
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).unwrap();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        socket.read_exact(&mut payload).unwrap();
        if head[5..] == 1_u32.to_be_bytes() {
            return (head[3], payload);
        }
    }
}

#[test]
fn d29_localhost_is_served_and_an_escaped_path_is_refused() {
    let running = Running::registered(1);
    let connect = || {
        let socket = UnixStream::connect(running.site.plugin_dir().join(ENDPOINT)).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket
    };
    let (kind, _) = call_with_authority(&mut connect(), "localhost");
    assert_eq!(kind, HEADERS);
    let (kind, payload) = call_with_authority(&mut connect(), "%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fx.sock");
    assert_eq!(
        (kind, payload.as_slice()),
        (RST_STREAM, &PROTOCOL_ERROR.to_be_bytes()[..])
    );
}
