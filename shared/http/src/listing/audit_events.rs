//! The list of audit events: its filters and its rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portal_domain::access::Access;
use portal_domain::audit::{Actor, AuditEvent, Difference};
use portal_domain::code::{Code, Refusal};
use portal_store::entity::audit::Wanted;
use portal_store::{Page, Position, Store, StoreError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Listing;
use crate::answer::View;

/// Which events are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditEventFilter {
    /// Only by this actor: an account's id, or `system:` and the name of a function.
    actor: Option<String>,
    /// Only about this object: an id.
    object: Option<String>,
    /// Only this verb.
    #[param(example = "invite.created")]
    verb: Option<String>,
    /// Only from then on (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only before then (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl AuditEventFilter {
    /// What is wanted.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`].
    pub fn wanted(&self) -> Result<Wanted, Refusal> {
        let is_key = |text: &String| {
            (1..=100).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-:".contains(&b))
        };
        if ![&self.actor, &self.object].into_iter().flatten().all(is_key) {
            return Err(Refusal::new(Code::QueryInvalid, "actor and object must be ids"));
        }
        if matches!((self.from, self.until), (Some(from), Some(until)) if from > until) {
            return Err(Refusal::new(Code::QueryInvalid, "from must not be after until"));
        }
        let verb = self.verb.as_deref().map(str::parse).transpose()?;
        let (actor, object) = (self.actor.clone(), self.object.clone());
        Ok(Wanted {
            actor,
            object,
            verb,
            from: self.from,
            until: self.until,
        })
    }
}

impl Listing for AuditEventFilter {
    type Row = AuditEventView;

    const COLUMNS: &'static [&'static str] = &[
        "id",
        "at",
        "verb",
        "actor.kind",
        "actor.id",
        "actor.role",
        "object",
        "origin.request_id",
        "origin.ip",
        "origin.user_agent",
        "changes",
    ];

    fn check(&self, _: &Access) -> Result<(), Refusal> {
        self.wanted().map(drop)
    }

    async fn page(
        &self,
        store: &Store,
        access: &Access,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<AuditEventView>, StoreError> {
        let wanted = self.wanted()?;
        let organization = access.organization.id;
        let page = store
            .audit_events(organization, &wanted, now, limit, after)
            .await?;
        Ok(page.map(AuditEventView::from))
    }
}

/// Who did what to what, when and from where.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEventView {
    /// Its id.
    #[schema(example = "evt_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    pub id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What, as `object.verb`.
    #[schema(example = "invite.created")]
    pub verb: &'static str,
    /// By whom.
    pub actor: AuditActorView,
    /// To what: the id of an invite, account, role or the organization.
    pub object: String,
    /// From where.
    pub origin: AuditOriginView,
    /// What became different, of fields without personal data.
    pub changes: BTreeMap<String, AuditChangeView>,
}

/// Who acted.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditActorView {
    /// `account`, `service` or `system`.
    #[schema(example = "account")]
    pub kind: &'static str,
    /// The id of an account or of a service token, or `system:` and the name of the function. What the list filters by.
    pub id: String,
    /// The role the account acted in.
    pub role: Option<String>,
}

/// From where somebody acted.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditOriginView {
    /// The request's id.
    pub request_id: String,
    /// The client's address.
    pub ip: Option<String>,
    /// The client's own name.
    pub user_agent: Option<String>,
}

/// A field before and after.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditChangeView {
    /// The old value.
    pub before: Option<String>,
    /// The new value.
    pub after: Option<String>,
}

impl From<AuditEvent> for AuditEventView {
    fn from(event: AuditEvent) -> Self {
        let (kind, role) = match &event.actor {
            Actor::Account { role, .. } => ("account", role.map(|role| role.to_string())),
            Actor::Service { .. } => ("service", None),
            Actor::System { .. } => ("system", None),
        };
        let change = |(field, difference): (String, Difference)| {
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
