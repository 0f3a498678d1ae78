//! What resources come to, with the examples of HL7.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::booking::{BookingRecord, Participation, Status};
use crate::external::SourceName;
use crate::id::OrganizationId;
use crate::ingest::{Content, Outcome, RecordType};
use crate::json::read;
use crate::sample::now;
use crate::specialist::SpecialistRecord;

const PATIENT: &str = include_str!("../../../../tests/fixtures/fhir/patient-example.json");
const DECEASED: &str = include_str!("../../../../tests/fixtures/fhir/patient-pat3.json");
const PRACTITIONER: &str = include_str!("../../../../tests/fixtures/fhir/practitioner-example.json");
const ROLE: &str = include_str!("../../../../tests/fixtures/fhir/practitionerrole-example.json");
const ORGANIZATION: &str = include_str!("../../../../tests/fixtures/fhir/organization-f001.json");
const LOCATION: &str = include_str!("../../../../tests/fixtures/fhir/location-1.json");
const APPOINTMENT: &str = include_str!("../../../../tests/fixtures/fhir/appointment-example.json");
const TWO_DOCTORS: &str = include_str!("../../../../tests/fixtures/fhir/appointment-2docs.json");
const REQUEST: &str = include_str!("../../../../tests/fixtures/fhir/appointment-examplereq.json");

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// `resource`, changed.
fn with(resource: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut value = parsed(resource);
    change(&mut value);
    value
}

fn source() -> SourceName {
    "ehr".parse().unwrap()
}

fn external(system: &str, value: &str) -> ExternalId {
    ExternalId {
        system: system.parse().unwrap(),
        value: value.parse().unwrap(),
    }
}

fn logical(value: &str) -> ExternalId {
    external(LOGICAL, value)
}

fn bundle(resources: &[Value]) -> Value {
    let entry = |resource: &Value| {
        let url = &resource["resourceType"];
        json!({ "resource": resource, "request": { "method": "POST", "url": url } })
    };
    let entries: Vec<Value> = resources.iter().map(entry).collect();
    json!({ "resourceType": "Bundle", "type": "batch", "entry": entries })
}

/// What is known of a source between requests, and the sites that are called so.
#[derive(Debug, Default)]
struct World {
    sites: Vec<ExternalId>,
    remembered: Vec<Remembered>,
    aliases: Vec<Alias>,
    options: Options,
}

impl World {
    fn at(sites: &[ExternalId]) -> Self {
        Self {
            sites: sites.to_vec(),
            ..Self::default()
        }
    }

    /// Translates as a caller does: asks again until nothing is wanted, then remembers.
    fn take(&mut self, body: &Value) -> Vec<Result<Told, Refusal>> {
        self.take_form(body.to_string().as_bytes(), Form::Document)
    }

    fn take_form(&mut self, body: &[u8], form: Form) -> Vec<Result<Told, Refusal>> {
        let batch = Batch::read(body, form).unwrap();
        let mut names = Names::default();
        for _ in 0..24 {
            let translation = batch.translated(&source(), &self.options, &names, now());
            if translation.wanted.is_empty() {
                for new in translation.remembered {
                    let key = (new.kind, new.external.clone());
                    self.remembered
                        .retain(|old| (old.kind, old.external.clone()) != key);
                    self.remembered.push(new);
                }
                self.aliases.extend(translation.aliases);
                return translation.entries;
            }
            for name in translation.wanted {
                self.look(&mut names, name);
            }
        }
        panic!("there is always something more to look up")
    }

    fn look(&self, names: &mut Names, name: Name) {
        names.look(name.clone());
        match name {
            Name::Alias(kind, id) => {
                let found = self
                    .aliases
                    .iter()
                    .find(|alias| alias.kind == kind && alias.id == id);
                found
                    .cloned()
                    .into_iter()
                    .for_each(|alias| names.learn_alias(alias));
            }
            Name::Resource(kind, external) => {
                let is_one = |known: &&Remembered| known.kind == kind && known.external == external;
                let found = self.remembered.iter().find(is_one);
                found.cloned().into_iter().for_each(|known| names.learn(known));
            }
            Name::Site(external) if self.sites.contains(&external) => names.learn_site(external),
            Name::Site(_) => {}
        }
    }

    fn take_one(&mut self, resource: &Value) -> Result<Told, Refusal> {
        self.take(resource).remove(0)
    }

    /// The code and the place of the refusal of `resource`.
    fn refusal(&mut self, resource: &Value) -> (Code, String) {
        let refusal = self.take_one(resource).unwrap_err();
        (
            refusal.code,
            refusal
                .errors
                .first()
                .map(|error| error.pointer.clone())
                .unwrap_or_default(),
        )
    }
}

/// What the first line of an entry says.
fn data(told: &Told) -> Value {
    match &told.lines[0].line.content {
        Content::Upsert(data) => data.clone(),
        Content::Delete => Value::Null,
    }
}

fn keys(told: &[Result<Told, Refusal>]) -> Vec<(RecordType, ExternalId)> {
    let lines = told.iter().flatten().flat_map(|told| &told.lines);
    lines
        .map(|typed| (typed.of, typed.line.external.clone()))
        .collect()
}

/// The clinic of the examples, as a site of the source.
fn clinic() -> ExternalId {
    external("urn:oid:2.16.528.1", "91654")
}

fn examples() -> Value {
    bundle(&[APPOINTMENT, ROLE, PATIENT, PRACTITIONER, LOCATION, ORGANIZATION].map(parsed))
}

