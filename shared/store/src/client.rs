//! The connection to the table: single operations, with one policy for trying again.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnConsumedCapacity};
use futures_util::future::try_join_all;

use crate::entity::Entity;
use crate::error::StoreError;
use crate::expression::{Expression, placeholders};
use crate::page::Listing;
use crate::request::{Gate, OUT_OF_SCOPE};
use crate::table::{Key, PK, SK};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) table: String,
}

/// How long a caller waits for a busy table.
const PATIENCE: Duration = Duration::from_secs(4);
/// The most items in one batch read of DynamoDB.
const MOST_IN_BATCH: usize = 100;
const SHORTEST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_millis(800);

impl Store {
    /// The table called `table`, reached as `config` says. The SDK's own retries are off: there is one policy, here.
    #[must_use]
    pub fn new(config: &aws_sdk_dynamodb::Config, table: impl Into<String>) -> Self {
        let config = config
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .interceptor(Gate)
            .build();
        Self {
            client: Client::from_conf(config),
            table: table.into(),
        }
    }

    /// One read of a key that is never written, so that the first request finds an open connection. A failure is no matter.
    pub async fn warm_up(&self) {
        let key = Key {
            pk: "WARM".to_owned(),
            sk: "UP".to_owned(),
        };
        let _ = self.get_item(&key).await;
    }

    pub(crate) async fn get<E: Entity>(&self, key: &Key) -> Result<Option<E>, StoreError> {
        self.get_item(key)
            .await?
            .map(crate::entity::from_item)
            .transpose()
    }

    async fn get_item(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let output = patiently(|| {
            self.client
                .get_item()
                .table_name(&self.table)
                .set_key(Some(item_key(key)))
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
        })
        .await?;
        Ok(output.item)
    }

    /// The items with these keys, in no order; absent ones are left out.
    pub(crate) async fn get_all<E: Entity>(&self, keys: &[Key]) -> Result<Vec<E>, StoreError> {
        // One batch names a key once.
        let keys: Vec<&Key> = BTreeSet::from_iter(keys).into_iter().collect();
        let batches = keys.chunks(MOST_IN_BATCH).map(|batch| self.get_batch(batch));
        let found = try_join_all(batches).await?;
        found
            .into_iter()
            .flatten()
            .map(crate::entity::from_item)
            .collect()
    }

    async fn get_batch(&self, keys: &[&Key]) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        let mut left: Vec<Item> = keys.iter().map(|key| item_key(key)).collect();
        let begun = tokio::time::Instant::now();
        let mut waited = None;
        while !left.is_empty() {
            let request = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut left)))
                .consistent_read(true)
                .build()
                .map_err(|error| StoreError::Broken(error.to_string()))?;
            let output = patiently(|| {
                self.client
                    .batch_get_item()
                    .request_items(&self.table, request.clone())
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
            })
            .await?;
            found.extend(output.responses.unwrap_or_default().into_values().flatten());
            let unprocessed = output.unprocessed_keys.unwrap_or_default();
            left.extend(unprocessed.into_values().flat_map(|keys| keys.keys));
            if !left.is_empty() {
                let longest = next_rest(begun, waited).ok_or(StoreError::Busy)?;
                rest(longest).await;
                waited = Some(longest);
            }
        }
        Ok(found)
    }

    /// At most `evaluated` items of `listing`, and where the query stopped if there is more.
    pub(crate) async fn query(
        &self,
        listing: &Listing,
        evaluated: i32,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let (pk, sk) = listing.index.map_or((PK, SK), |index| (index.pk(), index.sk()));
        let mut condition = Expression::new(format!("#{pk} = :pk")).with("pk", listing.pk.clone());
        if !listing.range.is_empty() {
            condition = condition.and(listing.range.clone().for_sort_key(sk));
        }
        let (names, values) = placeholders(&[&condition, &listing.filter]);
        let output = patiently(|| {
            self.client
                .query()
                .table_name(&self.table)
                .set_index_name(listing.index.map(|index| index.name().to_owned()))
                // An index cannot be read consistently: its answer is a hint, and conditional writes decide.
                .consistent_read(listing.index.is_none())
                .key_condition_expression(condition.text())
                .set_filter_expression((!listing.filter.is_empty()).then(|| listing.filter.text().to_owned()))
                .set_expression_attribute_names(names.clone())
                .set_expression_attribute_values(values.clone())
                .scan_index_forward(!listing.newest_first)
                .limit(evaluated)
                .set_exclusive_start_key(listing.after.as_ref().map(crate::page::Position::key))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
        })
        .await?;
        Ok((
            output.items.unwrap_or_default(),
            output.last_evaluated_key.filter(|key| !key.is_empty()),
        ))
    }

    /// Changes one item outside a transaction; `false` if `condition` did not hold.
    pub(crate) async fn update(
        &self,
        key: &Key,
        update: &Expression,
        condition: &Expression,
    ) -> Result<bool, StoreError> {
        let (names, values) = placeholders(&[update, condition]);
        let sent = patiently(|| {
            self.client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(item_key(key)))
                .update_expression(update.text())
                .set_condition_expression((!condition.is_empty()).then(|| condition.text().to_owned()))
                .set_expression_attribute_names(names.clone())
                .set_expression_attribute_values(values.clone())
                .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
                .send()
        })
        .await;
        match sent {
            Ok(_) => Ok(true),
            Err(failed) if failed.error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Writes one whole item outside a transaction, whatever was there.
    pub(crate) async fn put<E: Entity>(&self, entity: &E) -> Result<(), StoreError> {
        let item = crate::entity::to_item(entity)?;
        patiently(|| {
            self.client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item.clone()))
                .send()
        })
        .await?;
        Ok(())
    }

    /// Deletes one item outside a transaction; it may be gone already.
    pub(crate) async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        patiently(|| {
            self.client
                .delete_item()
                .table_name(&self.table)
                .set_key(Some(item_key(key)))
                .send()
        })
        .await?;
        Ok(())
    }
}

