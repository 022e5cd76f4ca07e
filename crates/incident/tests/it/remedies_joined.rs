//! Remedies of incidents that are merged: one goes on, and is called once at most.

use std::time::Duration;

use expect_test::expect;
use forecall_incident::{RemedyLimit, RemedyParts, RemedyWhen};
use forecall_types::RemedyMode;

use crate::remedies::{check, parts};

/// A rule that waits for a word, with room for all of them.
fn ask() -> Vec<RemedyParts> {
    vec![RemedyParts {
        limit: RemedyLimit {
            calls: 10,
            within: Duration::from_secs(3_600),
        },
        ..parts("ask", RemedyMode::Run)
    }]
}

/// Two incidents whose remedy has a word.
const BOTH: &str = "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:05 declare internet/IR-23 severe
        00:07 approve ask $1
        00:07 approve ask $2
        00:09 merge $1 $2
";

#[test]
fn where_both_have_a_word_one_is_asked_for_again_once_nobody_was_called() {
    check(
        ask(),
        &format!(
            "{BOTH}
            00:10 approve ask $2
            00:11 result unwanted ask $1
            00:12 approve ask $2
            00:13 result unwanted ask $2
            00:15 approve ask $2
            00:17 result done ask $2
            00:18 result done ask $2
            00:20"
        ),
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:07:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 ask=approved
                  internet in IR-23: remedy ask approved (restarts the pool): by noc
            00:07:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:09:10 merged $1/3 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed customers=4000
                  internet in IR-10: merged into $2 by noc; remedy ask lapsed: the incident is merged
            00:09:10 updated $2/3 p=1.00 severe degradation hit=00:05:00 ask=withheld customers=4000
                  internet in IR-10, IR-23: $1 is merged into it by noc; remedy ask withheld: waits for what came of its call for $1
                  refused not_allowed: command c16 at log/0@16: remedy ask of $2 is withheld
            00:11:10 updated $1/4 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed customers=4000
                  internet in IR-10: remedy ask lapsed: the incident is merged
            00:11:10 updated $2/4 p=1.00 severe degradation hit=00:05:00 ask=withheld customers=4000
                  internet in IR-10, IR-23: remedy ask withheld: waits for what came of its call
                  refused not_allowed: command c20 at log/0@20: remedy ask of $2 is withheld
            00:13:10 updated $2/5 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10, IR-23: remedy ask proposed (restarts the pool): waits for a word
            00:15:10 updated $2/6 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10, IR-23: remedy ask approved (restarts the pool): by noc
            00:17:10 updated $2/7 p=1.00 severe degradation hit=00:05:00 ask=done customers=4000
                  internet in IR-10, IR-23: remedy ask done: called: done
                  refused not_allowed: command c30 at log/0@30: incident $2 has no remedy ask that was to be called
        "#]],
    );
}

#[test]
fn where_the_merged_one_was_called_the_other_is_not() {
    check(
        ask(),
        &format!(
            "{BOTH}
            00:10 result done ask $1
            00:11 result unwanted ask $2
            00:12 approve ask $2
            00:20"
        ),
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:07:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 ask=approved
                  internet in IR-23: remedy ask approved (restarts the pool): by noc
            00:07:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:09:10 merged $1/3 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed customers=4000
                  internet in IR-10: merged into $2 by noc; remedy ask lapsed: the incident is merged
            00:09:10 updated $2/3 p=1.00 severe degradation hit=00:05:00 ask=withheld customers=4000
                  internet in IR-10, IR-23: $1 is merged into it by noc; remedy ask withheld: waits for what came of its call for $1
            00:10:10 updated $1/4 p=1.00 severe degradation hit=00:05:00 into=$2 ask=done customers=4000
                  internet in IR-10: remedy ask done: called: done
            00:10:10 updated $2/4 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet in IR-10, IR-23: remedy ask lapsed: $1, merged into it, has had it
            00:11:10 updated $2/5 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet in IR-10, IR-23: remedy ask lapsed: $1, merged into it, has had it
                  refused not_allowed: command c20 at log/0@20: remedy ask of $2 is lapsed
        "#]],
    );
}