#[test]
fn the_examples_of_hl7_come_to_lines_whatever_their_order() {
    let mut world = World::at(&[clinic(), logical("1")]);
    let told = world.take(&examples());
    let told: Vec<Told> = told.into_iter().map(Result::unwrap).collect();

    assert_eq!(
        data(&told[0]),
        json!({
            "status": "booked",
            "site": { "system": "urn:oid:2.16.528.1", "value": "91654" },
            "patient": { "system": "urn:oid:1.2.36.146.595.217.0.1", "value": "12345" },
            "specialist": { "system": "http://www.acme.org/practitioners", "value": "23" },
            "participants": { "patient": "accepted", "specialist": "accepted" },
            "service": "General Discussion",
            "modality": "in_person",
            "start": "2013-12-10T09:00:00Z",
            "end": "2013-12-10T11:00:00Z",
        })
    );
    assert_eq!(told[0].lines[0].line.external, logical("example"));
    assert!(read::<BookingRecord>(data(&told[0])).is_ok());

    assert_eq!(
        data(&told[1]),
        json!({
            "specialist": { "system": "http://www.acme.org/practitioners", "value": "23" },
            "sites": [{ "system": "urn:oid:2.16.528.1", "value": "91654" }],
            "since": "2012-01-01T00:00:00Z",
            "until": "2012-04-01T00:00:00Z",
            "specializations": ["General medical practice"],
            "availability": [
                { "day": "monday", "from": "09:00", "until": "16:30" },
                { "day": "tuesday", "from": "09:00", "until": "16:30" },
                { "day": "wednesday", "from": "09:00", "until": "16:30" },
                { "day": "thursday", "from": "09:00", "until": "12:00" },
                { "day": "friday", "from": "09:00", "until": "12:00" },
            ],
        })
    );

    assert_eq!(
        data(&told[2]),
        json!({
            "given_name": "Peter James",
            "family_name": "Chalmers",
            "birth_date": "1974-12-25",
            "gender": "male",
            "phone": "(03) 5555 6473",
            "address": ["534 Erewhon St", "PleasantVille Vic 3999"],
            "registrations": [{ "site": { "system": "fhir", "value": "1" } }],
        })
    );

    assert_eq!(
        data(&told[3]),
        json!({
            "given_name": "Adam",
            "family_name": "Careful",
            "credentials": [{
                "kind": "Bachelor of Science",
                "number": "12345",
                "issuer": "Example University",
                "valid_from": "1995-01-01",
            }],
        })
    );
    assert!(read::<SpecialistRecord>(data(&told[3])).is_ok());

    for unit in &told[4..] {
        assert_eq!((unit.lines.len(), &unit.outcome), (0, &Some(Outcome::Created)));
    }
    assert!(!format!("{told:?}").contains("Chalmers"));
}

#[test]
fn what_came_in_another_request_is_known_by_its_id() {
    let mut world = World::at(&[clinic()]);
    for resource in [ORGANIZATION, LOCATION, PATIENT, PRACTITIONER, ROLE] {
        world.take_one(&parsed(resource)).unwrap();
    }
    let together = World::at(&[clinic()]).take(&examples());
    let appointment = world.take_one(&parsed(APPOINTMENT)).unwrap();
    assert_eq!(data(&appointment), data(together[0].as_ref().unwrap()));

    let by_role = with(APPOINTMENT, |value| {
        value["participant"][1]["actor"]["reference"] = "PractitionerRole/example".into();
    });
    assert_eq!(data(&world.take_one(&by_role).unwrap()), data(&appointment));
    let nobodys = with(APPOINTMENT, |value| {
        value["participant"][1]["actor"]["reference"] = "PractitionerRole/none".into();
    });
    assert_eq!(
        world.refusal(&nobodys),
        (Code::ReferenceUnknown, "Appointment.participant[1].actor".into())
    );
}

#[test]
fn a_line_of_json_is_read_as_a_document_of_one_resource_is() {
    let line = |text: &str| parsed(text).to_string();
    let body = format!("{}\n\nnone\r\n{{}}\n{}", line(ORGANIZATION), line(PATIENT));
    let told = World::default().take_form(body.as_bytes(), Form::Lines);
    let codes: Vec<_> = told
        .iter()
        .map(|told| told.as_ref().err().map(|refusal| refusal.code))
        .collect();
    assert_eq!(
        codes,
        [None, Some(Code::MalformedBody), Some(Code::ElementMissing), None]
    );
    assert_eq!(told[3], World::default().take_one(&parsed(PATIENT)));
}

#[test]
fn a_place_is_at_the_site_of_what_it_belongs_to_and_is_none() {
    let mut world = World::at(&[external("urn:brands", "north")]);
    let chain = [
        json!({ "resourceType": "Location", "id": "room", "partOf": { "reference": "Location/wing" } }),
        json!({ "resourceType": "Location", "id": "wing", "managingOrganization": { "reference": "Organization/ward" } }),
        json!({ "resourceType": "Organization", "id": "ward", "partOf": { "reference": "Organization/clinic" } }),
        json!({ "resourceType": "Organization", "id": "clinic", "identifier": [{ "system": "urn:brands", "value": "north" }] }),
    ];
    assert!(keys(&world.take(&bundle(&chain))).is_empty());
    let appointment = with(APPOINTMENT, |value| {
        value["participant"][2]["actor"]["reference"] = "Location/room".into();
    });
    let told = world.take_one(&appointment).unwrap();
    assert_eq!(data(&told)["site"]["value"], "north");
    // One that is nowhere is what the line says, and what it is refused for.
    let nowhere = with(APPOINTMENT, |value| {
        value["participant"][2]["actor"]["reference"] = "Location/tent".into();
    });
    let told = world.take_one(&nowhere).unwrap();
    assert_eq!(data(&told)["site"], json!({ "system": "fhir", "value": "tent" }));
    let refusal = told.lines[0].refused(Refusal::from(Code::SiteUnknown).at("/data/site"));
    assert_eq!(refusal.errors[0].pointer, "Appointment.participant[2].actor");
}

#[test]
fn what_was_named_by_its_id_before_it_was_told_of_is_found_afterwards() {
    let mut world = World::at(&[external("urn:brands", "north")]);
    let told = [
        json!({ "resourceType": "Location", "id": "1", "managingOrganization": { "reference": "Organization/clinic" } }),
        json!({ "resourceType": "Organization", "id": "clinic", "identifier": [{ "system": "urn:brands", "value": "north" }] }),
    ];
    for unit in told {
        world.take_one(&unit).unwrap();
    }
    let told = world.take_one(&parsed(APPOINTMENT)).unwrap();
    assert_eq!(data(&told)["site"]["value"], "north");
}

#[test]
fn no_organization_is_a_part_of_itself() {
    let part = |id: &str, of: &str| json!({ "resourceType": "Organization", "id": id, "partOf": { "reference": format!("Organization/{of}") } });
    let invariant = || (Code::InvariantBroken, "Organization.partOf".to_owned());
    assert_eq!(World::default().refusal(&part("a", "a")), invariant());

    let mut world = World::default();
    world.take(&bundle(&[part("a", "b"), part("b", "c")]));
    assert_eq!(world.refusal(&part("c", "a")), invariant());

    let mut world = World::default();
    let told = world.take(&bundle(&[part("a", "b"), part("b", "a")]));
    assert!(told.iter().all(Result::is_err));
}

