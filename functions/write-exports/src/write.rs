//! One attempt at one export.

use jiff::{SignedDuration, Timestamp};
use portal_app::{Exporting, Failed};
use portal_documents::{Key, Stored};
use portal_domain::access::{Access, Phase};
use portal_domain::audit::Origin;
use portal_domain::change::Change;
use portal_domain::code::{Code, Refusal};
use portal_domain::export::{Export, ExportFile, ExportFilters, ExportedList, MOST_ROWS, Right};
use portal_domain::id::{ExportId, OrganizationId};
use portal_domain::lease::{Claim, LEASE};
use portal_domain::permission::Permission;
use portal_http::listing::audit_events::AuditEventFilter;
use portal_http::listing::bookings::BookingFilter;
use portal_http::listing::members::MemberFilter;
use portal_http::listing::patients::PatientFilter;
use portal_http::listing::sessions::OrganizationSessionFilter;
use portal_http::listing::specialists::SpecialistFilter;
use portal_http::listing::transactions::TransactionFilter;
use portal_http::listing::{self, Listing};
use portal_http::{Error, LARGEST_PAGE};
use serde::Serialize;

use crate::encode::Encoder;

/// How long before the end of its lease an attempt gives up.
const MARGIN: SignedDuration = SignedDuration::from_mins(2);

/// What is said of a file, beside it.
#[derive(Serialize)]
struct Manifest<'a> {
    export_id: String,
    organization_id: String,
    list: &'a str,
    format: &'a str,
    filters: &'a ExportFilters,
    columns: &'a [&'a str],
    rows: u64,
    bytes: u64,
    sha256: &'a str,
    requested_by: String,
    requested_at: Timestamp,
    written_at: Timestamp,
    expires_at: Timestamp,
}

/// Writes the file of an export, unless that is settled.
///
/// # Errors
/// When it is to be tried again: another attempt is at it, or table or bucket are not to be had.
pub(crate) async fn export(
    app: &Exporting,
    organization: OrganizationId,
    export: ExportId,
) -> Result<(), Error> {
    let Some(found) = app.store.export(organization, export).await? else {
        return Ok(());
    };
    let begun = app.clock.now();
    let claimed = match found.claim(begun) {
        Claim::Settled => return Ok(()),
        Claim::Taken => return Err("another attempt is at this export".into()),
        Claim::GivenUp(change) => {
            // An alarm counts these lines: whoever asked sees only that it failed.
            tracing::error!(export.id = %found.id, "an export was given up");
            return Ok(app.store.commit(&change, None, begun).await?);
        }
        Claim::Claimed(claimed, change) => {
            app.store.commit(&change, None, begun).await?;
            *claimed
        }
    };
    let change = match attempt(app, &claimed, begun).await {
        Ok(done) => done,
        Err(Failed::Refused(refusal)) => claimed.failed(refusal.code, app.clock.now()),
        Err(Failed::Passing(error)) => return released(app, &claimed, error).await,
    };
    match app.store.commit(&change, None, app.clock.now()).await {
        Ok(()) => Ok(()),
        // The right it was written by is not the present one, or a later attempt has it: the file is nobody's.
        Err(error) => released(app, &claimed, error.into()).await,
    }
}

/// Lets the next attempt begin at once, after one that failed of `error`.
async fn released(app: &Exporting, claimed: &Export, error: Error) -> Result<(), Error> {
    let released = app.store.commit(&claimed.released(), None, app.clock.now()).await;
    // Else it begins when the lease is over.
    if let Err(error) = released {
        tracing::warn!(%error, export.id = %claimed.id, "an attempt at an export was not given up");
    }
    Err(error)
}

