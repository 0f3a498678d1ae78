//! Builds one conditional transaction out of many wishes; wishes about one key become one operation.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, Put, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use portal_domain::code::{Code, Refusal};

use crate::client::{Item, Store, is_passing, item_key, patiently_while};
use crate::entity::Entity;
use crate::entity::idempotency::Record;
use crate::error::StoreError;
use crate::expression::{Expression, placeholders};
use crate::table::Key;

/// The most operations in one transaction of DynamoDB.
pub(crate) const MOST_OPERATIONS: usize = 100;

/// What it means that a condition did not hold. The order is the order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failing {
    /// The request was answered before; the item that was found is the answer.
    Answered,
    /// The decision rested on something that has changed.
    Stale,
    /// A limit is used up for so many seconds.
    Limit(u32),
    /// The address is another account's: whatever else it is tied to is that account's matter.
    Claimed,
    /// The address is a member's or invited: the item that was found tells.
    Tied,
    /// A rule is broken.
    Rule(Code),
}

#[derive(Debug)]
enum Action {
    Put(Item),
    Update(Expression),
    Delete,
    Check,
}

#[derive(Debug)]
struct Operation {
    key: Key,
    action: Action,
    condition: Expression,
    failing: Failing,
}

/// A transaction in the making.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    operations: Vec<Operation>,
    /// The sort key of an item that is to be written in two ways.
    contradiction: Option<String>,
}

impl Transaction {
    /// Puts an entity.
    pub(crate) fn put<E: Entity>(
        self,
        entity: &E,
        condition: Expression,
        failing: Failing,
    ) -> Result<Self, StoreError> {
        let item = crate::entity::to_item(entity)?;
        Ok(self.add(Operation {
            key: entity.key(),
            action: Action::Put(item),
            condition,
            failing,
        }))
    }

    /// Puts an entity that does not exist yet.
    pub(crate) fn create<E: Entity>(self, entity: &E, failing: Failing) -> Result<Self, StoreError> {
        self.put(entity, Expression::new("attribute_not_exists(#pk)"), failing)
    }

    /// Puts the next revision of an entity.
    pub(crate) fn replace<E: Entity>(self, entity: &E, rev: u64) -> Result<Self, StoreError> {
        self.put(
            entity,
            Expression::new("#rev = :rev").with("rev", rev - 1),
            Failing::Stale,
        )
    }

    /// Updates an item.
    pub(crate) fn update(
        self,
        key: Key,
        update: Expression,
        condition: Expression,
        failing: Failing,
    ) -> Self {
        self.add(Operation {
            key,
            action: Action::Update(update),
            condition,
            failing,
        })
    }

    /// Deletes an item.
    pub(crate) fn delete(self, key: Key, condition: Expression, failing: Failing) -> Self {
        self.add(Operation {
            key,
            action: Action::Delete,
            condition,
            failing,
        })
    }

    /// Checks an item.
    pub(crate) fn check(self, key: Key, condition: Expression, failing: Failing) -> Self {
        self.add(Operation {
            key,
            action: Action::Check,
            condition,
            failing,
        })
    }

    /// Adds an operation, or makes one of it and an earlier one on the same key: what writes wins over what checks,
    /// what puts over what deletes, and all conditions hold. Two writes that say different things are a defect.
    fn add(mut self, new: Operation) -> Self {
        let Some(old) = self.operations.iter_mut().find(|old| old.key == new.key) else {
            self.operations.push(new);
            return self;
        };
        match (&old.action, &new.action) {
            // Deleting what is put again anyway adds no condition of its own.
            (Action::Put(_), Action::Delete) => {}
            (Action::Delete, Action::Put(_)) => *old = new,
            (_, Action::Check) => old.also(new.condition, new.failing),
            (Action::Check, _) => {
                let (condition, failing) = (std::mem::take(&mut old.condition), old.failing.clone());
                *old = new;
                old.also(condition, failing);
            }
            _ => self.contradiction = Some(new.key.sk),
        }
        self
    }

    fn items(&self, table: &str) -> Result<Vec<TransactWriteItem>, StoreError> {
        self.operations
            .iter()
            .map(|operation| operation.item(table))
            .collect()
    }
}

impl Operation {
    /// Makes it depend on one more condition. Which of two did not hold cannot be told: the decision is made anew.
    fn also(&mut self, condition: Expression, failing: Failing) {
        if condition.is_empty() {
            return;
        }
        if self.failing != failing && !self.condition.is_empty() {
            self.failing = Failing::Stale;
        } else {
            self.failing = failing;
        }
        self.condition = std::mem::take(&mut self.condition).and(condition);
    }

