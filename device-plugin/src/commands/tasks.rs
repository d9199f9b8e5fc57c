//! The daemon's tasks by name: what happens when one of them ends by itself.
//!
//! A task that panicked says nothing: whoever waits for it finds out, and so each end is looked at as it comes. The loop is what
//! the daemon is for, and its end is the daemon's; the kubelet or systemd begins with a new one, and pods do not notice. What is
//! done beside it (repair, reports, requests, metrics) is begun anew after a pause.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, warn};

use crate::events::backoff::Backoff;
use crate::telemetry::metrics::Metrics;

/// Pauses before a task is begun anew.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// One that ran for so long has a new reason to end.
const STABLE: Duration = Duration::from_secs(600);

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task without which there is no daemon has ended.
#[derive(Debug, thiserror::Error)]
#[error("the task {name} ended by itself: {reason}")]
pub struct Ended {
    /// Which task.
    pub name: &'static str,
    /// What it is known to have ended of.
    pub reason: String,
}

/// All tasks.
pub struct Tasks {
    set: JoinSet<()>,
    named: HashMap<Id, Task>,
    metrics: Metrics,
}

/// How long a task runs that is begun anew if it ends before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until it is dropped.
    Dropped,
    /// Until it is told to stop.
    Stopped,
    /// Until it is done, or told to stop.
    Done,
}

struct Task {
    name: &'static str,
    since: Instant,
    handle: AbortHandle,
    then: Then,
}

/// What its end means.
enum Then {
    /// The end of the daemon.
    End,
    /// It is begun anew.
    Anew {
        make: Box<dyn FnMut() -> Running + Send>,
        until: Until,
        backoff: Backoff,
    },
}

// === impl Tasks ===

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.named.values().map(|task| task.name);
        f.debug_tuple("Tasks").field(&names.collect::<Vec<_>>()).finish()
    }
}

