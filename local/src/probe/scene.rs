//! An organization in which a route can succeed, and the request that makes it.

use portal_domain::id::{InviteId, OrganizationId};
use serde_json::json;

use super::person::{Answer, Person, Request};
use super::sites::wide;
use super::{Probe, Who};
use crate::stack::Failure;

const NAME: &str = "Riverside Family Practice";

/// An organization with its founder and two custom roles that hold nothing.
pub struct Scene<'a> {
    pub(super) probe: &'a Probe,
    /// Who made it; an admin.
    pub founder: Person,
    pub(super) operator: Person,
    /// The organization.
    pub organization: OrganizationId,
    /// The role that invites of this scene offer.
    pub(super) offered: String,
    nothing: String,
    other: String,
}

impl Probe {
    /// A new organization, with seats for all who come and as many sites as there can be.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn scene(&self) -> Result<Scene<'_>, Failure> {
        let founder = self.person()?;
        let made = founder.post("/v1/organizations", json!({ "name": NAME })).await?;
        let organization = made.id()?.parse()?;
        let operator = self.operator()?;
        let path = format!("/v1/platform/organizations/{organization}");
        let seen = operator.get(&path).await?.etag;
        operator
            .send(&Request::patch(
                path,
                seen,
                json!({ "ceiling": wide(), "seat_limit": 1_000 }),
            ))
            .await?
            .success()?;
        let mut scene = Scene {
            probe: self,
            founder,
            operator,
            organization,
            offered: String::new(),
            nothing: String::new(),
            other: String::new(),
        };
        scene.nothing = scene.role("Nothing", &[]).await?;
        scene.other = scene.role("Nothing either", &[]).await?;
        // Nobody's rights are too few to offer nothing.
        scene.offered.clone_from(&scene.nothing);
        Ok(scene)
    }
}

