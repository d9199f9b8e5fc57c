//! Reading many devices with several threads: a node may have a thousand VFs, and what takes time is asking the kernel about
//! each, file by file.

use std::num::NonZero;
use std::thread::{self, available_parallelism};

const MOST_THREADS: usize = 4;
/// Fewer than that are not worth a thread.
const LEAST_SHARE: usize = 128;

/// Divides `items` among threads, neighbours together, and returns what `work` made of each share, in order. A panic of a
/// share is the caller's.
pub fn in_parallel<I: Sync, T: Send>(items: &[I], work: impl Fn(&[I]) -> T + Sync) -> Vec<T> {
    let threads = available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let mut shares = items.chunks(items.len().div_ceil(threads).max(LEAST_SHARE));
    thread::scope(|scope| {
        let (own, work) = (shares.next(), &work);
        let others: Vec<_> = shares.map(|share| scope.spawn(move || work(share))).collect();
        let mut done: Vec<T> = own.map(work).into_iter().collect();
        for other in others {
            match other.join() {
                Ok(result) => done.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_in_order() {
        for count in [0, 1, LEAST_SHARE, LEAST_SHARE + 1, 10 * LEAST_SHARE + 7] {
            let items: Vec<usize> = (0..count).collect();
            let done: Vec<usize> = in_parallel(&items, <[usize]>::to_vec).concat();
            assert_eq!(done, items);
        }
    }
}
