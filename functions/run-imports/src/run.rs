//! One run of one import.

use jiff::Timestamp;
use portal_app::{Failed, Importing};
use portal_domain::code::Code;
use portal_domain::import::{ErrorFile, Import, MOST_LINES, RUN};
use portal_domain::lease::Claim;
use portal_http::Error;

use crate::Message;
use crate::failures;
use crate::pieces::{Piece, Pieces};
use crate::take::take;

/// What a run leaves.
enum Left {
    /// Nothing.
    Nothing,
    /// Lines for which it has no time.
    Lines,
}

/// Goes on with an import, unless it is settled or another run is at it.
///
/// # Errors
/// When the message is to come again: table or bucket are not to be had, or another run has taken over.
pub(crate) async fn import(app: &Importing, found: Import, message: &Message) -> Result<(), Error> {
    let begun = app.clock.now();
    let mut import = match found.claim(&message.id, begun) {
        Claim::Settled | Claim::Taken => return Ok(()),
        Claim::GivenUp(change) => {
            // An alarm counts these lines: the source sees only that it failed.
            tracing::error!(import.id = %found.id, "an import was given up");
            return Ok(app.store.commit(&change, None, begun).await?);
        }
        Claim::Claimed(claimed, change) => {
            app.store.commit(&change, None, begun).await?;
            *claimed
        }
    };
    let ran = match go_on(app, &mut import, begun).await {
        Ok(Left::Nothing) => failures::join(app, &import).await.map(Some),
        Ok(Left::Lines) => Ok(None),
        Err(failed) => Err(failed),
    };
    let now = app.clock.now();
    match ran {
        Ok(Some(errors)) => Ok(app
            .store
            .commit(&import.completed(errors, now), None, now)
            .await?),
        Ok(None) => {
            app.store.commit(&import.released(), None, now).await?;
            Ok(app.queue.send(message.body.clone()).await?)
        }
        Err(Failed::Refused(refusal)) => {
            let change = import.failed(&refusal, errors_so_far(app, &import).await, now);
            Ok(app.store.commit(&change, None, now).await?)
        }
        Err(Failed::Passing(error)) => {
            // Else it is queued once the lease is over.
            if let Err(error) = app.store.commit(&import.released(), None, now).await {
                tracing::warn!(%error, import.id = %import.id, "an import was not released");
            }
            Err(error)
        }
    }
}

/// The lines that failed before the import did. Without them it fails all the same: they are gone with the file, or the bucket is
/// what fails.
async fn errors_so_far(app: &Importing, import: &Import) -> Option<ErrorFile> {
    let joined = failures::join(app, import).await;
    joined.unwrap_or_else(|error| {
        tracing::warn!(?error, import.id = %import.id, "an import failed without its errors");
        None
    })
}

/// Takes piece after piece, and notes each.
async fn go_on(app: &Importing, import: &mut Import, begun: Timestamp) -> Result<Left, Failed> {
    let mut pieces = Pieces::of(import, &app.documents, &app.clock).await?;
    // Whatever the time, a run takes a piece.
    let mut is_late = false;
    while let Some(piece) = pieces.next().await? {
        if is_late {
            return Ok(Left::Lines);
        }
        may_go_on(app, import).await?;
        one(app, import, &pieces, piece).await?;
        is_late = app.clock.now() >= begun + RUN;
    }
    Ok(Left::Nothing)
}

/// Refuses to go on for a token that has ended, and beyond the most lines.
async fn may_go_on(app: &Importing, import: &Import) -> Result<(), Failed> {
    let token = app.store.token(import.token).await?;
    if token.is_none_or(|token| token.has_ended(app.clock.now())) {
        return Err(Code::TokenEnded.into());
    }
    if import.progress.counts.total() > MOST_LINES {
        return Err(Code::ImportTooLarge.into());
    }
    Ok(())
}

/// Takes a piece and notes it, if no other run has taken over.
async fn one(app: &Importing, import: &mut Import, pieces: &Pieces<'_>, piece: Piece) -> Result<(), Failed> {
    let mut progress = import.progress.clone();
    if let Some(end) = piece.end() {
        progress.offset = end.offset;
        progress.line = end.line;
    }
    let taken = take(app, import, &piece.lines).await?;
    let failed = failures::of(&piece.rows, &taken, pieces.cutter())?;
    if !failed.is_empty() {
        failures::leave(app, import, &failed).await?;
        progress.add_part(import.runs);
    }
    for taken in &taken {
        progress.counts.add(&taken.outcome);
    }
    let (advanced, change) = import.advanced(progress);
    app.store.commit(&change, None, app.clock.now()).await?;
    *import = advanced;
    Ok(())
}
