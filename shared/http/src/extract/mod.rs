//! What handlers take: each extractor refuses what it cannot stand for.

pub(crate) mod batch;
pub(crate) mod caller;
pub(crate) mod idempotent;
pub(crate) mod if_match;
pub(crate) mod json;
pub(crate) mod list;
pub(crate) mod member;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod resources;
pub(crate) mod service;
