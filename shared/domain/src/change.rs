//! What a decision asks the store to commit: all of it, or nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::account::Account;
use crate::action::{Action, Handling, Watch};
use crate::audit::AuditEvent;
use crate::booking::Booking;
use crate::configuration::Binding;
use crate::device::{Devices, PublicKey};
use crate::due::Due;
use crate::email::EmailAddress;
use crate::export::Export;
use crate::feed::Told;
use crate::fhir::{Alias, Remembered};
use crate::id::{AccountId, BookingId, InviteId, OrganizationId, RoleId, SiteId};
use crate::import::Import;
use crate::ingest::Naming;
use crate::invite::{Delivery, Invite};
use crate::limit::Use;
use crate::membership::Membership;
use crate::note::Note;
use crate::organization::Organization;
use crate::outbox::Message;
use crate::patient::{Enrollment, Patient};
use crate::plan::{Quota, QuotaEffect, QuotaStep, SeatChange, Seats};
use crate::role::Role;
use crate::session::Session;
use crate::site::Site;
use crate::specialist::Specialist;
use crate::token::ServiceToken;
use crate::transaction::{Month, Transaction};

/// One thing to write. Each write is conditional on what it replaces, so that a decision over stale facts commits nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// An account seen for the first time.
    AccountCreate(Account),
    /// An account in its next revision.
    AccountReplace(Account),
    /// An account that becomes a member somewhere in the revision that was read, whose name and address are copied. It is
    /// another revision afterwards: whoever changes those meanwhile decides anew, and knows of the new copy.
    AccountJoins(AccountId, u64),
    /// The claim of an account on an address that no other account has.
    EmailClaim(EmailAddress, AccountId),
    /// The end of that claim.
    EmailRelease(EmailAddress, AccountId),
    /// A new organization.
    OrganizationCreate(Organization),
    /// An organization in its next revision.
    OrganizationReplace(Organization),
    /// A new site.
    SiteCreate(Site),
    /// A site in its next revision.
    SiteReplace(Site),
    /// That an organization is bound to a site.
    BindingPut(OrganizationId, Binding),
    /// That it no longer is.
    BindingDelete(OrganizationId, SiteId),
    /// A booking in its next revision, or its first: with its row in lists, and the step it has taken, if it has.
    BookingPut(Box<Booking>),
    /// Another limit of a root organization's seats. It may be below what is used.
    SeatLimit(OrganizationId, u32),
    /// Another limit of a root organization's sessions a month, which is this one should there be no quota yet. It may be below what
    /// is used.
    SessionLimit(OrganizationId, u32, Month),
    /// A service token in its next revision, or a new one, with what is looked up by its secrets.
    TokenPut {
        /// As it is to be.
        new: ServiceToken,
        /// As it was read; none for a new one.
        old: Option<ServiceToken>,
    },
    /// What a natural key stands for, in its next revision or for the first time.
    NamingPut(Naming),
    /// What is remembered of a resource beside its record, in its next revision or for the first time.
    ResourcePut(Box<Remembered>),
    /// For which record the id of a resource stands, for good.
    AliasCreate(Alias),
    /// The seats of a new root organization.
    SeatsCreate(Seats),
    /// The counts of a new organization, with its first member an admin.
    CountsCreate(OrganizationId),
    /// A change of an organization's counts.
    Counts(CountChange),
    /// A new membership.
    MembershipCreate(Membership),
    /// A membership in its next revision, if it was not active since it was read.
    MembershipReplace(Membership),
    /// The end of a membership in the revision that was read.
    MembershipDelete(Membership),
    /// An address tied to an organization by a pending invite: nobody else may invite it there until then.
    TieInvite(EmailAddress, OrganizationId, InviteId, Timestamp),
    /// The tie of a pending invite becomes a member's.
    TieAccept(EmailAddress, OrganizationId, InviteId),
    /// The tie of a pending invite ends.
    TieRelease(EmailAddress, OrganizationId, InviteId),
    /// The tie of a new organization's first member, or of a member's new address.
    TieMember(EmailAddress, OrganizationId),
    /// The tie of a member's address ends.
    TieForget(EmailAddress, OrganizationId),
    /// A new invite.
    InviteCreate(Invite),
    /// An invite in its next revision, if its mail still is where it was when the invite was read.
    InviteReplace(Invite, Delivery),
    /// An invite's mail further on its way, if it still is where it was.
    InviteDelivery {
        /// The organization.
        organization: OrganizationId,
        /// The invite.
        invite: InviteId,
        /// The version of the link that the mail carries.
        version: u32,
        /// Where the mail was.
        from: Delivery,
        /// Where it is.
        to: Delivery,
    },
    /// A transaction in its next revision, or a new one, with its copies for lists and its booking's money trail.
    TransactionPut {
        /// As it is to be.
        new: Box<Transaction>,
        /// As it was read; none for a new one.
        old: Option<Box<Transaction>>,
    },
    /// A patient in its next revision, or a new one, with all its copies for lists.
    PatientPut {
        /// As it is to be.
        new: Box<Patient>,
        /// As it was read; none for a new one.
        old: Option<Box<Patient>>,
    },
    /// An enrollment in its next revision, or a new one.
    EnrollmentPut(Box<Enrollment>),
    /// A note in its next revision, or a new one.
    NotePut(Box<Note>),
    /// A specialist in its next revision, or a new one, with all its copies for lists.
    SpecialistPut {
        /// As it is to be.
        new: Box<Specialist>,
        /// As it was read; none for a new one.
        old: Option<Box<Specialist>>,
    },
    /// What a source is to be told.
    ToldPut(Told),
    /// An export in its next revision, or a new one.
    ExportPut(Box<Export>),
    /// A session in its next revision, or a new one.
    SessionPut(Box<Session>),
    /// An account's devices in their next revision, or the first.
    DevicesPut(Box<Devices>),
    /// That an account's key was revoked, for good.
    KeyRevoke(AccountId, PublicKey),
    /// An action as it stands, whatever was there: the watch in the same change tells whether that is still so.
    ActionPut(Action),
    /// What is watched of a subject, in place of the watch that was read.
    WatchPut {
        /// As it is to be.
        new: Watch,
        /// The revision that was read; none for a new one.
        old: Option<u64>,
    },
    /// The end of a watch in the revision that was read.
    WatchDelete(Watch),
    /// What an organization makes of an action, in its next revision or for the first time.
    HandlingPut(Handling),
    /// An import in its next revision, or a new one.
    ImportPut(Box<Import>),
    /// Work that falls due.
    DuePut(Due),
    /// Work that no longer does, or is done.
    DueDelete(Due),
}

