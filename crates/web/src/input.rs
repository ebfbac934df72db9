//! What comes in: queries, bodies and ids, checked, with a problem for everything that is wrong.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, RawPathParamsRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{Problem, code};
use crate::state::App;

/// Most items of one page.
pub(crate) const MOST_ITEMS: i64 = 500;
/// Items of one page where the request does not say.
const USUAL_ITEMS: i64 = 100;

/// The query of a request. Unknown fields are refused by the types that it is read into.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(query) => Ok(Self(query.0)),
            Err(rejection) => Err(Problem::invalid(reason(&rejection.body_text()))),
        }
    }
}

/// The id in the path.
pub(crate) struct Id(pub(crate) i64);

impl FromRequestParts<App> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let found: Result<RawPathParams, RawPathParamsRejection> = RawPathParams::from_request_parts(parts, app).await;
        let params = found.map_err(|_| Problem::invalid("the path is not readable"))?;
        let (_, text) = params.iter().next().ok_or_else(Problem::internal)?;
        // An id that cannot exist is an id that does not exist.
        text.parse().map(Self).map_err(|_| Problem::not_found("id: ids are whole numbers"))
    }
}

/// A JSON body that must be there.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        Json::<T>::from_request(request, app).await.map(|json| Self(json.0)).map_err(json_problem)
    }
}

/// A JSON body that may be left out.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let content_type = parts.headers.get(CONTENT_TYPE).cloned();
        let whole = Bytes::from_request(Request::from_parts(parts, body), app).await.map_err(bytes_problem)?;
        if whole.is_empty() {
            return Ok(Self(T::default()));
        }
        let mut again = Request::new(whole.into());
        if let Some(content_type) = content_type {
            again.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        let json = Json::<Option<T>>::from_request(again, app).await.map_err(json_problem)?;
        Ok(Self(json.0.unwrap_or_default()))
    }
}

fn json_problem(rejection: JsonRejection) -> Problem {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            Problem::new(code::MEDIA_TYPE, "send the body as JSON, with Content-Type: application/json")
        }
        JsonRejection::BytesRejection(rejection) => bytes_problem(rejection),
        other => Problem::invalid(reason(&other.body_text())),
    }
}

fn bytes_problem(rejection: BytesRejection) -> Problem {
    if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(code::TOO_LARGE, "the body is larger than any request of this API needs")
    } else {
        Problem::invalid("the body broke off")
    }
}

/// What was wrong, without the part that only names our parser.
fn reason(text: &str) -> String {
    const OURS: [&str; 3] = ["query string: ", "into the target type: ", "request body as JSON: "];
    let said = OURS.into_iter().find_map(|ours| text.split_once(ours)).map_or(text, |(_, said)| said);
    said.to_owned()
}

/// A page's size as it was asked for.
pub(crate) fn page_size(limit: Option<i64>) -> Result<i64, Problem> {
    match limit {
        None => Ok(USUAL_ITEMS),
        Some(limit @ 1..=MOST_ITEMS) => Ok(limit),
        Some(_) => Err(Problem::invalid(format!("limit must be from 1 to {MOST_ITEMS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_limit() {
        assert_eq!(page_size(None).unwrap(), 100);
        assert_eq!(page_size(Some(500)).unwrap(), 500);
        for wrong in [0, -1, 501, i64::MAX] {
            assert_eq!(page_size(Some(wrong)).unwrap_err().code(), code::INVALID);
        }
    }
}
