//! `package`: what is handed to operators is made here from the built program, the same bytes each time.

mod contents;
mod elf;
mod notices;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{apt, process, test};

/// Where packages lie; ignored by git like all of `target`.
const OUT: &str = "target/package";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// A Debian package: program, units, first configuration, manual pages, completions, dashboards, rules.
    #[command(
        after_help = "Examples:\n  cargo build --release --locked && cargo xtask package deb\n  \
                      cargo xtask package deb --binary forecall --out dist\n\n\
                      The same program makes the same bytes: times are those of the last commit, or SOURCE_DATE_EPOCH."
    )]
    Deb(DebArgs),
}

#[derive(clap::Args)]
pub(crate) struct DebArgs {
    /// The program; without it the one that `cargo build --release` leaves.
    #[arg(long)]
    pub(crate) binary: Option<PathBuf>,
    /// Folder for the package.
    #[arg(long, default_value = OUT)]
    pub(crate) out: PathBuf,
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    match &args.what {
        What::Deb(args) => {
            let package = deb(root, args)?;
            println!("{}", package.display());
            Ok(())
        }
    }
}

/// Makes the package and says where it is.
pub(crate) fn deb(root: &Path, args: &DebArgs) -> Result<PathBuf> {
    prepare()?;
    let binary = args.binary.clone().unwrap_or_else(|| test::binary(root));
    ensure!(
        binary.is_file(),
        "{} isn't there: cargo build --release --locked",
        binary.display()
    );
    let out = root.join(&args.out);
    let tree = out.join("tree");
    if tree.exists() {
        std::fs::remove_dir_all(&tree).with_context(|| format!("can't remove {}", tree.display()))?;
    }
    let epoch = epoch(root)?;
    let identity = contents::Identity::read(root, &epoch)?;
    contents::lay_out(root, &binary, &tree, &identity)?;
    let package = out.join(identity.file_name());
    let mut command = Command::new("dpkg-deb");
    // One thread: the blocks that xz cuts hang on their number.
    command
        .args([
            "--root-owner-group",
            "--threads-max=1",
            // Of five times the work comes a package that is an eighth smaller.
            "-Zxz",
            "-z1",
            "--uniform-compression",
            "--build",
        ])
        .arg(&tree)
        .arg(&package)
        .env("SOURCE_DATE_EPOCH", &epoch);
    quiet(&mut command)?;
    std::fs::remove_dir_all(&tree).with_context(|| format!("can't remove {}", tree.display()))?;
    Ok(package)
}

/// What the package is made with is in every Debian but for `strip`, which comes with the compiler.
fn prepare() -> Result<()> {
    for (program, package) in [("dpkg-deb", "dpkg"), ("strip", "binutils"), ("gzip", "gzip")] {
        if process::on_path(program).is_none() {
            apt::install(&[package], program)?;
        }
    }
    Ok(())
}

/// Seconds since 1970 that all files of the package bear.
fn epoch(root: &Path) -> Result<String> {
    if let Some(given) = std::env::var_os("SOURCE_DATE_EPOCH") {
        let given = given.to_string_lossy().into_owned();
        ensure!(
            given.parse::<u64>().is_ok(),
            "SOURCE_DATE_EPOCH is `{given}`, no whole number of seconds"
        );
        return Ok(given);
    }
    output(
        Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .current_dir(root),
    )
    .map(|text| text.trim().to_owned())
    .context("can't tell the last commit's time: set SOURCE_DATE_EPOCH")
}

/// Runs a command; what it says is told only where it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<()> {
    output(command).map(|_said| ())
}

/// Runs a command and gives what it wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("can't start `{name}`: is it installed?"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success(),
        "`{name}` failed ({}):\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    Ok(text(&output.stdout))
}
