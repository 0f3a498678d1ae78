//! What is told of patients: as much as the caller's projection has.

use jiff::Timestamp;
use jiff::civil::Date;
use portal_domain::email::EmailAddress;
use portal_domain::locale::LanguageTag;
use portal_domain::organization::ZoneName;
use portal_domain::patient::{Contact, Enrollment, Identity, Patient, RequestedOfPatient, State, Status};
use portal_domain::person::{Gender, Phone};
use portal_domain::projection::Projection;
use portal_domain::text::{AddressLine, EligibilityReference, NamePart, ReferralSource};
use portal_http::View;
use portal_http::listing::patients::Seen;
use portal_http::listing::people::{NameView, PresenceView};
use serde::Serialize;
use utoipa::ToSchema;

fn tag(locale: &LanguageTag) -> String {
    locale.as_str().to_owned()
}

fn zone(zone: &ZoneName) -> String {
    zone.as_str().to_owned()
}

fn source(source: &ReferralSource) -> String {
    source.as_str().to_owned()
}

fn address(email: &EmailAddress) -> String {
    email.as_str().to_owned()
}

fn number(phone: &Phone) -> String {
    phone.as_str().to_owned()
}

/// A patient's profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PatientView {
    /// The patient.
    #[schema(example = "pat_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// `active`, `locked`, `deactivated` or `merged`.
    #[schema(example = "active")]
    status: &'static str,
    /// The patient who stays, of one that is merged.
    merged_into: Option<String>,
    /// Who it is; null without `patients.read`.
    identity: Option<PatientIdentityView>,
    /// How they are reached; null without `patients.contact`.
    contact: Option<PatientContactView>,
    /// Where they are registered, of the sites that the caller sees.
    registrations: Vec<PresenceView>,
    /// Their enrollment by this organization; null without `patients.read`.
    enrollment: Option<EnrollmentView>,
    /// What members want changed, and the system that the patient comes from has not answered yet; null without
    /// `patients.read`.
    requested: Option<PatientRequestView>,
    /// The name of the system that the patient comes from; null where they were made here.
    source: Option<String>,
    /// When the patient was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When the patient last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl View for PatientView {}

/// Who a patient is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PatientIdentityView {
    /// The name.
    name: NameView,
    /// The birth date.
    #[schema(value_type = Option<String>, format = Date)]
    birth_date: Option<Date>,
    /// `male`, `female`, `other` or `unknown`.
    #[schema(example = "female")]
    gender: Option<&'static str>,
    /// The language the person is addressed in (BCP 47).
    #[schema(example = "de-AT")]
    locale: Option<String>,
    /// The IANA zone in which times are told to them.
    #[schema(example = "Europe/Vienna")]
    time_zone: Option<String>,
    /// Through what they came.
    referral_source: Option<String>,
}

/// How a patient is reached, and where they live.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PatientContactView {
    /// The address for mails.
    email: Option<String>,
    /// The telephone number.
    phone: Option<String>,
    /// Where they live, line by line.
    address: Vec<String>,
}

/// The enrollment of a patient by the organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrollmentView {
    /// `invited`, `registered`, `active`, `inactive` or `closed`.
    #[schema(example = "active")]
    status: &'static str,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    enrolled_at: Timestamp,
    /// Until when, once it is over.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// What the organization knows the person by.
    eligibility_reference: Option<String>,
}

/// What members want changed of a patient. What is not asked for is null.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PatientRequestView {
    /// The given names.
    given_name: Option<String>,
    /// The family name.
    family_name: Option<String>,
    /// The language.
    locale: Option<String>,
    /// The time zone.
    time_zone: Option<String>,
    /// The address for mails; null without `patients.contact`.
    email: Option<String>,
    /// The telephone number; null without `patients.contact`.
    phone: Option<String>,
    /// The account of whoever asked last.
    requested_by: String,
    /// When they did.
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
}

impl PatientView {
    pub(crate) fn new(patient: &Patient, enrollment: Option<&Enrollment>, seen: Seen) -> Self {
        let merged_into = match patient.state {
            State::Merged { into } => Some(into.to_string()),
            _ => None,
        };
        let Projection {
            patients, contact, ..
        } = seen.projection;
        let requested = patient.requested.as_ref().filter(|_| patients);
        let enrollment = enrollment.filter(|found| patients && found.deleted_at.is_none());
        Self {
            id: patient.id.to_string(),
            status: patient.status().map_or("deleted", Status::as_str),
            merged_into,
            identity: patients.then(|| (&patient.identity).into()),
            contact: contact.then(|| (&patient.contact).into()),
            registrations: PresenceView::of(&patient.registrations, |site| seen.reach.has_site(site)),
            enrollment: enrollment.map(Into::into),
            requested: requested.map(|requested| PatientRequestView::new(requested, contact)),
            source: patient.sourced.as_ref().map(|sourced| sourced.source.to_string()),
            created_at: patient.created_at,
            updated_at: patient.updated_at,
        }
    }
}

impl From<&Identity> for PatientIdentityView {
    fn from(identity: &Identity) -> Self {
        Self {
            name: (&identity.name).into(),
            birth_date: identity.birth_date,
            gender: identity.gender.map(Gender::as_str),
            locale: identity.locale.as_ref().map(tag),
            time_zone: identity.time_zone.as_ref().map(zone),
            referral_source: identity.referral_source.as_ref().map(source),
        }
    }
}

impl From<&Contact> for PatientContactView {
    fn from(contact: &Contact) -> Self {
        let line = |line: &AddressLine| line.as_str().to_owned();
        Self {
            email: contact.email.as_ref().map(address),
            phone: contact.phone.as_ref().map(number),
            address: contact.address.iter().map(line).collect(),
        }
    }
}

impl From<&Enrollment> for EnrollmentView {
    fn from(enrollment: &Enrollment) -> Self {
        let reference = enrollment.eligibility_reference.as_ref();
        Self {
            status: enrollment.status.as_str(),
            enrolled_at: enrollment.enrolled_at,
            ended_at: enrollment.ended_at,
            eligibility_reference: reference.map(EligibilityReference::as_str).map(str::to_owned),
        }
    }
}

impl PatientRequestView {
    fn new(requested: &RequestedOfPatient, may_contact: bool) -> Self {
        let wanted = &requested.wanted;
        let part = |part: &NamePart| part.as_str().to_owned();
        Self {
            given_name: wanted.given_name.as_ref().map(part),
            family_name: wanted.family_name.as_ref().map(part),
            locale: wanted.locale.as_ref().map(tag),
            time_zone: wanted.time_zone.as_ref().map(zone),
            email: wanted.email.as_ref().filter(|_| may_contact).map(address),
            phone: wanted.phone.as_ref().filter(|_| may_contact).map(number),
            requested_by: requested.by.to_string(),
            requested_at: requested.at,
        }
    }
}
