//! The `actions` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), portal_http::Error> {
    portal_http::run(actions::routes()).await
}
