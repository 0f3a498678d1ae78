//! Generated documents.
use std::path::Path;

use crate::stack::Failure;

/// Writes.
///
/// # Errors
/// none yet
pub fn write(_: &Path) -> Result<(), Failure> {
    Ok(())
}
