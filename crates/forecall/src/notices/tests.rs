use std::collections::BTreeMap;

use expect_test::expect;
use forecall_log::{InProcess, TopicSpec};
use forecall_types::{ContactChannel, IntentState, Language, NoticeStage, NoticeText};
use forecall_wire::event::{decode_command, encode_notice, encode_notice_state};

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
    let domain = || DomainName::new("isp").unwrap();
    let said = || approval(&notice("ntc_2d6f8h1j3k5m7p9r", 1, NoticeState::Held), TEXT).unwrap();
    let mut text = Vec::new();
    say(&log, &settings(), &args, domain(), said(), &mut text).unwrap();
    args.dry_run = false;
    say(&log, &settings(), &args, domain(), said(), &mut text).unwrap();
    say(&log, &settings(), &args, domain(), said(), &mut text).unwrap();
    let mut commands = Vec::new();
    for partition in 0..2 {
        log.read(
            &TopicPartition::new("forecall.commands.v1", partition),
            0,
            &mut |r| {
                commands.push(decode_command(r.headers.get(), r.value.unwrap()).unwrap());
            },
        )
        .unwrap();
    }
    let [first, second] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    assert_eq!(first.id, second.id, "the same words are one command");
    assert_eq!(&*first.by, "duty");
    let told = String::from_utf8(text).unwrap();
    assert!(told.starts_with("would publish command cli-"), "{told}");
    args.by = " duty".into();
    let refused = say(&log, &settings(), &args, domain(), said(), &mut Vec::new()).unwrap_err();
    assert!(refused.to_string().starts_with("--by needs"), "{refused}");
}
