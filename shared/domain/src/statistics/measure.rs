//! What is counted.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::booking::Status;
use crate::code::{Code, Refusal};
use crate::id::SiteId;
use crate::money::Currency;
use crate::patient::Status as PatientStatus;
use crate::reach::Of;
use crate::specialist::ReviewStatus;
use crate::transaction::{Kind, Party, Status as EntryStatus};

/// What is counted. All but the last two are counted when they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Bookings of a status, when they begin.
    Bookings(Status),
    /// Patients, when they come; but those who are merged into others.
    NewPatients,
    /// Specialists, when they come; but those who have left.
    NewSpecialists,
    /// Entries of the ledger, when they occur.
    Entries(Kind, EntryStatus, Currency),
    /// What these come to, in minor units.
    Amount(Kind, EntryStatus, Currency),
    /// Patients of a status, whenever they came.
    Patients(PatientStatus),
    /// Specialists whose review is there, whenever they came.
    Specialists(ReviewStatus),
}

impl Measure {
    /// Whose collection it counts: who sees no such people has no such number.
    #[must_use]
    pub const fn of(self) -> Of {
        match self {
            Self::Bookings(_) => Of::Events,
            Self::NewPatients | Self::Patients(_) => Of::Patients,
            Self::NewSpecialists | Self::Specialists(_) => Of::Specialists,
            Self::Entries(kind, ..) | Self::Amount(kind, ..) => match kind.party() {
                Party::Patient => Of::Patients,
                Party::Specialist => Of::Specialists,
            },
        }
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bookings(status) => write!(f, "bookings.{}", status.as_str()),
            Self::NewPatients => f.write_str("new.patients"),
            Self::NewSpecialists => f.write_str("new.specialists"),
            Self::Entries(kind, status, currency) => {
                write!(f, "entries.{}.{}.{currency}", kind.as_str(), status.as_str())
            }
            Self::Amount(kind, status, currency) => {
                write!(f, "amount.{}.{}.{currency}", kind.as_str(), status.as_str())
            }
            Self::Patients(status) => write!(f, "patients.{}", status.as_str()),
            Self::Specialists(review) => write!(f, "specialists.{}", review.as_str()),
        }
    }
}

fn unknown() -> Refusal {
    Refusal::new(Code::QueryInvalid, "there is no such measure")
}

impl std::str::FromStr for Measure {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = text.split('.').collect();
        match parts.as_slice() {
            ["bookings", status] => Ok(Self::Bookings(status.parse()?)),
            ["new", "patients"] => Ok(Self::NewPatients),
            ["new", "specialists"] => Ok(Self::NewSpecialists),
            ["entries", kind, status, currency] => {
                Ok(Self::Entries(kind.parse()?, status.parse()?, currency.parse()?))
            }
            ["amount", kind, status, currency] => {
                Ok(Self::Amount(kind.parse()?, status.parse()?, currency.parse()?))
            }
            ["patients", word] => {
                let found = PatientStatus::ALL
                    .into_iter()
                    .find(|status| status.as_str() == *word);
                found.map(Self::Patients).ok_or_else(unknown)
            }
            ["specialists", word] => {
                let found = ReviewStatus::ALL.iter().find(|review| review.as_str() == *word);
                found.copied().map(Self::Specialists).ok_or_else(unknown)
            }
            _ => Err(unknown()),
        }
    }
}

/// A measure, and of whom at a site it counts.
///
/// Somebody can be at several sites, and is one person to those who see several of them: lists have each person once, at the site
/// where they came last. So people are counted at each of their sites under a label that names the sites where they came later.
/// Whoever sees one of those leaves it out, and counts the person there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// What is counted.
    pub measure: Measure,
    /// The sites at which the same people are counted instead, for those who see one of them.
    pub elsewhere: BTreeSet<SiteId>,
}

impl From<Measure> for Label {
    fn from(measure: Measure) -> Self {
        Self {
            measure,
            elsewhere: BTreeSet::new(),
        }
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.measure)?;
        let mut sites = self.elsewhere.iter();
        sites.try_for_each(|site| write!(f, "!{}", site.uuid().simple()))
    }
}

impl std::str::FromStr for Label {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let mut parts = text.split('!');
        let measure = parts.next().unwrap_or_default().parse()?;
        let site = |hex: &str| Uuid::try_parse(hex).map(SiteId::from_uuid);
        let elsewhere = parts.map(site).collect::<Result<_, _>>();
        Ok(Self {
            measure,
            elsewhere: elsewhere.map_err(|_| unknown())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::now;

    #[test]
    fn a_label_reads_back_from_its_text() {
        let euro: Currency = "EUR".parse().unwrap();
        let mut all = vec![Measure::NewPatients, Measure::NewSpecialists];
        all.extend(Status::ALL.iter().map(|status| Measure::Bookings(*status)));
        all.extend(PatientStatus::ALL.map(Measure::Patients));
        all.extend(
            ReviewStatus::ALL
                .iter()
                .map(|review| Measure::Specialists(*review)),
        );
        for kind in Kind::ALL {
            for status in EntryStatus::ALL {
                let (entries, amount) = (Measure::Entries, Measure::Amount);
                all.extend([entries, amount].map(|of| of(*kind, *status, euro)));
            }
        }
        for measure in all {
            assert_eq!(measure.to_string().parse(), Ok(measure));
            for elsewhere in [0, 1, 4].map(|sites| (0..sites).map(|_| SiteId::mint(now())).collect()) {
                let label = Label { measure, elsewhere };
                assert_eq!(label.to_string().parse(), Ok(label));
            }
        }
        for text in [
            "",
            "bookings",
            "bookings.eaten",
            "amount.payment.paid",
            "amount.payment.paid.euro",
            "patients.gone",
            "new.patients!",
            "new.patients!x",
        ] {
            assert!(text.parse::<Label>().is_err(), "{text}");
        }
    }
}
