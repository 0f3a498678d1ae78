//! What routes cost: each asked once as it is mostly asked, and in the cases that cost more.

use jiff::SignedDuration;
use portal_domain::invite::LIFETIME;
use portal_domain::membership::ACTIVITY_STEP;
use portal_domain::transaction::Kind;
use portal_store::request::Tally;
use serde_json::json;

use super::person::{Person, Request};
use super::service::{gone_patient, patient, resource, site};
use super::{Probe, Scene, Who, is_operators, is_services, routes};
use crate::stack::Failure;

/// What a route cost in a case.
#[derive(Debug, Clone)]
pub struct Priced {
    /// The operation.
    pub operation: String,
    /// The case; empty for the usual one.
    pub case: &'static str,
    /// Its cost.
    pub cost: Tally,
}

const MOMENT: SignedDuration = SignedDuration::from_secs(1);

impl Probe {
    /// What every route costs, in the order of [`routes`].
    ///
    /// # Errors
    /// When a request that is to succeed does not.
    pub async fn prices(&self) -> Result<Vec<Priced>, Failure> {
        let mut all = Vec::new();
        for route in routes() {
            all.extend(self.prices_of(&route.operation).await?);
        }
        Ok(all)
    }

    /// What an operation costs, the usual case first.
    ///
    /// # Errors
    /// As [`Self::prices`].
    pub async fn prices_of(&self, operation: &str) -> Result<Vec<Priced>, Failure> {
        let usual = self.usual(operation).await?;
        let unusual = self.unusual(operation).await?;
        Ok([usual].into_iter().chain(unusual).collect())
    }

    /// The usual case: an admin whose account is there and whose activity was noted this hour; for invites, their recipient.
    async fn usual(&self, operation: &str) -> Result<Priced, Failure> {
        let scene = self.scene_with_care().await?;
        let is_recipient = matches!(operation, "preview_invite" | "accept_invite" | "decline_invite");
        let who = if is_recipient { Who::Stranger } else { Who::Admin };
        let caller = if is_operators(operation) {
            self.operator()?
        } else if is_services(operation) {
            // A service whose use was noted this hour.
            let service = self.service().await?;
            let trial = Request::post("/v1/ingest/sites?dry_run=true", json!([{}]));
            service.send(&trial).await?.success()?;
            service
        } else {
            scene.somebody(who, None).await?
        };
        if !is_services(operation) {
            caller.get("/v1/me").await?;
        }
        let request = scene.request(operation, &caller, is_recipient).await?;
        if operation == "cancel_dissolution" {
            let body = json!({ "name": "Riverside Family Practice", "remove_members": true });
            scene.founder.post(&scene.path("/dissolution"), body).await?;
        }
        self.price(operation, "", &caller, &request).await
    }

    async fn unusual(&self, operation: &str) -> Result<Vec<Priced>, Failure> {
        Ok(match operation {
            "get_me" => vec![self.first_sign_in().await?],
            "update_me" => vec![self.changed_address().await?],
            "list_members" => self.searched_and_first_in_an_hour().await?,
            "create_invite" => self.repeated_and_taking_over().await?,
            "create_invites" => vec![self.three_rows().await?],
            "accept_invite" => vec![self.accepted_at_first_sign_in().await?],
            "update_member" => vec![self.promoted_and_taking_over().await?],
            "list_actions" => self.actions_of_all_sorts().await?,
            "list_bookings" => self.bookings_of_all_sorts().await?,
            "list_transactions" => self.transactions_of_all_sorts().await?,
            "get_dashboard" => vec![self.scene().await?.dashboard_of_all().await?],
            "get_statistics" => self.scene().await?.statistics_of_sponsored().await?,
            "list_patients" | "list_specialists" => {
                self.scene().await?.directory_in_all_ways(operation).await?
            }
            "list_organization_sessions" => self.sessions_of_all_sorts().await?,
            "start_session" => self.starts_of_all_sorts().await?,
            "get_export" => vec![self.not_written_yet().await?],
            "update_patient" => vec![self.scene().await?.renamed().await?],
            "list_audit_events" => self.by_actor_and_object().await?,
            "ingest_records" => self.known_and_not().await?,
            "take_resources" => vec![self.known_resource().await?],
            _ => Vec::new(),
        })
    }

