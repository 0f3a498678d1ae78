//! The hash chain over an organization's audit events, and what its sealed segments are checked by. `docs/audit-chain.md` says the
//! format to those who verify it without this code.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::audit::AuditEvent;
use crate::due::{Due, Job};
use crate::id::{EventId, OrganizationId};

/// What the first entry of a chain names as the hash before it.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What a checkpoint is, so that its signature is of nothing else.
pub const FORMAT: &str = "organization-portal/audit-checkpoint/1";

/// The most entries of one segment: it is written, read and checked at once.
pub const MOST_IN_SEGMENT: usize = 1_000;

/// How long after it says it happened an event may be appended: what the stream lost is appended by whoever seals the day.
pub const LATE: SignedDuration = SignedDuration::from_hours(72);

/// How long after the end of a day it is sealed: by then no clock is still in it.
const SETTLED: SignedDuration = SignedDuration::from_mins(15);

/// JSON in its one canonical form: no white space, keys in order of their code points, numbers whole (RFC 8785, of which nothing
/// else is needed here).
#[must_use]
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            let fields = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{}", json!(key), canonical(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        plain => plain.to_string(),
    }
}

/// The SHA-256 of a text, in hexadecimal digits.
#[must_use]
pub fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// The day of UTC of an instant.
#[must_use]
pub fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// That the day in which something was appended to a chain is sealed when it is over.
#[must_use]
pub fn sealing(organization: OrganizationId, linked_at: Timestamp) -> Due {
    let ends = day(linked_at).tomorrow().ok();
    let midnight = ends.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    let midnight = midnight.map_or(linked_at, |midnight| midnight.timestamp());
    Due {
        at: midnight + SETTLED,
        job: Job::SealAuditLog { organization },
    }
}

/// The end of an organization's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Whose chain.
    pub organization: OrganizationId,
    /// The number of the last entry; entries are numbered from 1.
    pub seq: u64,
    /// The hash of the last entry.
    pub hash: String,
    /// When it was appended: entries never go back in time.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub linked_at: Timestamp,
}

/// The place of one event in its organization's chain. The entry itself is made of it and the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Whose chain.
    pub organization: OrganizationId,
    /// Its number.
    pub seq: u64,
    /// The event.
    pub event: EventId,
    /// When the event was: its place in the log.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub event_at: Timestamp,
    /// When it was appended.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub linked_at: Timestamp,
    /// The hash of the entry before.
    pub prev: String,
    /// The hash of the entry.
    pub hash: String,
}

/// The canonical text of an entry, of which its hash is.
#[must_use]
pub fn entry(event: &AuditEvent, seq: u64, linked_at: Timestamp, prev: &str) -> String {
    canonical(&json!({
        "event": event,
        "linked_at": linked_at.as_millisecond(),
        "prev": prev,
        "seq": seq,
    }))
}

