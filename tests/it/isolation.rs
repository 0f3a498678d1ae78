//! One organization's admin and another's data: no answer, no write, and no key of it to the table.

use std::sync::Arc;

use portal_domain::account::Account;
use portal_domain::change::{Change, Write};
use portal_domain::id::{
    AccountId, ActionId, BookingId, DeviceId, ExportId, InviteId, NoteId, OrganizationId, PatientId, RoleId,
    SessionId, SiteId, SpecialistId, TransactionId,
};
use portal_domain::transaction::Kind as Entry;
use portal_local::dynamodb::Operation;
use portal_local::faults::{Kind, Rule};
use portal_store::StoreError;
use portal_store::entity::audit::Wanted as WantedEvents;
use portal_store::entity::membership::Wanted as WantedMembers;
use portal_store::request::{Request as Scope, open_account, open_organization, scoped};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::direct::routes;
use crate::support::records::Profile;
use crate::support::{Answer, Clinic, Person, Portal, fresh_key};

/// The ids in a path.
#[derive(Clone)]
struct Ids {
    organization: String,
    invite: String,
    account: String,
    role: String,
    site: String,
    booking: String,
    patient: String,
    note: String,
    specialist: String,
    transaction: String,
    export: String,
    action: String,
    session: String,
    device: String,
}

impl Ids {
    /// Ids that nothing has.
    fn of_nothing(portal: &Portal) -> Self {
        let now = portal.clock.now();
        Self {
            organization: OrganizationId::mint(now).to_string(),
            invite: InviteId::mint(now).to_string(),
            account: AccountId::of("nowhere", "nobody").to_string(),
            role: RoleId::mint(now).to_string(),
            site: SiteId::mint(now).to_string(),
            booking: BookingId::mint(now).to_string(),
            patient: PatientId::mint(now).to_string(),
            note: NoteId::mint(now).to_string(),
            specialist: SpecialistId::mint(now).to_string(),
            transaction: TransactionId::mint(now).to_string(),
            export: ExportId::mint(now).to_string(),
            action: ActionId::mint(now).to_string(),
            session: SessionId::mint(now).to_string(),
            device: DeviceId::mint(now).to_string(),
        }
    }

