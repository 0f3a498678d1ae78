//! What each function may do at the table: read from the roles in `infra/template.yaml`, so that a right that is missing there is
//! missing here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::operation::{Access, Operation};
use crate::template::{Function, Template};

/// An action, and what it is done to: `table`, or the name of an index.
pub type Right = (String, String);

impl Operation {
    /// What it needs the right to.
    #[must_use]
    pub fn rights(&self) -> BTreeSet<Right> {
        let right = |action: &str, resource: &str| (format!("dynamodb:{action}"), resource.to_owned());
        let is_transaction = self.target.starts_with("Transact");
        self.keys
            .iter()
            .filter_map(|key| match (key.access, &key.index) {
                (Access::Query, index) => Some(right("Query", index.as_deref().unwrap_or("table"))),
                (_, Some(_)) => None,
                (access, None) if is_transaction => Some(match access {
                    Access::Put => right("PutItem", "table"),
                    Access::Update => right("UpdateItem", "table"),
                    Access::Delete => right("DeleteItem", "table"),
                    Access::Check => right("ConditionCheckItem", "table"),
                    _ => right("GetItem", "table"),
                }),
                _ => Some(right(&self.target, "table")),
            })
            .collect()
    }
}

/// What a function's role gives on the table. Rights that a condition limits are not among them.
#[must_use]
pub fn granted(template: &Template, function: &Function) -> BTreeSet<Right> {
    let several = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut all = BTreeSet::new();
    for statement in template.statements(function) {
        // The warm-up reads a key that is never written; whoever may read nothing else may read that.
        let is_warm_up =
            statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"] == json!(["WARM"]);
        if is_warm_up {
            continue;
        }
        for action in several(&statement["Action"]) {
            for resource in several(&statement["Resource"]) {
                let index = resource["Fn::Sub"]
                    .as_str()
                    .and_then(|resource| resource.strip_prefix("${Table.Arn}/index/"));
                let resource = if resource["Fn::GetAtt"] == "Table.Arn" {
                    Some("table")
                } else {
                    index
                };
                if let (Some(action), Some(resource)) = (action.as_str(), resource) {
                    all.insert((action.to_owned(), resource.to_owned()));
                }
            }
        }
    }
    all
}

/// What every function's role gives, by the function's name.
pub(super) struct Roles(BTreeMap<String, BTreeSet<Right>>);

impl Roles {
    pub(super) fn of(template: &Template) -> Self {
        let functions = template.functions().into_iter();
        Self(
            functions
                .map(|function| (function.name.clone(), granted(template, &function)))
                .collect(),
        )
    }

    /// A right that the operation needs and its caller lacks. Who is no function may do everything.
    pub(super) fn lacking(&self, operation: &Operation) -> Option<Right> {
        let granted = self.0.get(&operation.caller)?;
        operation.rights().difference(granted).next().cloned()
    }
}
