//! The same replay as on another processor: the C library picks its code by what the processor can, and forecall's results
//! must not hang on it.
#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]

use std::fs;
use std::hash::Hasher as _;
use std::path::Path;
use std::process::Command;

use super::replay::{all, day};

/// What glibc is told to do without: as on a processor of ten and of twenty years ago.
const MASKS: [&str; 2] = [
    "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ",
    "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX2,-AVX,-FMA,-FMA4,-BMI1,-BMI2,-ERMS,-SSE4_2,-SSE4_1",
];

fn replay(input: &Path, out: &Path, mask: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_forecall"))
        .args(["replay".as_ref(), "--input".as_ref(), input.as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .env("GLIBC_TUNABLES", mask)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn another_processor_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::create_dir_all(&input).unwrap();
    fs::write(input.join("load.csv"), day()).unwrap();
    let out = folder.path().join("this");
    replay(&input, &out, "");
    let wanted = all(&out);
    assert!(!wanted["anomalies.jsonl"].is_empty(), "it tries nothing");
    for (number, mask) in MASKS.iter().enumerate() {
        let out = folder.path().join(number.to_string());
        replay(&input, &out, mask);
        assert!(all(&out) == wanted, "other bytes with {mask}");
    }
}

/// The test above shows something only if what is masked changes what the C library computes.
#[test]
fn the_c_library_computes_otherwise_there() {
    if !std::arch::is_x86_feature_detected!("fma") {
        return;
    }
    let sum = |mask: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture"])
            .arg("machine::say_what_the_c_library_computes")
            .env("GLIBC_TUNABLES", mask)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.contains("sum="));
        let (_, sum) = line
            .and_then(|line| line.split_once("sum="))
            .unwrap_or_else(|| panic!("{text}"));
        sum.to_owned()
    };
    assert_eq!(sum(""), sum(""));
    assert_ne!(sum(""), sum(MASKS[1]));
}

#[test]
#[ignore = "run by the_c_library_computes_otherwise_there, in a process of its own"]
fn say_what_the_c_library_computes() {
    let mut hasher = std::hash::DefaultHasher::new();
    for i in 1..200_000_u32 {
        let x = f64::from(i) * 0.000_137;
        for y in [x.exp(), x.ln(), x.sin(), x.powf(1.37)] {
            hasher.write_u64(y.to_bits());
        }
    }
    println!("sum={:016x}", hasher.finish());
}
