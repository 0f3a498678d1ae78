use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::access::Access;
use crate::change::{Change, Fact, Write};
use crate::feed::Told;
use crate::id::{EnrollmentId, OrganizationId};
use crate::ingest::RecordType;
use crate::permission::Permission;
use crate::person::{PresenceStatus, Sort};
use crate::role::Role;
use crate::sample::{access, add_role, now, organization, sourced};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn external(value: &str) -> ExternalId {
    sourced(value, 1).external
}

fn at_site(value: &str) -> PresenceRecord {
    PresenceRecord {
        site: external(value),
        joined_at: Some(now().into()),
        status: PresenceStatus::Active,
    }
}

/// Ada, who lives in London.
pub(crate) fn record() -> PatientRecord {
    let record = serde_json::json!({
        "given_name": "Ada",
        "family_name": "Lovelace",
        "birth_date": "1990-12-10",
        "gender": "female",
        "locale": "en-GB",
        "time_zone": "Europe/London",
        "referral_source": "insurer",
        "email": "ada@riverside.example",
        "phone": "+44 20 7946 0958",
        "address": ["12 St James's Square", "London"],
    });
    serde_json::from_value(record).unwrap()
}

fn places(names: &[&str]) -> PatientReferences {
    let place = || Place {
        site: SiteId::mint(now()),
        shards: 1,
    };
    PatientReferences {
        merged_into: None,
        sites: names.iter().map(|name| (external(name), place())).collect(),
    }
}

pub(crate) fn taken(record: PatientRecord) -> Result<Patient, Refusal> {
    let references = places(&["north", "south"]);
    Patient::taken(record, &references, sourced("ada", 1), None, now())
}

/// `kept` after a newer line, which tells of the time `at`.
fn again(kept: &Patient, record: PatientRecord, at: Timestamp) -> Patient {
    let mut line = sourced("ada", 2);
    line.stamp.occurred_at = at;
    Patient::taken(record, &places(&[]), line, Some(kept), now()).unwrap()
}

fn refused(change: impl FnOnce(&mut PatientRecord)) -> (Code, String) {
    let mut record = record();
    change(&mut record);
    let refusal = taken(record).unwrap_err();
    (refusal.code, refusal.errors[0].pointer.clone())
}

fn shown(patient: &Patient) -> String {
    patient.identity.name.display().map(String::from).unwrap()
}

fn dana() -> Access {
    access(&organization(), Role::Admin)
}

fn zone(name: &str) -> PatientUpdate {
    PatientUpdate {
        time_zone: Some(name.to_owned().try_into().unwrap()),
        ..PatientUpdate::default()
    }
}

fn asked(patient: &Patient, update: PatientUpdate) -> (Patient, Change) {
    patient
        .request_change(&dana(), update, patient.rev, now())
        .unwrap()
}

#[test]
fn a_record_becomes_a_patient_with_two_blocks() {
    let patient = taken(PatientRecord {
        registrations: vec![at_site("south"), at_site("north")],
        ..record()
    })
    .unwrap();
    assert_eq!(shown(&patient), "Ada Lovelace");
    assert_eq!(patient.contact.address.len(), 2);
    assert_eq!((patient.state, patient.rev), (State::Active, 1));
    assert!(patient.registrations.is_sorted_by_key(|at| at.site));
    assert_eq!(patient.sites().count(), 2);
    let stored = serde_json::to_value(&patient).unwrap();
    assert_eq!(serde_json::from_value::<Patient>(stored).unwrap(), patient);
}

