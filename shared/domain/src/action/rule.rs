//! The registry of rules: what each finds, what that means, who sees it, and what is done about it.

use serde::{Deserialize, Serialize};

use super::{Place, Subject};
use crate::code::{Code, Refusal};
use crate::permission::Permission;
use crate::reach::Reach;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody is harmed, or money is missing, until it is seen to.
    Critical,
    /// Something does not work, or soon will not.
    Warning,
    /// Something could be better.
    Info,
}

impl Severity {
    /// All of them, the gravest first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Warning, Self::Info];

    /// The severity's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }

    /// Its place in lists, which begin with the gravest.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Critical => 0,
            Self::Warning => 1,
            Self::Info => 2,
        }
    }
}

impl std::str::FromStr for Severity {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.into_iter().find(|severity| severity.as_str() == text);
        found.ok_or_else(|| Refusal::new(Code::QueryInvalid, "severity must be critical, warning or info"))
    }
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectKind {
    /// A patient.
    Patient,
    /// A specialist.
    Specialist,
    /// A booking.
    Booking,
    /// A transaction.
    Transaction,
    /// An invite.
    Invite,
    /// An organization.
    Organization,
    /// A site.
    Site,
}

impl SubjectKind {
    /// The kind's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Specialist => "specialist",
            Self::Booking => "booking",
            Self::Transaction => "transaction",
            Self::Invite => "invite",
            Self::Organization => "organization",
            Self::Site => "site",
        }
    }

    /// What stands for its id in the paths of routes.
    #[must_use]
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Patient => "{patient_id}",
            Self::Specialist => "{specialist_id}",
            Self::Booking => "{booking_id}",
            Self::Transaction => "{transaction_id}",
            Self::Invite => "{invite_id}",
            Self::Organization => "{organization_id}",
            Self::Site => "{site_id}",
        }
    }
}

/// Which part of what an organization oversees a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sphere {
    /// Patients, and their money.
    Patients,
    /// Specialists, and their money.
    Specialists,
    /// What happens at a site.
    Events,
    /// A site itself, for whoever runs it.
    Owner,
    /// The organization itself.
    Organization,
}

/// What is done about an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextStep {
    /// In a sentence.
    pub about: &'static str,
    /// The method of the route that does it, or that shows what is to be done elsewhere.
    pub method: &'static str,
    /// Its path. What stands in braces and is not the subject is for people to choose.
    pub path: &'static str,
    /// What it needs.
    pub permission: Permission,
}

