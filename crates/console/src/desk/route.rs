//! The desk over HTTP.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use forecall_config::ApiScope;
use serde::Deserialize;
use tracing::{info, warn};

use crate::access::Bearer;
use crate::api::{Speaking, out_of_scope, problem};
use crate::desk::{Desk, DeskError, Look};

/// In place of an id in the path: it stands in the header, where no proxy's log keeps it.
const IN_HEADER: &str = "-";
const ID_HEADER: &str = "customer-id";

/// `?why=call&from=…&max=25`
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    why: String,
    from: Option<String>,
    max: Option<usize>,
}

/// `GET /v1/customers/{id}/notices`
pub(crate) async fn notices(
    State(speaking): State<Arc<Speaking>>,
    Extension(bearer): Extension<Bearer>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if !bearer.scopes.contains(&ApiScope::Customers) {
        return out_of_scope(&bearer, ApiScope::Customers);
    }
    let Some(desk) = speaking.desk() else {
        return nowhere();
    };
    let given = if id == IN_HEADER {
        let shown = headers
            .get(ID_HEADER)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        shown.unwrap_or_default()
    } else {
        id
    };
    let at = (speaking.now)();
    let task = tokio::task::spawn_blocking(move || {
        let look = Look {
            by: &bearer.name,
            why: &asked.why,
            from: asked.from.as_deref(),
            max: asked.max,
            at,
        };
        answer(&desk, &given, &look)
    });
    task.await
        .unwrap_or_else(|_| problem(StatusCode::INTERNAL_SERVER_ERROR, "the look-up failed"))
}

pub(crate) fn nowhere() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "this process has no ledger to look in: it needs `ledger.master_key` and `ledger.pseudonym_key`",
    )
}

fn answer(desk: &Desk, given: &str, look: &Look<'_>) -> Response {
    let story = desk.who(given).and_then(|customer| desk.story(&customer, look));
    match story {
        Ok(story) => {
            // Whose stands in the audit alone.
            info!(by = look.by, why = look.why, "a customer's story was shown");
            let is_nobody = !story.known && story.entries.is_empty() && look.from.is_none();
            let status = if is_nobody {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::OK
            };
            // It is personal, and old after a minute.
            ([(header::CACHE_CONTROL, "no-store")], (status, Json(story))).into_response()
        }
        Err(error @ (DeskError::Why | DeskError::Id | DeskError::From)) => {
            problem(StatusCode::BAD_REQUEST, &error.to_string())
        }
        Err(DeskError::Ledger(error)) => {
            warn!(
                by = look.by,
                error = &error as &dyn std::error::Error,
                "a customer's story couldn't be read"
            );
            problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "the ledger is busy or can't be read: ask again",
            )
        }
    }
}