#[test]
fn the_newest_state_of_a_place_stays() {
    let mut world = World::default();
    let place = |version: &str, of: &str| {
        json!({
            "resourceType": "Location", "id": "room", "meta": { "versionId": version },
            "managingOrganization": { "reference": format!("Organization/{of}") },
        })
    };
    let mut take = |version: &str, of: &str| {
        world
            .take_one(&place(version, of))
            .map(|told| told.outcome.unwrap())
    };
    assert_eq!(take("2", "b"), Ok(Outcome::Created));
    assert_eq!(take("2", "b"), Ok(Outcome::Unchanged));
    assert_eq!(take("1", "a"), Ok(Outcome::SkippedStale));
    assert_eq!(take("2", "a").unwrap_err().code, Code::VersionConflict);
    assert_eq!(take("3", "a"), Ok(Outcome::Updated));
    assert_eq!(
        world.remembered[0].within,
        Some((Kind::Organization, logical("a")))
    );

    // What does not say which state it is counts as the newest, and once.
    let undated = json!({ "resourceType": "Location", "id": "tent" });
    let mut take = |value: &Value| world.take_one(value).unwrap().outcome.unwrap();
    assert_eq!(take(&undated), Outcome::Created);
    assert_eq!(take(&undated), Outcome::Unchanged);
}

#[test]
fn a_resource_stays_the_record_that_it_was_first() {
    let patient = |id: &str, identifiers: &[(&str, &str)]| {
        let identifiers = identifiers
            .iter()
            .map(|(system, value)| json!({ "system": system, "value": value }));
        json!({
            "resourceType": "Patient", "id": id, "name": [{ "family": "Chalmers" }],
            "identifier": identifiers.collect::<Vec<_>>(),
        })
    };
    let mut world = World::default();
    let mut key = |value: Value| {
        world
            .take_one(&value)
            .map(|told| told.lines[0].line.external.clone())
    };
    // The first identifier, and the same later whatever the identifiers are.
    assert_eq!(
        key(patient("1", &[("mrn", "17"), ("ssn", "3")])),
        Ok(external("mrn", "17"))
    );
    assert_eq!(key(patient("1", &[("ssn", "3")])), Ok(external("mrn", "17")));
    // One without an identifier is called by its id, for good.
    assert_eq!(key(patient("2", &[])), Ok(logical("2")));
    assert_eq!(key(patient("2", &[("mrn", "18")])), Ok(logical("2")));
    // Two resources never feed one record.
    let refusal = key(patient("3", &[("mrn", "17")])).unwrap_err();
    assert_eq!(
        (refusal.code, &*refusal.errors[0].pointer),
        (Code::ResourceDuplicate, "Patient.identifier")
    );

    world.options.systems = vec!["npi".parse().unwrap(), "ssn".parse().unwrap()];
    let told = world
        .take_one(&patient("4", &[("mrn", "19"), ("ssn", "4")]))
        .unwrap();
    assert_eq!(told.lines[0].line.external, external("ssn", "4"));

    let twice = bundle(&[patient("5", &[("mrn", "20")]), patient("6", &[("mrn", "20")])]);
    let codes: Vec<_> = World::default()
        .take(&twice)
        .into_iter()
        .map(|told| told.err().map(|refusal| refusal.code))
        .collect();
    assert_eq!(codes, [None, Some(Code::ResourceDuplicate)]);

    let unnamed = json!({ "resourceType": "Patient", "name": [{ "family": "Chalmers" }], "identifier": [{ "value": "1" }] });
    assert_eq!(
        world.refusal(&unnamed),
        (Code::ElementMissing, "Patient.identifier".into())
    );
}

#[test]
fn an_id_is_free_again_when_its_resource_was_deleted() {
    let mut world = World::default();
    world.take_one(&parsed(PATIENT)).unwrap();
    let again = with(PATIENT, |value| value["id"] = "other".into());
    assert_eq!(world.refusal(&again).0, Code::ResourceDuplicate);
    let deletion = json!({
        "resourceType": "Bundle", "type": "batch", "timestamp": "2026-05-04T08:00:00Z",
        "entry": [{ "request": { "method": "DELETE", "url": "Patient/example" } }],
    });
    let told = world.take(&deletion).remove(0).unwrap();
    assert!(told.lines[0].line.content == Content::Delete);
    assert_eq!(
        told.lines[0].line.external,
        external("urn:oid:1.2.36.146.595.217.0.1", "12345")
    );
    assert!(world.take_one(&again).is_ok());
}

#[test]
fn a_resource_says_which_state_it_is_or_the_bundle_does() {
    let stamped = with(PATIENT, |value| {
        value["meta"] = json!({ "versionId": "7", "lastUpdated": "2026-05-01T10:00:00.5+02:00" });
    });
    let typed = World::default().take_one(&stamped).unwrap().lines.remove(0);
    assert_eq!(typed.line.stamp.version, Some(7));
    assert_eq!(typed.line.stamp.occurred_at.to_string(), "2026-05-01T08:00:00.5Z");
    assert!(typed.line.is_dated);

    let typed = World::default()
        .take_one(&parsed(PATIENT))
        .unwrap()
        .lines
        .remove(0);
    assert_eq!(
        (typed.line.stamp.occurred_at, typed.line.is_dated),
        (now(), false)
    );

    let mut bundle = bundle(&[parsed(PATIENT)]);
    bundle["timestamp"] = "2026-05-02T00:00:00Z".into();
    let typed = World::default().take_one(&bundle).unwrap().lines.remove(0);
    assert_eq!(typed.line.stamp.occurred_at.to_string(), "2026-05-02T00:00:00Z");

    for (meta, code, place) in [
        (
            json!({ "lastUpdated": "2026-05-01" }),
            Code::DateInvalid,
            "Patient.meta.lastUpdated",
        ),
        (
            json!({ "lastUpdated": "2027-01-01T00:00:00Z" }),
            Code::FieldsInvalid,
            "Patient.meta.lastUpdated",
        ),
        (
            json!({ "versionId": 7 }),
            Code::FieldsInvalid,
            "Patient.meta.versionId",
        ),
        (json!("7"), Code::FieldsInvalid, "Patient.meta"),
    ] {
        let patient = with(PATIENT, |value| value["meta"] = meta);
        assert_eq!(World::default().refusal(&patient), (code, place.into()));
    }
}

