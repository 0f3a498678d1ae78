//! `GET /v1/organizations/{organization_id}/specialists/{specialist_id}/statements/{month}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Code;
use portal_domain::id::{OrganizationId, SpecialistId};
use portal_domain::permission::need;
use portal_domain::transaction::{Month, Person, Statement, TransactionQuery};
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Path, Reply};

use crate::view::StatementView;

/// Get a specialist's statement of a month
///
/// The month is the organization's, in its time zone. The lines are those of the list of transactions with the same specialist and
/// times, oldest first, and the totals are their sums, apart for each currency. What is at sites that the caller does not see is
/// not in it.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/specialists/{specialist_id}/statements/{month}", tag = "transactions",
    params(("organization_id" = String, Path), ("specialist_id" = String, Path),
           ("month" = String, Path, description = "The month, as `yyyy-mm`", example = "2026-05")),
    responses((status = 200, description = "The statement", body = StatementView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_statement(
    State(web): State<Web>,
    member: Member<need::TransactionsRead>,
    Path((_, specialist, month)): Path<(OrganizationId, SpecialistId, Month)>,
) -> Result<Reply, ApiError> {
    let (access, known) = member.beside(web.store.specialist(specialist)).await?;
    let reach = access.reach()?.of_specialists()?;
    let zone = &access.organization.settings.time_zone;
    let query = month.query(specialist, &zone.zone());
    let ever = TransactionQuery {
        specialist: Some(specialist),
        ..TransactionQuery::default()
    };
    let (last, lines) = tokio::try_join!(
        web.store.transactions(&reach, &ever, 1, None),
        web.store.all_transactions(&reach, &query)
    )?;
    // Who has left may still have had something within reach; of anybody else it is not told whether there is such a specialist.
    let known = known.within(&reach).map(|known| Person::from(&known));
    let before = || last.items.into_iter().next().map(|entry| entry.person);
    let person = known.or_else(before).ok_or(Code::SpecialistNotFound)?;
    let statement = Statement::of(&query, lines)?;
    let view = StatementView::new(
        &person,
        month,
        zone,
        &query,
        &statement,
        access.projection(&reach),
    );
    Ok(Reply::ok(&view))
}
