//! What members want changed of a specialist: done where the portal owns it, else asked of the source.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Availability, Price, Profile, Specialist, lasting, priced};
use crate::access::{Access, expect_revision};
use crate::audit::Verb;
use crate::change::{Change, Write};
use crate::code::Refusal;
use crate::email::EmailAddress;
use crate::id::AccountId;
use crate::locale::LanguageTag;
use crate::money::Money;
use crate::organization::ZoneName;
use crate::permission::Permission;
use crate::person::{FullName, Phone, hidden, news};
use crate::text::NamePart;

/// What is wanted changed of a specialist; what is not given stays.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpecialistUpdate {
    /// Other given names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_name: Option<NamePart>,
    /// Another family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_name: Option<NamePart>,
    /// Another address for mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// Another telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// Another language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<LanguageTag>,
    /// Another time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// Another length of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_minutes: Option<u16>,
    /// Another price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Other windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
}

hidden!(SpecialistUpdate);

/// What members want changed of a specialist that comes from elsewhere, until the source has answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedOfSpecialist {
    /// What.
    #[serde(flatten)]
    pub wanted: SpecialistUpdate,
    /// Who asked last.
    pub by: AccountId,
    /// When they did.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

impl SpecialistUpdate {
    /// The names of its fields.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("given_name", self.given_name.is_some()),
            ("family_name", self.family_name.is_some()),
            ("email", self.email.is_some()),
            ("phone", self.phone.is_some()),
            ("locale", self.locale.is_some()),
            ("time_zone", self.time_zone.is_some()),
            ("session_minutes", self.session_minutes.is_some()),
            ("price", self.price.is_some()),
            ("availability", self.availability.is_some()),
        ];
        fields
            .into_iter()
            .filter(|(_, is_given)| *is_given)
            .map(|(field, _)| field)
    }

    fn checked(self) -> Result<Self, Refusal> {
        self.session_minutes.map(lasting).transpose()?;
        self.price.map(priced).transpose()?;
        Ok(self)
    }

    /// What of it is not so already.
    fn beside(self, profile: &Profile, price: Option<Price>) -> Self {
        Self {
            given_name: news(self.given_name, profile.name.given()),
            family_name: news(self.family_name, profile.name.family()),
            email: news(self.email, profile.email.as_ref()),
            phone: news(self.phone, profile.phone.as_ref()),
            locale: news(self.locale, profile.locale.as_ref()),
            time_zone: news(self.time_zone, profile.time_zone.as_ref()),
            session_minutes: news(self.session_minutes, profile.session_minutes.as_ref()),
            price: news(self.price, price.map(|price| price.amount).as_ref()),
            availability: news(self.availability, Some(&profile.availability)),
        }
    }

    /// The same, and what `earlier` wants of other fields.
    fn over(self, earlier: Self) -> Self {
        Self {
            given_name: self.given_name.or(earlier.given_name),
            family_name: self.family_name.or(earlier.family_name),
            email: self.email.or(earlier.email),
            phone: self.phone.or(earlier.phone),
            locale: self.locale.or(earlier.locale),
            time_zone: self.time_zone.or(earlier.time_zone),
            session_minutes: self.session_minutes.or(earlier.session_minutes),
            price: self.price.or(earlier.price),
            availability: self.availability.or(earlier.availability),
        }
    }

    fn applied(self, specialist: &Specialist, now: Timestamp) -> Result<(Profile, Option<Price>), Refusal> {
        let wanted = self.beside(&specialist.profile, specialist.price);
        let old = specialist.profile.clone();
        let given = wanted.given_name.or_else(|| old.name.given().cloned());
        let family = wanted.family_name.or_else(|| old.name.family().cloned());
        let profile = Profile {
            name: FullName::of(given, family)?,
            email: wanted.email.or(old.email),
            phone: wanted.phone.or(old.phone),
            locale: wanted.locale.or(old.locale),
            time_zone: wanted.time_zone.or(old.time_zone),
            session_minutes: wanted.session_minutes.or(old.session_minutes),
            availability: wanted.availability.unwrap_or(old.availability),
            languages: old.languages,
            specializations: old.specializations,
            expertise: old.expertise,
            education: old.education,
            experience_years: old.experience_years,
        };
        let price = wanted.price.map(|amount| Price { from: now, amount });
        Ok((profile, price.or(specialist.price)))
    }
}

impl RequestedOfSpecialist {
    /// What is left of it once the source says that the specialist is so since `occurred_at`: nothing if that is later than the
    /// request, which is settled then one way or the other; else what is not so yet.
    #[must_use]
    pub(super) fn after(
        self,
        profile: &Profile,
        price: Option<Price>,
        occurred_at: Timestamp,
    ) -> Option<Self> {
        let wanted = self.wanted.beside(profile, price);
        let is_open = occurred_at <= self.at && wanted != SpecialistUpdate::default();
        is_open.then_some(Self { wanted, ..self })
    }
}

impl Specialist {
    /// The specialist as a member wants it: changed if it was made here, else with the request for the source to answer. What
    /// is asked to be as it is takes an earlier request back.
    ///
    /// # Errors
    /// [`Code::SiteNotBound`](crate::code::Code::SiteNotBound) to those with whom the specialist is only shared;
    /// [`Code::PermissionMissing`](crate::code::Code::PermissionMissing) for a price, without the right to see money;
    /// [`Code::RevisionMismatch`](crate::code::Code::RevisionMismatch); [`Code::FieldsInvalid`](crate::code::Code::FieldsInvalid) at
    /// the field for a price or a length that none can have.
    pub fn request_change(
        &self,
        access: &Access,
        update: SpecialistUpdate,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Self, Change), Refusal> {
        self.may_be_managed(access)?;
        if update.price.is_some() {
            access.must_hold(Permission::TransactionsRead)?;
        }
        let update = update.checked()?;
        expect_revision(self.rev, seen)?;
        let fields: Vec<_> = update.fields().collect();
        let new = Self {
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        };
        let (verb, new) = if self.sourced.is_some() {
            let earlier = self.requested.clone().map(|requested| requested.wanted);
            let wanted = update.over(earlier.unwrap_or_default());
            let wanted = wanted.beside(&self.profile, self.price);
            let requested = (wanted != SpecialistUpdate::default()).then(|| RequestedOfSpecialist {
                wanted,
                by: access.account(),
                at: now,
            });
            (Verb::SpecialistChangeRequested, Self { requested, ..new })
        } else {
            let (profile, price) = update.applied(self, now)?;
            (
                Verb::SpecialistUpdated,
                Self {
                    profile,
                    price,
                    ..new
                },
            )
        };
        let change = Change::audited(access.event(verb, &self.id, now).naming(fields))
            .write(Write::SpecialistPut {
                new: Box::new(new.clone()),
                old: Some(Box::new(self.clone())),
            })
            .told(new.told(now))
            .fact(access.organization_active())
            .fact(access.actor_holds());
        Ok((new, change))
    }
}
