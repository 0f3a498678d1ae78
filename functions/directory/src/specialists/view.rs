//! What is told of specialists: as much as the caller's projection has.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use portal_domain::locale::LanguageTag;
use portal_domain::organization::ZoneName;
use portal_domain::specialist::{
    Credential, Price, Profile, RequestedOfSpecialist, Review, Specialist, Window,
};
use portal_domain::text::{CredentialText, NamePart, ProfileLine};
use portal_http::View;
use portal_http::listing::people::{NameView, PresenceView, PriceView};
use portal_http::listing::specialists::Seen;
use serde::Serialize;
use utoipa::ToSchema;

fn lines(lines: &[ProfileLine]) -> Vec<String> {
    lines.iter().map(|line| line.as_str().to_owned()).collect()
}

fn zone(zone: &ZoneName) -> String {
    zone.as_str().to_owned()
}

/// A specialist's profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpecialistView {
    /// The specialist.
    #[schema(example = "spc_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// Who it is, and what they offer; null without `specialists.read`.
    profile: Option<SpecialistProfileView>,
    /// What a session costs; null without `transactions.read`.
    price: Option<PriceView>,
    /// What a session has cost, the last price first, at most 100; null without `transactions.read`.
    price_history: Option<Vec<SpecialistPriceView>>,
    /// What proves that they may practise; null without `specialists.read`.
    credentials: Option<Vec<CredentialView>>,
    /// Whether they may.
    review: SpecialistReviewView,
    /// Whether they can be booked, as far as review and credentials go: approved, and every credential that is required is good now.
    listed: bool,
    /// Where they practise, of the sites that the caller sees.
    assignments: Vec<PresenceView>,
    /// What members want changed, and the system that the specialist comes from has not answered yet; null
    /// without `specialists.read`.
    requested: Option<SpecialistRequestView>,
    /// The name of the system that the specialist comes from; null where they were made here.
    source: Option<String>,
    /// When the specialist was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When the specialist last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl View for SpecialistView {}

/// Who a specialist is, and what they offer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpecialistProfileView {
    /// The name.
    name: NameView,
    /// The address for mails.
    email: Option<String>,
    /// The telephone number.
    phone: Option<String>,
    /// The language the person is addressed in (BCP 47).
    #[schema(example = "de-AT")]
    locale: Option<String>,
    /// The IANA zone in which they live.
    #[schema(example = "Europe/Vienna")]
    time_zone: Option<String>,
    /// The languages in which they hold sessions (BCP 47).
    languages: Vec<String>,
    /// What they are specialized in, the foremost first.
    specializations: Vec<String>,
    /// What else they are experienced in.
    expertise: Vec<String>,
    /// Where and what they learned.
    education: Vec<String>,
    /// For how many years they have practised.
    experience_years: Option<u8>,
    /// How long a session is.
    session_minutes: Option<u16>,
    /// When they hold sessions, every week, in their time zone.
    availability: Vec<AvailabilityWindowView>,
}

/// A window of every week.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AvailabilityWindowView {
    /// `monday` to `sunday`.
    #[schema(example = "monday")]
    day: &'static str,
    /// When it begins.
    #[schema(example = "09:00")]
    from: String,
    /// When it ends; `24:00` ends the day.
    #[schema(example = "12:30")]
    until: String,
}

/// What a session cost from a time on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpecialistPriceView {
    /// From when on.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// How much.
    amount: PriceView,
}

/// A credential of a specialist.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CredentialView {
    /// What it is.
    kind: String,
    /// Its number.
    number: Option<String>,
    /// Who issued it.
    issuer: Option<String>,
    /// Where it is good.
    jurisdiction: Option<String>,
    /// The first day on which it is, in the specialist's time zone.
    #[schema(value_type = Option<String>, format = Date)]
    valid_from: Option<Date>,
    /// The last day on which it is.
    #[schema(value_type = Option<String>, format = Date)]
    valid_to: Option<Date>,
    /// Whether the specialist may not practise without it.
    required: bool,
    /// `unverified`, `upcoming`, `verified`, `expiring` (within 60 days), `expired` or `revoked`, now.
    #[schema(example = "verified")]
    status: &'static str,
}

/// Whether a specialist may practise.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpecialistReviewView {
    /// `draft`, `submitted`, `in_review`, `changes_requested`, `approved`, `rejected`, `suspended` or `archived`.
    #[schema(example = "approved")]
    status: &'static str,
    /// Since when; null for a draft.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// The account of whoever decided it.
    decided_by: Option<String>,
    /// Why.
    reason: Option<String>,
}

