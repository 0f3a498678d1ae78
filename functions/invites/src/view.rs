//! What is told of an invite.

use jiff::Timestamp;
use portal_domain::invite::{Delivery, Invite};
use portal_http::{Reply, View};
use serde::Serialize;
use utoipa::ToSchema;

/// An invite, as those who manage invites see it. Its link is in the mail only.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InviteView {
    /// Its id.
    #[schema(example = "inv_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// The organization it is for.
    organization_id: String,
    /// Who is invited.
    email: String,
    /// As what: `provider`, `viewer` or a custom role's id.
    role: String,
    /// The mail's language.
    #[schema(example = "en")]
    language: &'static str,
    /// `pending`, `expired`, `accepted`, `declined` or `revoked`, by the clock.
    #[schema(example = "pending")]
    status: &'static str,
    /// When it expires or expired; null once it was answered or revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Whether it holds a provider seat.
    holds_seat: bool,
    /// Who sent it last.
    invited_by: InviterView,
    /// Where its mail is.
    delivery: DeliveryView,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Who sent an invite.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InviterView {
    /// The account.
    account_id: String,
    /// The name.
    name: Option<String>,
}

/// Where an invite's mail is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// `queued`, `sent` or `undeliverable`.
    #[schema(example = "sent")]
    status: &'static str,
    /// `bounce`, `complaint`, `rejected`, or `dissolving` (it was not sent), where it is undeliverable.
    reason: Option<String>,
}

impl From<&Delivery> for DeliveryView {
    fn from(delivery: &Delivery) -> Self {
        match delivery {
            Delivery::Queued | Delivery::Sending { .. } => Self {
                status: "queued",
                reason: None,
            },
            Delivery::Sent { .. } => Self {
                status: "sent",
                reason: None,
            },
            Delivery::Undeliverable { reason } => Self {
                status: "undeliverable",
                reason: Some(reason.clone()),
            },
        }
    }
}

impl InviteView {
    pub(crate) fn new(invite: &Invite, now: Timestamp) -> Self {
        Self {
            id: invite.id.to_string(),
            organization_id: invite.organization.to_string(),
            email: invite.email.as_str().to_owned(),
            role: invite.role.to_string(),
            language: invite.locale.as_str(),
            status: invite.status(now).as_str(),
            expires_at: invite.expires_at(),
            // An expired invite's seat is free, whether or not that was noted yet.
            holds_seat: invite.seat_held && invite.expires_at().is_some_and(|at| at > now),
            invited_by: InviterView {
                account_id: invite.inviter.account.to_string(),
                name: invite.inviter.name.as_ref().map(|name| name.as_str().to_owned()),
            },
            delivery: DeliveryView::from(&invite.delivery),
            created_at: invite.created_at,
            updated_at: invite.updated_at,
        }
    }

    /// 201 with the new invite.
    pub(crate) fn created(invite: &Invite, now: Timestamp) -> Reply {
        let location = format!("/v1/organizations/{}/invites/{}", invite.organization, invite.id);
        Reply::created(&Self::new(invite, now), location).etag(invite.rev)
    }
}

impl View for InviteView {}