impl Head {
    /// Where a chain without entries is.
    #[must_use]
    pub fn before_the_first(organization: OrganizationId) -> Self {
        Self {
            organization,
            seq: 0,
            hash: GENESIS.to_owned(),
            linked_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Where a chain was when `link` was its last.
    #[must_use]
    pub fn at(link: &Link) -> Self {
        Self {
            organization: link.organization,
            seq: link.seq,
            hash: link.hash.clone(),
            linked_at: link.linked_at,
        }
    }

    /// The links of `events`, appended in this order, and the head behind them.
    #[must_use]
    pub fn append(&self, events: &[AuditEvent], now: Timestamp) -> (Self, Vec<Link>) {
        let mut head = Self {
            linked_at: now.max(self.linked_at),
            ..self.clone()
        };
        let link = |event: &AuditEvent| {
            let seq = head.seq + 1;
            let hash = hash(&entry(event, seq, head.linked_at, &head.hash));
            let prev = std::mem::replace(&mut head.hash, hash.clone());
            head.seq = seq;
            Link {
                organization: event.organization,
                seq,
                event: event.id,
                event_at: event.at,
                linked_at: head.linked_at,
                prev,
                hash,
            }
        };
        let links = events.iter().map(link).collect();
        (head, links)
    }
}

impl Link {
    /// The entry of this link, if it is of this event.
    #[must_use]
    pub fn entry(&self, event: &AuditEvent) -> String {
        entry(event, self.seq, self.linked_at, &self.prev)
    }
}

/// How far an organization's chain is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Whose chain.
    pub organization: OrganizationId,
    /// The number of the last entry in a segment.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    /// When it was sealed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub sealed_at: Timestamp,
}

impl Sealed {
    /// Of a chain of which nothing is sealed.
    #[must_use]
    pub fn nothing(organization: OrganizationId) -> Self {
        Self {
            organization,
            seq: 0,
            hash: GENESIS.to_owned(),
            sealed_at: Timestamp::UNIX_EPOCH,
        }
    }
}

/// What is signed of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// [`FORMAT`].
    pub format: String,
    /// Whose chain.
    pub organization: OrganizationId,
    /// The day of UTC on which the entries were appended.
    pub day: Date,
    /// The number of the first entry.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// How many there are.
    pub count: u64,
    /// The hash of the entry before the first.
    pub prev: String,
    /// The hash of the last entry.
    pub head: String,
    /// When it was sealed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub sealed_at: Timestamp,
    /// The fingerprint of the key that signs.
    pub key: String,
}

/// A segment of a chain: some entries that follow each other, all of one day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segment {
    /// The canonical texts of the entries.
    pub entries: Vec<String>,
}

/// The last line of a sealed segment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    checkpoint: String,
    signature: String,
}

/// An entry as it is read from a segment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    event: Value,
    linked_at: i64,
    prev: String,
    seq: u64,
}

impl Segment {
    /// The text that is signed: that these entries follow `prev` and are the chain's from `first` on.
    #[must_use]
    pub fn checkpoint(
        &self,
        after: &Sealed,
        (first_linked, now): (Timestamp, Timestamp),
        key: &str,
    ) -> Checkpoint {
        let count = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        Checkpoint {
            format: FORMAT.to_owned(),
            organization: after.organization,
            day: day(first_linked),
            first: after.seq + 1,
            last: after.seq + count,
            count,
            prev: after.hash.clone(),
            head: self
                .entries
                .last()
                .map_or_else(|| after.hash.clone(), |last| hash(last)),
            sealed_at: now,
            key: key.to_owned(),
        }
    }

    /// The bytes of the sealed segment: a line for each entry, then one with the checkpoint and its signature.
    #[must_use]
    pub fn sealed(&self, checkpoint: &str, signature: &[u8]) -> String {
        let last = json!({ "checkpoint": checkpoint, "signature": BASE64_STANDARD.encode(signature) });
        let mut text = self.entries.join("\n");
        text.push('\n');
        text.push_str(&canonical(&last));
        text.push('\n');
        text
    }
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        canonical(&serde_json::to_value(self).unwrap_or_default())
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// An event that is in the chain is not in the log.
    EventDeleted,
    /// An event is in the log otherwise than in the chain.
    EventChanged,
    /// An event is in the log that is not in the chain.
    EventInserted,
    /// An event was appended more than [`LATE`] after it says it happened: somebody wrote history.
    EventBackdated,
    /// The chain in the table has its events in another order than they were appended in.
    Reordered,
    /// An entry that is sealed is not in the table's chain.
    LinkMissing,
    /// The end of the chain is gone from the table.
    Truncated,
    /// A sealed segment is missing, or does not hold what its checkpoint says.
    SegmentBroken,
    /// A checkpoint's signature is not one of the key's.
    CheckpointForged,
}

impl Fault {
    /// As it is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventDeleted => "event_deleted",
            Self::EventChanged => "event_changed",
            Self::EventInserted => "event_inserted",
            Self::EventBackdated => "event_backdated",
            Self::Reordered => "reordered",
            Self::LinkMissing => "link_missing",
            Self::Truncated => "truncated",
            Self::SegmentBroken => "segment_broken",
            Self::CheckpointForged => "checkpoint_forged",
        }
    }
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What.
    pub fault: Fault,
    /// At which number of the chain, if it is at one.
    pub seq: Option<u64>,
    /// About which event, if it is about one.
    pub event: Option<EventId>,
}

