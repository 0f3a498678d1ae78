//! The mail with an invite's link.

use jiff::Timestamp;
use portal_app::Mailing;
use portal_domain::change::Change;
use portal_domain::id::{InviteId, MessageId, OrganizationId};
use portal_domain::invite::{Delivery, Invite, Sending};
use portal_domain::organization::{Organization, State};
use portal_domain::role::Role;
use portal_domain::text::PersonName;
use portal_http::Error;
use portal_mail::invite::{InviteMail, RoleLabel};
use portal_mail::mailer::SendError;
use portal_mail::outgoing::Outgoing;
use portal_mail::tags;

/// Sends the mail of one version of an invite's link, unless it was sent, or there is nothing to send any more.
///
/// # Errors
/// When it is to be tried again: another sender is at it, or the mail service is not to be had.
pub(crate) async fn send(
    app: &Mailing,
    message: MessageId,
    (organization, invite): (OrganizationId, InviteId),
    version: u32,
) -> Result<(), Error> {
    let (organization, invite) = tokio::try_join!(
        app.store.organization(organization),
        app.store.invite(organization, invite)
    )?;
    let (Some(organization), Some(invite)) = (organization, invite) else {
        return Ok(());
    };
    let now = app.clock.now();
    let (claimed, claim) = match invite.sending(version, now) {
        Sending::Obsolete => return Ok(()),
        Sending::Taken => return Err("another sender is at this mail".into()),
        Sending::Claimed(claimed, claim) => (claimed, claim),
    };
    if organization.state != State::Active {
        // Nobody is invited to what is about to end. If that is taken back, admins see that this one is to be resent.
        let change = invite.undeliverable(version, "dissolving", now);
        return Ok(app.store.commit(&change.unwrap_or_default(), None, now).await?);
    }
    app.store.commit(&claim, None, now).await?;
    let sent = match outgoing(app, message, &claimed, &organization) {
        Some(mail) => app.mailer.send(&mail).await,
        None => Err(SendError::Permanent {
            code: "rendering".to_owned(),
        }),
    };
    let (change, outcome) = outcome(&claimed, sent, app.clock.now());
    app.store.commit(&change, None, app.clock.now()).await?;
    outcome
}

/// What is noted after a try, and whether there is to be another.
fn outcome(claimed: &Invite, sent: Result<String, SendError>, now: Timestamp) -> (Change, Result<(), Error>) {
    match sent {
        Ok(_) => (claimed.delivering(Delivery::Sent { at: now }).1, Ok(())),
        Err(error) if error.is_permanent() => {
            // An alarm counts these lines: nothing else tells that mails do not go out.
            tracing::error!(%error, invite.id = %claimed.id, "a mail was refused");
            (
                claimed
                    .undeliverable(claimed.version, "rejected", now)
                    .unwrap_or_default(),
                Ok(()),
            )
        }
        Err(error) => {
            // The next try may bring a second mail, and only this line tells why.
            if matches!(
                error,
                SendError::Retry {
                    answer_lost: true,
                    ..
                }
            ) {
                tracing::warn!(invite.id = %claimed.id, "a mail may have gone out without an answer");
            }
            (claimed.delivering(Delivery::Queued).1, Err(error.into()))
        }
    }
}

fn outgoing(
    app: &Mailing,
    reference: MessageId,
    invite: &Invite,
    organization: &Organization,
) -> Option<Outgoing> {
    let link = app.links.address(invite)?;
    let label = organization.role_label(invite.role);
    let mail = InviteMail {
        organization_name: organization.name.as_str(),
        inviter_name: invite.inviter.name.as_ref().map(PersonName::as_str),
        role: match invite.role {
            Role::Provider => RoleLabel::Provider,
            Role::Viewer => RoleLabel::Viewer,
            Role::Admin | Role::Custom(_) => RoleLabel::Custom(&label),
        },
        link: &link,
        expires_at: invite.expires_at()?,
        time_zone: &organization.settings.time_zone.zone(),
        locale: invite.locale,
        reminder: invite.version > 1,
    };
    let rendered = mail
        .render()
        .inspect_err(|error| tracing::error!(%error, "a mail could not be written"))
        .ok()?;
    let tags = tags::of_invite(invite.organization, invite.id, invite.version);
    Some(Outgoing {
        to: invite.email.clone(),
        rendered,
        reference,
        tags,
    })
}
