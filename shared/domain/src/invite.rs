//! Invites: offers, sent by e-mail, to join an organization with a given role.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::access::{Access, expect_revision};
use crate::account::{Account, Identity};
use crate::audit::{Actor, AuditEvent, Origin, Verb};
use crate::change::{Change, Fact, Write};
use crate::code::{At, Code, Refusal};
use crate::due::{Due, Job};
use crate::email::EmailAddress;
use crate::id::{AccountId, InviteId, OrganizationId};
use crate::limit::{INVITES_PER_INVITER, INVITES_PER_ORGANIZATION, MAIL_PER_RECIPIENT};
use crate::locale::Locale;
use crate::membership::{MOST_MEMBERSHIPS, Membership};
use crate::organization::{Organization, State as OrganizationState, count};
use crate::outbox::{Content, Message};
use crate::permission::Permissions;
use crate::plan::{SeatChange, Seats};
use crate::role::Role;
use crate::text::PersonName;

/// How long an invite can be accepted.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long a sender may take for one mail before another may try.
pub const SENDING: SignedDuration = SignedDuration::from_mins(2);

/// The most invites in one bulk request.
pub const MOST_IN_BULK: usize = 50;

/// Where an invite is in its life. That a pending one has expired is told by the clock alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum State {
    /// Can be accepted until it expires.
    Pending {
        /// The first instant at which it cannot be accepted any more.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        expires_at: Timestamp,
    },
    /// Expired, and the seat it held was released.
    Expired {
        /// When it expired.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        expires_at: Timestamp,
    },
    /// Accepted.
    Accepted {
        /// By whom.
        by: AccountId,
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
    /// Declined by the person invited.
    Declined {
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
    /// Revoked by a member, or void because it could never be accepted any more.
    Revoked {
        /// By whom; none if it became void.
        by: Option<AccountId>,
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
}

/// Where the invite's mail is on its way. A new link starts anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Delivery {
    /// Waiting to be sent.
    Queued,
    /// One sender is at it; another may try from `until` on.
    Sending {
        /// When the sender's time is over.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        until: Timestamp,
    },
    /// The mail service took it.
    Sent {
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
    /// It bounced, was refused, or was reported as unwanted.
    Undeliverable {
        /// `bounce`, `complaint`, `rejected` or `dissolving`.
        reason: String,
    },
}

/// Whose right an invite rests on: the account, and the organization in which it is a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inviter {
    /// The account.
    pub account: AccountId,
    /// Where its membership is: the organization itself or an ancestor.
    pub authority: OrganizationId,
    /// The name the mail gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<PersonName>,
}

/// An offer of membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Its id.
    pub id: InviteId,
    /// The organization it is for.
    pub organization: OrganizationId,
    /// The root of that organization, whose seats it counts against.
    pub root: OrganizationId,
    /// Who is invited.
    pub email: EmailAddress,
    /// As what.
    pub role: Role,
    /// The mail's language.
    pub locale: Locale,
    /// Who last sent it, and so answers for it.
    pub inviter: Inviter,
    /// Where it is in its life.
    #[serde(flatten)]
    pub state: State,
    /// The version of its only valid link.
    pub version: u32,
    /// Whether it holds a seat.
    pub seat_held: bool,
    /// Where its mail is. Not part of the revision: that the mail went out must not spoil what an admin is about to do.
    pub delivery: Delivery,
    /// Rises with every change.
    pub rev: u64,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

/// What a mailed link says, once its signature is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InviteLink {
    /// The organization.
    pub organization: OrganizationId,
    /// Its root.
    pub root: OrganizationId,
    /// The invite.
    pub invite: InviteId,
    /// The version of the link.
    pub version: u32,
    /// When the invite expires, as it stood when the link was mailed.
    pub expires_at: Timestamp,
}

/// What an invite is to be.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Who.
    pub email: EmailAddress,
    /// As what.
    pub role: Role,
    /// In which language; the organization's default if not said.
    pub locale: Option<Locale>,
}

/// Everything that an answer to an invite is decided by.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The invite that the link names.
    pub invite: Option<Invite>,
    /// Its organization.
    pub organization: Option<Organization>,
    /// The seats of its root.
    pub seats: Option<Seats>,
    /// The caller's account.
    pub account: Account,
    /// The caller's memberships.
    pub memberships: Vec<Membership>,
}

/// An answer to an invite that can never be accepted any more: a change that frees what it held, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Void {
    /// The invite's end.
    pub change: Change,
    /// What the person is told.
    pub refusal: Refusal,
}

/// What accepting comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Acceptance {
    /// The person becomes a member.
    Member(Box<Membership>, Box<Change>),
    /// The invite ends instead.
    Void(Box<Void>),
}

