//! What lists show of patients, and which ones they show: one type behind list, count and export.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Patient, Status};
use crate::access::Access;
use crate::code::Refusal;
use crate::email::EmailAddress;
use crate::id::{PatientId, SiteId, compact};
use crate::locale::LanguageTag;
use crate::organization::ZoneName;
use crate::permission::Permission;
use crate::person::{FullName, Presence, Sort, hidden, joined_at, joined_last};
use crate::reach::Reach;
use crate::search::{Search, tokens};
use crate::text::ReferralSource;

/// What lists show of a patient: kept once for the platform, once for each site, and once under each token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientRow {
    /// The patient.
    #[serde(with = "compact")]
    pub id: PatientId,
    /// The name.
    pub name: FullName,
    /// The birth date: it tells namesakes apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<Date>,
    /// The address for mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// Where the account is in its life.
    pub status: Status,
    /// The language the person is addressed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<LanguageTag>,
    /// The zone in which times are told to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// Through what they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral_source: Option<ReferralSource>,
    /// Where they are registered, by site.
    pub registrations: Vec<Presence>,
    /// When the patient was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
}

hidden!(PatientRow, PatientQuery);

impl Patient {
    /// What lists show of it; none once its source deleted it.
    #[must_use]
    pub fn row(&self) -> Option<PatientRow> {
        Some(PatientRow {
            id: self.id,
            name: self.identity.name.clone(),
            birth_date: self.identity.birth_date,
            email: self.contact.email.clone(),
            status: self.status()?,
            locale: self.identity.locale.clone(),
            time_zone: self.identity.time_zone.clone(),
            referral_source: self.identity.referral_source.clone(),
            registrations: self.registrations.clone(),
            created_at: self.created_at,
        })
    }
}

impl PatientRow {
    /// What the patient is found under.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        tokens(&self.name, self.email.as_ref())
    }

    /// Since when the patient is at `site`, or on the platform where none is meant.
    #[must_use]
    pub fn since(&self, site: Option<SiteId>) -> Timestamp {
        joined_at(&self.registrations, site).unwrap_or(self.created_at)
    }

    /// Whether `site` is where somebody who sees `seen` sites sees the patient come last: in a list of several sites that is
    /// sorted by when people came, each is given once. Copies with one time have one place in the list, and count as one there.
    #[must_use]
    pub fn came_last_to(&self, site: SiteId, seen: impl Fn(SiteId) -> bool) -> bool {
        joined_last(&self.registrations, site, seen)
    }
}

/// Which patients are wanted.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PatientQuery {
    /// Found so.
    pub search: Option<Search>,
    /// Of this status; if not given, of any but merged, since another patient stands for those.
    pub status: Option<Status>,
    /// Who came through this.
    pub referral_source: Option<ReferralSource>,
    /// At this site.
    pub site: Option<SiteId>,
    /// Who came from then on.
    pub since: Option<Timestamp>,
    /// Who came before then.
    pub until: Option<Timestamp>,
    /// In this order.
    pub sort: Sort,
}

impl PatientQuery {
    /// The reach within which whoever has `access` may ask this: whom an address finds is told to those who may see addresses.
    ///
    /// # Errors
    /// As [`Access::reach`] and [`Reach::of_patients`]; [`Code::PermissionMissing`](crate::code::Code::PermissionMissing).
    pub fn reach(&self, access: &Access) -> Result<Reach, Refusal> {
        let reach = access.reach()?.of_patients()?;
        if self.search.as_ref().is_some_and(Search::is_for_address) {
            access.must_hold(Permission::PatientsContact)?;
        }
        Ok(reach)
    }

    /// Whether a patient is wanted, of whom a list of `site`, or of the platform where there is none, has this row.
    #[must_use]
    pub fn matches(&self, row: &PatientRow, site: Option<SiteId>) -> bool {
        let at = row.since(site);
        let is_found = self
            .search
            .as_ref()
            .is_none_or(|search| search.finds(&row.tokens()));
        let is_there = self
            .site
            .is_none_or(|site| row.registrations.iter().any(|at| at.site == site));
        is_found
            && is_there
            && self
                .status
                .map_or(row.status != Status::Merged, |status| row.status == status)
            && self
                .referral_source
                .as_ref()
                .is_none_or(|source| row.referral_source.as_ref() == Some(source))
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
    }
}
