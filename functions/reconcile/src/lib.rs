//! Recounts what the statistics were made of, site by site and the whole platform last, and mends what differs. A run ends when it
//! has looked at enough; the next goes on behind the last site.
//!
//! A change that is under way to its count is a difference, too. So one counts as drift when it is the same in two runs between
//! which every such change has arrived or was given up.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use portal_app::App;
use portal_domain::booking::BookingQuery;
use portal_domain::code::Refusal;
use portal_domain::patient::{PatientQuery, Status};
use portal_domain::reach::Reach;
use portal_domain::site::Site;
use portal_domain::specialist::{ReviewStatus, SpecialistQuery};
use portal_domain::statistics::{Counted, Interval, Note, Scope, Span, Tally};
use portal_domain::transaction::TransactionQuery;
use portal_http::Error;
use portal_store::{Page, Position, StoreError};
use serde::Serialize;

/// How many records a run looks at before it ends; the site or platform it is at is finished first.
const MOST_RECORDS: usize = 250_000;
const PAGE: usize = 1_000;

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Sites, and the platform, that were recounted.
    pub recounted: u32,
    /// Records that were looked at.
    pub records: usize,
    /// Counts that differ, and are looked at again by the next run.
    pub differing: usize,
    /// Counts that were mended.
    pub mended: usize,
    /// Whether it went through to the end.
    pub finished: bool,
}

/// Recounts some sites, and the platform after the last.
///
/// # Errors
/// When the table cannot be read or written: the next run goes on where this one stopped.
pub async fn handle(app: &App, _: EventBridgeEvent) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut after = app.store.recounted_until().await?;
    while report.records < MOST_RECORDS {
        let page = app.store.all_sites(1, after).await?;
        for site in &page.items {
            recount(app, Some(site), &mut report).await?;
        }
        after = page.next;
        if after.is_none() {
            recount(app, None, &mut report).await?;
            report.finished = true;
        }
        app.store.recount_goes_on(after.clone()).await?;
        if report.finished {
            break;
        }
    }
    let Report {
        recounted,
        records,
        differing,
        mended,
        finished,
    } = report;
    tracing::info!(recounted, records, differing, mended, finished, "recounted");
    if mended > 0 {
        tracing::error!(mended, "statistics had drifted");
    }
    Ok(report)
}

/// Recounts a site, or the platform: last month, this one and the next, in which nearly all changes are, and everybody there.
async fn recount(app: &App, site: Option<&Site>, report: &mut Report) -> Result<(), StoreError> {
    let scope = site.map_or(Scope::Platform, |site| Scope::Site(site.id));
    let (now, reach) = (app.clock.now(), Reach::of_job(site));
    let span = recounted_at(now)?;
    let before = app.store.statistics_note(scope).await?;
    // What changes between the two reads is a difference for now, and none any more in the next run.
    let counted = app.store.counted(scope, span).await?;
    let mut there = Recount {
        app,
        reach: &reach,
        scope,
        span,
        tally: Tally::default(),
        records: 0,
    };
    there.events().await?;
    there.people().await?;
    report.records += there.records;
    report.recounted += 1;
    let difference = there.tally.without(counted);
    if let Some(verdict) = Note::verdict(before.as_ref(), difference, now) {
        let (repair, note) = (&verdict.repair, &verdict.note);
        if !(repair.is_empty() && note.difference.is_empty() && before.is_none()) {
            app.store
                .repair_statistics(scope, repair, note, before.as_ref())
                .await?;
        }
        report.mended += repair.len();
        report.differing += note.difference.len();
    }
    Ok(())
}

/// The three months of UTC around `now`.
fn recounted_at(now: Timestamp) -> Result<Span, Refusal> {
    let month = now.to_zoned(TimeZone::UTC).date().first_of_month();
    let around = |months: i32| {
        let date = month.saturating_add(jiff::Span::new().months(months));
        Interval::Month.around(date, &TimeZone::UTC)
    };
    Ok(around(-1)?.span.to(around(1)?.span))
}

/// A recount of one scope.
struct Recount<'a> {
    app: &'a App,
    reach: &'a Reach,
    scope: Scope,
    span: Span,
    tally: Tally,
    records: usize,
}

impl Recount<'_> {
    fn take<R: Counted>(&mut self, page: Page<R>) -> Option<Position> {
        self.records += page.items.len();
        for count in page.items.iter().flat_map(Counted::adds_to) {
            let is_then = count.quarter.is_none_or(|quarter| self.span.has(quarter));
            if count.scope == self.scope && is_then {
                self.tally.add(count.scope, count.quarter, count.label, count.by);
            }
        }
        page.next
    }

    async fn events(&mut self) -> Result<(), StoreError> {
        let (store, reach, now) = (&self.app.store, self.reach, self.app.clock.now());
        let (from, until) = self.span.instants();
        let (from, until) = (Some(from), Some(until));
        let bookings = BookingQuery {
            from,
            until,
            ..BookingQuery::default()
        };
        let mut after = None;
        loop {
            let page = store.bookings(reach, &bookings, now, PAGE, after).await?;
            after = self.take(page);
            if after.is_none() {
                break;
            }
        }
        let transactions = TransactionQuery {
            from,
            until,
            ..TransactionQuery::default()
        };
        loop {
            let page = store.transactions(reach, &transactions, PAGE, after).await?;
            after = self.take(page);
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn people(&mut self) -> Result<(), StoreError> {
        let (store, reach, now) = (&self.app.store, self.reach, self.app.clock.now());
        // Lists leave out some unless they are asked for.
        for status in [None, Some(Status::Merged)] {
            let patients = PatientQuery {
                status,
                ..PatientQuery::default()
            };
            let mut after = None;
            loop {
                let page = store.patients(reach, &patients, PAGE, after).await?;
                after = self.take(page);
                if after.is_none() {
                    break;
                }
            }
        }
        for review in [None, Some(ReviewStatus::Archived)] {
            let specialists = SpecialistQuery {
                review,
                ..SpecialistQuery::default()
            };
            let mut after = None;
            loop {
                let page = store.specialists(reach, &specialists, now, PAGE, after).await?;
                after = self.take(page);
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }
}
