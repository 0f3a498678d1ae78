//! The `sessions` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), portal_http::Error> {
    portal_http::run(sessions::routes()).await
}
