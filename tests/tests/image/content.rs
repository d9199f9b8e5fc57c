//! What is in the image: the programs and what they load, nothing else, and nothing that depends on who made it.

use std::collections::BTreeSet;

use super::*;

/// All files that are no folders.
fn files(root: &Path) -> BTreeSet<String> {
    let told = run(&["find", root.to_str().unwrap(), "!", "-type", "d", "-printf", "%P\n"]);
    told.lines().map(str::to_owned).collect()
}

fn is_library(file: &str) -> bool {
    file.starts_with("lib/") && file.contains(".so.") && file != LOADER
}

#[test]
fn nothing_is_in_it_but_programs_libraries_and_licences() {
    let root = LAYOUT.root();
    let others: Vec<String> = files(root.path())
        .into_iter()
        .filter(|file| !is_library(file))
        .collect();
    let (licences, programs): (Vec<_>, Vec<_>) = others.iter().partition(|file| file.starts_with("usr/share/doc/"));
    let expected = [
        LOADER,
        "usr/bin/hardwire",
        "usr/bin/hardwired",
        "usr/bin/hardwired-cluster",
    ];
    assert_eq!(programs, expected);
    assert!(licences.contains(&&"usr/share/doc/hardwire/LICENSE".to_owned()));
    assert!(licences.contains(&&"usr/share/doc/libc6/copyright".to_owned()));
    let told = LAYOUT.config()["config"]["Labels"]["hardwire.packages"]
        .as_str()
        .unwrap()
        .to_owned();
    for package in told.split(", ").map(|entry| entry.split(' ').next().unwrap()) {
        assert!(
            licences.contains(&&format!("usr/share/doc/{package}/copyright")),
            "{package}: {licences:?}"
        );
    }
}

#[test]
fn each_library_is_needed_and_each_that_is_needed_is_there() {
    let root = LAYOUT.root();
    let loader = format!("/{LOADER}");
    let list = |program| run(&["chroot", root.path().to_str().unwrap(), &loader, "--list", program]);
    let told = list("/usr/bin/hardwired") + &list("/usr/bin/hardwired-cluster");
    assert!(!told.contains("not found"), "{told}");
    let loaded: BTreeSet<String> = told
        .lines()
        .filter_map(|line| Some(line.split_once("=> /")?.1.split(' ').next()?.to_owned()))
        .filter(|file| is_library(file))
        .collect();
    let there: BTreeSet<String> = files(root.path()).into_iter().filter(|file| is_library(file)).collect();
    assert_eq!(loaded, there, "{told}");
}

#[test]
fn programs_start_with_nothing_but_the_image() {
    let root = LAYOUT.root();
    let root = root.path().to_str().unwrap();
    assert!(run(&["chroot", root, "/usr/bin/hardwired", "--help"]).contains("install-cni"));
    assert!(run(&["chroot", root, "/usr/bin/hardwired-cluster", "--help"]).contains("KUBECONFIG"));
    let version = run(&["env", "CNI_COMMAND=VERSION", "chroot", root, "/usr/bin/hardwire"]);
    assert!(version.contains("supportedVersions"), "{version}");
}

#[test]
fn everything_is_roots_readable_by_all_and_of_one_time() {
    let mut times = BTreeSet::new();
    for layer in LAYOUT.layers() {
        let told = run(&[
            "tar",
            "--list",
            "--verbose",
            "--numeric-owner",
            "--full-time",
            "--utc",
            "--file",
            layer.to_str().unwrap(),
        ]);
        for line in told.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_program = line.contains("/bin/hardwire") || line.contains(" lib64/ld-") || line.contains(" lib/ld-");
            let expected = match (line.starts_with('d'), is_program) {
                (true, _) => "drwxr-xr-x",
                (false, true) => "-rwxr-xr-x",
                (false, false) => "-rw-r--r--",
            };
            assert_eq!((words[0], words[1]), (expected, "0/0"), "{line}");
            times.insert(format!("{}T{}Z", words[3], words[4]));
        }
    }
    assert_eq!(
        times,
        BTreeSet::from([LAYOUT.config()["created"].as_str().unwrap().to_owned()])
    );
}
