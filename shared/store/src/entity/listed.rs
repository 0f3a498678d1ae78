//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | R1 | patients of the platform by name | by-org | `PLATFORM#PATIENT#{0..15}` | folded name, patient |
//! | R2 | patients of the platform, who came last first | by-patient | `PLATFORM#PATIENT#NEW#{0..15}` | time, patient |
//! | R3 | patients of a site by name | by-site | `SITE#{site}#PATIENT#{shard}` | folded name, patient |
//! | R4 | patients of a site, who came last first | by-specialist | `SITE#{site}#PATIENT#NEW#{shard}` | time, patient |
//! | R5 | patients whose name or address begins so | table | `FIND#PLATFORM#PATIENT`, `FIND#SITE#{site}#PATIENT` | token, patient |
//! | R6 | specialists of the platform by name | by-org | `PLATFORM#SPECIALIST#{0..15}` | folded name, specialist |
//! | R7 | specialists of the platform, who came last first | by-patient | `PLATFORM#SPECIALIST#NEW#{0..15}` | time, specialist |
//! | R8 | specialists of a site by name | by-site | `SITE#{site}#SPECIALIST#{shard}` | folded name, specialist |
//! | R9 | specialists of a site, who came last first | by-specialist | `SITE#{site}#SPECIALIST#NEW#{shard}` | time, specialist |
//! | R10 | specialists whose name begins so | table | `FIND#PLATFORM#SPECIALIST`, `FIND#SITE#{site}#SPECIALIST` | token, specialist |
//! | R11 | the copies of a person's row | table | `PATIENT#{patient}`, `SPECIALIST#{specialist}` | `SITE#{site}` or `PLATFORM` |
//!
//! Directories list copies of a row: one for the platform and one for each site, in the partition of the person, and one more
//! for each of these under each token. They are written with the person, in the same transaction.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use portal_domain::code::Code;
use portal_domain::id::SiteId;
use portal_domain::person::{FullName, Presence};
use portal_domain::reach::{MOST_SOURCES, Of, PLATFORM_SHARDS, Reach, Source};
use portal_domain::search::Search;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::{Entity, site};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::merge::{FIRST, Merged};
use crate::page::{Page, Position};
use crate::table::{Index, Key, sortable};
use crate::transaction::{Failing, Transaction};

const PLATFORM: &str = "PLATFORM";
/// Behind the last key of names, which are in all scripts.
const LAST_NAME: &str = "\u{10ffff}";
/// What a row is searched by beside the token it is found under.
const WORDS: &str = "words";

/// A row of a directory.
pub(crate) trait Row: Clone + PartialEq + Serialize + DeserializeOwned {
    /// Whose.
    const OF: Of;
    /// What copies of it are called in the table.
    const COPY: &'static str;
    /// What copies under a token are.
    const FOUND: &'static str;
    /// What the partitions of its collections are called.
    const COLLECTION: &'static str;

    /// The partition that the person is in.
    fn partition(&self) -> String;
    /// The person's id.
    fn id(&self) -> String;
    /// A number that spreads people over partitions.
    fn number(&self) -> u128;
    /// The name.
    fn name(&self) -> &FullName;
    /// Where the person is.
    fn presences(&self) -> &[Presence];
    /// Since when the person is there.
    fn since(&self, site: Option<SiteId>) -> Timestamp;
    /// Whether, of the sites that are seen, this is where the person came last.
    fn came_last_to(&self, site: SiteId, seen: impl Fn(SiteId) -> bool) -> bool;
    /// What the person is found under.
    fn tokens(&self) -> Vec<String>;
}

/// A row where it is listed: at a site, or on the whole platform.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Copy<R> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    site: Option<SiteId>,
    #[serde(flatten)]
    row: R,
}

/// The same under one of its tokens.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found<R> {
    token: String,
    #[serde(flatten)]
    copy: Copy<R>,
}

/// A collection: who is listed at a site, or on the platform.
fn collection<R: Row>(site: Option<SiteId>) -> String {
    let owner = site.map_or_else(|| PLATFORM.to_owned(), site::partition);
    format!("{owner}#{}", R::COLLECTION)
}

fn by_name<R: Row>(site: Option<SiteId>, shard: u8) -> (Index, String) {
    let index = if site.is_some() {
        Index::BySite
    } else {
        Index::ByOrg
    };
    (index, format!("{}#{shard}", collection::<R>(site)))
}

