//! What the platform operator decides about organizations: how much they may see, and which sites they are bound to.

use jiff::Timestamp;

use crate::access::expect_revision;
use crate::audit::{Actor, AuditEvent, Origin, Verb};
use crate::change::{Change, Write};
use crate::code::{At, Code, Refusal};
use crate::configuration::{BindingRole, Ceiling, MOST_BINDINGS};
use crate::id::{AccountId, OrganizationId, SiteId};
use crate::organization::{Organization, reconfigured};
use crate::plan::{Quota, Seats, TEAM};
use crate::site::{Site, SiteRecord};
use crate::transaction::Month;

/// The most provider seats that an organization can be allowed.
pub const MOST_SEATS: u32 = 100_000;

/// The most sessions a month that an organization can be allowed.
pub const MOST_SESSIONS: u32 = 100_000_000;

/// Somebody who acts for the platform.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Their account.
    pub account: AccountId,
    /// From where they act, for the audit log.
    pub origin: Origin,
}

/// What the operator wants an organization to be allowed; what is not given stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowance {
    /// Another ceiling.
    pub ceiling: Option<Ceiling>,
    /// Another limit of provider seats.
    pub seats: Option<u32>,
    /// Another limit of sessions a month.
    pub sessions: Option<u32>,
}

/// What the tree of an organization uses of its plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage<'a> {
    /// Its seats.
    pub seats: Option<&'a Seats>,
    /// Its sessions; none before the first.
    pub quota: Option<&'a Quota>,
}

/// How an organization is to be bound to a site.
#[derive(Debug, Clone, Copy)]
pub struct Bond {
    /// What it is to the site.
    pub role: BindingRole,
    /// Whether the site's specialists are shared with it.
    pub specialists_shared: bool,
}

impl Allowance {
    fn checked(self) -> Result<Self, Refusal> {
        if self.seats.is_some_and(|seats| seats > MOST_SEATS) {
            return Err(Refusal::from(Code::LimitExceeded).at("/seat_limit"));
        }
        if self.sessions.is_some_and(|sessions| sessions > MOST_SESSIONS) {
            return Err(Refusal::from(Code::LimitExceeded).at("/session_limit"));
        }
        let sites = self.ceiling.map_or(0, |ceiling| ceiling.sites);
        if usize::try_from(sites).map_or(true, |sites| sites > MOST_BINDINGS) {
            return Err(Refusal::from(Code::LimitExceeded).at("/ceiling/sites"));
        }
        Ok(self)
    }
}

impl Operator {
    /// The event in the log of `organization`; the platform's own is [`OrganizationId::PLATFORM`].
    #[must_use]
    pub fn event(
        &self,
        organization: OrganizationId,
        verb: Verb,
        object: &impl ToString,
        now: Timestamp,
    ) -> AuditEvent {
        let actor = Actor::Account {
            id: self.account,
            role: None,
        };
        AuditEvent::new(organization, verb, actor, object, &self.origin, now)
    }

    /// The organization, while there is one.
    ///
    /// # Errors
    /// [`Code::OrganizationNotFound`], from the instant at which its end is final.
    pub fn organization(&self, found: Option<Organization>, now: Timestamp) -> Result<Organization, Refusal> {
        found
            .filter(|organization| !organization.is_over(now))
            .ok_or_else(|| Code::OrganizationNotFound.into())
    }

