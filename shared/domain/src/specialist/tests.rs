use jiff::SignedDuration;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::access::Access;
use crate::change::{Change, Write};
use crate::configuration::{Binding, BindingRole, Directory};
use crate::id::AccountId;
use crate::person::PresenceStatus;
use crate::role::Role;
use crate::sample::{access, binding, now, organization, sourced};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A licence that was checked.
pub(crate) fn licence(valid_from: Option<Date>, valid_to: Option<Date>) -> Credential {
    Credential {
        kind: "Licence to practise".parse().unwrap(),
        number: "L-4711".parse().ok(),
        issuer: "State Board".parse().ok(),
        jurisdiction: "DE-BE".parse().ok(),
        valid_from,
        valid_to,
        check: Check::Verified,
        required: true,
    }
}

pub(crate) fn record(given: &str, family: &str) -> SpecialistRecord {
    let record = serde_json::json!({
        "given_name": given,
        "family_name": family,
        "email": "doctor@riverside.example",
        "time_zone": "Europe/Berlin",
        "languages": ["de", "EN"],
        "specializations": ["Sleep", "Anxiety", "Pain", "Grief"],
        "expertise": ["Cognitive behavioural therapy"],
        "education": ["M.Sc. Psychology, Riverside University"],
        "experience_years": 12,
        "session_minutes": 50,
        "price": { "amount_minor": 9_000, "currency": "EUR" },
        "availability": [{ "day": "monday", "from": "09:00", "until": "12:00" }],
    });
    serde_json::from_value(record).unwrap()
}

fn line(at: Timestamp) -> Sourced {
    let mut line = sourced("doctor", 1);
    line.stamp.occurred_at = at;
    line
}

fn take(record: SpecialistRecord, kept: Option<&Specialist>, at: Timestamp) -> Result<Specialist, Refusal> {
    Specialist::taken(record, &SpecialistReferences::default(), line(at), kept, now())
}

pub(crate) fn specialist(record: &SpecialistRecord) -> Specialist {
    take(record.clone(), None, now()).unwrap()
}

fn refused(change: impl FnOnce(&mut SpecialistRecord)) -> (Code, String) {
    let mut record = record("Greta", "Vogel");
    change(&mut record);
    let refusal = take(record, None, now()).unwrap_err();
    (refusal.code, refusal.errors[0].pointer.clone())
}

fn approved(specialist: Specialist) -> Specialist {
    let decided = Decided {
        by: AccountId::of("sample", "dana"),
        at: now(),
        reason: None,
    };
    Specialist {
        review: Review::Approved(decided),
        ..specialist
    }
}

/// Dana, an admin of an organization that sees the whole platform.
pub(crate) fn overseer() -> Access {
    let mut here = organization();
    here.configuration.directory = Directory::Platform;
    access(&here, Role::Admin)
}

fn euros(amount_minor: i64) -> Money {
    Money {
        amount_minor,
        currency: "EUR".parse().unwrap(),
    }
}

fn asked(specialist: &Specialist, update: SpecialistUpdate) -> (Specialist, Change) {
    let dana = overseer();
    specialist
        .request_change(&dana, update, specialist.rev, now())
        .unwrap()
}

#[test]
fn a_record_becomes_a_draft() {
    let doctor = specialist(&record("Greta", "Vogel"));
    assert_eq!((doctor.review.clone(), doctor.rev), (Review::Draft, 1));
    let price = doctor.price.unwrap();
    assert_eq!((price.amount, price.from), (euros(9_000), now()));
    let languages: Vec<_> = doctor.profile.languages.iter().map(LanguageTag::as_str).collect();
    assert_eq!(languages, ["de", "en"]);
    let row = doctor.row().unwrap();
    assert_eq!(row.specializations.len(), 3);
    assert!(row.available && !row.is_listed(now()));
    assert_eq!(row.tokens(), ["greta", "vogel"]);
    let stored = serde_json::to_value(&doctor).unwrap();
    assert_eq!(serde_json::from_value::<Specialist>(stored).unwrap(), doctor);
}

