//! The administrative tenant: its settings, its roles, its life.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::access::{Access, expect_revision};
use crate::account::{Account, Identity};
use crate::audit::{Actor, AuditEvent, Origin, Verb};
use crate::change::{Change, CountChange, Fact, Write};
use crate::code::{At, Code, Refusal};
use crate::due::{Due, Job};
use crate::email::{EmailAddress, EmailDomain};
use crate::id::{AccountId, OrganizationId, RoleId};
use crate::limit::ORGANIZATIONS_PER_ACCOUNT;
use crate::locale::Locale;
use crate::membership::{MOST_MEMBERSHIPS, Membership};
use crate::permission::{Permission, Permissions};
use crate::plan::{Seats, TEAM};
use crate::role::{CustomRole, MOST_ROLES, Role};
use crate::text::{OrganizationName, RoleName};

/// How long a dissolution can be cancelled.
pub const GRACE: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);

/// The most allowed e-mail domains.
pub const MOST_DOMAINS: usize = 50;

/// A time zone by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneName(String);

impl ZoneName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The zone; UTC should the name have left the database since it was stored.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.0).unwrap_or(TimeZone::UTC)
    }
}

impl Default for ZoneName {
    fn default() -> Self {
        Self("UTC".to_owned())
    }
}

impl TryFrom<String> for ZoneName {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        match TimeZone::get(&text) {
            Ok(zone) if text.len() <= 64 && !zone.is_unknown() => {
                Ok(Self(zone.iana_name().unwrap_or(&text).to_owned()))
            }
            _ => Err(Code::TimeZoneUnknown.into()),
        }
    }
}

impl From<ZoneName> for String {
    fn from(zone: ZoneName) -> Self {
        zone.0
    }
}

/// The languages an organization uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Languages {
    /// The one used where nothing else is chosen.
    pub default: Locale,
    /// All that may be chosen, the default among them.
    pub available: BTreeSet<Locale>,
}

impl Default for Languages {
    fn default() -> Self {
        Self {
            default: Locale::En,
            available: Locale::ALL.into(),
        }
    }
}

impl Languages {
    /// The language to write in: the one wanted, or the default.
    ///
    /// # Errors
    /// [`Code::LocaleUnsupported`] for one that the organization does not use.
    pub fn choose(&self, wanted: Option<Locale>) -> Result<Locale, Refusal> {
        let chosen = wanted.unwrap_or(self.default);
        if self.available.contains(&chosen) {
            Ok(chosen)
        } else {
            Err(Refusal::new(
                Code::LocaleUnsupported,
                "the organization does not use this language",
            ))
        }
    }
}

/// What admins configure. Only settings that have an effect exist.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Only addresses of these domains may be members; empty allows all.
    pub allowed_domains: BTreeSet<EmailDomain>,
    /// The zone in which times are told to its people.
    pub time_zone: ZoneName,
    /// The languages of its mails.
    pub languages: Languages,
}

impl Settings {
    /// Whether a member may have this address. Exact match: a subdomain is another domain.
    #[must_use]
    pub fn allows(&self, email: &EmailAddress) -> bool {
        self.allowed_domains.is_empty() || self.allowed_domains.contains(&email.domain())
    }
}

/// Where an organization is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum State {
    /// In use.
    Active,
    /// Closed to everything but the cancelling of its end.
    Dissolving {
        /// The admin who asked for it.
        requested_by: AccountId,
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        requested_at: Timestamp,
        /// From when on it is final.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        final_at: Timestamp,
    },
    /// Gone; what remains is a tombstone.
    Dissolved {
        /// When it became final.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
}

