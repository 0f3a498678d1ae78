//! The sites: two of the clinic's own, and one of the platform that nobody is bound to; and by what the platform feeds them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use portal_domain::audit::{Actor, Verb};
use portal_domain::change::{Change, Write};
use portal_domain::code::Refusal;
use portal_domain::configuration::{BindingRole, Configuration};
use portal_domain::external::ExternalId;
use portal_domain::id::{AccountId, OrganizationId, SiteId};
use portal_domain::ingest::{Named, Naming, RecordType};
use portal_domain::role::Role;
use portal_domain::site::{Site, SiteRecord, Status};
use portal_domain::token::{Draft, Scope, ServiceToken, TokenSecret};

use super::ids;
use super::script::Script;
use crate::feed;

/// What the secret of [`ids::FEEDER`] is made of. It is known to everybody and opens the demo only.
const FEEDER_SEED: [u8; 32] = *b"the demo's secret, open to all!!";
/// The same of [`ids::SPARE`].
const SPARE_SEED: [u8; 32] = *b"the demo's spare secret, for all";

/// The clinic's own sites, in the order in which they were made.
const OWN: [(SiteId, &str, &str); 2] = [
    (ids::ONLINE, "Riverside Online", "online.riverside.example"),
    (ids::CITY, "Riverside City", "city.riverside.example"),
];

fn site(id: SiteId, name: &str, domain: &str, at: Timestamp) -> Result<Site, Refusal> {
    let record = SiteRecord {
        name: name.parse()?,
        domains: BTreeSet::from([domain.parse()?]),
        time_zone: "Europe/Berlin".to_owned().try_into()?,
        status: Status::Live,
    };
    Ok(Site {
        id,
        ..Site::new(record, 1, at)?
    })
}

fn own(began: Timestamp) -> impl Iterator<Item = Result<Site, Refusal>> {
    OWN.into_iter().zip(5..).map(move |((id, name, domain), hour)| {
        let site = site(id, name, domain, began + SignedDuration::from_hours(hour))?;
        Ok(Site {
            made_by: Some(ids::RIVERSIDE),
            ..site
        })
    })
}

/// What the clinic sees of the platform: its own two sites.
pub(super) fn configuration(began: Timestamp) -> Result<Configuration, Refusal> {
    own(began).try_fold(Configuration::default(), |configuration, site| {
        configuration.bound(site?.binding(BindingRole::Owner, true))
    })
}

/// All sites, with the clinic's bindings.
pub(super) fn write(script: &mut Script, founder: AccountId, began: Timestamp) -> Result<(), Refusal> {
    for site in own(began) {
        let site = site?;
        let actor = Actor::Account {
            id: founder,
            role: Some(Role::Admin),
        };
        let event = script.event(
            ids::RIVERSIDE,
            Verb::SiteCreated,
            actor,
            &site.id,
            site.created_at,
        );
        let binding = site.binding(BindingRole::Owner, true);
        script.add(
            Change::audited(event)
                .write(Write::SiteCreate(site))
                .write(Write::BindingPut(ids::RIVERSIDE, binding)),
        );
    }
    let lakeside = site(ids::LAKESIDE, "Lakeside Online", "lakeside.example", began)?;
    let actor = Actor::System {
        name: "platform".to_owned(),
    };
    let event = script.event(
        OrganizationId::PLATFORM,
        Verb::SiteCreated,
        actor,
        &lakeside.id,
        began,
    );
    script.add(Change::audited(event).write(Write::SiteCreate(lakeside)));
    // What the platform calls the sites, so that it can tell who is there.
    for (name, site) in [
        ("online", ids::ONLINE),
        ("city", ids::CITY),
        ("lakeside", ids::LAKESIDE),
    ] {
        let naming = Naming {
            source: feed::SOURCE.parse()?,
            of: RecordType::Sites,
            external: ExternalId {
                system: "sites".parse()?,
                value: name.parse()?,
            },
            named: Named::Record { id: site.to_string() },
            rev: 1,
        };
        script.add(Change::default().write(Write::NamingPut(naming)));
    }
    for (id, seed) in [(ids::FEEDER, FEEDER_SEED), (ids::SPARE, SPARE_SEED)] {
        let draft = Draft {
            source: feed::SOURCE.parse()?,
            scopes: RecordType::ALL
                .iter()
                .copied()
                .map(Scope::Ingest)
                .chain([Scope::Changes])
                .collect(),
            expires_at: None,
        };
        let new = ServiceToken {
            id,
            ..ServiceToken::create(draft, TokenSecret::of(&seed).hash(), founder, began)?
        };
        script.add(Change::default().write(Write::TokenPut { new, old: None }));
    }
    Ok(())
}
