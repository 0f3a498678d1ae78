//! What an operation touches: read from its request, so that tests can say which keys were ever sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dynoxide::Database;
use serde_json::{Map, Value, json};

use crate::sync::lock;

/// One request to the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its name: `Query`, `TransactWriteItems`, …
    pub target: String,
    /// Who asks: the access key of its signature, which is the function's name in this stack.
    pub caller: String,
    /// Every key it names, in order; a `Scan` names none.
    pub keys: Vec<Key>,
}

/// A key in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The table.
    pub table: String,
    /// The index, when the partition is one of an index.
    pub index: Option<String>,
    /// The partition's value.
    pub partition: String,
    /// The sort key's value; of a query, what it compares with first.
    pub sort: Option<String>,
    /// What is done there.
    pub access: Access,
    /// Which item of a batch or transaction it belongs to; else 0.
    pub item: usize,
}

/// What an operation does at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads one item.
    Get,
    /// Reads a range of items.
    Query,
    /// Writes a whole item.
    Put,
    /// Changes an item.
    Update,
    /// Deletes an item.
    Delete,
    /// Checks a condition on an item.
    Check,
}

impl Access {
    /// Whether the item can be another one afterwards.
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(self, Self::Put | Self::Update | Self::Delete)
    }
}

/// Names of a key's attributes.
#[derive(Clone)]
struct Attributes {
    partition: String,
    sort: Option<String>,
}

/// The key attributes of a table and its indexes.
struct Schema {
    table: Attributes,
    indexes: BTreeMap<String, Attributes>,
}

/// The schemas of the tables seen so far.
#[derive(Default)]
pub(super) struct Schemas(Mutex<BTreeMap<String, Arc<Schema>>>);

impl Schemas {
    fn of(&self, database: &Database, table: &str) -> Option<Arc<Schema>> {
        if let Some(schema) = lock(&self.0).get(table) {
            return Some(Arc::clone(schema));
        }
        let request = serde_json::from_value(json!({ "TableName": table })).ok()?;
        let described = serde_json::to_value(database.describe_table(request).ok()?).ok()?;
        let description = &described["Table"];
        let schema = Arc::new(Schema {
            table: attributes(&description["KeySchema"])?,
            indexes: array(&description["GlobalSecondaryIndexes"])
                .iter()
                .filter_map(|index| {
                    Some((
                        index["IndexName"].as_str()?.to_owned(),
                        attributes(&index["KeySchema"])?,
                    ))
                })
                .collect(),
        });
        lock(&self.0).insert(table.to_owned(), Arc::clone(&schema));
        Some(schema)
    }
}

/// The keys that a request names.
pub(super) fn keys(database: &Database, schemas: &Schemas, target: &str, request: &Value) -> Vec<Key> {
    let mut found = Found {
        database,
        schemas,
        keys: Vec::new(),
    };
    match target {
        "GetItem" => found.item(request, "Key", Access::Get, 0),
        "PutItem" => found.item(request, "Item", Access::Put, 0),
        "UpdateItem" => found.item(request, "Key", Access::Update, 0),
        "DeleteItem" => found.item(request, "Key", Access::Delete, 0),
        "Query" => found.query(request),
        "TransactGetItems" | "TransactWriteItems" => {
            for (index, entry) in array(&request["TransactItems"]).iter().enumerate() {
                found.item(&entry["Get"], "Key", Access::Get, index);
                found.item(&entry["Put"], "Item", Access::Put, index);
                found.item(&entry["Update"], "Key", Access::Update, index);
                found.item(&entry["Delete"], "Key", Access::Delete, index);
                found.item(&entry["ConditionCheck"], "Key", Access::Check, index);
            }
        }
        "BatchGetItem" | "BatchWriteItem" => found.batch(&request["RequestItems"]),
        _ => {}
    }
    found.keys
}

struct Found<'a> {
    database: &'a Database,
    schemas: &'a Schemas,
    keys: Vec<Key>,
}

