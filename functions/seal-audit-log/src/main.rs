//! The `seal-audit-log` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), portal_http::Error> {
    portal_http::consume(seal_audit_log::handle).await
}
