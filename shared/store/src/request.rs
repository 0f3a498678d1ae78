//! What one request may touch, and what it cost: checked and counted below the SDK, where nothing gets past.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemInput, DeleteItemOutput};
use aws_sdk_dynamodb::operation::get_item::{GetItemInput, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, KeysAndAttributes};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use portal_domain::external::SourceName;
use portal_domain::id::{AccountId, OrganizationId};
use portal_domain::membership::Membership;

use crate::table::{Index, PK, SK};

tokio::task_local! {
    static CURRENT: Arc<Request>;
}

/// One request's scope and cost.
#[derive(Debug, Default)]
pub struct Request(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    organizations: BTreeSet<String>,
    account: Option<String>,
    /// The one of the organizations that it is about.
    subject: Option<String>,
    /// The source whose names it may touch.
    source: Option<String>,
    tally: Tally,
    in_flight: u32,
    answered: bool,
}

/// What a request cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Sequential round trips: operations under way at the same time count once.
    pub round_trips: u32,
    /// Consumed read units.
    pub read_units: f64,
    /// Consumed write units, indexes included.
    pub write_units: f64,
}

impl Request {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it cost so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.inner().tally
    }

    /// The account that it came from, if that is known.
    #[must_use]
    pub fn account(&self) -> Option<String> {
        self.inner().account.clone()
    }

    /// The organization that it is about, if its path or its link names one.
    #[must_use]
    pub fn organization(&self) -> Option<String> {
        self.inner().subject.clone()
    }

    /// The source whose records it is about, if it came with a service token.
    #[must_use]
    pub fn source(&self) -> Option<String> {
        self.inner().source.clone()
    }

    fn begin(&self) {
        let mut inner = self.inner();
        // An operation that begins after another has answered may depend on it: a new round trip.
        if inner.in_flight == 0 || inner.answered {
            inner.tally.round_trips += 1;
            inner.answered = false;
        }
        inner.in_flight += 1;
    }

    fn end(&self, read: f64, written: f64) {
        let mut inner = self.inner();
        inner.in_flight = inner.in_flight.saturating_sub(1);
        inner.answered = true;
        inner.tally.read_units += read;
        inner.tally.write_units += written;
    }

    /// Whether the caller may touch the partition `pk`, or in it the item `sk`. Nobody may touch what is not known here.
    fn allows(&self, pk: &str, sk: Option<&str>) -> bool {
        let inner = self.inner();
        let ours = |id: &str| inner.organizations.contains(id);
        let mut parts = pk.split('#');
        match (parts.next(), parts.next()) {
            (Some("ORG" | "AUDIT" | "CHAIN"), Some(id)) => ours(id),
            (Some("ACCOUNT" | "IDEMPOTENCY"), Some(id)) => {
                let membership = sk.and_then(|sk| sk.strip_prefix("MEMBER#"));
                let source = inner.source.as_deref().filter(|_| pk.starts_with("IDEMPOTENCY#"));
                inner.account.as_deref() == Some(id) || source == Some(id) || membership.is_some_and(ours)
            }
            (Some("DEVICES"), Some(id)) => inner.account.as_deref() == Some(id),
            // An address: who claims it, and what it is to one organization; never all that it is.
            (Some("EMAIL"), _) => {
                sk.is_some_and(|sk| sk == "EMAIL" || sk.strip_prefix("ORG#").is_some_and(ours))
            }
            // The names, the feed and the imports of one source, never another's.
            (Some("EXTERNAL" | "FEED" | "IMPORT"), source) => {
                source.is_some() && inner.source.as_deref() == source
            }
            // Service tokens are the operator's. What a secret opens is found by the secret alone.
            (Some("PLATFORM"), None) => ours(&OrganizationId::PLATFORM.to_string()),
            // These belong to nobody, or to the platform: what of that is seen is decided over what was read.
            (
                Some(
                    "DUE" | "LIMIT" | "OUTBOX" | "TOLD" | "TOKEN" | "SITE" | "PLATFORM" | "FIND" | "BOOKING"
                    | "TRANSACTION" | "ACTION" | "SESSION",
                ),
                _,
            ) => true,
            // So do people; but who sponsors them is told to the sponsor alone, and to the source that says so.
            (Some("PATIENT" | "SPECIALIST"), Some(_)) => {
                let sponsor = sk.and_then(|sk| sk.strip_prefix("ENROLLMENT#"));
                inner.source.is_some() || sponsor.is_none_or(ours)
            }
            _ => false,
        }
    }
}

