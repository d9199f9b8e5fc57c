//! Addresses of attachments of before the boot: nobody sends their DEL, and they touch no device.
//!
//! At the daemon's start, and again while an IPAM plugin fails: after a boot, what it needs (an API server, another daemon)
//! may come later than we do. Nothing tells when, so it is asked again at growing intervals, as long as something is owed.

use std::time::Duration;

use hardwire_cni::Context;
use hardwire_cni::boot_id;
use hardwire_cni::ipam::ReleasedBy;
use hardwire_cni::leases::Lease;
use hardwire_cni::release::release_stale_leases;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);

/// Releases what is owed, until nothing is or it is told to stop. `vouched` are IPAM plugins that the operator says release by
/// the container id.
pub async fn run(context: Context, vouched: Vec<String>, stop: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    while !all_released(&context, &vouched).await {
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One attempt; `false` if something is still owed that may be had later.
async fn all_released(context: &Context, vouched: &[String]) -> bool {
    let (context, vouched) = (context.clone(), vouched.to_owned());
    let released = spawn_blocking(move || {
        let boot = match boot_id() {
            Ok(boot) => boot,
            Err(error) => {
                warn!("addresses of before the boot are not released: which boot this is, is not known: {error}");
                return true;
            }
        };
        let is_of_before = |lease: &Lease| lease.boot != boot;
        let errors = release_stale_leases(&context, &vouched, is_of_before, ReleasedBy::Repair);
        for error in &errors {
            warn!("an address of before the boot is not released yet: {error}");
        }
        if let Err(error) = context.leases.tidy(is_of_before) {
            warn!("{error}");
        }
        errors.is_empty()
    });
    released.await.unwrap_or_else(|error| {
        warn!("releasing addresses of before the boot: {error}");
        true
    })
}
