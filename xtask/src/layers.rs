//! `layers`: who may know whom. The arrows of the house point inwards, and some libraries have one owner.

use std::path::Path;

use anyhow::Result;

use crate::metadata::{self, Package};

/// A layer and the layers its crates may use.
const LAYERS: [(&str, &[&str]); 6] = [
    ("core", &["core"]),
    ("logic", &["core"]),
    ("shell", &["core", "logic", "shell"]),
    ("app", &["core", "logic", "shell", "app"]),
    ("test", &["core", "logic", "shell", "app", "test"]),
    ("tool", &[]),
];

/// Layers whose crates are pure functions.
const PURE: [&str; 2] = ["core", "logic"];

/// What a pure crate can't know, and what it would bring in.
const IMPURE: [(&str, &str); 7] = [
    ("tokio", "async, a clock and I/O"),
    ("rdkafka", "I/O"),
    ("rusqlite", "I/O"),
    ("axum", "I/O"),
    ("tracing", "output"),
    ("getrandom", "random numbers"),
    ("rand", "random numbers"),
];

/// Libraries with one owner in the house. `tests` tells whether test crates may use it too, as an outside party.
struct Owned {
    library: &'static str,
    owner: &'static str,
    tests: bool,
}

const OWNED: [Owned; 7] = [
    Owned {
        library: "rdkafka",
        owner: "forecall-kafka",
        tests: true,
    },
    Owned {
        library: "prost",
        owner: "forecall-wire",
        tests: false,
    },
    Owned {
        library: "opentelemetry-proto",
        owner: "forecall-wire",
        tests: false,
    },
    Owned {
        library: "rusqlite",
        owner: "forecall-ledger",
        tests: false,
    },
    Owned {
        library: "parquet",
        owner: "forecall-table",
        tests: false,
    },
    Owned {
        library: "lettre",
        owner: "forecall-delivery",
        tests: false,
    },
    Owned {
        library: "rusmpp-core",
        owner: "forecall-delivery",
        tests: false,
    },
];

/// All violations in this repository, one line each.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>> {
    Ok(check(&metadata::packages(root)?))
}

/// All violations among these packages, in order.
pub(crate) fn check(packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == package.layer) else {
            problems.push(format!(
                "{}:1: {} has no layer or an unknown one (`{}`): write `layer = \"…\"` ({}) under \
                 [package.metadata.forecall]",
                package.manifest,
                package.name,
                package.layer,
                LAYERS.map(|(layer, _)| layer).join(", "),
            ));
            continue;
        };
        for dependency in &package.dependencies {
            problems.extend(arrow(package, allowed, packages, dependency));
            problems.extend(purity(package, dependency));
            problems.extend(ownership(package, dependency));
        }
    }
    problems
}

fn arrow(package: &Package, allowed: &[&str], packages: &[Package], dependency: &str) -> Option<String> {
    let target = packages.iter().find(|other| other.name == dependency)?;
    if allowed.contains(&target.layer.as_str()) {
        return None;
    }
    let may = if allowed.is_empty() {
        "nothing of the house".to_owned()
    } else {
        allowed.join(", ")
    };
    Some(format!(
        "{}:1: {} ({}) depends on {} ({}); {} may use {may}: move the code inwards or pass it in as data",
        package.manifest, package.name, package.layer, target.name, target.layer, package.layer,
    ))
}

fn purity(package: &Package, dependency: &str) -> Option<String> {
    let (_, brings) = IMPURE.iter().find(|(library, _)| *library == dependency)?;
    PURE.contains(&package.layer.as_str()).then(|| {
        format!(
            "{}:1: {} ({}) depends on {dependency}, which brings {brings}; core and logic are pure: do it in a \
             shell crate and pass the result in",
            package.manifest, package.name, package.layer,
        )
    })
}

