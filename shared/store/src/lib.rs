//! The table: keys, items, access patterns and transactions. Nothing else knows that it is DynamoDB.

mod called;
mod client;
mod commit;
pub mod entity;
mod error;
mod expression;
mod merge;
mod page;
pub mod request;
mod sought;
pub mod table;
mod transaction;

pub use client::{Store, pause};
pub use error::StoreError;
pub use page::{Page, Position};
pub use sought::Sought;
