//! Each input of the corpora, once more: what crashed a target is one of them from then on.

use std::fs;
use std::path::Path;

use super::bounds::within_bounds;

/// Gives each target its corpus, `fuzz/corpus/TARGET` beside the crate's manifest.
///
/// # Panics
///
/// Where a target has no corpus, or a corpus no target.
pub(super) fn replay(manifest: &str, targets: &[(&str, super::Target)]) {
    let corpora = Path::new(manifest).join("fuzz/corpus");
    let mut without_target: Vec<_> = names(&corpora);
    for (name, target) in targets {
        let corpus = corpora.join(name);
        let inputs = names(&corpus);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            within_bounds(*target, &fs::read(corpus.join(&input)).unwrap());
        }
        without_target.retain(|corpus| corpus != name);
    }
    assert!(without_target.is_empty(), "corpora of no target: {without_target:?}");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}