/// Runs `work` as one request. Its scope is empty until it is opened.
pub async fn scoped<F: Future>(request: Arc<Request>, work: F) -> F::Output {
    CURRENT.scope(request, work).await
}

/// Lets the present request touch the caller's own account.
pub fn open_account(account: AccountId) {
    let _ = CURRENT.try_with(|request| request.inner().account = Some(account.to_string()));
}

/// Lets the present request touch the organization it is about: the one that its path or its link names.
pub fn enter_organization(organization: OrganizationId) {
    open_organization(organization);
    let _ = CURRENT.try_with(|request| request.inner().subject = Some(organization.to_string()));
}

/// Lets the present request touch what the names of a source stand for: the source of the token it came with.
pub fn open_source(source: &SourceName) {
    let _ = CURRENT.try_with(|request| request.inner().source = Some(source.to_string()));
}

/// Lets the present request touch an organization that its right extends to.
pub fn open_organization(organization: OrganizationId) {
    let _ = CURRENT.try_with(|request| request.inner().organizations.insert(organization.to_string()));
}

/// Lets the present request touch the organization of one of the caller's own memberships.
pub(crate) fn open_membership(membership: &Membership) {
    let _ = CURRENT.try_with(|request| {
        let mut inner = request.inner();
        if inner.account == Some(membership.account.to_string()) {
            inner.organizations.insert(membership.organization.to_string());
        }
    });
}

/// The interceptor that checks and counts. Outside a request (jobs, consumers) it lets all pass.
#[derive(Debug, Default)]
pub(crate) struct Gate;

/// That an operation was counted as begun.
#[derive(Debug)]
struct Begun;

impl Storable for Begun {
    type Storer = StoreReplace<Self>;
}

/// The marker of an operation that the gate did not let through.
pub(crate) const OUT_OF_SCOPE: &str = "a key outside the request's scope";

#[dyn_dispatch_hint]
impl Intercept for Gate {
    fn name(&self) -> &'static str {
        "PortalGate"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        CURRENT
            .try_with(|request| {
                let keys = keys_of(context.input());
                if let Some((pk, _)) = keys.iter().find(|(pk, sk)| !request.allows(pk, sk.as_deref())) {
                    tracing::error!(partition = pk.split('#').next(), "{OUT_OF_SCOPE}");
                    return Err(OUT_OF_SCOPE.into());
                }
                request.begin();
                cfg.interceptor_state().store_put(Begun);
                Ok(())
            })
            .unwrap_or(Ok(()))
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if cfg.load::<Begun>().is_some() {
            let (read, written) = match context.output_or_error() {
                Some(Ok(output)) => {
                    let any = Output(output);
                    any.consumed()
                }
                _ => (0.0, 0.0),
            };
            let _ = CURRENT.try_with(|request| request.end(read, written));
        }
        Ok(())
    }
}

struct Output<'a>(&'a aws_smithy_runtime_api::client::interceptors::context::Output);

