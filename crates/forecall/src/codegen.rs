use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use forecall_wire::schema::{broken_by_this_build, promised_files};

use crate::acls;
use crate::cli::CodegenArgs;

/// Where the last released form of every promised schema lies.
const RELEASED: &str = "schemas/released";

/// Every generated file of the repository, with its path from the root.
fn files() -> Vec<(PathBuf, String)> {
    let mut files = forecall_wire::schema::files();
    files.push((
        PathBuf::from("docs/reference/metrics.md"),
        forecall_observe::reference(),
    ));
    files.push((PathBuf::from("docs/reference/acls.md"), acls::reference()));
    files.extend(forecall_config::files());
    files
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}

/// Holds what was released against this build.
fn check_promises(root: &Path) -> anyhow::Result<()> {
    let folder = root.join(RELEASED);
    let mut released = BTreeMap::new();
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("failed to read {}", folder.display()))?;
        let path = entry.path();
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        released.insert(entry.file_name().to_string_lossy().into_owned(), text);
    }
    let broken = broken_by_this_build(&released);
    if !broken.is_empty() {
        bail!(
            "published schemas break what {RELEASED} has promised:\n  {}\nkeep the promise, or publish another version beside it \
             (docs/subscribers.md, \"Versions\")",
            broken.join("\n  ")
        );
    }
    Ok(())
}

/// Makes the present form of every promised schema the released one.
fn publish(root: &Path) -> anyhow::Result<()> {
    if root.join(RELEASED).is_dir() {
        check_promises(root)?;
    }
    let files: BTreeMap<PathBuf, String> = files().into_iter().collect();
    for name in promised_files() {
        let path = Path::new("schemas").join(&name);
        let text = files
            .get(&path)
            .with_context(|| format!("{} is not made", path.display()))?;
        write(&root.join(RELEASED).join(&name), text)?;
    }
    Ok(())
}

pub(crate) fn run(args: &CodegenArgs) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for (path, wanted) in files() {
        let target = args.root.join(&path);
        if std::fs::read_to_string(&target).is_ok_and(|found| found == wanted) {
            continue;
        }
        if args.check {
            stale.push(path.display().to_string());
        } else {
            write(&target, &wanted)?;
        }
    }
    if !stale.is_empty() {
        bail!(
            "generated files are stale: {}; run `cargo xtask codegen`",
            stale.join(", ")
        );
    }
    match (args.check, args.publish) {
        (true, _) => check_promises(&args.root),
        (false, true) => publish(&args.root),
        (false, false) => Ok(()),
    }
}