#[test]
fn a_patient_is_sponsored_by_an_organization_of_ours_and_registered_at_a_site() {
    let ours: OrganizationId = OrganizationId::mint(now());
    let others: OrganizationId = OrganizationId::mint(now());
    let sponsored = |by: OrganizationId| {
        with(PATIENT, |value| {
            value["managingOrganization"] = json!({ "identifier": { "value": by.to_string() } });
        })
    };
    let mut world = World::default();
    let told = world.take_one(&sponsored(ours)).unwrap();
    let statuses = |told: &Told| -> Vec<(String, String)> {
        let lines = told
            .lines
            .iter()
            .filter(|typed| typed.of == RecordType::Enrollments);
        let says = lines.map(|typed| match &typed.line.content {
            Content::Upsert(data) => (
                data["sponsor"].as_str().unwrap().to_owned(),
                data["status"].as_str().unwrap().to_owned(),
            ),
            Content::Delete => (String::new(), "deleted".to_owned()),
        });
        says.collect()
    };
    assert_eq!(data(&told).get("registrations"), None);
    assert_eq!(statuses(&told), [(ours.to_string(), "active".into())]);

    // Whom another one sponsors now is no longer sponsored by the first.
    let told = world.take_one(&sponsored(others)).unwrap();
    let mut expected = [
        (ours.to_string(), "closed".to_owned()),
        (others.to_string(), "active".to_owned()),
    ];
    expected.sort();
    assert_eq!(statuses(&told), expected);

    let by_reference = with(PATIENT, |value| {
        value["managingOrganization"] = json!({ "reference": format!("Organization/{others}") });
        value["active"] = false.into();
    });
    let told = world.take_one(&by_reference).unwrap();
    assert!(statuses(&told).contains(&(others.to_string(), "inactive".into())));
    assert_eq!(data(&told)["status"], "deactivated");

    let deletion = json!({
        "resourceType": "Bundle", "type": "batch",
        "entry": [{ "request": { "method": "DELETE", "url": "Patient/example" } }],
    });
    let told = world.take(&deletion).remove(0).unwrap();
    assert_eq!(statuses(&told).len(), 2);

    let mut world = World {
        options: Options {
            site: Some(external("urn:brands", "north")),
            ..Options::default()
        },
        ..World::default()
    };
    let anywhere = with(PATIENT, |value| {
        drop(value.as_object_mut().unwrap().remove("managingOrganization"));
    });
    let told = world.take_one(&anywhere).unwrap();
    assert_eq!(data(&told)["registrations"][0]["site"]["value"], "north");
}

#[test]
fn a_patient_who_has_died_or_is_another_is_not_active() {
    assert_eq!(
        data(&World::default().take_one(&parsed(DECEASED)).unwrap())["status"],
        "deactivated"
    );
    let merged = with(PATIENT, |value| {
        value["link"] = json!([
            { "type": "seealso", "other": { "reference": "Patient/a" } },
            { "type": "replaced-by", "other": { "reference": "Patient/b" } },
        ]);
    });
    let told = World::default().take_one(&merged).unwrap();
    assert_eq!(data(&told)["status"], "merged");
    assert_eq!(
        data(&told)["merged_into"],
        json!({ "system": "fhir", "value": "b" })
    );
}

#[test]
fn the_best_of_several_names_and_contacts_is_taken() {
    let told = |change: fn(&mut Value)| data(&World::default().take_one(&with(PATIENT, change)).unwrap());
    let person = told(|value| {
        value["name"] = json!([
            { "use": "old", "family": "Windsor" },
            { "use": "nickname", "given": ["Jim"] },
            { "use": "usual", "family": "Chalmers", "given": ["Peter", null, "James"] },
        ]);
        value["telecom"] = json!([
            { "system": "email", "value": "b@example.org", "rank": 2 },
            { "system": "email", "value": "a@example.org", "rank": 1 },
            { "system": "email", "value": "c@example.org", "use": "old" },
            { "system": "url", "value": "https://example.org" },
        ]);
        value["communication"] = json!([
            { "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": "en" }] } },
            { "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": "nl" }] }, "preferred": true },
        ]);
        value["extension"] = json!([{ "url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "Australia/Melbourne" }]);
        value["address"] = json!([{ "text": "Erewhon St 534\nPleasantVille" }]);
    });
    assert_eq!(person["given_name"], "Peter James");
    assert_eq!(person["email"], "a@example.org");
    assert_eq!(person["locale"], "nl");
    assert_eq!(person["time_zone"], "Australia/Melbourne");
    assert_eq!(person["address"], json!(["Erewhon St 534", "PleasantVille"]));

    let person = told(|value| value["name"] = json!([{ "text": "Peter Chalmers" }]));
    assert_eq!(person["family_name"], "Peter Chalmers");
    assert_eq!(person.get("phone").unwrap(), "(03) 5555 6473");
}

#[test]
fn a_birth_date_of_which_only_the_year_is_known_is_not_taken_and_said_so() {
    let patient = with(PATIENT, |value| value["birthDate"] = "1974-12".into());
    let told = World::default().take_one(&patient).unwrap();
    assert_eq!(data(&told).get("birth_date"), None);
    assert_eq!(told.notes[0].expression.as_deref(), Some("Patient.birthDate"));
}

