//! What is told of an audit event.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portal_domain::audit::{Actor, AuditEvent};
use portal_http::View;
use serde::Serialize;
use utoipa::ToSchema;

/// Who did what to what, when and from where.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditEventView {
    /// Its id.
    #[schema(example = "evt_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What, as `object.verb`.
    #[schema(example = "invite.created")]
    verb: &'static str,
    /// By whom.
    actor: AuditActorView,
    /// To what: the id of an invite, account, role or the organization.
    object: String,
    /// From where.
    origin: AuditOriginView,
    /// What became different, of fields without personal data.
    changes: BTreeMap<String, AuditChangeView>,
}

/// Who acted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditActorView {
    /// `account`, `service` or `system`.
    #[schema(example = "account")]
    kind: &'static str,
    /// The id of an account or of a service token, or `system:` and the name of the function. What the list filters by.
    id: String,
    /// The role the account acted in.
    role: Option<String>,
}

/// From where somebody acted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditOriginView {
    /// The request's id.
    request_id: String,
    /// The client's address.
    ip: Option<String>,
    /// The client's own name.
    user_agent: Option<String>,
}

/// A field before and after.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditChangeView {
    /// The old value.
    before: Option<String>,
    /// The new value.
    after: Option<String>,
}

impl From<AuditEvent> for AuditEventView {
    fn from(event: AuditEvent) -> Self {
        let (kind, role) = match &event.actor {
            Actor::Account { role, .. } => ("account", role.map(|role| role.to_string())),
            Actor::Service { .. } => ("service", None),
            Actor::System { .. } => ("system", None),
        };
        let change = |(field, difference): (String, portal_domain::audit::Difference)| {
            (
                field,
                AuditChangeView {
                    before: difference.before,
                    after: difference.after,
                },
            )
        };
        Self {
            id: event.id.to_string(),
            at: event.at,
            verb: event.verb.as_str(),
            actor: AuditActorView {
                kind,
                id: event.actor.key(),
                role,
            },
            object: event.object,
            origin: AuditOriginView {
                request_id: event.origin.request_id,
                ip: event.origin.ip,
                user_agent: event.origin.user_agent,
            },
            changes: event.changes.into_iter().map(change).collect(),
        }
    }
}

impl View for AuditEventView {}