    /// The organization with another allowance. What it sees is at once no more than that.
    ///
    /// # Errors
    /// [`Code::OrganizationNotFound`] for one that is gone, [`Code::RevisionMismatch`], [`Code::LimitExceeded`] for more seats than
    /// [`MOST_SEATS`], more sessions than [`MOST_SESSIONS`] or more sites than [`MOST_BINDINGS`].
    pub fn allow(
        &self,
        organization: Option<Organization>,
        usage: Usage<'_>,
        wanted: Allowance,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Organization, Change), Refusal> {
        let old = self.organization(organization, now)?;
        expect_revision(old.rev, seen)?;
        let wanted = wanted.checked()?;
        let ceiling = wanted.ceiling.unwrap_or(old.configuration.ceiling);
        let new = old.with_configuration(old.configuration.under(ceiling), now);
        let event = self.event(old.id, Verb::CeilingChanged, &old.id, now);
        let before = old.configuration.ceiling;
        let text = |text: &str| Some(text.to_owned());
        let event = reconfigured(event, &old.configuration, &new.configuration)
            .changed(
                "ceiling.scope",
                text(before.scope.as_str()),
                text(ceiling.scope.as_str()),
            )
            .changed(
                "ceiling.directory",
                text(before.directory.as_str()),
                text(ceiling.directory.as_str()),
            )
            .changed(
                "ceiling.registration",
                text(before.registration.as_str()),
                text(ceiling.registration.as_str()),
            )
            .changed(
                "ceiling.sites",
                Some(before.sites.to_string()),
                Some(ceiling.sites.to_string()),
            );
        let event = match wanted.seats {
            Some(limit) => event.changed(
                "seats",
                usage.seats.map(|seats| seats.limit.to_string()),
                Some(limit.to_string()),
            ),
            None => event,
        };
        let event = match wanted.sessions {
            Some(limit) => event.changed(
                "sessions",
                Some(usage.quota.map_or(TEAM.sessions, |quota| quota.limit).to_string()),
                Some(limit.to_string()),
            ),
            None => event,
        };
        let sessions = wanted.sessions;
        let change = Change::audited(event)
            .write(Write::OrganizationReplace(new.clone()))
            .writes(wanted.seats.map(|limit| Write::SeatLimit(old.root, limit)))
            .writes(sessions.map(|limit| Write::SessionLimit(old.root, limit, Month::of(now))));
        Ok((new, change))
    }

    /// A new site of the platform.
    ///
    /// # Errors
    /// As [`Site::new`].
    pub fn create_site(
        &self,
        record: SiteRecord,
        shards: u8,
        now: Timestamp,
    ) -> Result<(Site, Change), Refusal> {
        let site = Site::new(record, shards, now)?;
        let event = self.event(OrganizationId::PLATFORM, Verb::SiteCreated, &site.id, now);
        Ok((
            site.clone(),
            Change::audited(event).write(Write::SiteCreate(site)),
        ))
    }

    /// The organization, bound to `site`, or bound in another way; nothing changes if it is bound so already.
    ///
    /// # Errors
    /// [`Code::OrganizationNotFound`] and [`Code::SiteUnknown`] for what is not there, [`Code::LimitExceeded`].
    pub fn bind(
        &self,
        organization: Option<Organization>,
        site: Option<&Site>,
        bond: Bond,
        now: Timestamp,
    ) -> Result<(Organization, Change), Refusal> {
        let old = self.organization(organization, now)?;
        let site = site
            .ok_or(Code::SiteUnknown)
            .map_err(Refusal::from)
            .at("/site_id")?;
        let configuration = old
            .configuration
            .bound(site.binding(bond.role, bond.specialists_shared))?;
        let binding = configuration.binding(site.id).copied();
        let Some(binding) = binding.filter(|_| configuration != old.configuration) else {
            return Ok((old, Change::default()));
        };
        let new = old.with_configuration(configuration, now);
        let event = self
            .event(old.id, Verb::SiteBound, &site.id, now)
            .changed("role", None, Some(bond.role.as_str().to_owned()))
            .changed(
                "specialists_shared",
                None,
                Some(bond.specialists_shared.to_string()),
            );
        let change = Change::audited(event)
            .write(Write::BindingPut(old.id, binding))
            .write(Write::OrganizationReplace(new.clone()));
        Ok((new, change))
    }

