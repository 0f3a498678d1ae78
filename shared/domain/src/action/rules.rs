//! What each rule finds in a record, and when it may find something else by time alone.

use jiff::{SignedDuration, Timestamp};

use super::rule::Rule;
use super::{Cause, Field, Place, Subject};
use crate::booking::{Booking, OVERDUE_AFTER, State as BookingState, Tab};
use crate::id::InvitePlace;
use crate::invite::{Delivery, Invite, State as InviteState};
use crate::organization::{Organization, State as OrganizationState};
use crate::patient::{Patient, State as PatientState};
use crate::person::{Presence, PresenceStatus};
use crate::plan::{Quota, QuotaLevel};
use crate::site::{Site, Status as SiteStatus};
use crate::specialist::{Check, Credential, EXPIRING, Review, Specialist};
use crate::transaction::{Entry, Month, PaymentStatus, PayoutStatus, Transaction, TransactionRow};

/// How long before its end something that waits for an answer is told of.
const SOON: SignedDuration = SignedDuration::from_hours(24);

/// The shortest time there is here.
const MOMENT: SignedDuration = SignedDuration::from_millis(1);

/// A record as rules look at it, with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A patient.
    Patient(Box<Patient>),
    /// A specialist.
    Specialist(Box<Specialist>),
    /// A booking, with what was paid for it.
    Booking(Box<Booking>, Vec<TransactionRow>),
    /// A transaction. With a payout come the others of its specialist, as far as they are known.
    Transaction(Box<Transaction>, Vec<TransactionRow>),
    /// An invite.
    Invite(Box<Invite>),
    /// An organization, with how many admins it has and what it uses.
    Organization(Box<Organization>, Standing),
    /// A site.
    Site(Box<Site>),
}

/// What belongs to an organization and is kept apart from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many admins it has.
    pub admins: u64,
    /// The sessions of a root's plan; none before the first.
    pub quota: Option<Quota>,
}

/// What a rule says of a record at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Why it finds something, if it does.
    pub(super) cause: Option<Cause>,
    /// When it may say something else though the record stays as it is.
    pub(super) again_at: Option<Timestamp>,
}

impl Verdict {
    fn found(cause: Option<Cause>) -> Self {
        Self {
            cause,
            again_at: None,
        }
    }

    /// That a thing is found from one instant on, and until another if there is one.
    fn during(at: Timestamp, from: Timestamp, until: Option<Timestamp>, now: Timestamp) -> Self {
        if now < from {
            return Self {
                cause: None,
                again_at: Some(from),
            };
        }
        let is_there = until.is_none_or(|until| now < until);
        Self {
            cause: is_there.then(|| Cause::at(at)),
            again_at: until.filter(|_| is_there),
        }
    }
}

fn found_if(is_found: bool) -> Verdict {
    Verdict::found(is_found.then(Cause::default))
}

fn lacking<const N: usize>(fields: [(Field, bool); N]) -> Verdict {
    let missing = fields.into_iter().filter(|(_, is_there)| !is_there);
    let fields: Vec<Field> = missing.map(|(field, _)| field).collect();
    Verdict::found((!fields.is_empty()).then_some(Cause { at: None, fields }))
}

fn at_sites(presences: &[Presence], number: u128) -> Vec<Place> {
    let there = presences
        .iter()
        .filter(|presence| presence.status == PresenceStatus::Active);
    there
        .map(|presence| Place::at(presence.site, number, presence.shards))
        .collect()
}

impl Record {
    /// What it is.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::Patient(patient) => Subject::Patient(patient.id),
            Self::Specialist(specialist) => Subject::Specialist(specialist.id),
            Self::Booking(booking, _) => Subject::Booking(booking.id),
            Self::Transaction(transaction, _) => Subject::Transaction(transaction.row.id),
            Self::Invite(invite) => Subject::Invite(InvitePlace {
                organization: invite.organization,
                invite: invite.id,
            }),
            Self::Organization(organization, _) => Subject::Organization(organization.id),
            Self::Site(site) => Subject::Site(site.id),
        }
    }

    /// Where what is found about it is shown; nowhere for what is no more.
    pub(super) fn places(&self) -> Vec<Place> {
        match self {
            Self::Patient(patient) if patient.state == PatientState::Active => {
                at_sites(&patient.registrations, patient.id.uuid().as_u128())
            }
            Self::Specialist(specialist) if !specialist.is_deleted() => {
                at_sites(&specialist.assignments, specialist.id.uuid().as_u128())
            }
            Self::Booking(booking, _) if !booking.deleted => vec![Place::Site {
                site: booking.site,
                shard: booking.shard,
            }],
            Self::Transaction(transaction, _) if !transaction.deleted => vec![Place::Site {
                site: transaction.row.site,
                shard: transaction.row.shard,
            }],
            Self::Invite(invite) => vec![Place::Organization {
                organization: invite.organization,
            }],
            Self::Organization(organization, _) if organization.state == OrganizationState::Active => {
                vec![Place::Organization {
                    organization: organization.id,
                }]
            }
            Self::Site(site) => vec![Place::Site {
                site: site.id,
                shard: 0,
            }],
            _ => Vec::new(),
        }
    }
}

