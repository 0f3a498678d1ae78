//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | E1 | an organization's audit events of a month | table | `AUDIT#{organization}#{yyyy-mm}` | time, event |
//! | E2 | those about one object | by-patient | `AUDIT#{organization}#OBJECT#{object}` | time, event |
//! | E3 | those by one actor | by-specialist | `AUDIT#{organization}#ACTOR#{actor}` | time, event |

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use portal_domain::audit::{AuditEvent, Verb};
use portal_domain::id::{EventId, OrganizationId};

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, Page, Position};
use crate::table::{Index, Key, PK, sortable};

fn partition(organization: OrganizationId) -> String {
    format!("AUDIT#{organization}")
}

fn month(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date().first_of_month()
}

fn month_partition(organization: OrganizationId, month: Date) -> String {
    format!(
        "{}#{:04}-{:02}",
        partition(organization),
        month.year(),
        month.month()
    )
}

fn place(event: &AuditEvent) -> String {
    format!("{}#{}", sortable(event.at), event.id)
}

impl Entity for AuditEvent {
    const KIND: &'static str = KIND;

    fn key(&self) -> Key {
        key(self.organization, self.id, self.at)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let partition = partition(self.organization);
        vec![
            (
                Index::ByPatient,
                format!("{partition}#OBJECT#{}", self.object),
                place(self),
            ),
            (
                Index::BySpecialist,
                format!("{partition}#ACTOR#{}", self.actor.key()),
                place(self),
            ),
        ]
    }
}

/// Where an event is, of which no more is known than its id and time.
pub(crate) fn key(organization: OrganizationId, event: EventId, at: Timestamp) -> Key {
    Key {
        pk: month_partition(organization, month(at)),
        sk: format!("{}#{event}", sortable(at)),
    }
}

/// What an audit event is called in the stream's records.
pub const KIND: &str = "audit_event";

/// Which audit events are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// By this actor.
    pub actor: Option<String>,
    /// About this object.
    pub object: Option<String>,
    /// Of this verb.
    pub verb: Option<Verb>,
    /// From then on.
    pub from: Option<Timestamp>,
    /// Until then, exclusive.
    pub until: Option<Timestamp>,
}

impl Store {
    /// E1, E2 or E3: an organization's audit events, newest first. Without actor or object, a page ends with its month.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn audit_events(
        &self,
        organization: OrganizationId,
        wanted: &Wanted,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<AuditEvent>, StoreError> {
        let epoch = Timestamp::UNIX_EPOCH;
        let from = wanted.from.unwrap_or(epoch).max(epoch);
        // A range that ends before it begins is an error to the table.
        let until = wanted.until.unwrap_or(Timestamp::MAX).max(from);
        let range = Expression::new("#sk BETWEEN :from AND :until")
            .with("from", sortable(from))
            .with("until", sortable(until));
        let mut filter = Expression::default();
        if let Some(verb) = wanted.verb {
            filter = filter.and(Expression::new("#verb = :verb").with("verb", verb.as_str()));
        }
        let partition = partition(organization);
        let listing = |index, pk| Listing {
            range: range.clone(),
            newest_first: true,
            ..Listing::of(index, pk, limit)
        };
        if let Some(object) = &wanted.object {
            if let Some(actor) = &wanted.actor {
                let by = "#actor.#id = :actor OR #actor.#name = :name";
                let name = actor.strip_prefix("system:").unwrap_or(actor);
                filter = filter.and(
                    Expression::new(by)
                        .with("actor", actor.as_str())
                        .with("name", name),
                );
            }
            let listing = listing(Some(Index::ByPatient), format!("{partition}#OBJECT#{object}"));
            return self
                .page(Listing {
                    filter,
                    after,
                    ..listing
                })
                .await;
        }
        if let Some(actor) = &wanted.actor {
            let listing = listing(Some(Index::BySpecialist), format!("{partition}#ACTOR#{actor}"));
            return self
                .page(Listing {
                    filter,
                    after,
                    ..listing
                })
                .await;
        }
        // The log has a partition a month; its organization's id tells when it began.
        let began = month(began(organization).max(from));
        let newest = month(until.min(now));
        let current = after.as_ref().and_then(month_of).unwrap_or(newest);
        if current < began {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        }
        let resumed = after.filter(|position| position.0.contains_key(crate::table::SK));
        let listing = listing(None, month_partition(organization, current));
        let mut page = self
            .page::<AuditEvent>(Listing {
                filter,
                after: resumed,
                ..listing
            })
            .await?;
        let earlier = current.yesterday().unwrap_or(current).first_of_month();
        if page.next.is_none() && earlier >= began {
            page.next = Some(Position(
                [(PK.to_owned(), month_partition(organization, earlier))].into(),
            ));
        }
        Ok(page)
    }
}

/// The month of a position in a month's partition.
fn month_of(position: &Position) -> Option<Date> {
    position
        .0
        .get(PK)?
        .rsplit('#')
        .next()
        .and_then(|month| format!("{month}-01").parse().ok())
}

/// When an organization was made: its id is a UUIDv7.
fn began(organization: OrganizationId) -> Timestamp {
    let (seconds, _) = organization
        .uuid()
        .get_timestamp()
        .map_or((0, 0), |time| time.to_unix());
    Timestamp::from_second(i64::try_from(seconds).unwrap_or(0)).unwrap_or(Timestamp::UNIX_EPOCH)
}
