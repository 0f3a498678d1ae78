//! `PATCH /v1/organizations/{organization_id}/specialists/{specialist_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{At, Refusal};
use portal_domain::email::EmailAddress;
use portal_domain::id::{OrganizationId, SpecialistId};
use portal_domain::locale::LanguageTag;
use portal_domain::money::{Currency, Money};
use portal_domain::organization::ZoneName;
use portal_domain::permission::need;
use portal_domain::person::Phone;
use portal_domain::specialist::{Availability, ClockTime, Day, SpecialistUpdate as Update, Window};
use portal_domain::text::NamePart;
use portal_http::listing::specialists::Seen;
use portal_http::problem::Problem;
use portal_http::{ApiError, IfMatch, Json, Member, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use super::subject;
use super::view::SpecialistView;

/// What is to change of a specialist; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpecialistUpdate {
    /// The given names, 1 to 60 characters.
    #[schema(value_type = Option<String>)]
    given_name: Option<NamePart>,
    /// The family name, 1 to 60 characters.
    #[schema(value_type = Option<String>)]
    family_name: Option<NamePart>,
    /// The address for mails.
    #[schema(value_type = Option<String>)]
    email: Option<EmailAddress>,
    /// The telephone number.
    #[schema(value_type = Option<String>)]
    phone: Option<Phone>,
    /// The language the person is addressed in (BCP 47).
    #[schema(value_type = Option<String>, example = "de-AT")]
    locale: Option<LanguageTag>,
    /// The IANA zone in which they live.
    #[schema(value_type = Option<String>, example = "Europe/Vienna")]
    time_zone: Option<ZoneName>,
    /// How long a session is, 5 to 480.
    session_minutes: Option<u16>,
    /// What a session costs; needs `transactions.read`.
    price: Option<NewPrice>,
    /// When they hold sessions, every week, in their time zone; at most 50 windows that do not overlap.
    availability: Option<Vec<AvailabilityWindow>>,
}

/// What a session is to cost, as an object.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(transparent)]
struct NewPrice(#[serde(deserialize_with = "portal_http::object")] PriceUpdate);

/// What a session is to cost.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PriceUpdate {
    /// In the minor units of the currency, not negative.
    amount_minor: i64,
    /// The ISO 4217 code.
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
}

/// A window of every week, as an object.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(transparent)]
struct AvailabilityWindow(#[serde(deserialize_with = "portal_http::object")] AvailabilityWindowUpdate);

/// A window that is to come every week.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AvailabilityWindowUpdate {
    /// `monday` to `sunday`.
    #[schema(value_type = String, example = "monday")]
    day: Day,
    /// When it begins.
    #[schema(value_type = String, example = "09:00")]
    from: ClockTime,
    /// When it ends; `24:00` ends the day.
    #[schema(value_type = String, example = "12:30")]
    until: ClockTime,
}

impl SpecialistUpdate {
    fn update(&self) -> Result<Update, Refusal> {
        let window = |AvailabilityWindow(window): &AvailabilityWindow| Window {
            day: window.day,
            from: window.from,
            until: window.until,
        };
        let windows = self.availability.as_ref();
        let windows = windows.map(|windows| windows.iter().map(window).collect::<Vec<_>>());
        Ok(Update {
            given_name: self.given_name.clone(),
            family_name: self.family_name.clone(),
            email: self.email.clone(),
            phone: self.phone.clone(),
            locale: self.locale.clone(),
            time_zone: self.time_zone.clone(),
            session_minutes: self.session_minutes,
            price: self.price.map(|NewPrice(price)| Money {
                amount_minor: price.amount_minor,
                currency: price.currency,
            }),
            availability: windows
                .map(Availability::try_from)
                .transpose()
                .at("/availability")?,
        })
    }
}

/// Change a specialist
///
/// What another system says of a specialist is asked of that system, and told as `requested` until it answers. What is asked to be
/// as it is takes an earlier request back. Needs a site of the specialist's that the organization owns.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}/specialists/{specialist_id}", tag = "specialists",
    request_body = SpecialistUpdate,
    params(("organization_id" = String, Path), ("specialist_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 200, description = "Changed, or asked for", body = SpecialistView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn update_specialist(
    State(web): State<Web>,
    member: Member<need::SpecialistsManage>,
    Path((_, specialist)): Path<(OrganizationId, SpecialistId)>,
    IfMatch(revision): IfMatch,
    Json(wanted): Json<SpecialistUpdate>,
) -> Result<Reply, ApiError> {
    let update = wanted.update()?;
    member
        .perform(
            None,
            || web.store.specialist_prices(specialist),
            |access, sought, now| {
                let (found, reach) = subject(access, sought)?;
                let (specialist, change) =
                    found
                        .specialist
                        .request_change(access, update.clone(), revision, now)?;
                let prices = found.priced_by(&specialist);
                let view = SpecialistView::new(&specialist, &prices, Seen::of(access, &reach, now));
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(specialist.rev)))
            },
        )
        .await
}
