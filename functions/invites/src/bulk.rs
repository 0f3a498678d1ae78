//! `POST /v1/organizations/{organization_id}/invites/bulk`.

use std::time::{Duration, Instant};

use portal_domain::code::{Code, Refusal};
use portal_domain::invite::MOST_IN_BULK;
use portal_domain::json;
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, Member, Reply, View};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::create::InviteCreate;
use crate::view::InviteView;

/// For how long rows are begun. The function has 15 seconds for all: a row that waits for a busy table still ends in time, and
/// those after it are answered instead of lost.
const PATIENCE: Duration = Duration::from_secs(8);

/// Several people to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InviteBulkCreate {
    /// The rows, at most 50. A bad row changes nothing for the others.
    #[schema(value_type = Vec<InviteCreate>, min_items = 1, max_items = 50)]
    invites: Vec<serde_json::Value>,
}

/// What became of the rows, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InviteBulkView {
    /// One result a row.
    results: Vec<InviteRowView>,
}

/// What became of one row.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InviteRowView {
    /// The row, from 0.
    row: usize,
    /// The status that the row alone would have been answered with.
    #[schema(example = 201)]
    status: u16,
    /// The invite, if it was made.
    #[schema(value_type = Option<InviteView>)]
    invite: Option<serde_json::Value>,
    /// The problem, if it was not.
    problem: Option<Problem>,
}

impl View for InviteBulkView {}

/// Invite several people
///
/// Each row succeeds or fails on its own and keeps its own answer under the idempotency key.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/invites/bulk", tag = "invites", request_body = InviteBulkCreate,
    params(("organization_id" = String, Path), ("idempotency-key" = String, Header)),
    responses((status = 200, description = "A result a row", body = InviteBulkView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn create_invites(
    member: Member<need::InvitesManage>,
    request: Idempotent<InviteBulkCreate>,
) -> Result<Reply, ApiError> {
    let rows = &request.body.invites;
    if rows.is_empty() || rows.len() > MOST_IN_BULK {
        return Err(Refusal::new(Code::FieldsInvalid, "expected 1 to 50 rows")
            .at("/invites")
            .into());
    }
    let begun = Instant::now();
    // Who has no right here, or another request under this key, learns it once, and not row by row.
    member.begin(&request.key).await?;
    let mut results = Vec::with_capacity(rows.len());
    // One after the other: the seats that are left go to the first rows.
    for (row, wanted) in rows.iter().enumerate() {
        let outcome = if begun.elapsed() < PATIENCE {
            invite(&member, &request, row, wanted).await
        } else {
            Err(Refusal::from(Code::Busy).into())
        };
        results.push(InviteRowView::of(row, outcome, &member));
    }
    Ok(Reply::ok(&InviteBulkView { results }))
}

async fn invite(
    member: &Member<need::InvitesManage>,
    request: &Idempotent<InviteBulkCreate>,
    row: usize,
    wanted: &serde_json::Value,
) -> Result<Reply, ApiError> {
    let wanted: InviteCreate = json::read(wanted.clone())?;
    member
        .perform(
            Some(&request.key.row(row)),
            async || Ok(()),
            |access, (), now| {
                let (invite, change) = access.create_invite(wanted.draft(), now)?;
                Ok::<_, Refusal>((change, InviteView::created(&invite, now)))
            },
        )
        .await
}

impl InviteRowView {
    fn of(row: usize, outcome: Result<Reply, ApiError>, member: &Member<need::InvitesManage>) -> Self {
        match outcome {
            Ok(reply) => Self {
                row,
                status: reply.status(),
                invite: reply.body(),
                problem: None,
            },
            Err(error) => {
                let problem = error.problem(&member.caller.origin.request_id);
                Self {
                    row,
                    status: problem.status(),
                    invite: None,
                    problem: Some(problem),
                }
            }
        }
    }
}
