//! One broker process: its folder, settings, start and stop.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// A broker is ready in 5–10 s on two idle cores; 90 s covers a machine that is compiling.
const READY_WAIT_MAX: Duration = Duration::from_secs(90);
/// A clean stop takes 1–3 s; after 30 s it hangs and is killed.
const STOP_WAIT_MAX: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(100);
const CONNECT_WAIT_MAX: Duration = Duration::from_millis(500);
/// Enough for tests with tens of topics, small enough to leave room for the compiler.
const HEAP_MB: u32 = 512;
const MAIN_CLASS: &str = "kafka.Kafka";
const STARTED: &str = "Kafka Server started";

/// A broker that lives in a folder and listens on a loopback port.
pub(crate) struct Broker {
    folder: PathBuf,
    port: u16,
    /// Where a proxy before the second listener is reached; `None`: there is no second listener.
    proxy: Option<u16>,
}

impl Broker {
    pub(crate) fn new(folder: PathBuf, port: u16) -> Self {
        Self {
            folder,
            port,
            proxy: None,
        }
    }

    /// Gives it a second listener, on the port after the controller's, that says it is reached at `proxy`.
    pub(crate) fn with_proxy(mut self, proxy: Option<u16>) -> Self {
        self.proxy = proxy;
        self
    }

    /// The port of the second listener.
    pub(crate) fn second_port(&self) -> u16 {
        self.controller_port().saturating_add(1)
    }

    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its process, if it runs and really is ours: a recycled id doesn't count.
    pub(crate) fn pid(&self) -> Option<u32> {
        let pid = fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        let words = process::cmdline(pid)?;
        let settings = self.settings_file().to_string_lossy().into_owned();
        (words.iter().any(|word| word == MAIN_CLASS) && words.contains(&settings)).then_some(pid)
    }

    pub(crate) fn describe(&self) -> String {
        match self.pid() {
            Some(pid) => format!(
                "up: {} (pid {pid}, data in {})",
                self.bootstrap(),
                self.folder.display()
            ),
            None => format!("down: nothing of ours runs on {}", self.bootstrap()),
        }
    }

    /// Formats the storage if need be, starts the broker and waits until it takes requests. Nothing is left
    /// running when this fails.
    pub(crate) fn up(&self, java: &Path, libs: &Path) -> Result<()> {
        if self.pid().is_some() {
            return self.wait_ready(None);
        }
        for port in [self.port, self.controller_port()] {
            ensure!(
                !is_open(port),
                "port {port} is taken by another program: choose another with --port"
            );
        }
        fs::create_dir_all(&self.folder).with_context(|| format!("can't make {}", self.folder.display()))?;
        self.write("server.properties", &self.settings())?;
        self.write("log4j2.properties", LOGGING)?;
        self.format(java, libs)?;
        let log = self.log_file();
        let output = File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
        let mut child = self
            .jvm(
                java,
                libs,
                &[
                    format!("-Xms{HEAP_MB}m"),
                    format!("-Xmx{HEAP_MB}m"),
                    "-XX:+UseG1GC".to_owned(),
                ],
            )
            .args([MAIN_CLASS.into(), self.settings_file().into_os_string()])
            .stdin(Stdio::null())
            .stderr(output.try_clone().context("can't share the log file")?)
            .stdout(output)
            // Its own group: Ctrl-C on a later command in this terminal must not reach it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("can't start {}", java.display()))?;
        let ready = fs::write(self.pid_file(), child.id().to_string())
            .context("can't write the broker's pid file")
            .and_then(|()| self.wait_ready(Some(&mut child)));
        if ready.is_err() {
            // The reason it isn't ready is the error to tell; a child that is dead already needs no killing.
            let _dead = child.kill();
            let _status = child.wait();
            let _gone = fs::remove_file(self.pid_file());
        }
        ready
    }

    /// Stops it; tells whether it ran.
    pub(crate) fn down(&self) -> Result<bool> {
        let Some(pid) = self.pid() else {
            // A file of a broker that died: nothing to stop.
            let _stale = fs::remove_file(self.pid_file());
            return Ok(false);
        };
        process::signal("TERM", &pid.to_string())?;
        let asked = Instant::now();
        while self.pid() == Some(pid) {
            if asked.elapsed() > STOP_WAIT_MAX {
                eprintln!(
                    "xtask: the broker (pid {pid}) didn't stop in {} s: killed",
                    STOP_WAIT_MAX.as_secs()
                );
                process::signal("KILL", &pid.to_string())?;
                break;
            }
            std::thread::sleep(POLL_EVERY);
        }
        fs::remove_file(self.pid_file()).context("can't remove the broker's pid file")?;
        Ok(true)
    }

