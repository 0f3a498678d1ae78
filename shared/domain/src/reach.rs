//! Which of the platform's records a caller may see: one value, from which every list, detail, count and export follows.

use std::collections::BTreeSet;

use crate::access::Access;
use crate::code::{Code, Refusal};
use crate::configuration::{Binding, BindingRole, Directory, Scope};
use crate::id::{OrganizationId, SiteId};
use crate::organization::Organization;
use crate::site::Site;

/// The most partitions that one page of a list is merged from.
pub const MOST_SOURCES: usize = 32;

/// Into how many partitions collections of the whole platform are spread.
pub const PLATFORM_SHARDS: u8 = 16;

/// Where records are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// At these sites, and nowhere else.
    Sites(Vec<Binding>),
    /// On the whole platform.
    Platform,
}

/// What a caller may see of the platform's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The organization whose configuration it follows from.
    pub organization: OrganizationId,
    /// Rises when the configuration changes: a list that was begun before is not gone on with.
    pub access_rev: u64,
    scope: Scope,
    extent: Extent,
}

/// A partition of a collection that a list is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A part of a site's collection.
    Site(SiteId, u8),
    /// A part of the whole platform's.
    Platform(u8),
}

/// Whose collection a list is of: the two sorts of people are shared differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Patients.
    Patients,
    /// Specialists.
    Specialists,
    /// What happens at a site: bookings and transactions.
    Events,
}

/// Something that is seen only within a reach: whoever reads it by its id asks whether it is.
pub trait Reached {
    /// Whether it is seen. What is not looks like what does not exist.
    fn is_within(&self, reach: &Reach) -> bool;
}

impl Access {
    /// What the caller may see.
    ///
    /// # Errors
    /// [`Code::PrivacyModeRequired`] where the organization oversees people it sponsors: until it has a privacy mode, nothing
    /// about single persons is shown to it.
    pub fn reach(&self) -> Result<Reach, Refusal> {
        let configuration = &self.organization.configuration;
        let extent = match (configuration.directory, self.grant().sites.as_ref()) {
            (Directory::Enrolled, _) => return Err(Code::PrivacyModeRequired.into()),
            (Directory::Platform, None) => Extent::Platform,
            // A role that is limited to sites sees these, however wide the directory is.
            (Directory::Sites | Directory::Platform, limit) => {
                Extent::Sites(within(&configuration.bindings, limit))
            }
        };
        Ok(Reach {
            organization: self.organization.id,
            access_rev: self.organization.access_rev,
            scope: configuration.scope,
            extent,
        })
    }
}

fn within(bindings: &[Binding], limit: Option<&BTreeSet<SiteId>>) -> Vec<Binding> {
    let is_seen =
        |binding: &&Binding| binding.active && limit.is_none_or(|limit| limit.contains(&binding.site));
    bindings.iter().filter(is_seen).copied().collect()
}

impl Reach {
    /// All that there is at a site, or on the whole platform: for jobs, which nobody asks and which show nothing.
    #[must_use]
    pub fn of_job(site: Option<&Site>) -> Self {
        let binding = |site: &Site| Binding {
            site: site.id,
            role: BindingRole::Owner,
            specialists_shared: true,
            active: true,
            shards: site.shards,
        };
        Self {
            organization: OrganizationId::PLATFORM,
            access_rev: 0,
            scope: Scope::Both,
            extent: site.map_or(Extent::Platform, |site| Extent::Sites(vec![binding(site)])),
        }
    }

    /// What is seen of the platform's records where none are shown.
    pub(crate) fn of_nothing(access: &Access) -> Self {
        let Organization {
            id,
            access_rev,
            configuration,
            ..
        } = &access.organization;
        Self {
            organization: *id,
            access_rev: *access_rev,
            scope: configuration.scope,
            extent: Extent::Sites(Vec::new()),
        }
    }

    /// Whether the organization runs `site`, as far as that is within reach.
    #[must_use]
    pub fn owns(&self, site: SiteId) -> bool {
        let is_own = |binding: &Binding| binding.site == site && binding.role == BindingRole::Owner;
        matches!(&self.extent, Extent::Sites(bindings) if bindings.iter().any(is_own))
    }

    /// The same, at one site only, if it is asked for.
    ///
    /// # Errors
    /// [`Code::SiteNotFound`] for a site that is not within reach: whether it exists is not told.
    pub fn at(mut self, site: Option<SiteId>) -> Result<Self, Refusal> {
        let Some(site) = site else {
            return Ok(self);
        };
        if let Extent::Sites(bindings) = &mut self.extent {
            bindings.retain(|binding| binding.site == site);
            if bindings.is_empty() {
                return Err(Code::SiteNotFound.into());
            }
        } else {
            return Err(Refusal::new(
                Code::SiteNotFound,
                "the directory of the whole platform is filtered by sites that the organization is bound to",
            ));
        }
        Ok(self)
    }