#[test]
fn what_breaks_a_rule_is_refused_at_its_field() {
    let nameless = refused(|record| (record.given_name, record.family_name) = (None, None));
    assert_eq!(nameless, (Code::TextInvalid, "/family_name".to_owned()));
    let unborn =
        refused(|record| record.birth_date = now().to_zoned(jiff::tz::TimeZone::UTC).date().tomorrow().ok());
    assert_eq!(unborn, (Code::DateInvalid, "/birth_date".to_owned()));
    let lengthy = refused(|record| record.address = vec!["x".parse().unwrap(); MOST_ADDRESS_LINES + 1]);
    assert_eq!(lengthy, (Code::LimitExceeded, "/address".to_owned()));
    let foreign = refused(|record| record.registrations = vec![at_site("north"), at_site("east")]);
    assert_eq!(foreign, (Code::SiteUnknown, "/registrations/1/site".to_owned()));
    let twice = refused(|record| record.registrations = vec![at_site("north"), at_site("north")]);
    assert_eq!(twice, (Code::FieldsInvalid, "/registrations/1/site".to_owned()));
    let many = refused(|record| record.registrations = vec![at_site("north"); MOST_REGISTRATIONS + 1]);
    assert_eq!(many, (Code::LimitExceeded, "/registrations".to_owned()));
    let unknown = serde_json::json!({ "given_name": "Ada", "notes": "x" });
    assert!(serde_json::from_value::<PatientRecord>(unknown).is_err());
}

#[test]
fn who_is_merged_names_another_who_stays_and_nobody_else_does() {
    let merged = |into: Option<PatientId>, kept: Option<&Patient>, status: Status, named: bool| {
        let record = PatientRecord {
            status,
            merged_into: named.then(|| external("ada-2")),
            ..record()
        };
        let references = PatientReferences {
            merged_into: into,
            ..PatientReferences::default()
        };
        let patient = Patient::taken(record, &references, sourced("ada", 1), kept, now());
        patient
            .map(|patient| patient.state)
            .map_err(|refusal| refusal.errors[0].pointer.clone())
    };
    let (kept, other) = (taken(record()).unwrap(), PatientId::mint(now()));
    assert_eq!(
        merged(Some(other), Some(&kept), Status::Merged, true),
        Ok(State::Merged { into: other })
    );
    for (into, status, named) in [
        (None, Status::Merged, false),
        (None, Status::Merged, true),
        (Some(kept.id), Status::Merged, true),
        (Some(other), Status::Active, true),
    ] {
        let refused = merged(into, Some(&kept), status, named);
        assert_eq!(refused, Err("/merged_into".to_owned()));
    }
    assert_eq!(merged(None, None, Status::Locked, false), Ok(State::Locked));
}

#[test]
fn a_deleted_patient_tells_nothing_of_who_it_was() {
    let patient = taken(PatientRecord {
        registrations: vec![at_site("north")],
        ..record()
    })
    .unwrap();
    let (patient, _) = asked(&patient, zone("UTC"));
    let deleted = patient.deleted(sourced("ada", 2), now());
    assert!(deleted.is_deleted() && deleted.row().is_none() && deleted.sites().next().is_none());
    assert_eq!((deleted.id, deleted.rev), (patient.id, 3));
    let stored = serde_json::to_string(&deleted).unwrap();
    for told in ["Ada", "riverside", "London", "1990", "insurer", "7946", "female"] {
        assert!(!stored.contains(told), "{told}");
    }
    assert_eq!(serde_json::from_str::<Patient>(&stored).unwrap(), deleted);
    // A later line brings the patient back, as the same one.
    assert_eq!(again(&deleted, record(), now()).id, patient.id);
}

#[test]
fn a_wish_about_what_the_source_owns_waits_for_the_source() {
    let patient = taken(record()).unwrap();
    let (asking, change) = asked(&patient, zone("Europe/Berlin"));
    assert_eq!(asking.identity, patient.identity);
    assert_eq!(asking.requested.as_ref().unwrap().wanted, zone("Europe/Berlin"));
    assert_eq!(asking.rev, 2);
    let put = Write::PatientPut {
        new: Box::new(asking.clone()),
        old: Some(Box::new(patient.clone())),
    };
    let told = Told::of(
        patient.sourced.as_ref(),
        RecordType::Patients,
        &patient.id,
        2,
        now(),
    );
    assert_eq!(change.writes, [put, Write::ToldPut(told.unwrap())]);
    assert!(
        change
            .facts
            .iter()
            .any(|fact| matches!(fact, Fact::ActorHolds(..)))
    );

    // An older state, told late, leaves it open.
    let late = again(&asking, record(), now() - SECOND);
    assert_eq!(late.requested, asking.requested);
    // The source does so: confirmed, whenever it says it was.
    let confirming = PatientRecord {
        time_zone: zone("Europe/Berlin").time_zone,
        ..record()
    };
    assert_eq!(again(&asking, confirming, now() - SECOND).requested, None);
    // The source says otherwise of a later time: settled.
    assert_eq!(again(&asking, record(), now() + SECOND).requested, None);
}

