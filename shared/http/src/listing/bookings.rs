//! The list of bookings: its filters and its rows.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portal_domain::access::Access;
use portal_domain::booking::{BookingQuery, BookingRow, Status, Tab};
use portal_domain::code::Refusal;
use portal_domain::id::{OrganizationId, PatientId, SiteId, SpecialistId};
use portal_domain::money::Money;
use portal_domain::projection::Projection;
use portal_domain::reach::Reach;
use portal_domain::text::PersonName;
use portal_domain::time::Moment;
use portal_store::{Page, Position, Store, StoreError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Listing, parsed, refused};
use crate::answer::View;

/// Which bookings are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BookingFilter {
    /// `active`, `overdue` or `past`.
    tab: Option<String>,
    /// Only of these statuses, between commas: `proposed`, `pending`, `booked`, `arrived`, `fulfilled`, `cancelled`, `noshow`,
    /// `entered-in-error`, `checked-in`, `waitlist`.
    status: Option<String>,
    /// Only those that start at this instant or later.
    from: Option<String>,
    /// Only those that start before this instant.
    until: Option<String>,
    /// Only of this patient. Needs `patients.read`.
    patient_id: Option<String>,
    /// Only with this specialist. Needs `specialists.read`.
    specialist_id: Option<String>,
    /// Only at this site.
    site_id: Option<String>,
    /// `video`, `audio`, `chat` or `in_person`.
    modality: Option<String>,
}

impl BookingFilter {
    fn query(&self) -> Result<BookingQuery, Refusal> {
        let instant = |text: &Option<String>, why| {
            let moment: Option<Moment> = parsed(text.as_ref(), why)?;
            Ok::<_, Refusal>(moment.map(Timestamp::from))
        };
        let statuses = match &self.status {
            None => BTreeSet::new(),
            Some(list) => list
                .split(',')
                .map(str::parse)
                .collect::<Result<BTreeSet<Status>, _>>()
                .map_err(|_| refused("status must have statuses of bookings, between commas"))?,
        };
        BookingQuery {
            tab: parsed(self.tab.as_ref(), "tab must be active, overdue or past")?,
            statuses,
            from: instant(&self.from, "from must be an instant")?,
            until: instant(&self.until, "until must be an instant")?,
            patient: parsed(self.patient_id.as_ref(), "patient_id must be the id of a patient")?,
            specialist: parsed(
                self.specialist_id.as_ref(),
                "specialist_id must be the id of a specialist",
            )?,
            site: parsed(self.site_id.as_ref(), "site_id must be the id of a site")?,
            modality: parsed(
                self.modality.as_ref(),
                "modality must be video, audio, chat or in_person",
            )?,
        }
        .checked()
    }

    /// What is wanted, and the reach within which whoever has `access` may ask for it.
    fn asked_by(&self, access: &Access) -> Result<(BookingQuery, Reach), Refusal> {
        let query = self.query()?;
        let reach = query.reach(access)?;
        Ok((query, reach))
    }
}

impl Listing for BookingFilter {
    type Row = BookingView;

    const COLUMNS: &'static [&'static str] = &[
        "id",
        "site_id",
        "patient.id",
        "patient.name",
        "specialist.id",
        "specialist.name",
        "service",
        "status",
        "tab",
        "start",
        "end",
        "modality",
        "price.amount_minor",
        "price.currency",
        "pending_transition",
    ];

    fn check(&self, access: &Access) -> Result<(), Refusal> {
        self.asked_by(access).map(drop)
    }

    async fn page(
        &self,
        store: &Store,
        access: &Access,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<BookingView>, StoreError> {
        let (query, reach) = self.asked_by(access)?;
        let page = store.bookings(&reach, &query, now, limit, after).await?;
        let seen = Seen::of(access, &reach);
        Ok(page.map(|row| BookingView::new(&row, seen, now)))
    }
}

/// What the reader sees of bookings.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The reader's organization.
    pub organization: OrganizationId,
    projection: Projection,
    reach: &'a Reach,
}

