//! Patients: who they are, and apart from that how they are reached.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod update;
mod view;
