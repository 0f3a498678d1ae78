//! The list of patients: its filters and its rows.

use jiff::Timestamp;
use jiff::civil::Date;
use portal_domain::access::Access;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::SiteId;
use portal_domain::patient::{PatientQuery, PatientRow, Status};
use portal_domain::projection::Projection;
use portal_domain::reach::Reach;
use portal_domain::time::Moment;
use portal_store::{Page, Position, Store, StoreError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Listing;
use super::people::{Looking, NameView, PresenceView, SortFilter};
use crate::answer::View;

/// Which patients are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PatientFilter {
    /// What words of the name begin with, in any case and without accents; with an `@`, what the address begins with, which needs
    /// `patients.contact`.
    search: Option<String>,
    /// Only of this status; if not given, of any but `merged`.
    #[param(value_type = Option<String>)]
    status: Option<Status>,
    /// Only who came through this.
    referral_source: Option<String>,
    /// Only at this site.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
    /// `name`, the family name first, or `newest` first.
    #[serde(default)]
    sort: Option<SortFilter>,
    /// Only who came from then on (RFC 3339): to the site where they came last, of those that are listed. The newest first.
    #[param(value_type = Option<String>, format = DateTime)]
    joined_from: Option<Moment>,
    /// Only who came before then (RFC 3339). The newest first.
    #[param(value_type = Option<String>, format = DateTime)]
    joined_until: Option<Moment>,
}

impl PatientFilter {
    fn query(&self) -> Result<PatientQuery, Refusal> {
        let looking = Looking {
            search: self.search.as_deref(),
            sort: self.sort,
            joined_from: self.joined_from,
            joined_until: self.joined_until,
        };
        let look = looking.look()?;
        let source = self.referral_source.as_deref().map(str::parse).transpose();
        Ok(PatientQuery {
            search: look.search,
            status: self.status,
            referral_source: source.map_err(|_: Refusal| {
                Refusal::new(Code::QueryInvalid, "referral_source must have 1 to 60 characters")
            })?,
            site: self.site_id,
            since: look.since,
            until: look.until,
            sort: look.sort,
        })
    }

    /// What is wanted, and the reach within which whoever has `access` may ask for it.
    fn asked_by(&self, access: &Access) -> Result<(PatientQuery, Reach), Refusal> {
        let query = self.query()?;
        let reach = query.reach(access)?;
        Ok((query, reach))
    }
}

impl Listing for PatientFilter {
    type Row = PatientRowView;

    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name.full",
        "name.given",
        "name.family",
        "birth_date",
        "status",
        "email",
        "locale",
        "time_zone",
        "referral_source",
        "registrations",
        "created_at",
    ];

    fn check(&self, access: &Access) -> Result<(), Refusal> {
        self.asked_by(access).map(drop)
    }

    async fn page(
        &self,
        store: &Store,
        access: &Access,
        _: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<PatientRowView>, StoreError> {
        let (query, reach) = self.asked_by(access)?;
        let page = store.patients(&reach, &query, limit, after).await?;
        let seen = Seen::of(access, &reach);
        Ok(page.map(|row| PatientRowView::new(&row, seen)))
    }
}

/// What the caller sees of patients.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Which parts.
    pub projection: Projection,
    /// Of whom, and where.
    pub reach: &'a Reach,
}

impl<'a> Seen<'a> {
    /// What whoever has `access` sees within `reach`.
    #[must_use]
    pub fn of(access: &Access, reach: &'a Reach) -> Self {
        Self {
            projection: access.projection(reach),
            reach,
        }
    }
}

/// A patient in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct PatientRowView {
    /// The patient.
    #[schema(example = "pat_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    pub id: String,
    /// The name.
    pub name: NameView,
    /// The birth date.
    #[schema(value_type = Option<String>, format = Date)]
    pub birth_date: Option<Date>,
    /// `active`, `locked`, `deactivated` or `merged`.
    #[schema(example = "active")]
    pub status: &'static str,
    /// The address for mails; null without `patients.contact`.
    pub email: Option<String>,
    /// The language the person is addressed in (BCP 47).
    #[schema(example = "de-AT")]
    pub locale: Option<String>,
    /// The IANA zone in which times are told to them.
    #[schema(example = "Europe/Vienna")]
    pub time_zone: Option<String>,
    /// Through what they came.
    pub referral_source: Option<String>,
    /// Where they are registered, of the sites that the caller sees.
    pub registrations: Vec<PresenceView>,
    /// When the patient was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl View for PatientRowView {}

impl PatientRowView {
    /// The patient as `seen`.
    #[must_use]
    pub fn new(row: &PatientRow, seen: Seen) -> Self {
        let email = row.email.as_ref().filter(|_| seen.projection.contact);
        Self {
            id: row.id.to_string(),
            name: (&row.name).into(),
            birth_date: row.birth_date,
            status: row.status.as_str(),
            email: email.map(|email| email.as_str().to_owned()),
            locale: row.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            time_zone: row.time_zone.as_ref().map(|zone| zone.as_str().to_owned()),
            referral_source: row
                .referral_source
                .as_ref()
                .map(|source| source.as_str().to_owned()),
            registrations: PresenceView::of(&row.registrations, |site| seen.reach.has_site(site)),
            created_at: row.created_at,
        }
    }
}
