//! A function's routes, with what the OpenAPI document says of them.

use axum::middleware::from_fn_with_state;
use portal_app::Web;
use portal_domain::code::Code;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::error::ApiError;
use crate::function::Function;
use crate::guard::REJECTED;
use crate::layer;
use crate::problem::Problem;

/// The routes of one function, over the state they need.
pub struct Routes<S> {
    router: OpenApiRouter<S>,
}

impl<S: Clone + Send + Sync + AsRef<Web> + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self {
            router: OpenApiRouter::new(),
        }
    }
}

impl<S: Clone + Send + Sync + AsRef<Web> + 'static> Routes<S> {
    /// With one more route, or several methods of one path: `routes!(get_it, change_it)`.
    #[must_use]
    pub fn with(self, route: UtoipaMethodRouter<S>) -> Self {
        Self {
            router: self.router.routes(route),
        }
    }

    /// What the OpenAPI document says of these routes.
    #[must_use]
    pub fn document(&self) -> Document {
        self.router.get_openapi().clone()
    }

    /// The function that answers them.
    #[must_use]
    pub fn into_function(self, state: &S) -> Function {
        let (router, _) = self.router.with_state(state.clone()).split_for_parts();
        let router = router
            .route(
                REJECTED,
                axum::routing::any(async || ApiError::from(Code::MalformedRequest)),
            )
            .fallback(async || ApiError::from(Code::RouteNotFound))
            .method_not_allowed_fallback(async || ApiError::from(Code::MethodNotAllowed));
        Function::new(router.layer(from_fn_with_state(state.as_ref().clone(), layer::outermost)))
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Organization Portal",
        version = "1.0.0",
        description = "Administer organizations of a telehealth platform: their people, roles, invites and audit log.\n\n\
            Errors are problem documents (RFC 9457) with a stable `code`; the gateway's own (401, 404, 413, 429, 500, 503) are \
            `{\"message\": …}`, to be told by their status. Single resources carry an `ETag`; changing them \
            needs it as `If-Match`. Every POST that creates or sends needs an `Idempotency-Key`; the same key \
            gives the same answer for 24 hours. After 503 a change may have happened: send a POST again with the same key, and \
            read again after PATCH and DELETE.",
        license(name = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem))
)]
struct Base;

/// The OpenAPI document of all `parts` together.
///
/// # Errors
/// Names two schemas or paths that two functions both have: merging would silently drop one.
pub fn document(parts: impl IntoIterator<Item = Document>) -> Result<Document, String> {
    let mut whole = Base::openapi();
    let scheme = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build(),
    );
    let service = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The secret of a service token"))
            .build(),
    );
    if let Some(components) = &mut whole.components {
        components.add_security_scheme("bearer", scheme);
        components.add_security_scheme("service", service);
    }
    whole.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    for part in parts {
        for path in part.paths.paths.keys() {
            if whole.paths.paths.contains_key(path) {
                return Err(format!("two functions serve {path}"));
            }
        }
        let (ours, theirs) = (whole.components.as_ref(), part.components.as_ref());
        for (name, schema) in theirs.iter().flat_map(|components| &components.schemas) {
            let known = ours.and_then(|components| components.schemas.get(name));
            if known
                .is_some_and(|known| serde_json::to_value(known).ok() != serde_json::to_value(schema).ok())
            {
                return Err(format!("two schemas are called {name}"));
            }
        }
        whole.merge(part);
    }
    Ok(whole)
}
