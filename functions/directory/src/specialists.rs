//! Specialists: what they offer, what proves that they may, and their review.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod review;
pub(crate) mod update;
mod view;

use portal_domain::access::Access;
use portal_domain::code::{Code, Refusal};
use portal_domain::reach::Reach;
use portal_store::Sought;
use portal_store::entity::specialist::SpecialistPrices;

/// The specialist, and the reach within which the caller sees them.
///
/// # Errors
/// [`Code::PrivacyModeRequired`], [`Code::ScopeExcludes`], [`Code::SpecialistNotFound`].
fn subject(access: &Access, sought: Sought<SpecialistPrices>) -> Result<(SpecialistPrices, Reach), Refusal> {
    let reach = access.reach()?.of_specialists()?;
    let found = sought.within(&reach).ok_or(Code::SpecialistNotFound)?;
    Ok((found, reach))
}
