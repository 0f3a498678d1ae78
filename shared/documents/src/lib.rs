//! Documents: files in one bucket, written and read as streams, handed out and taken in by links that work for minutes.

mod error;
mod key;
mod link;
mod original;
mod read;
mod upload;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;

pub use error::DocumentError;
pub use key::{Key, UPLOADS};
pub use link::{Expected, LINK_LASTS, Link, Served};
pub use read::Reading;
pub use upload::{Stored, Upload};

/// The bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Documents {
    client: Client,
    bucket: String,
}

impl Documents {
    /// The bucket called `bucket`, reached as `config` says. A part of a file takes longer than a row of a table: it gets more
    /// time, and the SDK's own retries.
    #[must_use]
    pub fn new(config: &aws_sdk_s3::Config, bucket: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(15))
            .operation_timeout(Duration::from_mins(1))
            .build();
        let config = config
            .to_builder()
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .build();
        Self {
            client: Client::from_conf(config),
            bucket: bucket.to_owned(),
        }
    }
}
