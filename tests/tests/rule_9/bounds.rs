//! How much of a tenant's input is read, and what the largest costs.

use std::path::Path;

use hardwire_tests::bench::peak::vm_hwm_kib;
use hardwire_tests::bench::process::Process;
use hardwire_tests::plugin::{Call, Scene};
use serde_json::{Value, json};

const LARGEST: usize = 256 << 10;

/// A configuration of exactly `bytes` bytes: `conf` with `bulk`, a text of more members, and white space.
fn filled(conf: &Value, bulk: &str, bytes: usize) -> String {
    let text = conf.to_string();
    let text = format!("{{{bulk}{}", &text[1..]);
    assert!(text.len() <= bytes, "{} bytes", text.len());
    format!("{text}{}", " ".repeat(bytes - text.len()))
}

/// As many of `member` as fit, each with a number that tells it from the others.
fn members(bytes: usize, member: impl Fn(usize) -> String) -> String {
    let mut bulk = String::new();
    for number in 0.. {
        let next = member(number);
        if bulk.len() + next.len() + 1 > bytes {
            break;
        }
        bulk.push_str(&next);
        bulk.push(',');
    }
    bulk
}

/// Everything in which a small text could become much work or much memory.
fn bulks(room: usize) -> Vec<(&'static str, String)> {
    let list = |key: &str, item: &str| {
        let count = (room - key.len() - 6) / (item.len() + 1);
        format!("\"{key}\":[{}{item}],", format!("{item},").repeat(count - 1))
    };
    vec![
        ("one long key", format!("\"{}\":1,", "k".repeat(room - 5))),
        (
            "one long key that is almost ours",
            format!("\"max_tx_rat{}\":1,", "e".repeat(room - 15)),
        ),
        ("one long value", format!("\"x\":\"{}\",", "v".repeat(room - 7))),
        ("many keys", members(room, |n| format!("\"key{n}\":{n}"))),
        (
            "many keys as long as ours",
            members(room, |n| format!("\"qax_qx_q{n:05}\":1")),
        ),
        (
            "many spellings",
            members(room / 40, |n| {
                let bit = |at: usize, c: char| if n >> at & 1 == 0 { c } else { c.to_ascii_uppercase() };
                let name: String = "runtimeconfig".chars().enumerate().map(|(at, c)| bit(at, c)).collect();
                format!("\"{name}\":null")
            }),
        ),
        ("lists", list("x", "[0]")),
        ("objects", list("x", "{\"\":0}")),
        ("escapes", format!("\"x\":\"{}\",", "\\u001b".repeat((room - 8) / 6))),
        (
            "deep",
            format!("\"x\":{}{},", "[".repeat(60), "]".repeat(60)).repeat(room / 125),
        ),
        (
            "foreign things in ipam",
            format!(
                "\"ipam\":{{{}\"type\":\"\"}},",
                &list("addresses", "{\"\":0}").replacen(&"{\"\":0},".repeat(8), "", 1)
            ),
        ),
        (
            "a prevResult",
            format!(
                "\"prevResult\":{{\"cniVersion\":\"1.0.0\",\"ips\":[{}{{\"address\":\"10.0.0.1/8\"}}]}},",
                "{\"address\":\"10.0.0.1/8\"},".repeat(1530)
            ),
        ),
    ]
}

/// Runs a call to its successful end: its own time in user and kernel mode in microseconds.
fn own_time(process: &Process) -> i64 {
    let before = of_children();
    process.time();
    of_children() - before
}

/// What all children that have ended took, theirs included.
fn of_children() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: it is ours, as large as getrusage expects it, and zero is a value of it.
    #[allow(unsafe_code, reason = "no safe wrapper here tells the cost of children")]
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let us = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    us(usage.ru_utime) + us(usage.ru_stime)
}

