//! The page where one says who one is.

use axum::response::{Html, IntoResponse, Response};
use html_escape::{encode_double_quoted_attribute as attribute, encode_text as text};
use http::header;

const STYLE: &str = include_str!("page.css");
/// The form's answer is a redirect to the client, which may be on any port of this machine.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; \
                      form-action 'self' http://127.0.0.1:* http://localhost:*";

/// The form, with the client's request inside.
pub(super) fn page(request: &str, email: &str, complaint: Option<&str>) -> Response {
    let complaint = complaint
        .map(|complaint| format!("<p role=\"alert\">{}</p>", text(complaint)))
        .unwrap_or_default();
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Sign in</title><style>{STYLE}</style></head><body><form method=\"post\" action=\"/_local/oidc/authorize\">\
         <h1>Sign in</h1><p>This is the development sign-in: be whoever you like. It exists on this machine only.</p>{complaint}\
         <input type=\"hidden\" name=\"request\" value=\"{}\">\
         <label>E-mail<input type=\"email\" name=\"email\" value=\"{}\" autocomplete=\"username\" required autofocus></label>\
         <label>Name<input type=\"text\" name=\"name\" autocomplete=\"name\" placeholder=\"From the address\"></label>\
         <label class=\"check\"><input type=\"checkbox\" name=\"verified\" value=\"yes\" checked>The address is verified</label>\
         <button>Sign in</button></form></body></html>",
        attribute(request),
        attribute(email),
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with it a browser posts the form with the origin `null`, which the guard refuses.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(html)).into_response()
}
