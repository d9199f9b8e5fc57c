//! What a call's lines of the log say of its device.

use std::io;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_names_the_device_of_its_call_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let call = tracing::info_span!("cni", command = "DEL", device = tracing::field::Empty);
        let _entered = call.enter();
        let device: DeviceId = "0000:3b:02.1".parse().unwrap();
        let mut phases = Phases::begin();
        // An ADD that waited for the device looks it up again.
        phases.device(&device);
        phases.device(&device);
        tracing::info!("DEL took 2.00 ms");
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("device=0000:3b:02.1").count(), 1, "{log}");
}
