//! The requests about actions.

use portal_domain::action::{Action, Cause, Finding, Place, Rule, Subject};
use portal_domain::change::{Change, Write};
use portal_domain::transaction::Kind;
use serde_json::json;

use super::cost::Priced;
use super::person::Request;
use super::{Probe, Scene};
use crate::stack::Failure;

impl Scene<'_> {
    /// An action of the organization's own, which needs nothing else to be seen, as the rules would find it.
    pub(super) async fn action(&self) -> Result<Action, Failure> {
        let now = self.probe.stack.clock.now();
        let organization = self.organization;
        let found = Finding {
            rule: Rule::SingleAdmin,
            place: Place::Organization { organization },
            cause: Cause::default(),
            opened_at: now,
        };
        let action = Action::of(Subject::Organization(organization), &found);
        let change = Change::default().write(Write::ActionPut(action.clone()));
        self.probe.stack.app.store.commit(&change, None, now).await?;
        Ok(action)
    }

    /// A request of `operation` that succeeds, if it is one of these.
    pub(super) async fn about_actions(&self, operation: &str) -> Result<Option<Request>, Failure> {
        let Some((verb, "action" | "actions")) = operation.split_once('_') else {
            return Ok(None);
        };
        let path = self.path(&format!("/actions/{}", self.action().await?.id));
        let body = match verb {
            "list" => {
                // With a site, whose actions are listed beside the organization's own, and something that is found there.
                let booking = self.booking().await?;
                self.transaction_that(Kind::Payout, "failed", &booking).await?;
                return Ok(Some(Request::get(self.path("/actions"))));
            }
            "get" => return Ok(Some(Request::get(path))),
            "assign" => json!({ "account_id": self.founder.account }),
            "snooze" => {
                json!({ "until": self.probe.stack.clock.now() + jiff::SignedDuration::from_hours(24) })
            }
            "dismiss" => json!({ "reason": "Agreed with the platform." }),
            _ => json!({}),
        };
        let seen = self.seen(&path).await?;
        Ok(Some(Request {
            if_match: Some(seen),
            ..Request::post(format!("{path}/{verb}"), body)
        }))
    }
}

impl Probe {
    /// The list of actions in ways that cost something else.
    pub(super) async fn actions_of_all_sorts(&self) -> Result<Vec<Priced>, Failure> {
        let scene = self.scene().await?;
        let assigned = scene.request("assign_action", &scene.founder, false).await?;
        scene.founder.send(&assigned).await?.success()?;
        let of_member = Request::get(scene.path(&format!("/actions?assignee={}", scene.founder.account)));
        let of_member = self
            .price("list_actions", "of a member", &scene.founder, &of_member)
            .await?;
        scene.widen().await?;
        let of_all = Request::get(scene.path("/actions"));
        let of_all = self
            .price("list_actions", "of the whole platform", &scene.founder, &of_all)
            .await?;
        Ok(vec![of_member, of_all])
    }
}
