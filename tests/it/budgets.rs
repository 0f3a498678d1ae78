//! What requests may cost: round trips by rule, units and dollars as committed.

use std::path::Path;

use portal_local::generate::{Prices, cost};
use portal_local::probe::{Priced, Probe, routes};

/// The cases that take more sequential round trips than their kind of route, and why.
const EXCEPTIONS: &[(&str, &str, u32)] = &[
    // The keys of the organizations are in the memberships.
    ("list_organizations", "", 2),
    // The keys of the sites are in the organization's bindings.
    ("list_sites", "", 2),
    // The partitions of the bookings are in the organization's bindings.
    ("list_bookings", "", 2),
    ("list_bookings", "of no tab", 2),
    ("list_bookings", "of a patient", 2),
    ("list_bookings", "with a specialist", 2),
    ("list_bookings", "of the whole platform", 2),
    // The partitions of the transactions are in the organization's bindings; a month is the organization's, in its time zone.
    ("list_transactions", "", 2),
    ("list_transactions", "of a patient", 2),
    ("list_transactions", "of a specialist", 2),
    ("list_transactions", "of a booking", 2),
    ("list_transactions", "of a kind", 2),
    ("list_transactions", "of the whole platform", 2),
    ("get_statement", "", 2),
    // The sites whose counts are summed up are there, too.
    ("get_dashboard", "", 2),
    ("get_dashboard", "of the whole platform", 2),
    ("get_statistics", "", 2),
    // A month that a sponsor was not told of is counted, and kept as it was told.
    ("get_statistics", "of sponsored people", 4),
    ("get_statistics", "of sponsored people, again", 2),
    // So are the partitions of actions; what the organization has made of them is read by their ids.
    ("list_actions", "", 3),
    ("list_actions", "of a member", 3),
    ("list_actions", "of the whole platform", 3),
    // So are those of the directories.
    ("list_patients", "", 2),
    ("list_patients", "newest first", 2),
    ("list_patients", "searched", 2),
    ("list_patients", "the whole platform", 2),
    ("list_patients", "the whole platform, newest first", 2),
    ("list_specialists", "", 2),
    ("list_specialists", "newest first", 2),
    ("list_specialists", "searched", 2),
    ("list_specialists", "the whole platform", 2),
    ("list_specialists", "the whole platform, newest first", 2),
    // The token; that a batch was begun; what names stand for; what is known under them; and the write.
    ("ingest_records", "", 4),
    ("ingest_records", "one new site, first request in an hour", 5),
    ("ingest_records", "one site that is known, sent again", 4),
    ("ingest_records", "one new patient", 5),
    ("ingest_records", "one patient who is deleted", 5),
    // The token says whose feed it is, and whose imports.
    ("list_changes", "", 2),
    // Beside those: what ids and identifiers stand for, the sites that are named, and the write of what is remembered.
    ("take_resources", "", 6),
    ("take_resources", "one patient who is known, sent again", 5),
    ("list_imports", "", 2),
    ("get_import", "", 2),
    // Whether the key was used, the import, and what is known of it then.
    ("create_import", "", 4),
    // That somebody looks at a patient, or at notes on them, is in the audit log before it is shown.
    ("get_patient", "", 2),
    ("list_notes", "", 2),
    ("get_note", "", 2),
    // How many sessions there are is counted once it is known that they are not shared.
    ("list_organization_sessions", "their numbers alone", 2),
    // The month turns out to be over, what is known of it is read, and the next is begun.
    ("start_session", "the first of a month", 4),
    // One more write makes the account.
    // That a link is handed out is in the audit log before it is.
    ("get_export", "", 2),
    ("get_me", "first sign-in", 2),
    ("accept_invite", "first sign-in", 3),
    // Activity is noted once an hour.
    ("list_members", "first request in an hour", 2),
    // What the organizations allow is read after the memberships that name them.
    ("update_me", "a new address, one membership", 3),
    // The seats turn out to be used up, an expired hold is looked for, and taken over.
    ("create_invite", "takes over an expired seat hold", 4),
    ("update_member", "takes over an expired seat hold", 4),
    // The right is checked and the key bound to all rows, then each row is a change of its own.
    ("create_invites", "", 2 + 2),
    ("create_invites", "three rows", 2 + 3 * 2),
];

/// How many sequential round trips a case may take: a read one, a change two.
fn budget(priced: &Priced) -> u32 {
    let named =
        |(operation, case, _): &&(&str, &str, u32)| *operation == priced.operation && *case == priced.case;
    if let Some((.., most)) = EXCEPTIONS.iter().find(named) {
        return *most;
    }
    let is_read = routes().iter().any(|route| {
        route.operation == priced.operation && (route.method == "GET" || route.operation == "preview_invite")
    });
    if is_read { 1 } else { 2 }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_keeps_its_budget_and_costs_what_is_committed() {
    // Given what every route costs now
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let probe = Probe::start(false).await.unwrap();
    let all = probe.prices().await.unwrap();

    // Then none takes more round trips than its kind may
    for priced in &all {
        let most = budget(priced);
        assert!(
            priced.cost.round_trips <= most,
            "{} {}: {} round trips, {most} at most. Read at once what does not depend on each other, or name the \
             exception in tests/it/budgets.rs",
            priced.operation,
            priced.case,
            priced.cost.round_trips
        );
    }

    // And no exception is kept that nothing needs
    for (operation, case, most) in EXCEPTIONS {
        let taken = all
            .iter()
            .find(|priced| priced.operation == *operation && priced.case == *case)
            .map(|priced| priced.cost.round_trips);
        assert_eq!(
            taken,
            Some(*most),
            "{operation} {case}: the exception is no longer one"
        );
    }

    // And docs/cost.md says so
    let now = cost(&all, &Prices::of(&folder).unwrap());
    let committed = std::fs::read_to_string(folder.join("docs/cost.md")).unwrap();
    let changed: Vec<&str> = now
        .lines()
        .filter(|line| !committed.lines().any(|known| known == *line))
        .collect();
    assert!(
        now == committed,
        "docs/cost.md says something else than:\n{}\nIf that is meant, run `make generate`.",
        changed.join("\n")
    );
}