#[test]
fn what_breaks_a_rule_is_refused_at_its_field() {
    let lines = |number: usize| vec!["x".parse::<ProfileLine>().unwrap(); number];
    let somewhere = || PresenceRecord {
        site: sourced("north", 1).external,
        joined_at: Some(now().into()),
        status: PresenceStatus::Active,
    };
    for ((code, pointer), expected) in [
        (
            refused(|record| (record.given_name, record.family_name) = (None, None)),
            (Code::TextInvalid, "/family_name"),
        ),
        (
            refused(|record| record.expertise = lines(21)),
            (Code::LimitExceeded, "/expertise"),
        ),
        (
            refused(|record| record.experience_years = Some(81)),
            (Code::FieldsInvalid, "/experience_years"),
        ),
        (
            refused(|record| record.session_minutes = Some(4)),
            (Code::FieldsInvalid, "/session_minutes"),
        ),
        (
            refused(|record| record.price = Some(euros(-1))),
            (Code::FieldsInvalid, "/price/amount_minor"),
        ),
        (
            refused(|record| record.credentials = vec![licence(None, Some(date(2300, 1, 1)))]),
            (Code::DateInvalid, "/credentials/0/valid_to"),
        ),
        (
            refused(|record| record.assignments = vec![somewhere()]),
            (Code::SiteUnknown, "/assignments/0/site"),
        ),
        (
            refused(|record| record.assignments = vec![somewhere(); MOST_ASSIGNMENTS + 1]),
            (Code::LimitExceeded, "/assignments"),
        ),
    ] {
        assert_eq!((code, pointer.as_str()), expected);
    }
    let approving = serde_json::json!({ "given_name": "Greta", "review": "approved" });
    assert!(serde_json::from_value::<SpecialistRecord>(approving).is_err());
}

#[test]
fn a_source_puts_forward_and_takes_no_decision_back() {
    let put_forward = |at: Timestamp| SpecialistRecord {
        submitted_at: Some(at.into()),
        ..record("Greta", "Vogel")
    };
    let submitted = take(put_forward(now()), None, now()).unwrap();
    assert_eq!(submitted.review, Review::Submitted { at: now() });
    let approved = approved(submitted);
    let again = take(put_forward(now() + SECOND), Some(&approved), now() + SECOND).unwrap();
    assert_eq!((again.review, again.rev), (approved.review.clone(), 2));
    let gone = approved.deleted(line(now()), now());
    let back = take(record("Greta", "Vogel"), Some(&gone), now()).unwrap();
    assert_eq!(
        (back.id, back.review.status()),
        (approved.id, ReviewStatus::Approved)
    );
}

#[test]
fn only_who_is_approved_and_has_all_that_is_required_is_listed() {
    let good = licence(None, Some(date(2026, 12, 31)));
    let with = |check: Check, required: bool| Credential {
        check,
        required,
        ..good.clone()
    };
    let listed = |credentials: Vec<Credential>, now: Timestamp| {
        let doctor = Specialist {
            credentials,
            ..specialist(&record("Greta", "Vogel"))
        };
        assert!(!doctor.is_listed(now), "a draft");
        let doctor = approved(doctor);
        assert_eq!(doctor.row().unwrap().is_listed(now), doctor.is_listed(now));
        doctor.is_listed(now)
    };
    let end: Timestamp = "2026-12-31T23:00:00Z".parse().unwrap();
    assert!(listed(vec![], now()));
    assert!(listed(vec![good.clone()], end - SECOND));
    assert!(!listed(vec![good.clone()], end), "its last day in Berlin is over");
    assert!(listed(
        vec![
            good.clone(),
            with(Check::Unverified, false),
            with(Check::Revoked, false)
        ],
        now()
    ));
    for check in [Check::Unverified, Check::Revoked] {
        assert!(!listed(vec![good.clone(), with(check, true)], now()));
    }
    let upcoming = licence(Some(date(2026, 5, 5)), None);
    assert!(!listed(vec![upcoming], now()));
}

