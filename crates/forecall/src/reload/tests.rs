use std::fmt::Write as _;
use std::sync::mpsc::Receiver;

use tempfile::TempDir;

use super::*;

/// Runs until it is halted, and writes down what it does. Under settings of the domain's detector `silence_score: 9` it can't be
/// built.
struct Fake {
    done: Arc<Mutex<String>>,
    begun: SyncSender<()>,
}

fn score(settings: &Settings) -> f64 {
    settings.detect.silence_score
}

impl House for Fake {
    type Stages = f64;

    fn build(&mut self, settings: &Settings) -> anyhow::Result<f64> {
        let score = score(settings);
        anyhow::ensure!(score < 9.0, "no gateway listens");
        let _ = write!(locked(&self.done), "build {score} · ");
        Ok(score)
    }

    fn run(&mut self, score: f64, halt: &Arc<AtomicBool>) -> anyhow::Result<Ending> {
        let _ = write!(locked(&self.done), "run {score} · ");
        let _ = self.begun.send(());
        while !halt.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(Ending::Clean)
    }

    fn taken(&mut self, settings: &Settings) {
        let _ = write!(locked(&self.done), "taken {} · ", score(settings));
    }
}

struct Bed {
    folder: TempDir,
    reloader: Arc<Reloader>,
    metrics: Metrics,
    stop: Arc<AtomicBool>,
    done: Arc<Mutex<String>>,
    begun: Receiver<()>,
    running: std::thread::JoinHandle<anyhow::Result<Ending>>,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("forecall.yaml");
        std::fs::write(&path, text(5)).unwrap();
        let settings = Settings::load(&path).unwrap();
        let metrics = Metrics::new();
        let look = Box::new(|settings: &Settings| {
            anyhow::ensure!(score(settings) < 8.0, "topic t isn't there");
            Ok(())
        });
        let reloader = Arc::new(Reloader::new(path, settings.clone(), metrics.clone(), look));
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (begun_tx, begun) = sync_channel(100);
        let mut fake = Fake {
            done: Arc::clone(&done),
            begun: begun_tx,
        };
        let (r, s) = (Arc::clone(&reloader), Arc::clone(&stop));
        let running = std::thread::spawn(move || run_house(&mut fake, settings, &r, &s));
        let bed = Self {
            folder,
            reloader,
            metrics,
            stop,
            done,
            begun,
            running,
        };
        bed.begun.recv().unwrap();
        bed
    }

    fn write(&self, text: &str) {
        std::fs::write(self.folder.path().join("forecall.yaml"), text).unwrap();
    }

    fn successful(&self) -> bool {
        let text = self.metrics.text();
        text.contains("\nforecall_config_last_reload_successful 1\n")
    }

    /// What was done, to the end.
    fn ends(self) -> String {
        self.stop.store(true, Ordering::SeqCst);
        self.running.join().unwrap().unwrap();
        locked(&self.done).clone()
    }
}

fn text(score: u8) -> String {
    format!("logs:\n  level: info\ndetect:\n  silence_score: {score}\n")
}

#[test]
fn other_settings_stop_the_stages_and_build_them_anew_and_the_same_do_when_asked_for() {
    let bed = Bed::new();
    assert!(bed.successful());
    bed.write(&text(6));
    let told = bed.reloader.reload("a test", false).unwrap();
    assert!(
        told.starts_with("the stages go on under the settings of digest "),
        "{told}"
    );
    bed.begun.recv().unwrap();
    // The same text: nobody who only watches means anything by it, whoever asks means the files it names.
    assert_eq!(
        bed.reloader.reload("the file has changed", true).unwrap(),
        "the settings are those of before"
    );
    bed.reloader.reload("SIGHUP", false).unwrap();
    bed.begun.recv().unwrap();
    assert!(bed.successful());
    assert_eq!(
        bed.ends(),
        "build 5 · run 5 · build 6 · taken 6 · run 6 · build 6 · taken 6 · run 6 · "
    );
}

#[test]
fn what_is_broken_fixed_or_not_there_leaves_the_stages_alone_and_says_why() {
    let bed = Bed::new();
    for (file, why) in [
        ("detect: {silence_scor: 6}\n", "silence_scor"),
        (
            "group: other\ndetect: {silence_score: 6}\n",
            "`group` can't change while it runs",
        ),
        (text(8).as_str(), "topic t isn't there"),
    ] {
        bed.write(file);
        let told = bed.reloader.reload("a test", false).unwrap_err();
        assert!(told.contains(why), "{told}");
        assert!(!bed.successful());
    }
    bed.write(&text(5));
    bed.reloader.reload("a test", true).unwrap();
    assert!(bed.successful(), "what was broken is as before again");
    bed.write(&text(5).replace("info", "warn"));
    let told = bed.reloader.reload("a test", true).unwrap();
    assert_eq!(told, "logs warn from now on; the stages were left alone");
    assert_eq!(bed.ends(), "build 5 · run 5 · ");
}

#[test]
fn stages_that_cannot_be_built_come_back_under_the_settings_of_before() {
    let bed = Bed::new();
    // Past the look: it stands in only at the build.
    let mut settings = locked(&bed.reloader.now).settings.clone();
    let mut detect = (*settings.detect).clone();
    detect.silence_score = 9.0;
    settings.detect = Arc::new(detect);
    let (told, answer) = sync_channel(1);
    {
        let mut now = locked(&bed.reloader.now);
        now.taken = Some(Taken { settings, told });
        now.halt.store(true, Ordering::SeqCst);
    }
    assert_eq!(answer.recv().unwrap(), Err("no gateway listens".to_owned()));
    bed.begun.recv().unwrap();
    assert_eq!(bed.ends(), "build 5 · run 5 · build 5 · run 5 · ");
}

#[test]
fn a_watched_file_is_taken_once_two_looks_have_found_it() {
    let mut watch = Watch::default();
    let print = |text: &str| Some(Fingerprint::of(text.as_bytes()));
    let looks = [
        // What stood there when it began is looked at once: it may have changed since it was read.
        ("a", false),
        ("a", true),
        ("a", false),
        ("ab", false),
        ("abc", false),
        ("", false),
        ("abc", false),
        ("abc", true),
        ("abc", false),
        ("a", false),
        ("a", true),
    ];
    for (n, (found, is_another)) in looks.into_iter().enumerate() {
        let found = if found.is_empty() { None } else { print(found) };
        assert_eq!(watch.sees(found), is_another, "look {n}");
    }
    let never = Path::new("/nowhere");
    assert!(!watch.finds_another(never, 0) && watch.looked.is_none());
}
