//! The requests about bookings.

use jiff::SignedDuration;
use portal_domain::booking::{Booking, BookingReferences, NOTICE};
use portal_domain::change::{Change, Write};
use portal_domain::external::{ExternalId, Sourced, Stamp};
use portal_domain::id::{PatientId, SpecialistId};
use serde_json::json;

use super::Scene;
use super::person::Request;
use crate::stack::Failure;

impl Scene<'_> {
    /// A booking at a site of the organization, two days ahead, as its source tells it.
    pub(super) async fn booking(&self) -> Result<Booking, Failure> {
        let sites = self.founder.get(&self.path("/sites")).await?;
        let known = sites.body["items"][0]["id"].as_str().map(str::to_owned);
        let site = if let Some(site) = known {
            site
        } else {
            let body = json!({ "name": "Riverside" });
            self.founder.post(&self.path("/sites"), body).await?.id()?
        };
        let stack = &self.probe.stack;
        let now = stack.clock.now();
        let start = now + SignedDuration::from_hours(48);
        let external = || {
            Ok::<_, Failure>(ExternalId {
                system: "probe".parse()?,
                value: "1".parse()?,
            })
        };
        let record = serde_json::from_value(json!({
            "site": external()?, "patient": external()?, "specialist": external()?,
            "service": "Physiotherapy", "status": "booked", "modality": "video",
            "start": start, "end": start + SignedDuration::from_mins(50),
            "price": { "amount_minor": 9_000, "currency": "EUR" },
        }))?;
        let references = BookingReferences {
            site: site.parse()?,
            shards: 1,
            patient: PatientId::mint(now),
            patient_name: Some("Jonas Weber".parse()?),
            specialist: SpecialistId::mint(now),
            specialist_name: Some("Lena Brandt".parse()?),
            replaces: None,
            notice: NOTICE,
        };
        let sourced = Sourced {
            source: "platform".parse()?,
            external: external()?,
            stamp: Stamp {
                version: Some(1),
                occurred_at: now,
            },
            digest: String::new(),
        };
        let booking = Booking::taken(record, references, sourced, None, now)?;
        let change = Change::default().write(Write::BookingPut(Box::new(booking.clone())));
        stack.app.store.commit(&change, None, now).await?;
        Ok(booking)
    }

    /// A request of `operation` that succeeds, if it is one of these.
    pub(super) async fn about_bookings(&self, operation: &str) -> Result<Option<Request>, Failure> {
        if !["list_bookings", "get_booking", "request_transition"].contains(&operation) {
            return Ok(None);
        }
        let booking = self.booking().await?;
        let path = self.path(&format!("/bookings/{}", booking.id));
        Ok(Some(match operation {
            "list_bookings" => Request::get(self.path("/bookings?tab=active")),
            "get_booking" => Request::get(path),
            _ => {
                let body = json!({ "transition": "cancel", "reason": "patient_request" });
                Request {
                    if_match: Some(format!("\"{}\"", booking.rev)),
                    ..Request::post(format!("{path}/transitions"), body)
                }
            }
        }))
    }
}
