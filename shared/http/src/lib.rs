//! How functions meet HTTP: the entry point, who may call, strict input, answers and problems, said once for all routes.

pub mod answer;
mod error;
mod extract;
mod function;
mod guard;
mod layer;
pub mod listing;
pub mod logging;
pub mod perform;
pub mod problem;
mod routes;
pub mod view;

pub use answer::{ListView, Reply, View};
pub use error::{ApiError, status};
pub use extract::batch::Batch;
pub use extract::caller::Caller;
pub use extract::idempotent::{Idempotent, Nothing};
pub use extract::if_match::IfMatch;
pub use extract::json::{Json, LARGEST_BODY};
pub use extract::list::{LARGEST_PAGE, List, NoFilter, Paging};
pub use extract::member::Member;
pub use extract::path::Path;
pub use extract::query::Query;
pub use extract::resources::Resources;
pub use extract::service::Service;
pub use function::{Error, Function, consume, run};
pub use perform::Decision;
pub use portal_domain::json::object;
pub use routes::{Routes, document};