impl<'a> Seen<'a> {
    /// What whoever has `access` sees within `reach`.
    #[must_use]
    pub fn of(access: &Access, reach: &'a Reach) -> Self {
        Self {
            organization: access.organization.id,
            projection: access.projection(reach),
            reach,
        }
    }

    /// The patient, for those who see patients.
    #[must_use]
    pub fn patient(self, id: PatientId, name: Option<&PersonName>) -> Option<BookingPersonView> {
        self.projection
            .patients
            .then(|| BookingPersonView::new(Some(id.to_string()), name))
    }

    /// The specialist who works at `site`.
    #[must_use]
    pub fn specialist(self, site: SiteId, id: SpecialistId, name: Option<&PersonName>) -> BookingPersonView {
        BookingPersonView::new(self.specialist_id(site, id), name)
    }

    /// The link to a specialist who works at `site`.
    #[must_use]
    pub fn specialist_id(self, site: SiteId, id: SpecialistId) -> Option<String> {
        let is_linked = self.projection.specialists && self.reach.has_specialist_at([site]);
        is_linked.then(|| id.to_string())
    }

    /// A price, for those who see money.
    #[must_use]
    pub fn price(self, price: Option<Money>) -> Option<BookingPriceView> {
        let price = price.filter(|_| self.projection.money)?;
        Some(BookingPriceView {
            amount_minor: price.amount_minor,
            currency: price.currency.to_string(),
        })
    }
}

/// One of the two people of a booking.
#[derive(Debug, Serialize, ToSchema)]
pub struct BookingPersonView {
    /// The profile; null where the reader sees no profiles of such people.
    pub id: Option<String>,
    /// The name; null where there is none any more. In lists, long names are cut.
    #[schema(example = "Noah Okoro")]
    pub name: Option<String>,
}

impl BookingPersonView {
    fn new(id: Option<String>, name: Option<&PersonName>) -> Self {
        Self {
            id,
            name: name.map(|name| name.as_str().to_owned()),
        }
    }
}

/// What a booking costs.
#[derive(Debug, Serialize, ToSchema)]
pub struct BookingPriceView {
    /// In minor units of the currency.
    #[schema(example = 9_000)]
    pub amount_minor: i64,
    /// The ISO 4217 code.
    #[schema(example = "EUR")]
    pub currency: String,
}

/// A booking in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct BookingView {
    /// Its id.
    #[schema(example = "bok_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    pub id: String,
    /// The site it was made at.
    pub site_id: String,
    /// Whose; null where the reader sees no patients.
    pub patient: Option<BookingPersonView>,
    /// With whom.
    pub specialist: BookingPersonView,
    /// What it is for. In lists, long texts are cut.
    #[schema(example = "Physiotherapy")]
    pub service: String,
    /// Its status, as FHIR calls it.
    #[schema(example = "booked")]
    pub status: &'static str,
    /// `active`, `overdue` or `past`, by the clock.
    #[schema(example = "active")]
    pub tab: &'static str,
    /// When it begins; null while that is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start: Option<Timestamp>,
    /// When it is over; null while that is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end: Option<Timestamp>,
    /// `video`, `audio`, `chat` or `in_person`.
    #[schema(example = "video")]
    pub modality: &'static str,
    /// What it costs; null where nothing is agreed or the reader sees no money.
    pub price: Option<BookingPriceView>,
    /// The transition that its source was asked for and has not answered; null if none.
    #[schema(example = "cancel")]
    pub pending_transition: Option<String>,
}

impl BookingView {
    /// The booking as `seen` at `now`.
    #[must_use]
    pub fn new(row: &BookingRow, seen: Seen<'_>, now: Timestamp) -> Self {
        Self {
            id: row.id.to_string(),
            site_id: row.site.to_string(),
            patient: seen.patient(row.patient, row.patient_name.as_ref()),
            specialist: seen.specialist(row.site, row.specialist, row.specialist_name.as_ref()),
            service: row.service.as_str().to_owned(),
            status: row.status.as_str(),
            tab: Tab::of(row.status, row.end, now).as_str(),
            start: row.start,
            end: row.end,
            modality: row.modality.as_str(),
            price: seen.price(row.price),
            pending_transition: row.requested.clone(),
        }
    }
}

impl View for BookingView {}