    /// The same, for the patient directory.
    ///
    /// # Errors
    /// [`Code::ScopeExcludes`] where the organization oversees none.
    pub fn of_patients(self) -> Result<Self, Refusal> {
        if self.has_patients() {
            Ok(self)
        } else {
            Err(Refusal::new(
                Code::ScopeExcludes,
                "the organization oversees no patients",
            ))
        }
    }

    /// The same, for the specialist directory.
    ///
    /// # Errors
    /// [`Code::ScopeExcludes`] where the organization oversees none.
    pub fn of_specialists(self) -> Result<Self, Refusal> {
        if self.has_specialists() {
            Ok(self)
        } else {
            Err(Refusal::new(
                Code::ScopeExcludes,
                "the organization oversees no specialists",
            ))
        }
    }

    /// Whether patients are seen.
    #[must_use]
    pub const fn has_patients(&self) -> bool {
        self.scope.has_patients()
    }

    /// Whether specialists are seen as more than names in bookings.
    #[must_use]
    pub const fn has_specialists(&self) -> bool {
        self.scope.has_specialists()
    }

    /// Whether what happens at `site` is seen.
    #[must_use]
    pub fn has_site(&self, site: SiteId) -> bool {
        match &self.extent {
            Extent::Platform => true,
            Extent::Sites(bindings) => bindings.iter().any(|binding| binding.site == site),
        }
    }

    /// Whether a patient with registrations at `sites` is seen.
    #[must_use]
    pub fn has_patient_at(&self, sites: impl IntoIterator<Item = SiteId>) -> bool {
        self.has_patients() && self.has_any(sites, |_| true)
    }

    /// Whether a specialist with assignments to `sites` is in the directory.
    #[must_use]
    pub fn has_specialist_at(&self, sites: impl IntoIterator<Item = SiteId>) -> bool {
        self.has_specialists() && self.has_any(sites, Binding::has_specialists)
    }

    /// The sites that a collection is limited to; none where it is the whole platform's.
    #[must_use]
    pub fn sites(&self, of: Of) -> Option<Vec<SiteId>> {
        match &self.extent {
            Extent::Platform => None,
            Extent::Sites(bindings) => {
                let counts = |binding: &&Binding| of != Of::Specialists || binding.has_specialists();
                Some(
                    bindings
                        .iter()
                        .filter(counts)
                        .map(|binding| binding.site)
                        .collect(),
                )
            }
        }
    }

    fn has_any(&self, sites: impl IntoIterator<Item = SiteId>, counts: impl Fn(&Binding) -> bool) -> bool {
        match &self.extent {
            Extent::Platform => true,
            Extent::Sites(bindings) => sites.into_iter().any(|site| {
                bindings
                    .iter()
                    .any(|binding| binding.site == site && counts(binding))
            }),
        }
    }

