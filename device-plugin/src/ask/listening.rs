//! A socket for root's programs, in the state directory.

use std::path::Path;

use tokio::net::UnixListener;
use tokio::time::sleep;
use tracing::warn;

use crate::events::backoff::Backoff;
use crate::events::socket::{SocketFile, bind};

/// Takes the socket's place, however often it takes.
pub(super) async fn listen(path: &Path) -> (UnixListener, SocketFile) {
    let mut backoff = Backoff::default();
    loop {
        let bound = bind(path).and_then(|(listener, file)| {
            file.for_root_only()?;
            Ok((listener, file))
        });
        match bound {
            Ok(bound) => return bound,
            Err(error) => warn!("no requests are taken yet: {error}"),
        }
        sleep(backoff.pause()).await;
    }
}
