//! Which entries are wanted: one value for the list, the tile that counts it and the export.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::code::{Code, Refusal};
use crate::id::{BookingId, PatientId, SiteId, SpecialistId};
use crate::money::Currency;
use crate::permission::Permission;
use crate::reach::Reach;
use crate::text::{PersonName, folded};

use super::{Kind, Party, Status, TransactionRow};

/// The most characters that are searched for.
const MOST_SEARCHED: usize = 100;

/// What is searched for: a part of a name, or the whole of what the source calls the entry. It may be somebody's name: hidden in
/// debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    text: String,
    in_patients: bool,
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search")
            .field("in_patients", &self.in_patients)
            .finish_non_exhaustive()
    }
}

impl Search {
    /// A search for `text`, not in names of patients.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`] for nothing and for more than 100 characters.
    pub fn new(text: &str) -> Result<Self, Refusal> {
        if folded(text).is_empty() || text.chars().count() > MOST_SEARCHED {
            return Err(Refusal::new(
                Code::QueryInvalid,
                "search must have 1 to 100 characters",
            ));
        }
        Ok(Self {
            text: text.trim().to_owned(),
            in_patients: false,
        })
    }

    /// The text, as it was sent.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether names of patients are searched.
    #[must_use]
    pub const fn is_in_patients(&self) -> bool {
        self.in_patients
    }

    fn finds(&self, transaction: &TransactionRow) -> bool {
        let reference = transaction.reference.as_ref();
        if reference.is_some_and(|reference| reference.as_str() == self.text) {
            return true;
        }
        let may_search = self.in_patients || transaction.party() == Party::Specialist;
        let name = transaction.person.name().map_or("", PersonName::as_str);
        may_search && folded(name).contains(&folded(&self.text))
    }
}

/// Which entries are wanted. What is not said does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionQuery {
    /// Only of these kinds; empty for all.
    pub kinds: BTreeSet<Kind>,
    /// Only those that stand so; empty for all.
    pub statuses: BTreeSet<Status>,
    /// Only of this party.
    pub party: Option<Party>,
    /// Only those that happened then or later.
    pub from: Option<Timestamp>,
    /// Only those that happened before then.
    pub until: Option<Timestamp>,
    /// Only this patient's.
    pub patient: Option<PatientId>,
    /// Only this specialist's.
    pub specialist: Option<SpecialistId>,
    /// Only for this booking.
    pub booking: Option<BookingId>,
    /// Only at this site.
    pub site: Option<SiteId>,
    /// Only of this currency.
    pub currency: Option<Currency>,
    /// Only what is found by this.
    pub search: Option<Search>,
}

fn is_among<T: Ord + Copy>(wanted: &BTreeSet<T>, found: T) -> bool {
    wanted.is_empty() || wanted.contains(&found)
}

fn is_wanted<T: PartialEq + Copy>(wanted: Option<T>, found: Option<T>) -> bool {
    wanted.is_none() || wanted == found
}

impl TransactionQuery {
    /// The same, if it makes sense.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`] for a range of time that ends before it begins.
    pub fn checked(self) -> Result<Self, Refusal> {
        match (self.from, self.until) {
            (Some(from), Some(until)) if until < from => Err(Refusal::new(
                Code::QueryInvalid,
                "the range of time ends before it begins",
            )),
            _ => Ok(self),
        }
    }

    /// The query as the caller may ask it, and what they see of its answer. Names of patients are searched only for those who may
    /// see them: or the search would tell them.
    ///
    /// # Errors
    /// [`Code::PrivacyModeRequired`]; [`Code::SiteNotFound`] for a site outside the caller's reach; [`Code::ScopeExcludes`] or
    /// [`Code::PermissionMissing`] for entries of one person whose profile the caller does not see.
    pub fn asked_by(mut self, access: &Access) -> Result<(Self, Reach), Refusal> {
        let mut reach = access.reach()?.at(self.site)?;
        if self.patient.is_some() {
            reach = reach.of_patients()?;
            access.must_hold(Permission::PatientsRead)?;
        }
        if self.specialist.is_some() {
            reach = reach.of_specialists()?;
            access.must_hold(Permission::SpecialistsRead)?;
        }
        if let Some(search) = &mut self.search {
            search.in_patients = access.projection(&reach).patients;
        }
        Ok((self, reach))
    }