#[test]
fn wishes_add_up_and_what_is_so_already_is_none() {
    let patient = taken(record()).unwrap();
    let locale = PatientUpdate {
        locale: "de".parse().ok(),
        ..PatientUpdate::default()
    };
    let (asking, _) = asked(&patient, zone("Europe/Berlin"));
    let (asking, _) = asked(&asking, locale.clone());
    let fields = |patient: &Patient| -> Vec<_> {
        let requested = patient.requested.as_ref();
        requested
            .map(|requested| requested.wanted.fields().collect())
            .unwrap_or_default()
    };
    assert_eq!(fields(&asking), ["locale", "time_zone"]);
    // Asked to be as it is: taken back.
    let (asking, _) = asked(&asking, zone("Europe/London"));
    assert_eq!(fields(&asking), ["locale"]);
    // The source does one of two.
    let (asking, _) = asked(&asking, zone("Europe/Berlin"));
    let half = PatientRecord {
        locale: locale.locale,
        ..record()
    };
    assert_eq!(fields(&again(&asking, half, now() - SECOND)), ["time_zone"]);
    assert_eq!(asked(&patient, zone("Europe/London")).0.requested, None);
}

#[test]
fn a_patient_made_here_is_changed_at_once() {
    let patient = Patient {
        sourced: None,
        ..taken(record()).unwrap()
    };
    let update = PatientUpdate {
        family_name: "King".parse().ok(),
        email: "ada.king@riverside.example".parse().ok(),
        ..zone("UTC")
    };
    let (changed, change) = asked(&patient, update);
    assert_eq!(shown(&changed), "Ada King");
    assert_eq!((changed.requested, changed.rev), (None, 2));
    assert_eq!(changed.contact.phone, patient.contact.phone);
    assert_eq!(change.audit[0].verb, crate::audit::Verb::PatientUpdated);
}

#[test]
fn only_who_sees_how_somebody_is_reached_changes_it() {
    let mut here = organization();
    let role = add_role(&mut here, [Permission::PatientsManage].into());
    let front_desk = access(&here, role);
    let patient = taken(record()).unwrap();
    let phone = PatientUpdate {
        phone: "555 0100".parse().ok(),
        ..PatientUpdate::default()
    };
    let refused = patient
        .request_change(&front_desk, phone.clone(), 1, now())
        .unwrap_err();
    assert_eq!(refused.code, Code::PermissionMissing);
    assert!(patient.request_change(&front_desk, zone("UTC"), 1, now()).is_ok());
    let stale = patient.request_change(&dana(), phone, 2, now()).unwrap_err();
    assert_eq!(stale.code, Code::RevisionMismatch);
}

#[test]
fn what_changes_is_in_the_audit_log_by_the_names_of_its_fields() {
    let update = PatientUpdate {
        given_name: "Augusta".parse().ok(),
        phone: "555 0199".parse().ok(),
        ..zone("Europe/Berlin")
    };
    let (asking, change) = asked(&taken(record()).unwrap(), update);
    let fields: Vec<_> = change.audit[0].changes.keys().map(String::as_str).collect();
    assert_eq!(fields, ["given_name", "phone", "time_zone"]);
    let told = serde_json::to_string(&change.audit).unwrap();
    let shown = format!("{asking:?} {change:?} {:?} {:?}", record(), asking.row());
    for value in [
        "Augusta",
        "Ada",
        "Lovelace",
        "0199",
        "Berlin",
        "riverside.example\"",
        "1990",
        "James",
    ] {
        assert!(!told.contains(value) && !shown.contains(value), "{value}");
    }
}

