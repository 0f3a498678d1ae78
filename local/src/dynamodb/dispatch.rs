//! From the protocol to the database and back.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::Answer;

/// Runs one operation.
pub(super) fn dispatch(database: &Database, target: &str, text: &[u8]) -> Answer {
    let done = match target {
        "GetItem" => run(text, |request| database.get_item(request)),
        "PutItem" => run(text, |request| database.put_item(request)),
        "UpdateItem" => run(text, |request| database.update_item(request)),
        "DeleteItem" => run(text, |request| database.delete_item(request)),
        "Query" => run(text, |request| database.query(request)),
        "Scan" => run(text, |request| database.scan(request)),
        "BatchGetItem" => run(text, |request| database.batch_get_item(request)),
        "BatchWriteItem" => run(text, |request| database.batch_write_item(request)),
        "TransactGetItems" => run(text, |request| database.transact_get_items(request)),
        "TransactWriteItems" => run(text, |request| database.transact_write_items(request)),
        "CreateTable" => run(text, |request| database.create_table(request)),
        "DeleteTable" => run(text, |request| database.delete_table(request)),
        "DescribeTable" => run(text, |request| database.describe_table(request)),
        "ListTables" => run(text, |request| database.list_tables(request)),
        "UpdateTimeToLive" => run(text, |request| database.update_time_to_live(request)),
        "DescribeTimeToLive" => run(text, |request| database.describe_time_to_live(request)),
        "ListStreams" => run(text, |request| database.list_streams(request)),
        "DescribeStream" => run(text, |request| database.describe_stream(request)),
        "GetShardIterator" => run(text, |request| database.get_shard_iterator(request)),
        "GetRecords" => run(text, |request| database.get_records(request)),
        _ => return Answer::unknown_operation(),
    };
    done.map_or_else(|error| Answer::failure(&error), Answer::success)
}

fn run<I: DeserializeOwned, O: Serialize>(
    text: &[u8],
    operation: impl FnOnce(I) -> Result<O, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(text).map_err(|error| unreadable(&error))?;
    let answer = operation(request)?;
    serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The database's types mark, in front of their message, which of DynamoDB's two error types a refused body gets.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let message = error.to_string();
    let bare = |marker: &str| {
        message
            .strip_prefix(marker)
            .map(|rest| rest.split(" at line ").next().unwrap_or(rest).to_owned())
    };
    if let Some(message) = bare("VALIDATION:").or_else(|| bare("VALIDATION_REQUEST:")) {
        DynoxideError::ValidationException(message)
    } else if let Some(message) = bare("SERIALIZATION:") {
        DynoxideError::SerializationException(message)
    } else if message.contains("missing field")
        || message.contains("unknown variant")
        || message.contains("AttributeValue")
    {
        DynoxideError::ValidationException(message)
    } else {
        DynoxideError::SerializationException(message)
    }
}
