//! Configurations of forecall wherever they stand: the program itself says whether they are right.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::Site;
use crate::package;

/// Where secrets lie on a host and in a pod.
const SECRETS: &str = "/etc/forecall/secrets";
/// What the examples take from the environment; none of it opens anything.
const ENVIRONMENT: [&str; 7] = [
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_USERNAME",
    "KAFKA_PASSWORD",
    "SMTP_USERNAME",
    "SMTP_PASSWORD",
    "FORECALL_MASTER_KEY",
    "FORECALL_PSEUDONYM_KEY",
];

/// A key as the settings want one.
pub(super) fn key(digit: char) -> String {
    std::iter::repeat_n(digit, 64).collect()
}

/// `forecall check` of this text. Its secrets are read from a folder of this run.
pub(super) fn check(site: &Site<'_>, of: &str, text: &str) -> Result<()> {
    let path = stage(site, text)?;
    package::output(command(site).arg("check").arg(&path))
        .map(|_said| ())
        .with_context(|| format!("{of}: forecall refuses it"))
}

/// What a command of forecall prints that is given this configuration behind its words.
pub(super) fn ask(site: &Site<'_>, text: &str, words: &[&str]) -> Result<String> {
    let path = stage(site, text)?;
    package::output(command(site).args(words).arg("--config").arg(&path))
}

fn stage(site: &Site<'_>, text: &str) -> Result<std::path::PathBuf> {
    let secrets = site.work.join("secrets");
    std::fs::create_dir_all(&secrets).with_context(|| format!("can't make {}", secrets.display()))?;
    for (name, value) in [
        ("master_key", key('5')),
        ("pseudonym_key", key('a')),
        ("kafka_password", "password".to_owned()),
        ("s3_access", "access".to_owned()),
        ("s3_secret", "secret".to_owned()),
        ("restart", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
    ] {
        site.write(&format!("secrets/{name}"), &value)?;
    }
    site.write("forecall.yaml", &at(text, &secrets))
}

/// The configuration with its secrets in another folder.
pub(super) fn at(text: &str, secrets: &Path) -> String {
    text.replace(SECRETS, &secrets.display().to_string())
}

fn command(site: &Site<'_>) -> Command {
    let mut command = Command::new(&site.binary);
    for name in ENVIRONMENT {
        let value = match name {
            "KAFKA_BOOTSTRAP_SERVERS" => "kafka:9093".to_owned(),
            "FORECALL_MASTER_KEY" => key('5'),
            "FORECALL_PSEUDONYM_KEY" => key('a'),
            _ => "example".to_owned(),
        };
        command.env(name, value);
    }
    command
}