proptest! {
    /// The row says without the credentials what the credentials say.
    #[test]
    fn a_row_is_listed_exactly_while_every_required_credential_is_good(
        credentials in prop::collection::vec((0_i8..20, 0_i8..20, select(&[Check::Verified, Check::Verified, Check::Unverified, Check::Revoked][..]), any::<bool>()), 0..4),
        zone in select(&["UTC", "America/Los_Angeles", "Pacific/Auckland"][..]), hour in 0_i64..480,
    ) {
        let credentials: Vec<_> = credentials.into_iter().map(|(begin, length, check, required)| Credential {
            check,
            required,
            ..licence(Some(date(2026, 5, begin + 1)), date(2026, 5, begin + 1).checked_add(jiff::Span::new().days(length)).ok())
        }).collect();
        let mut doctor = approved(specialist(&record("Greta", "Vogel")));
        doctor.profile.time_zone = zone.to_owned().try_into().ok();
        doctor.credentials.clone_from(&credentials);
        let now: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
        let now = now + SignedDuration::from_hours(hour);
        let zone = jiff::tz::TimeZone::get(zone).unwrap();
        let expected = credentials.iter().filter(|credential| credential.required)
            .all(|credential| credential.status(&zone, now).is_good());
        prop_assert_eq!(doctor.row().unwrap().is_listed(now), expected);
    }
}

#[test]
fn a_price_has_a_beginning_and_stays_until_it_changes() {
    let doctor = specialist(&record("Greta", "Vogel"));
    let same = take(record("Greta", "Vogel"), Some(&doctor), now() + SECOND).unwrap();
    assert_eq!(same.price, doctor.price);
    let dearer = SpecialistRecord {
        price: Some(euros(9_500)),
        ..record("Greta", "Vogel")
    };
    let dearer = take(dearer, Some(&doctor), now() + SECOND).unwrap();
    let price = dearer.price.unwrap();
    assert_eq!((price.amount, price.from), (euros(9_500), now() + SECOND));
}

#[test]
fn a_wish_about_what_the_source_owns_waits_for_the_source() {
    let doctor = specialist(&record("Greta", "Vogel"));
    let update = SpecialistUpdate {
        session_minutes: Some(25),
        price: Some(euros(5_000)),
        availability: Some(Availability::default()),
        time_zone: "Europe/Berlin".to_owned().try_into().ok(),
        ..SpecialistUpdate::default()
    };
    let (asking, change) = asked(&doctor, update);
    let fields = |doctor: &Specialist| -> Vec<_> {
        let requested = doctor.requested.as_ref();
        requested
            .map(|requested| requested.wanted.fields().collect())
            .unwrap_or_default()
    };
    assert_eq!(fields(&asking), ["session_minutes", "price", "availability"]);
    assert_eq!((&asking.profile, asking.price), (&doctor.profile, doctor.price));
    assert!(
        matches!(&change.writes[..], [Write::SpecialistPut { old: Some(old), .. }, Write::ToldPut(told)]
            if **old == doctor && told.rev == 2)
    );
    let half = SpecialistRecord {
        price: Some(euros(5_000)),
        ..record("Greta", "Vogel")
    };
    let half = take(half, Some(&asking), now() - SECOND).unwrap();
    assert_eq!(fields(&half), ["session_minutes", "availability"]);
    let settled = take(record("Greta", "Vogel"), Some(&asking), now() + SECOND).unwrap();
    assert_eq!(settled.requested, None);
    let told = format!("{:?} {}", change, serde_json::to_string(&change.audit).unwrap());
    assert!(!told.contains("5000") && !told.contains("Greta") && !told.contains("L-4711"));

    let dana = overseer();
    let absurd = SpecialistUpdate {
        session_minutes: Some(1_000),
        ..SpecialistUpdate::default()
    };
    let refused = doctor.request_change(&dana, absurd, 1, now()).unwrap_err();
    assert_eq!(refused.errors[0].pointer, "/session_minutes");
    let stale = doctor
        .request_change(&dana, SpecialistUpdate::default(), 2, now())
        .unwrap_err();
    assert_eq!(stale.code, Code::RevisionMismatch);
}

