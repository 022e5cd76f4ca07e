//! Every file of `tests/corpus/<format>/` is decoded; what comes out stands in `tests/corpus/expected.txt`. A new file
//! needs no code: run with `UPDATE_EXPECT=1` and read the difference.

use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;
use forecall_wire::telemetry::{CustomerField, Format, IdentityKind, Mapping, TextFrom};

use super::{decoded, source};

/// What the files in `mapping/` are read by.
fn mapping() -> Format {
    let mut mapping = Mapping::events("tickets");
    mapping.time = Some("/opened".into());
    mapping.entity.insert(
        "service.name".into(),
        TextFrom::Read {
            pointer: "/service".into(),
            default: None,
        },
    );
    mapping.customer = Some(CustomerField {
        pointer: "/customer".into(),
        kind: IdentityKind::Id,
    });
    Format::Mapping(mapping)
}

#[test]
fn every_file_gives_what_is_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut text = String::new();
    let mut formats = 0;
    for folder in sorted(&root) {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if !folder.is_dir() {
            continue;
        }
        formats += 1;
        let format = match name.as_str() {
            "mapping" => mapping(),
            name => Format::from_name(name).unwrap_or_else(|| panic!("no format is named {name}")),
        };
        for file in sorted(&folder) {
            let file_name = file.file_name().unwrap().to_str().unwrap();
            let out = decoded(&source(format.clone()), &std::fs::read(&file).unwrap());
            if file_name.starts_with("bad") {
                assert!(
                    out.contains("refused: "),
                    "{name}/{file_name} is not refused: {out}"
                );
            } else {
                assert!(!out.contains("refused: "), "{name}/{file_name} is refused: {out}");
            }
            writeln!(text, "## {name}/{file_name}\n{out}").unwrap();
        }
    }
    assert_eq!(formats, 15, "every format has a folder");
    expect_file!["../../corpus/expected.txt"].assert_eq(&text);
}

fn sorted(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}
