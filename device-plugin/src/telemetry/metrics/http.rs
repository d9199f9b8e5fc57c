//! `/metrics`, `/healthz` and `/readyz`.
//!
//! Contract: the kubelet's HTTP probes, which take 200 to 399 for a yes and show the first bytes of the body of a no in the
//! pod's events; Prometheus' scraping, which goes by the content type.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Metrics;
use super::watchdog::Watchdog;

const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Below the second that a probe waits by default.
const ALIVE_BOUND: Duration = Duration::from_millis(800);

/// The value of `--metrics-bind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsBind {
    /// Nothing is served.
    None,
    /// Served there.
    At(SocketAddr),
}

/// A value that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address and a port, as in 127.0.0.1:9808 or [::]:9808, or none")]
pub struct BadMetricsBind;

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("--metrics-bind {address}: {source}")]
pub struct MetricsBindError {
    /// Which address.
    pub address: SocketAddr,
    /// What the system says.
    pub source: std::io::Error,
}

/// The endpoints, bound and not yet served.
#[derive(Debug)]
pub struct Endpoints(TcpListener);

#[derive(Clone)]
struct Shown {
    metrics: Metrics,
    watchdog: Watchdog,
}

// === impl MetricsBind ===

impl FromStr for MetricsBind {
    type Err = BadMetricsBind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            address => address.parse().map(Self::At).map_err(|_not_one| BadMetricsBind),
        }
    }
}

impl fmt::Display for MetricsBind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::At(address) => address.fmt(f),
        }
    }
}

// === impl Endpoints ===

impl Endpoints {
    /// Takes the address.
    pub async fn bind(address: SocketAddr) -> Result<Self, MetricsBindError> {
        let listener = TcpListener::bind(address).await;
        listener
            .map(Self)
            .map_err(|source| MetricsBindError { address, source })
    }

    /// Serves until `stop`.
    pub async fn run(self, metrics: Metrics, watchdog: Watchdog, stop: CancellationToken) {
        match self.0.local_addr() {
            Ok(address) => info!("metrics and probes on http://{address}"),
            Err(error) => warn!("metrics and probes: {error}"),
        }
        let router = Router::new()
            .route("/metrics", get(metrics_text))
            .route("/healthz", get(health))
            .route("/readyz", get(ready))
            .with_state(Shown { metrics, watchdog });
        // Not gracefully: a connection that a scraper keeps open would hold up the daemon's end.
        tokio::select! {
            () = stop.cancelled() => {}
            served = axum::serve(self.0, router).into_future() => {
                warn!("metrics and probes ended: {served:?}");
                stop.cancelled().await;
            }
        }
    }
}

async fn metrics_text(State(shown): State<Shown>) -> impl IntoResponse {
    match shown.metrics.text() {
        Ok(text) => Ok(([(CONTENT_TYPE, FORMAT)], text)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

async fn health(State(shown): State<Shown>) -> (StatusCode, &'static str) {
    if shown.watchdog.is_alive(ALIVE_BOUND).await {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the main loop does not answer\n")
    }
}

async fn ready(State(shown): State<Shown>) -> (StatusCode, String) {
    let missing = shown.metrics.missing();
    let (status, mut lines) = if missing.is_empty() {
        (StatusCode::OK, vec!["ok".to_owned()])
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing)
    };
    lines.extend(shown.metrics.notes());
    (status, lines.join("\n") + "\n")
}
