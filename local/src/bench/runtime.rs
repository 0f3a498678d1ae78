//! A small Lambda Runtime API on loopback: hands events to one function and takes its answers.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::AbortHandle;

use crate::random::random_id;
use crate::stack::Failure;

/// The API for one function. It ends when it is dropped.
pub(super) struct Runtime {
    address: String,
    shared: Arc<Shared>,
    events: mpsc::Sender<String>,
    answers: Mutex<mpsc::Receiver<Result<Bytes, Bytes>>>,
    task: AbortHandle,
}

struct Shared {
    asked: Notify,
    events: Mutex<mpsc::Receiver<String>>,
    answers: mpsc::Sender<Result<Bytes, Bytes>>,
}

impl Runtime {
    pub(super) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (events, to_function) = mpsc::channel(1);
        let (from_function, answers) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            asked: Notify::new(),
            events: Mutex::new(to_function),
            answers: from_function,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/2018-06-01/runtime/init/error", post(failed))
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            address,
            shared,
            events,
            answers: Mutex::new(answers),
            task: serving.abort_handle(),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Returns when the function has asked for work.
    pub(super) async fn ready(&self) -> Result<(), Failure> {
        let mut answers = self.answers.lock().await;
        tokio::select! {
            () = self.shared.asked.notified() => Ok(()),
            failed = answers.recv() => Err(format!("the function does not start: {}", said(failed)).into()),
        }
    }

    /// Gives the function an event and waits for its answer.
    pub(super) async fn invoke(&self, event: &str) -> Result<Value, Failure> {
        self.events.send(event.to_owned()).await?;
        match self.answers.lock().await.recv().await {
            Some(Ok(answer)) => Ok(serde_json::from_slice(&answer)?),
            failed => Err(format!("the function fails: {}", said(failed)).into()),
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn said(outcome: Option<Result<Bytes, Bytes>>) -> String {
    let Some(Ok(bytes) | Err(bytes)) = outcome else {
        return "nothing".to_owned();
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the deadline is one of the machine, not of the stack's movable clock"
)]
async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.asked.notify_one();
    let Some(event) = shared.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis()
        + 30_000;
    let headers = [
        ("lambda-runtime-aws-request-id", random_id().to_string()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:local:000000000000:function:bench".to_owned(),
        ),
        ("content-type", "application/json".to_owned()),
    ];
    (axum::response::AppendHeaders(headers), event).into_response()
}

async fn answered(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    passed_on(&shared, Ok(body)).await
}

async fn failed(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    passed_on(&shared, Err(body)).await
}

async fn passed_on(shared: &Shared, outcome: Result<Bytes, Bytes>) -> StatusCode {
    match shared.answers.send(outcome).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::GONE,
    }
}
