//! All seeds of all targets as plain tests, and that the fuzzer knows every target.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod seeds;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use forecall_fuzzed::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_seed_passes() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let seeds = files(&fuzz().join("seeds").join(name));
        assert!(!seeds.is_empty(), "{name} has no seed");
        for seed in seeds {
            let data = std::fs::read(&seed).unwrap();
            if catch_unwind(|| target(&data)).is_err() {
                failed.push(seed.display().to_string());
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_fuzzer_has_a_file_for_every_target_and_no_other() {
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let text = std::fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        let call = format!("fuzz_target!(|data: &[u8]| forecall_fuzzed::{name}(data));");
        assert!(text.contains(&call), "{name}: {text}");
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not in the manifest"
        );
    }
    assert_eq!(files(&fuzz().join("fuzz_targets")).len(), TARGETS.len());
}