impl Finding {
    /// A finding about an entry of the chain.
    #[must_use]
    pub const fn at(fault: Fault, seq: u64) -> Self {
        Self {
            fault,
            seq: Some(seq),
            event: None,
        }
    }

    const fn about(self, event: EventId) -> Self {
        Self {
            event: Some(event),
            ..self
        }
    }
}

/// A sealed segment that was read and agrees with itself, its signature and the segment before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The events of its entries in order, in canonical form.
    pub events: Vec<(EventId, Timestamp, String)>,
    /// What its entries themselves say is wrong.
    pub findings: Vec<Finding>,
}

impl Proven {
    /// How far the chain is proven with it.
    #[must_use]
    pub fn sealed(&self) -> Sealed {
        Sealed {
            organization: self.checkpoint.organization,
            seq: self.checkpoint.last,
            hash: self.checkpoint.head.clone(),
            sealed_at: self.checkpoint.sealed_at,
        }
    }
}

/// Reads the sealed segment behind `after`. `verifies` says of a key's fingerprint, a text and a signature whether it is one of a
/// key that is trusted.
///
/// # Errors
/// What is wrong with it.
pub fn prove(
    text: &str,
    after: &Sealed,
    verifies: impl Fn(&str, &[u8], &[u8]) -> bool,
) -> Result<Proven, Finding> {
    let broken = Finding::at(Fault::SegmentBroken, after.seq + 1);
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.pop().ok_or_else(|| broken.clone())?;
    let signed: Signed = serde_json::from_str(last).map_err(|_| broken.clone())?;
    let checkpoint: Checkpoint = serde_json::from_str(&signed.checkpoint).map_err(|_| broken.clone())?;
    let signature = BASE64_STANDARD.decode(&signed.signature).unwrap_or_default();
    let is_signed =
        checkpoint.format == FORMAT && verifies(&checkpoint.key, signed.checkpoint.as_bytes(), &signature);
    if !is_signed {
        return Err(Finding::at(Fault::CheckpointForged, after.seq + 1));
    }
    let (mut seq, mut prev) = (after.seq, after.hash.clone());
    let (mut events, mut findings) = (Vec::with_capacity(lines.len()), Vec::new());
    for line in lines {
        seq += 1;
        let broken = Finding::at(Fault::SegmentBroken, seq);
        let entry: Entry = serde_json::from_str(line).map_err(|_| broken.clone())?;
        let event: AuditEvent = serde_json::from_value(entry.event.clone()).map_err(|_| broken.clone())?;
        let linked_at = Timestamp::from_millisecond(entry.linked_at);
        let day_of = linked_at.clone().map(day);
        let is_next = entry.seq == seq
            && entry.prev == prev
            && event.organization == checkpoint.organization
            && day_of.is_ok_and(|day| day == checkpoint.day);
        if !is_next {
            return Err(broken);
        }
        if linked_at.is_ok_and(|linked_at| linked_at.duration_since(event.at) > LATE) {
            findings.push(Finding::at(Fault::EventBackdated, seq).about(event.id));
        }
        prev = hash(line);
        events.push((event.id, event.at, canonical(&entry.event)));
    }
    let is_all = checkpoint.organization == after.organization
        && checkpoint.first == after.seq + 1
        && checkpoint.last == seq
        && u64::try_from(events.len()) == Ok(checkpoint.count)
        && checkpoint.count > 0
        && checkpoint.prev == after.hash
        && checkpoint.head == prev;
    if is_all {
        Ok(Proven {
            checkpoint,
            events,
            findings,
        })
    } else {
        Err(broken)
    }
}

