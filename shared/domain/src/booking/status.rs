//! Where a booking is in its life, by the words of FHIR, and which way it goes from there.

use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};

/// Enumerations that are sent, stored and filtered by as words. A word that is none is refused without being repeated.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name {
            $($(#[$about])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refusal;

            fn from_str(text: &str) -> Result<Self, Refusal> {
                let found = Self::ALL.iter().copied().find(|word| word.as_str() == text);
                found.ok_or_else(|| {
                    let known: Vec<&str> = Self::ALL.iter().map(|word| word.as_str()).collect();
                    Refusal::new(Code::FieldsInvalid, format!("must be one of {}", known.join(", ")))
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = Refusal;

            fn try_from(text: String) -> Result<Self, Refusal> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }
    )*};
}

pub(crate) use words;

words! {
    /// The status of a booking: the statuses of a FHIR Appointment.
    Status {
        /// Waiting for a time.
        Waitlist = "waitlist",
        /// A time is offered.
        Proposed = "proposed",
        /// Some have agreed, others have not answered.
        Pending = "pending",
        /// Agreed.
        Booked = "booked",
        /// The patient is there.
        Arrived = "arrived",
        /// The patient is ready for the specialist.
        CheckedIn = "checked-in",
        /// It took place.
        Fulfilled = "fulfilled",
        /// It will not take place.
        Cancelled = "cancelled",
        /// Somebody did not come.
        NoShow = "noshow",
        /// It should never have been recorded.
        EnteredInError = "entered-in-error",
    }

    /// What a participant says to a booking: the participation statuses of FHIR.
    Participation {
        /// Comes.
        Accepted = "accepted",
        /// Does not come.
        Declined = "declined",
        /// May come.
        Tentative = "tentative",
        /// Has not answered.
        NeedsAction = "needs-action",
    }

    /// How patient and specialist meet.
    Modality {
        /// By video.
        Video = "video",
        /// By telephone.
        Audio = "audio",
        /// In writing.
        Chat = "chat",
        /// In one room.
        InPerson = "in_person",
    }

    /// Who changed a booking.
    Party {
        /// The patient.
        Patient = "patient",
        /// The specialist.
        Specialist = "specialist",
        /// The organization.
        Organization = "organization",
        /// Nobody: the platform did it by a rule, such as the expiry of a proposal.
        System = "system",
    }
}

/// What leads from one status to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Course {
    /// The course of things.
    Forward,
    /// The mending of a mistake, which needs a reason.
    Correction,
}

impl Status {
    /// Whether something may still happen. The others are final but for corrections.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(
            self,
            Self::Fulfilled | Self::Cancelled | Self::NoShow | Self::EnteredInError
        )
    }

    /// Whether it is expected to take place, so that it is overdue when its time is over.
    #[must_use]
    pub const fn is_expected(self) -> bool {
        matches!(self, Self::Booked | Self::Arrived | Self::CheckedIn)
    }

    /// Whether it may be so without a time, as FHIR has it.
    #[must_use]
    pub const fn may_lack_time(self) -> bool {
        matches!(
            self,
            Self::Waitlist | Self::Proposed | Self::Cancelled | Self::EnteredInError
        )
    }

    /// What leads from here to `next` in one step; none if nothing does.
    #[must_use]
    pub fn step_to(self, next: Self) -> Option<Course> {
        use Status as S;
        match (self, next) {
            (S::Waitlist, S::Proposed | S::Cancelled)
            | (S::Proposed, S::Pending | S::Booked | S::Cancelled)
            | (S::Pending, S::Booked | S::Cancelled)
            | (S::Booked, S::Arrived | S::Fulfilled | S::NoShow | S::Cancelled)
            | (S::Arrived, S::CheckedIn | S::Fulfilled)
            | (S::CheckedIn, S::Fulfilled) => Some(Course::Forward),
            (S::NoShow, S::Fulfilled) | (S::Fulfilled, S::NoShow) => Some(Course::Correction),
            (now, S::EnteredInError) if now != S::EnteredInError => Some(Course::Correction),
            _ => None,
        }
    }

    /// What leads from here to `next` in any number of steps: a source tells how things are, not all that they have been. A way
    /// without a correction is preferred.
    #[must_use]
    pub fn way_to(self, next: Self) -> Option<Course> {
        let leads = |most: Course| {
            let mut reached = vec![self];
            let mut looked_at = 0;
            while let Some(at) = reached.get(looked_at).copied() {
                looked_at += 1;
                let steps = Self::ALL
                    .iter()
                    .copied()
                    .filter(|to| at.step_to(*to).is_some_and(|course| course <= most));
                let new: Vec<Self> = steps.filter(|to| !reached.contains(to)).collect();
                reached.extend(new);
            }
            reached.contains(&next)
        };
        [Course::Forward, Course::Correction]
            .into_iter()
            .find(|most| leads(*most))
    }
}

