//! The client alone: the same gateway, the same words, no ledger and no decision.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forecall_delivery::{Gateway as _, Message, SmppGateway, SmppSettings};
use forecall_ledger::{Contact, Secret};
use forecall_types::NoticeText;

use crate::centre::{Centre, Manner};
use crate::house::now;
use crate::{machine, people};

/// Handed over at once: the window stays full but at the end of each.
const AT_ONCE: usize = 5_000;

pub(crate) struct Raw {
    /// First part to last part.
    pub(crate) seconds: f64,
    pub(crate) cpu: Duration,
}

pub(crate) fn run(manner: Manner, window: u16, count: usize, text: &NoticeText) -> Result<Raw> {
    let centre = Centre::start(manner, count)?;
    let smpp = SmppSettings {
        window,
        ..SmppSettings::loopback(centre.port, "forecall", "testonly", "+983000")
    };
    let mut gateway = SmppGateway::new(smpp)?;
    let at = now();
    let intents = (0..count)
        .map(|n| people::intent(n, at))
        .collect::<Result<Vec<_>>>()?;
    let contacts: Vec<_> = (0..count)
        .map(|n| Contact {
            address: Secret::new(format!("+98912{n:07}")),
            name: None,
        })
        .collect();
    let messages: Vec<Message<'_>> = intents
        .iter()
        .zip(&contacts)
        .map(|(intent, contact)| Message {
            intent,
            text,
            contact,
            attempt: 1,
            at,
        })
        .collect();
    let before = machine::cpu();
    for chunk in messages.chunks(AT_ONCE) {
        let answers = gateway.send_all(chunk);
        ensure!(
            answers.iter().all(Result::is_ok),
            "the client alone was refused: {answers:?}"
        );
        hear(&mut gateway)?;
    }
    let cpu = machine::cpu().saturating_sub(before);
    let begun = Instant::now();
    while manner.receipts && centre.book().acknowledged < count as u64 {
        hear(&mut gateway)?;
        ensure!(
            begun.elapsed() < Duration::from_secs(60),
            "its receipts don't come"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    let book = centre.book();
    ensure!(
        book.taken == count as u64,
        "the client alone brought {} of {count}",
        book.taken
    );
    let (first, last) = book.first.zip(book.last).context("nothing was sent")?;
    Ok(Raw {
        seconds: last.duration_since(first).as_secs_f64(),
        cpu,
    })
}

fn hear(gateway: &mut SmppGateway) -> Result<()> {
    gateway
        .receive(now())
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    gateway.acknowledge();
    Ok(())
}
