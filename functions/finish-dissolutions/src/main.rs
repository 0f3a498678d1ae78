//! The `finish-dissolutions` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), portal_http::Error> {
    portal_http::consume(finish_dissolutions::handle).await
}
