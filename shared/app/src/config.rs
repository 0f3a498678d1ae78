//! Configuration: environment variables, read once, each documented here.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;

use crate::clock::Clock;

/// An environment variable of the functions.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is, with its form.
    pub about: &'static str,
    /// What it is when it is not set; `None` if the functions that use it do not start without it.
    pub default: Option<&'static str>,
}

macro_rules! variables {
    ($($name:ident $about:literal $default:expr;)*) => {
        $(#[doc = $about] pub const $name: Variable =
            Variable { name: stringify!($name), about: $about, default: $default };)*

        /// All variables.
        pub const VARIABLES: &[Variable] = &[$($name,)*];
    };
}

variables! {
    TABLE_NAME "The DynamoDB table." None;
    PORTAL_URL "Where the portal is: the base of links in mails. Never taken from a request." None;
    IDENTITY_ISSUER "The identity provider, exactly as in the tokens' `iss`." None;
    IDENTITY_ISSUER_NAME "A name for the identity provider that outlives its address: account ids are made from it." None;
    IDENTITY_AUDIENCE "The client ids whose access tokens are accepted, separated by commas." None;
    IDENTITY_JWKS_URL "Where the identity provider publishes its keys: https, or http on loopback." None;
    LINK_KEYS "The keys that sign invite links: `{\"current\":\"k1\",\"keys\":{\"k1\":\"<base64 of 32 bytes>\"}}`. Keep a former key for eight days." None;
    CURSOR_KEY "The key that seals list cursors: base64 of 32 bytes. Changing it ends lists that people are paging through." None;
    PLATFORM_OPERATORS "The verified addresses of those who act for the platform, separated by commas." Some("");
    ALLOWED_ORIGINS "The web origins that may call the API from a browser, separated by commas." Some("");
    MAIL_SENDER "Who mails come from: `Name <address>` or an address." None;
    MAIL_CONFIGURATION_SET "The SES configuration set; without one, bounces and complaints are not reported." Some("");
    MAIL_QUEUE_URL "The queue between the outbox and the mail sender." None;
    EXPORT_QUEUE_URL "The queue between the outbox and the writer of exports." None;
    IMPORT_QUEUE_URL "The queue between the bucket and what takes imports; what one run leaves goes into it, too." None;
    DOCUMENTS_BUCKET "The bucket of documents: files that people bring and take." None;
    AUDIT_BUCKET "The bucket of sealed audit segments, whose versions are locked." None;
    AUDIT_KEY "The asymmetric KMS key (`ECC_NIST_P256`) that signs checkpoints of the audit log: its id, ARN or alias." None;
    AUDIT_PUBLIC_KEYS "Files with the public keys (PEM) that `portal-local verify-audit` believes, separated by commas; without them it asks KMS." Some("");
    SERVER_TIMING "`true` shows round trips and consumed units in a `server-timing` header." Some("false");
    LOG_LEVEL "`error`, `warn`, `info` or `debug`, for this product's own lines; libraries log warnings." Some("info");
}

/// A function that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable is not set.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable does not have the form it needs. Its value is not told: it may be a secret.
    #[error("the environment variable {0} is not of the form it needs: {1}")]
    Invalid(&'static str, String),
}

/// The variables of a function, with what connections need.
#[derive(Debug, Clone)]
pub struct Config {
    variables: BTreeMap<String, String>,
    /// Credentials, region, endpoints and timeouts for AWS.
    pub aws: aws_config::SdkConfig,
    /// The time.
    pub clock: Clock,
}

impl Config {
    /// The configuration of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    pub async fn from_env() -> Self {
        let aws = aws_config::defaults(behavior())
            .timeout_config(timeouts())
            .load()
            .await;
        Self {
            variables: std::env::vars().collect(),
            aws,
            clock: Clock::system(),
        }
    }

    /// A configuration that is given, for functions that run inside another process.
    #[must_use]
    pub fn new(variables: BTreeMap<String, String>, aws: aws_config::SdkConfig, clock: Clock) -> Self {
        Self {
            variables,
            aws,
            clock,
        }
    }

    /// The value of `variable`.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] when it is not set and has no default.
    pub fn get(&self, variable: &Variable) -> Result<&str, ConfigError> {
        let set = self
            .variables
            .get(variable.name)
            .map(String::as_str)
            .filter(|value| !value.is_empty());
        set.or(variable.default)
            .ok_or(ConfigError::Missing(variable.name))
    }

    /// The comma-separated values of `variable`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn list(&self, variable: &Variable) -> Result<Vec<String>, ConfigError> {
        let values = self
            .get(variable)?
            .split(',')
            .map(str::trim)
            .filter(|value| !value.is_empty());
        Ok(values.map(str::to_owned).collect())
    }
}

/// The SDK's behaviour, pinned: an update must not change timeouts or retries unseen.
#[must_use]
pub fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Timeouts: the SDK has none for attempts of its own. The store's policy tries again.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(10))
        .build()
}