impl Invite {
    /// When it expires or expired; none once it was answered.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Pending { expires_at } | State::Expired { expires_at } => Some(expires_at),
            _ => None,
        }
    }

    /// `pending`, `expired`, `accepted`, `declined` or `revoked`, by the clock.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        match self.state {
            State::Pending { expires_at } if expires_at > now => Status::Pending,
            State::Pending { .. } | State::Expired { .. } => Status::Expired,
            State::Accepted { .. } => Status::Accepted,
            State::Declined { .. } => Status::Declined,
            State::Revoked { .. } => Status::Revoked,
        }
    }

    /// The link that its mail carries now; none once it was answered.
    #[must_use]
    pub fn link(&self) -> Option<InviteLink> {
        let (organization, root, invite, version) = (self.organization, self.root, self.id, self.version);
        Some(InviteLink {
            organization,
            root,
            invite,
            version,
            expires_at: self.expires_at()?,
        })
    }

    fn next(&self, now: Timestamp) -> Self {
        Self {
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        }
    }

    fn due(&self) -> Option<Due> {
        let at = self.expires_at()?;
        Some(Due {
            at,
            job: Job::ExpireInvite {
                organization: self.organization,
                invite: self.id,
            },
        })
    }

    fn message(&self, now: Timestamp) -> Message {
        let content = Content::InviteMail {
            organization: self.organization,
            invite: self.id,
            version: self.version,
        };
        Message::new(content, now)
    }

    /// The invite, ended in `state`: its seat is free, and its address if it still held it.
    fn ended(&self, state: State, event: AuditEvent, now: Timestamp) -> (Self, Change) {
        let held_address = self.status(now) == Status::Pending;
        let due = self.due();
        let ended = Self {
            state,
            seat_held: false,
            ..self.next(now)
        };
        let tie = held_address.then(|| Write::TieRelease(self.email.clone(), self.organization, self.id));
        let change = Change::audited(event)
            .write(Write::InviteReplace(ended.clone(), self.delivery.clone()))
            .writes(tie)
            .writes(due.map(Write::DueDelete))
            .seats(self.root, SeatChange::between(self.seat_held, false));
        (ended, change)
    }

    /// The invite's expiry, which frees its seat; `None` while it is pending by the clock or when it was done before.
    /// Its address needs no freeing: the tie carries the same time.
    #[must_use]
    pub fn expired(&self, by: &str, now: Timestamp) -> Option<Change> {
        let State::Pending { expires_at } = self.state else {
            return None;
        };
        if expires_at > now {
            return None;
        }
        let actor = Actor::System { name: by.to_owned() };
        let event = AuditEvent::new(
            self.organization,
            Verb::InviteExpired,
            actor,
            &self.id,
            &Origin::default(),
            now,
        );
        Some(self.ended(State::Expired { expires_at }, event, now).1)
    }

    /// The end of a pending invite together with its organization.
    #[must_use]
    pub fn ended_with(&self, organization: &Organization, now: Timestamp) -> Option<Change> {
        organization.due_end(now)?;
        let is_open = matches!(self.state, State::Pending { .. } | State::Expired { .. });
        is_open.then(|| self.void("finish-dissolutions", now).fact(organization.ending()))
    }

    fn void(&self, by: &str, now: Timestamp) -> Change {
        let actor = Actor::System { name: by.to_owned() };
        let event = AuditEvent::new(
            self.organization,
            Verb::InviteVoided,
            actor,
            &self.id,
            &Origin::default(),
            now,
        );
        self.ended(State::Revoked { by: None, at: now }, event, now).1
    }

    /// The first reason why `link` gives its recipient no answer to choose any more.
    fn answerable(&self, link: &InviteLink, now: Timestamp) -> Result<(), Refusal> {
        self.unanswered()?;
        if link.version != self.version {
            return Err(Code::InviteSuperseded.into());
        }
        if self.status(now) == Status::Expired || link.expires_at <= now {
            return Err(Code::InviteExpired.into());
        }
        Ok(())
    }

    /// Refuses what has ended otherwise than by the clock: nothing can be done with it any more.
    fn unanswered(&self) -> Result<(), Refusal> {
        match self.state {
            State::Pending { .. } | State::Expired { .. } => Ok(()),
            State::Accepted { .. } => Err(Code::InviteAccepted.into()),
            State::Declined { .. } => Err(Code::InviteDeclined.into()),
            State::Revoked { .. } => Err(Code::InviteRevoked.into()),
        }
    }

    /// One sender's claim on the mail, or nothing if there is no mail to send any more or another sender is at it.
    ///
    /// A claim that was left by a sender that died is taken over after [`SENDING`]: then, and only then, the
    /// mail may arrive twice.
    #[must_use]
    pub fn sending(&self, version: u32, now: Timestamp) -> Sending {
        if self.version != version || self.status(now) != Status::Pending {
            return Sending::Obsolete;
        }
        match self.delivery {
            Delivery::Sending { until } if until > now => Sending::Taken,
            Delivery::Queued | Delivery::Sending { .. } => {
                let (claimed, change) = self.delivering(Delivery::Sending { until: now + SENDING });
                Sending::Claimed(Box::new(claimed), Box::new(change))
            }
            Delivery::Sent { .. } | Delivery::Undeliverable { .. } => Sending::Obsolete,
        }
    }

    /// The invite with its mail further on its way.
    #[must_use]
    pub fn delivering(&self, to: Delivery) -> (Self, Change) {
        let write = Write::InviteDelivery {
            organization: self.organization,
            invite: self.id,
            version: self.version,
            from: self.delivery.clone(),
            to: to.clone(),
        };
        (
            Self {
                delivery: to,
                ..self.clone()
            },
            Change::default().write(write),
        )
    }

    /// The invite, its mail known not to arrive; nothing if a newer link is out, or it was known before.
    #[must_use]
    pub fn undeliverable(&self, version: u32, reason: &str, now: Timestamp) -> Option<Change> {
        if self.version != version || matches!(self.delivery, Delivery::Undeliverable { .. }) {
            return None;
        }
        let actor = Actor::System {
            name: "send-mail".to_owned(),
        };
        let event = AuditEvent::new(
            self.organization,
            Verb::InviteUndeliverable,
            actor,
            &self.id,
            &Origin::default(),
            now,
        )
        .changed("delivery", None, Some(reason.to_owned()));
        let (_, change) = self.delivering(Delivery::Undeliverable {
            reason: reason.to_owned(),
        });
        Some(Change {
            audit: vec![event],
            ..change
        })
    }
}

/// What a sender may do about a mail.
#[derive(Debug, Clone, PartialEq)]
pub enum Sending {
    /// Send it once the claim is committed.
    Claimed(Box<Invite>, Box<Change>),
    /// Somebody else is at it: look again later.
    Taken,
    /// There is nothing to send any more.
    Obsolete,
}