/// An organization. It embeds all that decisions about access need, so that one read answers them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// The top of its tree: itself where it has no parent.
    pub root: OrganizationId,
    /// Its ancestors, root first.
    pub path: Vec<OrganizationId>,
    /// Its display name.
    pub name: OrganizationName,
    /// Where it is in its life.
    #[serde(flatten)]
    pub state: State,
    /// Its settings.
    pub settings: Settings,
    /// Its custom roles.
    pub roles: Vec<CustomRole>,
    /// Rises when anything changes that decisions about access rest on.
    pub access_rev: u64,
    /// Rises with every change.
    pub rev: u64,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

/// What a new organization is made of.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its name.
    pub name: OrganizationName,
    /// Its settings.
    pub settings: Settings,
}

/// What an admin wants changed.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// A new name.
    pub name: Option<OrganizationName>,
    /// New allowed domains.
    pub allowed_domains: Option<BTreeSet<EmailDomain>>,
    /// A new time zone.
    pub time_zone: Option<ZoneName>,
    /// A new default language.
    pub default_language: Option<Locale>,
    /// A new set of languages.
    pub available_languages: Option<BTreeSet<Locale>>,
}

/// What a custom role is to be.
#[derive(Debug, Clone)]
pub struct RoleDraft {
    /// Its name.
    pub name: RoleName,
    /// What it holds.
    pub permissions: Permissions,
}

