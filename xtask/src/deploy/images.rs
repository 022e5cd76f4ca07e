//! The image and the compose file, and the configurations that are mounted there, each read by its own program.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Site, say, settings, tools, yaml};
use crate::{package, prometheus};

const COMPOSE: &str = "deploy/compose/compose.yaml";

pub(super) fn check(site: &Site<'_>) -> Result<()> {
    say("hadolint");
    package::quiet(
        Command::new(tools::python(site, "hadolint")?)
            .args(["--no-color", "--failure-threshold", "style"])
            .arg(site.path("deploy/docker/Dockerfile")),
    )?;
    say("check-jsonschema, by the compose specification");
    let schema = |path: &str| {
        Command::new(tools::python(site, "check-jsonschema")?)
            .args(["--builtin-schema", "vendor.compose-spec"])
            .arg(site.path(path))
            .output()
            .context("can't start check-jsonschema")
    };
    let output = schema(COMPOSE)?;
    ensure!(
        output.status.success(),
        "{COMPOSE}:\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let missing = missing_mounts(&site.read(COMPOSE)?, &site.path("deploy/compose"));
    ensure!(
        missing.is_empty(),
        "{COMPOSE}: mounted but not there: {}",
        missing.join(", ")
    );
    say("promtool and amtool check-config");
    for (config, name) in [
        ("deploy/compose/prometheus.yaml", "compose"),
        ("deploy/prometheus/prometheus.example.yaml", "example"),
    ] {
        prometheus_config(site, config, name)?;
    }
    package::quiet(
        Command::new(tools::debian("amtool", "prometheus-alertmanager")?)
            .arg("check-config")
            .arg(site.path("deploy/compose/alertmanager.yaml")),
    )?;
    say("forecall check");
    for path in ["deploy/compose/forecall.yaml", "deploy/forecall.example.yaml"] {
        settings::check(site, path, &site.read(path)?)?;
    }
    let collector = "deploy/compose/collector.yaml";
    let problems = unjoined(&yaml::document(&site.read(collector)?, collector)?);
    ensure!(problems.is_empty(), "{collector}: {}", problems.join(", "));
    Ok(())
}

/// With the rules beside it, as it is mounted.
fn prometheus_config(site: &Site<'_>, config: &str, name: &str) -> Result<()> {
    let folder = site.work.join(format!("prometheus-{name}"));
    std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    let copy = |from: &str, to: &str| {
        std::fs::copy(site.path(from), folder.join(to)).with_context(|| format!("can't copy {from}"))
    };
    copy(config, "prometheus.yaml")?;
    for rules in ["alerts.yaml", "recording.yaml"] {
        copy(&format!("deploy/prometheus/{rules}"), rules)?;
    }
    package::quiet(
        Command::new(prometheus::prepare()?.promtool)
            .args(["check", "config", "prometheus.yaml"])
            .current_dir(&folder),
    )
    .with_context(|| config.to_owned())
}

/// Files that a compose file mounts from beside itself and that aren't there.
fn missing_mounts(compose: &str, folder: &Path) -> Vec<String> {
    let sources = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ."))
        .filter_map(|rest| rest.split_once(":/"))
        .map(|(source, _)| format!(".{source}"));
    sources.filter(|source| !folder.join(source).exists()).collect()
}

/// What pipelines of a Collector's configuration name and nobody declares, or the other way round. There is no Collector to
/// ask where this runs.
fn unjoined(config: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let none = serde_json::Map::new();
    let map = |pointer: &str| {
        config
            .pointer(pointer)
            .and_then(Value::as_object)
            .unwrap_or(&none)
    };
    for part in ["receivers", "processors", "exporters"] {
        let declared: Vec<&str> = map(&format!("/{part}")).keys().map(String::as_str).collect();
        let mut used = Vec::new();
        for pipeline in map("/service/pipelines").values() {
            let names = pipeline.get(part).and_then(Value::as_array);
            used.extend(names.into_iter().flatten().filter_map(Value::as_str));
        }
        problems.extend(
            used.iter()
                .filter(|name| !declared.contains(name))
                .map(|name| format!("{part}: `{name}` isn't declared")),
        );
        problems.extend(
            declared
                .iter()
                .filter(|name| !used.contains(name))
                .map(|name| format!("{part}: `{name}` is in no pipeline")),
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_file_must_be_there() {
        let compose = "    volumes:\n      - ./here.yaml:/etc/here.yaml:ro\n      - ../gone:/var/gone:ro\n      - kafka:/data\n      - 127.0.0.1:80:80\n";
        let folder = std::env::temp_dir().join(format!("forecall-xtask-mounts-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("here.yaml"), "").unwrap();
        assert_eq!(missing_mounts(compose, &folder.join(".")), ["../gone"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_collector_s_pipelines_are_joined() {
        let config = |text: &str| yaml::document(text, "text").unwrap();
        let good = "receivers: {otlp: {}}\nexporters: {kafka: {}}\nservice: {pipelines: {metrics: {receivers: [otlp], exporters: [kafka]}}}\n";
        assert!(unjoined(&config(good)).is_empty());
        let bad = good.replace("[kafka]", "[kafak]");
        assert_eq!(
            unjoined(&config(&bad)),
            [
                "exporters: `kafak` isn't declared",
                "exporters: `kafka` is in no pipeline"
            ]
        );
    }
}
