//! The whole cloud stack in one process: for people, and for tests.

pub mod bench;
pub mod clock;
pub mod consumer;
pub mod demo;
pub mod dynamodb;
pub mod faults;
pub mod feed;
pub mod functions;
pub mod gateway;
pub mod generate;
pub mod identity;
mod jobs;
pub mod kms;
pub mod loopback;
pub mod mailbox;
pub mod objects;
pub mod probe;
mod problem;
pub mod queues;
mod random;
pub mod stack;
pub mod stream;
mod sync;
pub mod template;
pub mod verify;