#[test]
fn where_the_one_that_goes_on_was_called_it_is_done() {
    check(
        ask(),
        &format!(
            "{BOTH}
            00:10 result done ask $2
            00:11 result unwanted ask $1
            00:12 approve ask $2
            00:20"
        ),
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:07:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 ask=approved
                  internet in IR-23: remedy ask approved (restarts the pool): by noc
            00:07:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:09:10 merged $1/3 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed customers=4000
                  internet in IR-10: merged into $2 by noc; remedy ask lapsed: the incident is merged
            00:09:10 updated $2/3 p=1.00 severe degradation hit=00:05:00 ask=withheld customers=4000
                  internet in IR-10, IR-23: $1 is merged into it by noc; remedy ask withheld: waits for what came of its call for $1
            00:10:10 updated $2/4 p=1.00 severe degradation hit=00:05:00 ask=done customers=4000
                  internet in IR-10, IR-23: remedy ask done: called: done
            00:11:10 updated $1/4 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed customers=4000
                  internet in IR-10: remedy ask lapsed: the incident is merged
                  refused not_allowed: command c20 at log/0@20: remedy ask of $2 is done
        "#]],
    );
}

#[test]
fn what_nobody_tells_of_may_have_been_called() {
    check(
        ask(),
        &format!(
            "{BOTH}
            00:30 result unwanted ask $2
            00:40 result done ask $1
            00:41 approve ask $2
            00:50"
        ),
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:07:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 ask=approved
                  internet in IR-23: remedy ask approved (restarts the pool): by noc
            00:07:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:09:10 merged $1/3 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed customers=4000
                  internet in IR-10: merged into $2 by noc; remedy ask lapsed: the incident is merged
            00:09:10 updated $2/3 p=1.00 severe degradation hit=00:05:00 ask=withheld customers=4000
                  internet in IR-10, IR-23: $1 is merged into it by noc; remedy ask withheld: waits for what came of its call for $1
            00:30:10 updated $2/4 p=1.00 severe degradation hit=00:05:00 ask=withheld customers=4000
                  internet in IR-10, IR-23: remedy ask withheld: waits for what came of its call for $1
            00:37:10 updated $2/5 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet in IR-10, IR-23: remedy ask lapsed: nobody told in time what came of its call for $1
            00:40:10 updated $1/4 p=1.00 severe degradation hit=00:05:00 into=$2 ask=done customers=4000
                  internet in IR-10: remedy ask done: called: done
                  refused not_allowed: command c49 at log/0@49: remedy ask of $2 is lapsed
        "#]],
    );
}

