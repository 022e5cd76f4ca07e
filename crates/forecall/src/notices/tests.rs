use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Parser;
use expect_test::expect;
use forecall_log::{InProcess, OutRecord, TopicPartition, TopicSpec, Transaction};
use forecall_types::{
    Command, Compensation, CompensationUnit, ContactChannel, EventTime, HoldReason, IntentState, Language,
    NoticeId, NoticeRamp, NoticeStage, NoticeState, NoticeText, Probability, RampStop, Remark,
};
use forecall_wire::event::{decode_command, encode_command, encode_notice, encode_notice_state};

use super::args::ListArgs;
use super::read::{listed, newest};
use super::say::*;
use super::*;

const TEXT: &str = "0123456789abcdef0123456789abcdef";

fn settings() -> Settings {
    Settings::from_yaml("test", "domain: isp\n").unwrap()
}

fn notice(id: &str, revision: u32, state: NoticeState) -> Notice {
    Notice {
        id: NoticeId::new(id).unwrap(),
        revision,
        domain: DomainName::new("isp").unwrap(),
        incident: IncidentId::new("inc_7k2m4q9x1c8v5b3n").unwrap(),
        incident_revision: 3,
        stage: NoticeStage::Confirmed,
        state,
        at: EventTime::from_secs(1_767_600_000 + i64::from(revision)),
        audience: 4_200,
        intents: 3_900,
        progress: BTreeMap::from([(IntentState::Accepted, 2_600), (IntentState::Planned, 1_300)]),
        withheld: BTreeMap::from([(HoldReason::Approval, 200), (HoldReason::NoConsent, 100)]),
        channels: BTreeMap::from([(ContactChannel::Sms, 3_900)]),
        texts: vec![NoticeText {
            language: Language::Fa,
            channel: ContactChannel::Sms,
            subject: None,
            body: "اینترنت در اصفهان قطع است.".into(),
            parts: 1,
        }],
        text_fingerprint: TEXT.into(),
        no_call_needed: false,
        next_update: Some(EventTime::from_secs(1_767_603_600)),
        eta: None,
        hold_out: None,
        ramp: None,
        untrue: 0,
        first_accepted_at: None,
        reason: "customers are hit".into(),
        simulated: false,
    }
}

/// A log with these notices on both topics; of those at their end the state is a tombstone.
fn log(notices: &[Notice]) -> InProcess {
    let log = InProcess::default();
    let names = [
        "forecall.notices.v1",
        "forecall.notices.state.v1",
        "forecall.commands.v1",
    ];
    let specs = names.map(|name| TopicSpec::new(name, 2));
    log.create_topics(&specs).unwrap();
    let mut records = Vec::new();
    for notice in notices {
        for (name, encoded) in names
            .into_iter()
            .zip([encode_notice(notice), encode_notice_state(notice)])
        {
            let encoded = encoded.unwrap();
            let is_over = notice.state == NoticeState::Delivered && name.ends_with("state.v1");
            let mut record = OutRecord {
                headers: encoded.headers,
                ..OutRecord::new(name, encoded.key, encoded.value)
            };
            if is_over {
                record.value = None;
            }
            records.push(record);
        }
    }
    let transaction = Transaction {
        records,
        positions: vec![],
    };
    log.writer("test").unwrap().commit(&transaction).unwrap();
    log
}

fn some() -> InProcess {
    let mut done = notice("ntc_1f5h9k2m6q0t4w8z", 4, NoticeState::Delivered);
    done.withheld.clear();
    log(&[
        notice("ntc_1f5h9k2m6q0t4w8z", 2, NoticeState::Sending),
        notice("ntc_2d6f8h1j3k5m7p9r", 1, NoticeState::Held),
        done,
        notice("ntc_2d6f8h1j3k5m7p9r", 3, NoticeState::Sending),
    ])
}

fn read() -> ReadArgs {
    ReadArgs {
        config: PathBuf::new(),
        json: false,
    }
}