impl Organization {
    /// A new organization whose creator is its admin.
    ///
    /// # Errors
    /// [`Code::EmailUnverified`] or [`Code::EmailChanged`] when the creator has no proven address,
    /// [`Code::EmailDomainNotAllowed`] when the settings would shut the creator out, [`Code::LimitExceeded`] when
    /// they are in too many organizations already.
    pub fn create(
        draft: Draft,
        account: &Account,
        identity: &Identity,
        memberships: usize,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(Self, Change), Refusal> {
        let email = account.proven_email(identity)?;
        if !draft.settings.allows(email) {
            return Err(Refusal::new(
                Code::EmailDomainNotAllowed,
                "your own address must be among the allowed domains",
            )
            .at("/allowed_domains"));
        }
        if memberships >= MOST_MEMBERSHIPS {
            return Err(Code::LimitExceeded.into());
        }
        checked(&draft.settings)?;
        let id = OrganizationId::mint(now);
        let organization = Self {
            id,
            root: id,
            path: Vec::new(),
            name: draft.name,
            state: State::Active,
            settings: draft.settings,
            roles: Vec::new(),
            access_rev: 1,
            rev: 1,
            created_at: now,
            updated_at: now,
        };
        let membership = Membership::new(account, email.clone(), &organization, Role::Admin, now);
        let actor = Actor::Account {
            id: account.id,
            role: Some(Role::Admin),
        };
        let change = Change::audited(AuditEvent::new(
            id,
            Verb::OrganizationCreated,
            actor,
            &id,
            origin,
            now,
        ))
        .write(Write::OrganizationCreate(organization.clone()))
        .write(Write::SeatsCreate(Seats::of(&TEAM, id)))
        .write(Write::CountsCreate(id))
        .write(Write::TieMember(email.clone(), id))
        .write(Write::MembershipCreate(membership))
        .fact(Fact::AccountIs(account.id, account.rev))
        .counted(ORGANIZATIONS_PER_ACCOUNT.used_by(account.id.to_string(), now));
        Ok((organization, change))
    }

    /// What holders of `role` may do here; none for a role that does not exist here.
    #[must_use]
    pub fn permissions(&self, role: Role) -> Option<Permissions> {
        match role {
            Role::Custom(id) => self.role(id).map(|role| role.permissions.clone()),
            built_in => Some(built_in.built_in_permissions()),
        }
    }

    /// The custom role with this id.
    #[must_use]
    pub fn role(&self, id: RoleId) -> Option<&CustomRole> {
        self.roles.iter().find(|role| role.id == id)
    }

    /// The name of a role as people know it: a built-in one's word, or the custom role's own name.
    #[must_use]
    pub fn role_label(&self, role: Role) -> String {
        match role {
            Role::Custom(id) => self
                .role(id)
                .map_or_else(|| role.to_string(), |role| role.name.as_str().to_owned()),
            built_in => built_in.to_string(),
        }
    }

    /// Whether a member of this role takes a provider seat. Admins take one only if they provide care.
    #[must_use]
    pub fn takes_seat(&self, role: Role, provides_care: bool) -> bool {
        match role {
            Role::Admin => provides_care,
            other => self
                .permissions(other)
                .is_some_and(|held| held.contains(&Permission::SessionsCreate)),
        }
    }

    /// All roles whose holders may grant `wanted` by invite.
    #[must_use]
    pub fn roles_that_may_invite(&self, wanted: &Permissions) -> Vec<Role> {
        let custom = self.roles.iter().map(|role| Role::Custom(role.id));
        let may = |role: &Role| {
            self.permissions(*role)
                .is_some_and(|held| held.contains(&Permission::InvitesManage) && wanted.is_subset(&held))
        };
        Role::BUILT_IN.into_iter().chain(custom).filter(may).collect()
    }

    fn next(&self, now: Timestamp) -> Self {
        Self {
            rev: self.rev + 1,
            access_rev: self.access_rev + 1,
            updated_at: now,
            ..self.clone()
        }
    }

    /// The final end, by the job, once the grace period is over and nobody is a member any more.
    ///
    /// `None` while it is not due, or if it was cancelled.
    #[must_use]
    pub fn dissolved(&self, now: Timestamp) -> Option<Change> {
        let State::Dissolving { final_at, .. } = self.state else {
            return None;
        };
        if final_at > now {
            return None;
        }
        let actor = Actor::System {
            name: "finish-dissolutions".to_owned(),
        };
        let event = AuditEvent::new(
            self.id,
            Verb::OrganizationDissolved,
            actor,
            &self.id,
            &Origin::default(),
            now,
        );
        let ended = Self {
            state: State::Dissolved { at: now },
            roles: Vec::new(),
            ..self.next(now)
        };
        Some(
            Change::audited(event)
                .write(Write::OrganizationReplace(ended))
                .write(Write::DueDelete(self.end_due(final_at)))
                .fact(Fact::MembersAre(self.id, 0)),
        )
    }

    /// The fact that nobody has cancelled the end.
    pub(crate) fn ending(&self) -> Fact {
        Fact::OrganizationEnding(self.id, self.access_rev)
    }

    fn end_due(&self, final_at: Timestamp) -> Due {
        Due {
            at: final_at,
            job: Job::FinishDissolution {
                organization: self.id,
            },
        }
    }
}

fn checked(settings: &Settings) -> Result<(), Refusal> {
    if settings.allowed_domains.len() > MOST_DOMAINS {
        return Err(Refusal::from(Code::LimitExceeded).at("/allowed_domains"));
    }
    if !settings.languages.available.contains(&settings.languages.default) {
        return Err(Refusal::new(
            Code::FieldsInvalid,
            "the default language must be among the available ones",
        )
        .at("/languages/default"));
    }
    Ok(())
}

/// Joins a list for the audit log.
fn listed<T: ToString>(values: impl IntoIterator<Item = T>) -> Option<String> {
    let list: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    (!list.is_empty()).then(|| list.join(" "))
}

impl Access {
    /// The organization with changed settings.
    ///
    /// # Errors
    /// [`Code::RevisionMismatch`] when `seen` is not its revision; the settings' own rules.
    pub fn update_organization(
        &self,
        update: Update,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Organization, Change), Refusal> {
        expect_revision(self.organization.rev, seen)?;
        let old = &self.organization;
        let mut new = old.next(now);
        if let Some(name) = update.name {
            new.name = name;
        }
        if let Some(domains) = update.allowed_domains {
            new.settings.allowed_domains = domains;
        }
        if let Some(zone) = update.time_zone {
            new.settings.time_zone = zone;
        }
        if let Some(available) = update.available_languages {
            new.settings.languages.available = available;
        }
        if let Some(default) = update.default_language {
            new.settings.languages.default = default;
        }
        checked(&new.settings)?;
        let domains = |o: &Organization| listed(o.settings.allowed_domains.iter().map(EmailDomain::as_str));
        let languages = |o: &Organization| {
            listed(
                o.settings
                    .languages
                    .available
                    .iter()
                    .map(|locale| locale.as_str()),
            )
        };
        let event = self
            .event(Verb::OrganizationUpdated, &old.id, now)
            .changed(
                "name",
                Some(old.name.as_str().to_owned()),
                Some(new.name.as_str().to_owned()),
            )
            .changed("allowed_domains", domains(old), domains(&new))
            .changed(
                "time_zone",
                Some(old.settings.time_zone.as_str().to_owned()),
                Some(new.settings.time_zone.as_str().to_owned()),
            )
            .changed("available_languages", languages(old), languages(&new))
            .changed(
                "default_language",
                Some(old.settings.languages.default.as_str().to_owned()),
                Some(new.settings.languages.default.as_str().to_owned()),
            );
        Ok((
            new.clone(),
            Change::audited(event)
                .write(Write::OrganizationReplace(new))
                .fact(self.actor_holds()),
        ))
    }