#[test]
fn what_is_wrong_with_a_patient_is_refused_at_its_place() {
    for (name, value, code, place) in [
        ("active", json!("true"), Code::FieldsInvalid, "Patient.active"),
        (
            "birthDate",
            json!("25.12.1974"),
            Code::DateInvalid,
            "Patient.birthDate",
        ),
        (
            "birthDate",
            json!("1974-12-32"),
            Code::DateInvalid,
            "Patient.birthDate",
        ),
        (
            "birthDate",
            json!("1974-12-25T00:00:00Z"),
            Code::DateInvalid,
            "Patient.birthDate",
        ),
        ("gender", json!("Male"), Code::FieldsInvalid, "Patient.gender"),
        ("name", json!([]), Code::ElementMissing, "Patient.name"),
        (
            "name",
            json!({ "family": "Chalmers" }),
            Code::FieldsInvalid,
            "Patient.name",
        ),
        (
            "name",
            json!([{ "family": 7 }]),
            Code::FieldsInvalid,
            "Patient.name[0].family",
        ),
        ("telecom", json!([7]), Code::FieldsInvalid, "Patient.telecom[0]"),
        (
            "link",
            json!([{ "type": "is", "other": {} }]),
            Code::FieldsInvalid,
            "Patient.link[0]",
        ),
        (
            "implicitRules",
            json!("urn:rules"),
            Code::ModifierUnknown,
            "Patient.implicitRules",
        ),
        (
            "modifierExtension",
            json!([{ "url": "urn:x" }]),
            Code::ModifierUnknown,
            "Patient.modifierExtension",
        ),
        (
            "managingOrganization",
            json!({ "reference": "#none" }),
            Code::ReferenceUnknown,
            "Patient.managingOrganization",
        ),
        (
            "managingOrganization",
            json!({ "reference": "urn:uuid:1" }),
            Code::ReferenceUnknown,
            "Patient.managingOrganization",
        ),
        (
            "managingOrganization",
            json!({ "reference": "1" }),
            Code::FieldsInvalid,
            "Patient.managingOrganization",
        ),
        (
            "managingOrganization",
            json!({ "reference": "Patient/1" }),
            Code::FieldsInvalid,
            "Patient.managingOrganization",
        ),
        (
            "communication",
            json!([{ "language": { "coding": [{ "code": "deutsch-land" }] } }]),
            Code::LanguageTagInvalid,
            "Patient.communication[0].language.coding[0].code",
        ),
        ("id", json!("a_b"), Code::FieldsInvalid, "Patient.id"),
        (
            "identifier",
            json!([{ "system": "mrn", "value": "1 7" }]),
            Code::TextInvalid,
            "Patient.identifier[0].value",
        ),
    ] {
        let patient = with(PATIENT, |patient| {
            if name == "identifier" {
                drop(patient.as_object_mut().unwrap().remove("id"));
            }
            patient[name] = value;
        });
        assert_eq!(World::default().refusal(&patient), (code, place.into()), "{name}");
    }
}

#[test]
fn a_role_is_where_its_places_are_or_else_its_organization() {
    let role = |change: fn(&mut Value)| with(ROLE, change);
    let mut world = World::at(&[clinic(), external("urn:brands", "south")]);
    world.take(&bundle(&[
        parsed(ORGANIZATION),
        json!({ "resourceType": "Organization", "id": "south", "identifier": [{ "system": "urn:brands", "value": "south" }] }),
        json!({ "resourceType": "Location", "id": "2", "managingOrganization": { "reference": "Organization/south" } }),
    ]));
    let mut sites = |value: &Value| -> Vec<String> {
        let told = world.take_one(value).unwrap();
        let sites = data(&told)
            .get("sites")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        sites
            .iter()
            .map(|site| site["value"].as_str().unwrap().to_owned())
            .collect()
    };
    // Nobody told where Location/1 is: what the organization is called counts.
    assert_eq!(sites(&parsed(ROLE)), ["91654"]);
    let places = role(|value| {
        value["location"] = json!([{ "reference": "Location/2" }, { "reference": "Location/1" }]);
    });
    assert_eq!(sites(&places), ["south"]);
    let nowhere = role(|value| {
        value["location"] = json!([]);
        value["organization"] = json!({ "display": "BMC" });
    });
    assert_eq!(sites(&nowhere), Vec::<String>::new());
    let unknown = role(|value| {
        value["location"] = json!([]);
        value["organization"] = json!({ "reference": "Organization/none" });
    });
    assert_eq!(sites(&unknown), ["none"]);
}

#[test]
fn a_role_stays_that_of_its_practitioner() {
    let mut world = World::default();
    world.take_one(&parsed(ROLE)).unwrap();
    let others = with(ROLE, |value| {
        value["practitioner"]["reference"] = "Practitioner/other".into();
    });
    assert_eq!(
        world.refusal(&others),
        (Code::FieldFixed, "PractitionerRole.practitioner".into())
    );
}

#[test]
fn the_week_of_a_role_is_told_in_windows() {
    let windows = |available: Value| {
        let role = with(ROLE, |value| value["availableTime"] = json!([available]));
        World::default()
            .take_one(&role)
            .map(|told| data(&told)["availability"].as_array().cloned().unwrap())
    };
    let night = windows(
        json!({ "daysOfWeek": ["sun"], "availableStartTime": "18:00:00", "availableEndTime": "00:00:00" }),
    );
    assert_eq!(
        night.unwrap(),
        [json!({ "day": "sunday", "from": "18:00", "until": "24:00" })]
    );
    let ever = windows(json!({ "allDay": true, "availableStartTime": "09:00:00" })).unwrap();
    assert_eq!(ever.len(), 7);
    assert_eq!(
        ever[6],
        json!({ "day": "sunday", "from": "00:00", "until": "24:00" })
    );
    for (available, place) in [
        (json!({ "daysOfWeek": ["monday"] }), "daysOfWeek[0]"),
        (json!({ "availableStartTime": "9:00" }), "availableStartTime"),
        (json!({ "availableEndTime": "25:00:00" }), "availableEndTime"),
        (json!({ "availableEndTime": "10:00:00." }), "availableEndTime"),
    ] {
        let refusal = windows(available).unwrap_err();
        assert_eq!(
            refusal.errors[0].pointer,
            format!("PractitionerRole.availableTime[0].{place}")
        );
    }
}