    fn item(&self, table: &str) -> Result<TransactWriteItem, StoreError> {
        let broken = |error: aws_sdk_dynamodb::error::BuildError| StoreError::Broken(error.to_string());
        let empty = Expression::default();
        let update = if let Action::Update(update) = &self.action {
            update
        } else {
            &empty
        };
        let (names, values) = placeholders(&[update, &self.condition]);
        let condition = (!self.condition.is_empty()).then(|| self.condition.text().to_owned());
        let found = ReturnValuesOnConditionCheckFailure::AllOld;
        let item = TransactWriteItem::builder();
        Ok(match &self.action {
            Action::Put(put) => item.put(
                Put::builder()
                    .table_name(table)
                    .set_item(Some(put.clone()))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(found)
                    .build()
                    .map_err(broken)?,
            ),
            Action::Update(update) => item.update(
                Update::builder()
                    .table_name(table)
                    .set_key(Some(item_key(&self.key)))
                    .update_expression(update.text())
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(found)
                    .build()
                    .map_err(broken)?,
            ),
            Action::Delete => item.delete(
                Delete::builder()
                    .table_name(table)
                    .set_key(Some(item_key(&self.key)))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(found)
                    .build()
                    .map_err(broken)?,
            ),
            Action::Check => item.condition_check(
                ConditionCheck::builder()
                    .table_name(table)
                    .set_key(Some(item_key(&self.key)))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(found)
                    .build()
                    .map_err(broken)?,
            ),
        }
        .build())
    }
}

impl Store {
    /// Commits all of `transaction`, or nothing and says why.
    ///
    /// A lost answer is asked for again with the same token, so nothing is applied twice; a conflict with another
    /// transaction is tried again as long as a caller can be kept waiting.
    pub(crate) async fn commit_transaction(&self, transaction: &Transaction) -> Result<(), StoreError> {
        if transaction.operations.is_empty() {
            return Ok(());
        }
        if transaction.operations.len() > MOST_OPERATIONS {
            return Err(StoreError::Broken(
                "a transaction of more than 100 operations".to_owned(),
            ));
        }
        if let Some(item) = &transaction.contradiction {
            return Err(StoreError::Broken(format!(
                "a transaction writes {item} in two ways"
            )));
        }
        let items = transaction.items(&self.table)?;
        let token = format!("{:032x}", rand::random::<u128>());
        let sent = patiently_while(
            || {
                self.client
                    .transact_write_items()
                    .set_transact_items(Some(items.clone()))
                    .client_request_token(&token)
                    .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
                    .send()
            },
            |error| is_passing(error) || transaction.is_contended(error),
        )
        .await;
        match sent {
            Ok(_) => Ok(()),
            Err(failed) => Err(match cancelled(&failed.error) {
                Some(reasons) => transaction.failure(reasons)?.unwrap_or(StoreError::Busy),
                None => failed.into(),
            }),
        }
    }
}

/// Why a transaction was cancelled, one reason an operation; `None` if something else went wrong.
fn cancelled(error: &SdkError<TransactWriteItemsError>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            Some(cancelled.cancellation_reasons())
        }
        _ => None,
    }
}

fn is_contention(code: &str) -> bool {
    matches!(
        code,
        "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"
    )
}

impl Transaction {
    /// Whether it was cancelled for nothing but contention, which passes.
    fn is_contended(&self, error: &SdkError<TransactWriteItemsError>) -> bool {
        cancelled(error).is_some_and(|reasons| matches!(self.failure(reasons), Ok(None)))
    }