    /// Whether `transaction` is wanted.
    #[must_use]
    pub fn matches(&self, transaction: &TransactionRow) -> bool {
        is_among(&self.kinds, transaction.kind())
            && is_among(&self.statuses, transaction.status())
            && is_wanted(self.party, Some(transaction.party()))
            && self.from.is_none_or(|from| from <= transaction.occurred_at)
            && self.until.is_none_or(|until| transaction.occurred_at < until)
            && is_wanted(self.patient, transaction.person.patient())
            && is_wanted(self.specialist, transaction.person.specialist())
            && is_wanted(self.booking, transaction.booking)
            && is_wanted(self.site, Some(transaction.site))
            && is_wanted(self.currency, Some(transaction.amount.currency))
            && self
                .search
                .as_ref()
                .is_none_or(|search| search.finds(transaction))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::super::Person;
    use super::super::sample::{any_row, earning, euros, payment};
    use super::*;
    use crate::configuration::Scope;
    use crate::organization::Organization;
    use crate::role::Role;
    use crate::sample::{access, add_role_of, now, organization};

    fn of(change: impl FnOnce(&mut TransactionQuery)) -> TransactionQuery {
        let mut query = TransactionQuery::default();
        change(&mut query);
        query
    }

    proptest! {
        #[test]
        fn the_parts_of_a_list_are_the_whole(transaction in any_row()) {
            // Each kind, status, party and currency is counted by one tile: together they count the list.
            let count = |queries: Vec<TransactionQuery>| queries.iter().filter(|query| query.matches(&transaction)).count();
            let kinds = Kind::ALL.iter().map(|kind| of(|query| { query.kinds.insert(*kind); }));
            let statuses = Status::ALL.iter().map(|status| of(|query| { query.statuses.insert(*status); }));
            let parties = Party::ALL.iter().map(|party| of(|query| query.party = Some(*party)));
            let at = transaction.occurred_at;
            let times = [of(|query| query.until = Some(at)), of(|query| query.from = Some(at))];
            let all = usize::from(TransactionQuery::default().matches(&transaction));
            prop_assert_eq!(count(kinds.collect()), all);
            prop_assert_eq!(count(statuses.collect()), all);
            prop_assert_eq!(count(parties.collect()), all);
            prop_assert_eq!(count(times.into()), all);
            prop_assert_eq!(all, 1);
        }

        #[test]
        fn every_wish_narrows(transaction in any_row()) {
            let other = SignedDuration::from_secs(1);
            let own = |change: fn(&mut TransactionQuery, &TransactionRow)| of(|query| change(query, &transaction));
            for (matching, foreign) in [
                (own(|q, t| q.site = Some(t.site)), of(|q| q.site = Some(SiteId::mint(now())))),
                (own(|q, t| q.booking = t.booking), of(|q| q.booking = Some(BookingId::mint(now())))),
                (own(|q, t| q.patient = t.person.patient()), of(|q| q.patient = Some(PatientId::mint(now())))),
                (own(|q, t| q.specialist = t.person.specialist()), of(|q| q.specialist = Some(SpecialistId::mint(now())))),
                (own(|q, t| q.currency = Some(t.amount.currency)), of(|q| q.currency = "CHF".parse().ok())),
                (own(|q, t| q.from = Some(t.occurred_at)), of(|q| q.from = Some(transaction.occurred_at + other))),
            ] {
                prop_assert!(matching.matches(&transaction));
                prop_assert!(!foreign.matches(&transaction));
            }
        }
    }

    #[test]
    fn names_of_patients_are_found_only_by_those_who_may_see_them() {
        let found = |text: &str, in_patients: bool, transaction: &TransactionRow| {
            let search = Search {
                in_patients,
                ..Search::new(text).unwrap()
            };
            of(|query| query.search = Some(search)).matches(transaction)
        };
        let (paid, earned) = (payment(euros(1)).row, earning(euros(1)).row);
        assert!(found("NOOR", true, &paid) && !found("noor", false, &paid));
        assert!(found("lin", false, &earned) && found(" Lin ", true, &earned));
        let external = paid.reference.clone().unwrap();
        assert!(found(external.as_str(), false, &paid));
        assert!(!found(&external.as_str()[1..], true, &paid));
        let nameless = TransactionRow {
            person: Person::Patient {
                patient: paid.person.patient().unwrap(),
                name: None,
            },
            ..paid
        };
        assert!(!found("noor", true, &nameless));
    }

    #[test]
    fn a_search_is_for_something_and_hides_it() {
        for text in ["", "  ", "\u{301}", &"x".repeat(101)] {
            assert_eq!(
                Search::new(text).unwrap_err().code,
                Code::QueryInvalid,
                "{text:?}"
            );
        }
        assert!(!format!("{:?}", Search::new("Noor")).contains("Noor"));
    }

    #[test]
    fn one_persons_entries_are_asked_for_by_those_who_see_such_people() {
        let mut here = organization();
        let with = |here: &mut Organization, permissions: &[&str]| {
            let role = add_role_of(here, permissions);
            access(here, role)
        };
        let patient = of(|query| query.patient = Some(PatientId::mint(now())));
        let specialist = of(|query| query.specialist = Some(SpecialistId::mint(now())));
        let named = of(|query| query.search = Some(Search::new("Noor").unwrap()));
        let code = |query: &TransactionQuery, access: &Access| {
            let refused = query.clone().asked_by(access).err();
            refused.map(|refusal| refusal.code)
        };
        let in_patients = |access: &Access| {
            let (query, _) = named.clone().asked_by(access).unwrap();
            query.search.unwrap().is_in_patients()
        };

        let finance = with(&mut here, &["transactions.read"]);
        assert_eq!(code(&patient, &finance), Some(Code::PermissionMissing));
        assert_eq!(code(&specialist, &finance), Some(Code::PermissionMissing));
        assert!(!in_patients(&finance));
        let both = with(
            &mut here,
            &["transactions.read", "patients.read", "specialists.read"],
        );
        assert_eq!((code(&patient, &both), code(&specialist, &both)), (None, None));
        assert!(in_patients(&both));
        let elsewhere = of(|query| query.site = Some(SiteId::mint(now())));
        assert_eq!(code(&elsewhere, &both), Some(Code::SiteNotFound));

        here.configuration.scope = Scope::Patients;
        let patients = access(&here, Role::Admin);
        assert_eq!(
            (code(&patient, &patients), code(&specialist, &patients)),
            (None, Some(Code::ScopeExcludes))
        );
        here.configuration.scope = Scope::Specialists;
        let specialists = access(&here, Role::Admin);
        assert_eq!(
            (code(&patient, &specialists), code(&specialist, &specialists)),
            (Some(Code::ScopeExcludes), None)
        );
        assert!(!in_patients(&specialists));
    }

    #[test]
    fn a_range_of_time_does_not_end_before_it_begins() {
        let second = SignedDuration::from_secs(1);
        let range = |from: Timestamp, until: Timestamp| {
            of(|query| (query.from, query.until) = (Some(from), Some(until))).checked()
        };
        assert!(range(now(), now()).is_ok());
        assert_eq!(range(now() + second, now()).unwrap_err().code, Code::QueryInvalid);
    }
}
