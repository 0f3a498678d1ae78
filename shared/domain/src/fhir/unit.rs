//! Organizations and places of a source: they say at which site something is, and are none themselves.
//!
//! An Organization that is called like a site of its source is that site to those who name it; any other one, and each
//! Location, is at the site of what it belongs to.

use serde_json::json;

use crate::code::{Code, Refusal};
use crate::external::Age;
use crate::fhir::Kind;
use crate::fhir::draft::{State, named};
use crate::fhir::element::Element;
use crate::fhir::names::{Context, Remembered, Resource};
use crate::ingest::{Content, Mark, Outcome};

/// What an Organization or a Location belongs to.
pub(super) fn within(
    of: &Resource,
    unit: &Element,
    context: &mut Context,
) -> Result<Option<Resource>, Refusal> {
    let fields: &[(&str, Kind)] = match of.0 {
        Kind::Organization => &[("partOf", Kind::Organization)],
        _ => &[
            ("managingOrganization", Kind::Organization),
            ("partOf", Kind::Location),
        ],
    };
    for (name, kind) in fields {
        let Some(reference) = unit.complex(name)? else {
            continue;
        };
        let Some(found) = context.target(&reference, unit, Some(*kind))? else {
            continue;
        };
        if found.0 != *kind {
            return Err(reference.refused(Code::FieldsInvalid, "is of another type"));
        }
        return Ok(Some(found));
    }
    Ok(None)
}

/// Where `unit` says what it belongs to.
fn place(unit: &Element) -> String {
    let name = ["managingOrganization", "partOf"]
        .into_iter()
        .find(|name| unit.get(name).is_some());
    name.map_or_else(
        || unit.path().to_owned(),
        |name| format!("{}.{name}", unit.path()),
    )
}

/// What becomes of a unit that belongs to `within` as of `state`; `known` is what is remembered of it.
///
/// # Errors
/// [`Code::InvariantBroken`] when it would belong to itself, [`Code::VersionConflict`].
pub(super) fn settled(
    known: &mut Remembered,
    unit: &Element,
    within: Option<Resource>,
    state: State,
    context: &mut Context,
) -> Result<Outcome, Refusal> {
    let resource = (known.kind, known.external.clone());
    if within
        .as_ref()
        .is_some_and(|within| context.leads_to(within, &resource))
    {
        let detail = "it would be a part of itself, or too deep inside of others";
        return Err(Refusal::new(Code::InvariantBroken, detail).at(place(unit)));
    }
    let told = within
        .as_ref()
        .map(|(kind, external)| json!([kind.as_str(), named(external)]));
    let says = Content::Upsert(json!({ "within": told }));
    kept(known, &says, within, state).map_err(|refusal| refusal.at(unit.path()))
}

/// What becomes of a unit that is no more as of `state`.
///
/// # Errors
/// [`Code::VersionConflict`].
pub(super) fn deleted(known: &mut Remembered, state: State) -> Result<Outcome, Refusal> {
    kept(known, &Content::Delete, None, state)
}

/// Keeps a newer state, by the rules of lines.
fn kept(
    known: &mut Remembered,
    content: &Content,
    within: Option<Resource>,
    state: State,
) -> Result<Outcome, Refusal> {
    let mark = Mark {
        stamp: state.stamp(),
        digest: content.digest(),
    };
    let gone = Content::Delete.digest();
    let outcome = match &known.mark {
        None if *content == Content::Delete => Outcome::Unchanged,
        None => Outcome::Created,
        Some(before) if before.digest == mark.digest && !state.is_told => return Ok(Outcome::Unchanged),
        Some(before) => match mark.stamp.against(before.stamp) {
            Age::Older => return Ok(Outcome::SkippedStale),
            Age::Same if before.digest == mark.digest => return Ok(Outcome::Unchanged),
            Age::Same => return Err(Code::VersionConflict.into()),
            Age::Newer if before.digest != gone => Outcome::Updated,
            Age::Newer if *content == Content::Delete => Outcome::Unchanged,
            Age::Newer => Outcome::Created,
        },
    };
    known.within = within;
    known.mark = Some(mark);
    Ok(outcome)
}
