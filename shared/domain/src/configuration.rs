//! What an organization may see of the platform: the operator's ceiling, and what the organization makes of it.
//!
//! An organization can only narrow. The operator sets the ceiling and binds sites; whatever is seen follows from this alone
//! (see [`crate::reach`]).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::code::{At, Code, Refusal};
use crate::id::SiteId;

/// The most sites an organization can be bound to: they are embedded in its item.
pub const MOST_BINDINGS: usize = 200;

/// Which people an organization oversees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Patients; specialists only as names in their bookings.
    Patients,
    /// Specialists; no patients.
    Specialists,
    /// Both.
    Both,
}

impl Scope {
    /// Whether patients are overseen.
    #[must_use]
    pub const fn has_patients(self) -> bool {
        matches!(self, Self::Patients | Self::Both)
    }

    /// Whether specialists are overseen.
    #[must_use]
    pub const fn has_specialists(self) -> bool {
        matches!(self, Self::Specialists | Self::Both)
    }

    /// The scope's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patients => "patients",
            Self::Specialists => "specialists",
            Self::Both => "both",
        }
    }

    const fn is_within(self, ceiling: Self) -> bool {
        (!self.has_patients() || ceiling.has_patients())
            && (!self.has_specialists() || ceiling.has_specialists())
    }
}

/// Where the people of an organization come from, from the narrowest to the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Directory {
    /// The patients that the organization sponsors. Person-level views of it need a privacy mode.
    Enrolled,
    /// The people of the sites it is bound to.
    Sites,
    /// The whole platform.
    Platform,
}

impl Directory {
    /// The directory's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Sites => "sites",
            Self::Platform => "platform",
        }
    }
}

/// How people become patients or specialists, from the stricter to the freer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Only who was invited.
    InviteOnly,
    /// Everybody by themselves.
    Open,
}

impl Registration {
    /// The mode's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InviteOnly => "invite_only",
            Self::Open => "open",
        }
    }
}

/// What an organization is to a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingRole {
    /// It runs the site and may change it.
    Owner,
    /// It sees the site's people because the owner offered that.
    Shared,
}

impl BindingRole {
    /// The role's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Shared => "shared",
        }
    }
}

/// An organization's tie to a site, given by the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The site.
    pub site: SiteId,
    /// What the organization is to it.
    pub role: BindingRole,
    /// Whether the site's specialists are shared too; an owner has them anyway.
    pub specialists_shared: bool,
    /// Whether the organization uses it: narrowing to fewer sites is the organization's own choice.
    pub active: bool,
    /// Into how many partitions the site's collections are spread: a copy, fixed when the site was made.
    pub shards: u8,
}

impl Binding {
    /// Whether the site's specialists are in the organization's directory.
    #[must_use]
    pub const fn has_specialists(&self) -> bool {
        matches!(self.role, BindingRole::Owner) || self.specialists_shared
    }
}

/// The most that the platform operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceiling {
    /// The widest scope.
    pub scope: Scope,
    /// The widest directory.
    pub directory: Directory,
    /// The freest registration.
    pub registration: Registration,
    /// How many sites it may make.
    pub sites: u32,
}

/// The ceiling of a new organization: what its sites hold, and a few sites of its own.
impl Default for Ceiling {
    fn default() -> Self {
        Self {
            scope: Scope::Both,
            directory: Directory::Sites,
            registration: Registration::Open,
            sites: 5,
        }
    }
}

/// What an organization may see, and how people join its sites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The most the operator allows.
    pub ceiling: Ceiling,
    /// Which people are overseen.
    pub scope: Scope,
    /// Where they come from.
    pub directory: Directory,
    /// How people join, unless a site is stricter.
    pub registration: Registration,
    /// The sites the operator bound, at most [`MOST_BINDINGS`], by id.
    pub bindings: Vec<Binding>,
}

/// The configuration of a new organization: as wide as its ceiling, but closed to strangers.
impl Default for Configuration {
    fn default() -> Self {
        let ceiling = Ceiling::default();
        Self {
            ceiling,
            scope: ceiling.scope,
            directory: ceiling.directory,
            registration: Registration::InviteOnly,
            bindings: Vec::new(),
        }
    }
}

/// What an admin wants of the configuration: all of it.
#[derive(Debug, Clone)]
pub struct Narrowing {
    /// Which people are overseen.
    pub scope: Scope,
    /// Where they come from.
    pub directory: Directory,
    /// How people join.
    pub registration: Registration,
    /// The sites in use.
    pub sites: BTreeSet<SiteId>,
}