    /// What the reasons of a cancelled transaction come to; `None` if all are contention that passes.
    fn failure(&self, reasons: &[CancellationReason]) -> Result<Option<StoreError>, StoreError> {
        let mut worst: Option<(&Failing, Option<&Item>)> = None;
        let mut is_answer_contended = false;
        for (operation, reason) in self.operations.iter().zip(reasons) {
            match reason.code().unwrap_or("None") {
                "None" => {}
                code if is_contention(code) => is_answer_contended |= operation.failing == Failing::Answered,
                "ConditionalCheckFailed" => {
                    if worst.is_none_or(|(failing, _)| operation.failing < *failing) {
                        worst = Some((&operation.failing, reason.item().filter(|item| !item.is_empty())));
                    }
                }
                other => {
                    return Err(StoreError::Broken(format!(
                        "a transaction was cancelled: {other}"
                    )));
                }
            }
        }
        let Some((failing, found)) = worst else {
            return Ok(None);
        };
        // The same request, sent twice, may be what broke the rule: its answer counts, once it can be read.
        if is_answer_contended {
            return Ok(Some(StoreError::Stale));
        }
        Ok(Some(match failing {
            Failing::Answered => match found {
                Some(item) => {
                    StoreError::Answered(Box::new(crate::entity::from_item::<Record>(item.clone())?))
                }
                None => StoreError::Stale,
            },
            Failing::Stale => StoreError::Stale,
            Failing::Limit(seconds) => {
                StoreError::Refused(Refusal::from(Code::RateLimited).retry_after(*seconds))
            }
            Failing::Claimed => StoreError::Refused(Code::EmailClaimed.into()),
            Failing::Tied => StoreError::Refused(crate::entity::tie::refusal(found).into()),
            Failing::Rule(code) => StoreError::Refused((*code).into()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key {
            pk: name.to_owned(),
            sk: name.to_owned(),
        }
    }

    fn condition(name: &str) -> Expression {
        Expression::new(format!("#{name} = :{name}")).with(name, name)
    }

    #[test]
    fn a_check_and_a_write_of_one_item_become_one_operation_under_both_conditions() {
        for transaction in [
            Transaction::default()
                .check(key("a"), condition("x"), Failing::Rule(Code::LastAdmin))
                .delete(key("a"), condition("y"), Failing::Stale),
            Transaction::default()
                .delete(key("a"), condition("y"), Failing::Stale)
                .check(key("a"), condition("x"), Failing::Rule(Code::LastAdmin)),
        ] {
            let [operation] = transaction.operations.as_slice() else {
                panic!("one operation")
            };
            assert!(matches!(operation.action, Action::Delete));
            assert!(
                operation.condition.text().contains("#x = :x")
                    && operation.condition.text().contains("#y = :y")
            );
            assert_eq!(operation.failing, Failing::Stale);
        }
    }

    #[test]
    fn a_condition_alone_keeps_its_meaning() {
        let transaction = Transaction::default()
            .delete(key("a"), Expression::default(), Failing::Stale)
            .check(key("a"), condition("x"), Failing::Rule(Code::LastAdmin));
        assert_eq!(transaction.operations[0].failing, Failing::Rule(Code::LastAdmin));
    }

    #[test]
    fn two_writes_that_say_different_things_are_a_defect() {
        let twice = Transaction::default()
            .update(
                key("a"),
                Expression::new("ADD #n :one"),
                Expression::default(),
                Failing::Stale,
            )
            .update(
                key("a"),
                Expression::new("ADD #n :two"),
                Expression::default(),
                Failing::Stale,
            );
        assert!(twice.contradiction.is_some());
        let once = Transaction::default()
            .delete(key("a"), Expression::default(), Failing::Stale)
            .delete(key("b"), Expression::default(), Failing::Stale);
        assert!(once.contradiction.is_none());
    }

    fn reason(code: &str) -> CancellationReason {
        CancellationReason::builder().code(code).build()
    }

    #[test]
    fn a_broken_condition_outweighs_contention_and_the_gravest_is_told() {
        let transaction = Transaction::default()
            .delete(key("a"), condition("x"), Failing::Rule(Code::LastAdmin))
            .delete(key("b"), condition("y"), Failing::Stale)
            .delete(key("c"), condition("z"), Failing::Stale);
        let told = |reasons: [&str; 3]| transaction.failure(&reasons.map(reason));
        assert!(
            told(["None", "TransactionConflict", "ThrottlingError"])
                .unwrap()
                .is_none()
        );
        assert!(matches!(
            told(["ConditionalCheckFailed", "TransactionConflict", "None"]),
            Ok(Some(StoreError::Refused(_)))
        ));
        assert!(matches!(
            told(["ConditionalCheckFailed", "ConditionalCheckFailed", "None"]),
            Ok(Some(StoreError::Stale))
        ));
        assert!(matches!(
            told(["ItemCollectionSizeLimitExceeded", "None", "None"]),
            Err(StoreError::Broken(_))
        ));
    }

    #[test]
    fn while_another_with_the_same_key_may_be_the_cause_no_rule_is_told() {
        let transaction = Transaction::default()
            .delete(key("a"), condition("x"), Failing::Tied)
            .delete(key("b"), condition("y"), Failing::Answered);
        let told = |reasons: [&str; 2]| transaction.failure(&reasons.map(reason));
        assert!(matches!(
            told(["ConditionalCheckFailed", "TransactionConflict"]),
            Ok(Some(StoreError::Stale))
        ));
        assert!(matches!(
            told(["ConditionalCheckFailed", "None"]),
            Ok(Some(StoreError::Refused(_)))
        ));
    }
}