/// Why something is so, as a code such as `patient_request`: never free text, so that it can stand in audit log and change feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

/// The longest reason.
pub const LONGEST_REASON: usize = 60;

impl Reason {
    /// The reason of a cancellation that makes room for another booking.
    pub const RESCHEDULED: &'static str = "rescheduled";

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if text.is_empty() || text.len() > LONGEST_REASON || !text.bytes().all(is_plain) {
            return Err(Refusal::new(
                Code::TextInvalid,
                format!(
                    "must be a code of 1 to {LONGEST_REASON} characters: a to z, 0 to 9, hyphen, underscore, dot"
                ),
            ));
        }
        Ok(Self(text))
    }
}

impl std::str::FromStr for Reason {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        text.to_owned().try_into()
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statuses_are_those_of_fhir() {
        let mut words: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        words.sort_unstable();
        assert_eq!(
            words,
            [
                "arrived",
                "booked",
                "cancelled",
                "checked-in",
                "entered-in-error",
                "fulfilled",
                "noshow",
                "pending",
                "proposed",
                "waitlist"
            ]
        );
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    #[test]
    fn a_word_that_is_none_is_refused_and_not_repeated() {
        for text in ["", "Booked", "booked ", "no-show", "checked_in", "secret"] {
            let refusal = text.parse::<Status>().unwrap_err();
            assert_eq!(refusal.code, Code::FieldsInvalid);
            assert!(!refusal.detail.contains("secret") && refusal.detail.contains("noshow"));
        }
    }

    #[test]
    fn one_step_leads_where_the_course_of_things_goes() {
        let told = |from: Status| -> Vec<(&str, Course)> {
            let steps = Status::ALL
                .iter()
                .filter_map(|to| Some((to.as_str(), from.step_to(*to)?)));
            steps.collect()
        };
        let (forward, correction) = (Course::Forward, Course::Correction);
        let mistake = ("entered-in-error", correction);
        let expected: [(Status, Vec<(&str, Course)>); 10] = [
            (
                Status::Waitlist,
                vec![("proposed", forward), ("cancelled", forward), mistake],
            ),
            (
                Status::Proposed,
                vec![
                    ("pending", forward),
                    ("booked", forward),
                    ("cancelled", forward),
                    mistake,
                ],
            ),
            (
                Status::Pending,
                vec![("booked", forward), ("cancelled", forward), mistake],
            ),
            (
                Status::Booked,
                vec![
                    ("arrived", forward),
                    ("fulfilled", forward),
                    ("cancelled", forward),
                    ("noshow", forward),
                    mistake,
                ],
            ),
            (
                Status::Arrived,
                vec![("checked-in", forward), ("fulfilled", forward), mistake],
            ),
            (Status::CheckedIn, vec![("fulfilled", forward), mistake]),
            (Status::Fulfilled, vec![("noshow", correction), mistake]),
            (Status::Cancelled, vec![mistake]),
            (Status::NoShow, vec![("fulfilled", correction), mistake]),
            (Status::EnteredInError, Vec::new()),
        ];
        for (from, steps) in expected {
            assert_eq!(told(from), steps, "{}", from.as_str());
        }
    }

    #[test]
    fn a_way_may_skip_what_was_not_told() {
        for (from, to, way) in [
            (Status::Waitlist, Status::Fulfilled, Some(Course::Forward)),
            (Status::Proposed, Status::NoShow, Some(Course::Forward)),
            (Status::Arrived, Status::NoShow, Some(Course::Correction)),
            (
                Status::Cancelled,
                Status::EnteredInError,
                Some(Course::Correction),
            ),
            (Status::Booked, Status::Pending, None),
            (Status::Arrived, Status::Booked, None),
            (Status::Cancelled, Status::Booked, None),
            (Status::Fulfilled, Status::Cancelled, None),
            (Status::EnteredInError, Status::Booked, None),
        ] {
            assert_eq!(from.way_to(to), way, "{} to {}", from.as_str(), to.as_str());
        }
    }

    #[test]
    fn what_is_final_opens_never_again() {
        for from in Status::ALL.iter().filter(|status| !status.is_open()) {
            for to in Status::ALL.iter().filter(|status| status.is_open()) {
                assert_eq!(from.way_to(*to), None);
            }
        }
    }

    #[test]
    fn a_reason_is_a_code() {
        for text in [
            "",
            "Ada is ill",
            "ill\n",
            "Ill",
            "krank ",
            "ü",
            &"x".repeat(LONGEST_REASON + 1),
        ] {
            assert_eq!(
                text.parse::<Reason>().unwrap_err().code,
                Code::TextInvalid,
                "{text:?}"
            );
        }
        for text in [Reason::RESCHEDULED, "pat-cpp", "oth.weather_2"] {
            assert_eq!(text.parse::<Reason>().unwrap().as_str(), text);
        }
    }
}
