//! What the mail service says of mails it took: bounces, complaints and rejections mark the invite.

use portal_app::Mailing;
use portal_http::Error;
use portal_mail::feedback::{Feedback, Kind, parse};

/// Notes that an invite's mail does not arrive. What is about no invite, or an older link, changes nothing.
///
/// # Errors
/// When it cannot be read or noted now.
pub(crate) async fn note(app: &Mailing, body: &str) -> Result<(), Error> {
    let Some(feedback) = parse(body)? else {
        return Ok(());
    };
    let Feedback {
        organization: Some(organization),
        invite: Some(invite),
        version: Some(version),
        kind,
    } = feedback
    else {
        return Ok(());
    };
    let reason = match kind {
        // It may arrive later: the mail service goes on trying.
        Kind::Bounce { permanent: false } => return Ok(()),
        Kind::Bounce { permanent: true } => "bounce",
        Kind::Complaint => "complaint",
        Kind::Reject => "rejected",
    };
    let now = app.clock.now();
    let invite = app.store.invite(organization, invite).await?;
    if let Some(change) = invite.and_then(|invite| invite.undeliverable(version, reason, now)) {
        app.store.commit(&change, None, now).await?;
    }
    Ok(())
}