impl Found<'_> {
    /// The key of an item, and, where the whole item is given, its partitions in the indexes.
    fn item(&mut self, request: &Value, member: &str, access: Access, item: usize) {
        if let (Some(table), Some(values)) = (request["TableName"].as_str(), request[member].as_object()) {
            self.values(table, values, access, item);
        }
    }

    fn values(&mut self, table: &str, values: &Map<String, Value>, access: Access, item: usize) {
        let Some(schema) = self.schemas.of(self.database, table) else {
            return;
        };
        let named = [(None, &schema.table)]
            .into_iter()
            .chain(schema.indexes.iter().map(|(name, index)| (Some(name), index)));
        for (index, attributes) in named {
            let Some(partition) = values.get(&attributes.partition).and_then(text) else {
                continue;
            };
            let sort = attributes
                .sort
                .as_ref()
                .and_then(|name| values.get(name))
                .and_then(text);
            self.keys.push(Key {
                table: table.to_owned(),
                index: index.cloned(),
                partition,
                sort,
                access,
                item,
            });
        }
    }

    fn batch(&mut self, tables: &Value) {
        let mut item = 0;
        for (table, entries) in tables.as_object().into_iter().flatten() {
            let reads = array(&entries["Keys"]).iter().map(|key| (key, Access::Get));
            let writes = array(entries).iter().flat_map(|entry| {
                [
                    (&entry["PutRequest"]["Item"], Access::Put),
                    (&entry["DeleteRequest"]["Key"], Access::Delete),
                ]
            });
            for (values, access) in reads.chain(writes) {
                if let Some(values) = values.as_object() {
                    self.values(table, values, access, item);
                    item += 1;
                }
            }
        }
    }

    fn query(&mut self, request: &Value) {
        let (Some(table), Some(condition)) = (
            request["TableName"].as_str(),
            request["KeyConditionExpression"].as_str(),
        ) else {
            return;
        };
        let Some(schema) = self.schemas.of(self.database, table) else {
            return;
        };
        let index = request["IndexName"].as_str();
        let Some(attributes) = index.map_or(Some(&schema.table), |name| schema.indexes.get(name)) else {
            return;
        };

        let compared = compared(condition, request);
        let value_of = |name: &str| {
            compared
                .iter()
                .find(|(attribute, _)| attribute == name)
                .map(|(_, value)| value.clone())
        };
        if let Some(partition) = value_of(&attributes.partition) {
            let sort = attributes.sort.as_deref().and_then(value_of);
            let index = index.map(str::to_owned);
            self.keys.push(Key {
                table: table.to_owned(),
                index,
                partition,
                sort,
                access: Access::Query,
                item: 0,
            });
        }
    }
}

/// Each attribute in a key condition with the first value it is compared with.
fn compared(condition: &str, request: &Value) -> Vec<(String, String)> {
    let words = condition
        .split(|c: char| c.is_whitespace() || "=<>(),".contains(c))
        .filter(|word| !word.is_empty());
    let mut pairs = Vec::new();
    let mut attribute = None;
    for word in words {
        if word.starts_with(':') {
            let value = text(&request["ExpressionAttributeValues"][word]);
            if let (Some(attribute), Some(value)) = (attribute.take(), value) {
                pairs.push((attribute, value));
            }
        } else if !["AND", "BETWEEN", "BEGINS_WITH"].contains(&word.to_ascii_uppercase().as_str()) {
            let named = request["ExpressionAttributeNames"][word].as_str();
            attribute = Some(named.unwrap_or(word).to_owned());
        }
    }
    pairs
}

fn attributes(key_schema: &Value) -> Option<Attributes> {
    let named = |role: &str| {
        let element = array(key_schema)
            .iter()
            .find(|element| element["KeyType"] == role)?;
        element["AttributeName"].as_str().map(str::to_owned)
    };
    Some(Attributes {
        partition: named("HASH")?,
        sort: named("RANGE"),
    })
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A key's value as text; keys are strings, numbers or bytes.
fn text(value: &Value) -> Option<String> {
    value.as_object()?.values().next()?.as_str().map(str::to_owned)
}