    /// The organization, no longer bound to `site`: nothing of it is seen any more.
    ///
    /// # Errors
    /// [`Code::OrganizationNotFound`], [`Code::SiteNotFound`] for a site that it is not bound to.
    pub fn unbind(
        &self,
        organization: Option<Organization>,
        site: SiteId,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let old = self.organization(organization, now)?;
        if old.configuration.binding(site).is_none() {
            return Err(Code::SiteNotFound.into());
        }
        let new = old.with_configuration(old.configuration.unbound(site), now);
        let event = self.event(old.id, Verb::SiteUnbound, &site, now);
        Ok(Change::audited(event)
            .write(Write::BindingDelete(old.id, site))
            .write(Write::OrganizationReplace(new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{Directory, Registration, Scope};
    use crate::organization::{GRACE, State, ZoneName};
    use crate::sample::{now, organization};
    use crate::site::Status;

    fn operator() -> Operator {
        Operator {
            account: AccountId::of("sample", "olga"),
            origin: Origin::default(),
        }
    }

    fn site() -> Site {
        let record = SiteRecord {
            name: "Riverside".parse().unwrap(),
            domains: std::collections::BTreeSet::new(),
            time_zone: ZoneName::default(),
            status: Status::Live,
        };
        operator().create_site(record, 2, now()).unwrap().0
    }

    #[test]
    fn a_lower_ceiling_narrows_at_once() {
        let here = organization();
        let ceiling = Ceiling {
            scope: Scope::Patients,
            directory: Directory::Enrolled,
            registration: Registration::InviteOnly,
            sites: 0,
        };
        let wanted = Allowance {
            ceiling: Some(ceiling),
            seats: Some(40),
            sessions: Some(5_000),
        };
        let usage = Usage::default();
        let (new, change) = operator()
            .allow(Some(here.clone()), usage, wanted, here.rev, now())
            .unwrap();
        assert_eq!(new.configuration.scope, Scope::Patients);
        assert_eq!(new.configuration.directory, Directory::Enrolled);
        assert_eq!(new.access_rev, here.access_rev + 1);
        assert!(change.writes.contains(&Write::SeatLimit(here.root, 40)));
        let sessions = Write::SessionLimit(here.root, 5_000, Month::of(now()));
        assert!(change.writes.contains(&sessions));
        let told = &change.audit[0].changes;
        assert_eq!(told["sessions"].after.as_deref(), Some("5000"));
        assert!(
            told.contains_key("scope") && told.contains_key("ceiling.scope") && told.contains_key("seats")
        );
        let refused = operator().allow(Some(here.clone()), usage, wanted, here.rev + 1, now());
        assert_eq!(refused.unwrap_err().code, Code::RevisionMismatch);
        // The clock ends an organization, not the job that notes it.
        let ending = Organization {
            state: State::Dissolving {
                requested_by: operator().account,
                requested_at: now() - GRACE,
                final_at: now(),
            },
            ..here
        };
        let refused = operator().allow(Some(ending.clone()), usage, wanted, 9, now());
        assert_eq!(refused.unwrap_err().code, Code::OrganizationNotFound);
        let just_before = now() - jiff::SignedDuration::from_millis(1);
        assert!(
            operator()
                .allow(Some(ending), usage, wanted, 9, just_before)
                .is_ok()
        );
    }

    #[test]
    fn binding_and_unbinding_are_told_in_the_organizations_log() {
        let (here, site) = (organization(), site());
        let bond = Bond {
            role: BindingRole::Shared,
            specialists_shared: true,
        };
        let (changed, change) = operator()
            .bind(Some(here.clone()), Some(&site), bond, now())
            .unwrap();
        assert_eq!(changed.configuration.binding(site.id).unwrap().shards, 2);
        assert_eq!(
            (change.audit[0].organization, change.audit[0].verb),
            (here.id, Verb::SiteBound)
        );
        let (same, nothing) = operator()
            .bind(Some(changed.clone()), Some(&site), bond, now())
            .unwrap();
        assert_eq!((same, nothing), (changed.clone(), Change::default()));
        let change = operator().unbind(Some(changed), site.id, now()).unwrap();
        assert!(change.writes.contains(&Write::BindingDelete(here.id, site.id)));
        let refused = operator().unbind(Some(here.clone()), site.id, now());
        assert_eq!(refused.unwrap_err().code, Code::SiteNotFound);
        let refused = operator().bind(Some(here), None, bond, now()).unwrap_err();
        assert_eq!(
            (refused.code, refused.errors[0].pointer.as_str()),
            (Code::SiteUnknown, "/site_id")
        );
    }
}