/// A change of an organization's counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountChange {
    /// Whose.
    pub organization: OrganizationId,
    /// By how much the number of holders of each role changes.
    pub roles: BTreeMap<Role, i32>,
    /// Whether the last admin may go: only when the organization itself ends.
    pub may_end: bool,
}

/// Something a decision rested on that it does not write itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// The account still is in this revision, and so has the name and address that were read.
    AccountIs(AccountId, u64),
    /// The organization is active and its access configuration is still this revision.
    OrganizationActive(OrganizationId, u64),
    /// The organization is still on its way to its end, and at this revision of its access configuration.
    OrganizationEnding(OrganizationId, u64),
    /// The actor still holds this role there.
    ActorHolds(AccountId, OrganizationId, Role),
    /// The actor still takes a provider seat there.
    ActorSeated(AccountId, OrganizationId),
    /// The booking still is in this revision.
    BookingIs(BookingId, u64),
    /// The account has not revoked this key.
    KeyNotRevoked(AccountId, PublicKey),
    /// Somebody still holds one of these roles there: the right to grant what an invite grants.
    InviterHolds(AccountId, OrganizationId, Vec<Role>),
    /// The used seats of a root organization are within its limit.
    SeatsWithinLimit(OrganizationId),
    /// The used seats of a root organization are more than its limit allows.
    SeatsBeyondLimit(OrganizationId),
    /// Nobody holds this custom role.
    RoleUnused(OrganizationId, RoleId),
    /// The organization has this many members.
    MembersAre(OrganizationId, u64),
}