#[test]
fn a_patient_at_several_sites_has_one_place_among_those_who_came() {
    let references = places(&["north", "south", "east"]);
    let site = |name: &str| references.sites[&external(name)].site;
    let joined = |name: &str, later: i64| PresenceRecord {
        joined_at: Some((now() + SECOND * i32::try_from(later).unwrap()).into()),
        ..at_site(name)
    };
    let record = PatientRecord {
        registrations: vec![joined("north", 1), joined("south", 3), joined("east", 3)],
        ..record()
    };
    let row = Patient::taken(record, &references, sourced("ada", 1), None, now())
        .unwrap()
        .row()
        .unwrap();
    assert_eq!(row.since(Some(site("north"))), now() + SECOND);
    assert_eq!(row.since(None), now());
    let all = ["north", "south", "east"];
    for seen in [&all[..], &all[..1], &all[..2], &["north", "east"], &[]] {
        let is_seen = |at: SiteId| seen.iter().any(|name| site(name) == at);
        let last = seen.iter().filter(|name| row.came_last_to(site(name), is_seen));
        let places: BTreeSet<_> = last.map(|name| row.since(Some(site(name)))).collect();
        assert_eq!(places.len(), usize::from(!seen.is_empty()), "{seen:?}");
    }
    assert!(!row.came_last_to(site("south"), |at| at == site("north")));
}

#[test]
fn an_enrollment_stays_what_it_is_of() {
    let (patient, sponsor) = (PatientId::mint(now()), OrganizationId::mint(now()));
    let record = |status: &str, ended_at: Option<Timestamp>| EnrollmentRecord {
        patient: external("ada"),
        sponsor,
        site: None,
        status: serde_json::from_value(status.into()).unwrap(),
        enrolled_at: Some(now().into()),
        ended_at: ended_at.map(Into::into),
        eligibility_reference: "E-77".parse().ok(),
    };
    let references = EnrollmentReferences { patient, site: None };
    let take = |record: EnrollmentRecord, patient: PatientId, name: &str, kept: Option<&Enrollment>| {
        let references = EnrollmentReferences {
            patient,
            ..references
        };
        Enrollment::taken(record, references, sourced(name, 1), kept, now())
    };
    let pointer = |refusal: Refusal| (refusal.code, refusal.errors[0].pointer.clone());

    let kept = take(record("active", None), patient, "e1", None).unwrap();
    assert_eq!(kept.id().to_string().parse(), Ok(kept.id()));
    let over = take(record("closed", Some(now() + SECOND)), patient, "e1", Some(&kept)).unwrap();
    assert_eq!((over.rev, over.status), (2, EnrollmentStatus::Closed));
    for (refused, expected) in [
        (
            take(record("closed", Some(now() - SECOND)), patient, "e1", Some(&kept)),
            (Code::DateInvalid, "/ended_at"),
        ),
        (
            take(record("active", Some(now())), patient, "e1", Some(&kept)),
            (Code::FieldsInvalid, "/ended_at"),
        ),
        (
            take(record("active", None), PatientId::mint(now()), "e1", Some(&kept)),
            (Code::FieldFixed, "/patient"),
        ),
        (
            take(record("active", None), patient, "e2", Some(&kept)),
            (Code::AlreadyEnrolled, "/patient"),
        ),
    ] {
        let (code, at) = pointer(refused.unwrap_err());
        assert_eq!((code, at.as_str()), expected);
    }
    let other = EnrollmentRecord {
        sponsor: OrganizationId::mint(now()),
        ..record("active", None)
    };
    assert_eq!(
        pointer(take(other, patient, "e1", Some(&kept)).unwrap_err()).1,
        "/sponsor"
    );
    let gone = over.deleted(sourced("e1", 2), now());
    assert_eq!((gone.eligibility_reference.clone(), gone.rev), (None, 3));
    assert!(take(record("active", None), patient, "e2", Some(&gone)).is_ok());
    for text in ["", "~", "pat_1~org_1", &patient.to_string()] {
        assert!(text.parse::<EnrollmentId>().is_err(), "{text}");
    }
}

