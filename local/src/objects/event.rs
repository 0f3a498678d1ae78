//! The event of a new object, as the event bus words it.

use serde_json::{Value, json};

use super::bucket::Version;
use crate::random::random_id;

/// That `version` was made in `bucket` by an operation of this name.
pub(super) fn created(bucket: &str, version: &Version, operation: &str) -> Value {
    json!({
        "version": "0", "id": random_id(), "detail-type": "Object Created", "source": "aws.s3",
        "account": "000000000000", "time": version.at, "region": "eu-central-1",
        "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": {
            "version": "0",
            "bucket": { "name": bucket },
            "object": {
                "key": version.key, "size": version.length, "etag": version.tag, "version-id": version.id,
                "sequencer": version.id,
            },
            "request-id": random_id(), "requester": "000000000000", "source-ip-address": "127.0.0.1",
            "reason": operation,
        },
    })
}
