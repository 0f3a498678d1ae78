//! Checks an organization's audit log against its chain: segment by segment as they were sealed first, each with its signature, its
//! links and events in the table, and what the log has beside them; then what is not sealed yet.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use portal_documents::{DocumentError, Documents, Key};
use portal_domain::audit::AuditEvent;
use portal_domain::chain::{
    Fault, Finding, Head, Link, MOST_IN_SEGMENT, Sealed, check_open, compare, day, prove,
};
use portal_domain::id::{EventId, OrganizationId};
use portal_signing::PublicKey;
use portal_store::entity::audit::Wanted;
use portal_store::{Store, StoreError};
use serde::Serialize;

/// For how long an event may wait for its place in the chain: what the stream loses is appended when the day is sealed.
const WAITS: SignedDuration = SignedDuration::from_hours(48);

/// What verification cannot do without.
#[derive(Debug, thiserror::Error)]
pub enum Unverified {
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] StoreError),
    /// The segments cannot be read.
    #[error(transparent)]
    Segments(#[from] DocumentError),
}

/// What became of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How many events were compared, sealed or not.
    pub events: u64,
    /// How many sealed segments were proven.
    pub segments: u64,
    /// The number of the last entry that a trusted key has signed for.
    pub sealed: u64,
    /// The number of the last entry.
    pub last: u64,
    /// Events that wait for their place in the chain.
    pub waiting: u64,
    /// What is wrong; nothing, if the log verifies.
    pub findings: Vec<Finding>,
}

/// Verifies logs.
#[derive(Debug, Clone)]
pub struct Verification<'a> {
    /// The table.
    pub store: &'a Store,
    /// The segments.
    pub segments: &'a Documents,
    /// The keys whose checkpoints are believed.
    pub trusted: &'a [PublicKey],
    /// Now.
    pub now: Timestamp,
}

/// The days of UTC, both inclusive, on which entries were appended that are to be compared.
pub type Days = (Date, Date);

