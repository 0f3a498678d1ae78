//! A site: one branded patient-facing property.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::{Access, expect_revision};
use crate::audit::Verb;
use crate::change::{Change, Write};
use crate::code::{Code, Refusal};
use crate::configuration::{Binding, BindingRole, Configuration, Registration};
use crate::email::EmailDomain;
use crate::external::Sourced;
use crate::id::{OrganizationId, SiteId};
use crate::organization::ZoneName;
use crate::text::SiteName;
use crate::wish::Wish;

/// The most domains of one site.
pub const MOST_DOMAINS: usize = 20;

/// The most partitions that a site's collections can be spread over: each is one more to merge a list from.
pub const MOST_SHARDS: u8 = 16;

/// Where a site is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being set up.
    Draft,
    /// In use.
    Live,
    /// Closed for now.
    Paused,
    /// Closed for good; its records stay.
    Archived,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Draft, Self::Live, Self::Paused, Self::Archived];

    /// The status's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Live => "live",
            Self::Paused => "paused",
            Self::Archived => "archived",
        }
    }
}

/// What a site is like: what its owner, or the system it comes from, says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteRecord {
    /// Its name.
    pub name: SiteName,
    /// Where it is reached.
    #[serde(default)]
    pub domains: BTreeSet<EmailDomain>,
    /// The zone in which its times are told.
    #[serde(default)]
    pub time_zone: ZoneName,
    /// Where it is in its life.
    pub status: Status,
}

impl SiteRecord {
    fn checked(self) -> Result<Self, Refusal> {
        if self.domains.len() > MOST_DOMAINS {
            return Err(Refusal::from(Code::LimitExceeded).at("/domains"));
        }
        Ok(self)
    }
}

/// A site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// The organization that made it; none where it is the platform's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<OrganizationId>,
    /// What it is like.
    #[serde(flatten)]
    pub record: SiteRecord,
    /// How people join it; as the organization has it, if not said. The stricter of both counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// Into how many partitions its collections are spread. Fixed when it is made.
    pub shards: u8,
    /// Where it comes from; none where it was made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sourced: Option<Sourced>,
    /// Rises with every change.
    pub rev: u64,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

/// What is wanted changed of a site; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct SiteUpdate {
    /// A new name.
    pub name: Option<SiteName>,
    /// Other domains.
    pub domains: Option<BTreeSet<EmailDomain>>,
    /// Another time zone.
    pub time_zone: Option<ZoneName>,
    /// Another place in its life.
    pub status: Option<Status>,
    /// Another way to join it; without one, as the organization has it.
    pub registration: Wish<Registration>,
}

