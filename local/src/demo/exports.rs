//! An export that was asked for a moment ago, and that nobody has begun to write.

use jiff::{SignedDuration, Timestamp};
use portal_domain::audit::{Actor, Verb};
use portal_domain::change::{Change, Write};
use portal_domain::code::Refusal;
use portal_domain::export::{Export, ExportFormat, ExportRequest, ExportedList, State};
use portal_domain::id::AccountId;
use portal_domain::role::Role;

use super::ids;
use super::script::Script;

/// Writes it down, as asked for by `admin`.
pub(super) fn write(script: &mut Script, admin: AccountId, now: Timestamp) -> Result<(), Refusal> {
    let filters = [("tab".to_owned(), "past".to_owned())].into();
    let created_at = now - SignedDuration::from_mins(1);
    let export = Export {
        id: ids::EXPORT,
        organization: ids::RIVERSIDE,
        requested_by: admin,
        request: ExportRequest::new(ExportedList::Bookings, ExportFormat::Csv, filters)?,
        state: State::Waiting,
        attempts: 0,
        rev: 1,
        created_at,
    };
    let actor = Actor::Account {
        id: admin,
        role: Some(Role::Admin),
    };
    let told = |text: &str| Some(text.to_owned());
    let event = script
        .event(
            ids::RIVERSIDE,
            Verb::ExportCreated,
            actor,
            &ids::EXPORT,
            created_at,
        )
        .changed("list", None, told("bookings"))
        .changed("format", None, told("csv"))
        .changed("filters.tab", None, told("past"));
    script.add(Change::audited(event).write(Write::ExportPut(Box::new(export))));
    Ok(())
}