impl Rule {
    /// What it finds in `record` at `now`. In what it is not about, it finds nothing.
    pub(super) fn judge(self, record: &Record, now: Timestamp) -> Verdict {
        match (self, record) {
            (Self::PaymentFailed, Record::Booking(booking, entries)) => payment_failed(booking, entries, now),
            (Self::BookingOverdue, Record::Booking(booking, _)) => overdue(booking, now),
            (Self::ProposalUnanswered, Record::Booking(booking, _)) => unanswered(booking, now),
            (Self::PayoutFailed, Record::Transaction(payout, others)) => {
                payout_failed(&payout.row, others, now)
            }
            (Self::PatientTimeZoneMissing, Record::Patient(patient)) => {
                found_if(patient.identity.time_zone.is_none())
            }
            (Self::PatientProfileIncomplete, Record::Patient(patient)) => {
                let contact = &patient.contact;
                lacking([
                    (Field::Contact, contact.email.is_some() || contact.phone.is_some()),
                    (Field::Locale, patient.identity.locale.is_some()),
                ])
            }
            (rule, Record::Specialist(specialist)) => rule.judge_specialist(specialist, now),
            (Self::InviteUndeliverable, Record::Invite(invite)) => undeliverable(invite, now),
            (Self::InviteExpiring, Record::Invite(invite)) => invite_expiring(invite, now),
            (Self::SingleAdmin, Record::Organization(_, standing)) => found_if(standing.admins == 1),
            (rule, Record::Organization(_, standing)) => rule.judge_quota(standing.quota.as_ref(), now),
            (Self::SiteWithoutDomain, Record::Site(site)) => {
                found_if(site.record.status == SiteStatus::Live && site.record.domains.is_empty())
            }
            _ => Verdict::default(),
        }
    }

    /// What is warned of is the level that was reached, and none below it.
    fn judge_quota(self, quota: Option<&Quota>, now: Timestamp) -> Verdict {
        let warns_of = match self {
            Self::SessionQuotaNear => QuotaLevel::Near,
            Self::SessionQuotaAlmostReached => QuotaLevel::AlmostReached,
            Self::SessionQuotaReached => QuotaLevel::Reached,
            _ => return Verdict::default(),
        };
        let month = Month::of(now);
        match quota.filter(|quota| quota.level(month) == warns_of) {
            // Without a session there is nothing to begin anew.
            Some(quota) if quota.used_in(month) > 0 => {
                Verdict::during(month.ends_at(), Timestamp::MIN, Some(month.ends_at()), now)
            }
            _ => Verdict::default(),
        }
    }

    fn judge_specialist(self, specialist: &Specialist, now: Timestamp) -> Verdict {
        let profile = &specialist.profile;
        if self == Self::ReviewWaiting {
            let since = match &specialist.review {
                Review::Submitted { at } => Some(*at),
                Review::InReview(decided) => Some(decided.at),
                _ => None,
            };
            return Verdict::found(since.map(Cause::at));
        }
        // Of somebody who does not practise, nothing else matters.
        if !matches!(specialist.review, Review::Approved(_)) {
            return Verdict::default();
        }
        match self {
            Self::CredentialExpired => credential_expired(specialist, now),
            Self::CredentialExpiring => credential_expiring(specialist, now),
            Self::AvailabilityMissing => found_if(profile.availability.is_empty()),
            Self::PriceMissing => found_if(specialist.price.is_none()),
            Self::SpecialistTimeZoneMissing => found_if(profile.time_zone.is_none()),
            Self::SpecialistProfileIncomplete => lacking([
                (Field::Specializations, !profile.specializations.is_empty()),
                (Field::Languages, !profile.languages.is_empty()),
                (Field::SessionMinutes, profile.session_minutes.is_some()),
            ]),
            _ => Verdict::default(),
        }
    }
}

fn overdue(booking: &Booking, now: Timestamp) -> Verdict {
    let status = booking.status();
    let Some(end) = booking.end().filter(|_| status.is_expected()) else {
        return Verdict::default();
    };
    // As the list's tab has it.
    let is_overdue = Tab::of(status, Some(end), now) == Tab::Overdue;
    Verdict {
        cause: is_overdue.then(|| Cause::at(end)),
        again_at: (!is_overdue).then_some(end + OVERDUE_AFTER + MOMENT),
    }
}

