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
use crate::configuration::{Configuration, Narrowing};
use crate::due::{Due, Job};
use crate::email::{EmailAddress, EmailDomain};
use crate::id::{AccountId, OrganizationId, RoleId, SiteId};
use crate::limit::ORGANIZATIONS_PER_ACCOUNT;
use crate::locale::Locale;
use crate::membership::{MOST_MEMBERSHIPS, Membership};
use crate::permission::{Permission, Permissions};
use crate::plan::{Seats, TEAM};
use crate::role::{CustomRole, Grant, MOST_ROLES, Role};
use crate::session::Mode;
use crate::text::{OrganizationName, RoleName};
use crate::wish::Wish;

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
    /// How many people it offers this to; none where it has not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligible_headcount: Option<Headcount>,
    /// How people take part in its sessions, where a provider does not say.
    #[serde(default)]
    pub session_mode: Mode,
    /// Whether it sees its sessions one by one, or their numbers alone.
    #[serde(default)]
    pub session_sharing: bool,
}

/// How many people something is offered to: 1 to 10,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Headcount(u32);

impl TryFrom<u32> for Headcount {
    type Error = Refusal;

    fn try_from(number: u32) -> Result<Self, Refusal> {
        match number {
            1..=10_000_000 => Ok(Self(number)),
            _ => Err(Refusal::new(
                Code::FieldsInvalid,
                "a headcount is 1 to 10,000,000",
            )),
        }
    }
}

impl From<Headcount> for u32 {
    fn from(headcount: Headcount) -> Self {
        headcount.0
    }
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
    /// What it may see of the platform's records.
    #[serde(default)]
    pub configuration: Configuration,
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
    /// Another number of people whom it offers this to, or none.
    pub eligible_headcount: Wish<Headcount>,
    /// Another mode of its sessions.
    pub session_mode: Option<Mode>,
    /// Whether it is to see its sessions one by one.
    pub session_sharing: Option<bool>,
}

/// What a custom role is to be.
#[derive(Debug, Clone)]
pub struct RoleDraft {
    /// Its name.
    pub name: RoleName,
    /// What it gives.
    pub grant: Grant,
}

