//! The two entry points: a function behind the API, and a function that events call.

use std::task::{Context, Poll};

use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, LambdaEvent};
use portal_app::{Config, Part};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::Service;

use crate::guard;
use crate::routes::Routes;

/// What ends a function, or an event that is to be tried again.
pub type Error = lambda_http::Error;
type Converter = Adapter<'static, axum::response::Response, axum::Router>;

/// A function behind the API: from gateway event to gateway answer, the same in Lambda and in the local stack.
#[derive(Clone)]
pub struct Function {
    router: axum::Router,
}

impl Function {
    /// The function that serves `router`.
    pub(crate) const fn new(router: axum::Router) -> Self {
        Self { router }
    }
}

impl Service<LambdaEvent<LambdaRequest>> for Function {
    type Response = <Converter as Service<LambdaEvent<LambdaRequest>>>::Response;
    type Error = <Converter as Service<LambdaEvent<LambdaRequest>>>::Error;
    type Future = <Converter as Service<LambdaEvent<LambdaRequest>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, event: LambdaEvent<LambdaRequest>) -> Self::Future {
        let LambdaEvent { payload, context } = event;
        Converter::from(self.router.clone()).call(LambdaEvent::new(guard::safe(payload), context))
    }
}

/// Runs a function behind the API.
///
/// # Errors
/// When its configuration is not complete, or the runtime fails.
pub async fn run<S: Part + AsRef<portal_app::Web>>(routes: Routes<S>) -> Result<(), Error> {
    let state: S = start().await?;
    lambda_runtime::run(routes.into_function(&state)).await
}

/// Runs a function that events call.
///
/// # Errors
/// When its configuration is not complete, or the runtime fails.
pub async fn consume<S, E, A>(handle: impl AsyncFn(&S, E) -> Result<A, Error>) -> Result<(), Error>
where
    S: Part,
    E: DeserializeOwned,
    A: Serialize,
{
    let state: S = start().await?;
    let handle = &handle;
    let state = &state;
    lambda_runtime::run(lambda_runtime::service_fn(async move |event: LambdaEvent<E>| {
        handle(state, event.payload).await
    }))
    .await
}

async fn start<S: Part>() -> Result<S, Error> {
    let config = Config::from_env().await;
    crate::logging::start(config.get(&portal_app::config::LOG_LEVEL)?, std::io::stdout);
    let state = S::build(&config)?;
    state.warm_up().await;
    Ok(state)
}
