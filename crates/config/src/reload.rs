//! What another file means to a process that runs: nothing, another log level, other settings of the stages, or what only a
//! start can do.

use std::fmt;
use std::path::Path;

use forecall_types::Fingerprint;

use crate::expand::expand;
use crate::settings::Settings;

/// What stood in a file, its references replaced. Secrets are in it: it is compared and never shown.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Written {
    /// All of it.
    all: Fingerprint,
    /// Without the entry `logs`.
    but_logs: Fingerprint,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

impl Written {
    pub(crate) fn of(expanded: &str) -> Self {
        Self {
            all: Fingerprint::of(expanded.as_bytes()),
            but_logs: Fingerprint::of(without_logs(expanded).as_bytes()),
        }
    }

    /// What stood in files beside it.
    pub(crate) fn add(&mut self, files: &[(String, Vec<u8>)]) {
        for (_, bytes) in files {
            self.all = self.all.chain(bytes);
            self.but_logs = self.but_logs.chain(bytes);
        }
    }
}

/// The text without the top-level entry `logs:` and what is indented below it. Where the file is written otherwise, more stays
/// than need be, and a change of it is taken for one of the stages.
fn without_logs(text: &str) -> String {
    let mut is_in = false;
    let keeps = |line: &&str| {
        let is_top = line.starts_with(|c: char| !c.is_whitespace() && c != '#');
        if is_top {
            is_in = *line == "logs:" || line.starts_with("logs: ");
        }
        !is_in
    };
    text.lines().filter(keeps).collect::<Vec<_>>().join("\n")
}

/// What a running process has to do to hold by other settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The same text.
    Nothing,
    /// Only what is logged.
    Logs,
    /// The stages go on under other settings.
    Stages,
}

/// A setting that a running process can't change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    /// Its name.
    pub setting: &'static str,
    /// What to do instead.
    pub remedy: &'static str,
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` can't change while it runs: {}",
            self.setting, self.remedy
        )
    }
}

const RESTART: &str = "restart the process with the new file";
const NEW_NAMES: &str = "it names memory, groups and topics: stop all processes of the installation and start them with the new file; \
                         what was remembered under the old name stays there";
const SAME_KEY: &str = "what was made with the old key can't be read or matched with another: keys are never changed in place, see docs/sre.md";
const STORED: &str =
    "stop the process, bring what is stored to the new place, and start it with the new file";

impl Settings {
    /// What it takes a process that runs under `self` to run under `other`.
    ///
    /// # Errors
    /// Each setting that can't change while it runs, with the remedy; then nothing is to be changed.
    pub fn change_to(&self, other: &Self) -> Result<Change, Vec<Fixed>> {
        let fixed = self.fixed(other);
        if !fixed.is_empty() {
            return Err(fixed);
        }
        Ok(if self.written == other.written {
            Change::Nothing
        } else if self.written.but_logs == other.written.but_logs {
            Change::Logs
        } else {
            Change::Stages
        })
    }

    fn fixed(&self, other: &Self) -> Vec<Fixed> {
        let country = |s: &Self| s.directory.as_ref().map(|d| d.country_code.clone());
        let api = |s: &Self| s.api.as_ref().map(|api| api.listen);
        let feeds = |s: &Self| s.feeds.as_ref().map(|feeds| feeds.listen);
        let all = [
            ("domain", self.domain != other.domain, NEW_NAMES),
            ("simulated", self.simulated != other.simulated, RESTART),
            ("group", self.group != other.group, NEW_NAMES),
            ("kafka", self.kafka != other.kafka, RESTART),
            (
                "topics.prefix",
                self.topics.prefix != other.topics.prefix,
                NEW_NAMES,
            ),
            (
                "topics.partitions",
                self.topics.partitions != other.topics.partitions,
                "stop the process and follow docs/runbooks/grown-topic.md",
            ),
            (
                "topics.replication",
                self.topics.replication != other.topics.replication,
                RESTART,
            ),
            ("topics.dev", self.topics.dev != other.topics.dev, RESTART),
            ("ledger.path", self.ledger.path != other.ledger.path, STORED),
            (
                "ledger.master_key",
                self.ledger.master_key != other.ledger.master_key,
                SAME_KEY,
            ),
            (
                "ledger.pseudonym_key",
                self.ledger.pseudonym_key != other.ledger.pseudonym_key,
                SAME_KEY,
            ),
            (
                "directory.country_code",
                country(self) != country(other),
                SAME_KEY,
            ),
            ("state.path", self.state.path != other.state.path, STORED),
            ("state.store", self.state.store != other.state.store, STORED),
            ("state.hosts", self.state.hosts != other.state.hosts, RESTART),
            ("http", self.http != other.http, RESTART),
            ("api.listen", api(self) != api(other), RESTART),
            ("feeds.listen", feeds(self) != feeds(other), RESTART),
            ("logs.format", self.logs.format != other.logs.format, RESTART),
        ];
        let changed = all.into_iter().filter(|(_, is_other, _)| *is_other);
        changed
            .map(|(setting, _, remedy)| Fixed { setting, remedy })
            .collect()
    }
}

/// What stands in a file at present, and in those that its `${file:…}` name: for whoever watches it. `None`: it can't be read,
/// as in the moment in which it is replaced.
pub fn glance(path: &Path) -> Option<Fingerprint> {
    let text = std::fs::read_to_string(path).ok()?;
    // One that is broken is another text too: it is read and refused with the reason.
    let expanded = expand(&text).map_or(text, |expanded| expanded.text);
    Some(Fingerprint::of(expanded.as_bytes()))
}
