//! `logFile`: where it may be, and that nothing which was there is touched.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use hardwire_tests::node::{isolated, run, succeeds};
use hardwire_tests::plugin::{Call, Outcome, Scene};
use nix::mount::{MsFlags, mount};
use serde_json::json;

const MARK: &str = "trusted.hardwire.log";
const LARGEST: u64 = 16 << 20;

/// A scene with a `/var/log` of its own, and no directory of the operator's.
fn on_a_node(name: &str, test: impl FnOnce(&Scene) + Send) {
    isolated(|| {
        let nothing = None::<&str>;
        mount(Some("tmpfs"), "/var/log", Some("tmpfs"), MsFlags::empty(), nothing).expect("a /var/log");
        test(&Scene::new(name));
    });
}

/// A call that fails, and has something to say: one log line at least.
fn call(scene: &Scene, file: &str) -> Call {
    scene
        .call("ADD", &json!({"device": "hwnosuch", "logFile": file}))
        .unset("HARDWIRE_LOG_DIR")
}

#[track_caller]
fn logged(outcome: &Outcome, file: &str) {
    outcome.failure(7);
    assert_eq!(outcome.stderr, "", "{file}");
    let text = fs::read_to_string(file).expect("the log");
    assert!(text.contains("hwnosuch"), "{text}");
}

#[track_caller]
fn refused(outcome: &Outcome, file: &str) {
    outcome.failure(7);
    let (warning, log) = outcome.stderr.split_once('\n').expect("two lines");
    assert!(warning.contains("failed to set log file"), "{file}: {warning}");
    assert!(log.contains("hwnosuch"), "{file}: {log}");
}

/// Everything below a directory: name, inode, mode, size, time of change.
fn tree(directory: &Path) -> Vec<(PathBuf, u64, u32, u64, i64)> {
    let mut seen = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let found = entry.metadata().expect("metadata");
        if found.is_dir() {
            seen.extend(tree(&entry.path()));
        }
        seen.push((entry.path(), found.ino(), found.mode(), found.len(), found.ctime_nsec()));
    }
    seen.sort();
    seen
}

#[test]
fn rule_9_a_log_file_is_ours_and_in_a_log_directory() {
    on_a_node("logours", |scene| {
        for file in [
            "/var/log/a.log",
            "/var/log/hardwire/b.log",
            "/var/log/hardwire/c/d/e.log",
        ] {
            logged(&call(scene, file).run(), file);
            let first = fs::metadata(file).expect("the log");
            assert_eq!(first.permissions().mode() & 0o777, 0o600, "{file}");
            logged(&call(scene, file).run(), file);
            let second = fs::metadata(file).expect("the log");
            assert!(second.ino() == first.ino() && second.len() > first.len(), "{file}");
        }
        for made in ["/var/log/hardwire", "/var/log/hardwire/c", "/var/log/hardwire/c/d"] {
            assert_eq!(
                fs::metadata(made).expect(made).permissions().mode() & 0o777,
                0o750,
                "{made}"
            );
        }
    });
}

#[test]
fn rule_9_a_log_file_is_made_only_in_the_log_directories() {
    on_a_node("logonly", |scene| {
        fs::create_dir_all("/run/etc/cron.d").expect("a folder");
        fs::create_dir_all("/var/log/pods").expect("a folder");
        symlink("/run/etc", "/var/log/hardwire").expect("a link");
        let before = (tree(Path::new("/run/etc")), tree(Path::new("/var/log")));
        for file in [
            "/run/etc/cron.d/x",
            "/run/etc/cron.d/x.log",
            "/run/etc/new/x.log",
            "/var/log/x",
            "/var/log/x.log.1",
            "/var/log/pods/x.log",
            "/var/log/new/x.log",
            "/var/log/../../run/etc/x.log",
            "/var/log/hardwire/../../../run/etc/x.log",
            "/var/log/hardwire/cron.d/x.log",
            "/var/log/hardwire/x.log",
            "/var/log/.log",
            "/var/log/x\n.log",
            "/proc/self/cwd/x.log",
            "x.log",
            "../x.log",
        ] {
            refused(&call(scene, file).run(), file);
        }
        assert_eq!((tree(Path::new("/run/etc")), tree(Path::new("/var/log"))), before);
    });
}

#[test]
fn rule_9_a_file_that_we_did_not_make_is_no_log_file_of_ours() {
    on_a_node("logtheirs", |scene| {
        fs::write("/var/log/auth.log", "precious").expect("a log");
        fs::set_permissions("/var/log/auth.log", fs::Permissions::from_mode(0o600)).expect("a mode");
        fs::write("/var/log/empty.log", "").expect("a log");
        symlink("/var/log/auth.log", "/var/log/link.log").expect("a link");
        symlink("/var/log/absent", "/var/log/dangling.log").expect("a link");
        fs::hard_link("/var/log/auth.log", "/var/log/hard.log").expect("a link");
        fs::create_dir("/var/log/folder.log").expect("a folder");
        run(&["mkfifo", "/var/log/fifo.log"]);
        run(&["mknod", "/var/log/null.log", "c", "1", "3"]);
        let ours = "/var/log/ours.log";
        logged(&call(scene, ours).run(), ours);
        fs::hard_link(ours, "/var/log/again.log").expect("a link");
        let before = tree(Path::new("/var/log"));
        for name in [
            "auth", "empty", "link", "dangling", "hard", "folder", "fifo", "null", "ours", "again",
        ] {
            let file = format!("/var/log/{name}.log");
            refused(&call(scene, &file).run(), &file);
        }
        assert_eq!(tree(Path::new("/var/log")), before);
        assert_eq!(fs::read_to_string("/var/log/auth.log").expect("the log"), "precious");
        // With the mark and another owner it is not ours either.
        fs::remove_file("/var/log/again.log").expect("a link");
        run(&["chown", "1:1", ours]);
        refused(&call(scene, ours).run(), ours);
    });
}

