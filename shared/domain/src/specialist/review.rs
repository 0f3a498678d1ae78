//! Whether a specialist may practise: decided by members, step by step.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Specialist;
use crate::access::{Access, expect_revision};
use crate::audit::Verb;
use crate::change::{Change, Write};
use crate::code::{Code, Refusal};
use crate::id::AccountId;
use crate::text::ReviewReason;

/// Where the review of a specialist is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Review {
    /// Being written.
    Draft,
    /// Put forward.
    Submitted {
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
    /// Somebody is at it.
    InReview(Decided),
    /// Something must become different before it goes on.
    ChangesRequested(Decided),
    /// The specialist may practise.
    Approved(Decided),
    /// The specialist may not, for good.
    Rejected(Decided),
    /// The specialist may not, for now.
    Suspended(Decided),
    /// The specialist has left.
    Archived(Decided),
}

/// Who brought a review where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Who.
    pub by: AccountId,
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReviewReason>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $($(#[$about:meta])* $variant:ident $word:literal;)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// Where a review is, in a word.
    ReviewStatus:
    /// Being written.
    Draft "draft";
    /// Put forward.
    Submitted "submitted";
    /// Somebody is at it.
    InReview "in_review";
    /// Something must become different.
    ChangesRequested "changes_requested";
    /// May practise.
    Approved "approved";
    /// May not, for good.
    Rejected "rejected";
    /// May not, for now.
    Suspended "suspended";
    /// Has left.
    Archived "archived";
}

words! {
    /// A step of a review.
    Step:
    /// Put a draft, or one that was asked for changes, forward.
    Submit "submit";
    /// Look at what was put forward.
    Begin "begin";
    /// Ask for changes.
    RequestChanges "request_changes";
    /// Let the specialist practise.
    Approve "approve";
    /// Do not, for good.
    Reject "reject";
    /// Do not any more, for now.
    Suspend "suspend";
    /// Let a suspended specialist practise again.
    Reinstate "reinstate";
    /// Put a suspended specialist away.
    Archive "archive";
}

impl Step {
    /// Whether whoever takes it says why.
    #[must_use]
    pub const fn needs_reason(self) -> bool {
        matches!(self, Self::RequestChanges | Self::Reject | Self::Suspend)
    }

    /// Where it leads from `status`; nowhere if it cannot be taken there.
    #[must_use]
    pub const fn from(self, status: ReviewStatus) -> Option<ReviewStatus> {
        use ReviewStatus as S;
        match (self, status) {
            (Self::Submit, S::Draft | S::ChangesRequested) => Some(S::Submitted),
            (Self::Begin, S::Submitted) => Some(S::InReview),
            (Self::RequestChanges, S::InReview) => Some(S::ChangesRequested),
            (Self::Approve, S::InReview) | (Self::Reinstate, S::Suspended) => Some(S::Approved),
            (Self::Reject, S::InReview) => Some(S::Rejected),
            (Self::Suspend, S::Approved) => Some(S::Suspended),
            (Self::Archive, S::Suspended) => Some(S::Archived),
            _ => None,
        }
    }
}

impl Review {
    /// Where it is, in a word.
    #[must_use]
    pub const fn status(&self) -> ReviewStatus {
        match self {
            Self::Draft => ReviewStatus::Draft,
            Self::Submitted { .. } => ReviewStatus::Submitted,
            Self::InReview(_) => ReviewStatus::InReview,
            Self::ChangesRequested(_) => ReviewStatus::ChangesRequested,
            Self::Approved(_) => ReviewStatus::Approved,
            Self::Rejected(_) => ReviewStatus::Rejected,
            Self::Suspended(_) => ReviewStatus::Suspended,
            Self::Archived(_) => ReviewStatus::Archived,
        }
    }

    /// Who brought it there; none where nobody had to decide.
    #[must_use]
    pub const fn decided(&self) -> Option<&Decided> {
        match self {
            Self::Draft | Self::Submitted { .. } => None,
            Self::InReview(decided)
            | Self::ChangesRequested(decided)
            | Self::Approved(decided)
            | Self::Rejected(decided)
            | Self::Suspended(decided)
            | Self::Archived(decided) => Some(decided),
        }
    }

    /// When it came there; none for a draft.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Submitted { at } => Some(*at),
            other => other.decided().map(|decided| decided.at),
        }
    }

    /// The review after the source put the specialist forward at `at`: a draft, or one that was asked for changes before then.
    /// Anything else stays as members decided.
    pub(super) fn put_forward(self, at: Timestamp) -> Self {
        match &self {
            Self::Draft => Self::Submitted { at },
            Self::ChangesRequested(decided) if decided.at < at => Self::Submitted { at },
            _ => self,
        }
    }

    fn at(status: ReviewStatus, decided: Decided) -> Self {
        match status {
            ReviewStatus::Draft => Self::Draft,
            ReviewStatus::Submitted => Self::Submitted { at: decided.at },
            ReviewStatus::InReview => Self::InReview(decided),
            ReviewStatus::ChangesRequested => Self::ChangesRequested(decided),
            ReviewStatus::Approved => Self::Approved(decided),
            ReviewStatus::Rejected => Self::Rejected(decided),
            ReviewStatus::Suspended => Self::Suspended(decided),
            ReviewStatus::Archived => Self::Archived(decided),
        }
    }
}

