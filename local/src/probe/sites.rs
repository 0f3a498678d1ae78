//! The requests about sites, access configuration and what the operator allows.

use portal_domain::id::SiteId;
use serde_json::{Value, json};

use super::Scene;
use super::person::Request;
use crate::stack::Failure;

/// A ceiling that is in no route's way.
pub(super) fn wide() -> Value {
    json!({ "scope": "both", "directory": "sites", "registration": "open", "sites": 200 })
}

impl Scene<'_> {
    /// The path of what the operator allows this organization.
    fn allowance(&self) -> String {
        format!("/v1/platform/organizations/{}", self.organization)
    }

    /// A site of the platform that nobody is bound to.
    async fn site(&self) -> Result<String, Failure> {
        let body = json!({ "name": "Lakeside Online" });
        self.operator.post("/v1/platform/sites", body).await?.id()
    }

    /// A new site of the platform, in as many partitions, that the organization is bound to.
    pub(crate) async fn bound_site(&self, shards: u8) -> Result<SiteId, Failure> {
        let body = json!({ "name": "Lakeside Online", "shards": shards });
        let site = self.operator.post("/v1/platform/sites", body).await?.id()?;
        self.bind(&site).await?;
        Ok(site.parse()?)
    }

    /// Binds the organization to a site.
    pub(crate) async fn bind(&self, site: &str) -> Result<(), Failure> {
        let path = format!("{}/sites/{site}", self.allowance());
        let bind = Request::put(path, None, json!({ "role": "owner" }));
        self.operator.send(&bind).await?.success().map(drop)
    }

    /// A request for one of the organization's lists.
    pub(crate) fn list(&self, path: &str) -> Request {
        Request::get(self.path(path))
    }

    /// The organization sees the whole platform from now on.
    pub(super) async fn widen(&self) -> Result<(), Failure> {
        let seen = self.operator.get(&self.allowance()).await?.etag;
        let mut ceiling = wide();
        ceiling["directory"] = json!("platform");
        let allowed = Request::patch(self.allowance(), seen, json!({ "ceiling": ceiling }));
        self.operator.send(&allowed).await?.success()?;
        let seen = self.seen(&self.path("/access")).await?;
        let body =
            json!({ "scope": "both", "directory": "platform", "registration": "invite_only", "sites": [] });
        let widened = Request::put(self.path("/access"), Some(seen), body);
        self.founder.send(&widened).await?.success().map(drop)
    }

    /// A request of `operation` that succeeds, if it is one of these.
    pub(super) async fn about_sites(&self, operation: &str) -> Result<Option<Request>, Failure> {
        Ok(Some(match operation {
            "get_access" => Request::get(self.path("/access")),
            "update_access" => {
                let seen = self.seen(&self.path("/access")).await?;
                let body = json!({ "scope": "both", "directory": "sites", "registration": "invite_only", "sites": [] });
                Request::put(self.path("/access"), Some(seen), body)
            }
            "create_site" => Request::post(self.path("/sites"), json!({ "name": "Riverside Online" })),
            "list_sites" => {
                let body = json!({ "name": "Riverside" });
                self.founder.post(&self.path("/sites"), body).await?;
                Request::get(self.path("/sites"))
            }
            "get_site" | "update_site" => {
                let body = json!({ "name": "Riverside" });
                let made = self.founder.post(&self.path("/sites"), body).await?;
                let path = self.path(&format!("/sites/{}", made.id()?));
                match operation {
                    "get_site" => Request::get(path),
                    _ => Request::patch(path, made.etag, json!({ "status": "live" })),
                }
            }
            "get_platform_organization" => Request::get(self.allowance()),
            "update_platform_organization" => {
                let seen = self.operator.get(&self.allowance()).await?.etag;
                Request::patch(self.allowance(), seen, json!({ "ceiling": wide() }))
            }
            "bind_site" | "unbind_site" => {
                let path = format!("{}/sites/{}", self.allowance(), self.site().await?);
                let bind = Request::put(path.clone(), None, json!({ "role": "owner" }));
                if operation == "unbind_site" {
                    self.operator.send(&bind).await?.success()?;
                    Request::delete(path, None)
                } else {
                    bind
                }
            }
            "create_platform_site" => {
                Request::post("/v1/platform/sites", json!({ "name": "Lakeside Online" }))
            }
            "list_platform_sites" => Request::get("/v1/platform/sites"),
            "get_platform_site" => Request::get(format!("/v1/platform/sites/{}", self.site().await?)),
            "list_site_bindings" => {
                Request::get(format!("/v1/platform/sites/{}/organizations", self.site().await?))
            }
            _ => return Ok(None),
        }))
    }
}
