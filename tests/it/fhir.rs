//! What a source tells in FHIR R4: the examples of HL7 in the lists of who may see them, and what is refused entry by entry.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::directory::names;
use crate::support::service::{Service, TOKENS, upsert};
use crate::support::{Answer, Clinic, Portal};

const PATH: &str = "/v1/fhir/R4";

/// An example of HL7.
fn example(name: &str) -> Value {
    let path = format!("{}/fixtures/fhir/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    serde_json::from_str(&text).expect(&path)
}

/// `resource` with `value` in `field`.
fn with(mut resource: Value, field: &str, value: Value) -> Value {
    resource[field] = value;
    resource
}

/// An entry that sends a resource as it is.
fn post(resource: &Value) -> Value {
    json!({ "resource": resource, "request": { "method": "POST", "url": resource["resourceType"] } })
}

fn delete(url: &str) -> Value {
    json!({ "request": { "method": "DELETE", "url": url } })
}

fn bundle(entries: &[Value]) -> Value {
    json!({ "resourceType": "Bundle", "type": "batch", "entry": entries })
}

/// The organization that the patients of the examples name, which is not among these: a part of the one that is.
fn ward() -> Value {
    json!({
        "resourceType": "Organization", "id": "1", "name": "Acme Healthcare",
        "partOf": { "reference": "Organization/f001" },
    })
}

/// The examples, those that name others first.
fn examples() -> Vec<Value> {
    let examples = [
        "appointment-example",
        "practitionerrole-example",
        "patient-example",
        "patient-pat3",
        "practitioner-example",
        "location-1",
        "organization-f001",
    ];
    examples.map(example).into_iter().chain([ward()]).collect()
}

impl Service {
    async fn fhir(&self, query: &str, body: &Value) -> Answer {
        self.raw_fhir(query, "application/fhir+json", body.to_string())
            .await
    }

    async fn raw_fhir(&self, query: &str, media_type: &str, body: String) -> Answer {
        let request = self.request(Method::POST, &format!("{PATH}{query}"));
        request.raw(media_type, body).send().await
    }

    /// What became of each entry, in a word.
    async fn entries(&self, entries: &[Value]) -> Vec<String> {
        self.fhir("", &bundle(entries)).await.told()
    }

    /// What became of each resource, sent as it is.
    async fn resources(&self, resources: &[Value]) -> Vec<String> {
        let entries: Vec<Value> = resources.iter().map(post).collect();
        self.entries(&entries).await
    }
}

impl Answer {
    /// What became of each entry: its status, and of those that were refused why and where.
    #[track_caller]
    fn told(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/fhir+json");
        let bundle = self.json();
        assert_eq!(
            (&bundle["resourceType"], &bundle["type"]),
            (&json!("Bundle"), &json!("batch-response"))
        );
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| told(&entry["response"])).collect()
    }

    /// The first issue of an outcome in place of a Bundle.
    #[track_caller]
    fn outcome(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/fhir+json");
        assert_eq!(self.text_at("/resourceType"), "OperationOutcome");
        told(&json!({ "status": status.to_string(), "outcome": self.json() }))
    }
}

