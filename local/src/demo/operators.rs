//! Two more organizations with what they oversee, told by the platform's feed: a network of three clinics, and an operator of two
//! brands who share a specialist.

use jiff::{SignedDuration, Timestamp};
use portal_domain::account::Account;
use portal_domain::audit::Origin;
use portal_domain::change::Change;
use portal_domain::configuration::BindingRole;
use portal_domain::id::{OrganizationId, SiteId};
use portal_domain::ingest::{Line, Outcome, RecordType};
use portal_domain::operator::{Bond, Operator};
use portal_feed::{Batch, Taken};
use serde_json::{Value, json};

use super::elsewhere::founded_by;
use super::people::Accounts;
use super::script::Script;
use super::{ids, parts};
use crate::feed;
use crate::stack::{Failure, OPERATOR, Stack};

/// The admin of the network.
pub const NETWORK_ADMIN: &str = "mara@northshore.example";
/// The admin of the two brands.
pub const BRANDS_ADMIN: &str = "theo@clearbrook.example";

/// An organization that oversees sites.
struct Overseer {
    id: OrganizationId,
    name: &'static str,
    admin: (&'static str, &'static str),
    /// What the source calls the site, its name, its zone, and what people come for.
    sites: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// Given and family name, and the numbers of the sites they work at.
    specialists: &'static [(&'static str, &'static str, &'static [usize])],
    currency: &'static str,
}

const OVERSEERS: [Overseer; 2] = [
    Overseer {
        id: ids::NORTHSHORE,
        name: "Northshore Clinics",
        admin: ("Mara Lindholm", NETWORK_ADMIN),
        sites: &[
            (
                "ns-harbor",
                "Northshore Harbor Street",
                "Europe/London",
                "Physiotherapy",
            ),
            (
                "ns-oldtown",
                "Northshore Old Town",
                "Europe/London",
                "General practice",
            ),
            (
                "ns-westend",
                "Northshore West End",
                "Europe/London",
                "Paediatrics",
            ),
        ],
        specialists: &[
            ("Imogen", "Clarke", &[0]),
            ("Rafael", "Santos", &[0, 1]),
            ("Hannah", "Weiss", &[1]),
            ("Deepak", "Rao", &[1, 2]),
            ("Fiona", "Byrne", &[2]),
        ],
        currency: "GBP",
    },
    Overseer {
        id: ids::CLEARBROOK,
        name: "Clearbrook Health",
        admin: ("Theo Marchetti", BRANDS_ADMIN),
        sites: &[
            (
                "cb-stillwater",
                "Stillwater",
                "America/New_York",
                "Therapy session",
            ),
            ("cb-dermly", "Dermly", "America/Chicago", "Skin consultation"),
        ],
        specialists: &[
            ("Nadia", "Petrov", &[0]),
            ("Grace", "Whitaker", &[0, 1]),
            ("Luis", "Ortega", &[1]),
        ],
        currency: "USD",
    },
];

const GIVEN: [&str; 12] = [
    "Ava", "Ben", "Chloe", "Daniel", "Elif", "Finn", "Grete", "Hugo", "Isla", "Jamal", "Kira", "Leo",
];
const FAMILY: [&str; 7] = [
    "Archer", "Bianchi", "Castillo", "Dunne", "Eriksen", "Farouk", "Gupta",
];
const PATIENTS_OF_SITE: usize = 12;
const BOOKINGS_OF_PATIENT: usize = 3;

/// The organizations and their admins; who oversees what is told by [`feed`].
pub(super) fn write(script: &mut Script, accounts: &Accounts, began: Timestamp) -> Result<(), Failure> {
    for overseer in &OVERSEERS {
        let (name, email) = overseer.admin;
        let admin: Account = accounts.account(name, &email.parse()?, began)?;
        let organization = parts::organization(overseer.id, overseer.name, began)?;
        script.add(Change::default().writes(parts::signed_up(&admin)));
        founded_by(script, &admin, &organization)?;
    }
    Ok(())
}