fn ids(args: &ListArgs) -> Vec<String> {
    let found = listed(&some(), &settings(), args).unwrap();
    found.iter().map(|n| format!("{} {}", n.id, n.revision)).collect()
}

#[test]
fn what_is_over_is_listed_only_where_all_are_wanted() {
    let mut args = ListArgs {
        read: read(),
        all: false,
        waiting: false,
        incident: None,
        domain: None,
        canary: false,
    };
    assert_eq!(ids(&args), ["ntc_2d6f8h1j3k5m7p9r 3"]);
    args.all = true;
    assert_eq!(ids(&args), ["ntc_2d6f8h1j3k5m7p9r 3", "ntc_1f5h9k2m6q0t4w8z 4"]);
    args.waiting = true;
    assert_eq!(ids(&args), ["ntc_2d6f8h1j3k5m7p9r 3"]);
    args.domain = Some(DomainName::new("other").unwrap());
    assert!(ids(&args).is_empty());
}

#[test]
fn a_notice_is_shown_with_its_words_and_how_to_let_it_go() {
    let id = NoticeId::new("ntc_2d6f8h1j3k5m7p9r").unwrap();
    let found = newest(&some(), &settings(), &id).unwrap();
    let mut text = Vec::new();
    show::one(&found, false, &mut text).unwrap();
    expect![[r#"
        ntc_2d6f8h1j3k5m7p9r revision 3: confirmed sending of inc_7k2m4q9x1c8v5b3n, 2026-01-05T08:00:03Z
        why: customers are hit
        in scope 4200, planned 3900: sms 3900
        so far planned 1300, accepted 2600
        not told: approval 200, no_consent 100 (`forecall notices explain ntc_2d6f8h1j3k5m7p9r`)
        next news promised by 2026-01-05T09:00:00Z
        text 0123456789abcdef0123456789abcdef (doesn't say that no call is needed)

        --- fa sms, 1 part
        اینترنت در اصفهان قطع است.

        to let it go: forecall notices approve ntc_2d6f8h1j3k5m7p9r --text 0123456789abcdef0123456789abcdef --by TEAM
    "#]]
    .assert_eq(&String::from_utf8(text).unwrap());
    let mut text = Vec::new();
    show::explain(&found, false, &mut text).unwrap();
    expect![[r#"
        ntc_2d6f8h1j3k5m7p9r (confirmed, sending): 4200 in scope, 3900 planned; customers are hit
              200 held (approval): the text waits for a person's approval. Changed by: `forecall notices approve`, or `outreach.approval` for small and certain ones
              100 not told (no_consent): they haven't agreed to messages of this purpose. Changed by: the directory's `consents`
    "#]]
    .assert_eq(&String::from_utf8(text).unwrap());
    let unknown = NoticeId::new("ntc_0000000000000000").unwrap();
    let refused = newest(&some(), &settings(), &unknown).unwrap_err();
    assert!(
        refused.to_string().contains("holds nothing of ntc_0000"),
        "{refused}"
    );
}

#[test]
fn only_the_text_that_was_read_is_approved() {
    let mut held = notice("ntc_2d6f8h1j3k5m7p9r", 1, NoticeState::Held);
    let why = |notice: &Notice, text| approval(notice, text).err().map(|e| e.to_string());
    assert!(why(&held, "0123").unwrap().contains("needs 8 or more"));
    assert!(why(&held, "0123456x").unwrap().contains("hexadecimal"));
    assert!(why(&held, "ffffffff").unwrap().contains("has another text now"));
    let capitals = TEXT.get(..8).unwrap().to_ascii_uppercase();
    assert_eq!(why(&held, &capitals), None);
    held.withheld.remove(&HoldReason::Approval);
    assert!(why(&held, TEXT).unwrap().contains("nobody waits"));
}

#[test]
fn a_command_is_published_once_under_its_key_and_a_dry_run_is_not() {
    let log = some();
    let mut args = SayArgs {
        read: read(),
        by: "duty".into(),
        key: None,
        dry_run: true,
    };
    let said = || approval(&notice("ntc_2d6f8h1j3k5m7p9r", 1, NoticeState::Held), TEXT).unwrap();
    let mut text = Vec::new();
    speak(&log, &settings(), &args, said(), &mut text).unwrap();
    args.dry_run = false;
    speak(&log, &settings(), &args, said(), &mut text).unwrap();
    speak(&log, &settings(), &args, said(), &mut text).unwrap();
    let commands = commands(&log);
    let [first, second] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    assert_eq!(first.id, second.id, "the same words are one command");
    assert_eq!(&*first.by, "duty");
    let told = String::from_utf8(text).unwrap();
    assert!(told.starts_with("would publish command cli-"), "{told}");
    args.by = " duty".into();
    let refused = speak(&log, &settings(), &args, said(), &mut Vec::new()).unwrap_err();
    assert!(refused.to_string().starts_with("--by needs"), "{refused}");
}

fn commands(log: &InProcess) -> Vec<Command> {
    let mut commands = Vec::new();
    for partition in 0..2 {
        let topic = TopicPartition::new("forecall.commands.v1", partition);
        log.read(&topic, 0, &mut |r| {
            commands.push(decode_command(r.headers.get(), r.value.unwrap()).unwrap());
        })
        .unwrap();
    }
    commands
}

/// One notice that waits for these reasons.
fn waiting(withheld: &[(HoldReason, u64)]) -> Notice {
    Notice {
        withheld: withheld.iter().copied().collect(),
        ..notice("ntc_2d6f8h1j3k5m7p9r", 5, NoticeState::Held)
    }
}

fn why(said: anyhow::Result<Said>) -> String {
    said.err().map_or_else(String::new, |refused| refused.to_string())
}

#[test]
fn what_a_person_can_not_let_go_is_refused_with_the_remedy() {
    let at = |withheld: &[(HoldReason, u64)]| why(release(&waiting(withheld), TEXT));
    assert_eq!(at(&[(HoldReason::QuietHours, 3)]), "");
    assert_eq!(at(&[(HoldReason::Person, 3), (HoldReason::NoConsent, 9)]), "");
    assert!(at(&[(HoldReason::Killed, 3)]).ends_with("`forecall notices kill --undo`"));
    assert!(at(&[(HoldReason::Approval, 3), (HoldReason::QuietHours, 3)]).contains("notices approve ntc_"));
    assert!(at(&[(HoldReason::NoConsent, 3)]).ends_with("explain ntc_2d6f8h1j3k5m7p9r`"));
    let mut stopped = waiting(&[(HoldReason::Ramp, 3)]);
    assert_eq!(why(release(&stopped, TEXT)), "", "a step that isn't there yet");
    assert!(why(approval(&stopped, TEXT)).contains("nobody waits"));
    stopped.ramp = Some(NoticeRamp {
        share: Probability::clamped(0.1),
        reached: 400,
        failed: 0,
        stops: 0,
        untrue: 30,
        stopped: Some(RampStop::Untrue),
        over: false,
    });
    assert!(why(release(&stopped, TEXT)).contains("notices approve ntc_"));
    assert_eq!(
        why(approval(&stopped, TEXT)),
        "",
        "a ramp that stopped goes on by it"
    );
    assert_eq!(why(approval(&waiting(&[(HoldReason::Person, 3)]), TEXT)), "");
    let reason = || Remark::new("the area is too wide").unwrap();
    assert_eq!(why(hold(&waiting(&[(HoldReason::QuietHours, 3)]), reason())), "");
    assert!(why(hold(&waiting(&[(HoldReason::Person, 3)]), reason())).contains("held back already"));
    let mut gone = waiting(&[(HoldReason::NoConsent, 3)]);
    gone.state = NoticeState::Delivered;
    assert!(why(hold(&gone, reason())).contains("`forecall notices retract ntc_"));
    gone.stage = NoticeStage::Retraction;
    assert!(why(hold(&gone, reason())).contains("is a correction"));
    assert!(why(take_back(&gone)).contains("`forecall incidents declare`"));
    let mut nobody = waiting(&[(HoldReason::Approval, 3)]);
    assert_eq!(why(take_back(&nobody)), "");
    nobody.progress = [(IntentState::Failed, 3)].into();
    assert!(why(take_back(&nobody)).contains("`forecall notices hold ntc_"));
}

#[test]
fn an_incident_stands_for_what_was_told_of_it_last() {
    let incident = IncidentId::new("inc_7k2m4q9x1c8v5b3n").unwrap();
    let mut closing = notice("ntc_3e7g9j2k4m6p8r0t", 1, NoticeState::Sending);
    closing.stage = NoticeStage::Resolved;
    closing.at = EventTime::from_secs(1_767_700_000);
    let log = log(&[notice("ntc_2d6f8h1j3k5m7p9r", 1, NoticeState::Sending), closing]);
    let last = told_last(&log, &settings(), &incident).unwrap();
    assert_eq!(last.id.as_str(), "ntc_2d6f8h1j3k5m7p9r");
    let unknown = IncidentId::new("inc_0000000000000000").unwrap();
    let refused = told_last(&log, &settings(), &unknown).unwrap_err();
    assert!(
        refused.to_string().starts_with("nothing was ever to be told"),
        "{refused}"
    );
    assert_eq!(
        "ntc_1".parse::<Target>().unwrap(),
        Target::Notice(NoticeId::new("ntc_1").unwrap())
    );
    assert_eq!(
        "inc_1".parse::<Target>().unwrap(),
        Target::Incident(IncidentId::new("inc_1").unwrap())
    );
}

#[test]
fn an_end_that_is_not_told_any_more_is_refused() {
    let incident = IncidentId::new("inc_7k2m4q9x1c8v5b3n").unwrap();
    let at = |n: i64| EventTime::from_secs(1_767_610_000 + n * 60);
    let told = |revision, end| Notice {
        eta: Some(at(end)),
        ..notice("ntc_2d6f8h1j3k5m7p9r", revision, NoticeState::Sending)
    };
    let check = |notices: &[Notice], end| {
        let refused = check_end(&log(notices), &settings(), &incident, at(end)).err();
        refused.map_or_else(String::new, |refused| refused.to_string())
    };
    assert_eq!(check(&[told(1, 60)], 90), "");
    assert_eq!(check(&[told(1, 60), told(2, 90), told(3, 90)], 120), "");
    let often = check(&[told(1, 60), told(2, 90), told(3, 120)], 150);
    assert!(
        often.contains("changed 2 times") && often.contains("notices step inc_7k2"),
        "{often}"
    );
    let later = check(&[told(1, 90), told(2, 60)], 70);
    assert!(later.contains("a later end after a sooner one"), "{later}");
    assert_eq!(check(&[told(1, 90), told(2, 60)], 50), "", "sooner once more");
    // What nobody was told binds nobody.
    let untold = Notice {
        intents: 0,
        ..told(2, 60)
    };
    assert_eq!(check(&[told(1, 90), untold], 95), "");
}

#[test]
fn words_and_compensations_are_looked_at_before_they_are_said() {
    let told = || vec![notice("ntc_2d6f8h1j3k5m7p9r", 3, NoticeState::Sending)];
    let words = |fa: &str, en: &str| (Remark::new(fa).unwrap(), Remark::new(en).unwrap());
    assert_eq!(
        why(step(&told(), words("فیبر جوش خورد", "The fibre is spliced"))),
        ""
    );
    let wrong = why(step(&told(), words("فیبر جوش خورد", "Back soon")));
    assert_eq!(wrong, "the words in en: says `soon`");
    let mut untold = told();
    untold[0].progress.clear();
    assert!(why(step(&untold, words("وصل شد", "Done"))).contains("nobody was told"));
    let settings = Settings::from_yaml(
        "test",
        "domain: isp\noutreach: {compensation_budget: {toman: 3900000}}\n",
    )
    .unwrap();
    let what = |amount, unit| Compensation { amount, unit };
    let given = |amount, unit| why(compensation(&told(), &settings, what(amount, unit)));
    assert_eq!(given(1_000, CompensationUnit::Toman), "");
    assert!(given(1_001, CompensationUnit::Toman).starts_with("3900 people get 3903900 toman"));
    assert!(given(1, CompensationUnit::Days).contains("has nothing in days"));
    let mut over = told();
    over.push(Notice {
        stage: NoticeStage::Resolved,
        at: EventTime::from_secs(1_767_700_000),
        ..over[0].clone()
    });
    let late = why(compensation(&over, &settings, what(1, CompensationUnit::Toman)));
    assert!(late.contains("grant it outside of forecall"), "{late}");
    // Who else has said the same.
    let log = some();
    let said = compensation(&told(), &settings, what(9, CompensationUnit::Toman)).unwrap();
    for (by, action) in [("care", said.action.clone()), ("care", Action::Kill { on: true })] {
        let command = Command {
            id: "c".into(),
            domain: said.domain.clone(),
            at: EventTime::from_secs(1),
            by: by.into(),
            action,
        };
        let draft = word::record(
            &settings.topic_names(),
            TopicId::Commands,
            encode_command(&command).unwrap(),
        );
        word::publish(&log, &settings, ("test", "k"), draft).unwrap();
    }
    assert_eq!(
        others(&log, &settings, &said.action, "billing").unwrap(),
        ["care"]
    );
    assert!(others(&log, &settings, &said.action, "care").unwrap().is_empty());
}

#[test]
fn a_preview_tells_people_parts_and_cost_that_are_left() {
    let held = waiting(&[(HoldReason::Approval, 200), (HoldReason::NoConsent, 100)]);
    let mut text = Vec::new();
    show::preview(
        &held.incident,
        std::slice::from_ref(&held),
        Some(85),
        false,
        &mut text,
    )
    .unwrap();
    let text = String::from_utf8(text).unwrap();
    let last = "left to tell: 200 people, 200 message parts at most (the longest text, to all by text message), a cost of 17000 at most\n";
    assert!(text.ends_with(last), "{text}");
    let mut json = Vec::new();
    show::preview(&held.incident, std::slice::from_ref(&held), None, true, &mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let row = &json["notices"][0];
    assert_eq!(
        (row["parts_at_most"].as_u64(), row["cost_at_most"].is_null()),
        (Some(200), true)
    );
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    notices: NoticesArgs,
}

#[test]
fn the_command_line_is_as_the_help_says() {
    let is_good = |line: &str| {
        let words = ["notices"].into_iter().chain(line.split(' '));
        Line::try_parse_from(words).is_ok()
    };
    for good in [
        "hold ntc_1 --reason wide --by noc",
        "send ntc_1 --text 01234567 --by noc --dry-run --json",
        "step inc_1 team_on_site --by noc",
        "step inc_1 --fa وصل --en done --by noc",
        "eta ntc_1 90m --by noc",
        "retract inc_1 --by noc",
        "compensate inc_1 --amount 5 --unit toman --by noc",
        "drill --service internet --region IR-10 --by noc",
        "drill --end inc_1 --by noc",
    ] {
        assert!(is_good(good), "{good}");
    }
    for bad in [
        "hold ntc_1 --by noc",
        "hold ntc_1 --reason 09121234567 --by noc",
        "send ntc_1 --by noc",
        "step inc_1 --by noc",
        "step inc_1 --fa وصل --by noc",
        "step inc_1 team_on_site --fa وصل --en done --by noc",
        "compensate inc_1 --amount 0 --unit toman --by noc",
        "compensate inc_1 --amount 5 --by noc",
        "drill --by noc",
        "drill --service internet --region IR-10 --minutes 300 --by noc",
    ] {
        assert!(!is_good(bad), "{bad}");
    }
}
