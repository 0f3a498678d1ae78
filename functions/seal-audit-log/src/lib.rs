//! Seals the days of audit chains that are over: their entries go into segments under Object Lock, each with a signed checkpoint. A
//! run that stops in the middle is continued by the next, behind the last segment that was noted.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use jiff::{SignedDuration, Timestamp};
use portal_app::{Report, Sealing, work_off};
use portal_documents::{DocumentError, Key};
use portal_domain::chain::{Fault, Head, Link, MOST_IN_SEGMENT, Sealed, Segment, check_open, day, prove};
use portal_domain::due::{Due, Job};
use portal_domain::id::OrganizationId;
use portal_http::Error;
use portal_signing::{PublicKey, SigningError};
use portal_store::StoreError;
use portal_store::entity::audit::Wanted;
use portal_store::entity::due::Worker;

/// How far back a first run looks: a month of days that nobody sealed.
const LOOKBACK_HOURS: i64 = 31 * 24;
/// For how long a run begins segments: the function ends minutes later, and the next run goes on.
pub const RUN: SignedDuration = SignedDuration::from_mins(10);
const MEDIA_TYPE: &str = "application/jsonl";

/// Seals what is due.
///
/// # Errors
/// When the list of due work cannot be read, or days are left for the next run.
pub async fn handle(sealing: &Sealing, _: EventBridgeEvent) -> Result<Report, Error> {
    let until = sealing.app.clock.now() + RUN;
    let key = sealing.signer.public_key().await?;
    let work = async |_, due: Due| seal(sealing, &key, due, until).await;
    Ok(work_off(&sealing.app, Worker::SealAuditLog, LOOKBACK_HOURS, work).await?)
}

/// Whether anything was sealed now; else an earlier run did.
async fn seal(sealing: &Sealing, key: &PublicKey, due: Due, until: Timestamp) -> Result<bool, StoreError> {
    let Job::SealAuditLog { organization } = due.job else {
        return Ok(false);
    };
    let store = &sealing.app.store;
    append_lost(sealing, organization).await?;
    let mut sealed = store.chain_sealed(organization).await?;
    let mut has_sealed = false;
    // Days that are over: one that is not has due work of its own.
    let today = day(sealing.app.clock.now());
    loop {
        let page = store
            .chain_links(organization, sealed.seq, MOST_IN_SEGMENT)
            .await?;
        let Some(first) = page.items.first().map(|link| day(link.linked_at)) else {
            break;
        };
        if first >= today {
            break;
        }
        if sealing.app.clock.now() > until {
            tracing::warn!(organization.id = %organization, "the rest is left for the next run");
            return Err(StoreError::Busy);
        }
        let of_day = page
            .items
            .into_iter()
            .take_while(|link| day(link.linked_at) == first);
        let links: Vec<Link> = of_day.collect();
        let next = segment(sealing, key, &sealed, &links).await?;
        if !store.seal_chain(&sealed, &next).await? {
            return Err(StoreError::Stale);
        }
        (sealed, has_sealed) = (next, true);
    }
    store.due_settled(&due).await?;
    Ok(has_sealed)
}

/// Appends what the stream was to bring and did not, of the last two days. What is younger than an hour may be on its way.
async fn append_lost(sealing: &Sealing, organization: OrganizationId) -> Result<(), StoreError> {
    let (store, now) = (&sealing.app.store, sealing.app.clock.now());
    let wanted = Wanted {
        from: Some(now - SignedDuration::from_hours(48)),
        until: Some(now - SignedDuration::from_hours(1)),
        ..Wanted::default()
    };
    let (mut lost, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .audit_events(organization, &wanted, now, MOST_IN_SEGMENT, after)
            .await?;
        let ids = page.items.iter().map(|event| event.id);
        let chained = store.chained(organization, ids).await?;
        lost.extend(
            page.items
                .into_iter()
                .filter(|event| !chained.contains(&event.id)),
        );
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if lost.is_empty() {
        return Ok(());
    }
    tracing::warn!(organization.id = %organization, events = lost.len(), "events that the stream lost are appended");
    lost.reverse();
    store.chain(organization, &lost, now).await
}

/// Writes the segment of `links`, which follow `after`, and says how far the chain is sealed with it.
async fn segment(
    sealing: &Sealing,
    key: &PublicKey,
    after: &Sealed,
    links: &[Link],
) -> Result<Sealed, StoreError> {
    let organization = after.organization;
    let place = Key::audit_segment(organization, after.seq + 1);
    let places = links.iter().map(|link| (link.event, link.event_at));
    let events = sealing.app.store.audit_events_at(organization, places).await?;
    // What is sealed is what was appended: a log that was tampered with before is told of, and sealed no further.
    if let Some(last) = links.last() {
        let findings = check_open(after, &Head::at(last), links, &events);
        if let Some(finding) = findings.first() {
            return Err(tampered(organization, finding.fault));
        }
    }
    let entries = links
        .iter()
        .filter_map(|link| events.get(&link.event).map(|event| link.entry(event)));
    let segment = Segment {
        entries: entries.collect(),
    };
    let linked_at = links.first().map_or(Timestamp::UNIX_EPOCH, |link| link.linked_at);
    let now = sealing.app.clock.now();
    let checkpoint = segment.checkpoint(after, (linked_at, now), &key.fingerprint());
    let text = checkpoint.text();
    let signature = sealing
        .signer
        .sign(text.as_bytes())
        .await
        .map_err(|error| unsigned(&error))?;
    let bytes = segment.sealed(&text, &signature).into_bytes();
    let is_new = sealing
        .segments
        .put_new(&place, bytes, MEDIA_TYPE)
        .await
        .map_err(|error| unwritten(&error))?;
    if is_new {
        return Ok(Sealed {
            organization,
            seq: checkpoint.last,
            hash: checkpoint.head,
            sealed_at: checkpoint.sealed_at,
        });
    }
    adopted(sealing, key, after, &place).await
}

/// The segment that an earlier run wrote and did not come to note: it counts, if it is what it says.
async fn adopted(
    sealing: &Sealing,
    key: &PublicKey,
    after: &Sealed,
    place: &Key,
) -> Result<Sealed, StoreError> {
    let found = sealing
        .segments
        .original(place)
        .await
        .map_err(|error| unwritten(&error))?;
    let text = found
        .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
        .unwrap_or_default();
    let verifies =
        |id: &str, text: &[u8], signature: &[u8]| id == key.fingerprint() && key.verifies(text, signature);
    match prove(&text, after, verifies) {
        Ok(proven) => Ok(proven.sealed()),
        Err(finding) => Err(tampered(after.organization, finding.fault)),
    }
}

fn tampered(organization: OrganizationId, fault: Fault) -> StoreError {
    tracing::error!(organization.id = %organization, fault = fault.as_str(), "an audit chain does not verify");
    StoreError::Broken("an audit chain does not verify".to_owned())
}

fn unwritten(error: &DocumentError) -> StoreError {
    StoreError::Broken(error.to_string())
}

fn unsigned(error: &SigningError) -> StoreError {
    StoreError::Broken(error.to_string())
}