    fn wait_ready(&self, mut child: Option<&mut Child>) -> Result<()> {
        let asked = Instant::now();
        loop {
            process::check_stop()?;
            let log = fs::read_to_string(self.log_file()).unwrap_or_default();
            if log.contains(STARTED) && is_open(self.port) {
                return Ok(());
            }
            let ended = match child.as_mut() {
                Some(child) => child.try_wait().context("lost the broker")?.is_some(),
                None => self.pid().is_none(),
            };
            if ended || asked.elapsed() > READY_WAIT_MAX {
                bail!(
                    "the broker on port {} {}; the end of {}:\n{}",
                    self.port,
                    if ended {
                        "stopped"
                    } else {
                        "isn't ready after 90 s"
                    },
                    self.log_file().display(),
                    process::tail(&self.log_file()),
                );
            }
            std::thread::sleep(POLL_EVERY);
        }
    }

    fn format(&self, java: &Path, libs: &Path) -> Result<()> {
        if self.data_folder().join("meta.properties").is_file() {
            return Ok(());
        }
        let small = ["-Xmx128m".to_owned(), "-XX:TieredStopAtLevel=1".to_owned()];
        let mut command = self.jvm(java, libs, &small);
        // One node, thrown away at will: one cluster id for all. Ignoring what is formatted makes a try that was
        // cut off repeatable.
        command.args([
            "kafka.tools.StorageTool",
            "format",
            "--ignore-formatted",
            "-t",
            "Zm9yZWNhbGwtZGV2LTAwMQ",
            "-c",
        ]);
        command.arg(self.settings_file());
        process::run_logged(&mut command, &self.folder.join("format.log"))
            .context("can't format Kafka's storage")
    }

    fn jvm(&self, java: &Path, libs: &Path, options: &[String]) -> Command {
        let mut logging = OsString::from("-Dlog4j2.configurationFile=");
        logging.push(self.folder.join("log4j2.properties"));
        let mut command = Command::new(java);
        command
            .args(options)
            .arg("-Djava.awt.headless=true")
            .arg(logging)
            .arg("-cp")
            .arg(libs.join("*"));
        command
    }

    fn settings(&self) -> String {
        let (port, controller) = (self.port, self.controller_port());
        let second = |at: u16| {
            self.proxy
                .map_or(String::new(), |_| format!(",PROXIED://127.0.0.1:{at}"))
        };
        let (second, advertised) = (second(self.second_port()), second(self.proxy.unwrap_or_default()));
        format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{second}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT\n\
             log.dirs={}\n\
             # A topic nobody created is a mistake to see, not to paper over.\n\
             auto.create.topics.enable=false\n\
             # One node: every internal topic has one copy, and few partitions so that it starts fast.\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=4\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             # Tests join and crash: no waiting for further members, short sessions allowed.\n\
             group.initial.rebalance.delay.ms=0\n\
             group.min.session.timeout.ms=1000\n",
            self.data_folder().display(),
        )
    }

    fn controller_port(&self) -> u16 {
        self.port.saturating_add(1)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.join(name);
        fs::write(&file, text).with_context(|| format!("can't write {}", file.display()))
    }

    fn settings_file(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("broker.log")
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.folder.join("broker.pid")
    }

    fn data_folder(&self) -> PathBuf {
        self.folder.join("log")
    }
}

/// Warnings and worse, and the one line that says the broker has started.
const LOGGING: &str = "\
appender.console.type = Console
appender.console.name = STDOUT
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.stdout.ref = STDOUT
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
";

fn is_open(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), CONNECT_WAIT_MAX).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(name: &str) -> Broker {
        let folder = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Broker::new(folder, 19_500)
    }

    #[test]
    fn another_process_with_our_pid_is_not_ours() {
        let broker = broker("pid");
        fs::write(broker.pid_file(), std::process::id().to_string()).unwrap();
        assert_eq!(broker.pid(), None);
        assert!(!broker.down().unwrap());
        assert!(!broker.pid_file().exists());
        fs::remove_dir_all(&broker.folder).unwrap();
    }

    #[test]
    fn it_listens_on_loopback_only() {
        let settings = broker("settings").settings();
        assert!(
            settings.contains("listeners=PLAINTEXT://127.0.0.1:19500,CONTROLLER://127.0.0.1:19501\n"),
            "{settings}"
        );
        assert!(!settings.contains("0.0.0.0"));
    }

    #[test]
    fn a_second_listener_is_reached_by_the_proxy() {
        let settings = broker("second").with_proxy(Some(19_503)).settings();
        assert!(
            settings.contains(
                "listeners=PLAINTEXT://127.0.0.1:19500,CONTROLLER://127.0.0.1:19501,PROXIED://127.0.0.1:19502\n\
                 advertised.listeners=PLAINTEXT://127.0.0.1:19500,PROXIED://127.0.0.1:19503\n"
            ),
            "{settings}"
        );
    }

    #[test]
    fn a_taken_port_is_said() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let broker = Broker::new(std::env::temp_dir().join("xtask-never-made"), port);
        let error = broker
            .up(Path::new("java"), Path::new("libs"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("taken by another program"), "{error}");
    }
}
