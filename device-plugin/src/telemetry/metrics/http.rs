//! `/metrics`, `/healthz` and `/readyz`.
//!
//! Contract: the kubelet's HTTP probes, which take 200 to 399 for a yes and show the first bytes of the body of a no in the
//! pod's events; Prometheus' scraping, which goes by the content type.
//!
//! One question per connection, and little time for it: whoever can reach the port could otherwise use up the descriptors that
//! the kubelet's calls need, by saying nothing. The address may be taken when we start, by the daemon before us or by somebody
//! else: it is waited for, since pods need devices and not metrics.

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
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::Metrics;
use super::watchdog::Watchdog;
use crate::events::backoff::Backoff;
use crate::events::connections::{self, Limits};

const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Below the second that a probe waits by default.
const ALIVE_BOUND: Duration = Duration::from_millis(800);
/// Prometheus gives up after 10 s by default, probes earlier.
const LIMITS: Limits = Limits {
    most: 32,
    longest: Duration::from_secs(10),
};
/// Of what is received and not understood yet.
const LARGEST_HEAD: usize = 16 << 10;

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

/// Serves until it is dropped, as soon as the address is to be had.
pub async fn serve(address: SocketAddr, metrics: Metrics, watchdog: Watchdog) {
    let listener = bind(address, &metrics).await;
    match listener.local_addr() {
        Ok(address) => info!("metrics and probes on http://{address}"),
        Err(error) => warn!("metrics and probes: {error}"),
    }
    let router = Router::new()
        .route("/metrics", get(metrics_text))
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .with_state(Shown { metrics, watchdog });
    let answer = |stream| answer(stream, router.clone());
    connections::serve("metrics and probes", &listener, LIMITS, answer).await;
}

/// Takes the address, however long somebody else has it.
async fn bind(address: SocketAddr, metrics: &Metrics) -> TcpListener {
    let mut backoff = Backoff::default();
    loop {
        let error = match TcpListener::bind(address).await {
            Ok(listener) => {
                metrics.address(None);
                return listener;
            }
            Err(error) => error,
        };
        let pause = backoff.pause();
        warn!("--metrics-bind {address}: {error}; not ready: no metrics and no probes; trying again in {pause:?}");
        metrics.address(Some(format!("--metrics-bind {address}: {error}")));
        sleep(pause).await;
    }
}

async fn answer(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        debug!("a question of metrics or probes: {error}");
    }
}

async fn metrics_text(State(shown): State<Shown>) -> impl IntoResponse {
    match shown.metrics.text() {
        Ok(text) => Ok(([(CONTENT_TYPE, FORMAT)], text)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

async fn health(State(shown): State<Shown>) -> (StatusCode, String) {
    let mut dead = shown.metrics.dead();
    if !shown.watchdog.is_alive(ALIVE_BOUND).await {
        dead.push("the main loop does not answer".to_owned());
    }
    told(&dead)
}

async fn ready(State(shown): State<Shown>) -> (StatusCode, String) {
    let (status, text) = told(&shown.metrics.missing());
    let notes = shown.metrics.notes().into_iter().map(|note| note + "\n");
    (status, text + &notes.collect::<String>())
}

fn told(wrong: &[String]) -> (StatusCode, String) {
    if wrong.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, wrong.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::watchdog::watchdog;
    use super::*;

    #[test]
    fn what_ended_for_good_is_not_alive_though_the_loop_answers() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let (watchdog, mut pulse) = watchdog();
            let metrics = Metrics::default();
            let shown = Shown {
                metrics: metrics.clone(),
                watchdog,
            };
            let ask = async {
                let alive = health(State(shown.clone())).await;
                metrics.not_alive("uevents are no longer heard: EBADF".to_owned());
                (alive, health(State(shown)).await)
            };
            let beats = async {
                loop {
                    pulse.beat().await;
                }
            };
            let (alive, dead) = tokio::select! {
                answers = ask => answers,
                () = beats => unreachable!("for ever"),
            };
            assert_eq!(alive, (StatusCode::OK, "ok\n".to_owned()));
            let text = "uevents are no longer heard: EBADF\n".to_owned();
            assert_eq!(dead, (StatusCode::SERVICE_UNAVAILABLE, text));
        });
    }
}