#[test]
fn a_word_on_the_merged_one_alone_holds_the_other_until_it_is_told() {
    check(
        ask(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:05 declare internet/IR-23 severe
        00:07 approve ask $1
        00:09 merge $1 $2
        00:10 approve ask $2
        00:11 result late ask $1
        00:12 approve ask $2
        00:20",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:07:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:09:10 merged $1/3 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed customers=4000
                  internet in IR-10: merged into $2 by noc; remedy ask lapsed: the incident is merged
            00:09:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 customers=4000
                  internet in IR-10, IR-23: $1 is merged into it by noc
                  refused not_allowed: command c15 at log/0@15: incident $2: waits for what came of its call for $1
            00:11:10 updated $1/4 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed customers=4000
                  internet in IR-10: remedy ask lapsed: the incident is merged
            00:12:10 updated $2/3 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10, IR-23: remedy ask approved (restarts the pool): by noc
        "#]],
    );
}

#[test]
fn what_surely_was_not_called_before_holds_nothing() {
    check(
        ask(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:05 declare internet/IR-23 severe
        00:07 approve ask $1
        00:08 result unwanted ask $1
        00:09 merge $1 $2
        00:10 approve ask $2
        00:20",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:07:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:08:10 updated $1/3 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet in IR-10: remedy ask lapsed: nobody was called: unwanted
            00:09:10 merged $1/4 p=1.00 severe degradation hit=00:05:00 into=$2 customers=4000
                  internet in IR-10: merged into $2 by noc
            00:09:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 customers=4000
                  internet in IR-10, IR-23: $1 is merged into it by noc
            00:10:10 updated $2/3 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10, IR-23: remedy ask approved (restarts the pool): by noc
        "#]],
    );
}

#[test]
fn what_was_called_before_takes_back_the_word_on_the_other() {
    check(
        ask(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:05 declare internet/IR-23 severe
        00:07 approve ask $1
        00:08 result server ask $1
        00:08 approve ask $2
        00:09 merge $1 $2
        00:10 result unwanted ask $2
        00:20",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:07:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:08:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 ask=approved
                  internet in IR-23: remedy ask approved (restarts the pool): by noc
            00:08:10 updated $1/3 p=1.00 severe degradation hit=00:05:00 ask=failed customers=4000
                  internet in IR-10: remedy ask failed: called and not taken: server (HTTP 503)
            00:09:10 merged $1/4 p=1.00 severe degradation hit=00:05:00 into=$2 customers=4000
                  internet in IR-10: merged into $2 by noc
            00:09:10 updated $2/3 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet in IR-10, IR-23: $1 is merged into it by noc; remedy ask lapsed: $1, merged into it, has had it
            00:10:10 updated $2/4 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet in IR-10, IR-23: remedy ask lapsed: $1, merged into it, has had it
        "#]],
    );
}

/// The same for all services.
fn ask_of_all() -> Vec<RemedyParts> {
    vec![RemedyParts {
        when: RemedyWhen {
            services: vec!["*".into()],
            ..RemedyWhen::default()
        },
        ..ask().remove(0)
    }]
}

#[test]
fn what_is_waited_for_is_waited_for_over_a_second_merge() {
    check(
        ask_of_all(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:05 declare tv/IR-10 severe
        00:05 declare internet+tv/IR-23 severe
        00:07 approve ask $1
        00:08 merge $1 $2
        00:09 merge $2 $3
        00:10 approve ask $3
        00:11 result done ask $1
        00:12 approve ask $3
        00:20",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  tv in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $3/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet, tv in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:07:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:08:10 merged $1/3 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed customers=4000
                  internet in IR-10: merged into $2 by noc; remedy ask lapsed: the incident is merged
            00:08:10 updated $2/2 p=1.00 severe degradation hit=00:05:00 customers=4000
                  internet, tv in IR-10: $1 is merged into it by noc
            00:09:10 merged $2/3 p=1.00 severe degradation hit=00:05:00 into=$3 ask=lapsed customers=4000
                  internet, tv in IR-10: merged into $3 by noc; remedy ask lapsed: the incident is merged
            00:09:10 updated $3/2 p=1.00 severe degradation hit=00:05:00 customers=4000
                  internet, tv in IR-10, IR-23: $2 is merged into it by noc
                  refused not_allowed: command c17 at log/0@17: incident $3: waits for what came of its call for $1
            00:11:10 updated $1/4 p=1.00 severe degradation hit=00:05:00 into=$2 ask=done customers=4000
                  internet in IR-10: remedy ask done: called: done
            00:11:10 updated $3/3 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet, tv in IR-10, IR-23: remedy ask lapsed: $1, merged into it, has had it
                  refused not_allowed: command c21 at log/0@21: remedy ask of $3 is lapsed
        "#]],
    );
}

#[test]
fn a_word_on_the_merged_one_is_asked_for_again_although_the_other_had_lapsed() {
    check(
        ask(),
        "ticks
        00:00
        00:05 declare internet/IR-23 severe
        00:20 declare internet/IR-10 severe
        00:40 approve ask $2
        00:41 merge $2 $1
        00:43 result unwanted ask $2
        00:44 approve ask $1
        00:50",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:20:10 confirmed $2/1 p=1.00 severe degradation hit=00:20:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:35:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 ask=lapsed
                  internet in IR-23: remedy ask lapsed: nobody approved it in time
            00:40:10 updated $2/2 p=1.00 severe degradation hit=00:20:00 ask=approved customers=4000
                  internet in IR-10: remedy ask approved (restarts the pool): by noc
            00:41:10 merged $2/3 p=1.00 severe degradation hit=00:20:00 into=$1 ask=lapsed customers=4000
                  internet in IR-10: merged into $1 by noc; remedy ask lapsed: the incident is merged
            00:41:10 updated $1/3 p=1.00 severe degradation hit=00:05:00 ask=withheld customers=4000
                  internet in IR-10, IR-23: $2 is merged into it by noc; remedy ask withheld: waits for what came of its call for $2
            00:43:10 updated $2/4 p=1.00 severe degradation hit=00:20:00 into=$1 ask=lapsed customers=4000
                  internet in IR-10: remedy ask lapsed: the incident is merged
            00:43:10 updated $1/4 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10, IR-23: remedy ask proposed (restarts the pool): waits for a word
            00:44:10 updated $1/5 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet in IR-10, IR-23: remedy ask approved (restarts the pool): by noc
        "#]],
    );
}

#[test]
fn it_is_known_over_a_second_merge() {
    check(
        ask_of_all(),
        "ticks
        00:00
        00:05 declare internet/IR-10 severe
        00:05 declare internet/IR-23 severe
        00:05 declare tv/IR-10 severe
        00:05 declare tv/IR-23 severe
        00:06 merge $3 $1
        00:06 merge $4 $2
        00:07 approve ask $1
        00:08 merge $1 $2
        00:09 approve ask $2
        00:10 result done ask $1
        00:11 approve ask $2
        00:20",
        expect![[r#"
            00:05:10 confirmed $1/1 p=1.00 severe degradation hit=00:05:00 ask=proposed customers=4000
                  internet in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $2/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  internet in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $3/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  tv in IR-10: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:05:10 confirmed $4/1 p=1.00 severe degradation hit=00:05:00 ask=proposed
                  tv in IR-23: declared by noc; remedy ask proposed (restarts the pool): waits for a word
            00:06:10 merged $3/2 p=1.00 severe degradation hit=00:05:00 into=$1 ask=lapsed
                  tv in IR-10: merged into $1 by noc; remedy ask lapsed: the incident is merged
            00:06:10 updated $1/2 p=1.00 severe degradation hit=00:05:00 customers=4000
                  internet, tv in IR-10: $3 is merged into it by noc
            00:06:10 merged $4/2 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed
                  tv in IR-23: merged into $2 by noc; remedy ask lapsed: the incident is merged
            00:06:10 updated $2/2 p=1.00 severe degradation hit=00:05:00
                  internet, tv in IR-23: $4 is merged into it by noc
            00:07:10 updated $1/3 p=1.00 severe degradation hit=00:05:00 ask=approved customers=4000
                  internet, tv in IR-10: remedy ask approved (restarts the pool): by noc
            00:08:10 merged $1/4 p=1.00 severe degradation hit=00:05:00 into=$2 ask=lapsed customers=4000
                  internet, tv in IR-10: merged into $2 by noc; remedy ask lapsed: the incident is merged
            00:08:10 updated $2/3 p=1.00 severe degradation hit=00:05:00 customers=4000
                  internet, tv in IR-10, IR-23: $1 is merged into it by noc
                  refused not_allowed: command c18 at log/0@18: incident $2: waits for what came of its call for $1
            00:10:10 updated $1/5 p=1.00 severe degradation hit=00:05:00 into=$2 ask=done customers=4000
                  internet, tv in IR-10: remedy ask done: called: done
            00:10:10 updated $2/4 p=1.00 severe degradation hit=00:05:00 ask=lapsed customers=4000
                  internet, tv in IR-10, IR-23: remedy ask lapsed: $1, merged into it, has had it
                  refused not_allowed: command c22 at log/0@22: remedy ask of $2 is lapsed
        "#]],
    );
}