/// What members want changed of a specialist. What is not asked for is null.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpecialistRequestView {
    /// The given names.
    given_name: Option<String>,
    /// The family name.
    family_name: Option<String>,
    /// The address for mails.
    email: Option<String>,
    /// The telephone number.
    phone: Option<String>,
    /// The language.
    locale: Option<String>,
    /// The time zone.
    time_zone: Option<String>,
    /// The length of a session.
    session_minutes: Option<u16>,
    /// The price; null without `transactions.read`.
    price: Option<PriceView>,
    /// The windows.
    availability: Option<Vec<AvailabilityWindowView>>,
    /// The account of whoever asked last.
    requested_by: String,
    /// When they did.
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
}

impl SpecialistView {
    pub(crate) fn new(specialist: &Specialist, prices: &[Price], seen: Seen) -> Self {
        let zone = specialist.profile.time_zone.clone().unwrap_or_default().zone();
        let credentials = specialist.credentials.iter();
        let price_of = |price: &Price| SpecialistPriceView {
            from: price.from,
            amount: price.amount.into(),
        };
        let credential = |credential: &Credential| CredentialView::new(credential, &zone, seen.now);
        let is_known = seen.projection.specialists;
        let requested = specialist.requested.as_ref().filter(|_| is_known);
        let sourced = specialist.sourced.as_ref();
        Self {
            id: specialist.id.to_string(),
            profile: is_known.then(|| (&specialist.profile).into()),
            price: specialist.price.and_then(|price| seen.price(price.amount)),
            price_history: seen
                .projection
                .money
                .then(|| prices.iter().map(price_of).collect()),
            credentials: is_known.then(|| credentials.map(credential).collect()),
            review: (&specialist.review).into(),
            listed: specialist.is_listed(seen.now),
            assignments: PresenceView::of(&specialist.assignments, |site| seen.is_shown(site)),
            requested: requested.map(|requested| SpecialistRequestView::new(requested, seen)),
            source: sourced.map(|sourced| sourced.source.to_string()),
            created_at: specialist.created_at,
            updated_at: specialist.updated_at,
        }
    }
}

impl From<&Profile> for SpecialistProfileView {
    fn from(profile: &Profile) -> Self {
        let windows = profile.availability.windows().iter();
        Self {
            name: (&profile.name).into(),
            email: profile.email.as_ref().map(|email| email.as_str().to_owned()),
            phone: profile.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            locale: profile.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            time_zone: profile.time_zone.as_ref().map(zone),
            languages: profile
                .languages
                .iter()
                .map(LanguageTag::as_str)
                .map(str::to_owned)
                .collect(),
            specializations: lines(&profile.specializations),
            expertise: lines(&profile.expertise),
            education: lines(&profile.education),
            experience_years: profile.experience_years,
            session_minutes: profile.session_minutes,
            availability: windows.map(Into::into).collect(),
        }
    }
}

impl From<&Window> for AvailabilityWindowView {
    fn from(window: &Window) -> Self {
        Self {
            day: window.day.as_str(),
            from: window.from.to_string(),
            until: window.until.to_string(),
        }
    }
}

impl CredentialView {
    fn new(credential: &Credential, zone: &TimeZone, now: Timestamp) -> Self {
        let text = |text: &CredentialText| text.as_str().to_owned();
        Self {
            kind: text(&credential.kind),
            number: credential.number.as_ref().map(text),
            issuer: credential.issuer.as_ref().map(text),
            jurisdiction: credential.jurisdiction.as_ref().map(text),
            valid_from: credential.valid_from,
            valid_to: credential.valid_to,
            required: credential.required,
            status: credential.status(zone, now).as_str(),
        }
    }
}

impl From<&Review> for SpecialistReviewView {
    fn from(review: &Review) -> Self {
        let decided = review.decided();
        let reason = decided.and_then(|decided| decided.reason.as_ref());
        Self {
            status: review.status().as_str(),
            since: review.since(),
            decided_by: decided.map(|decided| decided.by.to_string()),
            reason: reason.map(|reason| reason.as_str().to_owned()),
        }
    }
}

impl SpecialistRequestView {
    fn new(requested: &RequestedOfSpecialist, seen: Seen) -> Self {
        let wanted = &requested.wanted;
        let part = |part: &NamePart| part.as_str().to_owned();
        let windows = wanted
            .availability
            .as_ref()
            .map(|availability| availability.windows().iter());
        Self {
            given_name: wanted.given_name.as_ref().map(part),
            family_name: wanted.family_name.as_ref().map(part),
            email: wanted.email.as_ref().map(|email| email.as_str().to_owned()),
            phone: wanted.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            locale: wanted.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            time_zone: wanted.time_zone.as_ref().map(zone),
            session_minutes: wanted.session_minutes,
            price: wanted.price.and_then(|price| seen.price(price)),
            availability: windows.map(|windows| windows.map(Into::into).collect()),
            requested_by: requested.by.to_string(),
            requested_at: requested.at,
        }
    }
}
