use forecall_config::Settings;
use forecall_detect::LimitEntry;

const OBJECTIVES: &str = "objectives:
  - {metric: memory.utilization, above: 0.95, for_seconds: 60}
  - {metric: certificate.*, below: 0.0}
correlate: {horizon_seconds: 1800}
";

type Loaded = Result<(Option<Vec<LimitEntry>>, Vec<String>), String>;

fn load(more: &str) -> Loaded {
    let settings =
        Settings::from_yaml("f.yaml", &format!("{OBJECTIVES}{more}")).map_err(|e| e.to_string())?;
    let warnings = settings.warnings.iter().map(|w| w.what.clone());
    Ok((settings.detect.limits.clone(), warnings.collect()))
}

#[test]
fn detection_heeds_the_limits_of_objectives_within_the_horizon() {
    let within = |limit| LimitEntry {
        within_seconds: 1_800,
        ..limit
    };
    let expected = vec![
        within(LimitEntry::above("memory.utilization", 0.95)),
        within(LimitEntry::below("certificate.*", 0.0)),
    ];
    assert_eq!(load(""), Ok((Some(expected), vec![])));
    assert_eq!(load("detect: {limits: []}\n"), Ok((Some(vec![]), vec![])));
    let own = "detect: {limits: [{metric: disk, above: 0.9, chance: 0.8}]}\n";
    let disk = LimitEntry {
        chance: 0.8,
        ..LimitEntry::above("disk", 0.9)
    };
    assert_eq!(load(own), Ok((Some(vec![disk]), vec![])));
}

#[test]
fn where_they_have_no_room_a_warning_says_so() {
    let rules: Vec<String> = (0..250)
        .map(|i| format!("{{metric: m{i}, open_score: 4}}"))
        .collect();
    let many: Vec<String> = (0..20)
        .map(|i| format!("  - {{metric: o{i}, above: 1}}\n"))
        .collect();
    let text = format!(
        "objectives:\n{}detect: {{rules: [{}]}}\n",
        many.concat(),
        rules.join(", ")
    );
    let settings = Settings::from_yaml("f.yaml", &text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(settings.detect.limits, None);
    let told = &settings.warnings.first().unwrap().what;
    assert!(
        told.starts_with("objectives: detection doesn't heed their limits"),
        "{told}"
    );
}

#[test]
fn a_limit_that_can_not_be_is_refused_with_its_place() {
    let error = Settings::from_yaml("f.yaml", "detect:\n  limits:\n    - {metric: disk}\n").unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("entry 1 of `limits`") && text.contains("`above`"),
        "{text}"
    );
}
