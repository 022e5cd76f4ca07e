//! Prometheus and promtool, as Debian ships them: the real ones of the end-to-end tests.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{apt, process};

/// The package that has both.
const PACKAGE: &str = "prometheus";

/// Where the programs are.
pub(crate) struct Programs {
    pub(crate) server: PathBuf,
    pub(crate) promtool: PathBuf,
}

/// Finds them; installs them where that is possible.
pub(crate) fn prepare() -> Result<Programs> {
    if let Ok(found) = find() {
        return Ok(found);
    }
    apt::install(&[PACKAGE], "Prometheus")?;
    find()
}

fn find() -> Result<Programs> {
    let program = |name: &str| {
        process::on_path(name).with_context(|| format!("no `{name}` found: install the package {PACKAGE}"))
    };
    Ok(Programs {
        server: program("prometheus")?,
        promtool: program("promtool")?,
    })
}
