//! Practitioners: who they are, and what proves that they may practise.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::code::Refusal;
use crate::fhir::datatype::{concept, contact_point, language, period, person_names, time_zone};
use crate::fhir::draft::{Draft, State, TypedLine};
use crate::fhir::element::Element;
use crate::fhir::names::Resource;
use crate::ingest::RecordType;

/// What a qualification says as a credential. Whether it is genuine is not the source's to say.
fn credential(qualification: &Element, at: usize, draft: &mut Draft) -> Result<Value, Refusal> {
    let mut fields = Map::new();
    let mut say = |name: &str, text: Option<(String, String)>| {
        if let Some((text, path)) = text {
            draft.place(&format!("credentials/{at}/{name}"), &path);
            fields.insert(name.to_owned(), text.into());
        }
    };
    let code = qualification
        .complex("code")?
        .ok_or_else(|| qualification.lacks("code"))?;
    let kind = concept(&code)?.ok_or_else(|| code.lacks("text"))?;
    say("kind", Some(kind));
    for identifier in qualification.complexes("identifier")? {
        if let Some(number) = identifier.text_of("value")? {
            say(
                "number",
                Some((number.to_owned(), format!("{}.value", identifier.path()))),
            );
            break;
        }
    }
    if let Some(issuer) = qualification.complex("issuer")? {
        let name = issuer.text_of("display")?;
        say(
            "issuer",
            name.map(|name| (name.to_owned(), format!("{}.display", issuer.path()))),
        );
    }
    let (from, to) = period(qualification, "period")?;
    let day = |day: jiff::civil::Date, name: &str| {
        Some((day.to_string(), format!("{}.period.{name}", qualification.path())))
    };
    say("valid_from", from.and_then(|from| day(from.first_day(), "start")));
    say("valid_to", to.and_then(|to| day(to.last_day(), "end")));
    Ok(fields.into())
}

/// The line that says what `practitioner` does, as of `state`.
pub(super) fn line(
    of: &Resource,
    practitioner: &Element,
    state: State,
    now: Timestamp,
) -> Result<TypedLine, Refusal> {
    let mut draft = Draft::new(RecordType::Specialists, of.1.clone(), practitioner.path());
    let names = person_names(practitioner)?;
    draft.say_text("given_name", names.given);
    draft.say_text("family_name", names.family);
    draft.say_text("email", contact_point(practitioner, &["email"])?);
    draft.say_text("phone", contact_point(practitioner, &["phone", "sms"])?);
    let mut languages = Vec::new();
    for told in practitioner.complexes("communication")? {
        if let Some(tag) = language(&told)? {
            languages.push((String::from(tag), told.path().to_owned()));
        }
    }
    draft.say_texts("languages", languages);
    if let Some((zone, path)) = time_zone(practitioner)? {
        draft.say("time_zone", zone.as_str(), &path);
    }
    let mut credentials = Vec::new();
    for (at, qualification) in practitioner.complexes("qualification")?.iter().enumerate() {
        draft.place(&format!("credentials/{at}"), qualification.path());
        credentials.push(credential(qualification, at, &mut draft)?);
    }
    if !credentials.is_empty() {
        draft.say("credentials", credentials, "Practitioner.qualification");
    }
    if practitioner.flag("active")? == Some(false) {
        draft.say("active", false, "Practitioner.active");
    }
    draft.line(state, now)
}
