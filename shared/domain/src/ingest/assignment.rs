//! How assignments of specialists are fed.

use jiff::Timestamp;

use crate::code::{Code, Refusal};
use crate::external::Sourced;
use crate::id::{AssignmentId, AssignmentPlace};
use crate::ingest::refer::{Found, refer};
use crate::ingest::{Feed, RecordType};
use crate::person::Place;
use crate::specialist::{AssignmentRecord, Specialist, SpecialistReferences};

/// What lines about assignments are decided by.
#[derive(Debug, Clone)]
pub struct Assignments {
    /// When the lines came.
    pub now: Timestamp,
    /// The sites that they name.
    pub sites: Found<Place>,
    /// The specialists that they name.
    pub specialists: Found<Specialist>,
}

/// An assignment, with the specialist it is kept with.
#[derive(Debug, Clone, PartialEq)]
pub struct Assigned {
    /// Which one it is.
    pub assignment: AssignmentId,
    /// Whose it is.
    pub specialist: Specialist,
}

/// What a line about an assignment comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct AssignmentTaken {
    /// The assignment, with the specialist as they are from now on.
    pub next: Assigned,
    /// The specialist as they were.
    pub before: Specialist,
}

impl Assigned {
    /// Where the assignment is kept.
    #[must_use]
    pub const fn place(&self) -> AssignmentPlace {
        AssignmentPlace {
            specialist: self.specialist.id,
            assignment: self.assignment,
        }
    }
}

impl Feed for Assignments {
    const TYPE: RecordType = RecordType::Assignments;
    type Record = AssignmentRecord;
    type Kept = Assigned;
    type Next = AssignmentTaken;

    fn sourced(kept: &Assigned) -> Option<&Sourced> {
        let assignment = kept.specialist.assignment(kept.assignment)?;
        Some(&assignment.sourced)
    }

    fn taken(
        &self,
        record: AssignmentRecord,
        sourced: Sourced,
        kept: Option<&Assigned>,
    ) -> Result<AssignmentTaken, Refusal> {
        let specialist = refer(&self.specialists, &record.specialist, "/specialist")?;
        if kept.is_some_and(|kept| kept.specialist.id != specialist.id) {
            return Err(Refusal::from(Code::FieldFixed).at("/specialist"));
        }
        let assignment = kept.map_or_else(|| AssignmentId::mint(self.now), |kept| kept.assignment);
        let references = SpecialistReferences {
            sites: self.sites.clone(),
        };
        let next = specialist.assigned(record, &references, assignment, sourced, self.now)?;
        Ok(AssignmentTaken {
            next: Assigned {
                assignment,
                specialist: next,
            },
            before: specialist.clone(),
        })
    }

    fn deleted(&self, kept: &Assigned, sourced: Sourced) -> Result<AssignmentTaken, Refusal> {
        let Assigned {
            assignment,
            specialist,
        } = kept;
        let next = specialist.unassigned(*assignment, sourced, self.now)?;
        Ok(AssignmentTaken {
            next: Assigned {
                assignment: *assignment,
                specialist: next,
            },
            before: specialist.clone(),
        })
    }
}