/// What the platform tells of the sites, and the organizations bound to them.
pub(super) async fn feed(stack: &Stack, accounts: &Accounts<'_>, now: Timestamp) -> Result<(), Failure> {
    let source = feed::SOURCE.parse()?;
    let batch = Batch {
        store: &stack.app.store,
        source: &source,
        now,
        is_trial: false,
    };
    for overseer in &OVERSEERS {
        let sites = tell(&batch, RecordType::Sites, overseer.sites()).await?;
        bind(stack, accounts, overseer.id, &sites, now).await?;
        for (of, lines) in [
            (RecordType::Specialists, overseer.specialists(now)),
            (RecordType::Patients, overseer.patients(now)),
            (RecordType::Bookings, overseer.bookings(now)),
            (RecordType::Transactions, overseer.transactions(now)),
        ] {
            tell(&batch, of, lines).await?;
        }
    }
    Ok(())
}

/// Feeds lines, all of which are to be new; gives the ids of their records.
async fn tell(batch: &Batch<'_>, of: RecordType, lines: Vec<Value>) -> Result<Vec<String>, Failure> {
    let lines: Vec<_> = lines
        .into_iter()
        .map(|line| Line::read(line, batch.now))
        .collect();
    let taken = batch.take(of, &lines).await?;
    let id = |taken: Taken| match taken {
        Taken {
            outcome: Outcome::Created,
            id: Some(id),
        } => Ok(id),
        other => Err(format!("the demo's {} are not taken: {other:?}", of.as_str()).into()),
    };
    taken.into_iter().map(id).collect()
}

async fn bind(
    stack: &Stack,
    accounts: &Accounts<'_>,
    organization: OrganizationId,
    sites: &[String],
    now: Timestamp,
) -> Result<(), Failure> {
    let store = &stack.app.store;
    let operator = Operator {
        account: accounts.id(&OPERATOR.parse()?),
        origin: Origin::default(),
    };
    let bond = Bond {
        role: BindingRole::Owner,
        specialists_shared: true,
    };
    for site in sites {
        let site: SiteId = site.parse()?;
        let (found, site) = tokio::try_join!(store.organization(organization), store.site(site))?;
        let (_, change) = operator.bind(found, site.as_ref(), bond, now)?;
        store.commit(&change, None, now).await?;
    }
    Ok(())
}

fn line(system: &str, value: &str, now: Timestamp, data: &Value) -> Value {
    json!({
        "external": name(system, value), "op": "upsert", "version": 1, "occurred_at": now, "data": data,
    })
}

fn name(system: &str, value: &str) -> Value {
    json!({ "system": system, "value": value })
}

/// A booking of the feed.
struct Planned {
    name: String,
    site: usize,
    patient: String,
    specialist: String,
    start: Timestamp,
    status: &'static str,
}

impl Overseer {
    fn sites(&self) -> Vec<Value> {
        let began = Timestamp::from_millisecond(ids::BEGAN).unwrap_or_default();
        let site = |(value, name, zone, _): &(&str, &str, &str, &str)| {
            let data = json!({
                "name": name, "status": "live", "time_zone": zone, "domains": [format!("{value}.example")],
            });
            line("sites", value, began, &data)
        };
        self.sites.iter().map(site).collect()
    }

    fn at(&self, site: usize, joined_at: Timestamp) -> Value {
        json!({ "site": name("sites", self.sites[site].0), "joined_at": joined_at })
    }

    fn specialist(&self, number: usize) -> String {
        format!("{}-s{number}", self.sites[0].0)
    }

    fn patient(&self, site: usize, number: usize) -> String {
        format!("{}-p{number}", self.sites[site].0)
    }

    fn specialists(&self, now: Timestamp) -> Vec<Value> {
        let began = now - SignedDuration::from_hours(24 * 60);
        let specialist = |(number, (given, family, at)): (usize, &(&str, &str, &[usize]))| {
            let assignments: Vec<Value> = at.iter().map(|site| self.at(*site, began)).collect();
            let (.., zone, service) = self.sites[at[0]];
            let data = json!({
                "given_name": given, "family_name": family, "time_zone": zone, "languages": ["en"],
                "specializations": [service], "session_minutes": 50, "assignments": assignments, "submitted_at": began,
                "price": { "amount_minor": 9_500, "currency": self.currency },
                "availability": [{ "day": "tuesday", "from": "09:00", "until": "17:00" }],
            });
            line("specialists", &self.specialist(number), began, &data)
        };
        self.specialists.iter().enumerate().map(specialist).collect()
    }

