//! Our entry in the lists that the runtime reads its networks from.
//!
//! A NAD is a tenant's and may say `attach: pod` as well: that it is meant for all of a pod's devices, only the node's own files can
//! tell. Multus may have the default network's list as a delegate in a file of its own.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde_json::{Map, Value};

use crate::protocol::AnyCase;

/// Where runtimes read networks unless they are told otherwise.
pub const DEFAULT_DIRECTORY: &str = "/etc/cni/net.d";
/// What they take for a configuration.
const KNOWN: [&str; 3] = ["conf", "conflist", "json"];
/// Bytes; a list has some hundred.
const LARGEST: u64 = 1 << 20;

/// Our entry in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OurEntry {
    /// No plugin stands before it.
    pub stands_alone: bool,
    /// Its `reportIps`.
    pub report_ips: bool,
}

/// The files of a directory that runtimes take for configurations, in their order.
pub fn configurations(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let is_known = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| KNOWN.iter().any(|known| extension == *known))
    };
    let entries = fs::read_dir(directory)?.filter_map(Result::ok);
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_known).collect();
    files.sort();
    Ok(files)
}

/// Reads a configuration, which is a file and no larger than any; a FIFO would hold us.
pub fn read_configuration(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what.to_owned()));
    if !file.metadata()?.is_file() {
        return wrong("it is no file");
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= LARGEST) {
        Ok(text)
    } else {
        wrong("it is larger than any configuration")
    }
}

/// Whether a member of a list is our entry, whatever our program is called there: as the plugin reads it.
pub fn is_our_entry(member: &Map<String, Value>) -> bool {
    let attach = AnyCase::new(member).get("attach").and_then(Value::as_str);
    attach.is_some_and(|attach| attach.eq_ignore_ascii_case("pod"))
}

/// Our entries in the lists of this name. A directory that cannot be read has none.
pub fn our_entries(directory: &Path, network: &str) -> Vec<OurEntry> {
    let files = configurations(directory).unwrap_or_default();
    let read = |path: PathBuf| serde_json::from_str(&read_configuration(&path).ok()?).ok();
    let mut found = Vec::new();
    for configuration in files.into_iter().filter_map(read) {
        find(&configuration, network, &mut found);
    }
    found
}

/// Depth is bounded by the parser's.
fn find(value: &Value, network: &str, found: &mut Vec<OurEntry>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| find(item, network, found)),
        Value::Object(fields) => {
            let list = AnyCase::new(fields);
            if list.get("name").and_then(Value::as_str) == Some(network) {
                found.extend(
                    list.get("plugins")
                        .and_then(Value::as_array)
                        .and_then(|plugins| entry(plugins)),
                );
            }
            fields.values().for_each(|field| find(field, network, found));
        }
        _ => {}
    }
}

fn entry(plugins: &[Value]) -> Option<OurEntry> {
    let is_ours = |plugin: &Value| plugin.as_object().is_some_and(is_our_entry);
    let place = plugins.iter().position(is_ours)?;
    let reports = AnyCase::new(plugins.get(place)?.as_object()?)
        .get("reportIps")
        .and_then(Value::as_bool);
    Some(OurEntry {
        stands_alone: place == 0,
        report_ips: reports.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#"{"type": "hardwire", "Attach": "Pod", "reportIps": true}"#;

    #[test]
    fn our_entry_is_found_by_the_lists_name_and_place() {
        let directory = tempfile::tempdir().unwrap();
        let write = |file: &str, text: String| fs::write(directory.path().join(file), text).unwrap();
        let found = |name: &str| our_entries(directory.path(), name);
        assert_eq!(our_entries(&directory.path().join("none"), "n"), []);
        write(
            "10-n.conflist",
            format!(r#"{{"name": "n", "plugins": [{{"type": "bridge"}}, {OURS}]}}"#),
        );
        write("20-m.conflist", format!(r#"{{"name": "m", "plugins": [{OURS}]}}"#));
        write(
            "30-bare.conf",
            r#"{"name": "bare", "type": "hardwire", "attach": "pod"}"#.to_owned(),
        );
        write("40-broken.conf", "{".to_owned());
        let delegate = format!(r#"{{"name": "d", "plugins": [{{"type": "bridge"}}, {OURS}]}}"#);
        write(
            "00-multus.conf",
            format!(r#"{{"name": "multus", "type": "multus", "delegates": [{delegate}]}}"#),
        );
        let entry = |stands_alone| OurEntry {
            stands_alone,
            report_ips: true,
        };
        assert_eq!(found("n"), [entry(false)]);
        assert_eq!(found("m"), [entry(true)]);
        assert_eq!(found("d"), [entry(false)]);
        for nobody in ["bare", "multus", "x"] {
            assert_eq!(found(nobody), [], "{nobody}");
        }
    }

    #[test]
    fn what_is_no_file_or_too_large_holds_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, at("a.conf"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        fs::write(at("b.conf"), " ".repeat((1 << 20) + 1)).unwrap();
        for path in configurations(directory.path()).unwrap() {
            assert!(read_configuration(&path).is_err(), "{}", path.display());
        }
        assert_eq!(our_entries(directory.path(), "n"), []);
    }
}
