use std::fs::File;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_ledger::{DirectorySettings, read_directory};
use forecall_runtime::{Pipeline, pseudonym_key};
use forecall_types::EventTime;
use tracing::info;

/// Reads the directory file of the settings, if there is one, and brings it in. A file that hasn't changed since is left.
pub(crate) fn import(settings: &Settings, pipeline: &mut Pipeline) -> anyhow::Result<()> {
    let Some((directory, path)) = settings
        .directory
        .as_ref()
        .and_then(|d| Some((d, d.file.as_ref()?)))
    else {
        return Ok(());
    };
    let name = path.display();
    let file = File::open(path).with_context(|| format!("failed to open the directory {name}"))?;
    let changed = file
        .metadata()
        .and_then(|m| m.modified())
        .with_context(|| format!("failed to ask when the directory {name} was changed"))?;
    let nanos = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let at = EventTime::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    let key = pseudonym_key(settings)?.context(
        "a directory needs `ledger.pseudonym_key`: 64 hexadecimal digits by ${env:NAME} or ${file:/path}",
    )?;
    let reading = DirectorySettings {
        domain: settings.domain.clone(),
        at,
        country_code: directory.country_code.clone(),
    };
    let rows = read_directory(file, &reading, &|id| key.customer(&settings.domain, id))
        .with_context(|| format!("the directory {name} was not imported"))?;
    let customers = rows.len();
    let published = pipeline.import_directory(rows, &format!("{} {}", at.nanos(), customers))?;
    info!(customers, published, "the directory is in");
    Ok(())
}
