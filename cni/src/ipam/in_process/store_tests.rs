//! The store as host-local leaves it and finds it.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

const OWNER: &str = "c1\r\nnet1";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn files_are_host_locals_own() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("below/blue");
    let store = Store::lock(base.path(), &[OsStr::new("below")], "blue").unwrap();
    assert!(store.reserve(OWNER, address("10.0.0.2"), 0).unwrap());
    assert!(!store.reserve("c2\r\nnet1", address("10.0.0.2"), 0).unwrap());
    assert!(store.reserve(OWNER, address("fd00::5"), 1).unwrap());
    let mut names: Vec<OsString> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "10.0.0.2",
            "fd00::5",
            "last_reserved_ip.0",
            "last_reserved_ip.1",
            "lock"
        ]
    );
    assert_eq!(fs::read(path.join("10.0.0.2")).unwrap(), OWNER.as_bytes());
    assert_eq!(fs::read(path.join("last_reserved_ip.1")).unwrap(), b"fd00::5");
    assert_eq!((store.last(0), store.last(7)), (Some(address("10.0.0.2")), None));
    let mut found = store.of(OWNER, "c1").unwrap();
    found.sort();
    assert_eq!(found, [address("10.0.0.2"), address("fd00::5")]);
    store.release(OWNER, "c1").unwrap();
    assert!(!store.has(OWNER, "c1").unwrap());
    // A second release, as of a second DEL.
    store.release(OWNER, "c1").unwrap();
}

#[test]
fn what_an_old_host_local_wrote_is_the_containers() {
    let base = tempfile::tempdir().unwrap();
    let store = Store::lock(base.path(), &[], "blue").unwrap();
    fs::write(base.path().join("blue/10.0.0.9"), "c1\n").unwrap();
    fs::write(base.path().join("blue/10.0.0.8"), "").unwrap();
    assert!(store.has(OWNER, "c1").unwrap());
    assert_eq!(store.of(OWNER, "c1").unwrap(), [address("10.0.0.9")]);
    store.release(OWNER, "c1").unwrap();
    assert!(!base.path().join("blue/10.0.0.9").exists() && base.path().join("blue/10.0.0.8").exists());
}

/// Killed between making and naming it, whatever is in it.
#[test]
fn what_was_not_finished_goes_with_the_next_release() {
    let base = tempfile::tempdir().unwrap();
    let store = Store::lock(base.path(), &[], "blue").unwrap();
    for content in [OWNER, ""] {
        store.write(UNFINISHED, content.as_bytes()).unwrap();
        store.release(OWNER, "c1").unwrap();
        assert!(!base.path().join("blue").join(UNFINISHED).exists());
    }
    store.write(UNFINISHED, b"of another").unwrap();
    assert!(store.reserve(OWNER, address("10.0.0.2"), 0).unwrap());
    assert_eq!(fs::read(base.path().join("blue/10.0.0.2")).unwrap(), OWNER.as_bytes());
}

#[test]
fn rule_9_no_link_in_the_store_is_followed() {
    let (base, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(outside.path(), base.path().join("red")).unwrap();
    let error = Store::lock(base.path(), &[], "red").unwrap_err();
    assert!(error.to_string().starts_with("mkdir "), "{error}");
    let store = Store::lock(base.path(), &[], "blue").unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, OWNER).unwrap();
    symlink(&secret, base.path().join("blue/10.0.0.3")).unwrap();
    symlink(&secret, base.path().join("blue/last_reserved_ip.0")).unwrap();
    assert!(!store.reserve(OWNER, address("10.0.0.3"), 0).unwrap());
    let error = store.reserve(OWNER, address("10.0.0.4"), 0).unwrap_err();
    assert!(error.to_string().contains("last_reserved_ip.0: "), "{error}");
    assert!(!base.path().join("blue/10.0.0.4").exists());
    assert_eq!(fs::read(&secret).unwrap(), OWNER.as_bytes());
}