fn prepared(call: &Call, files: &Path) -> Process {
    let process = call.process();
    let variables = process.get_envs().filter_map(|(name, value)| {
        let (name, value) = (name.to_str()?, value?.to_str()?);
        Some((name, value.to_owned()))
    });
    let program = Path::new(process.get_program());
    Process::new(program, &[], &variables.collect::<Vec<_>>(), call.input(), files)
}

#[test]
fn rule_9_the_largest_configuration_costs_little_more_than_a_small_one() {
    let scene = Scene::new("largest");
    let conf = scene.conf(&json!({}));
    let del = scene.call("DEL", &json!({}));
    let files = scene.plugin.directory().join("call");
    let least = |call: &Call| {
        let process = prepared(call, &files);
        let runs = (0..3).map(|_| {
            let us = own_time(&process);
            del.run().silence();
            us
        });
        let least = runs.min().expect("a run");
        let size = vm_hwm_kib(&process);
        del.run().silence();
        (least, size)
    };
    let (small, small_size) = least(&scene.call("ADD", &json!({})));
    for (what, bulk) in bulks(LARGEST - conf.to_string().len()) {
        let call = scene.call("ADD", &json!({})).stdin(filled(&conf, &bulk, LARGEST));
        let (us, size) = least(&call);
        println!("{what}: {us} us, {size} KiB; a small one {small} us");
        // Without bounds it is thousands of times. What is not optimised takes ten times as long for the text, and not for the
        // kernel's part.
        assert!(us < 100 * small, "{what}: {us} us, and {small} us for a small one");
        assert!(
            size < most(small_size),
            "{what}: {size} KiB, and {small_size} KiB for a small one"
        );
    }
}

/// What a call may have in memory, KiB: 8 MiB as it is shipped; a program that is not optimised is itself about as large, and
/// what counts is what it needs beside that.
fn most(small: u64) -> u64 {
    let shipped = std::env::var_os("HARDWIRE_DIST").is_some();
    if shipped { 8 << 10 } else { small + (4 << 10) }
}

#[test]
fn rule_9_the_largest_configuration_fits_with_its_record_too() {
    let mut scene = Scene::new("largeipam");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let conf = scene.conf(&json!({ "ipam": ipam.conf() }));
    let files = scene.plugin.directory().join("call");
    let small = prepared(&scene.call("ADD", &json!({ "ipam": ipam.conf() })), &files);
    let small = vm_hwm_kib(&small);
    scene.call("DEL", &json!({ "ipam": ipam.conf() })).run().silence();
    for bulk in [String::new(), members(200_000, |n| format!("\"key{n}\":\"\\u001b\""))] {
        let text = filled(&conf, &bulk, LARGEST);
        let size = vm_hwm_kib(&prepared(&scene.call("ADD", &json!({})).stdin(text.clone()), &files));
        println!("{size} KiB");
        assert!(size < most(small), "{size} KiB, and {small} KiB for a small one");
        assert_eq!(ipam.stdin("ADD").map(|stdin| stdin.len()), Some(LARGEST), "as it came");
        scene.call("DEL", &json!({})).stdin(text).run().silence();
    }
}

#[test]
fn rule_9_what_is_larger_is_refused_and_del_releases_by_the_record() {
    let mut scene = Scene::new("beyond");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let extra = json!({ "ipam": ipam.conf() });
    let conf = scene.conf(&extra);
    let large = filled(&conf, "", LARGEST + 1);
    let values = filled(&conf, &format!("\"dns\":[{}0],", "0,".repeat(10_000)), LARGEST);
    let deep = filled(
        &conf,
        &format!("\"x\":{}{},", "[".repeat(1000), "]".repeat(1000)),
        LARGEST,
    );
    let huge = filled(&conf, "", 40 << 20);
    let beyond = [
        (large, "262145 bytes"),
        (values, "3072 values"),
        (deep, "64 levels"),
        (huge, "more than the 262144"),
    ];
    for (stdin, part) in beyond {
        scene.unchanged_by(|| {
            for command in ["ADD", "CHECK", "STATUS"] {
                let call = scene.call(command, &extra).stdin(stdin.clone());
                call.run().failure_naming(7, &["network configuration on stdin", part]);
            }
            // The runtime sends a DEL after an ADD that failed, and must come to an end.
            scene.call("DEL", &extra).stdin(stdin.clone()).run().silence();
            assert!(ipam.calls().is_empty());
        });
        let before = scene.seen();
        scene.add(&extra);
        scene.call("DEL", &extra).stdin(stdin.clone()).run().silence();
        assert_eq!(scene.seen(), before, "{part}");
        assert_eq!(ipam.commands(), ["ADD", "DEL"]);
        ipam.forget();
    }
}