    fn all(&self) -> [(&'static str, &str); 15] {
        [
            ("{organization_id}", &self.organization),
            ("{invite_id}", &self.invite),
            ("{account_id}", &self.account),
            ("{role_id}", &self.role),
            ("{site_id}", &self.site),
            ("{booking_id}", &self.booking),
            ("{patient_id}", &self.patient),
            ("{note_id}", &self.note),
            ("{specialist_id}", &self.specialist),
            ("{transaction_id}", &self.transaction),
            ("{export_id}", &self.export),
            ("{action_id}", &self.action),
            ("{session_id}", &self.session),
            ("{device_id}", &self.device),
            ("{month}", "2026-05"),
        ]
    }

    fn path(&self, route: &str) -> String {
        self.all()
            .into_iter()
            .fold(route.to_owned(), |path, (name, id)| path.replace(name, id))
    }

    /// `text` with every id called by its kind.
    fn masked(&self, text: &str) -> String {
        self.all()
            .into_iter()
            .fold(text.to_owned(), |text, (name, id)| text.replace(id, name))
    }
}

/// A body that would work, for the routes that take one.
fn body(method: &Method, route: &str, ids: &Ids) -> Option<Value> {
    let last = route.rsplit('/').next().unwrap_or_default();
    match (method.as_str(), last) {
        ("POST", "dissolution") => Some(json!({ "name": "Hillside", "remove_members": true })),
        ("POST", "transitions") => Some(json!({ "transition": "cancel", "reason": "patient_request" })),
        ("PUT", "access") => Some(
            json!({ "scope": "both", "directory": "sites", "registration": "open", "sites": [ids.site] }),
        ),
        ("POST", "roles") => Some(json!({ "name": "Desk", "permissions": [] })),
        ("POST", "invites") => Some(json!({ "email": "new@hillside.example", "role": "viewer" })),
        ("POST", "bulk") => {
            Some(json!({ "invites": [{ "email": "new@hillside.example", "role": ids.role }] }))
        }
        ("POST", "exports") => Some(json!({ "list": "bookings", "format": "csv" })),
        ("POST", "resend" | "leave" | "reopen" | "end") => Some(json!({})),
        ("PATCH", "{account_id}") => Some(json!({ "role": "viewer" })),
        ("PATCH", "{patient_id}") => Some(json!({ "time_zone": "Europe/London" })),
        ("PATCH", "{specialist_id}") => Some(json!({ "session_minutes": 45 })),
        ("POST", "notes") | ("PATCH", "{note_id}") => Some(json!({ "text": "Prefers evenings." })),
        ("POST", "assign") => Some(json!({ "account_id": ids.account })),
        ("POST", "snooze") => Some(json!({ "until": "2026-05-04T09:00:00Z" })),
        ("POST", "dismiss") => Some(json!({ "reason": "Agreed with the platform." })),
        ("POST", "review") => Some(json!({ "step": "begin" })),
        ("POST", "sites") | ("PATCH", _) => Some(json!({ "name": "Taken over" })),
        ("POST" | "PUT", other) => panic!("say which body {method} …/{other} takes"),
        _ => None,
    }
}

/// The request, and what it made the functions ask of the table.
async fn asked(
    portal: &Portal,
    person: &Person,
    method: &Method,
    route: &str,
    ids: &Ids,
) -> (Answer, Vec<Operation>) {
    portal.settle().await.expect("all is delivered");
    portal.dynamo.clear_operations();
    let request = person.request(method.clone(), &ids.path(route));
    let request = request
        .header("idempotency-key", &fresh_key())
        .header("if-match", "\"1\"");
    let answer = match body(method, route, ids) {
        Some(body) => request.json(&body).send().await,
        None => request.send().await,
    };
    (answer, portal.dynamo.operations())
}

/// What an answer shows: all but the request's own id and time.
fn shape(answer: &Answer, ids: &Ids) -> (u16, Vec<(String, String)>, String) {
    let id = answer.header("x-request-id");
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                value.to_str().unwrap_or_default().replace(&id, ""),
            )
        })
        .filter(|(name, _)| !["date", "server-timing", "content-length"].contains(&name.as_str()))
        .collect();
    headers.sort();
    (answer.status, headers, ids.masked(&answer.text.replace(&id, "")))
}

/// What the table was asked, in no order, with ids called by their kind and what differs from request to request left out.
fn work(operations: &[Operation], ids: &Ids) -> Vec<String> {
    let keys = |operation: &Operation| {
        let keys = operation.keys.iter().map(|key| {
            let partition = if key.partition.starts_with("IDEMPOTENCY#") {
                "IDEMPOTENCY#"
            } else {
                &key.partition
            };
            let sort = key.sort.as_deref().unwrap_or_default();
            format!("{:?} {} {}", key.access, ids.masked(partition), ids.masked(sort))
        });
        keys.collect::<Vec<_>>().join(", ")
    };
    let mut all: Vec<String> = operations
        .iter()
        .map(|operation| format!("{}: {}", operation.target, keys(operation)))
        .collect();
    all.sort();
    all
}

