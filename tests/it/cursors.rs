//! Cursors open where they were given, to whom they were given, and nowhere else.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use crate::support::{Clinic, Person, Portal};

async fn refused(person: &Person, path: &str) {
    let answer = person.get(path).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "cursor_invalid"),
        "{path}: {}",
        answer.text
    );
}

/// A clinic with an admin, three more members (one of them admin too), three invites and some events.
async fn busy_clinic(portal: &Portal) -> (Clinic<'_>, Person) {
    let clinic = portal.clinic().await;
    let other = clinic.member("Olga", "admin").await;
    clinic.member("Ada", "viewer").await;
    clinic.member("Ben", "viewer").await;
    for name in ["x", "y", "z"] {
        clinic
            .invite(&format!("{name}@riverside.example"), "viewer")
            .await
            .expect(201);
        clinic.role(name, &[]).await;
    }
    (clinic, other)
}

/// The cursor behind the first page of one item.
async fn first_cursor(person: &Person, list: &str) -> String {
    let separator = if list.contains('?') { '&' } else { '?' };
    let page = person.get(&format!("{list}{separator}limit=1")).await.expect(200);
    page.next_cursor()
        .unwrap_or_else(|| panic!("{list} has one page: {}", page.text))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_together_are_the_whole_list_whatever_their_size() {
    let portal = Portal::start().await;
    let (clinic, _) = busy_clinic(&portal).await;
    for list in [
        "/members",
        "/members?role=viewer",
        "/invites",
        "/invites?status=pending",
        "/audit-events",
        "/audit-events?verb=invite.created",
        "/roles",
    ] {
        let path = clinic.path(list);
        let separator = if list.contains('?') { '&' } else { '?' };
        let whole = clinic
            .admin
            .get(&format!("{path}{separator}limit=100"))
            .await
            .expect(200)
            .items();
        assert!(whole.len() > 1, "{list}");

        // The limit may change from page to page
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        for limit in [1, 2].into_iter().cycle().take(100) {
            let after = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let page = clinic
                .admin
                .get(&format!("{path}{separator}limit={limit}{after}"))
                .await
                .expect(200);
            assert!(page.items().len() <= limit, "{list}");
            seen.extend(page.items());
            cursor = page.next_cursor();
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, whole, "{list}");
        let ids: BTreeSet<String> = seen.iter().map(|item| item["id"].to_string()).collect();
        assert_eq!(ids.len(), whole.len(), "{list}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_was_changed_opens_nothing() {
    let portal = Portal::start().await;
    let (clinic, _) = busy_clinic(&portal).await;
    let list = clinic.path("/members");
    let cursor = first_cursor(&clinic.admin, &list).await;

    // It shows no keys, neither as it is nor decoded
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(&cursor).expect("base64");
    let decoded = String::from_utf8_lossy(&decoded);
    for telling in ["ORG#", "ACCOUNT#", "\"pk\"", "org_", "acc_"] {
        assert!(!cursor.contains(telling), "{cursor}");
        assert!(!decoded.contains(telling), "{cursor}");
    }
    // Every character of it counts
    for at in 0..cursor.len() {
        let mut flipped = cursor.clone().into_bytes();
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(flipped).unwrap();
        refused(&clinic.admin, &format!("{list}?cursor={flipped}")).await;
    }
    for length in (0..cursor.len()).step_by(5) {
        refused(&clinic.admin, &format!("{list}?cursor={}", &cursor[..length])).await;
        refused(&clinic.admin, &format!("{list}?cursor={}", &cursor[length + 1..])).await;
    }
    let huge = "A".repeat(5_000);
    for other in [
        format!("{cursor}A"),
        format!("{cursor}="),
        format!("%20{cursor}"),
        format!("{cursor}%00"),
        format!("{cursor}{cursor}"),
        cursor.to_lowercase(),
        "null".to_owned(),
        "e30".to_owned(),
        "eyJwayI6Ik9SRyNYIn0".to_owned(),
        "%ff".to_owned(),
        huge,
    ] {
        refused(&clinic.admin, &format!("{list}?cursor={other}")).await;
    }
    clinic
        .admin
        .get(&format!("{list}?cursor={cursor}"))
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_works_for_its_account_organization_list_and_filter_only() {
    // Given two admins of one clinic, and one of them with a second clinic
    let portal = Portal::start().await;
    let (clinic, olga) = busy_clinic(&portal).await;
    let dana = &clinic.admin;
    let second = Clinic::of(&portal, dana.clone(), "Hillside").await;
    second.member("Cy", "viewer").await;
    let lists = [
        "/members",
        "/members?role=viewer",
        "/members?search=riverside",
        "/invites",
        "/invites?status=pending",
        "/audit-events",
        "/audit-events?verb=invite.created",
        "/roles",
    ];

    for list in lists {
        let path = clinic.path(list);
        let separator = if list.contains('?') { '&' } else { '?' };
        let cursor = first_cursor(dana, &path).await;
        let with = |path: &str| {
            format!(
                "{path}{}cursor={cursor}",
                if path.contains('?') { '&' } else { '?' }
            )
        };

        // It goes on with the list, with any limit, as often as it is asked
        for limit in ["", "&limit=1", "&limit=100"] {
            dana.get(&format!("{}{limit}", with(&path))).await.expect(200);
        }
        // Not for another account with the same right, not in another organization of the same account
        refused(&olga, &with(&path)).await;
        refused(dana, &with(&second.path(list))).await;
        // Not in any other list or with any other filter
        for other in lists.into_iter().filter(|other| *other != list) {
            refused(dana, &with(&clinic.path(other))).await;
        }
        refused(dana, &with("/v1/organizations")).await;
        let more = match list.split('?').next().unwrap() {
            "/members" => "search=a",
            "/invites" => "status=expired",
            "/audit-events" => "actor=system:x",
            _ => continue,
        };
        if !list.contains(more.split('=').next().unwrap()) {
            refused(dana, &with(&format!("{path}{separator}{more}"))).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_dies_with_the_membership() {
    // Given a member who reads the log page by page
    let portal = Portal::start().await;
    let (clinic, olga) = busy_clinic(&portal).await;
    let list = clinic.path("/audit-events");
    let cursor = first_cursor(&olga, &list).await;
    let next = format!("{list}?cursor={cursor}");
    olga.get(&next).await.expect(200);

    // When she is given a role that may not
    clinic.set_role(&olga, "provider").await.expect(200);
    olga.get(&next).await.expect_problem(403, "permission_missing");

    // And when she is removed, with a token and a cursor that are as good as ever
    let path = clinic.member_path(&olga);
    let etag = clinic.admin.etag(&path).await;
    clinic.admin.delete(&path, &etag).await.expect(204);
    olga.get(&next)
        .await
        .expect_problem(404, "organization_not_found");
    let body = json!({ "name": "Desk", "permissions": [] });
    olga.post(&clinic.path("/roles"), body)
        .await
        .expect_problem(404, "organization_not_found");
}
