//! Programs that a test starts: ended with it, by their id; what they say goes to a file, and is shown if the test fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How often something is looked at that is waited for.
pub(crate) const POLL_EVERY: Duration = Duration::from_millis(50);
/// Lines shown of a program's output when the test fails.
const LINES_SHOWN: usize = 60;

/// What `cargo xtask test` says in an environment variable.
pub(crate) fn told(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run `cargo xtask test`"))
}

/// A name no other test and no other run has.
pub(crate) fn unique(test: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    format!(
        "e2e-{test}-{}-{}-{}",
        since.as_secs(),
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Looks until there is something to see.
///
/// # Panics
/// Nothing is seen in time.
pub(crate) fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < within, "{what}: not in {} s", within.as_secs());
        std::thread::sleep(POLL_EVERY);
    }
}

/// A folder below the target folder; stays if the test fails.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file of it and gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what was written is in {}", self.0.display());
        } else if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("can't remove {}: {error}", self.0.display());
        }
    }
}

/// A running program.
pub(crate) struct Program {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Program {
    /// Starts it; output and errors go to `<name>.log` in the folder.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let output = folder.join(format!("{name}.log"));
        let file = File::create(&output).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("can't start {name}: {error}"));
        Self {
            name: name.to_owned(),
            child,
            output,
        }
    }

    /// What it has said so far.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap()).into_owned()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails if it has ended.
    pub(crate) fn check_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} has ended: {status}", self.name);
        }
    }

    /// SIGTERM; the status it ends with.
    pub(crate) fn terminate(&mut self, within: Duration) -> ExitStatus {
        let id = self.child.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s TERM \"$1\"", "sh", &id])
            .status()
            .unwrap();
        assert!(sent.success(), "can't send SIGTERM to {}", self.name);
        self.wait(within)
    }

    /// The status it ends with by itself.
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        wait_for(&format!("the end of {}", self.name), within, || {
            self.child.try_wait().unwrap()
        })
    }

    /// SIGKILL: nothing of it runs any more afterwards.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let status = self.child.wait();
        if std::thread::panicking() {
            let text = self.output();
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
            eprintln!("--- {} ({status:?}):\n{}\n---", self.name, last.join("\n"));
        }
    }
}
