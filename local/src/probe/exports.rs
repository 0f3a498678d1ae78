//! The requests about exports.

use portal_domain::access::{Access, Phase};
use portal_domain::audit::Origin;
use portal_domain::export::{Export, ExportFile, ExportedList, Right};
use portal_domain::lease::Claim;
use serde_json::json;

use super::Scene;
use super::person::{Person, Request};
use crate::stack::Failure;

impl Scene<'_> {
    /// A new export of bookings for `caller`; for the founder, if the caller may not ask for one.
    pub(super) async fn export(&self, caller: &Person) -> Result<Export, Failure> {
        let asked = self.asked_for("bookings", &json!({}));
        let made = caller.send(&asked).await?;
        let id = if made.status == 202 {
            made.id()?
        } else {
            let asked = self.asked_for("bookings", &json!({}));
            self.founder.send(&asked).await?.success()?.id()?
        };
        let export = self.probe.stack.app.store.export(self.organization, id.parse()?);
        Ok(export.await?.ok_or("an export that was made is there")?)
    }

    fn asked_for(&self, list: &str, filters: &serde_json::Value) -> Request {
        let body = json!({ "list": list, "format": "csv", "filters": filters });
        Request::post(self.path("/exports"), body)
    }

    /// The same, as it is once its file is written; without the file.
    async fn written(&self, export: Export) -> Result<Export, Failure> {
        let stack = &self.probe.stack;
        let (store, now) = (&stack.app.store, stack.clock.now());
        let (caller, organization) = store.access(export.requested_by, export.organization).await?;
        let origin = Origin::default();
        let access = Access::resolve(organization, caller.memberships, None, Phase::Active, origin, now)?;
        let Claim::Claimed(claimed, change) = export.claim(now) else {
            return Err("somebody else writes this export".into());
        };
        store.commit(&change, None, now).await?;
        let file = ExportFile {
            attempt: 1,
            rows: 0,
            bytes: 0,
            sha256: String::new(),
            written_at: now,
            right: Right::of(&access),
        };
        store.commit(&claimed.done(file, &access), None, now).await?;
        Ok(*claimed)
    }

    /// Exports every list, and bookings by all that they are looked up by.
    ///
    /// # Errors
    /// When one is not written.
    pub async fn export_everything(&self) -> Result<(), Failure> {
        let booking = self.booking().await?;
        let (patient, specialist) = (booking.patient, booking.specialist);
        self.sharing(true).await?;
        let lists = ExportedList::ALL
            .iter()
            .map(|list| (list.as_str(), json!({})))
            .chain([
                ("bookings", json!({ "patient_id": patient })),
                ("bookings", json!({ "specialist_id": specialist })),
            ]);
        for (list, filters) in lists {
            let made = self.founder.send(&self.asked_for(list, &filters)).await?;
            let path = self.path(&format!("/exports/{}", made.success()?.id()?));
            self.probe.stack.settle().await?;
            let status = self.founder.get(&path).await?.body["status"].clone();
            if status != "done" {
                return Err(format!("the export of {list} is {status}").into());
            }
        }
        Ok(())
    }

    /// A request of `operation` that succeeds, if it is one of these.
    pub(super) async fn about_exports(
        &self,
        operation: &str,
        caller: &Person,
    ) -> Result<Option<Request>, Failure> {
        Ok(match operation {
            "create_export" => Some(self.asked_for("bookings", &json!({ "tab": "past" }))),
            "list_exports" => Some(Request::get(self.path("/exports"))),
            "get_export" => {
                let written = self.written(self.export(caller).await?).await?;
                Some(Request::get(self.path(&format!("/exports/{}", written.id))))
            }
            _ => None,
        })
    }
}
