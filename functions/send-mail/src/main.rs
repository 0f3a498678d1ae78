//! The `send-mail` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), portal_http::Error> {
    portal_http::consume(send_mail::handle).await
}
