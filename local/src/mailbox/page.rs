//! The mailbox in a browser: a list, and the chosen mail in a frame that can do nothing.

use std::fmt::Write as _;

use axum::response::{Html, IntoResponse, Response};
use html_escape::{encode_double_quoted_attribute as attribute, encode_text as text};
use http::header;

use super::Mail;

const STYLE: &str = include_str!("page.css");
/// No script anywhere; the frame inherits this, so that a mail runs nothing either.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:; frame-src 'self'; form-action 'self'";

/// The page: the mails, and the chosen one or the newest.
pub(super) fn page(mails: &[Mail], to: Option<&str>, chosen: Option<&str>) -> Response {
    let key = |mail: &Mail| format!("{} {}", mail.id, mail.to);
    let shown = mails
        .iter()
        .find(|mail| chosen == Some(key(mail).as_str()))
        .or_else(|| mails.first());
    let query = |mail: &Mail| {
        let to = to.map(|to| ("to", to.to_owned()));
        serde_urlencoded::to_string(to.into_iter().chain([("mail", key(mail))]).collect::<Vec<_>>())
            .unwrap_or_default()
    };

    let mut list = String::new();
    for mail in mails {
        let current = if shown.is_some_and(|shown| key(shown) == key(mail)) {
            " aria-current=\"true\""
        } else {
            ""
        };
        // Writing to a string does not fail.
        let _ = write!(
            list,
            "<a href=\"?{}\"{current}><strong>{}</strong>{}<br><small>{}</small></a>",
            attribute(&query(mail)),
            text(&mail.subject),
            text(&mail.to),
            mail.at.strftime("%-d %b %Y, %H:%M:%S UTC"),
        );
    }
    if mails.is_empty() {
        list.push_str(
            "<p class=\"soft\" style=\"padding:0 20px\">No mail yet. What the portal sends arrives here.</p>",
        );
    }

    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Mailbox</title><style>{STYLE}</style></head><body><header><h1>Mailbox</h1><span class=\"soft\">{} mails</span>\
         <form><input name=\"to\" type=\"search\" placeholder=\"Recipient\" aria-label=\"Recipient\" value=\"{}\"><button>Show</button></form>\
         </header><nav aria-label=\"Mails\">{list}</nav><main>{}</main></body></html>",
        mails.len(),
        attribute(to.unwrap_or_default()),
        shown.map(opened).unwrap_or_default(),
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(html)).into_response()
}

fn opened(mail: &Mail) -> String {
    // Links open beside the mailbox: what they lead to refuses to be framed.
    let document = format!("<base target=\"_blank\">{}", mail.html);
    let frame = if mail.html.is_empty() {
        String::new()
    } else {
        format!(
            "<iframe title=\"Mail\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\" srcdoc=\"{}\"></iframe>",
            attribute(&document)
        )
    };
    let open = if mail.html.is_empty() { " open" } else { "" };
    format!(
        "<div><h2>{}</h2><span class=\"soft\">From {} to {}</span></div>{frame}<details{open}><summary>Text version</summary><pre>{}</pre></details>",
        text(&mail.subject),
        text(&mail.from),
        text(&mail.to),
        text(&mail.text),
    )
}
