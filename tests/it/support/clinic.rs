//! An organization and what its admin does in it.

use portal_app::Links;
use portal_domain::id::OrganizationId;
use portal_store::Store;
use serde_json::json;

use super::{Answer, Person, Portal};

/// An organization, with the person who made it.
pub(crate) struct Clinic<'a> {
    pub(crate) portal: &'a Portal,
    pub(crate) admin: Person,
    pub(crate) id: OrganizationId,
}

impl<'a> Clinic<'a> {
    pub(crate) async fn of(portal: &'a Portal, admin: Person, name: &str) -> Self {
        let made = admin
            .post("/v1/organizations", json!({ "name": name }))
            .await
            .expect(201);
        Self {
            portal,
            admin,
            id: made.id().parse().expect("an organization id"),
        }
    }

    /// A path below this organization: `""`, `"/members"` …
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/organizations/{}{rest}", self.id)
    }

    /// The path of a member.
    pub(crate) fn member_path(&self, person: &Person) -> String {
        self.path(&format!("/members/{}", person.account))
    }

    /// The admin invites `email` as `role`.
    pub(crate) async fn invite(&self, email: &str, role: &str) -> Answer {
        self.admin
            .post(&self.path("/invites"), json!({ "email": email, "role": role }))
            .await
    }

    /// The token in the newest mail to `email`, once all mails are out.
    pub(crate) async fn token(&self, email: &str) -> String {
        self.portal.settle().await.expect("all is delivered");
        let mails = self.portal.mailbox.messages(email);
        let mail = mails.first().unwrap_or_else(|| panic!("no mail to {email}"));
        mail.links[0]
            .split_once("#token=")
            .expect("a link with a token")
            .1
            .to_owned()
    }

    /// The token of an invite's present link, without waiting for its mail.
    pub(crate) async fn link(&self, invite: &str) -> String {
        let invite = invite.parse().expect("an invite id");
        let invite = self.store().invite(self.id, invite).await.expect("readable");
        let links = Links::new(self.portal.config(0)).expect("there are keys");
        let address = links.address(&invite.expect("there")).expect("an open invite");
        address.split_once("#token=").expect("a token").1.to_owned()
    }

    /// An invite for `person`, and the token in its mail.
    pub(crate) async fn invited(&self, person: &Person, role: &str) -> (String, String) {
        let invite = self.invite(&person.email, role).await.expect(201).id();
        (invite, self.token(&person.email).await)
    }

    /// `person` becomes a member with `role`; admins are promoted.
    pub(crate) async fn join(&self, person: &Person, role: &str) {
        let invited_as = if role == "admin" { "viewer" } else { role };
        let (_, token) = self.invited(person, invited_as).await;
        person
            .post("/v1/invites/accept", json!({ "token": token }))
            .await
            .expect(201);
        if role == "admin" {
            self.set_role(person, "admin").await.expect(200);
        }
    }

    /// Somebody new, who is a member with `role`.
    pub(crate) async fn member(&self, name: &str, role: &str) -> Person {
        let person = self.portal.person(name);
        self.join(&person, role).await;
        person
    }

    /// The admin gives `person` another role.
    pub(crate) async fn set_role(&self, person: &Person, role: &str) -> Answer {
        let path = self.member_path(person);
        let etag = self.admin.etag(&path).await;
        self.admin.patch(&path, &etag, json!({ "role": role })).await
    }

    /// A custom role of the admin's making.
    pub(crate) async fn role(&self, name: &str, permissions: &[&str]) -> String {
        let body = json!({ "name": name, "permissions": permissions });
        self.admin.post(&self.path("/roles"), body).await.expect(201).id()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.portal.app.store
    }

    /// How many seats are used, by the counter.
    pub(crate) async fn seats_used(&self) -> u32 {
        self.store()
            .seats(self.id)
            .await
            .expect("readable")
            .expect("there")
            .used
    }

    /// How many members hold the role Admin, by the counter.
    pub(crate) async fn admins(&self) -> u64 {
        let counts = self
            .store()
            .counts(self.id)
            .await
            .expect("readable")
            .expect("there");
        counts.holders(portal_domain::role::Role::Admin)
    }

    /// The verbs in the audit log, oldest first. A page ends with its month, so it may be more than one.
    pub(crate) async fn audit_verbs(&self) -> Vec<String> {
        let path = self.path("/audit-events?limit=100");
        let events = self.admin.all(&path).await;
        events
            .iter()
            .rev()
            .map(|event| event["verb"].as_str().unwrap().to_owned())
            .collect()
    }
}
