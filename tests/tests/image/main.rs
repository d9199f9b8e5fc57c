//! The image that `hack/image` makes: what is in it, that it is the same each time, and that a runtime runs it as
//! deploy/base/daemonset.yaml says.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

mod archive;
mod bundle;
mod content;
mod daemon_set;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use hardwire_tests::node::run;
use serde_json::Value;

/// This machine's platform and, below, what the distribution calls it.
const PLATFORM: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};
const LOADER: &str = if cfg!(target_arch = "aarch64") {
    "lib/ld-linux-aarch64.so.1"
} else {
    "lib64/ld-linux-x86-64.so.2"
};

/// An unpacked archive.
struct Layout {
    archive: PathBuf,
    folder: PathBuf,
}

/// Made once, for this machine's platform, and left in cargo's folder for tests until the next time.
static LAYOUT: LazyLock<Layout> = LazyLock::new(|| {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
    let (archive, folder) = (place.join("hardwire.tar"), place.join("layout"));
    drop(fs::remove_dir_all(&place));
    fs::create_dir_all(&folder).unwrap();
    make(&archive, "022", &[]);
    unpack(&archive, &folder);
    Layout { archive, folder }
});

/// Runs `hack/image` with this umask and these variables.
fn make(archive: &Path, umask: &str, variables: &[(&str, &str)]) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/image");
    let mut command = Command::new("sh");
    command.args(["-c", "umask $0 && exec \"$@\"", umask, program, "--platform", PLATFORM]);
    command.arg("--output").arg(archive).envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn unpack(archive: &Path, into: &Path) {
    run(&[
        "tar",
        "--extract",
        "--file",
        archive.to_str().unwrap(),
        "--directory",
        into.to_str().unwrap(),
    ]);
}

// === impl Layout ===

impl Layout {
    /// The file of a descriptor.
    fn blob(&self, descriptor: &Value) -> PathBuf {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        self.folder.join("blobs/sha256").join(digest)
    }

    fn read(&self, descriptor: &Value) -> Value {
        json(&self.blob(descriptor))
    }

    /// The descriptor of the image, by which a runtime knows it.
    fn named(&self) -> Value {
        json(&self.folder.join("index.json"))["manifests"][0].clone()
    }

    fn manifest(&self) -> Value {
        let platforms = self.read(&self.named());
        assert_eq!(platforms["manifests"][0]["platform"]["architecture"], PLATFORM);
        self.read(&platforms["manifests"][0])
    }

    fn config(&self) -> Value {
        self.read(&self.manifest()["config"])
    }

    fn layers(&self) -> Vec<PathBuf> {
        let manifest = self.manifest();
        manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| self.blob(layer))
            .collect()
    }

    /// The image's file system, removed when dropped.
    fn root(&self) -> tempfile::TempDir {
        let root = tempfile::Builder::new().prefix("hardwire-image-").tempdir().unwrap();
        for layer in self.layers() {
            unpack(&layer, root.path());
        }
        root
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
