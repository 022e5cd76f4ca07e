//! The public feeds: Atom and CAP, of what has gone out. Nobody shows a token here, and nothing here names a person.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use forecall_config::FeedSettings;
use forecall_ledger::{KeptNotice, Ledger, LedgerError};
use forecall_observe::{ServeError, Server, serve_router};
use forecall_outreach::OutreachSettings;
use forecall_outreach::public::{Frame, PublicNotice, atom, cap, public_of};
use forecall_types::{EventTime, Incident, IncidentId, Language, NoticeId};
use serde::Deserialize;
use tracing::warn;

/// Notices of a feed: two a minute for an hour and a half of a storm. Older ones are gone.
const NOTICES_MAX: usize = 200;
/// What went out earlier is no news any more.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);
/// So long a look at the ledger serves everybody: the feeds cost the same for one reader and for a million.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// What the feeds are made of.
pub struct Feeds {
    /// A connection of their own.
    pub ledger: Ledger,
    /// Names of regions, who speaks, the zone.
    pub settings: Arc<OutreachSettings>,
    /// Told the time.
    pub now: Arc<dyn Fn() -> EventTime + Send + Sync>,
}

/// All that is served, as it was made.
#[derive(Default)]
struct Made {
    at: Option<EventTime>,
    feeds: BTreeMap<Language, Arc<str>>,
    alerts: BTreeMap<NoticeId, Arc<str>>,
}

struct Serving {
    feeds: Mutex<(Feeds, Made)>,
    frame: FeedSettings,
}

/// Serves `/feed.atom` and `/cap/{notice}.xml` on a thread of its own; it stops when dropped.
///
/// # Errors
/// The address can't be had.
pub fn serve_feeds(frame: &FeedSettings, feeds: Feeds) -> Result<Server, ServeError> {
    let serving = Arc::new(Serving {
        feeds: Mutex::new((feeds, Made::default())),
        frame: frame.clone(),
    });
    let router = Router::new()
        .route("/feed.atom", get(feed))
        .route("/cap/{file}", get(alert))
        .fallback(nothing)
        .with_state(serving);
    serve_router(frame.listen, router)
}

async fn nothing() -> StatusCode {
    StatusCode::NOT_FOUND
}

#[derive(Deserialize)]
struct Asked {
    lang: Option<String>,
}

/// `GET /feed.atom?lang=fa`
async fn feed(State(serving): State<Arc<Serving>>, Query(asked): Query<Asked>) -> Response {
    let asked = asked
        .lang
        .unwrap_or_else(|| Language::default().as_str().to_owned());
    let Some(language) = Language::ALL.into_iter().find(|l| l.as_str() == asked) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    made(serving, "application/atom+xml; charset=utf-8", move |made| {
        made.feeds.get(&language).cloned()
    })
    .await
}

/// `GET /cap/{notice}.xml`
async fn alert(State(serving): State<Arc<Serving>>, Path(file): Path<String>) -> Response {
    let id = file
        .strip_suffix(".xml")
        .and_then(|id| id.parse::<NoticeId>().ok());
    let Some(id) = id else {
        return StatusCode::NOT_FOUND.into_response();
    };
    made(serving, "application/cap+xml; charset=utf-8", move |made| {
        made.alerts.get(&id).cloned()
    })
    .await
}

async fn made(
    serving: Arc<Serving>,
    media_type: &'static str,
    pick: impl FnOnce(&Made) -> Option<Arc<str>> + Send + 'static,
) -> Response {
    let task = tokio::task::spawn_blocking(move || {
        let mut guard = serving.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        let (feeds, made) = &mut *guard;
        let now = (feeds.now)();
        // A clock that was set back doesn't stop the news.
        let is_fresh = made.at.is_some_and(|at| at <= now && now.since(at) < FRESH_FOR);
        if !is_fresh {
            *made = feeds.make(now, &serving.frame)?;
        }
        Ok::<_, LedgerError>(pick(made))
    });
    match task.await {
        Ok(Ok(Some(text))) => (
            [
                (header::CONTENT_TYPE, media_type),
                (header::CACHE_CONTROL, "max-age=15"),
            ],
            text.to_string(),
        )
            .into_response(),
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(error)) => {
            warn!(
                error = &error as &dyn std::error::Error,
                "the feeds couldn't be made"
            );
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An incident with what was let out of it, in order.
struct Thread {
    incident: Incident,
    out: Vec<KeptNotice>,
}

impl Feeds {
    fn make(&self, now: EventTime, settings: &FeedSettings) -> Result<Made, LedgerError> {
        let frame = Frame {
            url: &settings.url,
            sender: &settings.sender,
            exercise: settings.exercise,
        };
        let mut threads: BTreeMap<IncidentId, Thread> = BTreeMap::new();
        let newest = self.ledger.notices_out(now.minus(KEPT_FOR), NOTICES_MAX)?;
        for kept in &newest {
            let id = &kept.notice.incident;
            if !threads.contains_key(id)
                && let Some(incident) = self.ledger.incident(id)?
            {
                let out = self.ledger.thread_out(id)?;
                threads.insert(id.clone(), Thread { incident, out });
            }
        }
        let mut made = Made {
            at: Some(now),
            ..Made::default()
        };
        let mut public: Vec<PublicNotice<'_>> = Vec::new();
        for thread in threads.values() {
            let out: Vec<_> = thread
                .out
                .iter()
                .filter_map(|kept| Some((&kept.notice, kept.out_at?)))
                .collect();
            let of = public_of(&thread.incident, &out);
            for (index, one) in of.iter().enumerate() {
                if !newest.iter().any(|kept| kept.notice.id == one.notice.id) {
                    continue;
                }
                let upto = of.get(..=index).unwrap_or_default();
                if let Some(alert) = cap(upto, &frame, &self.settings) {
                    made.alerts.insert(one.notice.id.clone(), alert.into());
                }
                public.push(*one);
            }
        }
        public.sort_by(|a, b| (b.out_at, &b.notice.id).cmp(&(a.out_at, &a.notice.id)));
        for language in Language::ALL {
            let feed = atom(&public, language, now, &frame, &self.settings);
            made.feeds.insert(language, feed.into());
        }
        Ok(made)
    }
}
