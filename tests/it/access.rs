//! Who may do what: every route, asked by everybody, in a state of things in which it could succeed.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use portal_domain::permission::Permission;
use portal_local::probe::{Person, Probe, Who, is_operators, routes};
use portal_local::stack::Failure;

/// A route: what it needs, and the statuses that everybody gets, in the order of [`Who::ALL`].
type Row = (&'static str, &'static str, [u16; 9]);

/// The table. `holder` has a custom role with just the permissions in the second column; the first is the route's own.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    // operation              needs                   anonymous
    //                                                |    stranger
    //                                                |    |    viewer
    //                                                |    |    |    provider
    //                                                |    |    |    |    custom role without anything
    //                                                |    |    |    |    |    holder of just that
    //                                                |    |    |    |    |    |    admin
    //                                                |    |    |    |    |    |    |    removed member
    //                                                |    |    |    |    |    |    |    |    admin, dissolving
    ("create_organization",   "",                    [401, 201, 201, 201, 201, 201, 201, 201, 201]),
    ("list_organizations",    "",                    [401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("get_organization",      "",                    [401, 404, 200, 200, 200, 200, 200, 404, 200]),
    ("update_organization",   "organization.update", [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("leave_organization",    "",                    [401, 404, 204, 204, 204, 204, 204, 404, 409]),
    ("dissolve_organization", "organization.dissolve", [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("cancel_dissolution",    "organization.dissolve", [401, 404, 403, 403, 403, 200, 200, 404, 200]),
    ("create_role",           "roles.manage",        [401, 404, 403, 403, 403, 201, 201, 404, 409]),
    ("list_roles",            "",                    [401, 404, 200, 200, 200, 200, 200, 404, 409]),
    ("get_role",              "",                    [401, 404, 200, 200, 200, 200, 200, 404, 409]),
    ("update_role",           "roles.manage",        [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("delete_role",           "roles.manage",        [401, 404, 403, 403, 403, 204, 204, 404, 409]),
    ("list_permissions",      "",                    [401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("create_invite",         "invites.manage",      [401, 404, 403, 403, 403, 201, 201, 404, 409]),
    ("create_invites",        "invites.manage",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("list_invites",          "invites.read",        [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_invite",            "invites.read",        [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("revoke_invite",         "invites.manage",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("resend_invite",         "invites.manage",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    // A link is for the one it was mailed to: the stranger and the removed member here; to all others there is no such invite.
    ("preview_invite",        "",                    [401, 200, 404, 404, 404, 404, 404, 200, 404]),
    ("accept_invite",         "",                    [401, 201, 404, 404, 404, 404, 404, 201, 404]),
    ("decline_invite",        "",                    [401, 204, 404, 404, 404, 404, 404, 204, 404]),
    ("list_members",          "members.read",        [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_member",            "members.read",        [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("update_member",         "members.manage",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("remove_member",         "members.manage",      [401, 404, 403, 403, 403, 204, 204, 404, 409]),
    ("get_me",                "",                    [401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("update_me",             "",                    [401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("list_audit_events",     "audit.read",          [401, 404, 200, 403, 403, 200, 200, 404, 200]),
    ("get_access",            "organization.update", [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("update_access",         "organization.update", [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("create_site",           "organization.update", [401, 404, 403, 403, 403, 201, 201, 404, 409]),
    ("list_sites",            "",                    [401, 404, 200, 200, 200, 200, 200, 404, 409]),
    ("get_site",              "",                    [401, 404, 200, 200, 200, 200, 200, 404, 409]),
    ("update_site",           "organization.update", [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("list_bookings",         "bookings.read",       [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_booking",           "bookings.read",       [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("request_transition",    "bookings.manage",     [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("list_actions",          "actions.read",        [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_action",            "actions.read",        [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("assign_action",         "actions.manage",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("snooze_action",         "actions.manage",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("dismiss_action",        "actions.manage",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("reopen_action",         "actions.manage",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("list_transactions",     "transactions.read",   [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_transaction",       "transactions.read",   [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_money_trail",       "transactions.read",   [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_statement",         "transactions.read",   [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_dashboard",         "",                    [401, 404, 200, 200, 200, 200, 200, 404, 409]),
    ("get_statistics",        "",                    [401, 404, 200, 200, 200, 200, 200, 404, 409]),
    ("list_patients",         "patients.read",       [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_patient",           "patients.read",       [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("update_patient",        "patients.manage",     [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("create_note",           "patients.notes",      [401, 404, 403, 403, 403, 201, 201, 404, 409]),
    ("list_notes",            "patients.notes",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_note",              "patients.notes",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("update_note",           "patients.notes",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("list_specialists",      "specialists.read",    [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_specialist",        "specialists.read",    [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("update_specialist",     "specialists.manage",  [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("review_specialist",     "specialists.manage",  [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("start_session",         "sessions.create",     [401, 404, 403, 201, 403, 201, 201, 404, 409]),
    // What somebody held stays theirs, whatever they are in an organization by now.
    ("list_sessions",         "",                    [401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("get_session",           "",                    [401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("update_session",        "",                    [401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("end_session",           "",                    [401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("list_organization_sessions", "sessions.read",  [401, 404, 200, 403, 403, 200, 200, 404, 409]),
    ("get_organization_session",   "sessions.read",  [401, 404, 200, 403, 403, 200, 200, 404, 409]),
    ("register_device",       "",                    [401, 201, 201, 201, 201, 201, 201, 201, 201]),
    ("list_devices",          "",                    [401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("get_device",            "",                    [401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("revoke_device",         "",                    [401, 204, 204, 204, 204, 204, 204, 204, 204]),
    // An export needs the permission of its list, too.
    ("create_export",         "exports.create bookings.read", [401, 404, 403, 403, 403, 202, 202, 404, 409]),
    ("list_exports",          "exports.create",      [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    ("get_export",            "exports.create bookings.read", [401, 404, 403, 403, 403, 200, 200, 404, 409]),
    // What the platform's operator does is nobody else's, whatever they are in an organization.
    ("get_platform_organization",    "",             [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("update_platform_organization", "",             [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("bind_site",             "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("unbind_site",           "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("create_platform_site",  "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("list_platform_sites",   "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("get_platform_site",     "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("list_site_bindings",    "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("create_service_token",  "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("list_service_tokens",   "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("get_service_token",     "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("rotate_service_token",  "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("revoke_service_token",  "",                    [401, 403, 403, 403, 403, 403, 403, 403, 403]),
    // What the platform's own systems do is no person's: only a service token opens it.
    ("ingest_records",        "",                    [401, 401, 401, 401, 401, 401, 401, 401, 401]),
    ("list_changes",          "",                    [401, 401, 401, 401, 401, 401, 401, 401, 401]),
    ("take_resources",        "",                    [401, 401, 401, 401, 401, 401, 401, 401, 401]),
    ("create_import",         "",                    [401, 401, 401, 401, 401, 401, 401, 401, 401]),
    ("list_imports",          "",                    [401, 401, 401, 401, 401, 401, 401, 401, 401]),
    ("get_import",            "",                    [401, 401, 401, 401, 401, 401, 401, 401, 401]),
];

/// The codes that say why somebody may not do something.
fn code_of(status: u16, operation: &str) -> &'static str {
    match status {
        401 => "unauthenticated",
        403 if is_operators(operation) => "operator_required",
        403 => "permission_missing",
        404 if operation.ends_with("_invite") && is_by_link(operation) => "invite_not_found",
        404 => "organization_not_found",
        409 => "organization_dissolving",
        _ => "",
    }
}

fn is_by_link(operation: &str) -> bool {
    ["preview_invite", "accept_invite", "decline_invite"].contains(&operation)
}

#[test]
fn every_route_has_a_row() {
    let routed: BTreeSet<String> = routes().into_iter().map(|route| route.operation).collect();
    let listed: BTreeSet<String> = TABLE
        .iter()
        .map(|(operation, ..)| (*operation).to_owned())
        .collect();
    let without: Vec<_> = routed.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&routed).collect();
    assert!(
        without.is_empty() && stale.is_empty(),
        "say in TABLE of tests/it/access.rs who may call {without:?}; take away {stale:?}"
    );
    assert_eq!(TABLE.len(), routed.len(), "a route has two rows");
}

#[test]
fn every_permission_that_the_table_names_is_one() {
    for (operation, needed, _) in TABLE {
        for needed in needed.split_whitespace() {
            let is_known = Permission::ALL.iter().any(|known| known.as_str() == needed);
            assert!(is_known, "{operation} needs {needed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_what_the_table_says_and_no_more() {
    // Given a portal with some organizations, and in each everybody there can be
    let probe = Probe::start(false).await.unwrap();

    // When everybody asks every route
    let shares = (0..SHARES).map(|first| TABLE.iter().skip(first).step_by(SHARES).copied());
    let asked = shares.map(|rows| differences(&probe, rows.collect()));
    let asked = try_join_all(asked).await.unwrap();

    // Then each is answered as the table says
    let differences = asked.concat();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Into how many organizations the work is shared out.
const SHARES: usize = 4;

/// Where the answers of routes are not those of their rows.
async fn differences(probe: &Probe, rows: Vec<Row>) -> Result<Vec<String>, Failure> {
    let scene = probe.scene().await?;
    let mut people: BTreeMap<(Who, &str), Person> = BTreeMap::new();
    let mut different = Vec::new();
    for (operation, needed, statuses) in rows {
        for (who, status) in Who::ALL.into_iter().zip(statuses) {
            let held = if who == Who::Holder { needed } else { "" };
            let caller = match people.remove(&(who, held)) {
                Some(caller) => caller,
                None => {
                    scene
                        .somebody(who, Some(held).filter(|held| !held.is_empty()))
                        .await?
                }
            };
            let answer = scene.ask(operation, who, &caller).await?;
            let expected = (status, code_of(status, operation));
            let got = (answer.status, answer.code.as_str());
            if got != expected {
                let text = &answer.text;
                different.push(format!(
                    "{operation} by {who:?}: {got:?}, not {expected:?}: {text}"
                ));
            }
            let named = needed.split_whitespace().next().unwrap_or_default();
            if status == 403 && !answer.detail.ends_with(named) {
                let detail = &answer.detail;
                different.push(format!(
                    "{operation} by {who:?}: {detail:?} does not name {needed}"
                ));
            }
            // Who has left or joined is somebody else now.
            if !["leave_organization", "accept_invite"].contains(&operation) {
                people.insert((who, held), caller);
            }
        }
    }
    Ok(different)
}
