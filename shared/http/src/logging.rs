//! One JSON line per event, from an allow-list of fields: never a name, an address, a token or a body.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging to `lines` at `level` for this product's own targets. Libraries warn only: at lower levels they log requests.
pub fn start(level: &str, lines: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let own: LevelFilter = level.parse().unwrap_or(LevelFilter::INFO);
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(own))
        .with_targets(
            [
                "portal",
                "organizations",
                "invites",
                "members",
                "audit",
                "bookings",
                "dashboard",
                "platform",
                "ingest",
                "sessions",
                "sites",
                "transactions",
                "directory",
                "project_changes",
                "actions",
                "relay",
                "exports",
                "run_imports",
                "write_exports",
                "send_mail",
            ]
            .map(|t| (t, own)),
        )
        .with_targets(
            [
                "portal_http",
                "portal_app",
                "portal_store",
                "portal_mail",
                "portal_documents",
                "portal_feed",
            ]
            .map(|t| (t, own)),
        )
        .with_targets(
            [
                "expire_invites",
                "finish_dissolutions",
                "seal_audit_log",
                "reconcile",
                "sweep_actions",
            ]
            .map(|t| (t, own)),
        );
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(lines);
    // A second start in one process, as in tests, keeps the first.
    let _ = tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init();
}
