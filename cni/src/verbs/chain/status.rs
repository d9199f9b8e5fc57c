//! STATUS of a list: what every ADD needs, and, standing alone in it, the daemon.
//!
//! Behind another plugin the node stays ready without the daemon: pods without a device start. Alone, none does. Which it is, only
//! the list tells, and a runtime does not say that: it is looked up where runtimes read it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Context;
use crate::ask::{Question, ask};
use crate::config::{Base, PodConf};
use crate::protocol::{CallingPod, CniError, SpecVersion, code};

/// Checks the state directory, and the daemon where nobody else gives pods an interface.
pub(in crate::verbs) fn status(context: &Context, base: Base) -> Result<(), CniError> {
    let version = base.version_since(SpecVersion::WITH_GC_AND_STATUS, "STATUS")?;
    let conf = PodConf::parse(base, version)?;
    let unavailable = |why: &dyn std::fmt::Display| CniError::new(code::UNAVAILABLE, why);
    context.journal.probe().map_err(|error| unavailable(&error))?;
    if !stands_alone(&context.cni_config, conf.base.name.as_str()) {
        return Ok(());
    }
    let pod = CallingPod::default();
    match ask(&context.state, Question::Attachments { pod }) {
        Ok(_answer) => Ok(()),
        Err(error) => Err(unavailable(&format!("no pod can be attached: {error}"))),
    }
}

/// Whether a list of this name begins with us.
fn stands_alone(directory: &Path, name: &str) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let is_list = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "conflist");
    let lists = entries.map(|entry| entry.path()).filter(is_list);
    let mut lists = lists.filter_map(|path| serde_json::from_slice::<Value>(&fs::read(path).ok()?).ok());
    lists.any(|list| {
        let first = list
            .get("plugins")
            .and_then(Value::as_array)
            .and_then(|plugins| plugins.first());
        list.get("name").and_then(Value::as_str) == Some(name)
            && first.is_some_and(|first| first.get("attach").is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_begins_with_us_has_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(directory.path().join(file), text).unwrap();
        assert!(!stands_alone(directory.path(), "n"));
        let ours = r#"{"type": "hardwire", "attach": "pod"}"#;
        write(
            "10-n.conflist",
            &format!(r#"{{"name": "n", "plugins": [{{"type": "bridge"}}, {ours}]}}"#),
        );
        write("20-m.conflist", &format!(r#"{{"name": "m", "plugins": [{ours}]}}"#));
        assert!(!stands_alone(directory.path(), "n"));
        assert!(stands_alone(directory.path(), "m"));
    }
}
