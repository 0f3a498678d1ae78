//! The `project-changes` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), portal_http::Error> {
    portal_http::consume(project_changes::handle).await
}
