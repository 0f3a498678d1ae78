//! Demo data: a believable clinic with 60 members, the few other organizations that its admin is in, a network of clinics, and an
//! operator of two brands.
//!
//! Ids, names and addresses are always the same, so that `events/` can name them; times follow the stack's clock.

mod bookings;
mod clinic;
mod directory;
mod elsewhere;
mod exports;
pub mod ids;
mod imports;
mod ledger;
mod network;
mod operators;
mod parts;
mod people;
mod script;
mod sessions;

use futures_util::future::join_all;
use jiff::Timestamp;
use portal_domain::audit::AuditEvent;
use portal_domain::chain::{day, sealing};
use portal_domain::change::{Change, Write};
use portal_domain::due::Due;
use portal_store::StoreError;
use portal_store::entity::due::Worker;
use serde_json::json;

pub use self::operators::{BRANDS_ADMIN, NETWORK_ADMIN};
use self::people::Accounts;
use self::script::Script;
use crate::stack::{Failure, Stack, TABLE};

/// The demo clinic's admin.
pub const ADMIN: &str = "dana.admin@riverside.example";
/// Somebody with two invites that work for years: the events in `events/` answer them.
pub const INVITEE: &str = "jonas@lindqvist.example";

/// Fills an empty table; one that holds anything stays as it is.
///
/// # Errors
/// When the table cannot be read or written.
pub async fn fill(stack: &Stack) -> Result<(), Failure> {
    let first = serde_json::from_value(json!({ "TableName": TABLE, "Limit": 1 }))?;
    if stack.dynamo.database().scan(first)?.count > 0 {
        return Ok(());
    }
    let now = stack.clock.now();
    let accounts = Accounts::new(&stack.identity);
    let mut script = Script::default();
    clinic::write(&mut script, &accounts, now)?;
    let began = Timestamp::from_millisecond(ids::BEGAN).unwrap_or(now);
    directory::write(&mut script, accounts.id(&ADMIN.parse()?), began)?;
    elsewhere::write(&mut script, &accounts, now)?;
    operators::write(&mut script, &accounts, began)?;
    sessions::write(&mut script, &accounts, accounts.id(&ADMIN.parse()?), now)?;
    exports::write(&mut script, accounts.id(&ADMIN.parse()?), now)?;

    let logs = script.logs();
    let chains = logs.into_values().map(|log| chain(stack, log, now));
    join_all(chains)
        .await
        .into_iter()
        .collect::<Result<Vec<()>, StoreError>>()?;
    // Organizations first: their counts are added to when the members come.
    for changes in script.in_stages() {
        let commits = changes
            .iter()
            .map(|change| stack.app.store.commit(change, None, now));
        join_all(commits)
            .await
            .into_iter()
            .collect::<Result<Vec<()>, StoreError>>()?;
    }
    operators::feed(stack, &accounts, now).await?;
    // The jobs have kept up: without their marks a first run would look through weeks of hours.
    for worker in [
        Worker::ExpireInvites,
        Worker::FinishDissolutions,
        Worker::SweepActions,
        Worker::SealAuditLog,
    ] {
        stack.app.store.due_done(worker, now).await?;
    }
    imports::bring(stack, now).await?;
    Ok(())
}

/// Appends the events of an organization's log to its chain as they happened, day by day, before the stream brings them. Its days are
/// sealed by the next run.
async fn chain(stack: &Stack, log: Vec<AuditEvent>, now: Timestamp) -> Result<(), StoreError> {
    let store = &stack.app.store;
    for events in log.chunk_by(|one, next| day(one.at) == day(next.at)) {
        if let Some(last) = events.last() {
            let due = sealing(last.organization, last.at);
            store.chain(last.organization, events, last.at).await?;
            store.due_settled(&due).await?;
        }
    }
    let due = log.last().map(|last| Due {
        at: now,
        ..sealing(last.organization, last.at)
    });
    let change = Change::default().writes(due.map(Write::DuePut));
    store.commit(&change, None, now).await
}
