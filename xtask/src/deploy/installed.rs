//! The Debian package: made twice, read by lintian, installed in a folder, used there, installed again, purged.
//!
//! Nothing of it touches the machine: `dpkg --root` with scripts that heed `DPKG_ROOT`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Site, say, settings, tools};
use crate::package;

/// What dpkg and systemd-sysusers keep in any root.
const NOT_OURS: [&str; 7] = [
    "var/lib/dpkg",
    "var/log",
    "etc/passwd",
    "etc/group",
    "etc/shadow",
    "etc/gshadow",
    "etc/.pwd.lock",
];

pub(super) fn check(site: &Site<'_>, deb: &Path) -> Result<()> {
    let first = read(deb)?;
    let again = read(&site.pack("again")?)?;
    ensure!(first == again, "the same program made two different packages");
    say("lintian");
    let lintian = tools::debian("lintian", "lintian")?;
    package::quiet(
        Command::new(lintian)
            .args(["--allow-root", "--fail-on", "error,warning", "--display-info"])
            .arg(deb),
    )?;
    say("dpkg --root: install, use, install again, purge");
    let root = site.work.join("root");
    install(&root, deb)?;
    in_use(site, &root)?;
    let key = root.join("etc/forecall/secrets/master_key");
    let before = read(&key)?;
    install(&root, deb)?;
    ensure!(read(&key)? == before, "a second installation made another key");
    // What a service would have left.
    let ledger = root.join("var/lib/forecall/ledger.sqlite");
    std::fs::create_dir_all(root.join("var/lib/forecall")).context("can't make the state's folder")?;
    std::fs::write(&ledger, "").context("can't write a ledger")?;
    dpkg(&root, &["--purge", "forecall"])?;
    let left: Vec<String> = files(&root, &root)?
        .into_iter()
        .filter(|path| !is_not_ours(path))
        .collect();
    ensure!(left.is_empty(), "a purge leaves {}", left.join(", "));
    Ok(())
}

fn install(root: &Path, deb: &Path) -> Result<()> {
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log", "etc"] {
        let folder = root.join(folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    }
    let status = root.join("var/lib/dpkg/status");
    if !status.exists() {
        std::fs::write(&status, "").context("can't write dpkg's list")?;
    }
    dpkg(root, &["--install", &deb.display().to_string()])
}

/// There are no other packages in that root, and no shell to change into it.
fn dpkg(root: &Path, words: &[&str]) -> Result<()> {
    let mut command = Command::new("dpkg");
    command
        .arg(format!("--root={}", root.display()))
        // Without it the machine's own log would tell of it.
        .arg(format!("--log={}", root.join("var/log/dpkg.log").display()))
        .args(["--force-script-chrootless", "--force-depends", "--force-confold"])
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive");
    package::quiet(&mut command)
        .context("it needs to be root, or fakeroot: files of a package belong to root")
}

/// The program answers, its configuration is right, secrets are nobody else's.
fn in_use(site: &Site<'_>, root: &Path) -> Result<()> {
    let program = root.join("usr/bin/forecall");
    let said = package::output(Command::new(&program).arg("--version"))?;
    let own = package::output(Command::new(&site.binary).arg("--version"))?;
    ensure!(said == own, "the packaged program says `{}`", said.trim());
    let text = read(&root.join("etc/forecall/forecall.yaml"))?;
    let text = String::from_utf8(text).context("the configuration is no text")?;
    let text = settings::at(&text, &root.join("etc/forecall/secrets"));
    let path = site.write("installed.yaml", &text)?;
    package::quiet(Command::new(&program).arg("check").arg(path))
        .context("the first configuration with the keys that were made")?;
    for (path, mode) in [
        ("etc/forecall/secrets", 0o700),
        ("etc/forecall/secrets/master_key", 0o600),
        ("etc/forecall/secrets/pseudonym_key", 0o600),
    ] {
        let found = mode_of(&root.join(path))?;
        ensure!(found == mode, "{path} has mode {found:o}, not {mode:o}");
    }
    let users = read(&root.join("etc/passwd"))?;
    let users = String::from_utf8_lossy(&users);
    ensure!(
        users
            .lines()
            .any(|line| line.starts_with("forecall:") && line.ends_with(":/usr/sbin/nologin")),
        "there is no user `forecall` without a login"
    );
    for file in [
        "usr/share/man/man1/forecall.1.gz",
        "usr/share/man/man1/forecall-dead-man.1.gz",
        "usr/share/bash-completion/completions/forecall",
        "usr/share/zsh/vendor-completions/_forecall",
        "usr/share/fish/vendor_completions.d/forecall.fish",
        "usr/share/forecall/grafana/dashboards/forecall-overview.json",
        "usr/share/doc/forecall/licences-of-libraries.gz",
    ] {
        ensure!(root.join(file).is_file(), "/{file} isn't in the package");
    }
    let completions = root.join("usr/share/bash-completion/completions/forecall");
    package::quiet(Command::new("bash").arg("-n").arg(completions))
}

fn mode_of(path: &Path) -> Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = path
        .metadata()
        .with_context(|| format!("{} isn't there", path.display()))?;
    Ok(metadata.permissions().mode() & 0o777)
}

fn is_not_ours(path: &str) -> bool {
    NOT_OURS.iter().any(|begin| path.starts_with(begin))
}

/// All that is no folder, and folders with nothing in them that we named, as paths within the root.
fn files(root: &Path, folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in super::yaml::names(folder)? {
        let path: PathBuf = folder.join(name);
        let inside = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if path.is_dir() && !path.is_symlink() {
            if inside.contains("forecall") {
                found.push(inside.clone());
            }
            found.extend(files(root, &path)?);
        } else {
            found.push(inside);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("can't read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_seen_but_not_what_dpkg_keeps() {
        assert!(is_not_ours("var/lib/dpkg/status"));
        assert!(is_not_ours("etc/passwd-"));
        assert!(!is_not_ours("etc/forecall/secrets/master_key"));
        assert!(!is_not_ours("var/lib/forecall"));
    }
}
