//! Asking for lists as files, and taking them.

use serde_json::{Value, json};

use super::{Answer, Clinic, Person};

/// A file that was taken.
pub(crate) struct Taken {
    /// What is told of the export.
    pub(crate) export: Value,
    /// The file.
    pub(crate) file: Answer,
    /// What is said of it beside it.
    pub(crate) manifest: Value,
}

impl Clinic<'_> {
    /// The admin asks for an export.
    pub(crate) async fn export(&self, list: &str, format: &str, filters: Value) -> Answer {
        self.export_by(&self.admin, list, format, filters).await
    }

    /// `person` asks for an export.
    pub(crate) async fn export_by(
        &self,
        person: &Person,
        list: &str,
        format: &str,
        filters: Value,
    ) -> Answer {
        let body = json!({ "list": list, "format": format, "filters": filters });
        person.post(&self.path("/exports"), body).await
    }

    /// The path of an export.
    pub(crate) fn export_path(&self, export: &str) -> String {
        self.path(&format!("/exports/{export}"))
    }

    /// What is behind a link.
    pub(crate) async fn followed(&self, link: &Value) -> Answer {
        let link = link.as_str().expect("a link");
        let sent = self.portal.client().get(link).send().await;
        Answer::of(sent.expect("an answer")).await
    }

    /// `person` asks for an export and takes it once it is written.
    pub(crate) async fn taken(&self, person: &Person, list: &str, format: &str, filters: Value) -> Taken {
        let asked = self.export_by(person, list, format, filters).await.expect(202);
        self.portal.settle().await.expect("all is delivered");
        let export = person
            .get(&self.export_path(&asked.id()))
            .await
            .expect(200)
            .json();
        assert_eq!(export["status"], "done", "{export}");
        let manifest = self.followed(&export["links"]["manifest_url"]).await.expect(200);
        Taken {
            file: self.followed(&export["links"]["url"]).await.expect(200),
            manifest: manifest.json(),
            export,
        }
    }
}