fn by_time<R: Row>(site: Option<SiteId>, shard: u8) -> (Index, String) {
    let index = if site.is_some() {
        Index::BySpecialist
    } else {
        Index::ByPatient
    };
    (index, format!("{}#NEW#{shard}", collection::<R>(site)))
}

fn found_in<R: Row>(site: Option<SiteId>) -> String {
    format!("FIND#{}", collection::<R>(site))
}

/// The instant as a sort key; nothing comes before the epoch.
fn moment(at: Timestamp) -> String {
    sortable(at.max(Timestamp::UNIX_EPOCH))
}

impl<R: Row> Copy<R> {
    fn shard(&self) -> u8 {
        let presence = self
            .row
            .presences()
            .iter()
            .find(|presence| Some(presence.site) == self.site);
        let shards = presence.map_or(PLATFORM_SHARDS, |presence| presence.shards.max(1));
        u8::try_from(self.row.number() % u128::from(shards)).unwrap_or(0)
    }
}

impl<R: Row> Entity for Copy<R> {
    const KIND: &'static str = R::COPY;

    fn key(&self) -> Key {
        Key {
            pk: self.row.partition(),
            sk: self.site.map_or_else(|| PLATFORM.to_owned(), site::partition),
        }
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let (id, shard) = (self.row.id(), self.shard());
        let (index, partition) = by_name::<R>(self.site, shard);
        let named = format!("{}#{id}", self.row.name().sorted_by());
        let (newest, newest_partition) = by_time::<R>(self.site, shard);
        let since = format!("{}#{id}", moment(self.row.since(self.site)));
        vec![(index, partition, named), (newest, newest_partition, since)]
    }
}

impl<R: Row> Entity for Found<R> {
    const KIND: &'static str = R::FOUND;

    fn key(&self) -> Key {
        Key {
            pk: found_in::<R>(self.copy.site),
            sk: format!("{}#{}", self.token, self.copy.row.id()),
        }
    }

    fn filters(&self) -> Vec<(&'static str, String)> {
        vec![(WORDS, format!(" {}", self.copy.row.tokens().join(" ")))]
    }
}

/// Every copy of a row.
fn copies<R: Row>(row: &R) -> Vec<Copy<R>> {
    let sites = row.presences().iter().map(|presence| Some(presence.site));
    let copy = |site: Option<SiteId>| Copy {
        site,
        row: row.clone(),
    };
    sites.chain([None]).map(copy).collect()
}

/// Every copy of a row under a token.
fn found<R: Row>(copy: &Copy<R>) -> Vec<Found<R>> {
    let found = |token: String| Found {
        token,
        copy: copy.clone(),
    };
    copy.row.tokens().into_iter().map(found).collect()
}

/// Puts the copies of a row in place of those of an earlier one. Their condition is that of the person they are of.
pub(crate) fn put<R: Row>(
    mut transaction: Transaction,
    new: Option<&R>,
    old: Option<&R>,
) -> Result<Transaction, StoreError> {
    if new == old {
        return Ok(transaction);
    }
    let always = Expression::default;
    let mut kept = BTreeSet::new();
    for copy in new.map(copies).unwrap_or_default() {
        for found in found(&copy) {
            kept.insert(found.key());
            transaction = transaction.put(&found, always(), Failing::Stale)?;
        }
        kept.insert(copy.key());
        transaction = transaction.put(&copy, always(), Failing::Stale)?;
    }
    for copy in old.map(copies).unwrap_or_default() {
        let keys = found(&copy).into_iter().map(|found| found.key());
        for key in keys.chain([copy.key()]).filter(|key| !kept.contains(key)) {
            transaction = transaction.delete(key, always(), Failing::Stale);
        }
    }
    Ok(transaction)
}

/// A list of a directory.
pub(crate) struct Directory<'a> {
    /// Within what.
    pub(crate) reach: &'a Reach,
    /// Found so.
    pub(crate) search: Option<&'a Search>,
    /// Who came last first, and from when until when; by name if not.
    pub(crate) times: Option<(Option<Timestamp>, Option<Timestamp>)>,
    /// What else rows must be, as far as the table can tell.
    pub(crate) filter: Expression,
}