macro_rules! rules {
    ($($name:ident $word:literal: $severity:ident, $kind:ident, $sphere:ident, seen by $seen:expr;
        $means:literal $impact:literal $about:literal $method:literal $path:literal $needs:ident;)*) => {
        /// A rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Rule {
            $(#[doc = $means] #[serde(rename = $word)] $name,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The rule's id.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// How much it matters.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What it is about.
            #[must_use]
            pub const fn subject(self) -> SubjectKind {
                match self { $(Self::$name => SubjectKind::$kind,)* }
            }

            /// Which part of what is overseen.
            #[must_use]
            pub const fn sphere(self) -> Sphere {
                match self { $(Self::$name => Sphere::$sphere,)* }
            }

            /// What one needs to see it, beside `actions.read`.
            #[must_use]
            pub const fn seen_by(self) -> Option<Permission> {
                match self { $(Self::$name => $seen,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn means(self) -> &'static str {
                match self { $(Self::$name => $means,)* }
            }

            /// What comes of it, in a sentence.
            #[must_use]
            pub const fn impact(self) -> &'static str {
                match self { $(Self::$name => $impact,)* }
            }

            /// What is done about it.
            #[must_use]
            pub const fn next_step(self) -> NextStep {
                match self {
                    $(Self::$name => NextStep {
                        about: $about,
                        method: $method,
                        path: concat!("/v1/organizations/{organization_id}", $path),
                        permission: Permission::$needs,
                    },)*
                }
            }
        }
    };
}

rules! {
    PaymentFailed "payment_failed": Critical, Booking, Patients, seen by Some(Permission::TransactionsRead);
        "A payment for a booking that is to come has failed, and none has gone through."
        "The session may not be paid for."
        "See what was paid, and have the patient pay again where the booking was made."
        "GET" "/bookings/{booking_id}/money-trail" TransactionsRead;
    PayoutFailed "payout_failed": Critical, Transaction, Specialists, seen by Some(Permission::TransactionsRead);
        "A payout to a specialist has failed, and no later one is on its way."
        "The specialist has not been paid."
        "See why, and have it paid again at its source."
        "GET" "/transactions/{transaction_id}" TransactionsRead;
    CredentialExpired "credential_expired": Critical, Specialist, Specialists, seen by Some(Permission::SpecialistsRead);
        "A credential of an approved specialist has expired, and no other of its kind has taken its place."
        "The specialist may not be allowed to practise."
        "Suspend the specialist, or have the new credential told by the source."
        "POST" "/specialists/{specialist_id}/review" SpecialistsManage;
    SessionQuotaReached "session_quota_reached": Critical, Organization, Organization, seen by Some(Permission::SessionsRead);
        "All sessions of the plan's month are used."
        "No session can be started until the month of UTC is over."
        "See who holds sessions, and have the platform's operator allow more."
        "GET" "/sessions" SessionsRead;
    BookingOverdue "booking_overdue": Warning, Booking, Events, seen by Some(Permission::BookingsRead);
        "A booking should have been over an hour ago, and nobody has said what became of it."
        "It counts neither as held nor as missed, and nothing is earned by it."
        "Say whether it took place."
        "POST" "/bookings/{booking_id}/transitions" BookingsManage;
    ProposalUnanswered "proposal_unanswered": Warning, Booking, Events, seen by Some(Permission::BookingsRead);
        "A proposed time ends within a day, or has ended, and not everybody has agreed."
        "The patient has no appointment."
        "Book it, move it or cancel it."
        "POST" "/bookings/{booking_id}/transitions" BookingsManage;
    CredentialExpiring "credential_expiring": Warning, Specialist, Specialists, seen by Some(Permission::SpecialistsRead);
        "A credential of an approved specialist expires within 60 days, and no other of its kind takes its place."
        "The specialist may have to stop practising then."
        "See which one, and have the new credential told by the source."
        "GET" "/specialists/{specialist_id}" SpecialistsRead;
    ReviewWaiting "review_waiting": Warning, Specialist, Specialists, seen by Some(Permission::SpecialistsRead);
        "A specialist was put forward, and nobody has decided."
        "The specialist cannot be booked."
        "Go on with the review."
        "POST" "/specialists/{specialist_id}/review" SpecialistsManage;
    AvailabilityMissing "availability_missing": Warning, Specialist, Specialists, seen by Some(Permission::SpecialistsRead);
        "An approved specialist has no times for sessions."
        "The specialist cannot be booked."
        "Say when the specialist holds sessions."
        "PATCH" "/specialists/{specialist_id}" SpecialistsManage;
    PriceMissing "price_missing": Warning, Specialist, Specialists, seen by Some(Permission::SpecialistsRead);
        "An approved specialist has no price."
        "Nobody knows what a session costs."
        "Say what a session costs."
        "PATCH" "/specialists/{specialist_id}" SpecialistsManage;
    SpecialistTimeZoneMissing "specialist_time_zone_missing": Warning, Specialist, Specialists, seen by Some(Permission::SpecialistsRead);
        "An approved specialist has no time zone."
        "The times for sessions cannot be told rightly."
        "Say in which time zone the specialist lives."
        "PATCH" "/specialists/{specialist_id}" SpecialistsManage;
    PatientTimeZoneMissing "patient_time_zone_missing": Warning, Patient, Patients, seen by Some(Permission::PatientsRead);
        "A patient has no time zone."
        "Times may be told to the patient wrongly."
        "Say in which time zone the patient lives."
        "PATCH" "/patients/{patient_id}" PatientsManage;
    InviteUndeliverable "invite_undeliverable": Warning, Invite, Organization, seen by Some(Permission::InvitesRead);
        "The mail of a pending invite could not be delivered."
        "The person does not know of the invite, which may hold a seat."
        "Revoke it and invite another address, or send it again."
        "DELETE" "/invites/{invite_id}" InvitesManage;
    SingleAdmin "single_admin": Warning, Organization, Organization, seen by None;
        "The organization has a single admin."
        "Nobody can manage the organization when that person cannot."
        "Make another member an admin."
        "PATCH" "/members/{account_id}" MembersManage;
    SessionQuotaAlmostReached "session_quota_almost_reached": Warning, Organization, Organization, seen by Some(Permission::SessionsRead);
        "95 % of the plan's sessions of the month are used, or more."
        "Soon no session can be started until the month of UTC is over."
        "See who holds sessions, and have the platform's operator allow more."
        "GET" "/sessions" SessionsRead;
    SiteWithoutDomain "site_without_domain": Warning, Site, Owner, seen by None;
        "A live site has no domain."
        "Nobody knows where the site is reached."
        "Say at which domains the site is reached."
        "PATCH" "/sites/{site_id}" OrganizationUpdate;
    SessionQuotaNear "session_quota_near": Info, Organization, Organization, seen by Some(Permission::SessionsRead);
        "80 % of the plan's sessions of the month are used, or more."
        "The sessions may not last until the month of UTC is over."
        "See who holds sessions, and whether the plan is large enough."
        "GET" "/sessions" SessionsRead;
    InviteExpiring "invite_expiring": Info, Invite, Organization, seen by Some(Permission::InvitesRead);
        "A pending invite expires within a day."
        "The person can no longer join by it then."
        "Send it again, which gives it seven more days."
        "POST" "/invites/{invite_id}/resend" InvitesManage;
    PatientProfileIncomplete "patient_profile_incomplete": Info, Patient, Patients, seen by Some(Permission::PatientsRead);
        "A patient's profile lacks how the patient is reached, or in which language."
        "Mails reach the patient in the wrong language, or not at all."
        "Complete the profile."
        "PATCH" "/patients/{patient_id}" PatientsManage;
    SpecialistProfileIncomplete "specialist_profile_incomplete": Info, Specialist, Specialists, seen by Some(Permission::SpecialistsRead);
        "An approved specialist's profile lacks specializations, languages or the length of sessions."
        "Patients choose somebody else."
        "Complete the profile, here or at its source."
        "PATCH" "/specialists/{specialist_id}" SpecialistsManage;
}

impl Rule {
    /// Whether what it finds at `place` is about something within `reach`.
    #[must_use]
    pub fn is_within(self, place: Place, reach: &Reach) -> bool {
        match (self.sphere(), place) {
            (Sphere::Organization, Place::Organization { organization }) => {
                organization == reach.organization
            }
            (Sphere::Patients, Place::Site { site, .. }) => reach.has_patient_at([site]),
            (Sphere::Specialists, Place::Site { site, .. }) => reach.has_specialist_at([site]),
            (Sphere::Events, Place::Site { site, .. }) => reach.has_site(site),
            (Sphere::Owner, Place::Site { site, .. }) => reach.owns(site),
            _ => false,
        }
    }

    /// Whether it is about the organization itself.
    #[must_use]
    pub fn is_own(self) -> bool {
        self.sphere() == Sphere::Organization
    }
}

impl NextStep {
    /// The path for `subject`, as `organization` takes it.
    #[must_use]
    pub fn path_for(&self, organization: crate::id::OrganizationId, subject: Subject) -> String {
        let path = self.path.replace("{organization_id}", &organization.to_string());
        path.replace(subject.kind().parameter(), &subject.id())
    }
}

impl std::str::FromStr for Rule {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().copied().find(|rule| rule.as_str() == text);
        found.ok_or_else(|| Refusal::new(Code::QueryInvalid, "there is no such rule"))
    }
}