#[test]
fn rule_9_gc_reads_a_list_sixteen_times_as_large() {
    let scene = Scene::new("gclarge");
    scene.add(&json!({}));
    let attached = scene.plugin.state_files();
    let valid = json!([{"containerID": scene.pod.name(), "ifname": "net1"}]);
    let conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire", "cni.dev/valid-attachments": valid});
    let bulk = members(3 << 20, |n| format!("\"x{n}\":{n}"));
    let gc = |stdin: String| scene.call("GC", &json!({})).stdin(stdin);
    gc(filled(&conf, &bulk, 4 << 20)).run().silence();
    assert_eq!(scene.plugin.state_files(), attached, "it is valid");
    gc(filled(&conf, "", (4 << 20) + 1))
        .run()
        .failure_naming(7, &["4194305 bytes", "4194304"]);
    assert_eq!(scene.plugin.state_files(), attached, "half a list");
    let others = members(2 << 20, |n| {
        format!("{{\"containerID\":\"{n:064x}\",\"ifname\":\"net1\"}}")
    });
    let many = conf
        .to_string()
        .replace("valid-attachments\":[", &format!("valid-attachments\":[{others}"));
    gc(many.clone()).run().silence();
    assert_eq!(scene.plugin.state_files(), attached, "it is valid among many");
    gc(many.replace(scene.pod.name(), "another")).run().silence();
    assert!(scene.plugin.state_files().len() < attached.len());
}

#[test]
fn rule_9_variables_have_a_bound_and_del_goes_on() {
    let scene = Scene::new("envlarge");
    let pairs = "A=b;".repeat(30_000);
    let long = "x".repeat(2000);
    scene.unchanged_by(|| {
        for (name, value) in [("CNI_ARGS", &pairs), ("CNI_PATH", &pairs), ("CNI_NETNS", &pairs)] {
            let call = scene.call("ADD", &json!({})).set(name, value.clone());
            call.run().failure_naming(4, &[name, "120000 bytes", "32768"]);
        }
        let call = scene.call("ADD", &json!({})).set("CNI_CONTAINERID", long.clone());
        call.run().failure_naming(4, &["containerID"]);
    });
    let before = scene.plugin.state_files();
    scene.add(&json!({}));
    let call = scene
        .call("DEL", &json!({}))
        .set("CNI_ARGS", pairs)
        .set("CNI_NETNS", long);
    call.run().silence();
    assert_eq!(scene.plugin.state_files(), before);
}

#[test]
fn rule_9_an_ipam_plugin_that_prints_without_end_is_ended() {
    let mut scene = Scene::new("ipamend");
    let ipam = scene.plugin.fake_ipam("endless");
    let extra = json!({ "ipam": ipam.conf() });
    scene.unchanged_by(|| {
        for (script, part) in [
            ("exec yes", "more than 1048576 bytes"),
            (
                "yes >&2 & yes | head -c 3000000 >&2; kill $!; exit 3",
                "netplugin failed",
            ),
        ] {
            ipam.on("ADD", &format!("{script}\n"));
            let outcome = scene.call("ADD", &extra).run();
            outcome.failure_naming(999, &[part]);
            assert!(outcome.stderr.len() < 1 << 20 && outcome.stdout.len() < 16 << 10);
        }
    });
}