fn row(name: &str, status: Status, referral: Option<&str>, joined: i64) -> PatientRow {
    let references = places(&["north"]);
    let record = PatientRecord {
        family_name: name.parse().ok(),
        referral_source: referral.and_then(|referral| referral.parse().ok()),
        registrations: vec![PresenceRecord {
            joined_at: Some((now() + SECOND * i32::try_from(joined).unwrap()).into()),
            ..at_site("north")
        }],
        ..record()
    };
    let row = Patient::taken(record, &references, sourced("ada", 1), None, now());
    PatientRow {
        status,
        ..row.unwrap().row().unwrap()
    }
}

#[test]
fn who_is_merged_is_listed_only_when_asked_for() {
    let any = PatientQuery::default();
    for status in Status::ALL {
        let row = row("Lovelace", status, None, 0);
        assert_eq!(any.matches(&row, None), status != Status::Merged);
        let only = PatientQuery {
            status: Some(status),
            ..any.clone()
        };
        assert!(only.matches(&row, None));
    }
}

proptest! {
    /// Each part of a query narrows it: together they want what every one of them wants.
    #[test]
    fn a_query_wants_what_each_of_its_parts_wants(
        name in select(&["Lovelace", "Byron"][..]), status in select(&Status::ALL[..]), referral in select(&[None, Some("insurer")][..]),
        joined in 0_i64..4, since in 0_i32..4, until in 0_i32..4, parts in subsequence((0..6).collect::<Vec<_>>(), 0..=6),
    ) {
        let row = row(name, status, referral, joined);
        let here = row.registrations[0].site;
        let all = PatientQuery {
            search: "love".parse().ok(),
            status: Some(Status::Active),
            referral_source: "insurer".parse().ok(),
            site: Some(here),
            since: Some(now() + SECOND * since),
            until: Some(now() + SECOND * until),
            sort: Sort::Newest,
        };
        let with = |parts: &[i32]| {
            let has = |part: i32| parts.contains(&part);
            PatientQuery {
                search: all.search.clone().filter(|_| has(0)),
                // The default hides merged patients: ask for the row's own status where this part is left out.
                status: if has(1) { all.status } else { Some(status) },
                referral_source: all.referral_source.clone().filter(|_| has(2)),
                site: all.site.filter(|_| has(3)),
                since: all.since.filter(|_| has(4)),
                until: all.until.filter(|_| has(5)),
                sort: all.sort,
            }
        };
        let together = with(&parts).matches(&row, Some(here));
        let each = parts.iter().all(|part| with(&[*part]).matches(&row, Some(here)));
        prop_assert_eq!(together, each);
        let elsewhere = PatientQuery { site: Some(SiteId::mint(now())), ..with(&parts) };
        prop_assert!(!elsewhere.matches(&row, Some(here)));
    }

    /// Whatever the order of wishes and lines: a wish that is left differs from what is there.
    #[test]
    fn what_is_pending_is_never_so_already(steps in prop::collection::vec((any::<bool>(), 0..3_usize, -2_i32..3), 1..12)) {
        const ZONES: [&str; 3] = ["Europe/London", "Europe/Berlin", "UTC"];
        let mut patient = taken(record()).unwrap();
        for (is_line, at, later) in steps {
            patient = if is_line {
                let record = PatientRecord { time_zone: zone(ZONES[at]).time_zone, ..record() };
                again(&patient, record, now() + SECOND * later)
            } else {
                asked(&patient, zone(ZONES[at])).0
            };
            if let Some(requested) = &patient.requested {
                prop_assert_ne!(&requested.wanted.time_zone, &patient.identity.time_zone);
                prop_assert_eq!(requested.wanted.fields().count(), 1);
            }
        }
    }
}
