//! Demo data.
use crate::stack::{Failure, Stack};

/// The demo clinic's admin.
pub const ADMIN: &str = "dana.admin@riverside.example";

/// Fills an empty table.
///
/// # Errors
/// none yet
pub async fn fill(_: &Stack) -> Result<(), Failure> {
    Ok(())
}
