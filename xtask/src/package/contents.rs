//! What lies where in the Debian package, and what it says of itself.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{elf, notices, output, quiet};

const MAINTAINER: &str = "forecall maintainers <forecall@users.noreply.github.com>";
const DOC: &str = "usr/share/doc/forecall";

/// Files as they stand in the repository: `from`, `to`, mode. A folder's files go one by one.
const FILES: [(&str, &str, u32); 12] = [
    ("deploy/debian/forecall.yaml", "etc/forecall/forecall.yaml", 0o644),
    (
        "deploy/debian/sysusers.conf",
        "usr/lib/sysusers.d/forecall.conf",
        0o644,
    ),
    (
        "deploy/systemd/forecall.service",
        "lib/systemd/system/forecall.service",
        0o644,
    ),
    (
        "deploy/systemd/forecall-dead-man.service",
        "lib/systemd/system/forecall-dead-man.service",
        0o644,
    ),
    (
        "deploy/forecall.example.yaml",
        "usr/share/doc/forecall/examples/forecall.example.yaml",
        0o644,
    ),
    (
        "deploy/prometheus/prometheus.example.yaml",
        "usr/share/doc/forecall/examples/prometheus.example.yaml",
        0o644,
    ),
    (
        "deploy/prometheus/alerts.yaml",
        "usr/share/forecall/prometheus/alerts.yaml",
        0o644,
    ),
    (
        "deploy/prometheus/recording.yaml",
        "usr/share/forecall/prometheus/recording.yaml",
        0o644,
    ),
    (
        "deploy/grafana/provisioning/dashboards/forecall.yaml",
        "usr/share/forecall/grafana/provisioning/dashboards/forecall.yaml",
        0o644,
    ),
    (
        "deploy/grafana/provisioning/datasources/forecall.yaml",
        "usr/share/forecall/grafana/provisioning/datasources/forecall.yaml",
        0o644,
    ),
    (
        "schemas/config.v1.json",
        "usr/share/forecall/config.v1.json",
        0o644,
    ),
    (
        "deploy/debian/lintian-overrides",
        "usr/share/lintian/overrides/forecall",
        0o644,
    ),
];
const BOARDS: (&str, &str) = (
    "deploy/grafana/dashboards",
    "usr/share/forecall/grafana/dashboards",
);
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
/// Files that an upgrade doesn't overwrite once they were changed.
const CONFFILES: &str = "/etc/forecall/forecall.yaml\n";
/// Shell, and where Debian keeps its completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/forecall"),
    ("zsh", "usr/share/zsh/vendor-completions/_forecall"),
    ("fish", "usr/share/fish/vendor_completions.d/forecall.fish"),
];

/// Name, version and machine of the package.
pub(super) struct Identity {
    version: String,
    machine: &'static str,
    date: String,
}

impl Identity {
    /// The workspace's version, the machine this program was built for, the time all files bear.
    pub(super) fn read(root: &Path, epoch: &str) -> Result<Self> {
        let manifest = read(&root.join("Cargo.toml"))?;
        let machine = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => bail!("nobody has tried a package for {other}"),
        };
        Ok(Self {
            version: version(&manifest).context("Cargo.toml names no version of the workspace")?,
            machine,
            date: output(Command::new("date").args(["-u", "-R", "-d", &format!("@{epoch}")]))?
                .trim()
                .to_owned(),
        })
    }

    pub(super) fn file_name(&self) -> String {
        format!("forecall_{}-1_{}.deb", self.version, self.machine)
    }
}

fn version(manifest: &str) -> Option<String> {
    let section = manifest.split("[workspace.package]").nth(1)?;
    let line = section.lines().find(|line| line.starts_with("version"))?;
    Some(line.split('"').nth(1)?.to_owned())
}

/// Puts everything where it belongs below `tree`.
pub(super) fn lay_out(root: &Path, binary: &Path, tree: &Path, identity: &Identity) -> Result<()> {
    let program = tree.join("usr/bin/forecall");
    copy(binary, &program, 0o755)?;
    quiet(
        Command::new("strip")
            .args(["--strip-unneeded", "--remove-section=.comment"])
            .arg(&program),
    )?;
    for (from, to, mode) in FILES {
        copy(&root.join(from), &tree.join(to), mode)?;
    }
    for entry in sorted(&root.join(BOARDS.0))? {
        let name = entry.file_name().unwrap_or_default();
        copy(&entry, &tree.join(BOARDS.1).join(name), 0o644)?;
    }
    for (shell, to) in COMPLETIONS {
        let text = output(Command::new(binary).args(["completions", shell]))?;
        write(&tree.join(to), &text, 0o644)?;
    }
    let pages = tree.join("usr/share/man/man1");
    std::fs::create_dir_all(&pages).with_context(|| format!("can't make {}", pages.display()))?;
    quiet(Command::new(binary).args(["man", "--out"]).arg(&pages))?;
    let doc = tree.join(DOC);
    write(&doc.join("copyright"), &copyright(root)?, 0o644)?;
    write(&doc.join("changelog"), &read(&root.join("CHANGELOG.md"))?, 0o644)?;
    write(&doc.join("changelog.Debian"), &changelog(identity), 0o644)?;
    compress(&sorted(&pages)?)?;
    write(&doc.join("licences-of-libraries"), &notices::text(root)?, 0o644)?;
    compress(&[
        doc.join("changelog"),
        doc.join("changelog.Debian"),
        doc.join("licences-of-libraries"),
    ])?;
    folders(tree)?;
    control(root, tree, &program, identity)
}