fn unanswered(booking: &Booking, now: Timestamp) -> Verdict {
    let waits = matches!(
        booking.state,
        BookingState::Proposed { .. } | BookingState::Pending { .. }
    );
    match booking.expires_at().or(booking.start()).filter(|_| waits) {
        Some(until) => Verdict::during(until, until - SOON, None, now),
        None => Verdict::default(),
    }
}

fn payment_failed(booking: &Booking, entries: &[TransactionRow], now: Timestamp) -> Verdict {
    let payments = || {
        entries.iter().filter_map(|row| match row.entry {
            Entry::Payment { status, .. } => Some(status),
            _ => None,
        })
    };
    let is_under_way = |status| {
        matches!(
            status,
            PaymentStatus::Succeeded | PaymentStatus::Processing | PaymentStatus::RequiresCapture
        )
    };
    let has_failed =
        payments().any(|status| status == PaymentStatus::Failed) && !payments().any(is_under_way);
    match booking
        .start()
        .filter(|_| has_failed && booking.status().is_open())
    {
        Some(start) => Verdict::during(start, Timestamp::MIN, Some(start), now),
        None => Verdict::default(),
    }
}

/// A payout that has failed stays so; what it was to bring is brought by a later one. Whether there is one is looked for again
/// every day: other payouts may be known late.
fn payout_failed(payout: &TransactionRow, others: &[TransactionRow], now: Timestamp) -> Verdict {
    let status = |row: &TransactionRow| match row.entry {
        Entry::Payout { status, .. } => Some(status),
        _ => None,
    };
    let makes_up = |other: &&TransactionRow| {
        other.occurred_at > payout.occurred_at
            && (other.site, other.amount.currency) == (payout.site, payout.amount.currency)
            && matches!(status(other), Some(PayoutStatus::InTransit | PayoutStatus::Paid))
    };
    if status(payout) != Some(PayoutStatus::Failed) || others.iter().any(|other| makes_up(&other)) {
        return Verdict::default();
    }
    let days = now.duration_since(payout.occurred_at).as_hours().div_euclid(24);
    Verdict {
        cause: Some(Cause::at(payout.occurred_at)),
        again_at: Some(payout.occurred_at + SignedDuration::from_hours((days + 1) * 24)),
    }
}

/// When each credential that counts ends: those taken back do not, nor those that another of their kind outlasts.
fn ends(specialist: &Specialist) -> Vec<Timestamp> {
    let zone = specialist.profile.time_zone.clone().unwrap_or_default().zone();
    let counts = || {
        specialist
            .credentials
            .iter()
            .filter(|credential| credential.check != Check::Revoked)
    };
    let is_of_kind = |one: &Credential, other: &Credential| {
        one.kind == other.kind && one.jurisdiction == other.jurisdiction
    };
    let is_outlasted = |credential: &Credential, end: Timestamp| {
        counts().any(|other| {
            is_of_kind(credential, other) && other.ends_at(&zone).is_none_or(|other| other > end)
        })
    };
    counts()
        .filter_map(|credential| {
            let end = credential.ends_at(&zone)?;
            (!is_outlasted(credential, end)).then_some(end)
        })
        .collect()
}

fn credential_expired(specialist: &Specialist, now: Timestamp) -> Verdict {
    let ends = ends(specialist);
    Verdict {
        cause: ends
            .iter()
            .filter(|end| **end <= now)
            .min()
            .map(|end| Cause::at(*end)),
        again_at: ends.iter().filter(|end| **end > now).min().copied(),
    }
}

fn credential_expiring(specialist: &Specialist, now: Timestamp) -> Verdict {
    let ends = ends(specialist);
    let coming = || ends.iter().copied().filter(|end| *end > now);
    let (soon, later): (Vec<_>, Vec<_>) = coming().partition(|end| end.duration_since(now) <= EXPIRING);
    let first = soon.iter().min().copied();
    Verdict {
        cause: first.map(Cause::at),
        again_at: first
            .into_iter()
            .chain(later.iter().map(|end| *end - EXPIRING))
            .min(),
    }
}

fn pending(invite: &Invite) -> Option<Timestamp> {
    match invite.state {
        InviteState::Pending { expires_at } => Some(expires_at),
        _ => None,
    }
}

fn has_bounced(invite: &Invite) -> bool {
    matches!(invite.delivery, Delivery::Undeliverable { .. })
}

fn undeliverable(invite: &Invite, now: Timestamp) -> Verdict {
    match pending(invite).filter(|_| has_bounced(invite)) {
        Some(expires_at) => Verdict::during(expires_at, Timestamp::MIN, Some(expires_at), now),
        None => Verdict::default(),
    }
}

fn invite_expiring(invite: &Invite, now: Timestamp) -> Verdict {
    // To send it again does not help one whose mail does not arrive.
    match pending(invite).filter(|_| !has_bounced(invite)) {
        Some(expires_at) => Verdict::during(expires_at, expires_at - SOON, Some(expires_at), now),
        None => Verdict::default(),
    }
}
