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
        /// `bounce`, `complaint` or `rejected`.
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
            .write(Write::InviteReplace(ended.clone()))
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
        let is_over =
            matches!(organization.state, OrganizationState::Dissolving { final_at, .. } if final_at <= now);
        let is_open = matches!(self.state, State::Pending { .. } | State::Expired { .. });
        (is_over && is_open).then(|| self.void("finish-dissolutions", now))
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
        match self.status(now) {
            Status::Accepted => Err(Code::InviteAccepted.into()),
            Status::Declined => Err(Code::InviteDeclined.into()),
            Status::Revoked => Err(Code::InviteRevoked.into()),
            _ if link.version != self.version => Err(Code::InviteSuperseded.into()),
            Status::Expired => Err(Code::InviteExpired.into()),
            Status::Pending if link.expires_at <= now => Err(Code::InviteExpired.into()),
            Status::Pending => Ok(()),
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
        let locale = draft.locale.unwrap_or(languages.default);
        if !languages.available.contains(&locale) {
            return Err(Refusal::new(
                Code::LocaleUnsupported,
                "the organization does not use this language",
            )
            .at("/language"));
        }
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
        match invite.status(now) {
            Status::Accepted => return Err(Code::InviteAccepted.into()),
            Status::Declined => return Err(Code::InviteDeclined.into()),
            Status::Revoked => return Err(Code::InviteRevoked.into()),
            Status::Pending | Status::Expired => {}
        }
        if self.organization.permissions(invite.role).is_none() {
            return Err(Code::RoleGone.into());
        }
        let whole = |refusal: Refusal| Refusal {
            errors: Vec::new(),
            ..refusal
        };
        let permissions = self.invitable(invite.role, &invite.email).map_err(whole)?;
        let (account, authority) = self.authority();
        let new = Invite {
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
            .write(Write::InviteReplace(new.clone()))
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
        match invite.status(now) {
            Status::Accepted => return Err(Code::InviteAccepted.into()),
            Status::Declined => return Err(Code::InviteDeclined.into()),
            Status::Revoked => return Err(Code::InviteRevoked.into()),
            Status::Pending | Status::Expired => {}
        }
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
        let permissions = self
            .organization
            .permissions(role)
            .ok_or(Code::RoleUnknown)
            .map_err(Refusal::from)
            .at("/role")?;
        self.may_grant(&permissions).at("/role")?;
        if !self.organization.settings.allows(email) {
            return Err(Refusal::from(Code::EmailDomainNotAllowed).at("/email"));
        }
        Ok(permissions)
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
    /// As [`Self::accept`], but for what only acceptance decides.
    pub fn preview(
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
        let (invite, organization) = self.preview(link, identity, now)?;
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
        let Some(permissions) = organization.permissions(invite.role) else {
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
            .write(Write::InviteReplace(accepted))
            .write(Write::MembershipCreate(membership.clone()))
            .write(Write::TieAccept(email.clone(), organization.id, invite.id))
            .write(count(organization.id, [(invite.role, 1)]))
            .writes(invite.due().map(Write::DueDelete))
            .fact(Fact::OrganizationActive(organization.id, organization.access_rev))
            .fact(Fact::AccountIs(self.account.id, self.account.rev))
            .fact(Fact::InviterHolds(
                invite.inviter.account,
                invite.inviter.authority,
                organization.roles_that_may_invite(&permissions),
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
    /// As [`Self::preview`].
    pub fn decline(
        &self,
        link: &InviteLink,
        identity: &Identity,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let (invite, _) = self.received(identity)?;
        invite.answerable(link, now)?;
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
