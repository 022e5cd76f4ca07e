//! A CPU hog: the trouble that collectd shows.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Program;

/// Many, so that the run queue grows beyond doubt on any machine, busy or not; at the lowest priority, so that nothing
/// else is held up.
const LOOPS: u32 = 64;
/// It ends by itself, should the test be killed.
const LASTS: Duration = Duration::from_secs(120);

/// Busy loops, ended when dropped.
pub(crate) struct CpuHog {
    _loops: Vec<Program>,
}

impl CpuHog {
    pub(crate) fn start(folder: &Path) -> Self {
        let one = |number| {
            let mut command = Command::new("nice");
            command.args(["-n", "19", "sh", "-c"]);
            command.arg(format!("ulimit -t {}; while :; do :; done", LASTS.as_secs()));
            Program::start(&format!("hog-{number}"), &mut command, folder)
        };
        Self {
            _loops: (0..LOOPS).map(one).collect(),
        }
    }
}