    /// The partitions that a list is merged from; none where nothing can be in it.
    ///
    /// # Errors
    /// [`Code::SiteFilterRequired`] when that would be more than [`MOST_SOURCES`].
    pub fn sources(&self, of: Of) -> Result<Vec<Source>, Refusal> {
        let sources: Vec<Source> = match &self.extent {
            Extent::Platform => (0..PLATFORM_SHARDS).map(Source::Platform).collect(),
            Extent::Sites(bindings) => bindings
                .iter()
                .filter(|binding| of != Of::Specialists || binding.has_specialists())
                .flat_map(|binding| (0..binding.shards.max(1)).map(|shard| Source::Site(binding.site, shard)))
                .collect(),
        };
        if sources.len() > MOST_SOURCES {
            return Err(Code::SiteFilterRequired.into());
        }
        Ok(sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Configuration;
    use crate::organization::Organization;
    use crate::permission::Permissions;
    use crate::role::Role;
    use crate::sample::{access, add_role, binding, now, organization};

    fn bound(bindings: &[Binding]) -> Organization {
        let mut organization = organization();
        organization.configuration.bindings = bindings.to_vec();
        organization
    }

    fn reach(organization: &Organization, role: Role) -> Reach {
        access(organization, role).reach().unwrap()
    }

    fn configured(change: impl FnOnce(&mut Configuration)) -> Organization {
        let mut organization = bound(&[binding(BindingRole::Owner), binding(BindingRole::Shared)]);
        change(&mut organization.configuration);
        organization
    }

    #[test]
    fn a_new_organization_sees_nothing() {
        let reach = reach(&organization(), Role::Admin);
        assert_eq!(reach.sources(Of::Events), Ok(Vec::new()));
        assert!(!reach.has_site(SiteId::mint(now())));
        assert!(!reach.has_patient_at([SiteId::mint(now())]));
    }

    #[test]
    fn what_is_given_up_or_foreign_is_not_seen() {
        let (ours, given_up) = (
            binding(BindingRole::Owner),
            Binding {
                active: false,
                ..binding(BindingRole::Owner)
            },
        );
        let reach = reach(&bound(&[ours, given_up]), Role::Admin);
        assert!(reach.has_site(ours.site) && !reach.has_site(given_up.site));
        assert_eq!(reach.sources(Of::Patients).unwrap(), [Source::Site(ours.site, 0)]);
        let refused = reach.clone().at(Some(given_up.site)).unwrap_err();
        assert_eq!(
            (refused.clone(), refused.code),
            (
                reach.clone().at(Some(SiteId::mint(now()))).unwrap_err(),
                Code::SiteNotFound
            )
        );
        assert_eq!(reach.clone().at(Some(ours.site)), Ok(reach));
    }

    #[test]
    fn specialists_of_a_shared_site_are_seen_only_when_they_are_shared() {
        let shared = binding(BindingRole::Shared);
        let with_specialists = Binding {
            specialists_shared: true,
            ..binding(BindingRole::Shared)
        };
        let reach = reach(&bound(&[shared, with_specialists]), Role::Admin);
        assert_eq!(
            reach.sources(Of::Specialists).unwrap(),
            [Source::Site(with_specialists.site, 0)]
        );
        assert_eq!(reach.sources(Of::Patients).unwrap().len(), 2);
        assert_eq!(reach.sites(Of::Specialists), Some(vec![with_specialists.site]));
        assert_eq!(
            reach.sites(Of::Events),
            Some(vec![shared.site, with_specialists.site])
        );
        assert!(!reach.has_specialist_at([shared.site]));
        assert!(reach.has_specialist_at([shared.site, with_specialists.site]));
    }

    #[test]
    fn a_scope_shows_one_sort_of_people_only() {
        for (scope, patients, specialists) in [
            (Scope::Patients, true, false),
            (Scope::Specialists, false, true),
            (Scope::Both, true, true),
        ] {
            let organization = configured(|configuration| configuration.scope = scope);
            let site = organization.configuration.bindings[0].site;
            let reach = reach(&organization, Role::Admin);
            assert_eq!(
                (reach.has_patients(), reach.has_specialists()),
                (patients, specialists)
            );
            assert_eq!(reach.has_patient_at([site]), patients);
            assert_eq!(reach.has_specialist_at([site]), specialists);
            assert_eq!(reach.clone().of_patients().is_ok(), patients);
            assert_eq!(reach.of_specialists().is_ok(), specialists);
        }
    }

    #[test]
    fn whom_one_sponsors_is_seen_in_a_privacy_mode_only() {
        let organization = configured(|configuration| configuration.directory = Directory::Enrolled);
        let refused = access(&organization, Role::Admin).reach().unwrap_err();
        assert_eq!(refused.code, Code::PrivacyModeRequired);
    }

    #[test]
    fn a_role_that_is_limited_to_sites_sees_these_in_every_directory() {
        for directory in [Directory::Sites, Directory::Platform] {
            let mut organization = configured(|configuration| configuration.directory = directory);
            let [first, second] = [0, 1].map(|n| organization.configuration.bindings[n].site);
            let role = add_role(&mut organization, Permissions::new());
            organization.roles[0].sites = Some([second, SiteId::mint(now())].into());
            let limited = reach(&organization, role);
            assert!(limited.has_site(second) && !limited.has_site(first));
            assert_eq!(limited.sources(Of::Events).unwrap(), [Source::Site(second, 0)]);
            let whole = reach(&organization, Role::Admin);
            assert!(whole.has_site(first) && whole.has_site(second));
        }
    }

    #[test]
    fn the_platform_is_merged_from_its_shards() {
        let organization = configured(|configuration| configuration.directory = Directory::Platform);
        let reach = reach(&organization, Role::Admin);
        assert_eq!(
            reach.sources(Of::Patients).unwrap().len(),
            usize::from(PLATFORM_SHARDS)
        );
        assert!(reach.has_site(SiteId::mint(now())));
        assert_eq!(reach.sites(Of::Events), None);
    }

    #[test]
    fn too_many_partitions_need_a_site_filter() {
        let bindings: Vec<Binding> = (0..MOST_SOURCES).map(|_| binding(BindingRole::Owner)).collect();
        let most = reach(&bound(&bindings), Role::Admin);
        assert_eq!(most.sources(Of::Events).unwrap().len(), MOST_SOURCES);
        let hot = Binding {
            shards: 2,
            ..bindings[0]
        };
        let more: Vec<Binding> = [hot].into_iter().chain(bindings[1..].iter().copied()).collect();
        let reach = reach(&bound(&more), Role::Admin);
        assert_eq!(
            reach.sources(Of::Events).unwrap_err().code,
            Code::SiteFilterRequired
        );
        let one = reach.at(Some(hot.site)).unwrap();
        assert_eq!(one.sources(Of::Events).unwrap().len(), 2);
    }
}