async fn attempt(app: &Exporting, export: &Export, begun: Timestamp) -> Result<Change, Failed> {
    let access = access(app, export, begun).await?;
    // Boxed: each holds the futures of its own list.
    let file = match export.request.list {
        ExportedList::Bookings => Box::pin(file::<BookingFilter>(app, export, &access, begun)).await,
        ExportedList::Transactions => Box::pin(file::<TransactionFilter>(app, export, &access, begun)).await,
        ExportedList::Patients => Box::pin(file::<PatientFilter>(app, export, &access, begun)).await,
        ExportedList::Specialists => Box::pin(file::<SpecialistFilter>(app, export, &access, begun)).await,
        ExportedList::Members => Box::pin(file::<MemberFilter>(app, export, &access, begun)).await,
        ExportedList::Sessions => {
            Box::pin(file::<OrganizationSessionFilter>(app, export, &access, begun)).await
        }
        ExportedList::AuditEvents => Box::pin(file::<AuditEventFilter>(app, export, &access, begun)).await,
    };
    Ok(export.done(file?, &access))
}

/// The present right of whoever asked.
async fn access(app: &Exporting, export: &Export, now: Timestamp) -> Result<Access, Failed> {
    let known = app.store.access(export.requested_by, export.organization);
    let (caller, organization) = known.await?;
    let access = Access::resolve(
        organization,
        caller.memberships,
        Some(Permission::ExportsCreate),
        Phase::Active,
        Origin::default(),
        now,
    )?;
    access.must_hold(export.request.list.permission())?;
    Ok(access)
}

/// Writes the list page by page, as whoever has `access` sees it at `begun`, and the manifest.
async fn file<L: Listing>(
    app: &Exporting,
    export: &Export,
    access: &Access,
    begun: Timestamp,
) -> Result<ExportFile, Failed> {
    let format = export.request.format;
    let filters: L = listing::filters(&listing::query(&export.request.filters))?;
    let encoder = Encoder {
        format,
        columns: L::COLUMNS,
    };
    let key = |extension: &str| Key::export(export.organization, export.id, export.attempts, extension);
    let mut upload = app.documents.upload(key(format.as_str()), format.media_type());
    upload.write(&encoder.header()?).await?;
    let (mut rows, mut after) = (0, None);
    loop {
        let page = filters
            .page(&app.store, access, begun, LARGEST_PAGE, after)
            .await?;
        rows += page.items.len() as u64;
        if rows > MOST_ROWS {
            return Err(Refusal::from(Code::ExportTooLarge).into());
        }
        upload.write(&encoder.rows(&page.items)?).await?;
        after = page.next;
        if after.is_none() {
            break;
        }
        if app.clock.now() + MARGIN > begun + LEASE {
            return Err(Failed::Passing("the list is longer than the time".into()));
        }
    }
    let stored = upload.finish().await?;
    let file = ExportFile {
        attempt: export.attempts,
        rows,
        bytes: stored.length,
        sha256: stored.sha256,
        written_at: app.clock.now(),
        right: Right::of(access),
    };
    let manifest = manifest(export, &file, L::COLUMNS);
    put(app, key("manifest.json"), &manifest).await?;
    Ok(file)
}

fn manifest<'a>(export: &'a Export, file: &'a ExportFile, columns: &'a [&'a str]) -> Manifest<'a> {
    Manifest {
        export_id: export.id.to_string(),
        organization_id: export.organization.to_string(),
        list: export.request.list.as_str(),
        format: export.request.format.as_str(),
        filters: &export.request.filters,
        columns,
        rows: file.rows,
        bytes: file.bytes,
        sha256: &file.sha256,
        requested_by: export.requested_by.to_string(),
        requested_at: export.created_at,
        written_at: file.written_at,
        expires_at: file.expires_at(),
    }
}

async fn put(app: &Exporting, key: Key, manifest: &Manifest<'_>) -> Result<Stored, Failed> {
    let bytes = serde_json::to_vec_pretty(manifest)?;
    let mut upload = app.documents.upload(key, "application/json");
    upload.write(&bytes).await?;
    Ok(upload.finish().await?)
}
