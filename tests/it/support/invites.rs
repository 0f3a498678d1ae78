//! What people do with invites.

use jiff::Timestamp;
use portal_domain::limit::Limit;
use serde_json::{Value, json};

use super::{Answer, Clinic, Person, Portal, SECOND};

impl Person {
    pub(crate) async fn preview(&self, token: &str) -> Answer {
        self.post("/v1/invites/preview", json!({ "token": token })).await
    }

    pub(crate) async fn accept(&self, token: &str) -> Answer {
        self.post("/v1/invites/accept", json!({ "token": token })).await
    }

    pub(crate) async fn decline(&self, token: &str) -> Answer {
        self.post("/v1/invites/decline", json!({ "token": token })).await
    }
}

impl Clinic<'_> {
    pub(crate) fn invite_path(&self, invite: &str) -> String {
        self.path(&format!("/invites/{invite}"))
    }

    pub(crate) async fn resend(&self, invite: &str) -> Answer {
        let path = self.path(&format!("/invites/{invite}/resend"));
        self.admin.post(&path, json!({})).await
    }

    /// The admin revokes what they see now.
    pub(crate) async fn revoke(&self, invite: &str) -> Answer {
        let path = self.invite_path(invite);
        let etag = self.admin.etag(&path).await;
        self.admin.delete(&path, &etag).await
    }

    /// The invite as the admin sees it.
    pub(crate) async fn seen(&self, invite: &str) -> Value {
        self.admin.get(&self.invite_path(invite)).await.expect(200).json()
    }

    /// How often `verb` is in the audit log.
    pub(crate) async fn audited(&self, verb: &str) -> usize {
        let (mut count, mut cursor) = (0, String::new());
        loop {
            let path = self.path(&format!("/audit-events?limit=100&verb={verb}{cursor}"));
            let page = self.admin.get(&path).await.expect(200);
            count += page.items().len();
            // A page ends with its month, and the clock of a test may have passed several.
            match page.next_cursor() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return count,
            }
        }
    }

    /// The plan has `seats` seats from now on.
    pub(crate) async fn plan(&self, seats: u32) {
        assert!(
            self.store()
                .set_seat_limit(self.id, seats)
                .await
                .expect("writable")
        );
    }

    /// The admin changes the organization's settings.
    pub(crate) async fn configure(&self, settings: Value) {
        let etag = self.admin.etag(&self.path("")).await;
        self.admin
            .patch(&self.path(""), &etag, settings)
            .await
            .expect(200);
    }

    /// `person` is a member no more.
    pub(crate) async fn remove(&self, person: &Person) {
        let path = self.member_path(person);
        let etag = self.admin.etag(&path).await;
        let gone = self.admin.delete(&path, &etag).await;
        assert!(gone.status < 300, "{}", gone.text);
    }
}

impl Portal {
    /// Time passes until `at`.
    pub(crate) fn wait_until(&self, at: Timestamp) {
        self.wait(at.duration_since(self.clock.now()));
    }

    /// Time passes until a window of `limit` has just begun, so that a test's uses fall into one.
    pub(crate) fn wait_for_window(&self, limit: Limit) {
        let now = self.clock.now();
        let left = limit.used_by("", now).retry_after(now);
        self.wait(SECOND * i32::try_from(left + 1).expect("a day or less"));
    }

    /// Every item in the table.
    pub(crate) fn items(&self) -> Vec<Value> {
        let (mut items, mut after) = (Vec::new(), Value::Null);
        loop {
            let mut request = json!({ "TableName": portal_local::stack::TABLE });
            if !after.is_null() {
                request["ExclusiveStartKey"] = after;
            }
            let request = serde_json::from_value(request).expect("a scan");
            let page = self.dynamo.database().scan(request).expect("the table is there");
            let page = serde_json::to_value(page).expect("a page");
            items.extend(page["Items"].as_array().cloned().unwrap_or_default());
            after = page["LastEvaluatedKey"].clone();
            if after.is_null() {
                return items;
            }
        }
    }
}
