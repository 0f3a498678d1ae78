//! The `sweep-actions` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), portal_http::Error> {
    portal_http::consume(sweep_actions::handle).await
}
