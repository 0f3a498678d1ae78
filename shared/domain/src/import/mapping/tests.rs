use serde_json::json;

use super::*;

fn mapping() -> Value {
    json!({
        "columns": {
            "MRN": "/external/value",
            "Version": { "pointer": "/version", "type": "number" },
            "Changed": "/occurred_at",
            "Given": "/data/given_name",
            "E-Mail": "/data/email",
            "Site": "/data/registrations/0/site/value",
            "Since": "/data/registrations/0/joined_at",
            "Other site": "/data/registrations/1/site/value",
            "Other since": "/data/registrations/1/joined_at",
        },
        "constants": {
            "/op": "upsert",
            "/external/system": "mrn",
            "/data/registrations/0/site/system": "sites",
            "/data/registrations/1/site/system": "sites",
        },
    })
}

const HEADER: [&str; 10] = [
    "MRN",
    "Version",
    "Changed",
    "Given",
    "E-Mail",
    "Passed over",
    "Site",
    "Since",
    "Other site",
    "Other since",
];

fn read(mapping: Value) -> Mapping {
    json::read(mapping).unwrap()
}

fn sheet() -> Sheet {
    Sheet::new(&read(mapping()), &HEADER).unwrap()
}

#[test]
fn a_row_is_the_line_that_its_columns_and_the_constants_say() {
    let mapping = read(mapping());
    mapping.check(RecordType::Patients).unwrap();
    let row = [
        "17",
        "3",
        "2026-01-01T00:00:00Z",
        "Mia",
        "",
        "x",
        "north",
        "2026-01-02",
        "south",
        "2026-01-03",
    ];
    let registration =
        |site: &str, since: &str| json!({ "site": { "system": "sites", "value": site }, "joined_at": since });
    assert_eq!(
        sheet().line(&row).unwrap(),
        json!({
            "external": { "system": "mrn", "value": "17" }, "op": "upsert", "version": 3,
            "occurred_at": "2026-01-01T00:00:00Z",
            "data": {
                "given_name": "Mia",
                "registrations": [registration("north", "2026-01-02"), registration("south", "2026-01-03")],
            },
        })
    );
}

#[test]
fn what_says_nothing_is_left_out_with_what_is_constant_in_it() {
    let sheet = sheet();
    let row = ["17", "", "2026", "Mia", "", "", "", "", "south", ""];
    let line = sheet.line(&row).unwrap();
    assert_eq!(
        line["data"],
        json!({ "given_name": "Mia", "registrations": [{ "site": { "system": "sites", "value": "south" } }] })
    );
    assert_eq!(line.get("version"), None);
    // The column of a place is told as the row fills it
    let told = sheet.told(&row);
    for (pointer, column) in [
        ("/data/given_name", Some("Given")),
        ("/data/registrations/0/site", Some("Other site")),
        ("/data/registrations/0", Some("Other since")),
        ("/data/registrations/1", None),
        ("/external", Some("MRN")),
        ("/external/value", Some("MRN")),
        ("/op", None),
        ("/data/unknown", None),
        ("", None),
    ] {
        assert_eq!(sheet.column(pointer, &told), column, "{pointer}");
    }
    let external = json!({ "system": "mrn", "value": "17" });
    assert_eq!(sheet.external(&["17", "x"]), Some(external));
    assert_eq!(sheet.external(&[]), None);
    let line = sheet
        .line(&["17", "1", "2026", "", "", "", "", "", "", ""])
        .unwrap();
    assert_eq!(line.get("data"), None);
}

#[test]
fn numbers_and_truth_are_declared() {
    let mapping = read(json!({ "columns": {
        "a": { "pointer": "/data/n", "type": "number" }, "b": { "pointer": "/data/t", "type": "boolean" },
    } }));
    let sheet = Sheet::new(&mapping, &["a", "b"]).unwrap();
    for (row, data) in [
        (["12", "true"], json!({ "n": 12, "t": true })),
        (["-1.5", "false"], json!({ "n": -1.5, "t": false })),
        (["", "false"], json!({ "t": false })),
    ] {
        assert_eq!(sheet.line(&row).unwrap()["data"], data);
    }
    for (row, pointer) in [
        (["1,5", "true"], "/data/n"),
        (["007", "true"], "/data/n"),
        (["true", "true"], "/data/n"),
        (["1", "yes"], "/data/t"),
    ] {
        let refusal = sheet.line(&row).unwrap_err();
        assert_eq!(refusal.errors[0].pointer, pointer);
        assert!(!refusal.detail.contains(row[0]));
    }
    assert_eq!(sheet.line(&["1"]).unwrap_err().code, Code::MalformedBody);
    assert_eq!(sheet.external(&["1"]), None);
}

#[test]
fn a_mapping_that_makes_no_line_is_refused_with_its_place() {
    let with = |part: &str, name: &str, value: Value| {
        let mut mapping = mapping();
        mapping[part][name] = value;
        mapping
    };
    let without = |part: &str, name: &str| {
        let mut mapping = mapping();
        mapping[part].as_object_mut().unwrap().remove(name);
        mapping
    };
    for (wrong, pointer) in [
        (with("columns", "x", json!("data/given_name")), "/columns/x"),
        (with("columns", "a/b", json!("/data/frist_name")), "/columns/a~1b"),
        (with("columns", "x", json!("/data")), "/columns/x"),
        (with("columns", "x", json!("/source")), "/columns/x"),
        (with("columns", "x", json!("/external/value")), "/columns/x"),
        (with("columns", "x", json!("/data/given_name/x")), "/columns/x"),
        (with("columns", "x", json!("/data/registrations")), "/columns/x"),
        (with("columns", "x", json!("/data/address/1")), "/columns"),
        (with("columns", "Version", json!("/version")), "/columns/Version"),
        (
            with("columns", "x", json!({ "pointer": "/op", "type": "number" })),
            "/columns/x",
        ),
        (with("columns", "", json!("/data/phone")), "/columns/"),
        (with("constants", "/op", json!("patch")), "/constants/~1op"),
        (with("constants", "/op/x", json!(1)), "/constants/~1op~1x"),
        (with("constants", "/version", json!("1")), "/constants/~1version"),
        (
            with("constants", "/data/phone", json!("0".repeat(LARGEST_CONSTANTS))),
            "/constants",
        ),
        (without("constants", "/op"), "/columns"),
        (without("constants", "/external/system"), "/columns"),
        (without("columns", "MRN"), "/columns"),
        (without("columns", "Changed"), "/columns"),
    ] {
        let refusal = read(wrong.clone()).check(RecordType::Patients).unwrap_err();
        assert_eq!(refusal.errors[0].pointer, pointer, "{wrong}: {refusal:?}");
    }
    assert!(read(mapping()).check(RecordType::Sites).is_err());
}

#[test]
fn a_header_has_every_mapped_column_once() {
    let mapping = read(json!({ "columns": { "a": "/data/x", "b": "/data/y" } }));
    for (header, said) in [
        (&["a", "c"][..], "no column \"b\""),
        (&["b", "a", "b"][..], "more than one column \"b\""),
        (&[][..], "no column \"a\""),
    ] {
        let refusal = Sheet::new(&mapping, header).unwrap_err();
        assert_eq!(refusal.code, Code::ImportHeaderInvalid);
        assert!(refusal.detail.ends_with(said), "{refusal:?}");
    }
}

#[test]
fn a_mapping_reads_back_as_it_was_stored() {
    let mapping = read(mapping());
    let stored = serde_json::to_value(&mapping).unwrap();
    assert_eq!(serde_json::from_value::<Mapping>(stored).unwrap(), mapping);
}