/// Compares a proven segment with the table: the links in its range, and the events they and the segment name.
#[must_use]
pub fn compare(proven: &Proven, links: &[Link], events: &BTreeMap<EventId, AuditEvent>) -> Vec<Finding> {
    let by_seq: BTreeMap<u64, &Link> = links.iter().map(|link| (link.seq, link)).collect();
    let first = proven.checkpoint.first;
    let mut findings = proven.findings.clone();
    for (seq, (id, _, told)) in (first..).zip(&proven.events) {
        let found = |fault| Finding::at(fault, seq).about(*id);
        match events.get(id) {
            None => findings.push(found(Fault::EventDeleted)),
            Some(event) if text_of(event) != *told => findings.push(found(Fault::EventChanged)),
            Some(_) => {}
        }
        match by_seq.get(&seq) {
            None => findings.push(found(Fault::LinkMissing)),
            Some(link) if link.event != *id => findings.push(found(Fault::Reordered)),
            Some(_) => {}
        }
    }
    findings
}

/// Checks what is not sealed yet by itself: the links behind `after` up to `head`, with the events they name. What somebody
/// rewrites here who can compute hashes is not seen before it is sealed.
#[must_use]
pub fn check_open(
    after: &Sealed,
    head: &Head,
    links: &[Link],
    events: &BTreeMap<EventId, AuditEvent>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut seq, mut prev) = (after.seq, after.hash.clone());
    for link in links {
        let found = |fault| Finding::at(fault, link.seq).about(link.event);
        if link.seq != seq + 1 || link.prev != prev {
            findings.push(found(Fault::Reordered));
        }
        if link.linked_at.duration_since(link.event_at) > LATE {
            findings.push(found(Fault::EventBackdated));
        }
        match events.get(&link.event) {
            None => findings.push(found(Fault::EventDeleted)),
            Some(event) if hash(&link.entry(event)) != link.hash => {
                findings.push(found(Fault::EventChanged));
            }
            Some(_) => {}
        }
        seq = link.seq;
        prev.clone_from(&link.hash);
    }
    if head.seq != seq || head.hash != prev {
        findings.push(Finding::at(Fault::Truncated, seq + 1));
    }
    findings
}

