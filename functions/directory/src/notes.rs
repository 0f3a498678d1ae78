//! Notes on patients: apart from their profiles, behind a permission of their own.

pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod update;
mod view;

use portal_domain::access::Access;
use portal_domain::code::{Code, Refusal};
use portal_domain::patient::Patient;
use portal_domain::projection::Projection;
use portal_store::Sought;

/// The patient that notes are on, and what the caller sees of them.
///
/// # Errors
/// [`Code::PrivacyModeRequired`], [`Code::ScopeExcludes`], [`Code::PatientNotFound`].
fn subject(access: &Access, sought: Sought<Patient>) -> Result<(Patient, Projection), Refusal> {
    let reach = access.reach()?.of_patients()?;
    let patient = sought.within(&reach).ok_or(Code::PatientNotFound)?;
    Ok((patient, access.projection(&reach)))
}