/// The part that dpkg itself reads.
fn control(root: &Path, tree: &Path, program: &Path, identity: &Identity) -> Result<()> {
    let folder = tree.join("DEBIAN");
    let files = files(tree)?;
    let mut sums = String::new();
    let mut kib = 0;
    for file in &files {
        let path = file.strip_prefix(tree).unwrap_or(file);
        let told = output(Command::new("md5sum").arg(path).current_dir(tree))?;
        // Configuration has sums of its own.
        if !path.starts_with("etc") {
            sums.push_str(&told);
        }
        kib += file
            .metadata()
            .with_context(|| format!("can't look at {}", file.display()))?
            .len()
            .div_ceil(1024);
    }
    for name in SCRIPTS {
        copy(&root.join("deploy/debian").join(name), &folder.join(name), 0o755)?;
    }
    write(&folder.join("conffiles"), CONFFILES, 0o644)?;
    write(&folder.join("md5sums"), &sums, 0o644)?;
    let bytes = std::fs::read(program).with_context(|| format!("can't read {}", program.display()))?;
    let mut depends = format!("libc6 (>= {})", elf::libc_version(&bytes)?);
    if elf::names(&bytes, "libgcc_s.so.1") {
        depends.push_str(", libgcc-s1 (>= 4.2)");
    }
    let text = format!(
        "Package: forecall\n\
         Version: {}-1\n\
         Architecture: {}\n\
         Maintainer: {MAINTAINER}\n\
         Installed-Size: {kib}\n\
         Depends: {depends}, ca-certificates, systemd | systemd-standalone-sysusers | systemd-sysusers\n\
         Suggests: prometheus, prometheus-alertmanager, sqlite3\n\
         Section: net\n\
         Priority: optional\n\
         Homepage: https://github.com/forecall/forecall\n\
         Description: tell customers of an incident before they call\n \
         forecall reads service telemetry from Kafka and predicts the incidents that\n \
         customers will feel. It tells those customers before they call, and the\n \
         contact centre how many calls will come, with and without the notice.\n \
         .\n \
         The package has the program, units for systemd, a first configuration, and\n \
         what Grafana and Prometheus need. Nothing is started at the installation.\n",
        identity.version, identity.machine
    );
    write(&folder.join("control"), &text, 0o644)?;
    folders(tree)
}

/// The licences' file: that of the MIT licence has its text in it, as Debian wants it.
fn copyright(root: &Path) -> Result<String> {
    let mut text = read(&root.join("deploy/debian/copyright"))?;
    text.push_str("\nLicense: MIT\n");
    let licence = read(&root.join("LICENSE-MIT"))?;
    let body = licence.lines().skip_while(|line| !line.starts_with("Permission"));
    for line in body {
        let line = line.trim_end();
        text.push_str(&format!(" {}\n", if line.is_empty() { "." } else { line }));
    }
    Ok(text)
}

fn changelog(identity: &Identity) -> String {
    format!(
        "forecall ({}-1) unstable; urgency=medium\n\n  * What is new in {} is in changelog.gz beside this file.\n\n -- {MAINTAINER}  {}\n",
        identity.version, identity.version, identity.date
    )
}

/// gzip without name and time.
fn compress(files: &[PathBuf]) -> Result<()> {
    quiet(Command::new("gzip").args(["-9", "-n", "-f"]).args(files))?;
    for file in files {
        let mut name = file.clone().into_os_string();
        name.push(".gz");
        set_mode(Path::new(&name), 0o644)?;
    }
    Ok(())
}

/// Modes don't hang on the umask of whoever packs.
fn folders(tree: &Path) -> Result<()> {
    set_mode(tree, 0o755)?;
    for entry in sorted(tree)? {
        if entry.is_dir() {
            folders(&entry)?;
        }
    }
    Ok(())
}

/// All files below a folder, in order of their paths.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in sorted(folder)? {
        if entry.is_dir() {
            found.extend(files(&entry)?);
        } else {
            found.push(entry);
        }
    }
    Ok(found)
}

pub(super) fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(
            entry
                .with_context(|| format!("can't read {}", folder.display()))?
                .path(),
        );
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    make_parent(path)?;
    std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))?;
    set_mode(path, mode)
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    make_parent(to)?;
    std::fs::copy(from, to).with_context(|| format!("can't copy {} to {}", from.display(), to.display()))?;
    set_mode(to, mode)
}

fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).with_context(|| format!("can't make {}", parent.display()))
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("can't set the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_s_version_is_taken_not_a_crate_s() {
        let manifest = "[workspace]\n\n[workspace.package]\nversion = \"1.2.3\"\n\n[workspace.dependencies]\nx = { version = \"9\" }\n";
        assert_eq!(version(manifest).as_deref(), Some("1.2.3"));
        assert_eq!(version("[package]\nversion = \"1\"\n"), None);
    }
}