/// Riverside with its admin Dana, and Hillside with all there can be: an admin, a member, an invite, a role.
async fn two_clinics(portal: &Portal) -> (Clinic<'_>, Clinic<'_>, Ids) {
    let ours = portal.clinic().await;
    let hana = portal.person_with("Hana", "hana@hillside.example");
    let theirs = Clinic::of(portal, hana, "Hillside").await;
    let member = portal.person_with("Mia", "mia@hillside.example");
    theirs.join(&member, "viewer").await;
    let site = json!({ "name": "Hillside Online" });
    let site = theirs
        .admin
        .post(&theirs.path("/sites"), site)
        .await
        .expect(201)
        .id();
    let paid = portal.posting(Entry::Payment, &site).await.tell().await;
    let patient = portal.patient("Noor Haddad", &[&site]).await;
    let note = json!({ "text": "Prefers mornings." });
    let notes = theirs.path(&format!("/patients/{}/notes", patient.id));
    let note = theirs.admin.post(&notes, note).await.expect(201).id();
    let specialist = portal.specialist("Greta Vogel", &[&site]).await;
    let earner = Profile {
        id: specialist.id,
        name: "Greta Vogel",
    };
    let earned = portal.posting(Entry::Earning, &site).await.with(&earner);
    earned.tell().await;
    let path = theirs.member_path(&theirs.admin);
    let etag = theirs.admin.etag(&path).await;
    let care = json!({ "provides_care": true });
    theirs.admin.patch(&path, &etag, care).await.expect(200);
    theirs.share_sessions(true).await;
    let session = theirs.start(&theirs.admin, json!({})).await.expect(201).id();
    let device = json!({ "name": "Phone", "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo" });
    let device = theirs.admin.post("/v1/devices", device).await.expect(201).id();
    let export = theirs.export("bookings", "csv", json!({})).await.expect(202).id();
    portal.settle().await.expect("all is delivered");
    let ids = Ids {
        organization: theirs.id.to_string(),
        invite: theirs
            .invite("ida@hillside.example", "viewer")
            .await
            .expect(201)
            .id(),
        account: member.account.to_string(),
        role: theirs.role("Desk", &[]).await,
        booking: portal.booking(&site, json!({})).await.id.to_string(),
        patient: patient.id.to_string(),
        note,
        specialist: specialist.id.to_string(),
        transaction: paid.row.id.to_string(),
        export,
        action: single_admin(&theirs).await,
        session,
        device,
        site,
    };
    (ours, theirs, ids)
}

/// The action that an organization has a single admin.
async fn single_admin(clinic: &Clinic<'_>) -> String {
    clinic.portal.settle().await.expect("all is delivered");
    let list = clinic.admin.get(&clinic.path("/actions?rule=single_admin")).await;
    list.expect(200).text_at("/items/0/id")
}

