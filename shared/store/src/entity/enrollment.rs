//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | N1 | the enrollment of a patient by an organization | table | `PATIENT#{patient}` | `ENROLLMENT#{organization}` |
//! | N2 | whom an organization has enrolled | by-org | `ORG#{organization}#PATIENT` | patient |

use portal_domain::id::{EnrollmentId, OrganizationId, PatientId};
use portal_domain::patient::Enrollment;

use crate::client::Store;
use crate::entity::{Entity, organization, patient};
use crate::error::StoreError;
use crate::table::{Index, Key};
use crate::transaction::{Failing, Transaction};

const SK: &str = "ENROLLMENT#";

fn key(patient: PatientId, sponsor: OrganizationId) -> Key {
    Key {
        pk: patient::partition(patient),
        sk: format!("{SK}{sponsor}"),
    }
}

impl Entity for Enrollment {
    const KIND: &'static str = "enrollment";

    fn key(&self) -> Key {
        key(self.patient, self.sponsor)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let partition = format!("{}#PATIENT", organization::partition(self.sponsor));
        let listed = (Index::ByOrg, partition, self.patient.to_string());
        // No name: a sponsor's collection says who is in it to nobody.
        if self.deleted_at.is_none() {
            vec![listed]
        } else {
            Vec::new()
        }
    }
}

/// Puts an enrollment in the revision after the one that was read.
pub(crate) fn put(transaction: Transaction, enrollment: &Enrollment) -> Result<Transaction, StoreError> {
    match enrollment.rev {
        1 => transaction.create(enrollment, Failing::Stale),
        rev => transaction.replace(enrollment, rev),
    }
}

impl Store {
    /// N1: these enrollments, whoever may see them: for the source that feeds them. Absent ones are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn fed_enrollments(
        &self,
        ids: impl IntoIterator<Item = EnrollmentId>,
    ) -> Result<Vec<Enrollment>, StoreError> {
        let keys: Vec<Key> = ids.into_iter().map(|id| key(id.patient, id.sponsor)).collect();
        self.get_all(&keys).await
    }

    /// N1: the enrollment of a patient by an organization.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn enrollment(
        &self,
        patient: PatientId,
        sponsor: OrganizationId,
    ) -> Result<Option<Enrollment>, StoreError> {
        self.get(&key(patient, sponsor)).await
    }
}