pub(crate) fn item_key(key: &Key) -> Item {
    [
        (PK.to_owned(), AttributeValue::S(key.pk.clone())),
        (SK.to_owned(), AttributeValue::S(key.sk.clone())),
    ]
    .into()
}

/// A failure after which trying again did not help or makes no sense.
#[derive(Debug)]
pub(crate) struct Failed<E> {
    pub(crate) error: SdkError<E>,
    is_contention: bool,
}

impl<E: ProvideErrorMetadata + std::error::Error + 'static> From<Failed<E>> for StoreError {
    fn from(failed: Failed<E>) -> Self {
        let message = aws_sdk_dynamodb::error::DisplayErrorContext(&failed.error).to_string();
        if message.contains(OUT_OF_SCOPE) {
            Self::OutOfScope
        } else if failed.is_contention {
            Self::Busy
        } else {
            Self::Broken(message)
        }
    }
}

/// Whether the service says, or its silence suggests, that the same request may succeed a moment later.
pub(crate) fn is_passing<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(context) => {
            context.raw().status().as_u16() >= 500
                || matches!(
                    context.err().code(),
                    Some(
                        "ProvisionedThroughputExceededException"
                            | "ThrottlingException"
                            | "RequestLimitExceeded"
                            | "TransactionConflictException"
                            | "TransactionInProgressException"
                    )
                )
        }
        _ => false,
    }
}

/// Sends until it succeeds, fails for good, or [`PATIENCE`] is over; waits with full jitter, 25 to 800 ms.
pub(crate) async fn patiently<T, E, F, S>(send: S) -> Result<T, Failed<E>>
where
    S: FnMut() -> F,
    F: Future<Output = Result<T, SdkError<E>>>,
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    patiently_while(send, is_passing).await
}

/// The same, where `passes` tells which failures may be over a moment later.
pub(crate) async fn patiently_while<T, E, F, S>(
    mut send: S,
    passes: impl Fn(&SdkError<E>) -> bool,
) -> Result<T, Failed<E>>
where
    S: FnMut() -> F,
    F: Future<Output = Result<T, SdkError<E>>>,
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let begun = tokio::time::Instant::now();
    let mut longest = SHORTEST;
    loop {
        // Boxed: the SDK's futures are large, and every caller's would hold several.
        let error = match Box::pin(send()).await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let passing = passes(&error);
        if !passing || begun.elapsed() + longest > PATIENCE {
            return Err(Failed {
                error,
                is_contention: passing,
            });
        }
        rest(longest).await;
        longest = (longest * 2).min(LONGEST);
    }
}

/// Waits a random time up to `longest`.
pub(crate) async fn rest(longest: Duration) {
    tokio::time::sleep(longest.mul_f64(rand::random::<f64>())).await;
}

/// How long the next wait may be after waits of up to `longest`; none when patience since `begun` is over.
pub(crate) fn next_rest(begun: tokio::time::Instant, longest: Option<Duration>) -> Option<Duration> {
    let next = longest.map_or(SHORTEST, |longest| (longest * 2).min(LONGEST));
    (begun.elapsed() + next <= PATIENCE).then_some(next)
}

/// Waits a little before a decision is made anew; longer after more attempts.
pub async fn pause(attempt: u32) {
    rest(SHORTEST.saturating_mul(1 << attempt.min(5))).await;
}
