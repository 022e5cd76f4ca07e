//! Areas of regions: files beside the configuration.

use std::sync::Arc;

use forecall_area::{Areas, FILE_BYTES_MAX};
use forecall_outreach::AreaBounds;
use forecall_types::Fingerprint;

use crate::check::Findings;
use crate::error::Problem;
use crate::place::place_of;
use crate::raw::File;
use crate::settings::Settings;

/// What can be said without the files.
pub(crate) fn check(file: &File, found: &mut Findings<'_>) {
    let areas = &file.outreach.areas;
    match areas.bounds.as_ref().map(AreaBounds::on_map) {
        Some(Ok(_)) => {}
        Some(Err(error)) => found.wrong("outreach.areas.bounds", format!("outreach.areas.bounds: {error}")),
        None if areas.files.is_empty() => {}
        None => found.wrong(
            "outreach.areas.files",
            "outreach.areas.files needs `outreach.areas.bounds`: an area beyond them is a mistake",
        ),
    }
}

/// Reads the files into checked settings, and into their digest: areas decide whom a notice reaches.
pub(crate) fn read(settings: &mut Settings, text: &str) -> Result<(), Vec<Problem>> {
    let areas = &settings.outreach.areas;
    let (Some(bounds), false) = (&areas.bounds, areas.files.is_empty()) else {
        return Ok(());
    };
    let wrong = |what: String| {
        let place = place_of(text, "outreach.areas.files");
        vec![Problem {
            place,
            what: format!("outreach.areas: {what}"),
        }]
    };
    let bounds = bounds.on_map().map_err(|e| wrong(e.to_string()))?;
    let mut files = Vec::new();
    for path in &areas.files {
        let name = path.display().to_string();
        let is_large = std::fs::metadata(path).is_ok_and(|m| m.len() > FILE_BYTES_MAX as u64);
        if is_large {
            return Err(wrong(format!("{name} has more than 64 MiB")));
        }
        let bytes = std::fs::read(path).map_err(|e| wrong(format!("{name} can't be read: {e}")))?;
        files.push((name, bytes));
    }
    let list = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let read = Areas::read(list, bounds).map_err(|e| wrong(e.to_string()))?;
    let topology = settings.correlate.topology();
    if let Some(code) = read.codes().find(|code| !topology.knows_region(code)) {
        return Err(wrong(format!(
            "region `{code}` has an area, and `topology.regions` doesn't declare it"
        )));
    }
    let digest = settings.digest.to_string();
    let parts = files.iter().map(|(_, bytes)| bytes.as_slice());
    let parts: Vec<&[u8]> = std::iter::once(digest.as_bytes()).chain(parts).collect();
    settings.digest = Fingerprint::of_parts(&parts);
    settings.written.add(&files);
    Arc::make_mut(&mut settings.outreach).areas.read = Arc::new(read);
    Ok(())
}
