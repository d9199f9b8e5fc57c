//! What hack/vm refuses before anything is booted: it would seem to work, and fail in ways that tell nothing.

use super::*;

/// The exit status and what was said, of `hack/vm` with these arguments and that target directory.
fn vm(arguments: &[&str], target: &str) -> (Option<i32>, String) {
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/vm"))
        .args(arguments)
        .args(["--", "true"])
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// The emulated cards' VFs have no link then.
#[test]
fn more_memory_than_the_emulated_cards_bear_is_refused() {
    let (status, told) = vm(&["--memory", "2701"], env!("CARGO_TARGET_TMPDIR"));
    assert_eq!(status, Some(125), "{told}");
    assert!(told.contains("--memory 2701") && told.contains("2700"), "{told}");
}

#[test]
fn a_target_directory_that_the_guest_cannot_have_is_refused() {
    let (status, told) = vm(&[], "/dev/hardwire-target");
    assert_eq!(status, Some(125), "{told}");
    assert!(told.contains("CARGO_TARGET_DIR is /dev/hardwire-target"), "{told}");
    assert!(!Path::new("/dev/hardwire-target").exists());
}

#[test]
fn numbers_that_are_none_are_refused() {
    for (option, value) in [("--timeout", "0"), ("--cpus", "two"), ("--nics", "-1")] {
        let (status, told) = vm(&[option, value], env!("CARGO_TARGET_TMPDIR"));
        assert_eq!(status, Some(125), "{told}");
        assert!(told.contains(option) && told.contains(value), "{told}");
    }
}