/// What is to change of a custom role; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct RoleUpdate {
    /// A new name.
    pub name: Option<RoleName>,
    /// New permissions.
    pub permissions: Option<Permissions>,
    /// Another limit to sites, or none.
    pub sites: Wish<BTreeSet<SiteId>>,
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
            configuration: Configuration::default(),
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
        .write(Write::AccountJoins(account.id, account.rev))
        .counted(ORGANIZATIONS_PER_ACCOUNT.used_by(account.id.to_string(), now));
        Ok((organization, change))
    }

    /// Whether its end is final by the clock, whether or not the job has noted that.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Dissolved { .. }) || self.due_end(now).is_some()
    }

    /// When it became final, while the job has yet to note that.
    pub(crate) fn due_end(&self, now: Timestamp) -> Option<Timestamp> {
        match self.state {
            State::Dissolving { final_at, .. } => Some(final_at).filter(|end| *end <= now),
            _ => None,
        }
    }

    /// What `role` gives here; none for a role that does not exist here.
    #[must_use]
    pub fn grant(&self, role: Role) -> Option<Grant> {
        match role {
            Role::Custom(id) => self.role(id).map(CustomRole::grant),
            built_in => Some(built_in.built_in_permissions().into()),
        }
    }

    /// What holders of `role` may do here; none for a role that does not exist here.
    #[must_use]
    pub fn permissions(&self, role: Role) -> Option<Permissions> {
        self.grant(role).map(|grant| grant.permissions)
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
    pub fn roles_that_may_invite(&self, wanted: &Grant) -> Vec<Role> {
        let custom = self.roles.iter().map(|role| Role::Custom(role.id));
        let may = |role: &Role| {
            self.grant(*role).is_some_and(|held| {
                held.permissions.contains(&Permission::InvitesManage) && wanted.is_within(&held)
            })
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

    /// The organization with another configuration: by an admin, by the operator, or with a new site.
    #[must_use]
    pub(crate) fn with_configuration(&self, configuration: Configuration, now: Timestamp) -> Self {
        Self {
            configuration,
            ..self.next(now)
        }
    }

    /// The final end, by the job, once the grace period is over and nobody is a member any more.
    ///
    /// `None` while it is not due, or if it was cancelled.
    #[must_use]
    pub fn dissolved(&self, now: Timestamp) -> Option<Change> {
        let final_at = self.due_end(now)?;
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
        if let Some(mode) = update.session_mode {
            new.settings.session_mode = mode;
        }
        if let Some(is_shared) = update.session_sharing {
            new.settings.session_sharing = is_shared;
        }
        let headcount = old.settings.eligible_headcount;
        new.settings.eligible_headcount = update.eligible_headcount.over(headcount);
        checked(&new.settings)?;
        let number = |headcount: Option<Headcount>| headcount.map(|headcount| headcount.0.to_string());
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
            )
            .changed(
                "eligible_headcount",
                number(headcount),
                number(new.settings.eligible_headcount),
            )
            .changed(
                "session_mode",
                Some(old.settings.session_mode.as_str().to_owned()),
                Some(new.settings.session_mode.as_str().to_owned()),
            )
            .changed(
                "session_sharing",
                Some(old.settings.session_sharing.to_string()),
                Some(new.settings.session_sharing.to_string()),
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
        if self.organization.is_over(now) {
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
    /// [`Code::GrantExceedsOwn`] when it would hold more than the caller, [`Code::SiteNotBound`] for a limit to sites that are
    /// not the organization's, [`Code::LimitExceeded`] at 50 roles.
    pub fn create_role(&self, draft: RoleDraft, now: Timestamp) -> Result<(CustomRole, Change), Refusal> {
        self.may_grant(&draft.grant).at("/permissions")?;
        self.are_bound(draft.grant.sites.as_ref())?;
        if self.organization.roles.len() >= MOST_ROLES {
            return Err(Code::LimitExceeded.into());
        }
        let role = CustomRole {
            id: RoleId::mint(now),
            name: draft.name,
            permissions: draft.grant.permissions,
            sites: draft.grant.sites,
            rev: 1,
            created_at: now,
        };
        let mut new = self.organization.next(now);
        new.roles.push(role.clone());
        let event = self
            .event(Verb::RoleCreated, &role.id, now)
            .changed(
                "permissions",
                None,
                listed(role.permissions.iter().map(|p| p.as_str())),
            )
            .changed("sites", None, role.sites.as_ref().and_then(listed));
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
        update: RoleUpdate,
        seen: u64,
        now: Timestamp,
    ) -> Result<(CustomRole, Change), Refusal> {
        let old = self.organization.role(id).ok_or(Code::RoleNotFound)?;
        expect_revision(old.rev, seen)?;
        let role = CustomRole {
            name: update.name.unwrap_or_else(|| old.name.clone()),
            permissions: update.permissions.unwrap_or_else(|| old.permissions.clone()),
            sites: update.sites.over(old.sites.clone()),
            rev: old.rev + 1,
            ..old.clone()
        };
        self.may_grant(&old.grant()).at("/permissions")?;
        self.may_grant(&role.grant()).at("/permissions")?;
        // A site that was unbound meanwhile may stay in the limit, where it gives nothing.
        if role.sites != old.sites {
            self.are_bound(role.sites.as_ref())?;
        }
        if role.takes_seat() != old.takes_seat() {
            return Err(Refusal::from(Code::RoleSeatFixed).at("/permissions"));
        }
        let mut new = self.organization.next(now);
        new.roles
            .iter_mut()
            .filter(|held| held.id == id)
            .for_each(|held| *held = role.clone());
        let event = self
            .event(Verb::RoleUpdated, &id, now)
            .changed(
                "permissions",
                listed(old.permissions.iter().map(|p| p.as_str())),
                listed(role.permissions.iter().map(|p| p.as_str())),
            )
            .changed(
                "sites",
                old.sites.as_ref().and_then(listed),
                role.sites.as_ref().and_then(listed),
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
        self.may_grant(&old.grant())?;
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

impl Access {
    fn are_bound(&self, sites: Option<&BTreeSet<SiteId>>) -> Result<(), Refusal> {
        let is_foreign = |site: &&SiteId| self.organization.configuration.binding(**site).is_none();
        match sites.into_iter().flatten().find(is_foreign) {
            None => Ok(()),
            Some(_) => Err(Refusal::from(Code::SiteNotBound).at("/sites")),
        }
    }

    /// The organization with another access configuration. It takes effect with the next request of every member.
    ///
    /// # Errors
    /// [`Code::RevisionMismatch`]; [`Code::GrantExceedsOwn`] for a caller who is limited to sites; what
    /// [`Configuration::narrowed`] refuses.
    pub fn configure(
        &self,
        wanted: &Narrowing,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Organization, Change), Refusal> {
        expect_revision(self.organization.rev, seen)?;
        if self.grant().sites.is_some() {
            return Err(Code::GrantExceedsOwn.into());
        }
        let narrowed = self.organization.configuration.narrowed(wanted)?;
        let new = self.organization.with_configuration(narrowed, now);
        let event = self.event(Verb::AccessConfigured, &new.id, now);
        let event = reconfigured(event, &self.organization.configuration, &new.configuration);
        let change = Change::audited(event)
            .write(Write::OrganizationReplace(new.clone()))
            .fact(self.actor_holds());
        Ok((new, change))
    }
}

/// The event, with what became different of the configuration.
pub(crate) fn reconfigured(event: AuditEvent, old: &Configuration, new: &Configuration) -> AuditEvent {
    let text = |text: &str| Some(text.to_owned());
    let sites = |configuration: &Configuration| {
        let active = configuration.bindings.iter().filter(|binding| binding.active);
        listed(active.map(|binding| binding.site))
    };
    event
        .changed("scope", text(old.scope.as_str()), text(new.scope.as_str()))
        .changed(
            "directory",
            text(old.directory.as_str()),
            text(new.directory.as_str()),
        )
        .changed(
            "registration",
            text(old.registration.as_str()),
            text(new.registration.as_str()),
        )
        .changed("sites", sites(old), sites(new))
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

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::change::SeatEffect;
    use crate::plan::SeatChange;
    use crate::sample::{
        access, account, add_role, add_role_of, email, identity, member, now, organization, permissions,
    };

    const INSTANT: SignedDuration = SignedDuration::from_millis(1);

    fn draft() -> Draft {
        Draft {
            name: "Riverside".parse().unwrap(),
            settings: Settings::default(),
        }
    }

    fn create(draft: Draft, memberships: usize) -> Result<(Organization, Change), Refusal> {
        let (dana, signed_in) = (account("dana"), identity("dana"));
        Organization::create(draft, &dana, &signed_in, memberships, &Origin::default(), now())
    }

    fn of_permissions(permissions: Option<Permissions>) -> RoleUpdate {
        RoleUpdate {
            permissions,
            ..RoleUpdate::default()
        }
    }

    fn domains(names: &[&str]) -> BTreeSet<EmailDomain> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn the_creator_is_the_admin_and_takes_no_seat() {
        let (made, change) = create(draft(), 0).unwrap();
        assert_eq!(
            (made.root, made.path.len(), made.state),
            (made.id, 0, State::Active)
        );
        let first = change.writes.iter().find_map(|write| match write {
            Write::MembershipCreate(membership) => Some(membership),
            _ => None,
        });
        let first = first.unwrap();
        assert_eq!(
            (first.account, first.role, first.seat),
            (account("dana").id, Role::Admin, false)
        );
        assert!(
            change
                .writes
                .contains(&Write::TieMember(email("dana@riverside.example"), made.id))
        );
        assert_eq!(change.audit.len(), 1);
        assert_eq!(
            change.uses,
            [ORGANIZATIONS_PER_ACCOUNT.used_by(account("dana").id.to_string(), now())]
        );
    }

    #[test]
    fn what_a_creator_lacks_is_told() {
        let code = |result: Result<(Organization, Change), Refusal>| result.unwrap_err().code;
        assert_eq!(code(create(draft(), MOST_MEMBERSHIPS)), Code::LimitExceeded);

        let mut shut_out = draft();
        shut_out.settings.allowed_domains = domains(&["elsewhere.example"]);
        let refusal = create(shut_out, 0).unwrap_err();
        assert_eq!(
            (refusal.code, &*refusal.errors[0].pointer),
            (Code::EmailDomainNotAllowed, "/allowed_domains")
        );

        let unverified = Identity {
            verified_email: None,
            ..identity("dana")
        };
        let created = Organization::create(
            draft(),
            &account("dana"),
            &unverified,
            0,
            &Origin::default(),
            now(),
        );
        assert_eq!(code(created), Code::EmailUnverified);
    }

    #[test]
    fn settings_agree_with_themselves() {
        let mut wrong = draft();
        wrong.settings.languages = Languages {
            default: Locale::De,
            available: [Locale::En].into(),
        };
        let refusal = create(wrong, 0).unwrap_err();
        assert_eq!(
            (refusal.code, &*refusal.errors[0].pointer),
            (Code::FieldsInvalid, "/languages/default")
        );

        let many: Vec<_> = (0..=MOST_DOMAINS).map(|n| format!("clinic{n}.example")).collect();
        let mut too_many = Settings {
            allowed_domains: many.iter().map(|name| name.parse().unwrap()).collect(),
            ..Settings::default()
        };
        assert_eq!(checked(&too_many).unwrap_err().code, Code::LimitExceeded);
        too_many.allowed_domains.pop_first();
        assert_eq!(checked(&too_many), Ok(()));
    }

    #[test]
    fn a_time_zone_has_its_one_name() {
        let name = |text: &str| ZoneName::try_from(text.to_owned()).map(String::from);
        assert_eq!(name("Europe/Berlin").as_deref(), Ok("Europe/Berlin"));
        assert_eq!(name("europe/berlin").as_deref(), Ok("Europe/Berlin"));
        assert_eq!(name("UTC").as_deref(), Ok("UTC"));
        for text in [
            "",
            " ",
            "Mars/Olympus",
            "Etc/Unknown",
            "+02:00",
            "CET-1CEST",
            "../UTC",
            "Europe/Berlin\0",
        ] {
            assert_eq!(name(text).unwrap_err().code, Code::TimeZoneUnknown, "{text:?}");
        }
    }

    #[test]
    fn an_update_changes_what_it_names_and_says_so() {
        let here = organization();
        let dana = access(&here, Role::Admin);
        let update = Update {
            time_zone: Some(ZoneName::try_from("America/Chicago".to_owned()).unwrap()),
            available_languages: Some([Locale::En, Locale::Es].into()),
            ..Update::default()
        };
        let (new, change) = dana.update_organization(update, here.rev, now()).unwrap();
        assert_eq!(
            (&new.name, new.rev, new.access_rev),
            (&here.name, here.rev + 1, here.access_rev + 1)
        );
        let told: Vec<_> = change.audit[0].changes.keys().collect();
        assert_eq!(told, ["available_languages", "time_zone"]);
        assert_eq!(change.facts, [dana.actor_holds()]);

        let stale = dana.update_organization(Update::default(), here.rev + 1, now());
        assert_eq!(stale.unwrap_err().code, Code::RevisionMismatch);
    }

    #[test]
    fn a_language_cannot_stay_the_default_when_it_goes() {
        let here = organization();
        let update = Update {
            available_languages: Some([Locale::Es].into()),
            ..Update::default()
        };
        let refused = access(&here, Role::Admin).update_organization(update.clone(), here.rev, now());
        assert_eq!(refused.unwrap_err().errors[0].pointer, "/languages/default");
        let both = Update {
            default_language: Some(Locale::Es),
            ..update
        };
        assert!(
            access(&here, Role::Admin)
                .update_organization(both, here.rev, now())
                .is_ok()
        );
    }

    #[test]
    fn only_languages_that_are_used_can_be_chosen() {
        let languages = Languages {
            default: Locale::Es,
            available: [Locale::Es, Locale::De].into(),
        };
        assert_eq!(languages.choose(None), Ok(Locale::Es));
        assert_eq!(languages.choose(Some(Locale::De)), Ok(Locale::De));
        assert_eq!(
            languages.choose(Some(Locale::En)).unwrap_err().code,
            Code::LocaleUnsupported
        );
    }

    #[test]
    fn a_dissolution_needs_the_name_and_a_word_about_the_others() {
        let here = organization();
        let dana = access(&here, Role::Admin);
        let name = here.name.as_str();
        for wrong in ["", "riverside family practice", "Riverside Family Practice "] {
            assert_eq!(
                dana.dissolve(wrong, true, 1, now()).unwrap_err().code,
                Code::NameMismatch
            );
        }
        assert_eq!(
            dana.dissolve(name, false, 2, now()).unwrap_err().code,
            Code::MembersRemaining
        );

        let (ending, change) = dana.dissolve(name, false, 1, now()).unwrap();
        assert!(matches!(ending.state, State::Dissolving { final_at, .. } if final_at == now() + GRACE));
        assert_eq!(change.facts, [dana.actor_holds(), Fact::MembersAre(here.id, 1)]);
        // Whoever joins meanwhile is removed too where that is confirmed.
        let (_, confirmed) = dana.dissolve(name, true, 5, now()).unwrap();
        assert_eq!(confirmed.facts, [dana.actor_holds()]);
    }

    #[test]
    fn a_dissolution_is_cancelled_until_it_is_final_and_final_from_then_on() {
        let here = organization();
        let name = here.name.as_str();
        let (ending, _) = access(&here, Role::Admin).dissolve(name, true, 3, now()).unwrap();
        let dana = access(&ending, Role::Admin);

        let (back, change) = dana.cancel_dissolution(now() + GRACE - INSTANT).unwrap();
        assert_eq!(back.state, State::Active);
        assert!(
            change
                .writes
                .iter()
                .any(|write| matches!(write, Write::DueDelete(_)))
        );
        assert_eq!(
            dana.cancel_dissolution(now() + GRACE).unwrap_err().code,
            Code::NotDissolving
        );
        assert_eq!(
            access(&here, Role::Admin)
                .cancel_dissolution(now())
                .unwrap_err()
                .code,
            Code::NotDissolving
        );

        assert_eq!(ending.dissolved(now() + GRACE - INSTANT), None);
        assert_eq!(back.dissolved(now() + GRACE), None);
        let end = ending.dissolved(now() + GRACE).unwrap();
        assert_eq!(end.facts, [Fact::MembersAre(here.id, 0)]);
    }

    #[test]
    fn an_organization_has_fifty_roles_and_no_more() {
        let mut here = organization();
        let wanted = || RoleDraft {
            name: "One more".parse().unwrap(),
            grant: Grant::default(),
        };
        for _ in 1..MOST_ROLES {
            add_role_of(&mut here, &[]);
        }
        assert!(access(&here, Role::Admin).create_role(wanted(), now()).is_ok());
        add_role_of(&mut here, &[]);
        let refused = access(&here, Role::Admin).create_role(wanted(), now());
        assert_eq!(refused.unwrap_err().code, Code::LimitExceeded);
    }

    #[test]
    fn a_role_keeps_whether_it_takes_seats() {
        let mut here = organization();
        let (with, without) = (
            add_role_of(&mut here, &["sessions.create"]),
            add_role_of(&mut here, &["audit.read"]),
        );
        let dana = access(&here, Role::Admin);
        for (role, wanted) in [(with, "audit.read"), (without, "sessions.create")] {
            let Role::Custom(id) = role else { unreachable!() };
            let wanted = Some([wanted.parse().unwrap()].into());
            let refusal = dana
                .update_role(id, of_permissions(wanted), 3, now())
                .unwrap_err();
            assert_eq!(
                (refusal.code, &*refusal.errors[0].pointer),
                (Code::RoleSeatFixed, "/permissions")
            );
        }
    }

    #[test]
    fn a_role_is_changed_and_deleted_as_it_was_seen() {
        let mut here = organization();
        let Role::Custom(id) = add_role_of(&mut here, &["audit.read"]) else {
            unreachable!()
        };
        let dana = access(&here, Role::Admin);
        let (code, unknown) = (|refusal: Refusal| refusal.code, RoleId::mint(now()));
        let name = || RoleUpdate {
            name: Some("Auditors".parse().unwrap()),
            ..RoleUpdate::default()
        };
        assert_eq!(
            dana.update_role(id, name(), 2, now()).map_err(code).err(),
            Some(Code::RevisionMismatch)
        );
        assert_eq!(
            dana.delete_role(id, 2, now()).map_err(code).err(),
            Some(Code::RevisionMismatch)
        );
        assert_eq!(
            dana.update_role(unknown, name(), 3, now()).map_err(code).err(),
            Some(Code::RoleNotFound)
        );
        assert_eq!(
            dana.delete_role(unknown, 3, now()).map_err(code).err(),
            Some(Code::RoleNotFound)
        );

        let (renamed, change) = dana.update_role(id, name(), 3, now()).unwrap();
        assert_eq!((renamed.name.as_str(), renamed.rev), ("Auditors", 4));
        assert!(change.writes.iter().any(|write| {
            matches!(write, Write::OrganizationReplace(new) if new.access_rev == here.access_rev + 1)
        }));
        let deleted = dana.delete_role(id, 3, now()).unwrap();
        assert!(deleted.facts.contains(&Fact::RoleUnused(here.id, id)));
    }

    #[test]
    fn people_know_a_role_by_its_name() {
        let mut here = organization();
        let desk = add_role_of(&mut here, &[]);
        assert_eq!(here.role_label(desk), "Front desk");
        assert_eq!(here.role_label(Role::Provider), "provider");
    }

    proptest! {
        #[test]
        fn an_address_is_allowed_by_its_own_domain_only(prefix in "[a-z]{1,8}", domain in "[a-z]{1,8}\\.(org|example)") {
            let settings = Settings {
                allowed_domains: domains(&[&domain]),
                ..Settings::default()
            };
            let allows = |address: String| settings.allows(&email(&address));
            prop_assert!(allows(format!("ada@{domain}")), "itself");
            prop_assert!(allows(format!("ada@{}", domain.to_uppercase())), "in capitals");
            prop_assert!(!allows(format!("ada@{prefix}.{domain}")), "a subdomain");
            prop_assert!(!allows(format!("ada@{prefix}{domain}")), "a longer name");
            prop_assert!(!allows(format!("ada@{domain}.{prefix}")), "a suffix");
            prop_assert!(Settings::default().allows(&email(&format!("ada@{domain}"))), "an empty list allows all");
        }

        #[test]
        fn roles_never_exceed_who_makes_changes_or_deletes_them(
            own in permissions(), before in permissions(), after in permissions(),
        ) {
            let mut here = organization();
            let own_role = add_role(&mut here, own.clone());
            let Role::Custom(id) = add_role(&mut here, before.clone()) else { unreachable!() };
            let caller = access(&here, own_role);
            let draft = RoleDraft { name: "New".parse().unwrap(), grant: after.clone().into() };

            let created = caller.create_role(draft, now()).map_err(|refusal| refusal.code);
            prop_assert_eq!(created.is_ok(), after.is_subset(&own));

            let seat_kept = before.contains(&Permission::SessionsCreate) == after.contains(&Permission::SessionsCreate);
            let may = before.is_subset(&own) && after.is_subset(&own);
            let updated = caller.update_role(id, of_permissions(Some(after)), 3, now()).map_err(|refusal| refusal.code);
            match updated {
                Ok(_) => prop_assert!(may && seat_kept),
                Err(Code::GrantExceedsOwn) => prop_assert!(!may),
                Err(Code::RoleSeatFixed) => prop_assert!(may && !seat_kept),
                Err(other) => prop_assert!(false, "{other:?}"),
            }
            prop_assert_eq!(caller.delete_role(id, 3, now()).is_ok(), before.is_subset(&own));
        }

        #[test]
        fn who_may_invite_to_a_role_is_who_holds_it_and_manages_invites(held in permissions(), wanted in permissions()) {
            let mut here = organization();
            let role = add_role(&mut here, held.clone());
            let inviting = here.roles_that_may_invite(&wanted.clone().into());
            prop_assert!(inviting.contains(&Role::Admin));
            let may = held.contains(&Permission::InvitesManage) && wanted.is_subset(&held);
            prop_assert_eq!(inviting.contains(&role), may);
            prop_assert!(!inviting.contains(&Role::Provider) && !inviting.contains(&Role::Viewer));
        }

        #[test]
        fn a_seat_goes_with_sessions(held in permissions(), caring: bool) {
            let mut here = organization();
            let role = add_role(&mut here, held.clone());
            prop_assert_eq!(here.takes_seat(role, caring), held.contains(&Permission::SessionsCreate));
            prop_assert_eq!(here.takes_seat(Role::Admin, caring), caring);
            prop_assert!(here.takes_seat(Role::Provider, caring) && !here.takes_seat(Role::Viewer, caring));
            let joined = member(&here, "ada", role);
            let left = access(&here, Role::Admin).remove_member(&joined, joined.rev, now()).unwrap();
            let released = SeatEffect { root: here.root, change: SeatChange::Release, within_limit: false };
            prop_assert_eq!(left.seats, joined.seat.then_some(released));
        }
    }
}
