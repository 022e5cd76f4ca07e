//! `deploy`: everything below `deploy/` is read by the program that will read it, or by the nearest to it that can be had.

mod charts;
mod custom;
mod images;
mod installed;
mod joined;
mod settings;
mod tools;
mod units;
mod yaml;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::package::{self, DebArgs};
use crate::{process, repo, test};

/// The parts, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The Debian package: twice the same bytes, lintian, installed and purged in a folder.
    Package,
    /// systemd's units: systemd-analyze verify and security.
    Units,
    /// Dockerfile, compose file, and what it mounts: hadolint, the compose schema, promtool, amtool.
    Images,
    /// The Helm chart: helm, the schemas of Kubernetes, those of the operators it has resources for.
    Chart,
    /// The Kustomize base: kubectl kustomize, the schemas of Kubernetes, and that it says what the chart says.
    Kustomize,
    /// Workflows: actionlint.
    Workflows,
}

#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// The program; without it the one that `cargo build --release` leaves.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// What every part is given.
struct Site<'a> {
    root: &'a Path,
    /// The program itself, which reads its own configurations.
    binary: PathBuf,
    /// A folder of this run alone.
    work: PathBuf,
    deb: OnceCell<PathBuf>,
}

impl Site<'_> {
    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.work.join(name);
        std::fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
        Ok(path)
    }

    fn read(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.path(path)).with_context(|| format!("can't read {path}"))
    }
}

/// Runs all parts; says which failed, and why, at the end.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    process::listen_for_stop();
    let binary = args.binary.clone().unwrap_or_else(|| test::binary(root));
    ensure!(
        binary.is_file(),
        "{} isn't there: cargo build --release --locked",
        binary.display()
    );
    let work = repo::dev_dir(root).join("deploy-work");
    if work.exists() {
        std::fs::remove_dir_all(&work).with_context(|| format!("can't remove {}", work.display()))?;
    }
    std::fs::create_dir_all(&work).with_context(|| format!("can't make {}", work.display()))?;
    let site = Site {
        root,
        binary,
        work,
        deb: OnceCell::new(),
    };
    let mut failed = Vec::new();
    for part in Part::value_variants() {
        if !args.only.is_empty() && !args.only.contains(part) {
            continue;
        }
        process::check_stop()?;
        let name = part
            .to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned());
        println!("xtask: deploy: {name}");
        let began = Instant::now();
        if let Err(error) = part.check(&site) {
            println!("xtask: deploy: {name} failed: {error:#}");
            failed.push(name);
        } else {
            println!(
                "xtask: deploy: {name} is in order ({:.1} s)",
                began.elapsed().as_secs_f64()
            );
        }
    }
    if !failed.is_empty() {
        bail!("deploy: {} failed", failed.join(", "));
    }
    Ok(())
}

impl Part {
    fn check(self, site: &Site<'_>) -> Result<()> {
        match self {
            Self::Package => installed::check(site, site.deb()?),
            Self::Units => units::check(site, site.deb()?),
            Self::Images => images::check(site),
            Self::Chart => charts::check(site),
            Self::Kustomize => charts::check_kustomize(site),
            Self::Workflows => workflows(site),
        }
    }
}

impl Site<'_> {
    /// The package of this program; packed once a run.
    fn deb(&self) -> Result<&Path> {
        if let Some(deb) = self.deb.get() {
            return Ok(deb);
        }
        let deb = self.pack("package")?;
        Ok(self.deb.get_or_init(|| deb))
    }

    fn pack(&self, folder: &str) -> Result<PathBuf> {
        package::deb(
            self.root,
            &DebArgs {
                binary: Some(self.binary.clone()),
                out: self.work.join(folder),
            },
        )
    }
}

fn workflows(site: &Site<'_>) -> Result<()> {
    let actionlint = tools::actionlint(site)?;
    say("actionlint");
    let mut command = std::process::Command::new(actionlint);
    command.arg("-no-color").current_dir(site.root);
    for name in yaml::names(&site.path(".github/workflows"))? {
        command.arg(format!(".github/workflows/{name}"));
    }
    package::quiet(&mut command)
}

/// One line for each program that is run.
fn say(what: &str) {
    println!("xtask: deploy:   {what}");
}
