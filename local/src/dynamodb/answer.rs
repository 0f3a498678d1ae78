//! Answers as DynamoDB words them, refusals included.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use dynoxide::DynoxideError;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::rights::Right;
use crate::faults::Faults;
use crate::random::random_id;

const SERVICE: &str = "com.amazonaws.dynamodb.v20120810#";
const AVAILABILITY: &str = "com.amazon.coral.availability#";
const CORAL: &str = "com.amazon.coral.service#";
const TOO_FAST: &str = "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
                        provisioning level with the UpdateTable API.";
const TOO_FAST_ON_DEMAND: &str = "Throughput exceeds the current capacity of your table or index.";
const CONFLICT: &str = "Transaction is ongoing for the item";

/// An answer, or the lack of one.
#[derive(Clone)]
pub(super) enum Answer {
    /// A status and a body.
    Said(StatusCode, String),
    /// The connection ends in the middle of the answer.
    Broken,
}

impl Answer {
    pub(super) fn success(body: String) -> Self {
        Self::Said(StatusCode::OK, body)
    }

    pub(super) fn failure(error: &DynoxideError) -> Self {
        Self::Said(
            StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST),
            error.to_json(),
        )
    }

    pub(super) fn malformed() -> Self {
        Self::Said(
            StatusCode::BAD_REQUEST,
            json!({ "__type": format!("{CORAL}SerializationException") }).to_string(),
        )
    }

    pub(super) fn unknown_operation() -> Self {
        Self::Said(
            StatusCode::BAD_REQUEST,
            json!({ "__type": format!("{CORAL}UnknownOperationException") }).to_string(),
        )
    }

    pub(super) fn internal_error() -> Self {
        let body =
            json!({ "__type": format!("{SERVICE}InternalServerError"), "message": "Internal server error" });
        Self::Said(StatusCode::INTERNAL_SERVER_ERROR, body.to_string())
    }

    /// The caller's role does not give this right.
    pub(super) fn denied((action, resource): &Right) -> Self {
        Self::refused(
            &format!("{CORAL}AccessDeniedException"),
            &format!("The role in infra/template.yaml does not allow {action} on {resource}."),
        )
    }

    /// The same request is being carried out for another call with its token.
    pub(super) fn in_progress() -> Self {
        let body = json!({
            "__type": format!("{SERVICE}TransactionInProgressException"),
            "Message": "The transaction with the given request token is already in progress.",
        });
        Self::Said(StatusCode::BAD_REQUEST, body.to_string())
    }

    /// Refused for lack of throughput, in one of the forms that this operation can get.
    pub(super) fn throttled(target: &str, request: &Value, faults: &Faults) -> Self {
        let form = faults.choose(3);
        let unprocessed = &request["RequestItems"];
        match (target, form) {
            ("TransactWriteItems" | "TransactGetItems", 1 | 2) => {
                let code = if form == 1 {
                    "ThrottlingError"
                } else {
                    "ProvisionedThroughputExceeded"
                };
                let count = request["TransactItems"].as_array().map_or(0, Vec::len);
                Self::cancelled(code, TOO_FAST_ON_DEMAND, count, &[faults.choose(count)])
            }
            ("BatchGetItem", 1 | 2) => {
                Self::success(json!({ "Responses": {}, "UnprocessedKeys": unprocessed }).to_string())
            }
            ("BatchWriteItem", 1 | 2) => {
                Self::success(json!({ "UnprocessedItems": unprocessed }).to_string())
            }
            (_, 0) => Self::refused(&format!("{AVAILABILITY}ThrottlingException"), TOO_FAST_ON_DEMAND),
            _ => Self::refused(
                &format!("{SERVICE}ProvisionedThroughputExceededException"),
                TOO_FAST,
            ),
        }
    }

    /// Another transaction has the items at `indexes`.
    pub(super) fn conflict(target: &str, count: usize, indexes: &[usize]) -> Self {
        if target.starts_with("Transact") {
            Self::cancelled("TransactionConflict", CONFLICT, count, indexes)
        } else {
            Self::refused(&format!("{SERVICE}TransactionConflictException"), CONFLICT)
        }
    }

    /// What the client gets when the answer is lost: an error without a reason, or the end of the connection.
    pub(super) fn lost(faults: &Faults) -> Self {
        if faults.choose(2) == 0 {
            Self::internal_error()
        } else {
            Self::Broken
        }
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Said(StatusCode::OK, _))
    }

    pub(super) fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::Said(status, text) => (status, Body::from(text)),
            Self::Broken => {
                let cut = [
                    Ok(Bytes::from_static(b"{")),
                    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
                ];
                (StatusCode::OK, Body::from_stream(stream::iter(cut)))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.0"),
        );
        if let Ok(id) = HeaderValue::from_str(&random_id().simple().to_string().to_uppercase()) {
            headers.insert("x-amzn-requestid", id);
        }
        response
    }

    fn refused(kind: &str, message: &str) -> Self {
        Self::Said(
            StatusCode::BAD_REQUEST,
            json!({ "__type": kind, "message": message }).to_string(),
        )
    }

    /// A transaction of `count` items that failed for `code` at `indexes`, with one reason per item, in order.
    fn cancelled(code: &str, message: &str, count: usize, indexes: &[usize]) -> Self {
        let failed = |index: &usize| indexes.contains(index);
        let codes: Vec<&str> = (0..count)
            .map(|index| if failed(&index) { code } else { "None" })
            .collect();
        let reasons: Vec<Value> = (0..count)
            .map(|index| {
                if failed(&index) {
                    json!({ "Code": code, "Message": message })
                } else {
                    json!({ "Code": "None" })
                }
            })
            .collect();
        let body = json!({
            "__type": format!("{SERVICE}TransactionCanceledException"),
            "Message": format!(
                "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", ")
            ),
            "CancellationReasons": reasons,
        });
        Self::Said(StatusCode::BAD_REQUEST, body.to_string())
    }
}