impl Configuration {
    /// The binding to `site`.
    #[must_use]
    pub fn binding(&self, site: SiteId) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.site == site)
    }

    /// The configuration as an admin wants it.
    ///
    /// # Errors
    /// [`Code::CeilingExceeded`] for more than the operator allows, [`Code::SiteNotBound`] for a site that the operator did not
    /// bind: whether it exists is not looked up.
    pub fn narrowed(&self, wanted: &Narrowing) -> Result<Self, Refusal> {
        let within = |is_within: bool, pointer: &str| {
            let refusal = Refusal::from(Code::CeilingExceeded);
            is_within.then_some(()).ok_or(refusal).at(pointer)
        };
        within(wanted.scope.is_within(self.ceiling.scope), "/scope")?;
        within(wanted.directory <= self.ceiling.directory, "/directory")?;
        within(wanted.registration <= self.ceiling.registration, "/registration")?;
        if wanted.sites.iter().any(|site| self.binding(*site).is_none()) {
            return Err(Refusal::from(Code::SiteNotBound).at("/sites"));
        }
        let mut new = Self {
            scope: wanted.scope,
            directory: wanted.directory,
            registration: wanted.registration,
            ..self.clone()
        };
        for binding in &mut new.bindings {
            binding.active = wanted.sites.contains(&binding.site);
        }
        Ok(new)
    }

    /// The configuration under another ceiling: what was wider is as wide as it.
    #[must_use]
    pub fn under(&self, ceiling: Ceiling) -> Self {
        Self {
            ceiling,
            scope: if self.scope.is_within(ceiling.scope) {
                self.scope
            } else {
                ceiling.scope
            },
            directory: self.directory.min(ceiling.directory),
            registration: self.registration.min(ceiling.registration),
            bindings: self.bindings.clone(),
        }
    }

    /// The configuration with a binding, in the place of an earlier one to the same site. Whether the site is in use stays the
    /// organization's own choice.
    ///
    /// # Errors
    /// [`Code::LimitExceeded`] at [`MOST_BINDINGS`].
    pub fn bound(&self, binding: Binding) -> Result<Self, Refusal> {
        let active = self
            .binding(binding.site)
            .map_or(binding.active, |known| known.active);
        let binding = Binding { active, ..binding };
        let mut new = self.unbound(binding.site);
        if new.bindings.len() >= MOST_BINDINGS {
            return Err(Refusal::new(
                Code::LimitExceeded,
                "an organization is bound to at most 200 sites",
            ));
        }
        let at = new.bindings.partition_point(|known| known.site < binding.site);
        new.bindings.insert(at, binding);
        Ok(new)
    }

    /// The configuration without a binding to `site`.
    #[must_use]
    pub fn unbound(&self, site: SiteId) -> Self {
        let mut new = self.clone();
        new.bindings.retain(|binding| binding.site != site);
        new
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{binding, now};

    const SCOPES: [Scope; 3] = [Scope::Patients, Scope::Specialists, Scope::Both];
    const DIRECTORIES: [Directory; 3] = [Directory::Enrolled, Directory::Sites, Directory::Platform];
    const REGISTRATIONS: [Registration; 2] = [Registration::InviteOnly, Registration::Open];

    fn ceiling() -> impl Strategy<Value = Ceiling> {
        (0..3_usize, 0..3_usize, 0..2_usize).prop_map(|(scope, directory, registration)| Ceiling {
            scope: SCOPES[scope],
            directory: DIRECTORIES[directory],
            registration: REGISTRATIONS[registration],
            sites: 5,
        })
    }

    fn is_within(configuration: &Configuration) -> bool {
        let ceiling = configuration.ceiling;
        (!configuration.scope.has_patients() || ceiling.scope.has_patients())
            && (!configuration.scope.has_specialists() || ceiling.scope.has_specialists())
            && configuration.directory <= ceiling.directory
            && configuration.registration <= ceiling.registration
    }

    proptest! {
        #[test]
        fn no_wish_and_no_ceiling_leads_beyond_the_ceiling(first in ceiling(), second in ceiling(), wish in ceiling()) {
            let begun = Configuration::default().under(first);
            prop_assert!(is_within(&begun));
            let narrowing = Narrowing {
                scope: wish.scope, directory: wish.directory, registration: wish.registration, sites: BTreeSet::new(),
            };
            let narrowed = begun.narrowed(&narrowing);
            let is_allowed = wish.scope.is_within(first.scope) && wish.directory <= first.directory && wish.registration <= first.registration;
            prop_assert_eq!(narrowed.is_ok(), is_allowed);
            if let Ok(narrowed) = narrowed {
                prop_assert!(is_within(&narrowed));
                prop_assert!(is_within(&narrowed.under(second)));
            }
        }
    }

    #[test]
    fn a_site_that_was_not_bound_is_refused_as_one_that_does_not_exist() {
        let (ours, foreign) = (binding(BindingRole::Owner), SiteId::mint(now()));
        let configuration = Configuration::default().bound(ours).unwrap();
        let wanted = |sites: &[SiteId]| Narrowing {
            scope: Scope::Both,
            directory: Directory::Sites,
            registration: Registration::InviteOnly,
            sites: sites.iter().copied().collect(),
        };
        let refused = configuration
            .narrowed(&wanted(&[ours.site, foreign]))
            .unwrap_err();
        assert_eq!(
            (refused.code, refused.errors[0].pointer.as_str()),
            (Code::SiteNotBound, "/sites")
        );
        let narrowed = configuration.narrowed(&wanted(&[])).unwrap();
        assert!(!narrowed.bindings[0].active);
        // What was given up can be taken again, as long as the operator's binding is there.
        assert!(narrowed.narrowed(&wanted(&[ours.site])).unwrap().bindings[0].active);
        assert!(
            narrowed
                .unbound(ours.site)
                .narrowed(&wanted(&[ours.site]))
                .is_err()
        );
    }

    #[test]
    fn a_site_is_bound_once_and_two_hundred_at_most() {
        let first = binding(BindingRole::Shared);
        let again = Binding {
            role: BindingRole::Owner,
            ..first
        };
        let mut configuration = Configuration::default()
            .bound(first)
            .unwrap()
            .bound(again)
            .unwrap();
        assert_eq!(configuration.bindings, [again]);
        configuration.bindings[0].active = false;
        let kept = configuration.bound(first).unwrap().bindings[0];
        assert!(
            !kept.active && kept.role == first.role,
            "what was given up stays so"
        );
        for _ in 1..MOST_BINDINGS {
            configuration = configuration.bound(binding(BindingRole::Owner)).unwrap();
        }
        assert!(configuration.bindings.is_sorted_by_key(|binding| binding.site));
        let refused = configuration.bound(binding(BindingRole::Owner)).unwrap_err();
        assert_eq!(refused.code, Code::LimitExceeded);
        assert!(configuration.bound(again).is_ok());
    }
}