impl Tasks {
    /// None yet.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            set: JoinSet::new(),
            named: HashMap::new(),
            metrics,
        }
    }

    /// One whose end is the daemon's.
    pub fn needed(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name, Then::End, task);
    }

    /// One that is begun anew if it ends early.
    pub fn kept<F>(&mut self, name: &'static str, until: Until, mut make: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.metrics.task(name);
        let first = make();
        let then = Then::Anew {
            make: Box::new(move || Box::pin(make())),
            until,
            backoff: Backoff::between(PAUSES.0, PAUSES.1),
        };
        self.spawn(name, then, first);
    }

    fn spawn(&mut self, name: &'static str, then: Then, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.set.spawn(task);
        let task = Task {
            name,
            since: Instant::now(),
            handle: handle.clone(),
            then,
        };
        self.named.insert(handle.id(), task);
    }

    /// Waits for the end of a task that is needed, and sees to the others meanwhile. Nothing is lost if it is dropped before.
    pub async fn ended(&mut self) -> Ended {
        loop {
            let (id, panic) = match self.set.join_next_with_id().await {
                Some(Ok((id, ()))) => (id, None),
                Some(Err(failed)) => (failed.id(), Some(failed.to_string())),
                None => return pending().await,
            };
            let Some(Task { name, since, then, .. }) = self.named.remove(&id) else {
                continue;
            };
            match then {
                Then::Anew { until: Until::Done, .. } if panic.is_none() => {}
                Then::Anew {
                    mut make,
                    until,
                    mut backoff,
                } => {
                    if since.elapsed() > STABLE {
                        backoff.reset();
                    }
                    let pause = backoff.pause();
                    let reason = panic.as_deref().unwrap_or("it returned");
                    error!("the task {name} ended by itself: {reason}; beginning it anew in {pause:?}");
                    self.metrics.task_restarted(name);
                    let again = make();
                    let then = Then::Anew { make, until, backoff };
                    self.spawn(name, then, async move {
                        sleep(pause).await;
                        again.await;
                    });
                }
                Then::End => {
                    let reason = panic.unwrap_or_else(|| "it returned".to_owned());
                    return Ended { name, reason };
                }
            }
        }
    }

    /// Waits for those that have been told to stop, and ends the others and those that do not within `bound`.
    pub async fn end(mut self, bound: Duration) {
        for task in self.named.values() {
            if matches!(
                task.then,
                Then::Anew {
                    until: Until::Dropped,
                    ..
                }
            ) {
                task.handle.abort();
            }
        }
        let all = async {
            while let Some(ended) = self.set.join_next_with_id().await {
                let id = ended.map_or_else(|failed| failed.id(), |(id, ())| id);
                self.named.remove(&id);
            }
        };
        if timeout(bound, all).await.is_err() {
            let names: Vec<&str> = self.named.values().map(|task| task.name).collect();
            warn!("not ended in time: {}", names.join(", "));
            self.set.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn paused<T>(test: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build();
        runtime.unwrap().block_on(test)
    }

    #[test]
    fn a_panic_is_noticed_after_another_task_has_ended_well() {
        paused(async {
            let mut tasks = Tasks::new(Metrics::default());
            tasks.kept("first", Until::Done, || async {});
            tasks.needed("loop", async {
                sleep(Duration::from_secs(5)).await;
                panic!("on what it read");
            });
            let begin = Instant::now();
            let ended = tasks.ended().await;
            assert_eq!(begin.elapsed(), Duration::from_secs(5));
            let text = ended.to_string();
            assert!(text.starts_with("the task loop ended by itself: "), "{text}");
            assert!(text.contains("on what it read"), "{text}");
        });
    }

    #[test]
    fn one_that_returns_without_being_told_to_has_failed_too() {
        paused(async {
            let mut tasks = Tasks::new(Metrics::default());
            tasks.needed("loop", async {});
            assert_eq!(tasks.ended().await.reason, "it returned");
        });
    }

    #[test]
    fn what_is_beside_the_loop_is_begun_anew_ever_later_and_counted() {
        paused(async {
            let metrics = Metrics::default();
            let mut tasks = Tasks::new(metrics.clone());
            let begun = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&begun);
            tasks.kept("repair", Until::Stopped, move || {
                let count = Arc::clone(&count);
                async move {
                    let before = count.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(before % 2, 1, "every other time it panics");
                }
            });
            tasks.kept("once", Until::Done, || async {});
            let zero = "hardwired_task_restarts_total{task=\"repair\"} 0";
            assert!(
                metrics.text().unwrap().contains(zero),
                "it is seen before the first time"
            );
            let never = timeout(
                Duration::from_secs(1 + 2 + 4 + 8) + Duration::from_millis(1),
                tasks.ended(),
            );
            assert!(never.await.is_err());
            assert_eq!(begun.load(Ordering::Relaxed), 5);
            let text = metrics.text().unwrap();
            for line in [
                "hardwired_task_restarts_total{task=\"repair\"} 5\n",
                "hardwired_task_restarts_total{task=\"once\"} 0\n",
            ] {
                assert!(text.contains(line), "{text}");
            }
        });
    }

    #[test]
    fn the_end_has_a_bound_and_waits_for_what_is_told_to_stop_only() {
        paused(async {
            let mut tasks = Tasks::new(Metrics::default());
            tasks.kept("requests", Until::Dropped, pending::<()>);
            tasks.needed("loop", sleep(Duration::from_secs(1)));
            let begin = Instant::now();
            tasks.end(Duration::from_secs(4)).await;
            assert_eq!(begin.elapsed(), Duration::from_secs(1));
            let mut tasks = Tasks::new(Metrics::default());
            tasks.needed("loop", pending());
            let begin = Instant::now();
            tasks.end(Duration::from_secs(4)).await;
            assert_eq!(begin.elapsed(), Duration::from_secs(4));
        });
    }
}
