//! Rejects what API Gateway lets through and the conversion to an HTTP request does not survive.
//!
//! A payload 2.0 event has its path decoded already, so `%2F..%2F`, `%3F` or `%23` would change the route or the query
//! when it is put into a URI, and a malformed host, scheme or query would panic. Such an event is turned into one that is
//! safe and answered with 400 by [`REJECTED`]'s route; the host and scheme are never used, so they are always replaced.

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::HeaderValue;
use lambda_http::request::LambdaRequest;

/// The path of a request that was rejected.
pub(crate) const REJECTED: &str = "/-/malformed";

const LONGEST_PATH: usize = 2_048;
const LONGEST_QUERY: usize = 8_192;

/// The event, safe to convert.
pub(crate) fn safe(request: LambdaRequest) -> LambdaRequest {
    match request {
        LambdaRequest::ApiGatewayV2(mut event) => {
            if !is_safe(&event) {
                event.raw_path = Some(REJECTED.to_owned());
                event.raw_query_string = None;
            }
            event
                .headers
                .insert("host", HeaderValue::from_static("portal.internal"));
            event
                .headers
                .insert("x-forwarded-proto", HeaderValue::from_static("https"));
            event.request_context.domain_name = Some("portal.internal".to_owned());
            LambdaRequest::ApiGatewayV2(event)
        }
        other => other,
    }
}

fn is_safe(event: &ApiGatewayV2httpRequest) -> bool {
    is_safe_path(event.raw_path.as_deref().unwrap_or_default())
        && is_safe_query(event.raw_query_string.as_deref().unwrap_or_default())
}

/// Whether a decoded path means the same after it was put into a URI.
fn is_safe_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= LONGEST_PATH
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/-._~:@!$&'()*+,;=".contains(&byte))
        && !path.contains("//")
        && path.split('/').all(|segment| segment != "." && segment != "..")
}

/// Whether an encoded query is made of what RFC 3986 §3.4 allows, with whole escapes.
fn is_safe_query(query: &str) -> bool {
    let is_query_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=/?%".contains(&byte);
    query.len() <= LONGEST_QUERY
        && query.bytes().all(is_query_byte)
        && query
            .split('%')
            .skip(1)
            .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_would_become_others_are_rejected() {
        for path in [
            "",
            "v1",
            "/orgs/1/../2",
            "/orgs/./1",
            "/users/me?admin=true",
            "/users/me#x",
            "/a\\..\\b",
            "/a%2Fb",
            "/a//b",
            "/a\0",
            "/a\n",
            "/a b",
            "/ü",
            "/a\u{7f}",
            "/<a>",
            "/\"",
        ] {
            assert!(!is_safe_path(path), "{path:?}");
        }
        assert!(is_safe_path(
            "/v1/organizations/org_0192f0c1-2b3c-7d4e-8f50-61728394a5b6/invites"
        ));
        assert!(!is_safe_path(&format!("/{}", "a".repeat(LONGEST_PATH))));
    }

    #[test]
    fn queries_that_cannot_be_in_a_uri_are_rejected() {
        for query in [
            "a=\"", "a= b", "a=<", "a=%", "a=%4", "a=%zz", "a=#b", "a=\n", "a=ü",
        ] {
            assert!(!is_safe_query(query), "{query:?}");
        }
        assert!(is_safe_query("limit=10&search=M%C3%BCller+x&cursor=a-_b"));
    }
}
