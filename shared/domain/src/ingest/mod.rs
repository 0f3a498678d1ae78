//! Ingest: lines by which a source tells of its records, and what becomes of each.
//!
//! A line says what one record is, never how it changed. So lines may come twice, late, and in any order: the newest state of a
//! record stays, whatever batches it came in.

mod assignment;
mod batch;
mod booking;
mod enrollment;
mod line;
mod naming;
mod note;
mod patient;
mod refer;
mod site;
mod specialist;
mod transaction;

use serde::{Deserialize, Serialize};

pub use assignment::{Assigned, AssignmentTaken, Assignments};
pub use batch::{End, Feed, Known, Mark, Settled, groups, settle};
pub use booking::{BookingTaken, Bookings};
pub use enrollment::Enrollments;
pub(crate) use line::hex;
pub use line::{Content, Form, Line, lines};
pub use naming::{Named, Naming};
pub use note::Notes;
pub use patient::Patients;
pub use refer::Found;
pub use site::Sites;
pub use specialist::Specialists;
pub use transaction::{TransactionTaken, Transactions};

use crate::code::{Code, Refusal};

/// The most bytes in a batch.
pub const LARGEST_BATCH: usize = 4 * 1024 * 1024;

/// The most lines in a batch.
pub const MOST_LINES: usize = 1_000;

macro_rules! types {
    ($($(#[$doc:meta])* $name:ident $wire:literal;)*) => {
        /// A type of record that sources feed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum RecordType {
            $($(#[$doc])* #[serde(rename = $wire)] $name,)*
        }

        impl RecordType {
            /// All types, those that others name first.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The type as it is sent, and stood for in keys.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }
        }
    };
}

types! {
    /// Branded patient-facing properties.
    Sites "sites";
    /// People who are cared for.
    Patients "patients";
    /// People who care for them.
    Specialists "specialists";
    /// Where, when and in which specialties specialists work, each told apart from who they are.
    Assignments "assignments";
    /// Patients whom an organization sponsors.
    Enrollments "enrollments";
    /// Appointments.
    Bookings "bookings";
    /// Entries of the ledger.
    Transactions "transactions";
    /// Notes on patients.
    Notes "notes";
}

impl std::str::FromStr for RecordType {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().copied().find(|of| of.as_str() == text);
        found.ok_or_else(|| Code::RouteNotFound.into())
    }
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There was no such record, and now there is.
    Created,
    /// The record is another now, or was deleted.
    Updated,
    /// It says what is known already, or deletes what is not there.
    Unchanged,
    /// A newer state of the record is known.
    SkippedStale,
    /// Another line of the batch says the same or something newer.
    SupersededInBatch,
    /// It was refused; the others were not.
    Failed(Refusal),
}

impl Outcome {
    /// The outcome's word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::SkippedStale => "skipped_stale",
            Self::SupersededInBatch => "superseded_in_batch",
            Self::Failed(_) => "failed",
        }
    }
}
