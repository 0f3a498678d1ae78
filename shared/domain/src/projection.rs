//! What a caller sees of a record they may see: chosen from their permissions and reach before anything is read.

use crate::access::Access;
use crate::permission::Permission;
use crate::reach::Reach;

/// Which parts of the platform's records are shown. A part that is not is null in every answer, whatever the record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each part is shown or not, whatever the others are"
)]
pub struct Projection {
    /// Who patients are: names, and links to their profiles.
    pub patients: bool,
    /// How patients are reached, and where they live.
    pub contact: bool,
    /// Notes on patients.
    pub notes: bool,
    /// Links to specialists' profiles. Their names are shown wherever their work is.
    pub specialists: bool,
    /// Links to bookings.
    pub bookings: bool,
    /// Prices and amounts.
    pub money: bool,
}

impl Access {
    /// What the caller sees of records within `reach`.
    #[must_use]
    pub fn projection(&self, reach: &Reach) -> Projection {
        let may = |permission| self.permissions().contains(&permission);
        let patients = reach.has_patients() && may(Permission::PatientsRead);
        Projection {
            patients,
            contact: patients && may(Permission::PatientsContact),
            notes: patients && may(Permission::PatientsNotes),
            specialists: reach.has_specialists() && may(Permission::SpecialistsRead),
            bookings: may(Permission::BookingsRead),
            money: may(Permission::TransactionsRead),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::configuration::Scope;
    use crate::role::Role;
    use crate::sample::{access, add_role, organization, permissions};

    #[test]
    fn an_admin_sees_all_that_the_scope_has() {
        let mut organization = organization();
        let of = |organization: &_| {
            let access = access(organization, Role::Admin);
            access.projection(&access.reach().unwrap())
        };
        let all = of(&organization);
        assert!(all.patients && all.contact && all.notes && all.specialists && all.bookings && all.money);
        organization.configuration.scope = Scope::Patients;
        let patients = of(&organization);
        assert!(patients.patients && patients.contact && !patients.specialists);
        organization.configuration.scope = Scope::Specialists;
        let specialists = of(&organization);
        assert!(
            !specialists.patients && !specialists.contact && !specialists.notes && specialists.specialists
        );
    }

    proptest! {
        #[test]
        fn nobody_sees_a_part_without_its_permission(held in permissions()) {
            let mut organization = organization();
            let role = add_role(&mut organization, held.clone());
            let access = access(&organization, role);
            let seen = access.projection(&access.reach().unwrap());
            let may = |name: &str| held.contains(&name.parse().unwrap());
            prop_assert_eq!(seen.patients, may("patients.read"));
            prop_assert_eq!(seen.contact, may("patients.read") && may("patients.contact"));
            prop_assert_eq!(seen.notes, may("patients.read") && may("patients.notes"));
            prop_assert_eq!(seen.specialists, may("specialists.read"));
            prop_assert_eq!(seen.bookings, may("bookings.read"));
            prop_assert_eq!(seen.money, may("transactions.read"));
        }
    }
}