/// The state of an invite as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Can be accepted.
    Pending,
    /// Too late.
    Expired,
    /// Accepted.
    Accepted,
    /// Declined.
    Declined,
    /// Revoked.
    Revoked,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Expired,
        Self::Accepted,
        Self::Declined,
        Self::Revoked,
    ];

    /// The state as it is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Revoked => "revoked",
        }
    }

    /// Whether it can still be resent.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Expired)
    }
}

impl Access {
    /// A new invite.
    ///
    /// # Errors
    /// [`Code::RoleNotInvitable`], [`Code::RoleUnknown`], [`Code::GrantExceedsOwn`], [`Code::EmailDomainNotAllowed`],
    /// [`Code::LocaleUnsupported`] for a language that the organization does not use. That the address is a member or
    /// invited, that seats or limits are used up, comes from the commit.
    pub fn create_invite(&self, draft: Draft, now: Timestamp) -> Result<(Invite, Change), Refusal> {
        let permissions = self.invitable(draft.role, &draft.email)?;
        let languages = &self.organization.settings.languages;
        let locale = languages.choose(draft.locale).at("/language")?;
        let (account, authority) = self.authority();
        let expires_at = now + LIFETIME;
        let invite = Invite {
            id: InviteId::mint(now),
            organization: self.organization.id,
            root: self.organization.root,
            email: draft.email,
            role: draft.role,
            locale,
            inviter: Inviter {
                account,
                authority,
                name: self.membership.name.clone(),
            },
            state: State::Pending { expires_at },
            version: 1,
            seat_held: permissions.contains(&crate::permission::Permission::SessionsCreate),
            delivery: Delivery::Queued,
            rev: 1,
            created_at: now,
            updated_at: now,
        };
        let event = self.event(Verb::InviteCreated, &invite.id, now).changed(
            "role",
            None,
            Some(invite.role.to_string()),
        );
        let change = Change::audited(event)
            .write(Write::InviteCreate(invite.clone()))
            .seats(invite.root, SeatChange::between(false, invite.seat_held));
        Ok((invite.clone(), self.sending(change, &invite, now)))
    }

    /// The invite with a new link and a new lifetime; whoever resends it answers for it.
    ///
    /// # Errors
    /// [`Code::InviteAccepted`], [`Code::InviteDeclined`], [`Code::InviteRevoked`]; [`Code::RoleGone`]; else as
    /// [`Self::create_invite`], but said of no field: a resend has none.
    pub fn resend_invite(&self, invite: &Invite, now: Timestamp) -> Result<(Invite, Change), Refusal> {
        invite.unanswered()?;
        if self.organization.permissions(invite.role).is_none() {
            return Err(Code::RoleGone.into());
        }
        let whole = |refusal: Refusal| Refusal {
            errors: Vec::new(),
            ..refusal
        };
        let permissions = self.invitable(invite.role, &invite.email).map_err(whole)?;
        let languages = &self.organization.settings.languages;
        let (account, authority) = self.authority();
        let new = Invite {
            // A language that is not used any more gives way to the default.
            locale: languages.choose(Some(invite.locale)).unwrap_or(languages.default),
            inviter: Inviter {
                account,
                authority,
                name: self.membership.name.clone(),
            },
            state: State::Pending {
                expires_at: now + LIFETIME,
            },
            version: invite.version + 1,
            seat_held: permissions.contains(&crate::permission::Permission::SessionsCreate),
            delivery: Delivery::Queued,
            ..invite.next(now)
        };
        let change = Change::audited(self.event(Verb::InviteResent, &invite.id, now))
            .writes(invite.due().map(Write::DueDelete))
            .write(Write::InviteReplace(new.clone(), invite.delivery.clone()))
            .seats(invite.root, SeatChange::between(invite.seat_held, new.seat_held));
        // An expired invite that nobody took the seat from takes it anew, and so only if the plan still has it.
        let change = if invite.seat_held && invite.status(now) == Status::Expired {
            change.within_seats(invite.root)
        } else {
            change
        };
        Ok((new.clone(), self.sending(change, &new, now)))
    }

    /// The invite, revoked. It never touches a membership.
    ///
    /// # Errors
    /// [`Code::RevisionMismatch`], [`Code::InviteAccepted`], [`Code::InviteDeclined`], [`Code::InviteRevoked`].
    pub fn revoke_invite(
        &self,
        invite: &Invite,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Invite, Change), Refusal> {
        invite.unanswered()?;
        expect_revision(invite.rev, seen)?;
        let event = self.event(Verb::InviteRevoked, &invite.id, now);
        let (ended, change) = invite.ended(
            State::Revoked {
                by: Some(self.account()),
                at: now,
            },
            event,
            now,
        );
        Ok((
            ended,
            change.fact(self.organization_active()).fact(self.actor_holds()),
        ))
    }

    /// What holders of `role` may do, if the caller may invite this address to it.
    fn invitable(&self, role: Role, email: &EmailAddress) -> Result<Permissions, Refusal> {
        if role == Role::Admin {
            return Err(Refusal::from(Code::RoleNotInvitable).at("/role"));
        }
        let grant = self
            .organization
            .grant(role)
            .ok_or(Code::RoleUnknown)
            .map_err(Refusal::from)
            .at("/role")?;
        self.may_grant(&grant).at("/role")?;
        if !self.organization.settings.allows(email) {
            return Err(Refusal::from(Code::EmailDomainNotAllowed).at("/email"));
        }
        Ok(grant.permissions)
    }

    /// The change that also ties the address, sets the expiry, counts against the limits and mails the link.
    fn sending(&self, change: Change, invite: &Invite, now: Timestamp) -> Change {
        let tie = invite
            .expires_at()
            .map(|until| Write::TieInvite(invite.email.clone(), invite.organization, invite.id, until));
        change
            .writes(tie)
            .writes(invite.due().map(Write::DuePut))
            .counted(MAIL_PER_RECIPIENT.used_by(invite.email.mailbox(), now))
            .counted(INVITES_PER_INVITER.used_by(self.account().to_string(), now))
            .counted(INVITES_PER_ORGANIZATION.used_by(invite.organization.to_string(), now))
            .sending(invite.message(now))
            .fact(self.organization_active())
            .fact(self.actor_holds())
    }
}