/// What a change does to the seats of a root organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatEffect {
    /// The root organization.
    pub root: OrganizationId,
    /// What happens to the number of used seats.
    pub change: SeatChange,
    /// Whether the seat is a new one, which must be within the limit.
    pub within_limit: bool,
}

/// Everything that one decision commits, in one transaction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    /// What to write.
    pub writes: Vec<Write>,
    /// What must still hold.
    pub facts: Vec<Fact>,
    /// What happens to seats.
    pub seats: Option<SeatEffect>,
    /// What it takes of a quota.
    pub quota: Option<QuotaEffect>,
    /// What is counted against limits.
    pub uses: Vec<Use>,
    /// What the audit log says of it.
    pub audit: Vec<AuditEvent>,
    /// What leaves the product because of it.
    pub messages: Vec<Message>,
}

impl Change {
    /// A change that says `event` in the audit log.
    #[must_use]
    pub fn audited(event: AuditEvent) -> Self {
        Self {
            audit: vec![event],
            ..Self::default()
        }
    }

    /// The change with one more write.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// The change with more writes.
    #[must_use]
    pub fn writes(mut self, writes: impl IntoIterator<Item = Write>) -> Self {
        self.writes.extend(writes);
        self
    }

    /// The change, of which a source is told.
    #[must_use]
    pub fn told(self, told: Option<Told>) -> Self {
        self.writes(told.map(Write::ToldPut))
    }

    /// The change, resting on one more fact.
    #[must_use]
    pub fn fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }

    /// The change, counted against one more limit.
    #[must_use]
    pub fn counted(mut self, limit_use: Use) -> Self {
        self.uses.push(limit_use);
        self
    }

    /// The change with a message to send.
    #[must_use]
    pub fn sending(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// The change with its effect on the seats of `root`.
    #[must_use]
    pub fn seats(mut self, root: OrganizationId, change: SeatChange) -> Self {
        if change != SeatChange::Keep {
            self.seats = Some(SeatEffect {
                root,
                change,
                within_limit: change == SeatChange::Take,
            });
        }
        self
    }

    /// The change, keeping a seat that counts only while the used seats of `root` are within the limit.
    #[must_use]
    pub fn within_seats(mut self, root: OrganizationId) -> Self {
        let keep = SeatEffect {
            root,
            change: SeatChange::Keep,
            within_limit: true,
        };
        self.seats.get_or_insert(keep).within_limit = true;
        self
    }

    /// This change, taking the seat that `expiry` releases: the number of used seats stays as it is.
    #[must_use]
    pub fn taking_over(mut self, expiry: Self) -> Self {
        if let Some(seats) = &mut self.seats {
            seats.change = SeatChange::Keep;
        }
        self.writes.extend(expiry.writes);
        self.facts.extend(expiry.facts);
        self.audit.extend(expiry.audit);
        self
    }

    /// The change, taking one of the sessions of `root` in `month`.
    #[must_use]
    pub fn within_quota(mut self, root: OrganizationId, month: Month) -> Self {
        self.quota = Some(QuotaEffect {
            root,
            month,
            step: QuotaStep::Take,
        });
        self
    }

    /// This change, taking the first session of a month: what is left of `before` is the past's.
    #[must_use]
    pub fn beginning_month(mut self, first: Quota, before: Option<&Quota>) -> Self {
        if let Some(quota) = &mut self.quota {
            quota.step = QuotaStep::Begin(first, before.map(|before| before.month));
        }
        self
    }

    /// Whose seats it needs, if it needs one more or those that are used to be within the limit.
    #[must_use]
    pub fn needs_seats(&self) -> Option<SeatEffect> {
        self.seats.filter(|seats| seats.within_limit)
    }
}
