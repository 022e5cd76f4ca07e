//! The Helm chart and the Kustomize base: what comes out of them is held against Kubernetes' own schemas, forecall's own
//! check of its configuration, and each other.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Site, custom, joined, say, settings, tools, yaml};
use crate::package;

const CHART: &str = "deploy/helm/forecall";
const BASE: &str = "deploy/kustomize/base";
/// The oldest that the chart takes, and the newest whose schemas are at hand.
const KUBERNETES: [&str; 2] = ["1.32", "1.37"];
/// Where the program says at which paths it answers.
const ROUTER: &str = "crates/observe/src/server.rs";
/// What a file of values that must be refused begins with.
const REFUSED: &str = "# refused with: ";

pub(super) fn check(site: &Site<'_>) -> Result<()> {
    let helm = tools::kubernetes(site)?.helm;
    say("helm lint --strict, helm template, with each file of ci/");
    let chart = site.path(CHART);
    package::quiet(Command::new(&helm).args(["lint", "--strict"]).arg(&chart))?;
    let template = |values: Option<&str>| {
        let mut command = Command::new(&helm);
        // The oldest that the chart takes; without it helm supposes the one it was built with.
        command
            .args(["template", "forecall", "--kube-version", "1.32.0"])
            .arg(&chart);
        if let Some(values) = values {
            command.arg("--values").arg(chart.join("ci").join(values));
        }
        command
    };
    let mut cases = vec![None];
    let files = yaml::names(&chart.join("ci"))?;
    cases.extend(
        files
            .iter()
            .filter(|name| name.ends_with(".yaml"))
            .map(|name| Some(name.as_str())),
    );
    for case in cases {
        let name = case.unwrap_or("values.yaml");
        let text = package::output(&mut template(case)).with_context(|| name.to_owned())?;
        let resources = yaml::documents(&text, name)?;
        kubernetes(site, name, &text)?;
        configuration(site, name, &resources)?;
        custom::check(site, &resources).with_context(|| name.to_owned())?;
    }
    say("values that must be refused");
    for name in yaml::names(&chart.join("ci/refused"))? {
        let values = format!("refused/{name}");
        let text = site.read(&format!("{CHART}/ci/{values}"))?;
        let why = text.lines().next().and_then(|line| line.strip_prefix(REFUSED));
        let why = why.with_context(|| format!("{values}: its first line isn't `{REFUSED}…`"))?;
        match package::output(&mut template(Some(&values))) {
            Ok(_text) => bail!("{values} is taken; it should be refused with `{why}`"),
            Err(error) => ensure!(
                error.to_string().contains(why),
                "{values} is refused, but not with `{why}`: {error}"
            ),
        }
    }
    Ok(())
}

pub(super) fn check_kustomize(site: &Site<'_>) -> Result<()> {
    let tools = tools::kubernetes(site)?;
    say("kubectl kustomize");
    let text = package::output(Command::new(&tools.kubectl).arg("kustomize").arg(site.path(BASE)))?;
    let resources = yaml::documents(&text, BASE)?;
    kubernetes(site, "kustomize.yaml", &text)?;
    configuration(site, BASE, &resources)?;
    let chart = package::output(
        Command::new(&tools.helm)
            .args(["template", "forecall", "--kube-version", "1.32.0"])
            .arg(site.path(CHART)),
    )?;
    let (base, chart) = (pod(&resources)?, pod(&yaml::documents(&chart, CHART)?)?);
    for part in [
        "containers",
        "volumes",
        "securityContext",
        "terminationGracePeriodSeconds",
    ] {
        ensure!(
            base.get(part) == chart.get(part),
            "{BASE}: `{part}` of its pod isn't the chart's:\n{:#}\nthe chart has\n{:#}",
            base.get(part).unwrap_or(&Value::Null),
            chart.get(part).unwrap_or(&Value::Null)
        );
    }
    Ok(())
}

/// By the schemas of Kubernetes itself, nothing unknown allowed.
fn kubernetes(site: &Site<'_>, name: &str, text: &str) -> Result<()> {
    let path = site.write(&format!("kubernetes-{name}"), text)?;
    for version in KUBERNETES {
        package::quiet(
            Command::new(tools::python(site, "kubernetes-validate")?)
                .args(["--strict", "-k", version])
                .arg(&path),
        )
        .with_context(|| format!("{name}, as Kubernetes {version} reads it"))?;
    }
    Ok(())
}

/// What stands in the ConfigMap is right; Strimzi's topics and rights are those of it; what names each other is joined.
fn configuration(site: &Site<'_>, name: &str, resources: &[Value]) -> Result<()> {
    let served = joined::served(&site.read(ROUTER)?);
    let problems = joined::problems(resources, &served);
    ensure!(problems.is_empty(), "{name}: {}", problems.join("; "));
    let map = yaml::of_kind(resources, "ConfigMap")
        .next()
        .with_context(|| format!("{name}: there is no ConfigMap"))?;
    let text = map
        .get("data")
        .and_then(|data| data.get("forecall.yaml"))
        .and_then(Value::as_str)
        .with_context(|| format!("{name}: its ConfigMap has no forecall.yaml"))?;
    settings::check(site, name, text)?;
    if yaml::of_kind(resources, "KafkaTopic").next().is_some() {
        let created = settings::ask(site, text, &["topics", "create", "--dry-run"])?;
        let rights = settings::ask(site, text, &["doctor", "--acls", "User:forecall"])?;
        custom::same_as_forecall(resources, &created, &rights).with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// The pod that has all stages; the hash that Kustomize puts behind its ConfigMap's name is taken off.
fn pod(resources: &[Value]) -> Result<Value> {
    let map = yaml::of_kind(resources, "ConfigMap").next();
    let name = map.map_or("", |map| yaml::text(map, "/metadata/name"));
    let set = yaml::of_kind(resources, "StatefulSet")
        .find(|set| yaml::text(set, "/metadata/name") == "forecall")
        .context("there is no StatefulSet `forecall`")?;
    let mut pod = set
        .pointer("/spec/template/spec")
        .cloned()
        .context("its StatefulSet has no pod")?;
    let volumes = pod.get_mut("volumes").and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten() {
        if let Some(Value::String(mounted)) = volume.pointer_mut("/configMap/name")
            && mounted == name
        {
            "forecall".clone_into(mounted);
        }
    }
    Ok(pod)
}