#[test]
fn a_booking_is_of_one_patient_with_a_practitioner() {
    let world = || World::at(&[logical("1")]);
    let appointment = |participants: Value| with(APPOINTMENT, |value| value["participant"] = participants);
    let of = |reference: &str| json!({ "actor": { "reference": reference }, "status": "accepted" });
    let (peter, paula, adam) = (of("Patient/1"), of("Patient/2"), of("Practitioner/1"));
    let invariant = (Code::ParticipantsInvalid, "Appointment.participant".to_owned());
    for participants in [
        json!([]),
        json!([peter]),
        json!([adam]),
        json!([peter, paula, adam]),
        json!([peter, { "actor": { "display": "Adam" }, "status": "accepted" }]),
        json!([peter, of("RelatedPerson/1"), of("Device/1"), { "type": [], "status": "needs-action" }]),
    ] {
        assert_eq!(world().refusal(&appointment(participants)), invariant);
    }
    for (participant, code, place) in [
        (
            json!({ "actor": { "reference": "Practitioner/1" }, "status": "maybe" }),
            Code::FieldsInvalid,
            "[1].status",
        ),
        (
            json!({ "actor": { "reference": "Practitioner/1" } }),
            Code::ElementMissing,
            "[1].status",
        ),
        (
            json!({ "actor": { "identifier": { "system": "npi", "value": "1" } }, "status": "accepted" }),
            Code::FieldsInvalid,
            "[1].actor",
        ),
        (
            json!({ "actor": { "identifier": { "value": "1" }, "type": "Practitioner" }, "status": "accepted" }),
            Code::ElementMissing,
            "[1].actor.identifier",
        ),
        (
            json!({ "actor": { "reference": "Appointment/1" }, "status": "accepted" }),
            Code::FieldsInvalid,
            "[1].actor",
        ),
        (
            json!({ "actor": { "reference": "Practitioner?name=Adam" }, "status": "accepted" }),
            Code::FieldsInvalid,
            "[1].actor",
        ),
    ] {
        let refused = world().refusal(&appointment(json!([peter, participant])));
        assert_eq!(refused, (code, format!("Appointment.participant{place}")));
    }
    for actor in [
        json!({ "reference": "https://ehr.example/fhir/Practitioner/23/_history/4" }),
        json!({ "reference": "Practitioner?identifier=http://npi.example%7C23" }),
        json!({ "identifier": { "system": "http://npi.example", "value": "23" }, "type": "Practitioner" }),
        json!({ "reference": "#p" }),
    ] {
        let mut appointment =
            appointment(json!([peter, { "actor": actor, "status": "tentative" }, of("Location/1")]));
        appointment["contained"] = json!([{
            "resourceType": "Practitioner", "id": "p", "identifier": [{ "system": "http://npi.example", "value": "23" }],
        }]);
        let told = data(&World::default().take_one(&appointment).unwrap());
        assert_eq!(told["specialist"]["value"], "23");
        assert_eq!(told["participants"]["specialist"], "tentative");
    }
}

#[test]
fn of_several_practitioners_the_primary_performer_or_else_the_first_is_booked() {
    let mut world = World::default();
    world.options.site = Some(logical("north"));
    let told = world.take_one(&parsed(TWO_DOCTORS)).unwrap();
    assert_eq!(data(&told)["specialist"]["value"], "example");
    assert_eq!(data(&told)["modality"], "video");
    assert_eq!(told.notes.len(), 1);
    let primary = with(TWO_DOCTORS, |value| {
        value["participant"][2]["type"] = json!([{ "coding": [{ "code": "PPRF" }] }]);
    });
    assert_eq!(
        data(&world.take_one(&primary).unwrap())["specialist"]["value"],
        "f202"
    );
    // The example of a request names no practitioner.
    assert_eq!(world.refusal(&parsed(REQUEST)).0, Code::ParticipantsInvalid);
}

#[test]
fn how_people_meet_is_told_in_one_of_several_ways() {
    let modality = |change: fn(&mut Value)| {
        let mut world = World::default();
        world.options.site = Some(logical("north"));
        world
            .take_one(&with(APPOINTMENT, change))
            .map(|told| data(&told)["modality"].as_str().unwrap().to_owned())
    };
    assert_eq!(modality(|_| ()).unwrap(), "in_person");
    assert_eq!(
        modality(|value| drop(value["participant"].as_array_mut().unwrap().pop())).unwrap(),
        "video"
    );
    assert_eq!(
        modality(|value| value["extension"] =
            json!([{ "url": "urn:organization-portal:modality", "valueCode": "chat" }]))
        .unwrap(),
        "chat"
    );
    assert_eq!(
        modality(|value| value["appointmentType"] = json!({ "coding": [{ "code": "VR" }] })).unwrap(),
        "video"
    );
    let refusal = modality(|value| {
        value["extension"] = json!([{ "url": "urn:organization-portal:modality", "valueCode": "fax" }]);
    });
    assert_eq!(
        refusal.unwrap_err().errors[0].pointer,
        "Appointment.extension[0].valueCode"
    );
}

#[test]
fn an_appointment_tells_its_times_and_why_it_ended() {
    let told = |change: fn(&mut Value)| {
        let mut world = World::at(&[logical("1")]);
        world.take_one(&with(APPOINTMENT, change)).map(|told| data(&told))
    };
    let end = |value: &Value| value["end"].as_str().unwrap().to_owned();
    let lasting = told(|value| {
        drop(value.as_object_mut().unwrap().remove("end"));
        value["minutesDuration"] = 50.into();
    });
    assert_eq!(end(&lasting.unwrap()), "2013-12-10T09:50:00Z");
    assert_eq!(
        end(&told(|value| value["minutesDuration"] = 50.into()).unwrap()),
        "2013-12-10T11:00:00Z"
    );

    let cancelled = told(|value| {
        value["status"] = "cancelled".into();
        value["cancelationReason"] = json!({ "coding": [{ "code": "prov-pers" }] });
    })
    .unwrap();
    assert_eq!(cancelled["status_by"], "specialist");
    assert_eq!(cancelled["status_reason"], "prov-pers");
    assert!(read::<BookingRecord>(cancelled).is_ok());
    let silent = told(|value| value["status"] = "cancelled".into()).unwrap();
    assert_eq!(
        (silent["status_by"].as_str(), silent["status_reason"].as_str()),
        (Some("organization"), Some("unspecified"))
    );
    let unspeakable = told(|value| {
        value["status"] = "noshow".into();
        value["cancelationReason"] =
            json!({ "coding": [{ "code": "Adam was ill" }], "text": "Adam was ill" });
    })
    .unwrap();
    assert_eq!(unspeakable["status_reason"], "unspecified");
    assert_eq!(unspeakable.get("status_by"), None);

    for (change, code, place) in [
        (
            (|value| value["status"] = "on-hold".into()) as fn(&mut Value),
            Code::FieldsInvalid,
            "status",
        ),
        (
            |value| value["status"] = Value::Null,
            Code::ElementMissing,
            "status",
        ),
        (
            |value| value["cancelationReason"] = json!({ "text": "x" }),
            Code::InvariantBroken,
            "cancelationReason",
        ),
        (
            |value| value["start"] = "2013-12-10".into(),
            Code::DateInvalid,
            "start",
        ),
        (
            |value| value["end"] = "2013-12-10T11:00:00".into(),
            Code::DateInvalid,
            "end",
        ),
        (
            |value| value["minutesDuration"] = (-5).into(),
            Code::FieldsInvalid,
            "minutesDuration",
        ),
        (
            |value| drop(value["participant"].as_array_mut().unwrap().pop()),
            Code::ElementMissing,
            "participant",
        ),
    ] {
        let refusal = told(change).unwrap_err();
        assert_eq!(
            (refusal.code, &*refusal.errors[0].pointer),
            (code, &*format!("Appointment.{place}"))
        );
    }
}

