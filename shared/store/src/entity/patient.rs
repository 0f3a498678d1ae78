//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | P1 | one patient | table | `PATIENT#{patient}` | `PATIENT` |

use portal_domain::id::{PatientId, SiteId};
use portal_domain::patient::{Patient, PatientQuery, PatientRow};
use portal_domain::person::{FullName, Presence, Sort};
use portal_domain::reach::{Of, Reach};

use crate::client::Store;
use crate::entity::Entity;
use crate::entity::listed::{self, Directory, Row};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Page, Position};
use crate::sought::Sought;
use crate::table::Key;
use crate::transaction::{Failing, Transaction};

const SK: &str = "PATIENT";

/// The partition of a patient: notes, enrollments and the copies for lists are in it too.
pub(crate) fn partition(patient: PatientId) -> String {
    format!("PATIENT#{patient}")
}

pub(crate) fn key(patient: PatientId) -> Key {
    Key {
        pk: partition(patient),
        sk: SK.to_owned(),
    }
}

impl Entity for Patient {
    const KIND: &'static str = "patient";

    fn key(&self) -> Key {
        key(self.id)
    }
}

impl Row for PatientRow {
    const OF: Of = Of::Patients;
    const COPY: &'static str = "patient_row";
    const FOUND: &'static str = "patient_found";
    const COLLECTION: &'static str = "PATIENT";

    fn partition(&self) -> String {
        partition(self.id)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn number(&self) -> u128 {
        self.id.uuid().as_u128()
    }

    fn name(&self) -> &FullName {
        &self.name
    }

    fn presences(&self) -> &[Presence] {
        &self.registrations
    }

    fn since(&self, site: Option<SiteId>) -> jiff::Timestamp {
        self.since(site)
    }

    fn came_last_to(&self, site: SiteId, seen: impl Fn(SiteId) -> bool) -> bool {
        self.came_last_to(site, seen)
    }

    fn tokens(&self) -> Vec<String> {
        self.tokens()
    }
}

/// Puts a patient in the revision after the one that was read, with the copies that change by it.
pub(crate) fn put(
    transaction: Transaction,
    new: &Patient,
    old: Option<&Patient>,
) -> Result<Transaction, StoreError> {
    let transaction = match old {
        None => transaction.create(new, Failing::Stale)?,
        Some(_) => transaction.replace(new, new.rev)?,
    };
    let before = old.and_then(Patient::row);
    listed::put(transaction, new.row().as_ref(), before.as_ref())
}

impl Store {
    /// P1: one patient.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn patient(&self, patient: PatientId) -> Result<Sought<Patient>, StoreError> {
        self.get(&key(patient)).await.map(Sought::new)
    }

    /// P1: these patients, whoever may see them: for the source that feeds them. Absent ones are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn fed_patients(
        &self,
        ids: impl IntoIterator<Item = PatientId>,
    ) -> Result<Vec<Patient>, StoreError> {
        let keys: Vec<Key> = ids.into_iter().map(key).collect();
        self.get_all(&keys).await
    }

    /// R1, R2, R3, R4 or R5: the patients that are wanted, within `reach`.
    ///
    /// # Errors
    /// As a refusal: [`Code::SiteNotFound`](portal_domain::code::Code::SiteNotFound) for a site outside the reach,
    /// [`Code::CursorExpired`](portal_domain::code::Code::CursorExpired),
    /// [`Code::SiteFilterRequired`](portal_domain::code::Code::SiteFilterRequired). [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn patients(
        &self,
        reach: &Reach,
        query: &PatientQuery,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<PatientRow>, StoreError> {
        let mut filter = Expression::default();
        if let Some(status) = query.status {
            filter = filter.and(Expression::new("#status = :status").with("status", status.as_str()));
        }
        if let Some(source) = &query.referral_source {
            let is_so = Expression::new("#referral_source = :source");
            filter = filter.and(is_so.with("source", source.as_str()));
        }
        let directory = Directory {
            reach: &reach.clone().at(query.site)?,
            search: query.search.as_ref(),
            times: (query.sort == Sort::Newest).then_some((query.since, query.until)),
            filter,
        };
        self.listed(directory, |row, site| query.matches(row, site), limit, after)
            .await
    }
}
