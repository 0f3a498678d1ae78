//! The filters of the list, as they are sent.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use portal_domain::booking::{BookingQuery, Status};
use portal_domain::code::{Code, Refusal};
use portal_domain::time::Moment;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which bookings are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BookingFilter {
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
    pub(crate) fn query(&self) -> Result<BookingQuery, Refusal> {
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
}

fn refused(why: &'static str) -> Refusal {
    Refusal::new(Code::QueryInvalid, why)
}

fn parsed<T: FromStr>(text: Option<&String>, why: &'static str) -> Result<Option<T>, Refusal> {
    text.map(|text| text.parse())
        .transpose()
        .map_err(|_| refused(why))
}
