//! What is told of patients and specialists alike.

use jiff::Timestamp;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::SiteId;
use portal_domain::money::Money;
use portal_domain::person::{FullName, Presence, Sort};
use portal_domain::search::Search;
use portal_domain::text::NamePart;
use portal_domain::time::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The order of a directory.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DirectorySort)]
pub enum SortFilter {
    /// By family name.
    Name,
    /// Who came last first.
    Newest,
}

/// How a directory is looked through, as it was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looking<'a> {
    pub(super) search: Option<&'a str>,
    pub(super) sort: Option<SortFilter>,
    pub(super) joined_from: Option<Moment>,
    pub(super) joined_until: Option<Moment>,
}

/// The same, understood.
pub(super) struct Look {
    pub(super) search: Option<Search>,
    pub(super) sort: Sort,
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
}

impl Looking<'_> {
    /// What is looked for, and in which order: by time where times are asked for.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`] for what cannot be searched, a range that ends before it begins, and an order by time of what is
    /// searched or an order by name of what came in a time.
    pub(super) fn look(self) -> Result<Look, Refusal> {
        let refused = |why: &'static str| Err(Refusal::new(Code::QueryInvalid, why));
        let (since, until) = (
            self.joined_from.map(Timestamp::from),
            self.joined_until.map(Timestamp::from),
        );
        if matches!((since, until), (Some(since), Some(until)) if since > until) {
            return refused("joined_from must not be after joined_until");
        }
        let is_in_time = since.is_some() || until.is_some();
        let sort = match self.sort {
            Some(SortFilter::Name) if is_in_time => {
                return refused("joined_from and joined_until are for the newest first");
            }
            Some(SortFilter::Newest) => Sort::Newest,
            None if is_in_time => Sort::Newest,
            _ => Sort::Name,
        };
        if self.search.is_some() && sort == Sort::Newest {
            return refused("what is searched is sorted by name");
        }
        Ok(Look {
            search: self.search.map(str::parse).transpose()?,
            sort,
            since,
            until,
        })
    }
}

/// Somebody at a site.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresenceView {
    /// The site.
    #[schema(example = "sit_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    pub site_id: String,
    /// When they came.
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Timestamp,
    /// `active` or `inactive`.
    #[schema(example = "active")]
    pub status: &'static str,
}

impl PresenceView {
    /// Where somebody is, of the sites that are seen.
    #[must_use]
    pub fn of(presences: &[Presence], is_seen: impl Fn(SiteId) -> bool) -> Vec<Self> {
        let seen = presences.iter().filter(|presence| is_seen(presence.site));
        seen.map(|presence| Self {
            site_id: presence.site.to_string(),
            joined_at: presence.joined_at,
            status: presence.status.as_str(),
        })
        .collect()
    }
}

/// A person's name.
#[derive(Debug, Serialize, ToSchema)]
pub struct NameView {
    /// The whole name.
    #[schema(example = "Mia Okafor")]
    pub full: Option<String>,
    /// The given names.
    pub given: Option<String>,
    /// The family name.
    pub family: Option<String>,
}

impl From<&FullName> for NameView {
    fn from(name: &FullName) -> Self {
        let text = |part: Option<&NamePart>| part.map(|part| part.as_str().to_owned());
        Self {
            full: name.display().map(String::from),
            given: text(name.given()),
            family: text(name.family()),
        }
    }
}

/// An amount of money.
#[derive(Debug, Serialize, ToSchema)]
pub struct PriceView {
    /// In the minor units of the currency.
    #[schema(example = 9000)]
    pub amount_minor: i64,
    /// The ISO 4217 code.
    #[schema(example = "EUR")]
    pub currency: String,
}

impl From<Money> for PriceView {
    fn from(money: Money) -> Self {
        Self {
            amount_minor: money.amount_minor,
            currency: money.currency.to_string(),
        }
    }
}