    /// The organization on its way to its end. Access, invites and links die at once; the rest when it is final.
    ///
    /// # Errors
    /// [`Code::NameMismatch`] unless `name` is typed exactly, [`Code::MembersRemaining`] when there are others and their
    /// removal is not confirmed.
    pub fn dissolve(
        &self,
        name: &str,
        remove_members: bool,
        members: u64,
        now: Timestamp,
    ) -> Result<(Organization, Change), Refusal> {
        if name != self.organization.name.as_str() {
            return Err(Refusal::from(Code::NameMismatch).at("/name"));
        }
        if members > 1 && !remove_members {
            return Err(Refusal::from(Code::MembersRemaining).at("/remove_members"));
        }
        let final_at = now + GRACE;
        let state = State::Dissolving {
            requested_by: self.account(),
            requested_at: now,
            final_at,
        };
        let new = Organization {
            state,
            ..self.organization.next(now)
        };
        let change = Change::audited(self.event(Verb::DissolutionRequested, &new.id, now))
            .write(Write::OrganizationReplace(new.clone()))
            .write(Write::DuePut(new.end_due(final_at)))
            .fact(self.actor_holds());
        let unconfirmed = (!remove_members).then_some(Fact::MembersAre(new.id, members));
        Ok((
            new,
            Change {
                facts: change.facts.iter().cloned().chain(unconfirmed).collect(),
                ..change
            },
        ))
    }

    /// The organization back in use.
    ///
    /// # Errors
    /// [`Code::NotDissolving`] when it is not on its way to its end, or already final.
    pub fn cancel_dissolution(&self, now: Timestamp) -> Result<(Organization, Change), Refusal> {
        let State::Dissolving { final_at, .. } = self.organization.state else {
            return Err(Code::NotDissolving.into());
        };
        if final_at <= now {
            return Err(Code::NotDissolving.into());
        }
        let new = Organization {
            state: State::Active,
            ..self.organization.next(now)
        };
        let change = Change::audited(self.event(Verb::DissolutionCancelled, &new.id, now))
            .write(Write::OrganizationReplace(new.clone()))
            .write(Write::DueDelete(new.end_due(final_at)))
            .fact(self.actor_holds());
        Ok((new, change))
    }

