//! The archive: digests, names, sizes, and the same bytes each time.

use std::fs;

use super::*;

/// More than this would be a library that was not needed, or a program with its symbols.
const MOST: u64 = 15 * 1024 * 1024;

fn digest(path: &Path) -> String {
    let told = run(&["sha256sum", path.to_str().unwrap()]);
    told.split(' ').next().unwrap().to_owned()
}

#[test]
fn every_file_is_named_by_its_digest_and_referred_to_with_its_size() {
    let layout = &*LAYOUT;
    assert_eq!(json(&layout.folder.join("oci-layout"))["imageLayoutVersion"], "1.0.0");
    let manifest = layout.manifest();
    let mut referred = vec![layout.named(), layout.read(&layout.named())["manifests"][0].clone()];
    referred.push(manifest["config"].clone());
    referred.extend(manifest["layers"].as_array().unwrap().iter().cloned());
    for descriptor in &referred {
        let blob = layout.blob(descriptor);
        assert_eq!(digest(&blob), blob.file_name().unwrap().to_str().unwrap());
        assert_eq!(fs::metadata(&blob).unwrap().len(), descriptor["size"].as_u64().unwrap());
    }
    let there = fs::read_dir(layout.folder.join("blobs/sha256")).unwrap().count();
    assert_eq!(there, referred.len(), "a file that nothing refers to");

    let layers: Vec<String> = layout
        .layers()
        .iter()
        .map(|layer| {
            let layer = layer.to_str().unwrap();
            run(&["sh", "-c", &format!("gzip -dc < {layer} | sha256sum | sed 's/ .*//'")])
        })
        .collect();
    let identities = layout.config()["rootfs"]["diff_ids"].clone();
    let identities: Vec<&str> = identities
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    let unpacked: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", layer.trim())).collect();
    assert_eq!(identities, unpacked);
}

#[test]
fn it_has_the_name_that_deploy_asks_for() {
    let text = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/base/kustomization.yaml"
    ))
    .unwrap();
    let base: Value = serde_saphyr::from_str(&text).unwrap();
    let image = &base["images"][0];
    let (name, tag) = (image["newName"].as_str().unwrap(), image["newTag"].as_str().unwrap());
    let annotations = &LAYOUT.named()["annotations"];
    assert_eq!(
        annotations["io.containerd.image.name"],
        format!("docker.io/library/{name}:{tag}")
    );
    assert_eq!(annotations["org.opencontainers.image.ref.name"], tag);
}

#[test]
fn it_says_what_it_was_made_of() {
    let (config, manifest) = (LAYOUT.config(), LAYOUT.manifest());
    let labels = &config["config"]["Labels"];
    assert_eq!(labels, &manifest["annotations"]);
    assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    let packages = labels["hardwire.packages"].as_str().unwrap();
    for package in ["libc6 ", "libudev1 ", "libgcc-s1 "] {
        assert!(packages.contains(package), "{packages}");
    }
    assert_eq!(config["architecture"], PLATFORM);
    assert_eq!(config["config"]["Entrypoint"][0], "/usr/bin/hardwired");
}

#[test]
fn the_containerfile_says_the_same_of_itself() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/Containerfile")).unwrap();
    let config = LAYOUT.config()["config"].clone();
    for label in ["title", "description", "licenses", "version"] {
        let label = format!("org.opencontainers.image.{label}");
        let line = format!("{label}={}", config["Labels"][&label]);
        assert!(text.contains(&line), "no {line}");
    }
    for line in [
        format!("ENV {}", config["Env"][0].as_str().unwrap()),
        format!("USER {}", config["User"].as_str().unwrap()),
        format!("ENTRYPOINT {}", config["Entrypoint"]),
        format!("CMD {}", config["Cmd"]),
    ] {
        assert!(text.lines().any(|there| there == line), "no {line}");
    }
}

#[test]
fn it_is_small() {
    let size: u64 = LAYOUT
        .layers()
        .iter()
        .map(|layer| fs::metadata(layer).unwrap().len())
        .sum();
    assert!(size < MOST, "{size} bytes");
}

#[test]
fn it_is_the_same_whoever_makes_it_and_when() {
    let place = tempfile::tempdir().unwrap();
    let again = place.path().join("again.tar");
    make(
        &again,
        "077",
        &[
            ("TZ", "Asia/Kathmandu"),
            ("LC_ALL", "C.UTF-8"),
            ("TMPDIR", place.path().to_str().unwrap()),
        ],
    );
    assert_eq!(digest(&again), digest(&LAYOUT.archive));
}

#[test]
fn no_folder_of_this_machine_is_in_it() {
    let root = LAYOUT.root();
    let home = std::env::var("HOME").unwrap();
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let here = here.strip_suffix("tests/").unwrap();
    for program in ["hardwire", "hardwired"] {
        let bytes = fs::read(root.path().join("usr/bin").join(program)).unwrap();
        for folder in [here, &format!("{home}/.cargo/"), &format!("{home}/.rustup/")] {
            let found = bytes.windows(folder.len()).any(|window| window == folder.as_bytes());
            assert!(!found, "{program} has {folder}");
        }
    }
}
