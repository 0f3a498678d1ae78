//! How attempts at work that has a lease come to nothing.

use portal_documents::DocumentError;
use portal_domain::code::{Code, Refusal};
use portal_store::StoreError;

/// Why an attempt did not do its work.
#[derive(Debug)]
pub enum Failed {
    /// No attempt ever will.
    Refused(Refusal),
    /// Another may.
    Passing(Box<dyn std::error::Error + Send + Sync>),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Code> for Failed {
    fn from(code: Code) -> Self {
        Self::Refused(code.into())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => Self::Refused(refusal),
            error => Self::Passing(error.into()),
        }
    }
}

impl From<DocumentError> for Failed {
    fn from(error: DocumentError) -> Self {
        Self::Passing(error.into())
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self::Passing(error.into())
    }
}
