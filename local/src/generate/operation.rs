//! `docs/configuration.md` and `docs/routes.md`: how functions are set up, and what they serve.

use std::collections::BTreeMap;
use std::path::Path;

use portal_app::config::VARIABLES;

use super::contract::name;
use super::{code, notice, table};
use crate::probe::{Needed, routes as all_routes};
use crate::stack::Failure;
use crate::template::Template;

/// Every environment variable, and which function gets it.
pub(super) fn configuration(folder: &Path) -> Result<String, Failure> {
    let functions = Template::read(folder)?.functions();
    let rows = VARIABLES.iter().map(|variable| {
        let given: Vec<String> = functions
            .iter()
            .filter(|function| function.variables().iter().any(|name| name == variable.name))
            .map(|function| code(&function.name))
            .collect();
        let default = match variable.default {
            None => "none: it must be set".to_owned(),
            Some("") => "empty".to_owned(),
            Some(default) => code(default),
        };
        let given = if given.len() == functions.len() {
            "all".to_owned()
        } else {
            given.join(", ")
        };
        vec![code(variable.name), variable.about.to_owned(), default, given]
    });
    Ok(format!(
        "# Configuration\n\n{}\n\n\
         A function reads its environment once, when it starts; a variable that is missing or has another form ends the start, \
         not a request. Values for a deployment are the template's parameters, in `samconfig.toml`. The AWS SDK's own variables \
         (`AWS_REGION`, `AWS_ENDPOINT_URL`, …) work as everywhere.\n\n{}",
        notice("`shared/app/src/config.rs` and `infra/template.yaml`"),
        table(&["variable", "what it is", "default", "functions"], rows),
    ))
}

/// Every route, with what it needs.
pub(super) fn routes(needed: &BTreeMap<String, Needed>) -> String {
    let rows = all_routes().into_iter().map(|route| {
        let needed = needed.get(&route.operation).map_or("", name);
        let needed = if needed.contains('.') {
            code(needed)
        } else {
            needed.to_owned()
        };
        vec![
            route.method.to_string(),
            code(&route.path),
            code(&route.operation),
            route.function.to_owned(),
            needed,
            route.summary,
        ]
    });
    format!(
        "# Routes\n\n{}\n\n\
         `sign-in` needs an access token and nothing else; `link` also a token from an invite's mail, sent to the caller's own \
         address; `membership` an active membership in the organization of the path; everything else is a permission \
         ([permissions](permissions.md)). Who has no membership gets 404, who lacks the permission 403. Requests and answers are \
         in [`openapi.json`](openapi.json), where `x-permission` says the same; what each costs is in [cost](cost.md).\n\n{}",
        notice("the handlers, each asked once in a stack of its own"),
        table(
            &["method", "path", "operation", "function", "needs", "what it does"],
            rows
        ),
    )
}
