//! Who may ask for what: signatures by the stack's own key, links for as long as the stack's clock says, and nothing that would
//! be ignored.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{HeaderName, header};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::path::S3Path;
use s3s::{S3Error, S3ErrorCode, S3Result};
use serde_json::Value;

use super::{Objects, Operation};
use crate::faults::Kind;
use crate::template::Template;

/// The secret of every access key here. It opens nothing elsewhere.
pub(crate) const SECRET: &str = "local";

/// How far ahead the time of a link may be.
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// What a request may say beside its signature and a checksum of its body.
const KNOWN: [&str; 12] = [
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-checksum-type",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-trailer",
    "x-amz-user-agent",
];
/// What would have to be kept with an object, or compared with it, and is not.
const UNSERVED: [HeaderName; 6] = [
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::EXPIRES,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// The access keys: every name has the same secret, so that functions can sign in their own.
pub(super) struct Keys;

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, _: &str) -> S3Result<SecretKey> {
        Ok(SECRET.into())
    }
}

/// The functions that may not list the bucket. S3 answers them 403 for an object that is not there
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>).
pub(super) fn blind(template: &Template) -> BTreeSet<String> {
    let lists = |statement: &Value| {
        let action = &statement["Action"];
        let is_it = |action: &Value| action == "s3:ListBucket";
        // A condition on the prefix fails where a single object is asked for.
        statement["Condition"].is_null()
            && (is_it(action) || action.as_array().is_some_and(|all| all.iter().any(is_it)))
    };
    let functions = template.functions().into_iter();
    functions
        .filter(|function| !template.statements(function).iter().any(lists))
        .map(|function| function.name)
        .collect()
}

/// The protocol's settings: times are compared here, with the stack's clock, which may be far ahead of the machine's.
pub(super) fn config() -> Arc<StaticConfigProvider> {
    let mut config = S3Config::default();
    config.presigned_url_max_skew_time_secs = u32::MAX;
    Arc::new(StaticConfigProvider::new(Arc::new(config)))
}

/// The check of every request whose signature is right.
pub(super) struct Access(pub(super) Objects);

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let denied = |why: &'static str| Err(S3Error::with_message(S3ErrorCode::AccessDenied, why));
        let name = cx.s3_op().name();
        let Some(credentials) = cx.credentials() else {
            return denied("a signature is needed");
        };
        self.0.note(Operation {
            caller: credentials.access_key.clone(),
            name: name.to_owned(),
            key: match cx.s3_path() {
                S3Path::Object { key, .. } => Some(key.to_string()),
                S3Path::Bucket { .. } | S3Path::Root => None,
            },
        });
        let query = cx.uri().query().unwrap_or_default();
        let by_header = cx.headers().get(header::AUTHORIZATION);
        match Link::of(query) {
            Some(link) if link.is_over(self.0.0.clock.now()) => return denied("the link has expired"),
            Some(link) if link.is_early(self.0.0.clock.now()) => {
                return Err(S3ErrorCode::RequestTimeTooSkewed.into());
            }
            Some(_) => {}
            None if by_header.is_some_and(|value| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256 ")) => {}
            None => return denied("signatures are of version 4"),
        }
        let unserved = cx.headers().keys().find(|name| {
            let text = name.as_str();
            let is_known = KNOWN.contains(&text) || super::checksum::is_one(text);
            UNSERVED.contains(name) || (text.starts_with("x-amz-") && !is_known)
        });
        if let Some(name) = unserved {
            let why = format!("{name} is not served here");
            return Err(S3Error::with_message(S3ErrorCode::NotImplemented, why));
        }
        if self.0.0.faults.draw(Kind::ObjectsDown, name).is_some() {
            return Err(S3ErrorCode::SlowDown.into());
        }
        Ok(())
    }
}

/// The times of a presigned request.
struct Link {
    from: Timestamp,
    until: Timestamp,
}

impl Link {
    /// The link in a query; none if it is none.
    fn of(query: &str) -> Option<Self> {
        let all: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
        let value = |name: &str| {
            all.iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        value("X-Amz-Signature")?;
        let date = DateTime::strptime("%Y%m%dT%H%M%SZ", value("X-Amz-Date")?).ok()?;
        let from = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let seconds = value("X-Amz-Expires")?.parse().ok()?;
        let until = from.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        Some(Self { from, until })
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now > self.until
    }

    fn is_early(&self, now: Timestamp) -> bool {
        self.from.duration_since(now) > SKEW
    }
}