impl Site {
    /// A new site that nobody is bound to.
    ///
    /// # Errors
    /// [`Code::LimitExceeded`] for too many domains, or shards outside 1 to [`MOST_SHARDS`].
    pub fn new(record: SiteRecord, shards: u8, now: Timestamp) -> Result<Self, Refusal> {
        if !(1..=MOST_SHARDS).contains(&shards) {
            return Err(Refusal::new(Code::LimitExceeded, "must be 1 to 16").at("/shards"));
        }
        Ok(Self {
            id: SiteId::mint(now),
            made_by: None,
            record: record.checked()?,
            registration: None,
            shards,
            sourced: None,
            rev: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// The site as a line of its source says; `kept` is what is there.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn taken(
        record: SiteRecord,
        sourced: Sourced,
        kept: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let site = match kept {
            None => Self::new(record, 1, now)?,
            Some(kept) => Self {
                record: record.checked()?,
                rev: kept.rev + 1,
                updated_at: now,
                ..kept.clone()
            },
        };
        Ok(Self {
            sourced: Some(sourced),
            ..site
        })
    }

    /// How people join, where the organization that runs it has `configuration`: the stricter of the two, and nobody while
    /// the site is not live.
    #[must_use]
    pub fn registration_under(&self, configuration: &Configuration) -> Registration {
        if self.record.status != Status::Live {
            return Registration::InviteOnly;
        }
        self.registration.map_or(configuration.registration, |own| {
            own.min(configuration.registration)
        })
    }

    /// The binding of an organization to this site.
    #[must_use]
    pub const fn binding(&self, role: BindingRole, specialists_shared: bool) -> Binding {
        Binding {
            site: self.id,
            role,
            specialists_shared,
            active: true,
            shards: self.shards,
        }
    }

    /// The site as its owner wants it.
    fn updated(&self, update: SiteUpdate, now: Timestamp) -> Result<Self, Refusal> {
        let old = self.record.clone();
        let record = SiteRecord {
            name: update.name.unwrap_or(old.name),
            domains: update.domains.unwrap_or(old.domains),
            time_zone: update.time_zone.unwrap_or(old.time_zone),
            status: update.status.unwrap_or(old.status),
        }
        .checked()?;
        if record != self.record && self.sourced.is_some() {
            return Err(Code::SourceOwned.into());
        }
        Ok(Self {
            record,
            registration: update.registration.over(self.registration),
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        })
    }
}

impl Access {
    /// A new site that the organization owns and is bound to.
    ///
    /// # Errors
    /// [`Code::CeilingExceeded`] when it has as many of its own as the operator allows; [`Code::GrantExceedsOwn`] for a caller
    /// who is limited to sites; [`Code::LimitExceeded`].
    pub fn create_site(&self, record: SiteRecord, now: Timestamp) -> Result<(Site, Change), Refusal> {
        if self.grant().sites.is_some() {
            return Err(Code::GrantExceedsOwn.into());
        }
        let configuration = &self.organization.configuration;
        let owned = configuration.bindings.iter();
        let owned = owned.filter(|binding| binding.role == BindingRole::Owner).count();
        if owned >= usize::try_from(configuration.ceiling.sites).unwrap_or(usize::MAX) {
            return Err(Code::CeilingExceeded.into());
        }
        let site = Site {
            made_by: Some(self.organization.id),
            ..Site::new(record, 1, now)?
        };
        let binding = site.binding(BindingRole::Owner, true);
        let new = self
            .organization
            .with_configuration(configuration.bound(binding)?, now);
        let change = Change::audited(self.event(Verb::SiteCreated, &site.id, now))
            .write(Write::SiteCreate(site.clone()))
            .write(Write::BindingPut(self.organization.id, binding))
            .write(Write::OrganizationReplace(new))
            .fact(self.actor_holds());
        Ok((site, change))
    }

    /// A site that the organization owns, changed.
    ///
    /// # Errors
    /// [`Code::SiteNotFound`] for one that is not within the caller's reach, [`Code::SiteNotBound`] for one that is only shared
    /// with it, [`Code::RevisionMismatch`], [`Code::SourceOwned`] for what its source says of it.
    pub fn update_site(
        &self,
        site: &Site,
        update: SiteUpdate,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Site, Change), Refusal> {
        let binding = self.site(site.id)?;
        if binding.role != BindingRole::Owner {
            return Err(Refusal::new(
                Code::SiteNotBound,
                "the site is shared with the organization, not its own",
            ));
        }
        expect_revision(site.rev, seen)?;
        let new = site.updated(update, now)?;
        let text = |text: &str| Some(text.to_owned());
        let mode = |site: &Site| site.registration.map(|mode| mode.as_str().to_owned());
        let event = self
            .event(Verb::SiteUpdated, &site.id, now)
            .changed(
                "name",
                text(site.record.name.as_str()),
                text(new.record.name.as_str()),
            )
            .changed(
                "status",
                text(site.record.status.as_str()),
                text(new.record.status.as_str()),
            )
            .changed(
                "time_zone",
                text(site.record.time_zone.as_str()),
                text(new.record.time_zone.as_str()),
            )
            .changed("registration", mode(site), mode(&new));
        let change = Change::audited(event)
            .write(Write::SiteReplace(new.clone()))
            .fact(self.organization_active())
            .fact(self.actor_holds());
        Ok((new, change))
    }

    /// The organization's binding to a site that is within the caller's reach.
    ///
    /// # Errors
    /// [`Code::SiteNotFound`]: whether there is such a site is not told.
    pub fn site(&self, site: SiteId) -> Result<&Binding, Refusal> {
        let is_within_limit = self
            .grant()
            .sites
            .as_ref()
            .is_none_or(|limit| limit.contains(&site));
        self.organization
            .configuration
            .binding(site)
            .filter(|_| is_within_limit)
            .ok_or_else(|| Code::SiteNotFound.into())
    }

    /// The organization's bindings that are within the caller's reach, by site.
    pub fn sites(&self) -> impl Iterator<Item = &Binding> {
        let bindings = self.organization.configuration.bindings.iter();
        bindings.filter(|binding| self.site(binding.site).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Permission;
    use crate::role::Role;
    use crate::sample::{access, add_role, now, organization};

    fn record(status: Status) -> SiteRecord {
        SiteRecord {
            name: "Riverside".parse().unwrap(),
            domains: BTreeSet::new(),
            time_zone: ZoneName::default(),
            status,
        }
    }

    fn sourced() -> Sourced {
        Sourced {
            source: "platform".parse().unwrap(),
            external: crate::external::ExternalId {
                system: "site".parse().unwrap(),
                value: "1".parse().unwrap(),
            },
            stamp: crate::external::Stamp {
                version: Some(1),
                occurred_at: now(),
            },
            digest: String::new(),
        }
    }

    #[test]
    fn an_organization_makes_as_many_sites_as_the_operator_allows() {
        let mut here = organization();
        here.configuration.ceiling.sites = 1;
        let (site, change) = access(&here, Role::Admin)
            .create_site(record(Status::Draft), now())
            .unwrap();
        let organization = change.writes.iter().find_map(|write| match write {
            Write::OrganizationReplace(organization) => Some(organization.clone()),
            _ => None,
        });
        let organization = organization.unwrap();
        let binding = organization.configuration.binding(site.id).unwrap();
        assert!(binding.role == BindingRole::Owner && binding.active);
        assert_eq!(organization.access_rev, here.access_rev + 1);
        let refused = access(&organization, Role::Admin).create_site(record(Status::Draft), now());
        assert_eq!(refused.unwrap_err().code, Code::CeilingExceeded);
    }

    #[test]
    fn who_is_limited_to_sites_makes_none_and_sees_no_other() {
        let mut here = organization();
        let (ours, other) = (
            Site::new(record(Status::Live), 1, now()).unwrap(),
            Site::new(record(Status::Live), 1, now()).unwrap(),
        );
        for site in [&ours, &other] {
            let binding = site.binding(BindingRole::Owner, true);
            here.configuration = here.configuration.bound(binding).unwrap();
        }
        let role = add_role(&mut here, [Permission::OrganizationUpdate].into());
        here.roles[0].sites = Some([ours.id].into());
        let limited = access(&here, role);
        let refused = limited.create_site(record(Status::Live), now()).unwrap_err();
        assert_eq!(refused.code, Code::GrantExceedsOwn);
        assert!(limited.site(ours.id).is_ok());
        assert_eq!(limited.site(other.id).unwrap_err().code, Code::SiteNotFound);
        assert_eq!(limited.sites().count(), 1);
        let update = |site: &Site| limited.update_site(site, SiteUpdate::default(), 1, now());
        assert!(update(&ours).is_ok());
        assert_eq!(update(&other).unwrap_err().code, Code::SiteNotFound);
    }

    #[test]
    fn what_the_source_says_of_a_site_is_changed_there() {
        let mut here = organization();
        let site = Site::taken(record(Status::Live), sourced(), None, now()).unwrap();
        let binding = site.binding(BindingRole::Owner, true);
        here.configuration = here.configuration.bound(binding).unwrap();
        let dana = access(&here, Role::Admin);
        let renamed = SiteUpdate {
            name: Some("Lakeside".parse().unwrap()),
            ..SiteUpdate::default()
        };
        let refused = dana.update_site(&site, renamed, 1, now()).unwrap_err();
        assert_eq!(refused.code, Code::SourceOwned);
        let opened = SiteUpdate {
            registration: Wish::Set(Registration::Open),
            ..SiteUpdate::default()
        };
        let (opened, _) = dana.update_site(&site, opened, 1, now()).unwrap();
        let again = Site::taken(record(Status::Paused), sourced(), Some(&opened), now()).unwrap();
        assert_eq!((again.registration, again.rev), (Some(Registration::Open), 3));
    }

    #[test]
    fn the_stricter_registration_counts_and_closed_sites_admit_nobody() {
        let configuration = |registration| Configuration {
            registration,
            ..Configuration::default()
        };
        for status in Status::ALL {
            for (own, of_organization, expected) in [
                (None, Registration::Open, Registration::Open),
                (None, Registration::InviteOnly, Registration::InviteOnly),
                (
                    Some(Registration::Open),
                    Registration::InviteOnly,
                    Registration::InviteOnly,
                ),
                (
                    Some(Registration::InviteOnly),
                    Registration::Open,
                    Registration::InviteOnly,
                ),
                (Some(Registration::Open), Registration::Open, Registration::Open),
            ] {
                let site = Site {
                    registration: own,
                    ..Site::new(record(status), 1, now()).unwrap()
                };
                let is_live = status == Status::Live;
                let expected = if is_live {
                    expected
                } else {
                    Registration::InviteOnly
                };
                assert_eq!(site.registration_under(&configuration(of_organization)), expected);
            }
        }
    }

    #[test]
    fn a_site_is_spread_over_one_to_sixteen_partitions() {
        for shards in [0, MOST_SHARDS + 1] {
            let refused = Site::new(record(Status::Draft), shards, now()).unwrap_err();
            assert_eq!(refused.errors[0].pointer, "/shards");
        }
        assert!(Site::new(record(Status::Draft), MOST_SHARDS, now()).is_ok());
    }
}
