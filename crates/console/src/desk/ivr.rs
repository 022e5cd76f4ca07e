//! What the telephone says of a place, or to one caller, before an agent answers.

use std::sync::{Arc, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use forecall_config::ApiScope;
use forecall_ledger::LedgerError;
use forecall_outreach::{People, Spoken, spoken};
use forecall_types::{CustomerId, EventTime, Incident, IncidentState, Language, RegionCode, ServiceName};
use forecall_wire::screen::{Announcement, Time, language as published};
use serde::Deserialize;
use tracing::warn;

use super::Desk;
use super::route::nowhere;
use crate::access::Bearer;
use crate::api::{Speaking, out_of_scope, problem};

/// Of whom or where it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A region, and a service where one is named.
    Region(RegionCode, Option<ServiceName>),
    /// A caller.
    Caller(CustomerId),
}

/// `?lang=fa&service=internet`
#[derive(Deserialize)]
pub(crate) struct Asked {
    lang: Option<String>,
    service: Option<String>,
}

/// `GET /v1/ivr/{place}`
pub(crate) async fn announcement(
    State(speaking): State<Arc<Speaking>>,
    Extension(bearer): Extension<Bearer>,
    Path(place): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if !bearer.scopes.contains(&ApiScope::Ivr) {
        return out_of_scope(&bearer, ApiScope::Ivr);
    }
    let Some(desk) = speaking.desk() else {
        return nowhere();
    };
    let Some((place, language)) = read(&place, &asked) else {
        return problem(
            StatusCode::BAD_REQUEST,
            "a region's code or a caller's pseudonym; `lang` is fa or en, `service` a service's name",
        );
    };
    let plain = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    let at = (speaking.now)();
    let task = tokio::task::spawn_blocking(move || desk.announcement(&place, language, at));
    match task.await {
        Ok(Ok(None)) => StatusCode::NO_CONTENT.into_response(),
        Ok(Ok(Some(said))) if plain => {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], said.text).into_response()
        }
        Ok(Ok(Some(said))) => Json(said).into_response(),
        Ok(Err(error)) => {
            warn!(
                error = &error as &dyn std::error::Error,
                "what the telephone says couldn't be read"
            );
            problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "the ledger is busy or can't be read: say nothing of it",
            )
        }
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the look-up failed"),
    }
}

fn read(place: &str, asked: &Asked) -> Option<(Place, Language)> {
    let language = match asked.lang.as_deref() {
        None => Language::default(),
        Some(lang) => Language::ALL.into_iter().find(|l| l.as_str() == lang)?,
    };
    let service = asked.service.as_deref().map(ServiceName::new).transpose().ok()?;
    let caller = place
        .parse::<CustomerId>()
        .ok()
        .filter(|id| id.number().is_some());
    let place = match caller {
        Some(caller) => Place::Caller(caller),
        None => Place::Region(RegionCode::new(place).ok()?, service),
    };
    Some((place, language))
}

impl Desk {
    /// What is said of the gravest open trouble there of which customers were told; `None`: nothing is known, or nothing may be said.
    ///
    /// # Errors
    /// The ledger refused.
    pub fn announcement(
        &self,
        place: &Place,
        language: Language,
        at: EventTime,
    ) -> Result<Option<Announcement>, LedgerError> {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        // Who stops all messages stops this one, too.
        if ledger.killed() {
            return Ok(None);
        }
        let mut people = People::new(Arc::clone(&self.settings));
        let caller = match place {
            Place::Region(..) => None,
            Place::Caller(id) => ledger.customer(id)?,
        };
        if let Some(caller) = &caller {
            // One customer is below every bound.
            let _ = people.take(caller);
        }
        let touches = |incident: &Incident| match place {
            Place::Region(region, service) => {
                let scope = &incident.scope;
                self.settings.lies_in(region, &scope.regions)
                    && service.as_ref().is_none_or(|s| scope.services.contains(s))
            }
            Place::Caller(_) => {
                caller.as_ref().is_some_and(|c| c.domain == incident.domain)
                    && people.reach(&incident.scope) > 0
            }
        };
        let mut open = ledger.open_incidents()?;
        open.retain(|incident| touches(incident));
        open.sort_by_key(|i| std::cmp::Reverse((i.state == IncidentState::Confirmed, i.severity, i.at)));
        for incident in &open {
            let notices = ledger.notices_of(&incident.id)?;
            let Some(told) = notices.iter().rev().find(|kept| kept.out_at.is_some()) else {
                continue;
            };
            if let Some(said) = spoken(incident, &told.notice, at, language, &self.settings) {
                return Ok(Some(announce(incident, language, said)));
            }
        }
        Ok(None)
    }
}

fn announce(incident: &Incident, language: Language, said: Spoken) -> Announcement {
    Announcement {
        thread: incident.id.as_str().to_owned(),
        language: published(language),
        text: said.text,
        may_hang_up: said.may_hang_up,
        eta: said.eta.map(Time::of),
        next_update: said.next_update.map(Time::of),
    }
}