fn told(response: &Value) -> String {
    let text = |pointer: &str| {
        let found = response.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let parts = [
        text("/status"),
        text("/outcome/issue/0/details/coding/0/code"),
        text("/outcome/issue/0/expression/0"),
    ];
    parts.join(" ").trim_end().to_owned()
}

/// A source whose site the organization of the examples is, and a clinic that is bound to it.
async fn source(portal: &Portal) -> (Service, Clinic<'_>) {
    let (service, clinic) = (portal.service("ehr").await, portal.clinic().await);
    let site = json!({ "name": "Burgers University Medical Center", "status": "live" });
    let line = upsert("urn:oid:2.16.528.1", "91654", 1, &site);
    let answer = service.feed("sites", &[line]).await.expect(200);
    let site = answer.text_at("/results/0/id");
    clinic.bind(&site, "owner", true).await.expect(200);
    (service, clinic)
}

/// What an admin of the clinic sees of the examples.
async fn seen(clinic: &Clinic<'_>) -> Value {
    let admin = &clinic.admin;
    let bookings = admin.all(&clinic.path("/bookings")).await;
    let told = |booking: &Value| {
        json!({
            "patient": booking["patient"]["name"], "specialist": booking["specialist"]["name"],
            "status": booking["status"], "start": booking["start"], "service": booking["service"],
        })
    };
    let specialists = admin.all(&clinic.path("/specialists")).await;
    let mut profiles = Vec::new();
    for specialist in &specialists {
        let id = specialist["id"].as_str().unwrap();
        let profile = admin
            .get(&clinic.path(&format!("/specialists/{id}")))
            .await
            .expect(200);
        let profile = &profile.json()["profile"];
        profiles.push(json!({
            "name": profile["name"]["full"], "specializations": profile["specializations"],
            "availability": profile["availability"],
        }));
    }
    json!({
        "patients": names(admin, &clinic.path("/patients")).await,
        "specialists": profiles,
        "bookings": bookings.iter().map(told).collect::<Vec<Value>>(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_hl7_are_in_the_lists_of_who_may_see_them() {
    let portal = Portal::start().await;
    let (service, clinic) = source(&portal).await;
    let entries: Vec<Value> = examples().iter().map(post).collect();

    // Tried, each is decided as if those that it names were there; and nothing is
    let tried = service.fhir("?dry_run=true", &bundle(&entries)).await.told();
    assert_eq!(tried[0], "201");
    assert!(clinic.admin.all(&clinic.path("/patients")).await.is_empty());

    let answer = service.fhir("", &bundle(&entries)).await;
    assert_eq!(answer.told(), ["201"; 8]);
    assert_eq!(answer.text_at("/entry/2/response/location"), "Patient/example");
    let record = answer.text_at("/entry/2/response/extension/0/valueString");
    let profile = clinic
        .admin
        .get(&clinic.path(&format!("/patients/{record}")))
        .await
        .expect(200);
    assert_eq!(profile.text_at("/identity/name/full"), "Peter James Chalmers");

    let seen = seen(&clinic).await;
    assert_eq!(
        seen["patients"],
        json!(["Peter James Chalmers", "Simon Notsowell"])
    );
    assert_eq!(seen["specialists"][0]["name"], "Adam Careful");
    assert_eq!(
        seen["specialists"][0]["specializations"],
        json!(["General medical practice"])
    );
    assert_eq!(
        seen["bookings"],
        json!([{
            "patient": "Peter James Chalmers", "specialist": "Adam Careful", "status": "booked",
            "start": "2013-12-10T09:00:00Z", "service": "General Discussion",
        }])
    );
    // A place is none of the sites
    assert_eq!(
        clinic.site_names(&clinic.admin).await,
        ["Burgers University Medical Center"]
    );

    // Sent again, it is known
    let again = service.fhir("", &bundle(&entries)).await;
    assert_eq!(again.told(), ["200"; 8]);
    assert_eq!(self::seen(&clinic).await, seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_after_the_other_and_as_lines_they_come_to_the_same() {
    let portal = Portal::start().await;
    let (service, clinic) = source(&portal).await;
    let mut resources = examples();
    resources.reverse();
    // The ward comes before what it is a part of: that is found when it is there
    for resource in &resources {
        let taken = service.fhir("", resource).await.told();
        let kind = &resource["resourceType"];
        assert_eq!(taken, ["201"], "{kind}");
    }
    let one_by_one = seen(&clinic).await;

    let other = Portal::start().await;
    let (service, clinic) = source(&other).await;
    let lines: Vec<String> = examples().iter().map(Value::to_string).collect();
    let answer = service
        .raw_fhir("", "application/fhir+ndjson", lines.join("\n\n"))
        .await;
    assert_eq!(answer.told(), ["201"; 8]);
    assert_eq!(seen(&clinic).await, one_by_one);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_is_taken_or_refused_for_itself() {
    let portal = Portal::start().await;
    let (service, clinic) = source(&portal).await;
    let appointment = |id: &str| with(example("appointment-example"), "id", json!(id));
    let participants = |value: Value| with(appointment("p"), "participant", value);
    let of = |reference: &str| json!({ "actor": { "reference": reference }, "status": "accepted" });
    let (peter, simon, adam) = (
        of("Patient/example"),
        of("Patient/pat3"),
        of("Practitioner/example"),
    );
    let mut entries: Vec<Value> = examples().iter().map(post).collect();
    let refused = [
        (
            with(appointment("a"), "status", json!("on-hold")),
            "422 fields_invalid Appointment.status",
        ),
        (
            participants(json!([peter, simon, adam, of("Location/1")])),
            "422 participants_invalid Appointment.participant",
        ),
        (
            participants(json!([peter, of("Location/1")])),
            "422 participants_invalid Appointment.participant",
        ),
        (
            participants(json!([of("Patient/nobody"), adam, of("Location/1")])),
            "422 reference_unknown Appointment.participant[0].actor",
        ),
        (
            participants(json!([peter, adam, of("Location/nowhere")])),
            "422 reference_unknown Appointment.participant[2].actor",
        ),
        (
            with(appointment("e"), "end", json!("2013-12-10T08:00:00Z")),
            "422 fields_invalid Appointment.end",
        ),
        (
            with(
                with(example("patient-example"), "id", json!("x")),
                "gender",
                json!("m"),
            ),
            "409 resource_duplicate Patient.identifier",
        ),
        (
            with(
                example("practitionerrole-example"),
                "practitioner",
                json!({ "reference": "Practitioner/nobody" }),
            ),
            "422 field_fixed PractitionerRole.practitioner",
        ),
        (
            json!({ "resourceType": "Consent", "id": "c" }),
            "422 resource_unsupported Bundle.entry[16].request.url",
        ),
    ];
    entries.extend(refused.iter().map(|(resource, _)| post(resource)));
    entries.push(json!({ "request": { "method": "GET", "url": "Patient/example" } }));
    let answer = service.fhir("", &bundle(&entries)).await;
    let told = answer.told();
    assert_eq!(told[..8], ["201"; 8]);
    for ((_, expected), told) in refused.iter().zip(&told[8..]) {
        assert_eq!(told, expected);
    }
    assert_eq!(
        told[17],
        "422 interaction_unsupported Bundle.entry[17].request.method"
    );
    // An outcome says nothing of whom it is about
    assert!(!answer.text.contains("Chalmers") && !answer.text.contains("Careful"));
    let issue = &answer.json()["entry"][8]["response"]["outcome"]["issue"][0];
    assert_eq!(
        (&issue["severity"], &issue["code"]),
        (&json!("error"), &json!("value"))
    );
    assert!(issue["diagnostics"].is_string(), "{issue}");
    assert_eq!(seen(&clinic).await["bookings"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_before_its_practitioner_is_refused_and_taken_afterwards() {
    let portal = Portal::start().await;
    let (service, clinic) = source(&portal).await;
    let role = example("practitionerrole-example");
    let told = service
        .resources(&[example("organization-f001"), role.clone()])
        .await;
    assert_eq!(
        told,
        ["201", "422 reference_unknown PractitionerRole.practitioner"]
    );
    let told = service.resources(&[example("practitioner-example")]).await;
    assert_eq!(told, ["201"]);
    assert!(seen(&clinic).await["specialists"].as_array().unwrap().is_empty());
    assert_eq!(service.resources(std::slice::from_ref(&role)).await, ["201"]);
    assert_eq!(seen(&clinic).await["specialists"][0]["name"], "Adam Careful");

    // Told anew, a practitioner keeps the roles, and a role is replaced and deleted for itself
    let renamed = with(
        example("practitioner-example"),
        "name",
        json!([{ "family": "Carefree", "given": ["Adam"] }]),
    );
    assert_eq!(service.resources(&[renamed]).await, ["200"]);
    let mut second = with(role.clone(), "id", json!("second"));
    second["identifier"] = json!([{ "system": "urn:roles", "value": "2" }]);
    second["specialty"] = json!([{ "text": "Sleep medicine" }]);
    assert_eq!(service.resources(&[second]).await, ["201"]);
    let now = seen(&clinic).await;
    assert_eq!(now["specialists"][0]["name"], "Adam Carefree");
    assert_eq!(
        now["specialists"][0]["specializations"],
        json!(["General medical practice", "Sleep medicine"])
    );
    assert_eq!(
        service.entries(&[delete("PractitionerRole/example")]).await,
        ["200"]
    );
    assert_eq!(
        seen(&clinic).await["specialists"][0]["specializations"],
        json!(["Sleep medicine"])
    );
    assert_eq!(
        service.entries(&[delete("PractitionerRole/second")]).await,
        ["200"]
    );
    assert!(seen(&clinic).await["specialists"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_state_of_a_resource_stays() {
    let portal = Portal::start().await;
    let (service, clinic) = source(&portal).await;
    service.resources(&examples()).await;
    let version = |version: &str, family: &str| {
        let mut patient = with(example("patient-pat3"), "id", json!("versioned"));
        patient["identifier"] = json!([{ "system": "mrn", "value": "9" }]);
        patient["meta"] = json!({ "versionId": version, "lastUpdated": "2026-01-01T00:00:00Z" });
        patient["name"] = json!([{ "family": family }]);
        patient
    };
    let sent = |patient: Value| {
        let service = &service;
        async move { service.resources(&[patient]).await.remove(0) }
    };
    let family = async || {
        let names = names(&clinic.admin, &clinic.path("/patients")).await;
        names.into_iter().find(|name| !name.contains(' '))
    };
    let answer = service.fhir("", &version("2", "Two")).await;
    assert_eq!(answer.told(), ["201"]);
    assert_eq!(answer.text_at("/entry/0/response/etag"), "W/\"2\"");
    let answer = service.fhir("", &version("1", "One")).await;
    assert_eq!(answer.text_at("/entry/0/response/status"), "200");
    assert_eq!(
        answer.text_at("/entry/0/response/outcome/issue/0/severity"),
        "information"
    );
    assert_eq!(family().await.as_deref(), Some("Two"));
    assert_eq!(sent(version("2", "Other")).await, "409 version_conflict");
    assert_eq!(sent(version("3", "Three")).await, "200");
    assert_eq!(family().await.as_deref(), Some("Three"));

    // What is deleted is in no list, and may come again
    assert_eq!(service.entries(&[delete("Patient/versioned")]).await, ["200"]);
    assert_eq!(family().await, None);
    let undated = with(version("4", "Four"), "meta", Value::Null);
    assert_eq!(sent(undated).await, "201");
    assert_eq!(family().await.as_deref(), Some("Four"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_takes_the_resources_that_its_scopes_are_about() {
    let portal = Portal::start().await;
    let (_, clinic) = source(&portal).await;
    let wanted = json!({ "source": "ehr", "scopes": ["sites", "patients"] });
    let made = portal.operator().post(TOKENS, wanted).await.expect(201);
    let service = portal.service_with(&made.text_at("/secret"));
    let told = service.resources(&examples()).await;
    let missing = "403 token_scope_missing";
    assert_eq!(
        told,
        [missing, missing, "201", "201", missing, "201", "201", "201"]
    );
    assert_eq!(names(&clinic.admin, &clinic.path("/patients")).await.len(), 2);

    // Who is sponsored is told by enrollments
    let sponsored = with(
        with(example("patient-pat3"), "deceasedDateTime", Value::Null),
        "managingOrganization",
        json!({ "identifier": { "value": clinic.id } }),
    );
    assert_eq!(
        service.resources(std::slice::from_ref(&sponsored)).await,
        [missing]
    );
    let all = portal.service("ehr").await;
    assert_eq!(all.resources(&[sponsored]).await, ["200"]);

    // Another source's resources are others
    let other = portal.service("other").await;
    let told = other.resources(&[example("patient-example")]).await;
    assert_eq!(told, ["422 site_unknown Patient.managingOrganization"]);
    portal
        .person("nobody")
        .post(PATH, bundle(&[]))
        .await
        .expect_problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_batch_is_refused_as_a_whole() {
    let portal = Portal::start().await;
    let (service, _) = source(&portal).await;
    let transaction = with(
        bundle(&[post(&example("patient-example"))]),
        "type",
        json!("transaction"),
    );
    let answer = service.fhir("", &transaction).await;
    assert_eq!(answer.outcome(422), "422 resource_unsupported Bundle.type");
    assert_eq!(
        answer.text_at("/issue/0/diagnostics"),
        "only a Bundle of type batch is read"
    );
    let patient = example("patient-example").to_string();
    for (query, media_type, body, status, expected) in [
        ("", "application/fhir+json", "{", 400, "400 malformed_body"),
        ("", "application/fhir+ndjson", "\n", 400, "400 malformed_body"),
        (
            "?site=north",
            "application/fhir+json",
            &patient,
            422,
            "422 fields_invalid site",
        ),
        (
            "?systems=a,",
            "application/fhir+json",
            &patient,
            422,
            "422 text_invalid systems",
        ),
    ] {
        let answer = service.raw_fhir(query, media_type, body.to_owned()).await;
        assert_eq!(answer.outcome(status), expected);
    }
    let many = format!("{patient}\n").repeat(1_001);
    let answer = service.raw_fhir("", "application/fhir+ndjson", many).await;
    assert_eq!(answer.outcome(413), "413 body_too_large");
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    service
        .raw_fhir("", "application/fhir+json", large)
        .await
        .expect_problem(413, "body_too_large");
    service
        .raw_fhir("", "application/fhir+xml", patient.clone())
        .await
        .expect_problem(415, "media_type_unsupported");

    // A site that nothing names is said by the request
    let anywhere = with(example("patient-pat3"), "managingOrganization", Value::Null);
    let answer = service
        .raw_fhir(
            "?site=urn:oid:2.16.528.1%7C91654",
            "application/json",
            anywhere.to_string(),
        )
        .await;
    assert_eq!(answer.told(), ["201"]);
}