fn ownership(package: &Package, dependency: &str) -> Option<String> {
    let owned = OWNED.iter().find(|owned| owned.library == dependency)?;
    let may = package.name == owned.owner || (owned.tests && package.layer == "test");
    (!may).then(|| {
        format!(
            "{}:1: {} ({}) depends on {dependency}, which only {} knows: use what that crate offers, or add to it",
            package.manifest, package.name, package.layer, owned.owner,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(lines: &[(&str, &str, &str)]) -> String {
        let packages: Vec<Package> = lines
            .iter()
            .map(|(name, layer, dependencies)| Package {
                name: (*name).to_owned(),
                manifest: format!("crates/{name}/Cargo.toml"),
                layer: (*layer).to_owned(),
                description: "x".to_owned(),
                dependencies: dependencies.split_whitespace().map(str::to_owned).collect(),
            })
            .collect();
        check(&packages).join("\n")
    }

    fn check_one(lines: &[(&str, &str, &str)], expected: &str) {
        let found = house(lines);
        assert_eq!(found.lines().count(), 1, "{found}");
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn inward_arrows_are_in_order() {
        let found = house(&[
            ("types", "core", "serde"),
            ("stats", "core", "types libm"),
            ("detect", "logic", "types stats"),
            ("forecall-kafka", "shell", "types detect rdkafka tokio"),
            ("log", "shell", "forecall-kafka"),
            ("runtime", "app", "types detect log tokio"),
            ("e2e", "test", "runtime rdkafka"),
            ("xtask", "tool", "clap"),
        ]);
        assert_eq!(found, "");
    }

    #[test]
    fn outward_arrows_fail_and_name_both_crates() {
        let wire = ("wire", "shell", "");
        check_one(
            &[("types", "core", "wire"), wire],
            "types (core) depends on wire (shell); core may use core",
        );
        let detect = ("detect", "logic", "");
        check_one(
            &[detect, ("incident", "logic", "detect")],
            "incident (logic) depends on detect (logic)",
        );
        check_one(
            &[("log", "shell", "run"), ("run", "app", "")],
            "log (shell) depends on run (app)",
        );
        check_one(
            &[("run", "app", "e2e"), ("e2e", "test", "")],
            "run (app) depends on e2e (test)",
        );
        check_one(
            &[("xtask", "tool", "types"), ("types", "core", "")],
            "tool may use nothing of the house",
        );
    }

    #[test]
    fn a_missing_layer_fails() {
        check_one(&[("types", "", "")], "types has no layer");
        check_one(&[("types", "heart", "")], "unknown one (`heart`)");
    }

    #[test]
    fn pure_crates_know_no_clock_and_no_output() {
        for library in ["tokio", "axum", "tracing", "getrandom", "rand"] {
            check_one(
                &[("detect", "logic", library)],
                &format!("detect (logic) depends on {library}, which brings"),
            );
        }
        assert_eq!(house(&[("observe", "shell", "tokio axum tracing getrandom")]), "");
    }

    #[test]
    fn owned_libraries_have_one_owner() {
        check_one(
            &[("log", "shell", "rdkafka")],
            "log (shell) depends on rdkafka, which only forecall-kafka knows",
        );
        check_one(&[("log", "shell", "prost")], "only forecall-wire knows");
        check_one(&[("e2e", "test", "rusqlite")], "only forecall-ledger knows");
        check_one(&[("run", "app", "lettre")], "only forecall-delivery knows");
        assert_eq!(house(&[("forecall-ledger", "shell", "rusqlite")]), "");
    }

    #[test]
    fn metadata_is_read_with_dev_dependencies() {
        let json = br#"{"packages":[{"name":"forecall-types","manifest_path":"/r/crates/types/Cargo.toml",
            "description":"words","metadata":{"forecall":{"layer":"core"}},
            "dependencies":[{"name":"serde","kind":null},{"name":"forecall-wire","kind":"dev"}]},
            {"name":"forecall-wire","manifest_path":"/r/crates/wire/Cargo.toml","description":null,
            "metadata":{"forecall":{"layer":"shell"}},"dependencies":[]}]}"#;
        let packages = metadata::parse(json, Path::new("/r")).unwrap();
        let found = check(&packages).join("\n");
        assert!(found.starts_with(
            "crates/types/Cargo.toml:1: forecall-types (core) depends on forecall-wire (shell)"
        ));
    }
}
