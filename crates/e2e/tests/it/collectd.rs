//! collectd with its `write_kafka` plugin, sending this machine's own metrics once a second.

use std::path::Path;
use std::process::Command;

use crate::broker::bootstrap;
use crate::process::{Folder, Program, told};

/// Starts it in the foreground.
pub(crate) fn start(topic: &str, folder: &Folder) -> Program {
    let place = folder.path().display();
    let text = format!(
        "Hostname \"e2e-host\"
FQDNLookup false
BaseDir \"{place}\"
PIDFile \"{place}/collectd.pid\"
Interval 1
LoadPlugin cpu
LoadPlugin load
LoadPlugin memory
LoadPlugin processes
LoadPlugin write_kafka
<Plugin cpu>
  ReportByCpu false
  ReportByState false
  ValuesPercentage true
</Plugin>
<Plugin write_kafka>
  Property \"metadata.broker.list\" \"{}\"
  <Topic \"{topic}\">
    Format JSON
  </Topic>
</Plugin>
",
        bootstrap()
    );
    let configuration = folder.write("collectd.conf", &text);
    let program = told("FORECALL_E2E_COLLECTD");
    let mut command = Command::new(Path::new(&program));
    command.arg("-f").arg("-C").arg(configuration);
    Program::start("collectd", &mut command, folder.path())
}
