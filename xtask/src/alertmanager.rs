//! Alertmanager, as Debian ships it: the real one of the end-to-end tests.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{apt, process};

/// Finds it; installs it where that is possible.
pub(crate) fn prepare() -> Result<PathBuf> {
    if let Ok(found) = find() {
        return Ok(found);
    }
    apt::install(&["prometheus-alertmanager"], "Alertmanager")?;
    find()
}

/// Debian's name of it, then its own.
fn find() -> Result<PathBuf> {
    ["prometheus-alertmanager", "alertmanager"]
        .into_iter()
        .find_map(process::on_path)
        .context("no `prometheus-alertmanager` found: install the package prometheus-alertmanager")
}
