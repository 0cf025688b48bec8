//! `/topics/` is `/topics`: some clients end every path with a slash.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use tower::ServiceExt as _;

/// The same routes, reachable with a slash behind them.
///
/// The path has to change before the router looks at it, so this wraps the router in another one.
pub(super) fn tolerated(router: Router) -> Router {
    Router::new().fallback_service(router.map_request(without_slash))
}

fn without_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    if path.len() > 1
        && path.ends_with('/')
        && let Some(uri) = trimmed(request.uri())
    {
        *request.uri_mut() = uri;
    }
    request
}

fn trimmed(uri: &Uri) -> Option<Uri> {
    let path = uri.path().trim_end_matches('/');
    let path = if path.is_empty() { "/" } else { path };
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slashes_at_the_end_go() {
        for (given, expected) in [
            ("/topics/", "/topics"),
            ("/topics//?a=b/", "/topics?a=b/"),
            ("//", "/"),
        ] {
            let uri: Uri = given.parse().unwrap();
            assert_eq!(trimmed(&uri).unwrap().to_string(), expected);
        }
    }
}