impl Specialist {
    /// The specialist with its review one step further.
    ///
    /// # Errors
    /// [`Code::SiteNotBound`] to those with whom the specialist is only shared; [`Code::RevisionMismatch`]; [`Code::ReviewStepImpossible`] from where the review is; [`Code::ReasonMissing`].
    pub fn review(
        &self,
        access: &Access,
        step: Step,
        reason: Option<ReviewReason>,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Self, Change), Refusal> {
        self.may_be_managed(access)?;
        expect_revision(self.rev, seen)?;
        let before = self.review.status();
        let after = step.from(before).ok_or_else(|| {
            let detail = format!("{} is no step from {}", step.as_str(), before.as_str());
            Refusal::new(Code::ReviewStepImpossible, detail)
        })?;
        if step.needs_reason() && reason.is_none() {
            return Err(Refusal::from(Code::ReasonMissing).at("/reason"));
        }
        let decided = Decided {
            by: access.account(),
            at: now,
            reason,
        };
        let new = Self {
            review: Review::at(after, decided),
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        };
        let word = |status: ReviewStatus| Some(status.as_str().to_owned());
        let event = access.event(Verb::SpecialistReviewed, &self.id, now).changed(
            "review",
            word(before),
            word(after),
        );
        let change = Change::audited(event)
            .write(Write::SpecialistPut {
                new: Box::new(new.clone()),
                old: Some(Box::new(self.clone())),
            })
            .told(new.told(now))
            .fact(access.organization_active())
            .fact(access.actor_holds());
        Ok((new, change))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::sample::now;
    use crate::specialist::tests::{overseer, record, specialist};

    fn reason() -> Option<ReviewReason> {
        "The licence cannot be read.".parse().ok()
    }

    #[test]
    fn the_steps_are_these_and_no_others() {
        use ReviewStatus as S;
        let allowed = [
            (Step::Submit, S::Draft, S::Submitted),
            (Step::Submit, S::ChangesRequested, S::Submitted),
            (Step::Begin, S::Submitted, S::InReview),
            (Step::RequestChanges, S::InReview, S::ChangesRequested),
            (Step::Approve, S::InReview, S::Approved),
            (Step::Reject, S::InReview, S::Rejected),
            (Step::Suspend, S::Approved, S::Suspended),
            (Step::Reinstate, S::Suspended, S::Approved),
            (Step::Archive, S::Suspended, S::Archived),
        ];
        for step in Step::ALL {
            for from in S::ALL {
                let to = allowed
                    .iter()
                    .find(|(taken, begun, _)| (taken, begun) == (step, from));
                assert_eq!(step.from(*from), to.map(|(_, _, to)| *to), "{step:?} {from:?}");
            }
        }
    }

    #[test]
    fn what_is_decided_against_somebody_has_a_reason() {
        let dana = overseer();
        let at = |status: ReviewStatus| Specialist {
            review: Review::at(
                status,
                Decided {
                    by: dana.account(),
                    at: now(),
                    reason: None,
                },
            ),
            ..specialist(&record("Ada", "Lovelace"))
        };
        for status in ReviewStatus::ALL {
            for step in Step::ALL.iter().filter(|step| step.from(*status).is_some()) {
                let without = at(*status).review(&dana, *step, None, 1, now());
                let refused = without
                    .as_ref()
                    .err()
                    .map(|refusal| refusal.errors[0].pointer.as_str());
                assert_eq!(refused, step.needs_reason().then_some("/reason"), "{step:?}");
                let (new, change) = at(*status).review(&dana, *step, reason(), 1, now()).unwrap();
                assert_eq!(new.rev, 2);
                assert!(
                    matches!(change.writes[1], Write::ToldPut(..)),
                    "the source learns of it"
                );
                assert_eq!((change.writes.len(), change.facts.len()), (2, 2));
                let told = serde_json::to_string(&change.audit).unwrap();
                assert!(told.contains(new.review.status().as_str()) && !told.contains("licence"));
            }
        }
        let stale = at(ReviewStatus::Submitted).review(&dana, Step::Begin, None, 2, now());
        assert_eq!(stale.unwrap_err().code, Code::RevisionMismatch);
        let impossible = at(ReviewStatus::Draft).review(&dana, Step::Approve, None, 1, now());
        assert_eq!(impossible.unwrap_err().code, Code::ReviewStepImpossible);
    }

    proptest! {
        #[test]
        fn a_source_submits_and_never_approves(status in select(ReviewStatus::ALL), later in any::<bool>()) {
            let decided = Decided { by: AccountId::of("sample", "dana"), at: now(), reason: None };
            let review = Review::at(status, decided);
            let second = jiff::SignedDuration::from_secs(1);
            let at = if later { now() + second } else { now() };
            let after = review.clone().put_forward(at);
            let is_submitted = status == ReviewStatus::Draft || (status == ReviewStatus::ChangesRequested && later);
            let expected = if is_submitted { Review::Submitted { at } } else { review };
            prop_assert_eq!(after, expected);
        }
    }
}
