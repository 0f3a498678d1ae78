//! `docs/openapi.json`.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::extensions::Extensions;

use crate::functions::described;
use crate::probe::Needed;
use crate::stack::Failure;

/// The OpenAPI document of all functions, each operation with what it needs: `x-permission` is a permission, `membership`,
/// `operator`, `service`, `link` or `sign-in`.
///
/// # Errors
/// When two functions claim one path or one schema name.
pub fn open_api(needed: &BTreeMap<String, Needed>) -> Result<String, Failure> {
    let mut document = portal_http::document(described().into_iter().map(|part| part.document))?;
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            let id = operation.operation_id.as_deref().unwrap_or_default();
            let needed = needed.get(id).ok_or_else(|| format!("nobody asked {id}"))?;
            let extension = ("x-permission", json!(name(needed)));
            operation.extensions = Some([extension].into_iter().collect::<Extensions>());
        }
    }
    Ok(document.to_pretty_json()? + "\n")
}

/// What is needed, in a word.
pub(super) fn name(needed: &Needed) -> &'static str {
    match needed {
        Needed::SignIn => "sign-in",
        Needed::Link => "link",
        Needed::Operator => "operator",
        Needed::Service => "service",
        Needed::Membership => "membership",
        Needed::Permission(permission) => permission,
    }
}