#[test]
fn rule_9_below_the_operators_directory_and_through_no_link_there() {
    let scene = Scene::new("logop");
    let at = |name: &str| scene.plugin.directory().join(name).to_str().expect("UTF-8").to_owned();
    let call = |file: &str| scene.call("ADD", &json!({"device": "hwnosuch", "logFile": file}));
    logged(&call(&at("logs/a/x.log")).run(), &at("logs/a/x.log"));
    fs::create_dir(at("elsewhere")).expect("a folder");
    symlink(at("elsewhere"), at("logs/link")).expect("a link");
    for file in [at("logs/link/x.log"), at("../x.log"), at("logs/../x.log")] {
        refused(&call(&file).run(), &file);
    }
    assert_eq!(fs::read_dir(at("elsewhere")).expect("a folder").count(), 0);
}

#[test]
fn rule_9_the_operators_file_names_a_directory_for_logs() {
    let scene = Scene::new("logfile");
    let logs = scene.plugin.directory().join("logs");
    fs::create_dir(&logs).expect("a folder");
    let file = logs.join("a/x.log");
    let file = file.to_str().expect("UTF-8");
    refused(&call(&scene, file).run(), file);
    scene.plugin.operator_says(&json!({ "logDirectory": logs }));
    logged(&call(&scene, file).run(), file);
    let other = scene.plugin.directory().join("x.log");
    let other = other.to_str().expect("UTF-8");
    refused(&call(&scene, other).run(), other);
    // What others may have written allows nothing.
    let config = scene.plugin.operator_file();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).expect("a mode");
    refused(&call(&scene, file).run(), file);
}

#[test]
fn lines_of_calls_at_once_stand_whole_in_the_file_that_one_of_them_makes() {
    const CALLS: usize = 24;
    on_a_node("logonce", |scene| {
        let file = "/var/log/hardwire/x.log";
        let children: Vec<_> = (0..CALLS).map(|_| call(scene, file).start()).collect();
        for child in children {
            let outcome = Outcome::of(child);
            outcome.failure(7);
            assert_eq!(outcome.stderr, "");
        }
        let text = fs::read_to_string(file).expect("the log");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(" ERROR ")).collect();
        assert_eq!(lines.len(), CALLS, "{text}");
        for line in lines {
            assert_eq!(line.matches(" ERROR ").count(), 1, "{line}");
        }
        let folder: Vec<_> = fs::read_dir("/var/log/hardwire").expect("a folder").collect();
        assert_eq!(folder.len(), 1, "{folder:?}");
    });
}

#[test]
fn a_large_log_file_is_rotated_few_are_kept_and_none_that_is_not_ours_is_replaced() {
    on_a_node("logrot", |scene| {
        let file = "/var/log/x.log";
        let grow = || {
            let log = fs::OpenOptions::new().write(true).open(file).expect("the log");
            log.set_len(LARGEST).expect("a length");
        };
        let large = || -> Vec<u32> {
            let is_large = |n: &u32| fs::metadata(format!("{file}.{n}")).is_ok_and(|old| old.len() == LARGEST);
            (1..8).filter(is_large).collect()
        };
        logged(&call(scene, file).run(), file);
        for kept in [&[1][..], &[1, 2], &[1, 2, 3], &[1, 2, 3], &[1, 2, 3]] {
            grow();
            // Of several calls at once one rotates.
            let children: Vec<_> = (0..4).map(|_| call(scene, file).start()).collect();
            for child in children {
                logged(&Outcome::of(child), file);
            }
            assert_eq!(large(), kept);
            assert!(fs::metadata(file).expect("the log").len() < LARGEST);
        }
        fs::remove_file("/var/log/x.log.2").expect("an old log");
        fs::write("/var/log/x.log.2", "precious").expect("another's file");
        grow();
        refused(&call(scene, file).run(), file);
        assert_eq!(fs::read_to_string("/var/log/x.log.2").expect("it"), "precious");
        assert_eq!(fs::metadata(file).expect("the log").len(), LARGEST);
    });
}

#[test]
fn the_mark_is_one_that_only_root_can_set() {
    on_a_node("logmark", |scene| {
        let file = "/var/log/x.log";
        logged(&call(scene, file).run(), file);
        let mut value = [0u8; 8];
        assert_eq!(rustix::fs::getxattr(file, MARK, &mut value), Ok(1));
        fs::write("/var/log/forged.log", "").expect("a file");
        // user.* is for everybody who owns a file.
        let set = rustix::fs::setxattr(
            "/var/log/forged.log",
            "user.hardwire.log",
            b"1",
            rustix::fs::XattrFlags::empty(),
        );
        assert!(matches!(set, Ok(()) | Err(rustix::io::Errno::NOTSUP)), "{set:?}");
        refused(&call(scene, "/var/log/forged.log").run(), "/var/log/forged.log");
        assert!(!succeeds(&["test", "-s", "/var/log/forged.log"]));
    });
}
