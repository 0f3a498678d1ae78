//! `docs/permissions.md`, `docs/actions.md`, `docs/errors.md` and `docs/limits.md`: tables of the domain.

use std::fmt::Write as _;

use portal_domain::action::{self, Rule};
use portal_domain::code::{Code, Refusal};
use portal_domain::json::BOUNDS;
use portal_domain::permission::{PRESETS, Permission};
use portal_domain::role::Role;
use portal_domain::{account, device, invite, limit, membership, organization, plan, role, session};
use portal_http::problem::Problem;

use super::{code, notice, table};

/// Permissions, who holds them, and the presets.
pub(super) fn permissions() -> String {
    let roles = Role::BUILT_IN.map(|role| (role.to_string(), role.built_in_permissions()));
    let head: Vec<&str> = ["permission", "what it allows"]
        .into_iter()
        .chain(roles.iter().map(|(name, _)| name.as_str()))
        .collect();
    let matrix = Permission::ALL.iter().map(|permission| {
        let holds = roles
            .iter()
            .map(|(_, held)| if held.contains(permission) { "yes" } else { "" }.to_owned());
        [code(permission.as_str()), permission.about().to_owned()]
            .into_iter()
            .chain(holds)
            .collect()
    });
    let presets = PRESETS.iter().map(|preset| {
        let names: Vec<String> = preset
            .permissions
            .iter()
            .map(|permission| code(permission.as_str()))
            .collect();
        vec![code(preset.name), preset.about.to_owned(), names.join(", ")]
    });
    format!(
        "# Permissions\n\n{}\n\n\
         What a member may do follows from their role in the organization, read anew with every request. A custom role is a set \
         of permissions; nobody can give, or act on, more than they hold. `GET /v1/permissions` serves the same table.\n\n{}\n\
         ## Presets\n\n\
         Ready-made sets for custom roles.\n\n{}",
        notice("`shared/domain/src/permission.rs` and `role.rs`"),
        table(&head, matrix),
        table(&["preset", "who it is for", "permissions"], presets),
    )
}

/// The rules about actions.
pub(super) fn actions() -> String {
    let rows = Rule::ALL.iter().map(|rule| {
        let step = rule.next_step();
        let seen = rule.seen_by().map(|needed| code(needed.as_str()));
        vec![
            code(rule.as_str()),
            rule.severity().as_str().to_owned(),
            rule.subject().as_str().to_owned(),
            rule.means().to_owned(),
            rule.impact().to_owned(),
            format!(
                "{} {}",
                step.about,
                code(&format!("{} {}", step.method, step.path))
            ),
            code(step.permission.as_str()),
            seen.unwrap_or_default(),
        ]
    });
    format!(
        "# Actions\n\n{}\n\n\
         What rules find in the records that somebody should see to. An action opens when its cause is there, within seconds of the \
         change that brings it, or within an hour where time alone does; it closes itself when the cause is gone, is listed as \
         closed for {} more, and has the same id whenever it opens again. Each organization assigns, snoozes and dismisses \
         for itself; what it dismissed stays so until it is taken up again, or the cause was gone and came back.\n\n\
         Everybody who sees one has `actions.read` and sees what it is about: the record by scope, sites and directory, and \
         with the permission in the last column. Of sites without domain only who runs the site hears; of the organization itself \
         nobody whose role is limited to sites.\n\n{}",
        notice("`shared/domain/src/action/rule.rs`"),
        span(action::KEPT.as_secs()),
        table(
            &[
                "rule",
                "severity",
                "about",
                "what it means",
                "what comes of it",
                "next step",
                "which needs",
                "to see it"
            ],
            rows
        ),
    )
}

/// Every code a problem can have.
pub(super) fn errors() -> String {
    let mut rows: Vec<(u16, Vec<String>)> = Code::ALL
        .iter()
        .map(|&reason| {
            let status = Problem::new(&Refusal::from(reason), "").status();
            let row = vec![
                status.to_string(),
                code(reason.as_str()),
                reason.title().to_owned(),
            ];
            (status, row)
        })
        .collect();
    rows.sort_by_key(|(status, _)| *status);
    format!(
        "# Errors\n\n{}\n\n\
         A refusal is a problem document (RFC 9457, `application/problem+json`) with a stable `code`: decide by it, texts may \
         change. `instance` is the request's id, as in the `x-request-id` header. Where fields are at fault, `errors` lists \
         them with a JSON pointer and a code of this list each. `Retry-After` tells when a 429 or 503 may pass.\n\n{}",
        notice("`shared/domain/src/code.rs`"),
        table(&["status", "code", "title"], rows.into_iter().map(|(_, row)| row)),
    )
}

/// Rate limits, plans and sizes.
pub(super) fn limits() -> String {
    let rates = limit::ALL.iter().map(|limit| {
        vec![
            code(limit.name),
            limit.about.to_owned(),
            limit.most.to_string(),
            span(limit.seconds),
        ]
    });
    let plans = [plan::TEAM]
        .iter()
        .map(|plan| vec![code(plan.name), plan.seats.to_string(), plan.sessions.to_string()])
        .collect::<Vec<_>>();
    let sizes = [
        ("bytes in a body", portal_http::LARGEST_BODY.to_string()),
        ("levels in a body", BOUNDS.depth.to_string()),
        ("values in a body", BOUNDS.values.to_string()),
        ("items on a page of a list", portal_http::LARGEST_PAGE.to_string()),
        (
            "organizations of one account",
            membership::MOST_MEMBERSHIPS.to_string(),
        ),
        ("custom roles of an organization", role::MOST_ROLES.to_string()),
        (
            "allowed domains of an organization",
            organization::MOST_DOMAINS.to_string(),
        ),
        ("rows of a bulk invite", invite::MOST_IN_BULK.to_string()),
        (
            "copies of a name or address brought up to date in one transaction",
            account::MOST_COPIES.to_string(),
        ),
        ("devices of an account", device::MOST_DEVICES.to_string()),
        (
            "time after which a session that nobody ends has expired",
            span(session::LIFETIME.as_secs()),
        ),
        ("life of an invite's link", span(invite::LIFETIME.as_secs())),
        (
            "time in which a dissolution can be cancelled",
            span(organization::GRACE.as_secs()),
        ),
        (
            "exactness of \"last active\"",
            span(membership::ACTIVITY_STEP.as_secs()),
        ),
    ];
    let sizes = sizes.map(|(what, most)| vec![what.to_owned(), most]);
    let mut text = format!(
        "# Limits\n\n{}\n\n\
         ## Rates\n\n\
         Counted in fixed windows, in the transaction of the thing itself; above them the answer is 429 `rate_limited` with \
         `Retry-After`.\n\n{}\n",
        notice("the constants of `shared/domain/src` and `shared/http/src/extract`"),
        table(&["limit", "what is counted", "most", "in"], rates),
    );
    let _ = write!(
        text,
        "## Plans\n\nEvery organization begins with the first. Seats are taken by members whose role holds sessions, and by \
         pending invites to such a role; sessions are counted by months of UTC. Both are shared by a root organization and \
         all below it, and the platform's operator can set others.\n\n{}\n## Sizes and times\n\n{}",
        table(&["plan", "provider seats", "sessions a month"], plans),
        table(&["what", "most"], sizes),
    );
    text
}

/// Seconds as people say them.
fn span(seconds: i64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let fits = units.into_iter().find(|(unit, _)| seconds % unit == 0);
    let (unit, name) = fits.unwrap_or((1, "second"));
    match seconds / unit {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}
