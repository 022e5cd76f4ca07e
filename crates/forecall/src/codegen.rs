use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::acls;
use crate::cli::CodegenArgs;

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

pub(crate) fn run(args: &CodegenArgs) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for (path, wanted) in files() {
        let target = args.root.join(&path);
        if std::fs::read_to_string(&target).is_ok_and(|found| found == wanted) {
            continue;
        }
        if args.check {
            stale.push(path.display().to_string());
            continue;
        }
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
        }
        std::fs::write(&target, wanted).with_context(|| format!("failed to write {}", target.display()))?;
    }
    if !stale.is_empty() {
        bail!(
            "generated files are stale: {}; run `cargo xtask codegen`",
            stale.join(", ")
        );
    }
    Ok(())
}
