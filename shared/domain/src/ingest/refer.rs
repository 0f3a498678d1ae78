//! What the names in a line stand for.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::{Code, Refusal};
use crate::external::ExternalId;
use crate::id::OrganizationId;
use crate::person::{Place, PresenceRecord};

/// What names stand for, as far as it was found.
pub type Found<T> = BTreeMap<ExternalId, T>;

/// What `name`, in the field at `pointer`, stands for.
///
/// # Errors
/// [`Code::ReferenceUnknown`].
pub(super) fn refer<'a, T>(found: &'a Found<T>, name: &ExternalId, pointer: &str) -> Result<&'a T, Refusal> {
    let referred = found.get(name);
    referred.ok_or_else(|| Refusal::from(Code::ReferenceUnknown).at(pointer))
}

/// The same of a name that may be missing.
///
/// # Errors
/// [`Code::ReferenceUnknown`].
pub(super) fn refer_if<'a, T>(
    found: &'a Found<T>,
    name: Option<&ExternalId>,
    pointer: &str,
) -> Result<Option<&'a T>, Refusal> {
    name.map(|name| refer(found, name, pointer)).transpose()
}

/// Refuses a sponsor that is no organization here.
///
/// # Errors
/// [`Code::ReferenceUnknown`] at `/sponsor`.
pub(super) fn sponsored(
    found: &BTreeSet<OrganizationId>,
    sponsor: Option<OrganizationId>,
) -> Result<(), Refusal> {
    match sponsor {
        Some(sponsor) if !found.contains(&sponsor) => {
            Err(Refusal::new(Code::ReferenceUnknown, "there is no such organization").at("/sponsor"))
        }
        _ => Ok(()),
    }
}

/// The sites that somebody is at, of those that were found.
pub(super) fn places(found: &Found<Place>, presences: &[PresenceRecord]) -> Found<Place> {
    let named = presences.iter().map(|presence| &presence.site);
    named
        .filter_map(|name| Some((name.clone(), *found.get(name)?)))
        .collect()
}
