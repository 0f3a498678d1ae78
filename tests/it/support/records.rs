//! What the platform tells of a booking, line by line.

use jiff::SignedDuration;
use portal_domain::access::{Access, Phase};
use portal_domain::audit::Origin;
use portal_domain::booking::{Booking, BookingRecord, BookingReferences, NOTICE};
use portal_domain::change::{Change, Write};
use portal_domain::external::{ExternalId, Sourced, Stamp};
use portal_domain::id::{PatientId, SiteId, SpecialistId};
use portal_domain::reach::Reach;
use serde_json::{Value, json};

use super::{Clinic, Portal};

/// One of the two people of a booking.
#[derive(Debug, Clone)]
pub(crate) struct Profile<I> {
    pub(crate) id: I,
    pub(crate) name: &'static str,
}

/// A line about a booking.
pub(crate) struct Line<'a> {
    portal: &'a Portal,
    record: Value,
    references: BookingReferences,
    kept: Option<Booking>,
}

impl Portal {
    pub(crate) fn named_patient(&self, name: &'static str) -> Profile<PatientId> {
        let id = PatientId::mint(self.clock.now());
        Profile { id, name }
    }

    pub(crate) fn named_specialist(&self, name: &'static str) -> Profile<SpecialistId> {
        let id = SpecialistId::mint(self.clock.now());
        Profile { id, name }
    }

    /// The first line about a booking at `site`: booked by video for fifty minutes from this time tomorrow, by somebody new with
    /// somebody new.
    pub(crate) async fn line(&self, site: &str) -> Line<'_> {
        let site: SiteId = site.parse().expect("a site's id");
        let shards = self
            .app
            .store
            .site(site)
            .await
            .expect("readable")
            .expect("there")
            .shards;
        let start = self.clock.now() + SignedDuration::from_hours(24);
        let external = json!({ "system": "tests", "value": "1" });
        Line {
            portal: self,
            record: json!({
                "site": external, "patient": external, "specialist": external, "service": "Physiotherapy",
                "status": "booked", "modality": "video", "start": start, "end": start + SignedDuration::from_mins(50),
                "price": { "amount_minor": 9_000, "currency": "EUR" }, "patient_time_zone": "Europe/Lisbon",
            }),
            references: BookingReferences {
                site,
                shards,
                patient: self.named_patient("").id,
                patient_name: Some("Jonas Weber".parse().expect("a name")),
                specialist: self.named_specialist("").id,
                specialist_name: Some("Lena Brandt".parse().expect("a name")),
                replaces: None,
                notice: NOTICE,
            },
            kept: None,
        }
    }

    /// A booking at `site` with these fields.
    pub(crate) async fn booking(&self, site: &str, fields: Value) -> Booking {
        self.line(site).await.say(fields).tell().await
    }

    /// The next line about a booking, which says the same but for what is said next.
    pub(crate) async fn next_line(&self, booking: &Booking) -> Line<'_> {
        let line = self.line(&booking.site.to_string()).await;
        let record = json!({
            "status": booking.status(), "modality": booking.modality, "start": booking.start(), "end": booking.end(),
            "service": booking.service,
        });
        let references = BookingReferences {
            patient: booking.patient,
            patient_name: booking.patient_name.clone(),
            specialist: booking.specialist,
            specialist_name: booking.specialist_name.clone(),
            ..line.references.clone()
        };
        Line {
            references,
            kept: Some(booking.clone()),
            ..line
        }
        .say(record)
    }
}

impl Line<'_> {
    /// The line with other fields.
    pub(crate) fn say(mut self, fields: Value) -> Self {
        let Value::Object(fields) = fields else {
            panic!("fields have names")
        };
        for (name, value) in fields {
            self.record[name] = value;
        }
        self
    }

    /// The line about one of somebody.
    pub(crate) fn of(mut self, patient: &Profile<PatientId>) -> Self {
        self.references.patient = patient.id;
        self.references.patient_name = Some(patient.name.parse().expect("a name"));
        self
    }

    /// The line about one with somebody.
    pub(crate) fn with(mut self, specialist: &Profile<SpecialistId>) -> Self {
        self.references.specialist = specialist.id;
        self.references.specialist_name = Some(specialist.name.parse().expect("a name"));
        self
    }

    /// The line about one that was made in place of another.
    pub(crate) fn in_place_of(mut self, old: &Booking) -> Self {
        self.references.replaces = Some(old.clone());
        self
    }

    /// Tells it now.
    pub(crate) async fn tell(self) -> Booking {
        let now = self.portal.clock.now();
        let record: BookingRecord = serde_json::from_value(self.record).expect("a record");
        let sourced = Sourced {
            source: "platform".parse().expect("a source"),
            external: ExternalId {
                system: "tests".parse().expect("a system"),
                value: "1".parse().expect("a value"),
            },
            stamp: Stamp {
                version: None,
                occurred_at: now,
            },
            digest: String::new(),
        };
        let old = self.references.replaces.clone();
        let told = Booking::taken(record, self.references, sourced, self.kept.as_ref(), now)
            .expect("it breaks no rule");
        let replaced = old.and_then(|old| old.replaced_by(told.id, now));
        let put = |booking: Booking| Write::BookingPut(Box::new(booking));
        let change = Change::default()
            .write(put(told.clone()))
            .writes(replaced.map(put));
        self.portal
            .app
            .store
            .commit(&change, None, now)
            .await
            .expect("it is new");
        told
    }
}

impl Clinic<'_> {
    /// What the admin sees.
    pub(crate) async fn reach(&self) -> Reach {
        let (caller, organization) = self
            .store()
            .access(self.admin.account, self.id)
            .await
            .expect("readable");
        let access = Access::resolve(
            organization,
            caller.memberships,
            None,
            Phase::Active,
            Origin::default(),
            self.portal.clock.now(),
        );
        access.expect("an admin").reach().expect("no privacy mode")
    }

    /// A booking as it is kept.
    pub(crate) async fn kept(&self, booking: &Booking) -> Booking {
        let sought = self.store().booking(booking.id).await.expect("readable");
        sought.within(&self.reach().await).expect("within reach")
    }
}
