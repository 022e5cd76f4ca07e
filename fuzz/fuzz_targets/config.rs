//! Any text as a configuration: settings, or problems at their lines.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // A reference to a file could read anything of this machine.
    if !text.contains("${") {
        if let Err(problems) = forecall_config::Settings::from_yaml("fuzz.yaml", text) {
            assert!(!problems.to_string().is_empty());
        }
    }
});
