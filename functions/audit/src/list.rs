//! `GET /v1/organizations/{organization_id}/audit-events`.

use axum::extract::State;
use jiff::Timestamp;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};
use portal_store::entity::audit::Wanted;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::view::AuditEventView;

/// Which events are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditEventFilter {
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
    fn wanted(&self) -> Result<Wanted, Refusal> {
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

/// List audit events
///
/// Newest first. Without actor or object a page ends with its month, and may be empty and still have a next one.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/audit-events", tag = "audit",
    params(("organization_id" = String, Path), Paging, AuditEventFilter),
    responses((status = 200, description = "A page of events", body = ListView<AuditEventView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_audit_events(
    State(web): State<Web>,
    member: Member<need::AuditRead>,
    list: List<AuditEventFilter>,
) -> Result<Reply, ApiError> {
    let wanted = list.filter.wanted()?;
    let after = list.after(&web.cursors, member.account())?;
    let events = web
        .store
        .audit_events(member.organization, &wanted, web.clock.now(), list.limit, after);
    let member = member.until_final();
    let (_, page) = member.beside(events).await?;
    Ok(list.reply(&web.cursors, member.account(), page.map(AuditEventView::from)))
}