impl Scene<'_> {
    /// A path below the organization.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v1/organizations/{}{rest}", self.organization)
    }

    async fn role(&self, name: &str, permissions: &[&str]) -> Result<String, Failure> {
        let body = json!({ "name": name, "permissions": permissions });
        self.founder.post(&self.path("/roles"), body).await?.id()
    }

    /// The founder invites `email` as `role`.
    async fn invite(&self, email: &str, role: &str) -> Result<String, Failure> {
        let body = json!({ "email": email, "role": role });
        self.founder.post(&self.path("/invites"), body).await?.id()
    }

    /// The token in the mail of a new invite for `email`; taken from the keys that sign it, so that no mail is waited for.
    pub(super) async fn token(&self, email: &str, role: &str) -> Result<String, Failure> {
        let invite: InviteId = self.invite(email, role).await?.parse()?;
        let invite = self
            .probe
            .stack
            .app
            .store
            .invite(self.organization, invite)
            .await?;
        let link = invite.and_then(|invite| self.probe.links.address(&invite));
        let link = link.ok_or("a new invite has a link")?;
        let (_, token) = link.split_once("#token=").ok_or("a link has a token")?;
        Ok(token.to_owned())
    }

    /// Makes `person` a member with `role`.
    ///
    /// # Errors
    /// When that is refused.
    pub async fn join(&self, person: &Person, role: &str) -> Result<(), Failure> {
        let is_promoted = role == "admin";
        let invited_as = if is_promoted { &self.nothing } else { role };
        let token = self.token(&person.email, invited_as).await?;
        person
            .post("/v1/invites/accept", json!({ "token": token }))
            .await?;
        if is_promoted {
            let path = self.member(person);
            let seen = self.seen(&path).await?;
            self.founder
                .send(&Request::patch(path, seen, json!({ "role": role })))
                .await?
                .success()?;
        }
        Ok(())
    }

    pub(super) fn member(&self, person: &Person) -> String {
        self.path(&format!("/members/{}", person.account))
    }

    /// The present revision of what is at `path`, as the founder sees it.
    pub(super) async fn seen(&self, path: &str) -> Result<String, Failure> {
        Ok(self.founder.get(path).await?.etag)
    }

    /// Somebody new who is `who` here. `permissions`, between blanks, are what a [`Who::Holder`] holds.
    ///
    /// # Errors
    /// When they cannot become it.
    pub async fn somebody(&self, who: Who, permissions: Option<&str>) -> Result<Person, Failure> {
        let mut person = self.probe.person()?;
        match who {
            Who::Anonymous => person.token = None,
            Who::Stranger => {}
            Who::Viewer => self.join(&person, "viewer").await?,
            Who::Provider => self.join(&person, "provider").await?,
            Who::Nothing => self.join(&person, &self.nothing).await?,
            Who::Holder => {
                let held: Vec<&str> = permissions.unwrap_or_default().split_whitespace().collect();
                let role = self.role("Holder", &held).await?;
                self.join(&person, &role).await?;
            }
            Who::Admin | Who::Dissolving => self.join(&person, "admin").await?,
            Who::Removed => {
                self.join(&person, &self.nothing).await?;
                let path = self.member(&person);
                let seen = self.seen(&path).await?;
                self.founder
                    .send(&Request::delete(path, Some(seen)))
                    .await?
                    .success()?;
            }
        }
        Ok(person)
    }

    /// `caller`, who is `who` here, asks `operation` in a state of things in which it could succeed.
    ///
    /// # Errors
    /// When that state cannot be made; a route that is new needs a request in [`Self::request`].
    pub async fn ask(&self, operation: &str, who: Who, caller: &Person) -> Result<Answer, Failure> {
        let may_be_invited = matches!(who, Who::Stranger | Who::Removed);
        let request = self.request(operation, caller, may_be_invited).await?;
        let in_dissolution = who == Who::Dissolving || operation == "cancel_dissolution";
        if in_dissolution {
            self.dissolving(true).await?;
        }
        let answer = caller.send(&request).await?;
        if in_dissolution || operation == "dissolve_organization" {
            self.dissolving(false).await?;
        }
        Ok(answer)
    }

    /// Sees to it that the organization is being dissolved, or is not.
    ///
    /// # Errors
    /// When its founder may not change that.
    pub async fn dissolving(&self, wanted: bool) -> Result<(), Failure> {
        let status = self.founder.get(&self.path("")).await?.body["status"].clone();
        let path = self.path("/dissolution");
        match (status.as_str(), wanted) {
            (Some("active"), true) => {
                let body = json!({ "name": NAME, "remove_members": true });
                self.founder.post(&path, body).await.map(drop)
            }
            (Some("dissolving"), false) => {
                let cancelled = self.founder.send(&Request::delete(path, None)).await?;
                cancelled.success().map(drop)
            }
            _ => Ok(()),
        }
    }

    /// A request of `operation` that succeeds, if it is about what the platform feeds or what is made of that.
    async fn about_records(&self, operation: &str, caller: &Person) -> Result<Option<Request>, Failure> {
        if let Some(request) = self.about_sites(operation).await? {
            return Ok(Some(request));
        }
        if let Some(request) = self.about_bookings(operation).await? {
            return Ok(Some(request));
        }
        if let Some(request) = self.about_actions(operation).await? {
            return Ok(Some(request));
        }
        if let Some(request) = self.about_sessions(operation, caller).await? {
            return Ok(Some(request));
        }
        if let Some(request) = self.about_transactions(operation).await? {
            return Ok(Some(request));
        }
        if let Some(request) = self.about_dashboard(operation).await? {
            return Ok(Some(request));
        }
        if let Some(request) = self.about_directory(operation).await? {
            return Ok(Some(request));
        }
        if let Some(request) = self.about_services(operation).await? {
            return Ok(Some(request));
        }
        self.about_exports(operation, caller).await
    }

    /// A request of `operation` that succeeds, if `caller` may do it: what it is about is made first, by the founder.
    ///
    /// # Errors
    /// When that cannot be made, or the operation is not known here.
    pub async fn request(
        &self,
        operation: &str,
        caller: &Person,
        may_be_invited: bool,
    ) -> Result<Request, Failure> {
        if let Some(request) = self.about_records(operation, caller).await? {
            return Ok(request);
        }
        let somebody = self.probe.person()?;
        let email = &somebody.email;
        Ok(match operation {
            "create_organization" => Request::post("/v1/organizations", json!({ "name": NAME })),
            "list_organizations" => Request::get("/v1/organizations"),
            "get_organization" => Request::get(self.path("")),
            "update_organization" => {
                let seen = self.seen(&self.path("")).await?;
                Request::patch(self.path(""), seen, json!({ "time_zone": "Europe/Berlin" }))
            }
            "leave_organization" => Request::new(http::Method::POST, self.path("/leave")),
            "dissolve_organization" => {
                let body = json!({ "name": NAME, "remove_members": true });
                Request::post(self.path("/dissolution"), body)
            }
            "cancel_dissolution" => Request::delete(self.path("/dissolution"), None),
            "list_permissions" => Request::get("/v1/permissions"),
            "create_role" => Request::post(
                self.path("/roles"),
                json!({ "name": "Front desk", "permissions": [] }),
            ),
            "list_roles" => Request::get(self.path("/roles")),
            "get_role" | "update_role" | "delete_role" => {
                let path = self.path(&format!("/roles/{}", self.role("Front desk", &[]).await?));
                let seen = self.seen(&path).await?;
                match operation {
                    "get_role" => Request::get(path),
                    "update_role" => Request::patch(path, seen, json!({ "name": "Reception" })),
                    _ => Request::delete(path, Some(seen)),
                }
            }
            "create_invite" => Request::post(
                self.path("/invites"),
                json!({ "email": email, "role": self.offered }),
            ),
            "create_invites" => {
                let row = json!({ "email": email, "role": self.offered });
                Request::post(self.path("/invites/bulk"), json!({ "invites": [row] }))
            }
            "list_invites" => Request::get(self.path("/invites")),
            "get_invite" | "revoke_invite" | "resend_invite" => {
                let path = self.path(&format!("/invites/{}", self.invite(email, &self.offered).await?));
                let seen = self.seen(&path).await?;
                match operation {
                    "get_invite" => Request::get(path),
                    "revoke_invite" => Request::delete(path, Some(seen)),
                    _ => Request::post(format!("{path}/resend"), json!({})),
                }
            }
            "preview_invite" | "accept_invite" | "decline_invite" => {
                let email = if may_be_invited { &caller.email } else { email };
                let (verb, _) = operation.split_once('_').unwrap_or_default();
                let token = self.token(email, &self.offered).await?;
                Request::post(format!("/v1/invites/{verb}"), json!({ "token": token }))
            }
            "list_members" => Request::get(self.path("/members")),
            "get_member" | "update_member" | "remove_member" => {
                self.join(&somebody, &self.nothing).await?;
                let path = self.member(&somebody);
                let seen = self.seen(&path).await?;
                match operation {
                    "get_member" => Request::get(path),
                    "update_member" => Request::patch(path, seen, json!({ "role": self.other })),
                    _ => Request::delete(path, Some(seen)),
                }
            }
            "get_me" => Request::get("/v1/me"),
            "update_me" => {
                let seen = caller.send(&Request::get("/v1/me")).await?.etag;
                Request::patch("/v1/me", seen, json!({ "name": "Dana Reyes" }))
            }
            "list_audit_events" => Request::get(self.path("/audit-events")),
            unknown => {
                return Err(format!("{unknown} has no request: add one to local/src/probe/scene.rs").into());
            }
        })
    }
}
