//! The requests about sessions and devices.

use portal_domain::change::{Change, Write};
use portal_domain::id::{DeviceId, SessionId};
use portal_domain::session::{Mode, Session, State};
use serde_json::json;

use super::cost::Priced;
use super::person::{Person, Request};
use super::{Probe, Scene};
use crate::stack::Failure;

/// A key in base64url, another for each number: which point it is does not matter, so long as it can be one.
fn public_key(number: u32) -> String {
    use base64::Engine as _;
    let mut key = [7; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(key)
}

impl Scene<'_> {
    /// A session of `caller`'s, as if they had started it: also of somebody who may not.
    async fn session(&self, caller: &Person) -> Result<SessionId, Failure> {
        let (store, now) = (&self.probe.stack.app.store, self.probe.stack.clock.now());
        let session = Session {
            id: SessionId::mint(now),
            organization: self.organization,
            provider: caller.account,
            provider_name: Some("person 000000".parse()?),
            name: Some("First visit".parse()?),
            mode: Mode::TwoDevice,
            booking: None,
            started_at: now,
            state: State::Open,
            rev: 1,
            updated_at: now,
        };
        let id = session.id;
        let change = Change::default().write(Write::SessionPut(Box::new(session)));
        store.commit(&change, None, now).await?;
        Ok(id)
    }

    /// Lets the organization see its sessions one by one, or not.
    pub(super) async fn sharing(&self, is_on: bool) -> Result<(), Failure> {
        let path = self.path("");
        let seen = self.seen(&path).await?;
        let request = Request::patch(path, seen, json!({ "session_sharing": is_on }));
        self.founder.send(&request).await?.success().map(drop)
    }

    /// Gives `caller` a seat if they are an admin here, who has none else; who is none has one already, or cannot.
    async fn caring(&self, caller: &Person) -> Result<(), Failure> {
        let path = self.member(caller);
        let seen = self.founder.send(&Request::get(path.clone())).await?.etag;
        let care = Request::patch(path, seen, json!({ "provides_care": true }));
        self.founder.send(&care).await.map(drop)
    }

    fn to_start(&self, more: serde_json::Value) -> Request {
        let mut body = more;
        body["organization_id"] = json!(self.organization);
        Request::post("/v1/sessions", body)
    }

    /// A request of `operation` that succeeds, if it is one of these.
    pub(super) async fn about_sessions(
        &self,
        operation: &str,
        caller: &Person,
    ) -> Result<Option<Request>, Failure> {
        let key = json!({ "name": "Phone", "public_key": public_key(0) });
        Ok(Some(match operation {
            "start_session" => {
                self.caring(caller).await?;
                // The month is begun.
                self.caring(&self.founder).await?;
                let begun = self.to_start(json!({}));
                self.founder.send(&begun).await?.success()?;
                self.to_start(json!({ "name": "First visit", "mode": "two_device" }))
            }
            "list_sessions" => {
                self.session(caller).await?;
                Request::get("/v1/sessions")
            }
            "get_session" | "update_session" | "end_session" => {
                let path = format!("/v1/sessions/{}", self.session(caller).await?);
                match operation {
                    "get_session" => Request::get(path),
                    "update_session" => {
                        Request::patch(path, "\"1\"".to_owned(), json!({ "name": "Second visit" }))
                    }
                    _ => Request::post(format!("{path}/end"), json!({})),
                }
            }
            "list_organization_sessions" | "get_organization_session" => {
                self.sharing(true).await?;
                let session = self.session(&self.founder).await?;
                let path = self.path("/sessions");
                match operation {
                    "list_organization_sessions" => Request::get(path),
                    _ => Request::get(format!("{path}/{session}")),
                }
            }
            "register_device" => {
                let number = self.probe.next_number();
                let new = json!({ "name": "Phone", "public_key": public_key(number) });
                Request::post("/v1/devices", new)
            }
            "list_devices" => {
                caller.send(&Request::post("/v1/devices", key)).await?;
                Request::get("/v1/devices")
            }
            "get_device" | "revoke_device" => {
                // Another each time: a key that was revoked never comes back.
                let number = self.probe.next_number();
                let device = json!({ "name": "Phone", "public_key": public_key(number) });
                let made = caller.send(&Request::post("/v1/devices", device)).await?;
                // Who is nobody has none, and asks for any.
                let any = DeviceId::mint(self.probe.stack.clock.now());
                let path = format!("/v1/devices/{}", made.id().unwrap_or(any.to_string()));
                match operation {
                    "get_device" => Request::get(path),
                    _ => Request::delete(path, None),
                }
            }
            _ => return Ok(None),
        }))
    }
}

impl Probe {
    /// The list of an organization's sessions in ways that cost something else.
    pub(super) async fn sessions_of_all_sorts(&self) -> Result<Vec<Priced>, Failure> {
        const OPERATION: &str = "list_organization_sessions";
        let scene = self.scene().await?;
        scene.session(&scene.founder).await?;
        let list = Request::get(scene.path("/sessions"));
        let hidden = self
            .price(OPERATION, "their numbers alone", &scene.founder, &list)
            .await?;
        scene.sharing(true).await?;
        let of = scene.path(&format!("/sessions?provider_id={}", scene.founder.account));
        let of_one = self
            .price(OPERATION, "of a provider", &scene.founder, &Request::get(of))
            .await?;
        Ok(vec![of_one, hidden])
    }

    /// A start about a booking, and one that begins the month.
    pub(super) async fn starts_of_all_sorts(&self) -> Result<Vec<Priced>, Failure> {
        const OPERATION: &str = "start_session";
        let scene = self.scene().await?;
        scene.caring(&scene.founder).await?;
        let founder = &scene.founder;
        let first = scene.to_start(json!({}));
        let first = self
            .price(OPERATION, "the first of a month", founder, &first)
            .await?;
        let booking = scene.booking().await?.id;
        let about = scene.to_start(json!({ "booking_id": booking }));
        let about = self.price(OPERATION, "of a booking", founder, &about).await?;
        Ok(vec![about, first])
    }
}