impl Output<'_> {
    /// Read and write units.
    fn consumed(&self) -> (f64, f64) {
        let one = |capacity: Option<&ConsumedCapacity>| {
            capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0)
        };
        let all = |capacity: &[ConsumedCapacity]| capacity.iter().map(|c| one(Some(c))).sum();
        let output = self.0;
        if let Some(o) = output.downcast_ref::<GetItemOutput>() {
            (one(o.consumed_capacity()), 0.0)
        } else if let Some(o) = output.downcast_ref::<QueryOutput>() {
            (one(o.consumed_capacity()), 0.0)
        } else if let Some(o) = output.downcast_ref::<BatchGetItemOutput>() {
            (all(o.consumed_capacity()), 0.0)
        } else if let Some(o) = output.downcast_ref::<TransactWriteItemsOutput>() {
            (0.0, all(o.consumed_capacity()))
        } else if let Some(o) = output.downcast_ref::<UpdateItemOutput>() {
            (0.0, one(o.consumed_capacity()))
        } else if let Some(o) = output.downcast_ref::<PutItemOutput>() {
            (0.0, one(o.consumed_capacity()))
        } else if let Some(o) = output.downcast_ref::<DeleteItemOutput>() {
            (0.0, one(o.consumed_capacity()))
        } else {
            (0.0, 0.0)
        }
    }
}

type Item = std::collections::HashMap<String, AttributeValue>;

/// Every partition, with its sort key where one item is meant, that an operation touches. An operation
/// that is not known here touches a partition that nobody may.
fn keys_of(input: &Input) -> Vec<(String, Option<String>)> {
    if let Some(i) = input.downcast_ref::<GetItemInput>() {
        item_keys([i.key()])
    } else if let Some(i) = input.downcast_ref::<BatchGetItemInput>() {
        item_keys(
            i.request_items()
                .into_iter()
                .flat_map(|tables| tables.values())
                .flat_map(KeysAndAttributes::keys)
                .map(Some),
        )
    } else if let Some(i) = input.downcast_ref::<PutItemInput>() {
        item_keys([i.item()])
    } else if let Some(i) = input.downcast_ref::<UpdateItemInput>() {
        item_keys([i.key()])
    } else if let Some(i) = input.downcast_ref::<DeleteItemInput>() {
        item_keys([i.key()])
    } else if let Some(i) = input.downcast_ref::<QueryInput>() {
        let value = |name: &str| {
            i.expression_attribute_values()
                .and_then(|values| values.get(name))
        };
        vec![(text(value(":pk")), value(":sk").map(|sk| text(Some(sk))))]
    } else if let Some(i) = input.downcast_ref::<TransactWriteItemsInput>() {
        let of = |t: &aws_sdk_dynamodb::types::TransactWriteItem| {
            item_keys([t
                .put()
                .map(aws_sdk_dynamodb::types::Put::item)
                .or_else(|| t.update().map(aws_sdk_dynamodb::types::Update::key))
                .or_else(|| t.delete().map(aws_sdk_dynamodb::types::Delete::key))
                .or_else(|| {
                    t.condition_check()
                        .map(aws_sdk_dynamodb::types::ConditionCheck::key)
                })])
        };
        i.transact_items().iter().flat_map(of).collect()
    } else {
        vec![("ORG#unknown-operation".to_owned(), None)]
    }
}

fn item_keys<'a>(items: impl IntoIterator<Item = Option<&'a Item>>) -> Vec<(String, Option<String>)> {
    items
        .into_iter()
        .flatten()
        .flat_map(|item| {
            let indexed = Index::ALL
                .into_iter()
                .filter_map(|index| item.get(index.pk()))
                .map(|pk| (text(Some(pk)), None));
            std::iter::once((text(item.get(PK)), Some(text(item.get(SK)))))
                .chain(indexed)
                .collect::<Vec<_>>()
        })
        .collect()
}

