//! A polygon given by hand, as cells of a scope.

use std::path::Path;

use anyhow::{Context as _, ensure};
use forecall_area::{cells_of, read_area};
use forecall_config::Settings;
use forecall_types::{PLACE_RESOLUTION_MAX, Scope};

use super::args::ScopeArgs;
use crate::word::SayArgs;

/// The scope that was given, a polygon turned into cells.
///
/// # Errors
/// The file holds no area within `outreach.areas.bounds`, or one that no cell or too many cells stand for.
pub(crate) fn scope_of(mut args: ScopeArgs, say: &SayArgs) -> anyhow::Result<Scope> {
    let area = args.area.take();
    let mut scope = Scope::from(args);
    if let Some(file) = area {
        let settings = Settings::load(&say.read.config)?;
        let text = std::fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
        scope = within(scope, &text, &file, &settings)?;
    }
    Ok(scope)
}

fn within(scope: Scope, text: &[u8], file: &Path, settings: &Settings) -> anyhow::Result<Scope> {
    let bounds = settings.outreach.areas.bounds.as_ref();
    let bounds = bounds.context(
        "an area needs `outreach.areas.bounds` in the configuration: one beyond them is a mistake",
    )?;
    let directory = settings.directory.as_ref();
    ensure!(
        directory.is_some(),
        "the configuration has no `directory:`: nobody's place is known"
    );
    let resolution = directory.map_or(PLACE_RESOLUTION_MAX, |d| d.place_resolution);
    let refused = || format!("{} was not taken: nobody is told", file.display());
    let area = read_area(text, bounds.on_map()?).with_context(refused)?;
    let cells = cells_of(&area, resolution).with_context(refused)?;
    Ok(Scope { cells, ..scope })
}
