//! The black-box suite: people, real routes, a real table, the clock in hand.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]
#![expect(
    clippy::print_stdout,
    clippy::similar_names,
    clippy::too_many_lines,
    reason = "a test tells its seed, and a story in its own words from beginning to end"
)]

mod support;

mod access;
mod actions;
mod architecture;
mod audit;
mod audit_chain;
mod bodies;
mod bookings;
mod budgets;
mod changes;
mod contracts;
mod cursors;
mod dashboard;
mod demo;
mod devices;
mod dissolution;
mod documents;
mod events;
mod exports;
mod faults;
mod fhir;
mod http;
mod idempotency;
mod imports;
mod ingest;
mod invariants;
mod invite_answers;
mod invite_bulk;
mod invite_mails;
mod invite_seats;
mod invites;
mod isolation;
mod jobs;
mod journey;
mod logs;
mod me;
mod members;
mod money;
mod names;
mod notes;
mod objects;
mod organizations;
mod patients;
mod platform;
mod races;
mod roles;
mod scopes;
mod service_tokens;
mod sessions;
mod sites;
mod specialists;
mod statistics;
mod tokens;
mod tour;
mod transactions;