fn text_of(event: &AuditEvent) -> String {
    canonical(&serde_json::to_value(event).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Actor, Origin, Verb};
    use crate::sample::now;

    fn events(count: u32) -> Vec<AuditEvent> {
        let organization = OrganizationId::mint(now());
        let actor = Actor::System {
            name: "tests".to_owned(),
        };
        let event = |number: u32| {
            let origin = Origin::default();
            let verb = Verb::OrganizationUpdated;
            AuditEvent::new(organization, verb, actor.clone(), &organization, &origin, now()).changed(
                "name",
                None,
                Some(format!("name \"{number}\" ü\n")),
            )
        };
        (0..count).map(event).collect()
    }

    fn known(events: &[AuditEvent]) -> BTreeMap<EventId, AuditEvent> {
        events.iter().map(|event| (event.id, event.clone())).collect()
    }

    /// Signs by hashing: enough for what is not about keys.
    fn sign(text: &str) -> Vec<u8> {
        hash(text).into_bytes()
    }

    fn verifies(key: &str, text: &[u8], signature: &[u8]) -> bool {
        key == "key" && String::from_utf8(text.to_vec()).is_ok_and(|text| sign(&text) == signature)
    }

    fn chained(count: u32) -> (Vec<AuditEvent>, Head, Vec<Link>, Sealed, String) {
        let events = events(count);
        let organization = events[0].organization;
        let (head, links) = Head::before_the_first(organization).append(&events, now());
        let after = Sealed::nothing(organization);
        let entries = links.iter().zip(&events).map(|(link, event)| link.entry(event));
        let segment = Segment {
            entries: entries.collect(),
        };
        let checkpoint = segment.checkpoint(&after, (now(), now()), "key").text();
        let sealed = segment.sealed(&checkpoint, &sign(&checkpoint));
        (events, head, links, after, sealed)
    }

    #[test]
    fn keys_are_in_order_and_nothing_stands_between() {
        let value = json!({ "b": [1, null, true], "a": { "z": "ü\u{1}\"\\", "y": -3 } });
        assert_eq!(
            canonical(&value),
            "{\"a\":{\"y\":-3,\"z\":\"ü\\u0001\\\"\\\\\"},\"b\":[1,null,true]}"
        );
        assert_eq!(
            hash(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn each_entry_names_the_hash_of_the_one_before() {
        let (events, head, links, ..) = chained(3);
        assert_eq!(links[0].prev, GENESIS);
        assert_eq!(links[1].prev, hash(&links[0].entry(&events[0])));
        assert_eq!((head.seq, &head.hash), (3, &links[2].hash));
        // Appending one by one gives the same chain
        let mut one_by_one = Head::before_the_first(events[0].organization);
        for event in &events {
            one_by_one = one_by_one.append(std::slice::from_ref(event), now()).0;
        }
        assert_eq!(one_by_one, head);
    }

    #[test]
    fn a_chain_that_nobody_touched_verifies() {
        let (events, head, links, after, sealed) = chained(5);
        let proven = prove(&sealed, &after, verifies).unwrap();
        assert_eq!(proven.checkpoint.count, 5);
        assert_eq!(compare(&proven, &links, &known(&events)), []);
        assert_eq!(check_open(&after, &head, &links, &known(&events)), []);
    }

    #[test]
    fn what_was_done_to_table_or_segment_is_found() {
        let (events, head, links, after, sealed) = chained(5);
        let proven = prove(&sealed, &after, verifies).unwrap();
        let faults = |findings: Vec<Finding>| -> Vec<(Fault, Option<u64>)> {
            findings
                .into_iter()
                .map(|found| (found.fault, found.seq))
                .collect()
        };

        // Deleted
        let mut less = known(&events);
        less.remove(&events[1].id);
        let deleted = vec![(Fault::EventDeleted, Some(2))];
        assert_eq!(faults(compare(&proven, &links, &less)), deleted);
        assert_eq!(faults(check_open(&after, &head, &links, &less)), deleted);

        // Changed
        let mut other = known(&events);
        other.get_mut(&events[2].id).unwrap().object = "org_other".to_owned();
        let changed = vec![(Fault::EventChanged, Some(3))];
        assert_eq!(faults(compare(&proven, &links, &other)), changed);
        assert_eq!(faults(check_open(&after, &head, &links, &other)), changed);

        // Reordered
        let mut swapped = links.clone();
        let (third, fourth) = (swapped[2].event, swapped[3].event);
        (swapped[2].event, swapped[3].event) = (fourth, third);
        let reordered = faults(compare(&proven, &swapped, &known(&events)));
        assert_eq!(
            reordered,
            [(Fault::Reordered, Some(3)), (Fault::Reordered, Some(4))]
        );
        assert!(!check_open(&after, &head, &swapped, &known(&events)).is_empty());

        // Written long after it happened
        let (later, links_later) = Head::before_the_first(events[0].organization)
            .append(&events[..1], now() + LATE + SignedDuration::from_secs(1));
        let backdated = check_open(&after, &later, &links_later, &known(&events));
        assert_eq!(faults(backdated), [(Fault::EventBackdated, Some(1))]);

        // Cut off at the end, with the head turned back
        let cut = &links[..3];
        let truncated = faults(compare(&proven, cut, &known(&events)));
        assert_eq!(
            truncated,
            [(Fault::LinkMissing, Some(4)), (Fault::LinkMissing, Some(5))]
        );
        assert_eq!(
            faults(check_open(&after, &head, cut, &known(&events))),
            [(Fault::Truncated, Some(4))]
        );

        // A checkpoint of somebody else, and lines that are not what was signed
        let forged = prove(&sealed, &after, |_, _, _| false).unwrap_err();
        assert_eq!(forged.fault, Fault::CheckpointForged);
        let written: Vec<&str> = sealed.lines().collect();
        for tampered in [
            [&written[..1], &written[2..]].concat().join("\n"),
            [&written[1..2], &written[..1], &written[2..]].concat().join("\n"),
            sealed.replacen("org_", "org_0", 1),
            written[..5].join("\n"),
        ] {
            let broken = prove(&tampered, &after, verifies).unwrap_err();
            assert_eq!(broken.fault, Fault::SegmentBroken, "{tampered}");
        }
    }
}
