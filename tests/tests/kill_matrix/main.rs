//! Killed at any instant, nothing is lost: every system call of an ADD and of a DEL that may change something, on veth.
//!
//! Runs anywhere as root: in namespaces of its own. The points that touch a PF are in `kill_matrix_igb.rs`.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod chained;
mod dirty;
mod lent;
mod nic;
mod state_directory;
mod waiting;

use hardwire_tests::matrix::{Matrix, Verb};
use hardwire_tests::node::isolated;
use hardwire_tests::trace::Kind;
use nix::libc::{EBUSY, EIO, ENOSPC, EOPNOTSUPP, EROFS};

use chained::Chained;
use dirty::Dirty;
use lent::Lent;
use nic::Nic;

fn matrix(title: &str, runs: impl FnOnce(&mut Matrix<Nic, fn() -> Nic>) + Send) {
    isolated(|| {
        let mut matrix = Matrix::new(title, Nic::new as fn() -> Nic);
        runs(&mut matrix);
        matrix.finish();
    });
}

#[test]
fn an_add_that_is_killed_leaves_no_trace() {
    matrix("ADD killed", |matrix| matrix.kill(Verb::Add, |_| true));
}

#[test]
fn a_del_that_is_killed_is_finished_by_the_next() {
    matrix("DEL killed", |matrix| matrix.kill(Verb::Del, |_| true));
}

/// The store's calls are ours then.
#[test]
fn addresses_without_a_program_are_released_after_any_kill() {
    isolated(|| {
        let mut matrix = Matrix::new(
            "addresses in process: ADD and DEL killed",
            Nic::in_process as fn() -> Nic,
        );
        for verb in [Verb::Add, Verb::Del] {
            matrix.kill(verb, |point| point.kind == Kind::Other);
        }
        matrix.finish();
    });
}

#[test]
fn a_netlink_request_that_is_refused_leaves_no_trace() {
    matrix("netlink refused", |matrix| {
        for verb in [Verb::Add, Verb::Del] {
            matrix.refuse(verb, &[(EBUSY, "EBUSY"), (EOPNOTSUPP, "EOPNOTSUPP")], |_| true);
        }
    });
}

#[test]
fn a_state_directory_that_fails_leaves_no_trace() {
    matrix("state directory failing", |matrix| {
        for verb in [Verb::Add, Verb::Del] {
            matrix.fail(verb, &[(ENOSPC, "ENOSPC"), (EROFS, "EROFS"), (EIO, "EIO")]);
        }
    });
}

#[test]
fn rule_5_what_the_node_has_on_a_nic_that_it_lends_is_there_after_any_kill() {
    isolated(|| {
        let mut matrix = Matrix::new("a lent NIC: ADD and DEL killed", Lent::new as fn() -> Lent);
        // The rest is killed with the other NIC.
        for verb in [Verb::Add, Verb::Del] {
            matrix.kill(verb, |point| matches!(point.kind, Kind::Change | Kind::State));
        }
        matrix.finish();
    });
}

#[test]
fn all_of_a_pods_devices_are_back_after_any_kill() {
    isolated(|| {
        let mut matrix = Matrix::new(
            "two NICs in one call: ADD and DEL killed",
            Chained::new as fn() -> Chained,
        );
        // The rest is killed with one NIC.
        for verb in [Verb::Add, Verb::Del] {
            matrix.kill(verb, |point| matches!(point.kind, Kind::Change));
        }
        matrix.finish();
    });
}

#[test]
fn what_a_pod_left_is_taken_away_after_any_kill() {
    isolated(|| {
        let mut matrix = Matrix::new("a pod that left things: DEL killed", Dirty::new as fn() -> Dirty);
        matrix.kill(Verb::Del, |_| true);
        matrix.finish();
    });
}
