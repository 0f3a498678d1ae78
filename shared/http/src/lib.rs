//! How functions meet HTTP: the entry point, who may call, strict input, answers and problems, said once for all routes.

pub mod answer;
mod error;
mod extract;
mod function;
mod guard;
mod layer;
pub mod logging;
pub mod perform;
pub mod problem;
mod routes;
pub mod view;

pub use answer::{ListView, Reply, View};
pub use error::ApiError;
pub use extract::caller::Caller;
pub use extract::idempotent::{Idempotent, Nothing};
pub use extract::if_match::IfMatch;
pub use extract::json::{DEEPEST_BODY, Json, LARGEST_BODY, MOST_VALUES, object, parse_value};
pub use extract::list::{LARGEST_PAGE, List, NoFilter, Paging};
pub use extract::member::Member;
pub use extract::path::Path;
pub use function::{Error, Function, consume, run};
pub use perform::Decision;
pub use routes::{Routes, document};
