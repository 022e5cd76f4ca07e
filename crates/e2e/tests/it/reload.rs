//! Other settings while it runs, on a real broker: taken at a commit, refused by name, and read again after a kill.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::broker::{Writer, committed, create_topics};
use crate::installation::Installation;
use crate::process::wait_for;

const WITHIN: Duration = Duration::from_secs(60);
const TAKEN: &str = "forecall_config_last_reload_successful";

struct House {
    forecall: Installation,
    topic: String,
    writer: Writer,
    written: i64,
}

impl House {
    fn new() -> Self {
        let mut forecall = Installation::new("reload");
        let topic = forecall.input("samples");
        create_topics(&[(&topic, 1)]);
        let rest = format!(
            "sources: [{{topic: {topic}, format: flat_json, keyed: true, time_unit: seconds}}]\nreload: {{watch_seconds: 1}}\ndetect: {{silence: true}}\n"
        );
        forecall.configure(600, &rest);
        forecall.start();
        forecall.await_ready();
        Self {
            forecall,
            topic,
            writer: Writer::new(),
            written: 0,
        }
    }

    /// So many samples more, and that they are committed.
    fn work(&mut self, samples: i64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for n in 0..samples {
            let record = json!({"ts": now - 900 + u64::try_from(self.written + n).unwrap(), "series": "rtt", "value": 20.0 + f64::from(u32::try_from(n % 7).unwrap())});
            self.writer.put(&self.topic, 0, record.to_string().as_bytes());
        }
        self.writer.flush();
        self.written += samples;
        let (group, topic) = (format!("{}.detect", self.forecall.name), self.topic.clone());
        let written = self.written;
        wait_for("the samples' commit", WITHIN, || {
            self.forecall.check_running();
            (committed(&group, &topic) == [written]).then_some(())
        });
    }

    fn change(&self, from: &str, to: &str) {
        let path = self.forecall.folder.path().join("forecall.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    fn hang_up(&mut self) {
        let id = self.forecall.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s HUP \"$1\"", "sh", &id])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    fn await_said(&mut self, what: &str, times: usize) {
        wait_for(what, WITHIN, || {
            self.forecall.check_running();
            (self.forecall.output().matches(what).count() >= times).then_some(())
        });
    }
}

#[test]
fn other_settings_are_taken_at_a_commit_and_a_kill_after_it_comes_to_the_same() {
    let mut house = House::new();
    house.work(120);
    assert!((house.forecall.metric(TAKEN, &[]) - 1.0).abs() < 1e-9);
    // Watched: nobody says a word.
    house.change("silence: true", "silence: false");
    house.await_said("the stages go on under the settings of digest", 1);
    house.forecall.await_ready();
    let adopted = house
        .forecall
        .metric("forecall_adopted_total", &["stage=\"detect\""]);
    assert!((adopted - 1.0).abs() < 1e-9);
    house.work(60);

    house.change("silence: false", "silense: false");
    house.await_said("the settings of before hold", 1);
    assert!(house.forecall.metric(TAKEN, &[]).abs() < 1e-9);
    house.work(30);
    house.change("silense: false", "silence: false");
    wait_for("the mended file", WITHIN, || {
        ((house.forecall.metric(TAKEN, &[]) - 1.0).abs() < 1e-9).then_some(())
    });

    house.change("partitions: 2", "partitions: 4");
    house.await_said("`topics.partitions` can't change while it runs", 1);
    house.change("partitions: 4", "partitions: 2");
    house.change("level: info", "level: \"warn,forecall=info\"");
    house.await_said("the stages were left alone", 1);

    // The same text, but somebody asks.
    house.hang_up();
    house.await_said("the stages go on under the settings of digest", 2);
    house.forecall.await_ready();
    house.work(60);

    house.forecall.kill();
    house.forecall.start();
    house.forecall.await_ready();
    house.work(10);
    assert!(house.forecall.metric("forecall_digest_mismatch_total", &[]).abs() < 1e-9);
    house.forecall.stop();
}
