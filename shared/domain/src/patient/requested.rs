//! What members want changed of a patient: done where the portal owns it, else asked of the source.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Contact, Identity, Patient};
use crate::access::{Access, expect_revision};
use crate::audit::Verb;
use crate::change::{Change, Write};
use crate::code::Refusal;
use crate::email::EmailAddress;
use crate::feed::Told;
use crate::id::AccountId;
use crate::ingest::RecordType;
use crate::locale::LanguageTag;
use crate::organization::ZoneName;
use crate::permission::Permission;
use crate::person::{FullName, Phone, hidden, news};
use crate::text::NamePart;

/// What is wanted changed of a patient; what is not given stays.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PatientUpdate {
    /// Other given names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_name: Option<NamePart>,
    /// Another family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_name: Option<NamePart>,
    /// Another language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<LanguageTag>,
    /// Another time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// Another address for mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// Another telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
}

hidden!(PatientUpdate);

/// What members want changed of a patient that comes from elsewhere, until the source has answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedOfPatient {
    /// What.
    #[serde(flatten)]
    pub wanted: PatientUpdate,
    /// Who asked last.
    pub by: AccountId,
    /// When they did.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

impl PatientUpdate {
    /// Whether it says how somebody is reached.
    #[must_use]
    pub const fn is_about_contact(&self) -> bool {
        self.email.is_some() || self.phone.is_some()
    }

    /// The names of its fields.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("given_name", self.given_name.is_some()),
            ("family_name", self.family_name.is_some()),
            ("locale", self.locale.is_some()),
            ("time_zone", self.time_zone.is_some()),
            ("email", self.email.is_some()),
            ("phone", self.phone.is_some()),
        ];
        fields
            .into_iter()
            .filter(|(_, is_given)| *is_given)
            .map(|(field, _)| field)
    }

    /// What of it is not so already.
    fn beside(self, identity: &Identity, contact: &Contact) -> Self {
        Self {
            given_name: news(self.given_name, identity.name.given()),
            family_name: news(self.family_name, identity.name.family()),
            locale: news(self.locale, identity.locale.as_ref()),
            time_zone: news(self.time_zone, identity.time_zone.as_ref()),
            email: news(self.email, contact.email.as_ref()),
            phone: news(self.phone, contact.phone.as_ref()),
        }
    }

    /// The same, and what `earlier` wants of other fields.
    fn over(self, earlier: Self) -> Self {
        Self {
            given_name: self.given_name.or(earlier.given_name),
            family_name: self.family_name.or(earlier.family_name),
            locale: self.locale.or(earlier.locale),
            time_zone: self.time_zone.or(earlier.time_zone),
            email: self.email.or(earlier.email),
            phone: self.phone.or(earlier.phone),
        }
    }

    fn applied(self, identity: &Identity, contact: &Contact) -> Result<(Identity, Contact), Refusal> {
        let given = self.given_name.or_else(|| identity.name.given().cloned());
        let family = self.family_name.or_else(|| identity.name.family().cloned());
        let identity = Identity {
            name: FullName::of(given, family)?,
            locale: self.locale.or_else(|| identity.locale.clone()),
            time_zone: self.time_zone.or_else(|| identity.time_zone.clone()),
            ..identity.clone()
        };
        let contact = Contact {
            email: self.email.or_else(|| contact.email.clone()),
            phone: self.phone.or_else(|| contact.phone.clone()),
            ..contact.clone()
        };
        Ok((identity, contact))
    }
}

impl RequestedOfPatient {
    /// What is left of it once the source says that the patient is so since `occurred_at`: nothing if that is later than the
    /// request, which is settled then one way or the other; else what is not so yet.
    #[must_use]
    pub(super) fn after(
        self,
        identity: &Identity,
        contact: &Contact,
        occurred_at: Timestamp,
    ) -> Option<Self> {
        let wanted = self.wanted.beside(identity, contact);
        let is_open = occurred_at <= self.at && wanted != PatientUpdate::default();
        is_open.then_some(Self { wanted, ..self })
    }
}

impl Patient {
    /// The patient as a member wants it: changed if it was made here, else with the request for the source to answer. What is
    /// asked to be as it is takes an earlier request back.
    ///
    /// # Errors
    /// [`Code::RevisionMismatch`](crate::code::Code::RevisionMismatch);
    /// [`Code::PermissionMissing`](crate::code::Code::PermissionMissing) for how somebody is reached, without the right to see it.
    pub fn request_change(
        &self,
        access: &Access,
        update: PatientUpdate,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Self, Change), Refusal> {
        if update.is_about_contact() {
            access.must_hold(Permission::PatientsContact)?;
        }
        expect_revision(self.rev, seen)?;
        let (verb, fields): (_, Vec<_>) = (self.verb(), update.fields().collect());
        let new = Self {
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        };
        let new = if self.sourced.is_some() {
            let earlier = self.requested.clone().map(|requested| requested.wanted);
            let wanted = update.over(earlier.unwrap_or_default());
            let wanted = wanted.beside(&self.identity, &self.contact);
            let requested = (wanted != PatientUpdate::default()).then(|| RequestedOfPatient {
                wanted,
                by: access.account(),
                at: now,
            });
            Self { requested, ..new }
        } else {
            let (identity, contact) = update.applied(&self.identity, &self.contact)?;
            Self {
                identity,
                contact,
                ..new
            }
        };
        let change = Change::audited(access.event(verb, &self.id, now).naming(fields))
            .write(Write::PatientPut {
                new: Box::new(new.clone()),
                old: Some(Box::new(self.clone())),
            })
            .told(Told::of(
                new.sourced.as_ref(),
                RecordType::Patients,
                &new.id,
                new.rev,
                now,
            ))
            .fact(access.organization_active())
            .fact(access.actor_holds());
        Ok((new, change))
    }

    const fn verb(&self) -> Verb {
        if self.sourced.is_some() {
            Verb::PatientChangeRequested
        } else {
            Verb::PatientUpdated
        }
    }
}