impl Verification<'_> {
    /// Verifies the log of `organization`: what was appended on `days`, or all of it. Segments before those days are proven, too,
    /// since what follows rests on them; only their events are not compared.
    ///
    /// # Errors
    /// [`Unverified`] when table or segments cannot be read. What is wrong with them is in the verdict.
    pub async fn verify(
        &self,
        organization: OrganizationId,
        days: Option<Days>,
    ) -> Result<Verdict, Unverified> {
        let wants = |date: Date| days.is_none_or(|(from, until)| from <= date && date <= until);
        let mut verdict = Verdict::default();
        let mut after = Sealed::nothing(organization);
        let mut seen = Timestamp::UNIX_EPOCH;
        loop {
            let place = Key::audit_segment(organization, after.seq + 1);
            let Some(bytes) = self.segments.original(&place).await? else {
                break;
            };
            let text = String::from_utf8_lossy(&bytes);
            let verifies = |id: &str, text: &[u8], signature: &[u8]| {
                let key = self.trusted.iter().find(|key| key.fingerprint() == id);
                key.is_some_and(|key| key.verifies(text, signature))
            };
            let proven = match prove(&text, &after, verifies) {
                Ok(proven) => proven,
                Err(finding) => {
                    // Nothing behind it can be told.
                    verdict.findings.push(finding);
                    return Ok(verdict);
                }
            };
            let until = proven.events.iter().map(|(_, at, _)| *at).max();
            let until = until.unwrap_or(seen).max(seen);
            if wants(proven.checkpoint.day) {
                let count = proven.events.len();
                let links = self
                    .store
                    .chain_links(organization, after.seq, count)
                    .await?
                    .items;
                let places = proven.events.iter().map(|(id, at, _)| (*id, *at));
                let events = self.store.audit_events_at(organization, places).await?;
                verdict.findings.extend(compare(&proven, &links, &events));
                verdict.events += proven.checkpoint.count;
                let known = proven.events.iter().map(|(id, ..)| *id).collect();
                self.look(organization, (seen, until), &known, &mut verdict)
                    .await?;
            }
            (after, seen) = (proven.sealed(), until);
            verdict.segments += 1;
            verdict.sealed = after.seq;
        }
        if self.store.chain_sealed(organization).await?.seq > after.seq {
            verdict
                .findings
                .push(Finding::at(Fault::SegmentBroken, after.seq + 1));
            return Ok(verdict);
        }
        if days.is_none_or(|(_, until)| until >= day(self.now)) {
            self.open(after, seen, &mut verdict).await?;
        } else {
            verdict.last = after.seq;
        }
        verdict.findings.sort();
        verdict.findings.dedup();
        Ok(verdict)
    }

    /// Checks what is not sealed, behind `after`.
    async fn open(
        &self,
        mut after: Sealed,
        seen: Timestamp,
        verdict: &mut Verdict,
    ) -> Result<(), Unverified> {
        let organization = after.organization;
        // Read before the links: what is appended meanwhile is behind it.
        let head = self.store.chain_head(organization).await?;
        let head = head.unwrap_or_else(|| Head::before_the_first(organization));
        let mut known = BTreeSet::new();
        loop {
            let page = self
                .store
                .chain_links(organization, after.seq, MOST_IN_SEGMENT)
                .await?;
            let until_head = page.items.into_iter().take_while(|link| link.seq <= head.seq);
            let links: Vec<Link> = until_head.collect();
            let places = links.iter().map(|link| (link.event, link.event_at));
            let events = self.store.audit_events_at(organization, places).await?;
            let behind = links.last().filter(|last| last.seq < head.seq);
            let until = behind.map_or_else(
                || head.clone(),
                |last| Head {
                    seq: last.seq,
                    hash: last.hash.clone(),
                    ..head.clone()
                },
            );
            // A page that stops before the head is followed by another, unless nothing was on it.
            let has_more = behind.is_some() && links.len() == MOST_IN_SEGMENT;
            let until = if has_more { &until } else { &head };
            verdict
                .findings
                .extend(check_open(&after, until, &links, &events));
            verdict.events += u64::try_from(links.len()).unwrap_or(0);
            known.extend(links.iter().map(|link| link.event));
            if let Some(last) = links.last() {
                after = Sealed {
                    seq: last.seq,
                    hash: last.hash.clone(),
                    ..after
                };
            }
            if !has_more {
                break;
            }
        }
        verdict.last = head.seq;
        self.look(organization, (seen, self.now), &known, verdict).await
    }

    /// Looks for events of the log behind `seen` until then that have no place in the chain.
    async fn look(
        &self,
        organization: OrganizationId,
        (seen, until): (Timestamp, Timestamp),
        known: &BTreeSet<EventId>,
        verdict: &mut Verdict,
    ) -> Result<(), Unverified> {
        let millisecond = SignedDuration::from_millis(1);
        let wanted = Wanted {
            from: Some(if seen == Timestamp::UNIX_EPOCH {
                seen
            } else {
                seen + millisecond
            }),
            until: Some(until + millisecond),
            ..Wanted::default()
        };
        let mut after = None;
        loop {
            let page = self
                .store
                .audit_events(organization, &wanted, self.now, MOST_IN_SEGMENT, after)
                .await?;
            let strange = page.items.iter().filter(|event| !known.contains(&event.id));
            let strange: BTreeMap<EventId, &AuditEvent> = strange.map(|event| (event.id, event)).collect();
            // Clocks differ by a little: an event may be in the segment before or behind.
            let elsewhere = self.store.chained(organization, strange.keys().copied()).await?;
            for (id, event) in strange {
                if elsewhere.contains(&id) {
                    continue;
                }
                if self.now.duration_since(event.at) < WAITS {
                    verdict.waiting += 1;
                } else {
                    verdict.findings.push(Finding {
                        fault: Fault::EventInserted,
                        seq: None,
                        event: Some(id),
                    });
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
