//! Messages that go to many places, each somebody else's: one that fails or asks for rest gets it, and holds up no other.

use std::collections::BTreeMap;
use std::time::Duration;

use forecall_http::{Answer, Client, Loss, Request};
use forecall_types::EventTime;

use crate::{Accepted, Message, SendError};

/// Places that rest at once. A place is a host and port; more than this many failing ones within a minute or an hour are an outage of
/// our own, in which they may be forgotten: the next message finds out again.
const RESTING_MAX: usize = 4_096;

/// The client, and which places rest.
pub(crate) struct Places {
    client: Client,
    /// After a failure, and where "too fast" names no time.
    pause: Duration,
    resting: BTreeMap<String, EventTime>,
}

impl Places {
    pub(crate) fn new(client: Client, pause: Duration) -> Self {
        Self {
            client,
            pause,
            resting: BTreeMap::new(),
        }
    }

    /// Makes requests of messages, posts those whose place doesn't rest, all at once, and says of each what its answer means.
    pub(crate) fn send_all(
        &mut self,
        messages: &[Message<'_>],
        request: impl Fn(&Message<'_>) -> Result<Request, SendError>,
        judge: impl Fn(&Answer) -> Result<Accepted, SendError>,
    ) -> Vec<Result<Accepted, SendError>> {
        let Some(now) = messages.first().map(|message| message.at) else {
            return Vec::new();
        };
        self.resting.retain(|_, until| *until > now);
        let mut places = Vec::with_capacity(messages.len());
        let mut requests = Vec::with_capacity(messages.len());
        for message in messages {
            places.push(request(message).and_then(|request| {
                let place = place_of(&request.url);
                if let Some(until) = self.resting.get(&place) {
                    return Err(SendError::Busy {
                        reason: "place_rests",
                        retry_after: until.since(now),
                    });
                }
                requests.push(request);
                Ok(place)
            }));
        }
        let mut answers = self.client.post_all(requests, now).into_iter();
        places
            .into_iter()
            .map(|place| {
                let place = place?;
                match answers.next().unwrap_or(Err(Loss::Broken)) {
                    Ok(answer) => {
                        let judged = judge(&answer);
                        if let Err(SendError::Throttled { .. } | SendError::Busy { .. }) = judged {
                            let wait = answer.retry_after.unwrap_or(self.pause);
                            self.rest(place, now.plus(wait));
                            return Err(SendError::Busy {
                                reason: "throttled",
                                // Never at once again, whatever it says.
                                retry_after: wait.max(Duration::from_secs(1)),
                            });
                        }
                        judged
                    }
                    Err(loss) => {
                        let (error, rests) = lost(loss);
                        if rests {
                            self.rest(place, now.plus(self.pause));
                        }
                        Err(error)
                    }
                }
            })
            .collect()
    }

    fn rest(&mut self, place: String, until: EventTime) {
        if self.resting.len() >= RESTING_MAX {
            self.resting.clear();
        }
        let rests = self.resting.entry(place).or_insert(until);
        *rests = (*rests).max(until);
    }
}

/// What a lost request means to its message, and whether its place rests now.
const fn lost(loss: Loss) -> (SendError, bool) {
    let reason = loss.as_str();
    let code = None;
    match loss {
        Loss::Forbidden => (SendError::Permanent { reason, code }, false),
        Loss::Tls | Loss::Unreachable => (SendError::Temporary { reason, code }, true),
        Loss::Timeout => (SendError::Indefinite { reason }, true),
        Loss::Broken => (SendError::Indefinite { reason }, false),
    }
}

/// Host and port of an address, as they are written.
fn place_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_and_port() {
        for (url, place) in [
            ("https://Example.ir/a?b#c", "example.ir"),
            ("https://example.ir:8443/a", "example.ir:8443"),
            ("https://u:p@example.ir?x", "example.ir"),
            ("https://[::1]:1/", "[::1]:1"),
        ] {
            assert_eq!(place_of(url), place);
        }
    }
}
