//! What the platform's operator does for a test.

use portal_local::stack::OPERATOR;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Clinic, Person, Portal};

impl Portal {
    /// Somebody who acts for the platform.
    pub(crate) fn operator(&self) -> Person {
        self.person_with("Olga", OPERATOR)
    }

    /// A site of the platform that nobody is bound to.
    pub(crate) async fn site(&self, name: &str) -> String {
        let body = json!({ "name": name });
        self.operator()
            .post("/v1/platform/sites", body)
            .await
            .expect(201)
            .id()
    }
}

impl Clinic<'_> {
    /// What the operator allows this organization.
    pub(crate) fn allowance(&self) -> String {
        format!("/v1/platform/organizations/{}", self.id)
    }

    /// The operator changes what is allowed.
    pub(crate) async fn allow(&self, allowance: Value) -> Answer {
        let operator = self.portal.operator();
        let etag = operator.etag(&self.allowance()).await;
        operator.patch(&self.allowance(), &etag, allowance).await
    }

    /// The operator binds the organization to a site.
    pub(crate) async fn bind(&self, site: &str, role: &str, specialists_shared: bool) -> Answer {
        let body = json!({ "role": role, "specialists_shared": specialists_shared });
        self.portal
            .operator()
            .request(Method::PUT, &format!("{}/sites/{site}", self.allowance()))
            .json(&body)
            .send()
            .await
    }

    /// The operator ends that.
    pub(crate) async fn unbind(&self, site: &str) -> Answer {
        self.portal
            .operator()
            .request(Method::DELETE, &format!("{}/sites/{site}", self.allowance()))
            .send()
            .await
    }

    /// A new site of the platform that the organization is bound to.
    pub(crate) async fn bound(&self, name: &str, role: &str) -> String {
        let site = self.portal.site(name).await;
        self.bind(&site, role, false).await.expect(200);
        site
    }

    /// The admin changes the access configuration: what is not in `change` stays.
    pub(crate) async fn set_access(&self, change: Value) -> Answer {
        let path = self.path("/access");
        let seen = self.admin.get(&path).await.expect(200);
        let present = seen.json();
        let in_use = |site: &&Value| site["active"] == true;
        let sites = present["sites"].as_array().unwrap().iter().filter(in_use);
        let sites: Vec<&Value> = sites.map(|site| &site["site_id"]).collect();
        let mut wanted = json!({
            "scope": present["scope"], "directory": present["directory"], "registration": present["registration"], "sites": sites,
        });
        for (name, value) in change.as_object().unwrap() {
            wanted[name] = value.clone();
        }
        self.admin
            .request(Method::PUT, &path)
            .header("if-match", &seen.etag())
            .json(&wanted)
            .send()
            .await
    }

    /// The names of the sites that `person` sees.
    pub(crate) async fn site_names(&self, person: &Person) -> Vec<String> {
        let sites = person.all(&self.path("/sites")).await;
        let name = |site: &Value| site["name"].as_str().unwrap().to_owned();
        sites.iter().map(name).collect()
    }
}