    /// A scene whose invites are for providers, and so hold seats.
    ///
    /// # Errors
    /// As [`Self::scene`].
    pub async fn scene_with_care(&self) -> Result<Scene<'_>, Failure> {
        let mut scene = self.scene().await?;
        "provider".clone_into(&mut scene.offered);
        Ok(scene)
    }

    /// Sends a request that succeeds.
    pub(super) async fn price(
        &self,
        operation: &str,
        case: &'static str,
        caller: &Person,
        request: &Request,
    ) -> Result<Priced, Failure> {
        let answer = caller.send(request).await?;
        let answer = answer
            .success()
            .map_err(|error| format!("{operation} {case}: {error}"))?;
        Ok(Priced {
            operation: operation.to_owned(),
            case,
            cost: answer.cost,
        })
    }

    async fn first_sign_in(&self) -> Result<Priced, Failure> {
        let request = Request::get("/v1/me");
        self.price("get_me", "first sign-in", &self.person()?, &request)
            .await
    }

    async fn changed_address(&self) -> Result<Priced, Failure> {
        let scene = self.scene().await?;
        let caller = scene.somebody(Who::Viewer, None).await?;
        let moved = self.signed_in(&caller.subject, &format!("{}@hillside.example", caller.subject))?;
        let seen = moved.get("/v1/me").await?.etag;
        let request = Request::patch("/v1/me", seen, json!({ "email": moved.email }));
        self.price("update_me", "a new address, one membership", &moved, &request)
            .await
    }

    async fn searched_and_first_in_an_hour(&self) -> Result<Vec<Priced>, Failure> {
        let scene = self.scene().await?;
        let request = Request::get(scene.path("/members?search=person"));
        let searched = self
            .price("list_members", "with a search", &scene.founder, &request)
            .await?;
        self.stack.clock.advance(ACTIVITY_STEP + MOMENT);
        let founder = self.signed_in(&scene.founder.subject, &scene.founder.email)?;
        let request = Request::get(scene.path("/members"));
        let noted = self
            .price("list_members", "first request in an hour", &founder, &request)
            .await?;
        Ok(vec![searched, noted])
    }

    async fn repeated_and_taking_over(&self) -> Result<Vec<Priced>, Failure> {
        let scene = self.scene_with_care().await?;
        let first = scene.request("create_invite", &scene.founder, false).await?;
        scene.founder.send(&first).await?.success()?;
        let repeated = self
            .price("create_invite", "repeated with its key", &scene.founder, &first)
            .await?;
        let founder = self.founder_of_one_expired_hold(&scene).await?;
        let second = scene.request("create_invite", &founder, false).await?;
        let taken = self
            .price(
                "create_invite",
                "takes over an expired seat hold",
                &founder,
                &second,
            )
            .await?;
        Ok(vec![repeated, taken])
    }

    async fn promoted_and_taking_over(&self) -> Result<Priced, Failure> {
        let scene = self.scene_with_care().await?;
        let member = scene.somebody(Who::Viewer, None).await?;
        let invited = scene.request("create_invite", &scene.founder, false).await?;
        scene.founder.send(&invited).await?.success()?;
        let founder = self.founder_of_one_expired_hold(&scene).await?;
        let path = scene.member(&member);
        let seen = founder.get(&path).await?.etag;
        let request = Request::patch(path, seen, json!({ "role": "provider" }));
        self.price(
            "update_member",
            "takes over an expired seat hold",
            &founder,
            &request,
        )
        .await
    }

    /// The founder, signed in when the one seat is held by an invite beyond its time.
    async fn founder_of_one_expired_hold(&self, scene: &Scene<'_>) -> Result<Person, Failure> {
        self.stack.app.store.set_seat_limit(scene.organization, 1).await?;
        self.stack.clock.advance(LIFETIME + MOMENT);
        let founder = self.signed_in(&scene.founder.subject, &scene.founder.email)?;
        founder.get(&scene.path("")).await?;
        Ok(founder)
    }

    async fn three_rows(&self) -> Result<Priced, Failure> {
        let scene = self.scene_with_care().await?;
        let mut rows = Vec::new();
        for _ in 0..3 {
            rows.push(json!({ "email": self.person()?.email, "role": scene.offered }));
        }
        let request = Request::post(scene.path("/invites/bulk"), json!({ "invites": rows }));
        self.price("create_invites", "three rows", &scene.founder, &request)
            .await
    }

    async fn accepted_at_first_sign_in(&self) -> Result<Priced, Failure> {
        let scene = self.scene_with_care().await?;
        let caller = self.person()?;
        let request = scene.request("accept_invite", &caller, true).await?;
        self.price("accept_invite", "first sign-in", &caller, &request)
            .await
    }

    async fn bookings_of_all_sorts(&self) -> Result<Vec<Priced>, Failure> {
        let scene = self.scene().await?;
        let booking = scene.booking().await?;
        let mut priced = Vec::new();
        for (case, filter) in [
            ("of no tab", String::new()),
            ("of a patient", format!("patient_id={}", booking.patient)),
            (
                "with a specialist",
                format!("specialist_id={}", booking.specialist),
            ),
        ] {
            let request = Request::get(scene.path(&format!("/bookings?{filter}")));
            priced.push(
                self.price("list_bookings", case, &scene.founder, &request)
                    .await?,
            );
        }
        scene.widen().await?;
        let request = Request::get(scene.path("/bookings?tab=past"));
        priced.push(
            self.price("list_bookings", "of the whole platform", &scene.founder, &request)
                .await?,
        );
        Ok(priced)
    }

    async fn transactions_of_all_sorts(&self) -> Result<Vec<Priced>, Failure> {
        let scene = self.scene().await?;
        let booking = scene.booking().await?;
        scene.transaction(Kind::Payment, &booking).await?;
        scene.transaction(Kind::Earning, &booking).await?;
        let mut priced = Vec::new();
        for (case, filter) in [
            ("of a patient", format!("patient_id={}", booking.patient)),
            ("of a specialist", format!("specialist_id={}", booking.specialist)),
            ("of a booking", format!("booking_id={}", booking.id)),
            ("of a kind", "kind=payment".to_owned()),
        ] {
            let request = Request::get(scene.path(&format!("/transactions?{filter}")));
            priced.push(
                self.price("list_transactions", case, &scene.founder, &request)
                    .await?,
            );
        }
        scene.widen().await?;
        let request = Request::get(scene.path("/transactions"));
        priced.push(
            self.price(
                "list_transactions",
                "of the whole platform",
                &scene.founder,
                &request,
            )
            .await?,
        );
        Ok(priced)
    }

    async fn known_and_not(&self) -> Result<Vec<Priced>, Failure> {
        let service = self.service().await?;
        let first = "one new site, first request in an hour";
        let first = self.price("ingest_records", first, &service, &site()).await?;
        let again = "one site that is known, sent again";
        let again = self.price("ingest_records", again, &service, &site()).await?;
        let new = "one new patient";
        let new = self.price("ingest_records", new, &service, &patient()).await?;
        let gone = "one patient who is deleted";
        let gone = self
            .price("ingest_records", gone, &service, &gone_patient())
            .await?;
        Ok(vec![first, again, new, gone])
    }

    async fn not_written_yet(&self) -> Result<Priced, Failure> {
        let scene = self.scene().await?;
        let export = scene.export(&scene.founder).await?;
        let request = Request::get(scene.path(&format!("/exports/{}", export.id)));
        self.price("get_export", "not written yet", &scene.founder, &request)
            .await
    }

    async fn known_resource(&self) -> Result<Priced, Failure> {
        let service = self.service().await?;
        service.send(&resource()).await?.success()?;
        let again = "one patient who is known, sent again";
        self.price("take_resources", again, &service, &resource()).await
    }

    async fn by_actor_and_object(&self) -> Result<Vec<Priced>, Failure> {
        let scene = self.scene().await?;
        let founder = &scene.founder;
        let mut priced = Vec::new();
        for (case, filter) in [
            ("by one actor", format!("actor={}", founder.account)),
            ("about one object", format!("object={}", scene.organization)),
        ] {
            let request = Request::get(scene.path(&format!("/audit-events?{filter}")));
            priced.push(self.price("list_audit_events", case, founder, &request).await?);
        }
        Ok(priced)
    }
}
