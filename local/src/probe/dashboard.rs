//! The requests about the dashboard.

use portal_domain::transaction::Kind;
use serde_json::json;

use super::person::Request;
use super::{Priced, Scene};
use crate::stack::Failure;

impl Scene<'_> {
    /// A request of `operation` that succeeds, if it is one of these; what happened before is counted.
    pub(super) async fn about_dashboard(&self, operation: &str) -> Result<Option<Request>, Failure> {
        let path = match operation {
            "get_dashboard" => "/dashboard",
            "get_statistics" => "/statistics?from=2026-05-01&until=2026-07-01&by=day",
            _ => return Ok(None),
        };
        let booking = self.booking().await?;
        self.transaction(Kind::Payment, &booking).await?;
        self.probe.stack.stream.drain().await?;
        Ok(Some(Request::get(self.path(path))))
    }

    /// What the dashboard of the whole platform costs.
    pub(super) async fn dashboard_of_all(&self) -> Result<Priced, Failure> {
        self.widen().await?;
        self.probe.stack.stream.drain().await?;
        let request = Request::get(self.path("/dashboard"));
        let case = "of the whole platform";
        self.probe
            .price("get_dashboard", case, &self.founder, &request)
            .await
    }

    /// What it costs to tell of sponsored people for the first time, and again.
    pub(super) async fn statistics_of_sponsored(&self) -> Result<Vec<Priced>, Failure> {
        let seen = self.seen(&self.path("/access")).await?;
        let body =
            json!({ "scope": "both", "directory": "enrolled", "registration": "invite_only", "sites": [] });
        let narrowed = Request::put(self.path("/access"), Some(seen), body);
        self.founder.send(&narrowed).await?.success()?;
        let request = Request::get(self.path("/statistics?from=2026-05-01&until=2026-06-01&by=month"));
        let mut priced = Vec::new();
        for case in ["of sponsored people", "of sponsored people, again"] {
            let asked = self.probe.price("get_statistics", case, &self.founder, &request);
            priced.push(asked.await?);
        }
        Ok(priced)
    }
}
