use std::time::Duration;

use forecall_types::{CallOutcome, EventTime, Reject};

use super::calls::{Calls, RawCall};
use super::json::{bad_time, bad_value, from_whole, malformed, missing};
use super::{Decoded, PseudonymKey, Source, TimeUnit};

/// Lines of `queue_log`: `epoch|call id|queue|member|event|parameters…`, see "Queue Logs" of Asterisk's documentation.
pub(super) fn decode(source: &Source, key: &PseudonymKey, value: &[u8]) -> Result<Decoded, Reject> {
    let text = std::str::from_utf8(value).map_err(|_| malformed("not UTF-8"))?;
    let mut calls = Calls::new(source, key);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        calls.expect()?;
        calls.take(self::line(line));
    }
    calls.finish()
}

fn line(line: &str) -> Result<Option<RawCall<'_>>, Reject> {
    let fields: Vec<&str> = line.split('|').collect();
    let [epoch, id, queue, _member, event, parameters @ ..] = fields.as_slice() else {
        return Err(malformed("fewer than five fields"));
    };
    let at = epoch
        .parse::<i64>()
        .ok()
        .and_then(|epoch| from_whole(i128::from(epoch), TimeUnit::Seconds))
        .ok_or_else(|| bad_time("epoch"))?;
    let seconds = |index: usize, field: &str| -> Result<Duration, Reject> {
        let text = parameters.get(index).ok_or_else(|| missing(field))?;
        text.parse()
            .map(Duration::from_secs)
            .map_err(|_| bad_value(field))
    };
    let (outcome, wait, handle, caller) = match *event {
        "ENTERQUEUE" => (
            CallOutcome::Offered,
            None,
            None,
            parameters.get(1).copied().filter(|caller| !caller.is_empty()),
        ),
        "CONNECT" => (CallOutcome::Answered, Some(seconds(0, "holdtime")?), None, None),
        "COMPLETEAGENT" | "COMPLETECALLER" => (
            CallOutcome::Answered,
            Some(seconds(0, "holdtime")?),
            Some(seconds(1, "calltime")?),
            None,
        ),
        "ABANDON" => (CallOutcome::Abandoned, Some(seconds(2, "waittime")?), None, None),
        "EXITWITHTIMEOUT" => (
            CallOutcome::Left,
            // Asterisk 1.4 wrote the position only.
            seconds(2, "waittime").ok(),
            None,
            None,
        ),
        "EXITWITHKEY" => (CallOutcome::Left, seconds(3, "waittime").ok(), None, None),
        "EXITEMPTY" => (CallOutcome::Left, seconds(2, "waittime").ok(), None, None),
        // Members, pauses, ringing, transfers, the queue's own start: no step of a call forecall counts.
        _ => return Ok(None),
    };
    if id.is_empty() || *id == "NONE" {
        return Err(missing("callid"));
    }
    Ok(Some(RawCall {
        id,
        queue,
        arrived_at: before(at, wait, handle),
        at,
        outcome,
        wait,
        handle,
        caller,
    }))
}

/// A later line doesn't repeat when the call came in; it follows from the spans it names.
fn before(at: EventTime, wait: Option<Duration>, handle: Option<Duration>) -> EventTime {
    at.minus(wait.unwrap_or_default())
        .minus(handle.unwrap_or_default())
}