    fn patients(&self, now: Timestamp) -> Vec<Value> {
        let each =
            (0..self.sites.len()).flat_map(|site| (0..PATIENTS_OF_SITE).map(move |number| (site, number)));
        each.map(|(site, number)| {
            // Some came lately, some have been there for weeks.
            let days = i64::try_from(number * 6).unwrap_or_default();
            let joined = now - SignedDuration::from_hours(24 * days + 5);
            let (given, family) = (GIVEN[number % GIVEN.len()], FAMILY[(number + 3 * site) % FAMILY.len()]);
            let value = self.patient(site, number);
            let data = json!({
                "given_name": given, "family_name": family, "email": format!("{value}@people.example"), "locale": "en",
                "time_zone": self.sites[site].2, "registrations": [self.at(site, joined)],
            });
            line("patients", &value, joined, &data)
        })
        .collect()
    }

    /// The past of each patient, and what is to come.
    fn planned(&self, now: Timestamp) -> Vec<Planned> {
        let mut all = Vec::new();
        for site in 0..self.sites.len() {
            let works_there = |(_, _, at): &(&str, &str, &[usize])| at.contains(&site);
            let staff: Vec<usize> = (0..self.specialists.len())
                .filter(|number| works_there(&self.specialists[*number]))
                .collect();
            for patient in 0..PATIENTS_OF_SITE {
                for turn in 0..BOOKINGS_OF_PATIENT {
                    let hours = 24 * (7 * i64::try_from(turn).unwrap_or(0) - 10)
                        + i64::try_from(patient).unwrap_or(0);
                    let start = now + SignedDuration::from_hours(hours);
                    let status = match (start < now, (patient + turn) % 6) {
                        (_, 5) => "cancelled",
                        (true, 4) => "noshow",
                        (true, _) => "fulfilled",
                        (false, _) => "booked",
                    };
                    all.push(Planned {
                        name: format!("{}-b{patient}-{turn}", self.sites[site].0),
                        site,
                        patient: self.patient(site, patient),
                        specialist: self.specialist(staff[patient % staff.len()]),
                        start,
                        status,
                    });
                }
            }
        }
        all
    }

    fn bookings(&self, now: Timestamp) -> Vec<Value> {
        let booking = |planned: &Planned| {
            let (site, .., service) = self.sites[planned.site];
            let is_cancelled = planned.status == "cancelled";
            let data = json!({
                "site": name("sites", site), "patient": name("patients", &planned.patient),
                "specialist": name("specialists", &planned.specialist), "service": service, "status": planned.status,
                "status_by": is_cancelled.then_some("patient"), "status_reason": is_cancelled.then_some("patient_request"),
                "modality": "video", "start": planned.start, "end": planned.start + SignedDuration::from_mins(50),
                "price": { "amount_minor": 9_500, "currency": self.currency },
            });
            line("bookings", &planned.name, now, &data)
        };
        self.planned(now).iter().map(booking).collect()
    }

    /// What was kept was paid, and earned by.
    fn transactions(&self, now: Timestamp) -> Vec<Value> {
        let mut all = Vec::new();
        for planned in self
            .planned(now)
            .iter()
            .filter(|planned| planned.status == "fulfilled")
        {
            let entry = |kind: &str, status: &str, party: &str, whose: &str, amount: u32| {
                let mut data = json!({
                    "kind": kind, "status": status, "amount_minor": amount, "currency": self.currency,
                    "occurred_at": planned.start, "site": name("sites", self.sites[planned.site].0),
                    "booking": name("bookings", &planned.name),
                });
                data[party] = name(&format!("{party}s"), whose);
                line(
                    "ledger",
                    &format!("{}-{kind}", planned.name),
                    planned.start,
                    &data,
                )
            };
            all.push(entry("payment", "succeeded", "patient", &planned.patient, 9_500));
            all.push(entry(
                "earning",
                "available",
                "specialist",
                &planned.specialist,
                7_600,
            ));
        }
        all
    }
}