/// All that an organization's admin can see of it.
async fn everything(clinic: &Clinic<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for list in [
        "",
        "/members?limit=100",
        "/invites?limit=100",
        "/roles?limit=100",
        "/audit-events?limit=100",
        "/bookings?limit=100",
        "/transactions?limit=100",
        "/patients?limit=100",
        "/specialists?limit=100",
        "/exports?limit=100",
        "/actions?limit=100",
        "/sessions?limit=100",
    ] {
        all.push(clinic.admin.get(&clinic.path(list)).await.expect(200).text);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn to_strangers_an_organization_is_not_there() {
    // Given two clinics, and everything that the second one has
    let portal = Portal::start().await;
    let (ours, theirs, their_ids) = two_clinics(&portal).await;
    let before = everything(&theirs).await;
    let nothing = Ids::of_nothing(&portal);
    // Theirs as the organization, and anything else within it.
    let mixed = Ids {
        organization: their_ids.organization.clone(),
        ..nothing.clone()
    };

    let mut tried = 0;
    for (_, method, route) in routes()
        .into_iter()
        .filter(|(_, _, route)| route.starts_with("/v1/organizations/{organization_id}"))
    {
        // When the first one's admin asks for what is theirs, and for what is nobody's
        let (answer, operations) = asked(&portal, &ours.admin, &method, &route, &their_ids).await;
        let (control, control_operations) = asked(&portal, &ours.admin, &method, &route, &nothing).await;
        let (half, half_operations) = asked(&portal, &ours.admin, &method, &route, &mixed).await;

        // Then the answers and the work are the same
        let answer = answer.expect_problem(404, "organization_not_found");
        assert_eq!(
            shape(&answer, &their_ids),
            shape(&control, &nothing),
            "{method} {route}"
        );
        assert_eq!(
            shape(&answer, &their_ids),
            shape(&half, &mixed),
            "{method} {route}"
        );
        assert_eq!(
            work(&operations, &their_ids),
            work(&control_operations, &nothing),
            "{method} {route}"
        );
        assert_eq!(
            work(&operations, &their_ids),
            work(&half_operations, &mixed),
            "{method} {route}"
        );

        // And nothing is written: only the right and, beside it, the data are read
        for key in operations
            .iter()
            .chain(&control_operations)
            .flat_map(|operation| &operation.keys)
        {
            assert!(!key.access.is_write(), "{method} {route}: {key:?}");
        }
        tried += 1;
    }
    assert!(tried >= 18, "{tried} routes");
    assert_eq!(everything(&theirs).await, before);
    portal.settle().await.expect("all is delivered");
    assert_eq!(portal.mailbox.messages("new@hillside.example").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_another_organization_are_nothing_in_ones_own() {
    let portal = Portal::start().await;
    let (ours, theirs, their_ids) = two_clinics(&portal).await;
    ours.share_sessions(true).await;
    let before = everything(&theirs).await;
    let our_events = ours.audit_verbs().await;
    let foreign = Ids {
        organization: ours.id.to_string(),
        ..their_ids.clone()
    };
    let nothing = Ids {
        organization: ours.id.to_string(),
        ..Ids::of_nothing(&portal)
    };
    let hana = theirs.admin.account.to_string();

    let mut tried = 0;
    let children = [
        "{invite_id}",
        "{account_id}",
        "{role_id}",
        "{booking_id}",
        "{patient_id}",
        "{note_id}",
        "{specialist_id}",
        "{transaction_id}",
        "{action_id}",
        "{session_id}",
        "{device_id}",
    ];
    for (_, method, route) in routes() {
        if !children.iter().any(|child| route.contains(child)) {
            continue;
        }
        for account in [&foreign.account, &hana] {
            let foreign = Ids {
                account: account.clone(),
                ..foreign.clone()
            };
            let (answer, operations) = asked(&portal, &ours.admin, &method, &route, &foreign).await;
            let (control, control_operations) = asked(&portal, &ours.admin, &method, &route, &nothing).await;
            assert_eq!(answer.status, 404, "{method} {route}: {}", answer.text);
            assert_eq!(
                shape(&answer, &foreign),
                shape(&control, &nothing),
                "{method} {route}"
            );
            assert_eq!(
                work(&operations, &foreign),
                work(&control_operations, &nothing),
                "{method} {route}"
            );

            // No key of theirs was sent: not of the organization, its log, or an account beyond its place in ours
            for key in operations.iter().flat_map(|operation| &operation.keys) {
                assert!(!key.access.is_write(), "{method} {route}: {key:?}");
                let sort = key.sort.as_deref().unwrap_or_default();
                assert!(
                    !key.partition.contains(&their_ids.organization)
                        && !sort.contains(&their_ids.organization),
                    "{method} {route}: {key:?}"
                );
                if key.partition.contains(account.as_str()) {
                    assert_eq!(sort, format!("MEMBER#{}", ours.id), "{method} {route}: {key:?}");
                }
            }
        }
        tried += 1;
    }
    assert!(tried >= 8, "{tried} routes");

    // In bodies and filters too
    let admin = &ours.admin;
    let role = &their_ids.role;
    let vera = ours.member("Vera", "viewer").await;
    let path = ours.member_path(&vera);
    let etag = admin.etag(&path).await;
    admin
        .patch(&path, &etag, json!({ "role": role }))
        .await
        .expect_problem(422, "role_unknown");
    ours.invite("new@hillside.example", role)
        .await
        .expect_problem(422, "role_unknown");
    let rows = json!({ "invites": [{ "email": "new@hillside.example", "role": role }] });
    let results = admin.post(&ours.path("/invites/bulk"), rows).await.expect(200);
    assert_eq!(results.text_at("/results/0/problem/code"), "role_unknown");
    for filter in [
        format!("object={}", their_ids.invite),
        format!("object={}", their_ids.organization),
        format!("actor={hana}"),
    ] {
        let found = admin
            .get(&ours.path(&format!("/audit-events?{filter}")))
            .await
            .expect(200);
        assert_eq!(found.items(), [] as [Value; 0], "{filter}");
    }
    let found = admin
        .get(&ours.path(&format!("/members?role={role}")))
        .await
        .expect(200);
    assert_eq!(found.items(), [] as [Value; 0]);

    // Then nothing of theirs changed, and of ours only that Vera came
    assert_eq!(everything(&theirs).await, before);
    assert_eq!(ours.audit_verbs().await.len(), our_events.len() + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_outside_the_scope_is_stopped_before_it_is_sent() {
    // Given a request that is about Dana in her clinic
    let portal = Portal::start().await;
    let (ours, theirs, ids) = two_clinics(&portal).await;
    let store = &portal.app.store;
    let now = portal.clock.now();
    let (dana, hana) = (ours.admin.account, theirs.admin.account);
    let invite: InviteId = ids.invite.parse().unwrap();
    let foreign: Account = store.caller(hana).await.unwrap().account.unwrap();
    let membership = store.member(theirs.id, hana).await.unwrap().unwrap();
    let organization = store.organization(theirs.id).await.unwrap().unwrap();
    let stolen = store.invite(theirs.id, invite).await.unwrap().unwrap();
    portal.settle().await.expect("all is delivered");
    portal.dynamo.clear_operations();

    // When it reaches for anything else, in whatever way
    let scope = Arc::new(Scope::default());
    let outcomes = scoped(Arc::clone(&scope), async {
        open_account(dana);
        open_organization(ours.id);
        let commit = async |write: Write| store.commit(&Change::default().write(write), None, now).await;
        vec![
            ("an organization", store.organization(theirs.id).await.map(drop)),
            (
                "the organization of another's membership",
                store
                    .organizations(std::slice::from_ref(&membership))
                    .await
                    .map(drop),
            ),
            ("an invite", store.invite(theirs.id, invite).await.map(drop)),
            ("seats", store.seats(theirs.id).await.map(drop)),
            ("counts", store.counts(theirs.id).await.map(drop)),
            (
                "members",
                store
                    .members(theirs.id, &WantedMembers::default(), 10, None)
                    .await
                    .map(drop),
            ),
            (
                "invites",
                store.invites(theirs.id, None, now, 10, None).await.map(drop),
            ),
            (
                "the log",
                store
                    .audit_events(theirs.id, &WantedEvents::default(), now, 10, None)
                    .await
                    .map(drop),
            ),
            ("an account", store.caller(hana).await.map(drop)),
            (
                "a member of theirs",
                store.member(theirs.id, hana).await.map(drop),
            ),
            ("a right of theirs", store.access(hana, ours.id).await.map(drop)),
            (
                "an answer to another",
                store.answer(hana, "key", now).await.map(drop),
            ),
            ("a member's activity", store.touch(&membership, now).await),
            (
                "an account to write",
                commit(Write::AccountReplace(foreign)).await,
            ),
            (
                "an organization to write",
                commit(Write::OrganizationReplace(organization)).await,
            ),
            (
                "a membership to end",
                commit(Write::MembershipDelete(membership.clone())).await,
            ),
            (
                "an invite to write",
                commit(Write::InviteReplace(stolen.clone(), stolen.delivery)).await,
            ),
            (
                "a tie to end",
                commit(Write::TieForget(membership.email.clone(), theirs.id)).await,
            ),
        ]
    })
    .await;

    // Then each is stopped as a defect, and nothing was sent
    for (what, outcome) in outcomes {
        assert!(
            matches!(outcome, Err(StoreError::OutOfScope)),
            "{what}: {outcome:?}"
        );
    }
    assert_eq!(portal.dynamo.operations(), []);
    assert_eq!(scope.tally().round_trips, 0);

    // And without a scope of its own, a request reaches nothing; within it, what is its own
    let nothing = scoped(Arc::default(), store.organization(ours.id)).await;
    assert!(matches!(nothing, Err(StoreError::OutOfScope)), "{nothing:?}");
    let own = scoped(Arc::default(), async {
        open_account(dana);
        open_organization(ours.id);
        (
            store.access(dana, ours.id).await,
            store.member(ours.id, hana).await,
        )
    });
    let (access, member) = own.await;
    assert!(access.is_ok());
    assert!(matches!(member, Ok(None)), "{member:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_members_write_is_refused_even_between_its_check_and_its_commit() {
    // Given a role of Olga's making that is decided, but not committed yet
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let olga = clinic.member("Olga", "admin").await;
    let path = clinic.member_path(&olga);
    let etag = clinic.admin.etag(&path).await;
    portal.settle().await.expect("all is delivered");
    portal.dynamo.clear_operations();
    portal.faults.set(
        1,
        vec![
            Rule::new(Kind::Delay, 1.0)
                .only("TransactWriteItems")
                .lasting(1_500),
        ],
    );
    let (person, roles) = (olga.clone(), clinic.path("/roles"));
    let late = tokio::spawn(async move {
        person
            .post(&roles, json!({ "name": "Backdoor", "permissions": [] }))
            .await
    });
    while !portal
        .dynamo
        .operations()
        .iter()
        .any(|operation| operation.target == "TransactWriteItems")
    {
        tokio::task::yield_now().await;
    }
    portal.faults.clear();

    // When she is removed meanwhile
    clinic.admin.delete(&path, &etag).await.expect(204);

    // Then she made nothing, with a token that is good for weeks
    late.await.unwrap().expect_problem(404, "organization_not_found");
    assert_eq!(
        clinic.admin.get(&clinic.path("/roles")).await.expect(200).items(),
        [] as [Value; 0]
    );
    for (_, method, route) in routes()
        .into_iter()
        .filter(|(_, _, route)| route.starts_with("/v1/organizations/{organization_id}"))
    {
        let ids = Ids {
            organization: clinic.id.to_string(),
            ..Ids::of_nothing(&portal)
        };
        let (answer, _) = asked(&portal, &olga, &method, &route, &ids).await;
        answer.expect_problem(404, "organization_not_found");
    }
    assert_eq!(
        olga.get("/v1/me").await.expect(200).json()["memberships"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_has_only_what_they_are_given_anew() {
    // Given somebody who was an admin with a seat, and was removed
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let olga = clinic.member("Olga", "admin").await;
    let path = clinic.member_path(&olga);
    let etag = clinic.admin.etag(&path).await;
    clinic
        .admin
        .patch(&path, &etag, json!({ "provides_care": true }))
        .await
        .expect(200);
    let etag = clinic.admin.etag(&path).await;
    clinic.admin.delete(&path, &etag).await.expect(204);
    assert_eq!((clinic.seats_used().await, clinic.admins().await), (0, 1));

    // When she is invited as a viewer and accepts
    clinic.join(&olga, "viewer").await;

    // Then she is a viewer, and nothing of before
    let member = clinic.admin.get(&path).await.expect(200);
    assert_eq!(member.text_at("/role"), "viewer");
    assert_eq!(
        (member.text_at("/provides_care"), member.text_at("/takes_seat")),
        ("false".to_owned(), "false".to_owned())
    );
    assert_eq!((clinic.seats_used().await, clinic.admins().await), (0, 1));
    olga.get(&clinic.path("/members"))
        .await
        .expect_problem(403, "permission_missing");
    clinic
        .admin
        .patch(&path, &etag, json!({ "role": "admin" }))
        .await
        .expect_problem(412, "revision_mismatch");
}