fn text(value: Option<&AttributeValue>) -> String {
    value
        .and_then(|value| value.as_s().ok())
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "org_1";

    fn request() -> Request {
        let request = Request::default();
        request.inner().account = Some("acc_1".to_owned());
        request.inner().organizations.insert(OURS.to_owned());
        request.inner().source = Some("platform".to_owned());
        request
    }

    #[test]
    fn what_is_the_callers_own_or_nobodys_may_be_touched() {
        for (pk, sk) in [
            ("ORG#org_1", Some("ORG")),
            ("ORG#org_1#MEMBER", None),
            ("AUDIT#org_1#2026-01", None),
            ("CHAIN#org_1", Some("HEAD")),
            ("ACCOUNT#acc_1", None),
            ("ACCOUNT#acc_2", Some("MEMBER#org_1")),
            ("IDEMPOTENCY#acc_1#hash", Some("IDEMPOTENCY")),
            ("DEVICES#acc_1", Some("DEVICES")),
            ("SESSION#ses_1", Some("SESSION")),
            ("ACCOUNT#acc_1#SESSION#open", None),
            ("ORG#org_1#SESSION#acc_2#ended", None),
            ("EMAIL#ada@example.org", Some("EMAIL")),
            ("EMAIL#ada@example.org", Some("ORG#org_1")),
            ("DUE#expire-invites#0#1", Some("org_1")),
            ("LIMIT#recipient#hash#0", Some("LIMIT")),
            ("OUTBOX#1", Some("0#msg_1")),
            ("EXTERNAL#platform#sites#system#name", Some("EXTERNAL")),
            ("FEED#platform", None),
            ("TOLD#other", Some("bookings#bok_1#2")),
            ("TOKEN#hash", Some("TOKEN")),
            ("SITE#sit_1", Some("SITE")),
            ("SITE#sit_1#BINDING", None),
            ("PLATFORM#SITE", None),
            ("BOOKING#bok_1", Some("BOOKING")),
            ("PATIENT#pat_1#BOOKING#open", None),
            ("SPECIALIST#spc_1#BOOKING#closed", None),
            ("TRANSACTION#txn_1", Some("TRANSACTION")),
            ("BOOKING#bok_1", Some("TRANSACTION#txn_1")),
            ("PATIENT#pat_1#TRANSACTION", None),
            ("SPECIALIST#spc_1#TRANSACTION", None),
            ("PATIENT#pat_1", Some("PATIENT")),
            ("PATIENT#pat_1", Some("ENROLLMENT#org_1")),
            ("SPECIALIST#spc_1", Some("SITE#sit_1")),
            ("FIND#SITE#sit_1#PATIENT", None),
            ("ACTION#act_1", Some("ACTION")),
            ("ORG#org_1", Some("ACTIONSTATE#act_1")),
        ] {
            assert!(request().allows(pk, sk), "{pk} {sk:?}");
        }
    }

    #[test]
    fn what_is_anothers_or_not_known_may_not() {
        for (pk, sk) in [
            ("ORG#org_2", Some("ORG")),
            ("ORG#org_2", Some("ACTIONSTATE#act_1")),
            ("ORG#org_2#ACTION#open", None),
            ("AUDIT#org_2#2026-01", None),
            ("CHAIN#org_2", Some("HEAD")),
            ("ACCOUNT#acc_2", None),
            ("ACCOUNT#acc_2", Some("ACCOUNT")),
            ("ACCOUNT#acc_2", Some("MEMBER#org_2")),
            ("IDEMPOTENCY#acc_2#hash", Some("IDEMPOTENCY")),
            ("DEVICES#acc_2", Some("DEVICES")),
            ("ACCOUNT#acc_2#SESSION#open", None),
            ("ORG#org_2#SESSION#acc_1#ended", None),
            ("EMAIL#ada@example.org", None),
            ("EMAIL#ada@example.org", Some("ORG#org_2")),
            ("EMAIL#ada@example.org", Some("PATIENT#pat_1")),
            ("SPECIALIST", None),
            ("EXTERNAL#other#sites#system#name", Some("EXTERNAL")),
            ("EXTERNAL", None),
            ("FEED#other", None),
            ("PLATFORM", Some("TOKEN#tok_1")),
            ("WARM", Some("WARM")),
            ("ORG", None),
            ("", None),
        ] {
            assert!(!request().allows(pk, sk), "{pk} {sk:?}");
        }
    }

    #[test]
    fn who_sponsors_somebody_is_told_to_the_sponsor_and_to_the_source_that_says_so() {
        let request = request();
        let enrollment = Some("ENROLLMENT#org_2");
        assert!(request.allows("PATIENT#pat_1", enrollment));
        request.inner().source = None;
        assert!(!request.allows("PATIENT#pat_1", enrollment));
        assert!(request.allows("PATIENT#pat_1", Some("ENROLLMENT#org_1")));
    }
}
