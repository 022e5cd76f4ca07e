use super::*;
use std::path::Path;

fn args(folder: &Path) -> EffectArgs {
    EffectArgs {
        assignments: None,
        contacts: None,
        counts: None,
        spent: None,
        message_cost: None,
        minute_cost: None,
        aht: 300.0,
        dispersion: None,
        zone: TimeZone::UTC,
        out: folder.join("out"),
        json: false,
    }
}

fn counted(folder: &Path, told_contacts: u64) -> EffectArgs {
    let mut text = "incident,at,region,told,held_out,told_contacts,held_out_contacts,unmatched\n".to_owned();
    for i in 0..12 {
        for region in ["north", "south"] {
            text += &format!(
                "inc_{i},2026-{:02}-03 10:00:00,{region},4500,500,{told_contacts},30,40\n",
                i / 4 + 1
            );
        }
    }
    let path = folder.join("counts.csv");
    std::fs::write(&path, text).unwrap();
    EffectArgs {
        counts: Some(path),
        ..args(folder)
    }
}

fn said(args: &EffectArgs) -> String {
    let mut out = Vec::new();
    run(args, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn error(args: &EffectArgs) -> String {
    format!("{:#}", run(args, &mut Vec::new()).unwrap_err())
}

#[test]
fn counts_become_a_verdict_with_money_and_three_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = counted(folder.path(), 180);
    args.message_cost = Some(0.01);
    args.minute_cost = Some(0.7);
    let text = said(&args);
    assert!(
        text.starts_with("WORKS: people told made fewer contacts"),
        "{text}"
    );
    assert!(
        text.contains("4320 of 108000 told") && text.contains("can't be matched: 960"),
        "{text}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(args.out.join("effect.json")).unwrap()).unwrap();
    let median = json["reduction"]["median"].as_f64().unwrap();
    assert!((median - 1.0 / 3.0).abs() < 0.02, "{json:#}");
    assert_eq!(json["months"].as_array().unwrap().len(), 3);
    // 2160 contacts of 5 minutes at 0.70, less 120,000 messages at 0.01.
    let net = json["money"]["return_of_notices"]["mean"].as_f64().unwrap();
    assert!((5_500.0..7_500.0).contains(&net), "{net}");
    let rows = std::fs::read_to_string(args.out.join("effect.csv")).unwrap();
    let width = rows.lines().next().unwrap().split(',').count();
    assert_eq!(rows.lines().count(), 13);
    assert!(rows.lines().all(|l| l.split(',').count() == width), "{rows}");
    let page = std::fs::read_to_string(args.out.join("report.html")).unwrap();
    assert!(
        page.contains("<svg") && page.contains("north") && !page.contains("NaN") && !page.contains("http")
    );
}

#[test]
fn harm_and_too_little_are_said() {
    let folder = tempfile::tempdir().unwrap();
    assert!(said(&counted(folder.path(), 450)).starts_with("HARMS"));
    let path = folder.path().join("few.csv");
    let few = "incident,told,held_out,told_contacts,held_out_contacts\na,900,100,40,9\n";
    std::fs::write(&path, few).unwrap();
    let mut args = args(folder.path());
    args.counts = Some(path);
    let text = said(&args);
    assert!(text.starts_with("NOT ENOUGH DATA: 9 people held out"), "{text}");
    assert!(
        !text.contains("fewer contacts through notices"),
        "no figure where there is none: {text}"
    );
}

#[test]
fn people_are_followed_from_their_assignment_to_the_release() {
    let folder = tempfile::tempdir().unwrap();
    let mut assignments = "incident,customer,unit,arm,assigned_at,released_at,language\n".to_owned();
    let mut contacts = "at,customer,channel,deed\n".to_owned();
    for person in 0..4_000 {
        let is_held = person % 10 == 0;
        let (arm, released) = if is_held {
            ("held_out", "2026-05-01 10:30:00")
        } else {
            ("told", "")
        };
        assignments += &format!(
            "inc_1,p{person},h{},{arm},2026-05-01 10:00:00,{released},fa\n",
            person
        );
        // One in five of those held out, one in ten of those told.
        if (is_held && person % 50 == 0) || (!is_held && person % 10 == 3) {
            contacts += &format!("2026-05-01 10:{:02}:00,p{person},call,\n", person % 30);
        }
        if person % 100 == 0 {
            contacts += &format!("2026-05-01 11:00:00,p{person},call,contact\n");
        }
    }
    contacts += "2026-05-01 10:05:00,,chat,contact\n2026-05-01 10:06:00,p1,app,opt_out\n";
    let mut args = args(folder.path());
    args.assignments = Some(folder.path().join("assignments.csv"));
    args.contacts = Some(folder.path().join("contacts.csv"));
    std::fs::write(folder.path().join("assignments.csv"), assignments).unwrap();
    std::fs::write(folder.path().join("contacts.csv"), contacts).unwrap();
    let text = said(&args);
    assert!(
        text.contains("400 of 3600 told made a contact up to the release, and 80 of 400 held out"),
        "{text}"
    );
    assert!(
        text.contains(
            "can't be matched: 1; in the day after the release: 0 of those told, 40 of those held out"
        ),
        "{text}"
    );
    assert!(text.contains("opt-outs: 1 told, 0 held out"), "{text}");
}

#[test]
fn errors_name_file_line_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counts.csv");
    for (text, expected) in [
        (
            "incident,told\na,1\n",
            "line 1: the header has no column `held_out`",
        ),
        (
            "incident,told,held_out,told_contacts,held_out_contacts\na,10,10,11,1\n",
            "line 2: 11 people of 10 made a contact",
        ),
        (
            "incident,told,held_out,told_contacts,held_out_contacts\na,10,10,x,1\n",
            "line 2: `told_contacts` is `x`: it needs a whole number",
        ),
        (
            "incident,told,held_out,told_contacts,held_out_contacts\n",
            "there is no incident in the file",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let mut args = args(folder.path());
        args.counts = Some(path.clone());
        let error = error(&args);
        assert!(error.contains(expected), "{error}");
    }
    let mut half = counted(folder.path(), 180);
    half.message_cost = Some(1.0);
    assert!(error(&half).contains("need both --message-cost and --minute-cost"));
}
