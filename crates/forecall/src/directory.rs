use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_ledger::{DirectoryRow, DirectorySettings, read_directory};
use forecall_runtime::{Pipeline, erase_from_directory, pseudonym_key, publish_directory};
use forecall_types::EventTime;
use tracing::info;

use crate::cli::{DirectoryArgs, DirectoryCommand};

const NO_PSEUDONYMS: &str =
    "a directory needs `ledger.pseudonym_key`: 64 hexadecimal digits by ${env:NAME} or ${file:/path}";

/// The rows of a file, and when it was changed.
fn read(settings: &Settings, path: &Path) -> anyhow::Result<(Vec<DirectoryRow>, EventTime)> {
    let name = path.display();
    let directory = settings.directory.as_ref();
    let directory = directory.context("the configuration has no `directory:`")?;
    let file = File::open(path).with_context(|| format!("failed to open the directory {name}"))?;
    let changed = file
        .metadata()
        .and_then(|m| m.modified())
        .with_context(|| format!("failed to ask when the directory {name} was changed"))?;
    let nanos = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let at = EventTime::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    let key = pseudonym_key(settings)?.context(NO_PSEUDONYMS)?;
    let reading = DirectorySettings {
        domain: settings.domain.clone(),
        at,
        country_code: directory.country_code.clone(),
        place_resolution: directory.place_resolution,
    };
    let rows = read_directory(file, &reading, &|id| key.customer(&settings.domain, id))
        .with_context(|| format!("the directory {name} was not taken"))?;
    Ok((rows, at))
}

/// Reads the directory file of the settings, if there is one, and brings it in. A file that hasn't changed since is left.
pub(crate) fn import(settings: &Settings, pipeline: &mut Pipeline) -> anyhow::Result<()> {
    let Some(path) = settings.directory.as_ref().and_then(|d| d.file.as_ref()) else {
        return Ok(());
    };
    let (rows, at) = read(settings, path)?;
    let customers = rows.len();
    let published = pipeline.import_directory(rows, &format!("{} {}", at.nanos(), customers))?;
    info!(customers, published, "the directory is in");
    Ok(())
}

/// Whether the directory file of the settings, if there is one, can be taken.
pub(crate) fn look(settings: &Settings) -> anyhow::Result<()> {
    let path = settings.directory.as_ref().and_then(|d| d.file.as_ref());
    path.map_or(Ok(()), |path| read(settings, path).map(|_| ()))
}

fn connect(settings: &Settings, config: &Path) -> anyhow::Result<KafkaLog> {
    let kafka = settings.kafka.clone();
    Ok(KafkaLog::connect(kafka.with_context(|| {
        format!("{} has no `kafka:`", config.display())
    })?)?)
}

/// `forecall directory …`
pub(crate) fn run(args: &DirectoryArgs) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match &args.command {
        DirectoryCommand::Publish { file, config } => {
            let settings = Settings::load(config)?;
            let (rows, _) = read(&settings, file)?;
            let sent = publish_directory(&settings, &connect(&settings, config)?, &rows)?;
            writeln!(out, "{sent} customers published")?;
        }
        DirectoryCommand::Erase { id, config } => {
            let settings = Settings::load(config)?;
            let key = pseudonym_key(&settings)?.context(NO_PSEUDONYMS)?;
            let customer = key.customer(&settings.domain, id);
            erase_from_directory(&settings, &connect(&settings, config)?, customer)?;
            writeln!(out, "the erasure is published")?;
        }
    }
    Ok(())
}
