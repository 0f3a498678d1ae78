//! Every route, asked by anybody: what documents are measured with, and what tests ask who may do what.

mod actions;
mod bookings;
mod cost;
mod dashboard;
mod directory;
mod exports;
mod imports;
mod person;
mod scene;
mod service;
mod sessions;
mod sites;
mod transactions;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use portal_app::Links;
use portal_domain::permission::Permission;

pub use self::cost::Priced;
pub use self::person::{Answer, Person, Request};
pub use self::scene::Scene;
use crate::functions::{Described, described};
use crate::identity::SignIn;
use crate::stack::{Failure, OPERATOR, Options, Stack};

/// A route, as its function describes it.
#[derive(Debug, Clone)]
pub struct Route {
    /// The function that serves it.
    pub function: &'static str,
    /// Its operation id: the handler's name.
    pub operation: String,
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// What it does, in a line.
    pub summary: String,
}

/// All routes, by function, path and method.
#[must_use]
pub fn routes() -> Vec<Route> {
    let mut all = Vec::new();
    for Described { name, document } in described() {
        for (path, item) in &document.paths.paths {
            let methods = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in methods {
                if let Some(operation) = operation {
                    all.push(Route {
                        function: name,
                        operation: operation.operation_id.clone().unwrap_or_default(),
                        method,
                        path: path.clone(),
                        summary: operation.summary.clone().unwrap_or_default(),
                    });
                }
            }
        }
    }
    all
}

/// Whether an operation is one of the platform's operators.
#[must_use]
pub fn is_operators(operation: &str) -> bool {
    let is_theirs = |route: &Route| route.operation == operation && route.path.starts_with("/v1/platform/");
    routes().iter().any(is_theirs)
}

/// Whether a path is for the platform's own systems, which bring a service token.
#[must_use]
pub fn is_for_services(path: &str) -> bool {
    ["/v1/ingest/", "/v1/imports", "/v1/fhir/", "/v1/changes"]
        .iter()
        .any(|theirs| path.starts_with(theirs))
}

/// Whether an operation is one of the platform's own systems.
#[must_use]
pub fn is_services(operation: &str) -> bool {
    let is_theirs = |route: &Route| route.operation == operation && is_for_services(&route.path);
    routes().iter().any(is_theirs)
}

/// Somebody, by what they are to the organization that a route is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Without a token.
    Anonymous,
    /// Signed in, a member of nothing.
    Stranger,
    /// A member with the role Viewer.
    Viewer,
    /// A member with the role Provider.
    Provider,
    /// A member with a custom role that holds nothing.
    Nothing,
    /// A member with a custom role that holds just what the route needs.
    Holder,
    /// An Organization Admin.
    Admin,
    /// A member until a moment ago.
    Removed,
    /// An Organization Admin, while the organization is being dissolved.
    Dissolving,
}

impl Who {
    /// Everybody.
    pub const ALL: [Self; 9] = [
        Self::Anonymous,
        Self::Stranger,
        Self::Viewer,
        Self::Provider,
        Self::Nothing,
        Self::Holder,
        Self::Admin,
        Self::Removed,
        Self::Dissolving,
    ];
}

/// What a route asks of its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// To be signed in.
    SignIn,
    /// The link of a mailed invite, signed in with the address it was sent to.
    Link,
    /// To act for the platform.
    Operator,
    /// A service token.
    Service,
    /// To be a member.
    Membership,
    /// A permission.
    Permission(&'static str),
}

/// A stack of its own, with people who ask.
pub struct Probe {
    /// The stack.
    pub stack: Stack,
    links: Links,
    client: reqwest::Client,
    people: AtomicU32,
}

impl Probe {
    /// Starts a stack that keeps nothing. With `follows`, what happens in it goes on to the functions behind the stream and the
    /// queues; without, it stays as it is after each answer.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(follows: bool) -> Result<Self, Failure> {
        Self::start_with(Options {
            follows,
            ..Options::default()
        })
        .await
    }

    /// Starts a stack that runs as `options` say.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_with(options: Options) -> Result<Self, Failure> {
        let stack = Stack::start(options).await?;
        let links = Links::new(stack.config(0))?;
        Ok(Self {
            stack,
            links,
            client: reqwest::Client::builder().build()?,
            people: AtomicU32::new(0),
        })
    }

    /// Somebody new. Names and addresses are of one length, so that what is stored of them weighs the same in every run.
    ///
    /// # Errors
    /// When the identity provider cannot sign.
    pub fn person(&self) -> Result<Person, Failure> {
        let number = self.next_number();
        let subject = format!("person-{number:06}");
        self.signed_in(&subject, &format!("{subject}@riverside.example"))
    }

    /// A number that was not given before.
    fn next_number(&self) -> u32 {
        self.people.fetch_add(1, Ordering::Relaxed)
    }

    /// The person called `subject`, signed in with `email`.
    ///
    /// # Errors
    /// When the identity provider cannot sign.
    pub fn signed_in(&self, subject: &str, email: &str) -> Result<Person, Failure> {
        let sign_in = SignIn {
            name: Some(subject.replace('-', " ")),
            sub: Some(subject.to_owned()),
            ..SignIn::new(email)
        };
        let signed_in = self.identity(&sign_in)?;
        Ok(Person {
            account: signed_in.0.parse()?,
            subject: subject.to_owned(),
            email: email.to_owned(),
            token: Some(signed_in.1),
            base: self.stack.base.clone(),
            client: self.client.clone(),
        })
    }

    /// Somebody who acts for the platform.
    ///
    /// # Errors
    /// As [`Self::person`].
    pub fn operator(&self) -> Result<Person, Failure> {
        self.signed_in("operator", OPERATOR)
    }

    fn identity(&self, sign_in: &SignIn) -> Result<(String, String), Failure> {
        let signed_in = self.stack.identity.sign_in(sign_in)?;
        Ok((signed_in.account_id.to_string(), signed_in.access_token))
    }

    /// What every route asks of its caller, by operation: found out by asking it as a member whose role holds nothing.
    ///
    /// # Errors
    /// When an answer tells nothing: a route that is new needs a request in `probe/scene.rs`.
    pub async fn needed(&self) -> Result<BTreeMap<String, Needed>, Failure> {
        let scene = self.scene().await?;
        let mut all = BTreeMap::new();
        for route in routes() {
            let caller = scene.somebody(Who::Nothing, None).await?;
            let answer = scene.ask(&route.operation, Who::Nothing, &caller).await?;
            let needed = needed_by(&route, &answer)?;
            all.insert(route.operation, needed);
        }
        Ok(all)
    }
}

/// What a route needs, by what it answered to a member whose role holds nothing.
fn needed_by(route: &Route, answer: &Answer) -> Result<Needed, Failure> {
    let in_organization = route.path.contains("{organization_id}");
    Ok(match (answer.status, answer.code.as_str()) {
        (200..300, _) if in_organization => Needed::Membership,
        (200..300, _) => Needed::SignIn,
        (404, "invite_not_found") if !in_organization => Needed::Link,
        (403, "operator_required") => Needed::Operator,
        (401, "unauthenticated") => Needed::Service,
        (403, "permission_missing") => {
            let named = |permission: &&Permission| answer.detail.ends_with(permission.as_str());
            let permission = Permission::ALL.iter().find(named);
            Needed::Permission(permission.ok_or("the refusal names no permission")?.as_str())
        }
        _ => return Err(format!("{}: {} {}", route.operation, answer.status, answer.text).into()),
    })
}