#[test]
fn a_bundle_is_a_batch_of_entries_that_want_something() {
    let whole = |value: Value| {
        Batch::read(value.to_string().as_bytes(), Form::Document).map_err(|refusal| refusal.code)
    };
    for kind in ["transaction", "collection", "searchset"] {
        let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": [] });
        assert_eq!(whole(bundle).unwrap_err(), Code::ResourceUnsupported);
    }
    assert_eq!(
        whole(json!({ "resourceType": "Bundle" })).unwrap_err(),
        Code::ElementMissing
    );
    assert_eq!(
        whole(json!({ "resourceType": "Bundle", "type": "batch" })).unwrap_err(),
        Code::MalformedBody
    );
    let many =
        json!({ "resourceType": "Bundle", "type": "batch", "entry": vec![json!({}); MOST_ENTRIES + 1] });
    assert_eq!(whole(many).unwrap_err(), Code::BodyTooLarge);
    assert_eq!(
        Batch::read(b"{", Form::Document).unwrap_err().code,
        Code::MalformedBody
    );
    assert_eq!(
        Batch::read(b"\n \n", Form::Lines).unwrap_err().code,
        Code::MalformedBody
    );

    let patient = parsed(PATIENT);
    let get = json!({ "method": "GET", "url": "Patient/example" });
    for (entry, code, place) in [
        (json!({ "resource": patient }), Code::ElementMissing, "request"),
        (
            json!({ "request": get }),
            Code::InteractionUnsupported,
            "request.method",
        ),
        (
            json!({ "request": { "method": "DELETE", "url": "Patient" } }),
            Code::FieldsInvalid,
            "request.url",
        ),
        (
            json!({ "request": { "method": "DELETE", "url": "Patient?name=Peter" } }),
            Code::FieldsInvalid,
            "request.url",
        ),
        (
            json!({ "request": { "method": "POST", "url": "Patient" } }),
            Code::ElementMissing,
            "resource",
        ),
        (
            json!({ "resource": patient, "request": { "method": "POST", "url": "Practitioner" } }),
            Code::FieldsInvalid,
            "resource",
        ),
        (
            json!({ "resource": patient, "request": { "method": "POST", "url": "Patient/example" } }),
            Code::FieldsInvalid,
            "request.url",
        ),
        (
            json!({ "resource": patient, "request": { "method": "PUT", "url": "Patient/other" } }),
            Code::FieldsInvalid,
            "request.url",
        ),
        (
            json!({ "resource": patient, "request": { "method": "PUT", "url": "Patient/example/_history" } }),
            Code::FieldsInvalid,
            "request.url",
        ),
        (
            json!({ "resource": patient, "request": { "method": "POST", "url": "Consent" } }),
            Code::ResourceUnsupported,
            "request.url",
        ),
        (
            json!({ "resource": patient, "request": { "method": "POST", "url": "Patient", "ifNoneExist": "identifier=a|b" } }),
            Code::InteractionUnsupported,
            "request.ifNoneExist",
        ),
    ] {
        let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": [entry, { "resource": patient, "request": { "method": "POST", "url": "Patient" } }] });
        let told = World::default().take(&bundle);
        let refusal = told[0].as_ref().unwrap_err();
        assert_eq!(
            (refusal.code, &*refusal.errors[0].pointer),
            (code, &*format!("Bundle.entry[0].{place}"))
        );
        assert!(told[1].is_ok(), "one bad entry harms no other");
    }
    assert_eq!(
        World::default().refusal(&json!({ "resourceType": "Consent" })),
        (Code::ResourceUnsupported, "resourceType".into())
    );
}

#[test]
fn entries_name_each_other_by_their_urls() {
    let entry = |url: &str, resource: Value| {
        let kind = &resource["resourceType"];
        json!({ "fullUrl": url, "resource": resource, "request": { "method": "POST", "url": kind } })
    };
    let unnamed = |text: &str, number: &str| {
        with(text, |value| {
            drop(value.as_object_mut().unwrap().remove("id"));
            value["identifier"] = json!([{ "system": "urn:n", "value": number }]);
        })
    };
    let appointment = with(APPOINTMENT, |value| {
        value["participant"][0]["actor"] = json!({ "reference": "urn:uuid:a" });
        value["participant"][1]["actor"] = json!({ "reference": "urn:uuid:b" });
    });
    let bundle = json!({
        "resourceType": "Bundle", "type": "batch",
        "entry": [
            entry("urn:uuid:c", appointment),
            entry("urn:uuid:a", unnamed(PATIENT, "1")),
            entry("urn:uuid:b", unnamed(PRACTITIONER, "2")),
        ],
    });
    let told = data(World::default().take(&bundle)[0].as_ref().unwrap());
    assert_eq!(told["patient"], json!({ "system": "urn:n", "value": "1" }));
    assert_eq!(told["specialist"], json!({ "system": "urn:n", "value": "2" }));

    let conditional = json!({
        "resourceType": "Bundle", "type": "batch",
        "entry": [{ "resource": unnamed(PATIENT, "1"), "request": { "method": "PUT", "url": "Patient?identifier=mrn|17" } }],
    });
    assert_eq!(
        keys(&World::default().take(&conditional)),
        [(RecordType::Patients, external("mrn", "17"))]
    );
}

