//! `install-cni --chain` and `--unchain`: our entry in the list of the cluster's default network, and keeping it there.
//!
//! The list is another program's file, so little is done to it: one entry is put at its end, once, in one step; what is not
//! understood is refused. Some network plugins write their file anew when they start: the daemon puts the entry back, and gives
//! up where another one does the same, rather than fight for ever. That it is to be there is noted in our own state, which
//! `--unchain` ends.
//!
//! - `list`: what becomes of a list; `place`: which file it is, and how it is written; `wanted`: the note;
//! - [`keep`]: the daemon's part.

pub mod keep;
mod list;
mod place;
mod wanted;

use std::path::{Path, PathBuf};

use hardwire_cni::Context;

pub use list::BadList;
pub use place::{ChainError, Chained};

use place::{chain_first, unchain_all};
use wanted::Wanted;

/// Puts our entry, whose `type` is `program`, into the default network's list, and notes that it is to stay there. A node that is
/// new has no network yet.
pub fn chain(context: &Context, directory: &Path, program: &str) -> Result<Chained, ChainError> {
    let chained = match chain_first(directory, program) {
        Err(ChainError::NoNetwork(_)) => Chained::Later,
        chained => chained?,
    };
    Wanted::at(context).note(program)?;
    Ok(chained)
}

/// Why our entry is not in the list that the runtime goes by; none where it is.
pub fn missing(directory: &Path) -> Option<String> {
    match place::missing_in(directory) {
        Ok(None) => copied_without_entry(directory),
        Ok(Some((path, _))) => Some(without_entry(&path)),
        Err(error) => Some(error.to_string()),
    }
}

fn copied_without_entry(directory: &Path) -> Option<String> {
    let path = place::copy_without_ours(directory)?;
    Some(format!(
        "{}: Multus has a copy of the default network's list there (delegates), without our entry: have Multus' pod of this node \
         write it anew (delete the pod), or name the list in its place (clusterNetwork)",
        path.display()
    ))
}

fn without_entry(path: &Path) -> String {
    format!(
        "{}: our entry is not in it: hardwired install-cni --chain puts it there",
        path.display()
    )
}

/// Takes our entry out of every list; refused while attachments live that its DEL would have to end, and where that cannot be
/// seen.
pub fn unchain(context: &Context, directory: &Path) -> Result<Vec<PathBuf>, ChainError> {
    if !context.state.is_dir() {
        return Err(ChainError::Journal(format!(
            "{} is not there: is it mounted, and does hardwired run on this node?",
            context.state.display()
        )));
    }
    refuse_while_attached(context)?;
    let wanted = Wanted::at(context);
    let program = wanted.program();
    wanted.forget()?;
    let changed = unchain_all(directory)?;
    // An ADD that had begun before needs the entry for its DEL.
    if let Err(error) = refuse_while_attached(context) {
        if let (Some(program), false) = (program, changed.is_empty()) {
            chain(context, directory, &program)?;
        }
        return Err(error);
    }
    Ok(changed)
}

fn refuse_while_attached(context: &Context) -> Result<(), ChainError> {
    let (records, unreadable) = context
        .journal
        .all()
        .map_err(|error| ChainError::Journal(error.to_string()))?;
    if let Some(record) = unreadable.first() {
        return Err(ChainError::Journal(record.to_string()));
    }
    let chained = records.iter().filter(|record| record.chain.is_some());
    let living: Vec<String> = chained
        .map(|record| format!("{} in container {}", record.device, record.owner.container_id))
        .collect();
    if living.is_empty() {
        Ok(())
    } else {
        Err(ChainError::Attached(living.join(", ")))
    }
}

/// With our entry a list has it, and without it again it is what it was.
///
/// # Panics
///
/// Where it is not.
#[cfg(any(test, fuzzing))]
#[allow(clippy::expect_used, reason = "a fuzz target fails so")]
pub(crate) fn chained_and_unchained(text: &str) {
    use list::List;

    let _is_multus = list::is_multus(text);
    let Ok(list) = List::parse(text) else { return };
    let Ok(Some(with)) = list.with_ours("hardwire") else {
        return;
    };
    let chained = List::parse(&with).expect("our own writing");
    assert!(chained.has_ours() && chained.with_ours("hardwire") == Ok(None));
    let back = chained.without_ours().expect("our own writing").expect("our entry");
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(value(&back), value(text));
}
