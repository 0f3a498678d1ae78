//! Sessions that people hold in a clinic.

use portal_domain::plan::Quota;
use serde_json::{Value, json};

use super::{Answer, Clinic, Person};

/// The caller's own sessions.
pub(crate) const SESSIONS: &str = "/v1/sessions";

impl Clinic<'_> {
    /// `person` starts a session here.
    pub(crate) async fn start(&self, person: &Person, more: Value) -> Answer {
        person.post(SESSIONS, self.to_start(more)).await
    }

    /// What is sent to start one here.
    pub(crate) fn to_start(&self, more: Value) -> Value {
        let mut body = more;
        body["organization_id"] = json!(self.id);
        body
    }

    /// The clinic sees its sessions one by one, or not.
    pub(crate) async fn share_sessions(&self, is_on: bool) {
        let settings = json!({ "session_sharing": is_on });
        let etag = self.admin.etag(&self.path("")).await;
        self.admin
            .patch(&self.path(""), &etag, settings)
            .await
            .expect(200);
    }

    /// What is known of the sessions of this month.
    pub(crate) async fn quota(&self) -> Quota {
        let quota = self.store().quota(self.id).await.expect("readable");
        quota.expect("a month that was begun")
    }
}

/// The path of a session, or of what is done with it.
pub(crate) fn session(started: &Answer, rest: &str) -> String {
    format!("{SESSIONS}/{}{rest}", started.id())
}
