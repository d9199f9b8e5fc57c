//! What is asked of claims, and what is said of the devices that they have.
//!
//! A claim is asked for when the kubelet has it prepared, and nobody else waits for the API. What its devices are like in their
//! pod (`status.devices`: interface, addresses, MAC) is said afterwards, for people and other programs to read: without an API
//! server, pods start and end all the same.
//!
//! Contract: `ResourceClaim` of resource.k8s.io/v1; server-side apply with our field manager, of the devices that are the driver's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::claims::{ClaimRecord, ClaimedDevice};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::line::Line;
use super::messages::{ApiError, Place};
use super::said::{Said, What};
use crate::dra::AboutClaim;
use crate::events::backoff::Backoff;
use crate::ledger::claims::Prepared;
use crate::ledger::told::{Attached, Told};

/// What happens together is told together.
const SETTLE: Duration = Duration::from_millis(300);
/// Pauses before what was not taken is told again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// Addresses that a device of a claim may have.
const ADDRESSES: usize = 16;

/// Answers questions about claims, one after the other.
pub(super) async fn answer(line: &Line, questions: &Mutex<mpsc::Receiver<AboutClaim>>) {
    let mut questions = questions.lock().await;
    while let Some(about) = questions.recv().await {
        if about.reply.is_closed() {
            continue;
        }
        let place = Place {
            namespace: about.namespace,
            name: about.name,
        };
        let found = line.claim(place, about.driver).await;
        // Who asked may have gone.
        let _ = about.reply.send(found.map_err(|error| error.to_string()));
    }
    std::future::pending::<()>().await;
}

/// What is said of claims.
pub(super) struct Status {
    line: Line,
    prepared: watch::Receiver<Arc<Prepared>>,
    told: watch::Receiver<Told>,
    /// By the uid of a claim, what was said of it.
    written: BTreeMap<String, String>,
    said: Said,
}

// === impl Status ===

impl Status {
    /// Over this line.
    pub(super) fn new(line: Line, prepared: watch::Receiver<Arc<Prepared>>, told: watch::Receiver<Told>) -> Self {
        Self {
            line,
            prepared,
            told,
            written: BTreeMap::new(),
            said: Said::default(),
        }
    }

    /// Goes on until it is dropped.
    pub(super) async fn run(mut self) {
        let (mut backoff, mut due) = (Backoff::between(PAUSES.0, PAUSES.1), None);
        self.prepared.mark_changed();
        loop {
            tokio::select! {
                Ok(()) = self.prepared.changed() => due = due.or_else(|| Some(Instant::now() + SETTLE)),
                Ok(()) = self.told.changed() => due = due.or_else(|| Some(Instant::now() + SETTLE)),
                () = until(due) => {
                    due = if self.write_all().await {
                        backoff.reset();
                        None
                    } else {
                        Some(Instant::now() + backoff.pause())
                    };
                }
            }
        }
    }

    /// Says what was not said yet; whether all of it is.
    async fn write_all(&mut self) -> bool {
        let prepared = Arc::clone(&self.prepared.borrow_and_update());
        let attached = Arc::clone(&self.told.borrow_and_update().attached);
        let is_prepared = |uid: &String| prepared.records.iter().any(|record| record.claim.uid == *uid);
        self.written.retain(|uid, _| is_prepared(uid));
        for record in &prepared.records {
            let is_attached = |device: &ClaimedDevice| attached.contains_key(&device.device);
            let was_said = self.written.get(&record.claim.uid);
            // Of a claim whose pod has nothing yet there is nothing to say, unless something was said.
            if was_said.is_none() && !record.devices.iter().any(is_attached) {
                continue;
            }
            let Ok(body) = status(record, &attached) else { continue };
            if was_said.is_some_and(|said| said == body.get()) {
                continue;
            }
            let (place, text) = (place(record), body.get().to_owned());
            let outcome = self.line.claim_status(place, body).await;
            let is_taken = match &outcome {
                // It went, or is another one by now.
                Err(ApiError::Absent(_) | ApiError::Refused { code: 409 | 422, .. }) => true,
                outcome => {
                    self.said.say(What::Claims, outcome.as_ref().copied());
                    outcome.is_ok()
                }
            };
            if !is_taken {
                return false;
            }
            self.written.insert(record.claim.uid.clone(), text);
        }
        true
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn place(record: &ClaimRecord) -> Place {
    Place {
        namespace: record.claim.namespace.clone(),
        name: record.claim.name.clone(),
    }
}

/// What is said of a claim. Its uid keeps it from being said of another one of the same name.
fn status(
    record: &ClaimRecord,
    attached: &BTreeMap<hardwire_pci::DeviceId, Attached>,
) -> Result<Box<RawValue>, serde_json::Error> {
    let device = |device: &ClaimedDevice| {
        let mut said = json!({"driver": record.driver, "pool": device.pool, "device": device.name});
        let Some(attached) = attached.get(&device.device) else {
            return said;
        };
        let mut network = json!({"interfaceName": attached.interface.to_string()});
        let addresses: Vec<&String> = attached.in_pod.addresses.iter().take(ADDRESSES).collect();
        if !addresses.is_empty() {
            network["ips"] = json!(addresses);
        }
        if let Some(mac) = attached.in_pod.mac {
            network["hardwareAddress"] = json!(mac.to_string());
        }
        said["networkData"] = network;
        said
    };
    let devices: Vec<Value> = record.devices.iter().map(device).collect();
    to_raw_value(&json!({
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": record.claim.name, "namespace": record.claim.namespace, "uid": record.claim.uid},
        "status": {"devices": devices},
    }))
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