#[test]
fn a_specialist_made_here_is_changed_at_once() {
    let doctor = Specialist {
        sourced: None,
        ..specialist(&record("Greta", "Vogel"))
    };
    let later = now() + SECOND;
    let dana = overseer();
    let update = SpecialistUpdate {
        family_name: "Specht".parse().ok(),
        price: Some(euros(5_000)),
        ..SpecialistUpdate::default()
    };
    let (changed, change) = doctor.request_change(&dana, update, 1, later).unwrap();
    assert_eq!(changed.profile.name.display(), "Greta Specht".parse().ok());
    let price = changed.price.unwrap();
    assert_eq!((price.amount, price.from), (euros(5_000), later));
    assert_eq!(change.audit[0].verb, crate::audit::Verb::SpecialistUpdated);
    // The same price is no new one.
    let same = SpecialistUpdate {
        price: Some(euros(5_000)),
        ..SpecialistUpdate::default()
    };
    let (same, _) = changed.request_change(&dana, same, 2, later + SECOND).unwrap();
    assert_eq!(same.price, changed.price);
}

#[test]
fn a_deleted_specialist_tells_nothing_of_who_it_was() {
    let doctor = Specialist {
        credentials: vec![licence(None, None)],
        ..specialist(&record("Greta", "Vogel"))
    };
    let gone = approved(doctor).deleted(line(now()), now());
    assert!(gone.is_deleted() && gone.row().is_none() && !gone.is_listed(now()));
    let stored = serde_json::to_string(&gone).unwrap();
    for told in [
        "Greta",
        "riverside",
        "Berlin",
        "4711",
        "9000",
        "Psychology",
        "monday",
    ] {
        assert!(!stored.contains(told), "{told}");
    }
    assert_eq!(serde_json::from_str::<Specialist>(&stored).unwrap(), gone);
}

#[test]
fn who_is_put_away_is_listed_only_when_asked_for() {
    let row = |review: ReviewStatus| SpecialistRow {
        review,
        ..specialist(&record("Greta", "Vogel")).row().unwrap()
    };
    for review in ReviewStatus::ALL {
        let any = SpecialistQuery::default();
        assert_eq!(
            any.matches(&row(*review), None, now()),
            *review != ReviewStatus::Archived
        );
        let only = SpecialistQuery {
            review: Some(*review),
            ..any
        };
        assert!(only.matches(&row(*review), None, now()));
    }
    let by = |search: &str| SpecialistQuery {
        search: search.parse().ok(),
        ..SpecialistQuery::default()
    };
    let doctor = row(ReviewStatus::Draft);
    assert!(by("vog").matches(&doctor, None, now()) && !by("doctor@").matches(&doctor, None, now()));
    let listed = |listed: bool| SpecialistQuery {
        listed: Some(listed),
        ..SpecialistQuery::default()
    };
    assert!(listed(false).matches(&doctor, None, now()) && !listed(true).matches(&doctor, None, now()));
}

#[test]
fn with_whom_a_specialist_is_shared_sees_and_whoever_runs_their_site_decides() {
    let own = binding(BindingRole::Owner);
    let shared = Binding {
        specialists_shared: true,
        ..binding(BindingRole::Shared)
    };
    let doctor = |sites: &[Binding]| Specialist {
        assignments: sites
            .iter()
            .map(|binding| Presence {
                site: binding.site,
                shards: binding.shards,
                joined_at: now(),
                status: PresenceStatus::Active,
            })
            .collect(),
        ..specialist(&record("Greta", "Vogel"))
    };
    let managed = |bindings: &[Binding], sites: &[Binding]| {
        let mut here = organization();
        here.configuration.bindings = bindings.to_vec();
        let dana = access(&here, Role::Admin);
        let doctor = doctor(sites);
        assert!(doctor.is_within(&dana.reach().unwrap()), "seen");
        let asked = doctor.request_change(&dana, SpecialistUpdate::default(), 1, now());
        let reviewed = doctor.review(&dana, Step::Submit, None, 1, now());
        assert_eq!(asked.is_ok(), reviewed.is_ok());
        asked.map(|_| ()).map_err(|refusal| refusal.code)
    };
    assert_eq!(managed(&[own], &[own]), Ok(()));
    assert_eq!(managed(&[own, shared], &[own, shared]), Ok(()));
    assert_eq!(managed(&[own, shared], &[shared]), Err(Code::SiteNotBound));
    assert_eq!(managed(&[shared], &[own, shared]), Err(Code::SiteNotBound));
}