    /// The organization with one more role.
    ///
    /// # Errors
    /// [`Code::GrantExceedsOwn`] when it would hold more than the caller, [`Code::LimitExceeded`] at 50 roles.
    pub fn create_role(&self, draft: RoleDraft, now: Timestamp) -> Result<(CustomRole, Change), Refusal> {
        self.may_grant(&draft.permissions).at("/permissions")?;
        if self.organization.roles.len() >= MOST_ROLES {
            return Err(Code::LimitExceeded.into());
        }
        let role = CustomRole {
            id: RoleId::mint(now),
            name: draft.name,
            permissions: draft.permissions,
            rev: 1,
            created_at: now,
        };
        let mut new = self.organization.next(now);
        new.roles.push(role.clone());
        let event = self.event(Verb::RoleCreated, &role.id, now).changed(
            "permissions",
            None,
            listed(role.permissions.iter().map(|p| p.as_str())),
        );
        Ok((
            role,
            Change::audited(event)
                .write(Write::OrganizationReplace(new))
                .fact(self.actor_holds()),
        ))
    }

    /// The organization with a changed role. All who hold it have its new permissions from their next request on.
    ///
    /// # Errors
    /// [`Code::RoleNotFound`], [`Code::RevisionMismatch`], [`Code::GrantExceedsOwn`] for more rights than the caller's own
    /// before or after, [`Code::RoleSeatFixed`] when its holders would begin or cease to take seats.
    pub fn update_role(
        &self,
        id: RoleId,
        name: Option<RoleName>,
        permissions: Option<Permissions>,
        seen: u64,
        now: Timestamp,
    ) -> Result<(CustomRole, Change), Refusal> {
        let old = self.organization.role(id).ok_or(Code::RoleNotFound)?;
        expect_revision(old.rev, seen)?;
        let role = CustomRole {
            name: name.unwrap_or_else(|| old.name.clone()),
            permissions: permissions.unwrap_or_else(|| old.permissions.clone()),
            rev: old.rev + 1,
            ..old.clone()
        };
        self.may_grant(&old.permissions).at("/permissions")?;
        self.may_grant(&role.permissions).at("/permissions")?;
        if role.takes_seat() != old.takes_seat() {
            return Err(Refusal::from(Code::RoleSeatFixed).at("/permissions"));
        }
        let mut new = self.organization.next(now);
        new.roles
            .iter_mut()
            .filter(|held| held.id == id)
            .for_each(|held| *held = role.clone());
        let event = self.event(Verb::RoleUpdated, &id, now).changed(
            "permissions",
            listed(old.permissions.iter().map(|p| p.as_str())),
            listed(role.permissions.iter().map(|p| p.as_str())),
        );
        Ok((
            role,
            Change::audited(event)
                .write(Write::OrganizationReplace(new))
                .fact(self.actor_holds()),
        ))
    }

    /// The organization without a role that nobody holds. Pending invites to it can no longer be accepted.
    ///
    /// # Errors
    /// [`Code::RoleNotFound`], [`Code::RevisionMismatch`], [`Code::GrantExceedsOwn`]; [`Code::RoleInUse`] comes from the commit.
    pub fn delete_role(&self, id: RoleId, seen: u64, now: Timestamp) -> Result<Change, Refusal> {
        let old = self.organization.role(id).ok_or(Code::RoleNotFound)?;
        expect_revision(old.rev, seen)?;
        self.may_grant(&old.permissions)?;
        let mut new = self.organization.next(now);
        new.roles.retain(|role| role.id != id);
        let event = self.event(Verb::RoleDeleted, &id, now).changed(
            "permissions",
            listed(old.permissions.iter().map(|p| p.as_str())),
            None,
        );
        Ok(Change::audited(event)
            .write(Write::OrganizationReplace(new))
            .fact(Fact::RoleUnused(self.organization.id, id))
            .fact(self.actor_holds()))
    }
}

/// The counts of `organization` after one member with `role` more or less.
#[must_use]
pub(crate) fn count(organization: OrganizationId, roles: impl IntoIterator<Item = (Role, i32)>) -> Write {
    let mut sums = std::collections::BTreeMap::new();
    for (role, by) in roles {
        *sums.entry(role).or_insert(0) += by;
    }
    sums.retain(|_, by| *by != 0);
    Write::Counts(CountChange {
        organization,
        roles: sums,
        may_end: false,
    })
}