impl Facts {
    /// The invite, if the caller is the one it was sent to, and its living organization.
    ///
    /// # Errors
    /// [`Code::InviteNotFound`] for everybody else, whatever else is true: a stranger learns nothing.
    fn received(&self, identity: &Identity) -> Result<(&Invite, &Organization), Refusal> {
        let invite = self.invite.as_ref().ok_or(Code::InviteNotFound)?;
        let organization = self.organization.as_ref().ok_or(Code::InviteNotFound)?;
        if identity.email()? != &invite.email {
            return Err(Code::InviteNotFound.into());
        }
        Ok((invite, organization))
    }

    /// What the recipient may see of the invite before they answer.
    ///
    /// # Errors
    /// As [`Self::accept`], but for what only acceptance decides. A role that is gone has no name to show.
    pub fn preview(
        &self,
        link: &InviteLink,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<(&Invite, &Organization), Refusal> {
        let (invite, organization) = self.offered(link, identity, now)?;
        match organization.permissions(invite.role) {
            Some(_) => Ok((invite, organization)),
            None => Err(Code::RoleGone.into()),
        }
    }

    /// The invite, if it can still be accepted by its recipient, and the organization that offers it.
    fn offered(
        &self,
        link: &InviteLink,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<(&Invite, &Organization), Refusal> {
        let (invite, organization) = self.received(identity)?;
        invite.answerable(link, now)?;
        match organization.state {
            OrganizationState::Active => Ok((invite, organization)),
            _ => Err(Code::OrganizationDissolving.into()),
        }
    }

    /// The recipient's membership, or the invite's end where it can never give one any more.
    ///
    /// # Errors
    /// [`Code::InviteNotFound`] to everybody but the recipient; [`Code::EmailUnverified`]; [`Code::InviteSuperseded`],
    /// [`Code::InviteExpired`], [`Code::InviteAccepted`], [`Code::InviteDeclined`], [`Code::InviteRevoked`];
    /// [`Code::OrganizationDissolving`]; [`Code::EmailChanged`]; [`Code::LimitExceeded`]. [`Code::InviterWithoutRight`] of
    /// anybody else comes from the commit.
    pub fn accept(
        &self,
        link: &InviteLink,
        identity: &Identity,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Acceptance, Refusal> {
        let (invite, organization) = self.offered(link, identity, now)?;
        let void = |refusal: Refusal| {
            Ok(Acceptance::Void(Box::new(Void {
                change: invite.void("invites", now),
                refusal,
            })))
        };
        if self
            .memberships
            .iter()
            .any(|membership| membership.organization == organization.id)
        {
            return void(Code::AlreadyMember.into());
        }
        // Who is no member any more has nothing left to give themselves under another address.
        if (invite.inviter.account, invite.inviter.authority) == (self.account.id, organization.id) {
            return Err(Code::InviterWithoutRight.into());
        }
        let Some(grant) = organization.grant(invite.role) else {
            return void(Code::RoleGone.into());
        };
        let email = self.account.proven_email(identity)?;
        if !organization.settings.allows(email) {
            return void(Code::EmailDomainNotAllowed.into());
        }
        if self.memberships.len() >= MOST_MEMBERSHIPS {
            return Err(Code::LimitExceeded.into());
        }
        if invite.seat_held && self.seats.as_ref().is_none_or(|seats| seats.used > seats.limit) {
            // Each that goes makes room: the last seats that the plan has must not be refused too.
            return Ok(Acceptance::Void(Box::new(Void {
                change: invite
                    .void("invites", now)
                    .fact(Fact::SeatsBeyondLimit(invite.root)),
                refusal: Code::SeatLimitReached.into(),
            })));
        }
        let membership = Membership::new(&self.account, email.clone(), organization, invite.role, now);
        let actor = Actor::Account {
            id: self.account.id,
            role: Some(invite.role),
        };
        let event = AuditEvent::new(
            organization.id,
            Verb::InviteAccepted,
            actor,
            &invite.id,
            origin,
            now,
        )
        .changed("role", None, Some(invite.role.to_string()));
        // The seat that the invite held becomes the member's: no counter changes.
        let accepted = Invite {
            state: State::Accepted {
                by: self.account.id,
                at: now,
            },
            seat_held: false,
            ..invite.next(now)
        };
        let change = Change::audited(event)
            .write(Write::InviteReplace(accepted, invite.delivery.clone()))
            .write(Write::MembershipCreate(membership.clone()))
            .write(Write::TieAccept(email.clone(), organization.id, invite.id))
            .write(count(organization.id, [(invite.role, 1)]))
            .writes(invite.due().map(Write::DueDelete))
            .fact(Fact::OrganizationActive(organization.id, organization.access_rev))
            .write(Write::AccountJoins(self.account.id, self.account.rev))
            .fact(Fact::InviterHolds(
                invite.inviter.account,
                invite.inviter.authority,
                organization.roles_that_may_invite(&grant),
            ));
        let change = if membership.seat {
            change.fact(Fact::SeatsWithinLimit(invite.root))
        } else {
            change
        };
        Ok(Acceptance::Member(Box::new(membership), Box::new(change)))
    }

    /// The invite, declined by its recipient.
    ///
    /// # Errors
    /// As [`Self::preview`], but that an offer of a role that is gone can be declined.
    pub fn decline(
        &self,
        link: &InviteLink,
        identity: &Identity,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let (invite, _) = self.offered(link, identity, now)?;
        let actor = Actor::Account {
            id: self.account.id,
            role: None,
        };
        let event = AuditEvent::new(
            invite.organization,
            Verb::InviteDeclined,
            actor,
            &invite.id,
            origin,
            now,
        );
        Ok(invite.ended(State::Declined { at: now }, event, now).1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::access::Phase;
    use crate::organization::RoleDraft;
    use crate::permission::Permission;

    const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

    fn at() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn identity(subject: &str, email: &str) -> Identity {
        Identity {
            account: AccountId::of("test", subject),
            verified_email: Some(email.parse().unwrap()),
            name: Some("Dana".parse().unwrap()),
        }
    }

    fn account(subject: &str, email: &str) -> Account {
        Account::first_seen(&identity(subject, email), at())
    }

    /// A clinic with its admin Dana.
    fn clinic() -> (Organization, Membership) {
        let draft = crate::organization::Draft {
            name: "Riverside".parse().unwrap(),
            settings: crate::organization::Settings::default(),
        };
        let (dana, who) = (
            account("dana", "dana@x.example"),
            identity("dana", "dana@x.example"),
        );
        let (organization, _) =
            Organization::create(draft, &dana, &who, 0, &Origin::default(), at()).unwrap();
        let membership = Membership::new(
            &dana,
            dana.email.clone().unwrap(),
            &organization,
            Role::Admin,
            at(),
        );
        (organization, membership)
    }

    fn access(organization: &Organization, membership: &Membership) -> Access {
        let memberships = vec![membership.clone()];
        let organization = Some(organization.clone());
        Access::resolve(
            organization,
            memberships,
            None,
            Phase::Active,
            Origin::default(),
            at(),
        )
        .unwrap()
    }

    /// The clinic with one more custom role of these permissions.
    fn with_role(organization: &Organization, permissions: &[Permission]) -> (Organization, Role) {
        let (_, dana) = clinic();
        let draft = RoleDraft {
            name: "Own".parse().unwrap(),
            grant: permissions
                .iter()
                .copied()
                .collect::<crate::permission::Permissions>()
                .into(),
        };
        let admin = Membership {
            organization: organization.id,
            ..dana
        };
        let (role, _) = access(organization, &admin).create_role(draft, at()).unwrap();
        let mut organization = organization.clone();
        organization.roles.push(role.clone());
        (organization, Role::Custom(role.id))
    }

    fn draft(role: Role) -> Draft {
        Draft {
            email: "ada@x.example".parse().unwrap(),
            role,
            locale: None,
        }
    }

    /// Ada's invite and everything that her answer is decided by.
    fn invited(role: Role) -> (Facts, InviteLink) {
        let (organization, dana) = clinic();
        let (invite, _) = access(&organization, &dana)
            .create_invite(draft(role), at())
            .unwrap();
        let link = invite.link().unwrap();
        let facts = Facts {
            seats: Some(Seats {
                used: 1,
                ..Seats::of(&crate::plan::TEAM, organization.id)
            }),
            invite: Some(invite),
            organization: Some(organization),
            account: account("ada", "ada@x.example"),
            memberships: Vec::new(),
        };
        (facts, link)
    }

    fn ada() -> Identity {
        identity("ada", "ada@x.example")
    }

    /// The three answers of `who`, as the code they are refused with.
    fn codes(facts: &Facts, link: &InviteLink, who: &Identity, now: Timestamp) -> [Option<Code>; 3] {
        let origin = Origin::default();
        let accepted = match facts.accept(link, who, &origin, now) {
            Ok(Acceptance::Member(..)) => None,
            Ok(Acceptance::Void(void)) => Some(void.refusal.code),
            Err(refusal) => Some(refusal.code),
        };
        [
            facts.preview(link, who, now).err().map(|refusal| refusal.code),
            accepted,
            facts
                .decline(link, who, &origin, now)
                .err()
                .map(|refusal| refusal.code),
        ]
    }

    fn seat(change: &Change) -> SeatChange {
        change.seats.map_or(SeatChange::Keep, |seats| seats.change)
    }

    fn releases_tie(change: &Change) -> bool {
        change
            .writes
            .iter()
            .any(|write| matches!(write, Write::TieRelease(..)))
    }

    fn replaced(change: &Change) -> &Invite {
        let replaced = change.writes.iter().find_map(|write| match write {
            Write::InviteReplace(invite, _) => Some(invite),
            _ => None,
        });
        replaced.unwrap()
    }

    /// The invite in every state that it can be in, with what its recipient is told.
    fn states(facts: &Facts) -> Vec<(Invite, Option<Code>)> {
        let invite = facts.invite.clone().unwrap();
        let (by, expires_at) = (AccountId::of("test", "ada"), at() + LIFETIME);
        [
            (State::Pending { expires_at }, None),
            (State::Pending { expires_at: at() }, Some(Code::InviteExpired)),
            (State::Expired { expires_at: at() }, Some(Code::InviteExpired)),
            (State::Accepted { by, at: at() }, Some(Code::InviteAccepted)),
            (State::Declined { at: at() }, Some(Code::InviteDeclined)),
            (
                State::Revoked {
                    by: Some(by),
                    at: at(),
                },
                Some(Code::InviteRevoked),
            ),
            (State::Revoked { by: None, at: at() }, Some(Code::InviteRevoked)),
        ]
        .map(|(state, code)| {
            (
                Invite {
                    state,
                    ..invite.clone()
                },
                code,
            )
        })
        .into()
    }

    #[test]
    fn it_lives_seven_days_to_the_millisecond() {
        let (facts, link) = invited(Role::Provider);
        let end = at() + LIFETIME;
        assert_eq!(LIFETIME.as_hours(), 7 * 24);
        for now in [at(), end - SignedDuration::from_secs(1), end - MILLISECOND] {
            assert_eq!(codes(&facts, &link, &ada(), now), [None; 3], "{now}");
        }
        for now in [end, end + MILLISECOND, end + LIFETIME * 50] {
            assert_eq!(
                codes(&facts, &link, &ada(), now),
                [Some(Code::InviteExpired); 3],
                "{now}"
            );
        }
    }

    #[test]
    fn its_recipient_is_told_what_became_of_it_and_a_stranger_nothing() {
        let (facts, link) = invited(Role::Provider);
        let (unverified, stranger) = (
            Identity {
                verified_email: None,
                ..ada()
            },
            identity("eve", "eve@x.example"),
        );
        for (invite, code) in states(&facts) {
            let facts = Facts {
                invite: Some(invite.clone()),
                ..facts.clone()
            };
            assert_eq!(
                codes(&facts, &link, &ada(), at()),
                [code; 3],
                "{:?}",
                invite.state
            );
            let older = InviteLink { version: 0, ..link };
            let superseded = match code {
                None | Some(Code::InviteExpired) => Some(Code::InviteSuperseded),
                answered => answered,
            };
            assert_eq!(codes(&facts, &older, &ada(), at()), [superseded; 3]);
            for link in [&link, &older] {
                assert_eq!(
                    codes(&facts, link, &stranger, at()),
                    [Some(Code::InviteNotFound); 3]
                );
                assert_eq!(
                    codes(&facts, link, &unverified, at()),
                    [Some(Code::EmailUnverified); 3]
                );
            }
        }
        for facts in [
            Facts {
                invite: None,
                ..facts.clone()
            },
            Facts {
                organization: None,
                ..facts
            },
        ] {
            assert_eq!(
                codes(&facts, &link, &ada(), at()),
                [Some(Code::InviteNotFound); 3]
            );
        }
    }

    #[test]
    fn a_link_ends_with_the_time_it_was_mailed_with() {
        let (facts, link) = invited(Role::Viewer);
        let shorter = InviteLink {
            expires_at: at() + MILLISECOND,
            ..link
        };
        assert_eq!(codes(&facts, &shorter, &ada(), at()), [None; 3]);
        assert_eq!(
            codes(&facts, &shorter, &ada(), at() + MILLISECOND),
            [Some(Code::InviteExpired); 3]
        );
    }

    #[test]
    fn accepting_changes_no_seat_and_rests_on_whoever_may_give_the_role() {
        let (organization, _) = clinic();
        let (organization, desk) = with_role(
            &organization,
            &[Permission::InvitesManage, Permission::SessionsCreate],
        );
        let (organization, _) = with_role(&organization, &[Permission::InvitesManage]);
        let (facts, link) = invited(Role::Provider);
        let facts = Facts {
            organization: Some(Organization {
                id: facts.organization.as_ref().unwrap().id,
                ..organization
            }),
            ..facts
        };

        let Ok(Acceptance::Member(membership, change)) =
            facts.accept(&link, &ada(), &Origin::default(), at())
        else {
            panic!("a membership")
        };

        assert_eq!((membership.role, membership.seat), (Role::Provider, true));
        assert_eq!(seat(&change), SeatChange::Keep);
        let within = Fact::SeatsWithinLimit(facts.invite.as_ref().unwrap().root);
        assert!(change.facts.contains(&within), "a smaller plan is noticed");
        let inviter = change.facts.iter().find_map(|fact| match fact {
            Fact::InviterHolds(_, _, roles) => Some(roles.clone()),
            _ => None,
        });
        assert_eq!(inviter.unwrap(), [Role::Admin, desk]);
        assert_eq!(change.audit.len(), 1);
        assert!(change.messages.is_empty() && change.uses.is_empty());
    }

    #[test]
    fn what_can_never_be_accepted_any_more_ends_and_gives_back_seat_and_address() {
        let (facts, link) = invited(Role::Provider);
        let organization = facts.organization.clone().unwrap();
        let member = Membership::new(
            &facts.account,
            "ada.old@x.example".parse().unwrap(),
            &organization,
            Role::Viewer,
            at(),
        );
        let mut strict = organization.clone();
        strict.settings.allowed_domains = BTreeSet::from(["y.example".parse().unwrap()]);
        let gone = Invite {
            role: with_role(&organization, &[]).1,
            ..facts.invite.clone().unwrap()
        };
        let small = Seats {
            used: 2,
            limit: 1,
            ..facts.seats.clone().unwrap()
        };
        for (facts, code) in [
            (
                Facts {
                    memberships: vec![member],
                    ..facts.clone()
                },
                Code::AlreadyMember,
            ),
            (
                Facts {
                    organization: Some(strict),
                    ..facts.clone()
                },
                Code::EmailDomainNotAllowed,
            ),
            (
                Facts {
                    invite: Some(gone),
                    ..facts.clone()
                },
                Code::RoleGone,
            ),
            (
                Facts {
                    seats: Some(small),
                    ..facts.clone()
                },
                Code::SeatLimitReached,
            ),
            (
                Facts {
                    seats: None,
                    ..facts.clone()
                },
                Code::SeatLimitReached,
            ),
        ] {
            let Ok(Acceptance::Void(void)) = facts.accept(&link, &ada(), &Origin::default(), at()) else {
                panic!("{code:?} ends it")
            };
            assert_eq!(void.refusal.code, code);
            assert_eq!(seat(&void.change), SeatChange::Release);
            assert!(releases_tie(&void.change));
            let ended = replaced(&void.change);
            assert_eq!(ended.state, State::Revoked { by: None, at: at() });
            assert!(!ended.seat_held);
            assert_eq!(void.change.audit.len(), 1);
        }
    }

    #[test]
    fn an_offer_of_a_role_that_is_gone_can_be_declined() {
        let (facts, link) = invited(Role::Provider);
        let gone = Invite {
            role: with_role(facts.organization.as_ref().unwrap(), &[]).1,
            ..facts.invite.clone().unwrap()
        };
        let facts = Facts {
            invite: Some(gone),
            ..facts
        };
        assert_eq!(
            codes(&facts, &link, &ada(), at()),
            [Some(Code::RoleGone), Some(Code::RoleGone), None]
        );
    }

    #[test]
    fn what_may_pass_does_not_end_it() {
        let (facts, link) = invited(Role::Viewer);
        let other = Account {
            email: Some("ada.old@x.example".parse().unwrap()),
            ..facts.account.clone()
        };
        let mut dissolving = facts.organization.clone().unwrap();
        dissolving.state = OrganizationState::Dissolving {
            requested_by: facts.account.id,
            requested_at: at(),
            final_at: at() + LIFETIME,
        };
        let elsewhere = |n: usize| Membership {
            organization: OrganizationId::mint(at() + MILLISECOND * i32::try_from(n).unwrap()),
            ..clinic().1
        };
        let busy = (0..MOST_MEMBERSHIPS).map(elsewhere).collect();
        let mut own = facts.invite.clone().unwrap();
        own.inviter.account = facts.account.id;
        for (facts, code) in [
            (
                Facts {
                    account: other,
                    ..facts.clone()
                },
                Code::EmailChanged,
            ),
            (
                Facts {
                    organization: Some(dissolving),
                    ..facts.clone()
                },
                Code::OrganizationDissolving,
            ),
            (
                Facts {
                    memberships: busy,
                    ..facts.clone()
                },
                Code::LimitExceeded,
            ),
            (
                Facts {
                    invite: Some(own),
                    ..facts.clone()
                },
                Code::InviterWithoutRight,
            ),
        ] {
            let refused = facts.accept(&link, &ada(), &Origin::default(), at());
            assert_eq!(refused.unwrap_err().code, code);
        }
    }

    #[test]
    fn nobody_invites_to_what_they_do_not_hold() {
        use Permission as P;
        let (organization, dana) = clinic();
        let (organization, desk) = with_role(&organization, &[P::InvitesManage, P::MembersRead]);
        let (organization, less) = with_role(&organization, &[P::MembersRead]);
        let (organization, beside) = with_role(&organization, &[P::MembersRead, P::AuditRead]);
        let (organization, none) = with_role(&organization, &[]);
        let (_, foreign) = with_role(&organization, &[P::MembersRead]);
        let by = |inviter: Role, role: Role| {
            let membership = Membership {
                organization: organization.id,
                role: inviter,
                ..dana.clone()
            };
            let made = access(&organization, &membership).create_invite(draft(role), at());
            made.map(|(invite, _)| invite.seat_held)
                .map_err(|refusal| refusal.code)
        };
        for (inviter, role, expected) in [
            (Role::Admin, Role::Admin, Err(Code::RoleNotInvitable)),
            (Role::Admin, Role::Provider, Ok(true)),
            (Role::Admin, Role::Viewer, Ok(false)),
            (Role::Admin, beside, Ok(false)),
            (Role::Admin, foreign, Err(Code::RoleUnknown)),
            (desk, desk, Ok(false)),
            (desk, less, Ok(false)),
            (desk, none, Ok(false)),
            (desk, beside, Err(Code::GrantExceedsOwn)),
            (desk, Role::Viewer, Err(Code::GrantExceedsOwn)),
            (desk, Role::Provider, Err(Code::GrantExceedsOwn)),
            (desk, Role::Admin, Err(Code::RoleNotInvitable)),
            (desk, foreign, Err(Code::RoleUnknown)),
        ] {
            assert_eq!(by(inviter, role), expected, "{inviter:?} invites {role:?}");
        }
    }

    #[test]
    fn a_mail_is_written_in_a_language_that_the_organization_uses() {
        let (mut organization, dana) = clinic();
        organization.settings.languages = crate::organization::Languages {
            default: Locale::De,
            available: [Locale::De, Locale::Es].into(),
        };
        let wanted = |locale| Draft {
            locale,
            ..draft(Role::Viewer)
        };
        let access = access(&organization, &dana);
        for (wanted, expected) in [
            (wanted(None), Ok(Locale::De)),
            (wanted(Some(Locale::Es)), Ok(Locale::Es)),
            (wanted(Some(Locale::En)), Err(Code::LocaleUnsupported)),
        ] {
            let made = access.create_invite(wanted, at());
            assert_eq!(
                made.map(|(invite, _)| invite.locale)
                    .map_err(|refusal| refusal.code),
                expected
            );
        }
    }

    #[test]
    fn a_resend_begins_anew_and_takes_a_seat_only_where_none_is_held() {
        let (facts, link) = invited(Role::Provider);
        let (organization, _) = clinic();
        let organization = Organization {
            id: facts.organization.as_ref().unwrap().id,
            ..organization
        };
        let dana = Membership {
            organization: organization.id,
            ..clinic().1
        };
        let access = access(&organization, &dana);
        let later = at() + SignedDuration::from_hours(1);
        let invite = facts.invite.clone().unwrap();
        let expired = |seat_held| Invite {
            state: State::Pending { expires_at: at() },
            seat_held,
            ..invite.clone()
        };
        for (old, taken, within) in [
            (invite.clone(), SeatChange::Keep, false),
            (expired(true), SeatChange::Keep, true),
            (expired(false), SeatChange::Take, true),
        ] {
            let (new, change) = access.resend_invite(&old, later).unwrap();
            assert_eq!((new.version, new.rev, new.seat_held), (2, 2, true));
            assert_eq!(new.expires_at(), Some(later + LIFETIME));
            assert_eq!((new.id, new.created_at), (old.id, old.created_at));
            assert_eq!(new.delivery, Delivery::Queued);
            assert_eq!(seat(&change), taken);
            assert_eq!(change.seats.is_some_and(|seats| seats.within_limit), within);
            assert_eq!((change.messages.len(), change.uses.len()), (1, 3));
            assert_eq!(
                new.answerable(&link, later).unwrap_err().code,
                Code::InviteSuperseded
            );
        }
        for (answered, code) in states(&facts) {
            let refused = access
                .resend_invite(&answered, at())
                .err()
                .map(|refusal| refusal.code);
            assert_eq!(refused, code.filter(|code| *code != Code::InviteExpired));
        }
        let gone = Invite {
            role: with_role(&organization, &[]).1,
            ..invite.clone()
        };
        assert_eq!(
            access.resend_invite(&gone, at()).unwrap_err(),
            Code::RoleGone.into()
        );
    }

    #[test]
    fn an_end_gives_back_exactly_what_was_held() {
        let (facts, link) = invited(Role::Provider);
        let organization = facts.organization.clone().unwrap();
        let dana = Membership {
            organization: organization.id,
            ..clinic().1
        };
        let access = access(&organization, &dana);
        let invite = facts.invite.clone().unwrap();
        let expires_at = at();
        for (state, seat_held, seat_change, tied) in [
            (invite.state.clone(), true, SeatChange::Release, true),
            (invite.state.clone(), false, SeatChange::Keep, true),
            // Its address may be another invite's by now, and its seat somebody else's.
            (State::Pending { expires_at }, true, SeatChange::Release, false),
            (State::Pending { expires_at }, false, SeatChange::Keep, false),
            (State::Expired { expires_at }, false, SeatChange::Keep, false),
        ] {
            let invite = Invite {
                state,
                seat_held,
                ..invite.clone()
            };
            let (revoked, change) = access.revoke_invite(&invite, invite.rev, at()).unwrap();
            assert_eq!(seat(&change), seat_change);
            assert_eq!(releases_tie(&change), tied);
            assert!(!revoked.seat_held && revoked.link().is_none());
            let touched = change.writes.iter().any(|write| {
                matches!(
                    write,
                    Write::MembershipDelete(_) | Write::MembershipReplace(_) | Write::TieForget(..)
                )
            });
            assert!(!touched, "a revoke is about no member");
        }
        let seen = access.revoke_invite(&invite, invite.rev + 1, at());
        assert_eq!(seen.unwrap_err().code, Code::RevisionMismatch);
        for (answered, code) in states(&facts) {
            let refused = access.revoke_invite(&answered, answered.rev, at()).err();
            assert_eq!(
                refused.map(|refusal| refusal.code),
                code.filter(|code| *code != Code::InviteExpired)
            );
        }
        let declined = facts.decline(&link, &ada(), &Origin::default(), at()).unwrap();
        assert_eq!(seat(&declined), SeatChange::Release);
        assert!(releases_tie(&declined));
    }

    #[test]
    fn only_a_pending_invite_whose_time_is_over_expires() {
        let (facts, _) = invited(Role::Provider);
        let invite = facts.invite.clone().unwrap();
        let end = at() + LIFETIME;
        assert_eq!(invite.expired("job", end - MILLISECOND), None);
        let change = invite.expired("job", end).unwrap();
        assert_eq!(seat(&change), SeatChange::Release);
        assert!(!releases_tie(&change), "the tie has the same end");
        let expired = replaced(&change);
        assert_eq!(expired.state, State::Expired { expires_at: end });
        assert_eq!(expired.expired("job", end), None, "once");
        for (other, code) in states(&facts) {
            let is_open = matches!(other.state, State::Pending { .. });
            assert_eq!(
                other.expired("job", at()).is_some(),
                is_open && code == Some(Code::InviteExpired),
                "{:?}",
                other.state
            );
        }
    }

    #[test]
    fn one_sender_at_a_time_has_a_mail_and_only_while_its_link_lives() {
        let (facts, _) = invited(Role::Viewer);
        let invite = facts.invite.clone().unwrap();
        let Sending::Claimed(claimed, change) = invite.sending(1, at()) else {
            panic!("a queued mail can be claimed")
        };
        assert_eq!(change.writes.len(), 1);
        assert_eq!(claimed.rev, invite.rev, "what an admin saw stays what they saw");
        let until = at() + SENDING;
        assert_eq!(claimed.sending(1, until - MILLISECOND), Sending::Taken);
        assert!(matches!(claimed.sending(1, until), Sending::Claimed(..)));
        let with = |delivery| Invite {
            delivery,
            ..invite.clone()
        };
        let reason = "bounce".to_owned();
        for done in [
            with(Delivery::Sent { at: at() }),
            with(Delivery::Undeliverable { reason }),
        ] {
            assert_eq!(done.sending(1, at()), Sending::Obsolete);
        }
        for version in [0, 2] {
            assert_eq!(invite.sending(version, at()), Sending::Obsolete);
        }
        assert_eq!(invite.sending(1, at() + LIFETIME), Sending::Obsolete);
        for (other, code) in states(&facts) {
            let is_sent = matches!(other.sending(1, at()), Sending::Claimed(..));
            assert_eq!(is_sent, code.is_none(), "{:?}", other.state);
        }
    }

    #[test]
    fn it_is_undeliverable_once_and_by_its_present_mail() {
        let (facts, _) = invited(Role::Viewer);
        let invite = Invite {
            version: 2,
            ..facts.invite.unwrap()
        };
        for version in [1, 3] {
            assert_eq!(invite.undeliverable(version, "bounce", at()), None);
        }
        let change = invite.undeliverable(2, "bounce", at()).unwrap();
        assert_eq!((change.audit.len(), change.writes.len()), (1, 1));
        assert_eq!(change.seats, None, "it can still be accepted");
        let (known, _) = invite.delivering(Delivery::Undeliverable {
            reason: "bounce".to_owned(),
        });
        assert_eq!(known.undeliverable(2, "complaint", at()), None);
    }
}