/// The first and last place of who came from `since` on and before `until`; none if nobody can have.
fn between(since: Option<Timestamp>, until: Option<Timestamp>) -> Option<(String, String)> {
    let last = match until {
        Some(until) if until <= Timestamp::UNIX_EPOCH => return None,
        Some(until) => format!("{}#~", moment(until - SignedDuration::from_millis(1))),
        None => crate::merge::LAST_OF_ALL.to_owned(),
    };
    let first = since.map_or_else(|| FIRST.to_owned(), moment);
    (first <= last).then_some((first, last))
}

fn place(source: Source) -> (Option<SiteId>, u8) {
    match source {
        Source::Site(site, shard) => (Some(site), shard),
        Source::Platform(shard) => (None, shard),
    }
}

impl Store {
    /// R1, R2, R3, R4, R6, R7, R8 or R9: one page of a directory, the rows that `matches` wants of those at these places.
    ///
    /// # Errors
    /// As a refusal: [`Code::CursorExpired`], [`Code::SiteFilterRequired`]. [`StoreError::Busy`], [`StoreError::Broken`].
    pub(crate) async fn listed<R: Row>(
        &self,
        directory: Directory<'_>,
        matches: impl Fn(&R, Option<SiteId>) -> bool,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<R>, StoreError> {
        let reach = directory.reach;
        if let Some(search) = directory.search {
            return self
                .found(reach, search, directory.filter, matches, limit, after)
                .await;
        }
        let sources = reach.sources(R::OF)?.into_iter().map(place);
        let (sources, range): (Vec<_>, _) = match directory.times {
            None => {
                let names = (FIRST.to_owned(), LAST_NAME.to_owned());
                let sources = sources.map(|(site, shard)| by_name::<R>(site, shard));
                (sources.collect(), Some(names))
            }
            Some((since, until)) => {
                let sources = sources.map(|(site, shard)| by_time::<R>(site, shard));
                (sources.collect(), between(since, until))
            }
        };
        let list = Merged::of(reach, sources, limit, after)?;
        let Some(between) = range else {
            return Ok(Page::empty());
        };
        let list = Merged {
            between,
            filter: directory.filter,
            newest_first: directory.times.is_some(),
            ..list
        };
        let page = self.merged::<Copy<R>>(&list).await?;
        let seen = reach.sites(R::OF);
        let is_seen = |site| seen.as_ref().is_none_or(|seen| seen.contains(&site));
        // Times differ from site to site: without this, somebody would be given once for each.
        let is_given_there = |Copy { site, row }: &Copy<R>| {
            directory.times.is_none() || site.is_none_or(|site| row.came_last_to(site, is_seen))
        };
        let wanted = |copy: &Copy<R>| is_given_there(copy) && matches(&copy.row, copy.site);
        Ok(page.keeping(wanted).map(|copy| copy.row))
    }

    /// R5 or R10: one page of those who are found.
    async fn found<R: Row>(
        &self,
        reach: &Reach,
        search: &Search,
        filter: Expression,
        matches: impl Fn(&R, Option<SiteId>) -> bool,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<R>, StoreError> {
        let partitions: Vec<String> = match reach.sites(R::OF) {
            None => vec![found_in::<R>(None)],
            Some(sites) => sites.into_iter().map(|site| found_in::<R>(Some(site))).collect(),
        };
        if partitions.len() > MOST_SOURCES {
            return Err(StoreError::Refused(Code::SiteFilterRequired.into()));
        }
        let first = search.looked_up();
        let behind = format!("{first}{LAST_NAME}");
        let others = search.others().into_iter().enumerate();
        let filter = others.fold(filter, |filter, (n, word)| {
            let contains = format!("contains(#{WORDS}, :word{n})");
            filter.and(Expression::new(contains).with(&format!("word{n}"), format!(" {word}")))
        });
        let list = Merged {
            between: (first, behind),
            filter,
            ..Merged::of_table(reach, partitions, limit, after)?
        };
        let page = self.merged::<Found<R>>(&list).await?;
        let wanted = |found: &Found<R>| {
            let Copy { site, row } = &found.copy;
            search.gives(&found.token, &row.tokens()) && matches(row, *site)
        };
        Ok(page.keeping(wanted).map(|found| found.copy.row))
    }
}
