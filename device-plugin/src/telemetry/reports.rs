//! What the CNI plugin tells of its calls: one datagram for each, on a socket in the state directory.
//!
//! The plugin waits for nobody: what does not fit into the socket's queue is lost, and nothing but a metric misses it. That
//! the socket is there and can be connected to also tells the plugin that a daemon lives and hears of events, so that idle
//! records count; it is bound before the first of them is written.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use hardwire_cni::protocol::{ContainerId, NetworkName};
use hardwire_cni::report::{Report, SOCKET};
use hardwire_pci::IfName;
use tokio::net::UnixDatagram;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::events::backoff::Backoff;
use crate::events::socket::{BindError, SocketFile, bind_datagram};
use crate::telemetry::metrics::Metrics;

/// A report is a few hundred bytes: names are bounded, and there are seven phases.
const LARGEST: usize = 8 << 10;

/// The socket, bound.
#[derive(Debug)]
pub struct Reports {
    socket: UnixDatagram,
    /// Removed with this.
    file: SocketFile,
}

// === impl Reports ===

impl Reports {
    /// Takes the socket's place in `state`, the state directory. Within a runtime.
    pub fn bind(state: &Path) -> Result<Self, BindError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(state);
        made.map_err(|source| BindError::Io {
            path: state.to_owned(),
            source,
        })?;
        let (socket, file) = bind_datagram(&state.join(SOCKET))?;
        file.for_root_only()?;
        Ok(Self { socket, file })
    }

    /// Counts what comes, until the socket fails.
    pub async fn run(self, metrics: &Metrics) -> io::Error {
        let path = self.file.path().display();
        // One more, to tell a datagram that is too large.
        let mut buffer = vec![0; LARGEST + 1];
        loop {
            let length = match self.socket.recv(&mut buffer).await {
                Ok(length) => length,
                Err(error) => return error,
            };
            match read(&buffer[..length]) {
                Ok(report) => {
                    debug!(
                        device = report.device.as_ref().map(tracing::field::display),
                        network = report.network,
                        container = report.container,
                        ifname = report.ifname,
                        code = report.code,
                        "{report}"
                    );
                    if let (Some(device), Some(name)) = (&report.device, &report.renamed) {
                        warn!(%device, "its name on the host was taken: {name} is its name from now on");
                    }
                    metrics.reported(&report);
                }
                Err(reason) => {
                    debug!("{path}: a datagram of {length} bytes was ignored: {reason}");
                    metrics.report_refused();
                }
            }
        }
    }
}

/// Counts until it is dropped, with another socket where one fails.
pub async fn run(state: &Path, metrics: &Metrics) {
    let mut backoff = Backoff::default();
    loop {
        match Reports::bind(state) {
            Ok(reports) => {
                let error = reports.run(metrics).await;
                warn!("the plugin's reports: {error}; listening anew");
            }
            Err(error) => warn!("the plugin's calls are not counted yet: {error}"),
        }
        sleep(backoff.pause()).await;
    }
}

pub(crate) fn read(datagram: &[u8]) -> Result<Report, String> {
    if datagram.len() > LARGEST {
        return Err(format!("more than {LARGEST} bytes"));
    }
    let report: Report = serde_json::from_slice(datagram).map_err(|error| error.to_string())?;
    if report.version != Report::VERSION {
        return Err(format!(
            "version {}: this program knows {}",
            report.version,
            Report::VERSION
        ));
    }
    // The plugin checks them; what is no name is no report of the plugin's.
    let named = report.network.parse::<NetworkName>().is_ok() && report.container.parse::<ContainerId>().is_ok();
    if !named || report.ifname.parse::<IfName>().is_err() {
        return Err("network, container or ifname is no name".to_owned());
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test)
    }

    fn report(verb: &str) -> Report {
        Report {
            version: Report::VERSION,
            verb: verb.to_owned(),
            device: Some("0000:01:10.0".parse().unwrap()),
            network: "n".to_owned(),
            container: "c".to_owned(),
            ifname: "net1".to_owned(),
            renamed: None,
            code: 0,
            total_us: 1_000,
            phases_us: [].into(),
        }
    }

    #[test]
    fn reports_are_counted_and_nonsense_is_too() {
        block_on(async {
            let state = tempfile::tempdir().unwrap();
            let metrics = Metrics::default();
            let reports = Reports::bind(state.path()).unwrap();
            let counter = metrics.clone();
            let running = tokio::spawn(async move { reports.run(&counter).await });
            report("ADD").send(state.path());
            let sender = UnixDatagram::unbound().unwrap();
            let socket = state.path().join(SOCKET);
            let other_version = Report {
                version: 9,
                ..report("ADD")
            };
            let large = Report {
                network: "n".repeat(2 * LARGEST),
                ..report("ADD")
            };
            let forged = Report {
                container: "c\nlevel=error msg=forged".to_owned(),
                ..report("ADD")
            };
            for bad in [
                b"junk".to_vec(),
                Vec::new(),
                serde_json::to_vec(&other_version).unwrap(),
                serde_json::to_vec(&large).unwrap(),
                serde_json::to_vec(&forged).unwrap(),
            ] {
                sender.send_to(&bad, &socket).await.unwrap();
            }
            report("DEL").send(state.path());
            let counted = [
                "hardwired_attachments_total{verb=\"add\",code=\"0\"} 1\n",
                "hardwired_attachments_total{verb=\"del\",code=\"0\"} 1\n",
                "hardwired_reports_refused_total 5\n",
            ];
            let all = async {
                while !counted.iter().all(|line| metrics.text().unwrap().contains(line)) {
                    tokio::task::yield_now().await;
                }
            };
            let all = tokio::time::timeout(std::time::Duration::from_secs(5), all).await;
            assert!(all.is_ok(), "{}", metrics.text().unwrap());
            running.abort();
            assert!(running.await.unwrap_err().is_cancelled());
            assert!(!socket.exists());
        });
    }

    #[test]
    fn only_root_may_report_and_only_one_daemon_listens() {
        block_on(async {
            let state = tempfile::tempdir().unwrap();
            let state = state.path().join("made");
            let reports = Reports::bind(&state).unwrap();
            let socket = state.join(SOCKET);
            assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
            let second = Reports::bind(&state).unwrap_err();
            assert!(matches!(second, BindError::InUse(_)), "{second}");
            assert!(socket.exists());
            drop(reports);
            assert!(!socket.exists());
        });
    }

    #[test]
    fn a_killed_daemons_socket_is_replaced_and_other_files_stay() {
        block_on(async {
            let state = tempfile::tempdir().unwrap();
            let socket = state.path().join(SOCKET);
            drop(std::os::unix::net::UnixDatagram::bind(&socket).unwrap());
            assert!(socket.exists());
            drop(Reports::bind(state.path()).unwrap());
            fs::write(&socket, "precious").unwrap();
            let refused = Reports::bind(state.path()).unwrap_err();
            assert!(matches!(refused, BindError::NoSocket(_)), "{refused}");
            assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
        });
    }
}
