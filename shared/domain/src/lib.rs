//! The rules and types of the organization portal: no input or output, no clock, no network.
//!
//! Decisions are functions over what was read: they return the change to commit or a [`Refusal`](code::Refusal).

pub mod access;
pub mod account;
pub mod action;
pub mod audit;
pub mod booking;
pub mod chain;
pub mod change;
pub mod code;
pub mod configuration;
pub mod dashboard;
pub mod device;
pub mod due;
pub mod email;
pub mod export;
pub mod external;
pub mod feed;
pub mod fhir;
pub mod id;
pub mod import;
pub mod ingest;
pub mod invite;
pub mod json;
pub mod lease;
pub mod limit;
pub mod locale;
pub mod membership;
pub mod money;
pub mod note;
pub mod operator;
pub mod organization;
pub mod outbox;
pub mod patient;
pub mod permission;
pub mod person;
pub mod plan;
pub mod projection;
pub mod reach;
pub mod role;
#[cfg(test)]
mod sample;
pub mod search;
pub mod session;
pub mod site;
pub mod specialist;
pub mod statistics;
pub mod text;
pub mod time;
pub mod token;
pub mod transaction;
pub mod wish;
