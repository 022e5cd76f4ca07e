//! Messages that all go to one server, which the operator has named.

use forecall_http::{Answer, Client, Loss, Request};

use crate::{Accepted, Message, SendError};

/// Where the request was lost: the operator has named the address, so it is the whole gateway that is away.
pub(crate) fn lost(loss: Loss) -> SendError {
    let reason = loss.as_str();
    if loss.is_unsaid() {
        SendError::Down { reason, code: None }
    } else {
        SendError::Indefinite { reason }
    }
}

/// Posts what can be made of the messages, all at once; one answer for each.
pub(crate) fn post_all(
    client: &Client,
    messages: &[Message<'_>],
    request: impl Fn(&Message<'_>) -> Result<Request, SendError>,
    judge: impl Fn(&Answer) -> Result<Accepted, SendError>,
) -> Vec<Result<Accepted, SendError>> {
    let Some(now) = messages.first().map(|message| message.at) else {
        return Vec::new();
    };
    let mut requests = Vec::with_capacity(messages.len());
    let made: Vec<Result<(), SendError>> = messages
        .iter()
        .map(|message| request(message).map(|request| requests.push(request)))
        .collect();
    let mut answers = client.post_all(requests, now).into_iter();
    made.into_iter()
        .map(|made| {
            made?;
            let answer = answers.next().unwrap_or(Err(Loss::Broken)).map_err(lost)?;
            judge(&answer)
        })
        .collect()
}
