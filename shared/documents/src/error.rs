//! What goes wrong with documents.

use aws_sdk_s3::error::{DisplayErrorContext, SdkError};

/// The bucket did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the bucket did not do it: {0}")]
pub struct DocumentError(String);

impl DocumentError {
    pub(crate) fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

impl<E: std::error::Error + 'static, R: std::fmt::Debug + 'static> From<SdkError<E, R>> for DocumentError {
    fn from(error: SdkError<E, R>) -> Self {
        Self::new(DisplayErrorContext(error))
    }
}