#[test]
fn no_issue_tells_what_stands_in_a_resource() {
    let secret = "Sekret";
    let patients = [
        with(PATIENT, |value| value["gender"] = secret.into()),
        with(PATIENT, |value| value["birthDate"] = secret.into()),
        with(PATIENT, |value| {
            value[secret] = json!({ secret: { "modifierExtension": [1] } });
        }),
        with(PATIENT, |value| {
            value["Sekret Name"] = json!({ "modifierExtension": [1] });
        }),
        with(PATIENT, |value| {
            value["managingOrganization"]["reference"] = secret.into();
        }),
        with(PATIENT, |value| {
            value["identifier"][0]["value"] = "Sekret Name".into();
        }),
        with(APPOINTMENT, |value| value["status"] = secret.into()),
        with(APPOINTMENT, |value| {
            value["participant"][0]["status"] = secret.into();
        }),
    ];
    for (row, patient) in patients.iter().enumerate() {
        let refusal = World::default().take_one(patient).unwrap_err();
        // Of what nobody knows, the name of the element is told, where it can be one.
        let issues = format!("{:?}", Issue::refused(&refusal));
        assert!(row == 2 || !issues.contains(secret), "{issues}");
        assert!(!issues.contains("Sekret Name"), "{issues}");
    }
}

/// JSON that looks like FHIR here and there.
fn wild() -> impl Strategy<Value = Value> {
    let names = [
        "resourceType",
        "id",
        "identifier",
        "system",
        "value",
        "use",
        "name",
        "family",
        "given",
        "telecom",
        "status",
        "participant",
        "actor",
        "reference",
        "type",
        "period",
        "start",
        "end",
        "meta",
        "extension",
        "url",
        "coding",
        "code",
        "entry",
        "resource",
        "request",
        "method",
        "link",
        "other",
        "partOf",
        "location",
        "availableTime",
        "contained",
        "modifierExtension",
        "qualification",
        "address",
        "communication",
        "language",
    ];
    let words = [
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "Location",
        "Appointment",
        "Bundle",
        "batch",
        "Patient/1",
        "#1",
        "urn:uuid:1",
        "Patient?identifier=a|b",
        "%",
        "booked",
        "accepted",
        "2026",
        "2026-02-30",
        "2026-05-04T09:00:00Z",
        "POST",
        "replaced-by",
        "",
        "é\u{202e}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        select(words.to_vec()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(select(names.to_vec()), inner, 0..6).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// An example with one place somewhere in it that is anything.
fn spoiled() -> impl Strategy<Value = Value> {
    let examples = [
        PATIENT,
        PRACTITIONER,
        ROLE,
        ORGANIZATION,
        LOCATION,
        APPOINTMENT,
        TWO_DOCTORS,
        REQUEST,
    ];
    (select(examples.to_vec()), any::<prop::sample::Index>(), wild()).prop_map(|(text, index, value)| {
        let mut resource = parsed(text);
        let mut pointers = Vec::new();
        pointers_of(&resource, String::new(), &mut pointers);
        if let Some(place) = resource.pointer_mut(index.get(&pointers).as_str()) {
            *place = value;
        }
        resource
    })
}

fn pointers_of(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (row, item) in items.iter().enumerate() {
                pointers_of(item, format!("{at}/{row}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                pointers_of(field, format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
    found.push(at);
}

proptest! {
    #[test]
    fn nothing_that_is_sent_makes_the_reader_fail(bytes in ".{0,200}") {
        for form in [Form::Document, Form::Lines] {
            drop(Batch::read(bytes.as_bytes(), form));
        }
    }

    #[test]
    fn whatever_looks_like_fhir_is_read_or_refused(resource in prop_oneof![wild(), spoiled()], alone in any::<bool>()) {
        let body = if alone { resource } else { bundle(&[resource]) };
        if let Ok(batch) = Batch::read(body.to_string().as_bytes(), Form::Document) {
            let names = Names::default();
            let translation = batch.translated(&source(), &Options::default(), &names, now());
            prop_assert_eq!(translation.entries.len(), 1);
        }
    }

    #[test]
    fn what_is_accepted_of_an_example_is_a_line_that_its_issues_can_be_told_of(resource in spoiled()) {
        let mut world = World::at(&[clinic(), logical("1")]);
        if Batch::read(resource.to_string().as_bytes(), Form::Document).is_ok() {
            for told in world.take(&resource).into_iter().flatten() {
                for typed in &told.lines {
                    let refusal = typed.refused(Refusal::from(Code::FieldsInvalid).at("/data/whatever/0"));
                    prop_assert!(refusal.errors[0].pointer.starts_with(told.kind.as_str()));
                }
            }
        }
    }

    #[test]
    fn an_accepted_appointment_keeps_its_status_and_its_participants(
        status in select(Status::ALL.to_vec()),
        says in (select(Participation::ALL.to_vec()), select(Participation::ALL.to_vec())),
        ids in ("[A-Za-z0-9.-]{1,64}", "[A-Za-z0-9.-]{1,64}"),
        others in proptest::collection::vec(select(vec!["Location/1", "RelatedPerson/1", "HealthcareService/1"]), 0..3),
        is_first in any::<bool>(),
        start in 0_i64..4_000_000_000,
        minutes in 1_u32..600,
    ) {
        let part = |reference: String, says: &str| json!({ "actor": { "reference": reference }, "status": says });
        let mut participants = vec![
            part(format!("Patient/{}", ids.0), says.0.as_str()),
            part(format!("Practitioner/{}", ids.1), says.1.as_str()),
        ];
        if is_first {
            participants.reverse();
        }
        participants.extend(others.iter().map(|other| part((*other).to_owned(), "accepted")));
        let start = jiff::Timestamp::from_second(start).unwrap();
        let appointment = json!({
            "resourceType": "Appointment", "id": "a", "status": status.as_str(), "participant": participants,
            "start": start.to_string(), "minutesDuration": minutes,
        });
        let mut world = World::default();
        world.options.site = Some(logical("north"));
        let record: BookingRecord = read(data(&world.take_one(&appointment).unwrap())).unwrap();
        prop_assert_eq!(record.status, status);
        let participants = record.participants.unwrap();
        prop_assert_eq!((participants.patient, participants.specialist), says);
        prop_assert_eq!((record.patient, record.specialist), (logical(&ids.0), logical(&ids.1)));
        let (first, last) = (record.start.unwrap(), record.end.unwrap());
        let (first, last) = (jiff::Timestamp::from(first), jiff::Timestamp::from(last));
        prop_assert_eq!(first, start);
        prop_assert_eq!(last.duration_since(first).as_mins(), i64::from(minutes));
    }
}
