//! Assignments that a source tells apart from who the specialist is: where, when and in which specialties somebody works.
//!
//! Each is told, replaced and deleted for itself. What a specialist's own line says of sites, specialties and windows stays
//! beside them: the specialist has all of it together.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Availability, MOST_ASSIGNMENTS, MOST_LINES, Specialist, SpecialistReferences};
use crate::code::{At, Code, Refusal};
use crate::external::{ExternalId, Sourced};
use crate::id::{AssignmentId, SiteId};
use crate::person::{Presence, PresenceRecord, PresenceStatus, presences};
use crate::text::ProfileLine;
use crate::time::Moment;

/// The most assignments of one specialist that are told apart, those that ended counted.
pub const MOST_TOLD_APART: usize = 12;

/// What a source says of an assignment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentRecord {
    /// The specialist. Never another one later.
    pub specialist: ExternalId,
    /// The sites.
    #[serde(default)]
    pub sites: Vec<ExternalId>,
    /// Since when; as it was told before, or since the line's time, if not given.
    #[serde(default)]
    pub since: Option<Moment>,
    /// Until when, if that is known.
    #[serde(default)]
    pub until: Option<Moment>,
    /// Whether they still work there.
    #[serde(default)]
    pub status: PresenceStatus,
    /// The specialties there, the foremost first.
    #[serde(default)]
    pub specializations: Vec<ProfileLine>,
    /// When they hold sessions there, every week.
    #[serde(default)]
    pub availability: Availability,
}

/// An assignment that is told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Its id.
    pub id: AssignmentId,
    /// Where it comes from.
    pub sourced: Sourced,
    /// What it says; nothing, once its source deleted it.
    #[serde(flatten)]
    pub work: Work,
}

/// Where, when and in which specialties somebody works.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Work {
    /// Where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presences: Vec<Presence>,
    /// In which specialties.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub specializations: Vec<ProfileLine>,
    /// When.
    #[serde(default, skip_serializing_if = "Availability::is_empty")]
    pub availability: Availability,
}

/// The parts that a specialist's work is put together from, where it is told in parts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parts {
    /// What the specialist's own line says.
    pub own: Work,
    /// Whether they work at all, as that line says.
    pub is_active: bool,
    /// What is told apart.
    pub assignments: Vec<Assignment>,
}

impl Parts {
    /// All of it together: a site once, a specialty once, windows that touch as one.
    ///
    /// # Errors
    /// [`Code::LimitExceeded`] at `sites_field`, `/specializations` or `/availability`.
    fn together(&self, sites_field: &'static str) -> Result<Work, Refusal> {
        let parts = || std::iter::once(&self.own).chain(self.assignments.iter().map(|apart| &apart.work));
        let mut sites: BTreeMap<SiteId, Presence> = BTreeMap::new();
        for presence in parts().flat_map(|work| &work.presences) {
            let there = sites.entry(presence.site).or_insert(*presence);
            there.joined_at = there.joined_at.min(presence.joined_at);
            if presence.status == PresenceStatus::Active {
                there.status = PresenceStatus::Active;
            }
        }
        let mut presences: Vec<Presence> = sites.into_values().collect();
        if !self.is_active {
            for presence in &mut presences {
                presence.status = PresenceStatus::Inactive;
            }
        }
        let mut specializations: Vec<ProfileLine> = Vec::new();
        for line in parts().flat_map(|work| &work.specializations) {
            if !specializations.contains(line) {
                specializations.push(line.clone());
            }
        }
        for (number, most, field) in [
            (presences.len(), MOST_ASSIGNMENTS, sites_field),
            (specializations.len(), MOST_LINES, "/specializations"),
        ] {
            if number > most {
                return Err(Refusal::from(Code::LimitExceeded).at(field));
            }
        }
        let windows = parts().flat_map(|work| work.availability.windows());
        Ok(Work {
            presences,
            specializations,
            availability: Availability::joined(windows.copied()).at("/availability")?,
        })
    }
}

/// A refusal of one of the sites, which are named alone and not with more that is said of them.
fn named_alone(mut refusal: Refusal) -> Refusal {
    for error in &mut refusal.errors {
        if let Some(site) = error.pointer.strip_suffix("/site") {
            error.pointer = site.to_owned();
        }
    }
    refusal
}

impl Specialist {
    /// What its parts say, together. The parts are kept only where they cannot be told from that.
    ///
    /// # Errors
    /// [`Code::LimitExceeded`] at `sites_field`, `/specializations` or `/availability`.
    pub(super) fn put_together(mut self, parts: Parts, sites_field: &'static str) -> Result<Self, Refusal> {
        let work = parts.together(sites_field)?;
        self.assignments = work.presences;
        self.profile.specializations = work.specializations;
        self.profile.availability = work.availability;
        let is_whole = parts.assignments.is_empty() && parts.is_active;
        self.parts = (!is_whole).then_some(parts);
        Ok(self)
    }

    /// The sites that its own line says.
    pub(super) fn own_presences(&self) -> &[Presence] {
        match &self.parts {
            Some(parts) => &parts.own.presences,
            None => &self.assignments,
        }
    }

    /// The assignments that are told apart.
    pub(super) fn told_apart(&self) -> Vec<Assignment> {
        let parts = self.parts.as_ref();
        parts.map_or_else(Vec::new, |parts| parts.assignments.clone())
    }

    /// One of the assignments that are told apart.
    #[must_use]
    pub fn assignment(&self, id: AssignmentId) -> Option<&Assignment> {
        let mut apart = self.parts.as_ref()?.assignments.iter();
        apart.find(|apart| apart.id == id)
    }

    /// The specialist with the assignment `id` as a line of it says.
    ///
    /// # Errors
    /// With the field: [`Code::SiteUnknown`], [`Code::FieldsInvalid`] for a site that is named twice or an end before the
    /// beginning, [`Code::LimitExceeded`]; [`Code::ReferenceUnknown`] when the specialist was deleted.
    pub fn assigned(
        &self,
        record: AssignmentRecord,
        references: &SpecialistReferences,
        id: AssignmentId,
        sourced: Sourced,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if self.is_deleted() {
            return Err(Refusal::from(Code::ReferenceUnknown).at("/specialist"));
        }
        if matches!((record.since, record.until), (Some(since), Some(until)) if until < since) {
            return Err(Refusal::new(Code::FieldsInvalid, "it ends before it begins").at("/until"));
        }
        let is_over = record.until.is_some_and(|until| Timestamp::from(until) <= now);
        let status = if is_over {
            PresenceStatus::Inactive
        } else {
            record.status
        };
        let told: Vec<PresenceRecord> = record
            .sites
            .into_iter()
            .map(|site| PresenceRecord {
                site,
                joined_at: record.since,
                status,
            })
            .collect();
        let before = self.assignment(id);
        let presences = presences(
            &told,
            &references.sites,
            MOST_ASSIGNMENTS,
            "/sites",
            before.map_or(&[], |before| &before.work.presences),
            sourced.stamp.occurred_at,
        )
        .map_err(named_alone)?;
        let work = Work {
            presences,
            specializations: record.specializations,
            availability: record.availability,
        };
        self.with_assignment(Assignment { id, sourced, work }, now)
    }

    /// The specialist without an assignment that its source deleted: it is only remembered that there was one.
    ///
    /// # Errors
    /// [`Code::LimitExceeded`], never where the assignment was told before.
    pub fn unassigned(&self, id: AssignmentId, sourced: Sourced, now: Timestamp) -> Result<Self, Refusal> {
        let work = Work::default();
        self.with_assignment(Assignment { id, sourced, work }, now)
    }

    fn with_assignment(&self, assignment: Assignment, now: Timestamp) -> Result<Self, Refusal> {
        let mut parts = self.parts.clone().unwrap_or_else(|| Parts {
            own: Work {
                presences: self.assignments.clone(),
                specializations: self.profile.specializations.clone(),
                availability: self.profile.availability.clone(),
            },
            is_active: true,
            assignments: Vec::new(),
        });
        let occurred_at = assignment.sourced.stamp.occurred_at;
        let known = parts
            .assignments
            .iter()
            .position(|apart| apart.id == assignment.id);
        match known {
            Some(at) => parts.assignments[at] = assignment,
            None if parts.assignments.len() == MOST_TOLD_APART => return Err(Code::LimitExceeded.into()),
            None => parts.assignments.push(assignment),
        }
        let next = Self {
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        };
        let next = next.put_together(parts, "/sites")?;
        let requested = self.requested.clone();
        Ok(Self {
            requested: requested.and_then(|old| old.after(&next.profile, next.price, occurred_at)),
            ..next
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::person::Place;
    use crate::sample::{now, sourced};
    use crate::specialist::tests::{record, specialist};
    use crate::specialist::{SpecialistRecord, Window};

    fn references() -> SpecialistReferences {
        let places = ["north", "south", "east"].into_iter().zip(1..);
        let place = |(name, at): (&str, u128)| {
            let site = SiteId::from(uuid::Uuid::from_u128(at));
            (sourced(name, 1).external, Place { site, shards: 1 })
        };
        SpecialistReferences {
            sites: places.map(place).collect(),
        }
    }

    fn says(value: serde_json::Value) -> AssignmentRecord {
        let mut value = value;
        value["specialist"] = json!(sourced("doctor", 1).external);
        let sites = value["sites"].as_array().cloned().unwrap_or_default();
        let sites = sites
            .iter()
            .map(|name| json!(sourced(name.as_str().unwrap(), 1).external));
        value["sites"] = sites.collect();
        serde_json::from_value(value).unwrap()
    }

    /// The id of the assignment of this name.
    fn id(name: &str) -> AssignmentId {
        let second = name.bytes().fold(0_i64, |sum, byte| sum * 7 + i64::from(byte));
        AssignmentId::from(uuid::Uuid::from_u128(u128::from(second.unsigned_abs())))
    }

    fn take(
        doctor: &Specialist,
        name: &str,
        version: u64,
        value: serde_json::Value,
    ) -> Result<Specialist, Refusal> {
        let told = sourced(name, version);
        doctor.assigned(says(value), &references(), id(name), told, now())
    }

    fn doctor() -> Specialist {
        specialist(&record("Greta", "Vogel"))
    }

    fn retold(doctor: &Specialist, change: impl FnOnce(&mut SpecialistRecord)) -> Specialist {
        let mut record = record("Greta", "Vogel");
        change(&mut record);
        Specialist::taken(record, &references(), sourced("doctor", 2), Some(doctor), now()).unwrap()
    }

    fn words(doctor: &Specialist) -> Vec<&str> {
        doctor
            .profile
            .specializations
            .iter()
            .map(ProfileLine::as_str)
            .collect()
    }

    fn statuses(doctor: &Specialist) -> Vec<PresenceStatus> {
        doctor
            .assignments
            .iter()
            .map(|presence| presence.status)
            .collect()
    }

    #[test]
    fn what_is_told_apart_is_put_together_and_taken_apart_again() {
        let one = take(
            &doctor(),
            "role-1",
            1,
            json!({
                "sites": ["north"], "specializations": ["Sleep", "Dreams"],
                "availability": [{ "day": "monday", "from": "11:00", "until": "14:00" }],
            }),
        )
        .unwrap();
        assert_eq!((one.sites().count(), one.rev), (1, 2));
        assert_eq!(words(&one), ["Sleep", "Anxiety", "Pain", "Grief", "Dreams"]);
        let week: Vec<Window> =
            serde_json::from_value(json!([{ "day": "monday", "from": "09:00", "until": "14:00" }])).unwrap();
        assert_eq!(one.profile.availability.windows(), week);

        let two = take(&one, "role-2", 1, json!({ "sites": ["north", "south"] })).unwrap();
        assert_eq!(two.sites().count(), 2);
        assert_eq!(two.assignment(id("role-2")).unwrap().work.presences.len(), 2);

        // The specialist's own line, and each assignment, is replaced for itself.
        let retold = retold(&two, |record| record.specializations = Vec::new());
        assert_eq!(words(&retold), ["Sleep", "Dreams"]);
        assert_eq!(retold.sites().count(), 2);
        let moved = take(&retold, "role-2", 2, json!({ "sites": ["east"] })).unwrap();
        assert_eq!(moved.sites().count(), 2);
        let left = moved
            .unassigned(id("role-1"), sourced("role-1", 2), now())
            .unwrap();
        assert_eq!((left.sites().count(), words(&left).len()), (1, 0));
        assert_eq!(
            left.assignment(id("role-1")).unwrap().sourced.stamp.version,
            Some(2)
        );

        let stored = serde_json::to_value(&left).unwrap();
        assert_eq!(serde_json::from_value::<Specialist>(stored).unwrap(), left);
    }

    #[test]
    fn an_assignment_is_active_while_all_say_so() {
        let of = |value: serde_json::Value| statuses(&take(&doctor(), "role", 1, value).unwrap());
        let (active, inactive) = (PresenceStatus::Active, PresenceStatus::Inactive);
        assert_eq!(of(json!({ "sites": ["north"] })), [active]);
        assert_eq!(
            of(json!({ "sites": ["north"], "status": "inactive" })),
            [inactive]
        );
        assert_eq!(
            of(json!({ "sites": ["north"], "until": "2026-05-04T09:00:00Z" })),
            [inactive]
        );
        assert_eq!(
            of(json!({ "sites": ["north"], "until": "2026-05-04T09:00:01Z" })),
            [active]
        );

        let working = take(&doctor(), "role", 1, json!({ "sites": ["north"] })).unwrap();
        let resting = retold(&working, |record| record.active = false);
        assert_eq!(statuses(&resting), [inactive]);
        let assigned = take(&resting, "other", 1, json!({ "sites": ["south"] })).unwrap();
        assert_eq!(statuses(&assigned), [inactive, inactive]);
        assert_eq!(statuses(&retold(&assigned, |_| ())), [active, active]);
    }

    #[test]
    fn when_somebody_came_stays_as_it_was_first_told() {
        let first = take(
            &doctor(),
            "role",
            1,
            json!({ "sites": ["north"], "since": "2020-01-01T00:00:00Z" }),
        )
        .unwrap();
        let again = take(&first, "role", 2, json!({ "sites": ["north", "south"] })).unwrap();
        let since: Vec<String> = again
            .assignments
            .iter()
            .map(|presence| presence.joined_at.to_string())
            .collect();
        assert_eq!(
            since,
            [
                "2020-01-01T00:00:00Z".to_owned(),
                sourced("role", 2).stamp.occurred_at.to_string()
            ]
        );
    }

    #[test]
    fn what_breaks_a_rule_of_assignments_is_refused_at_its_field() {
        let refused = |value: serde_json::Value| {
            let refusal = take(&doctor(), "role", 1, value).unwrap_err();
            (refusal.code, refusal.errors[0].pointer.clone())
        };
        assert_eq!(
            refused(json!({ "sites": ["north", "west"] })),
            (Code::SiteUnknown, "/sites/1".into())
        );
        assert_eq!(
            refused(json!({ "sites": ["north", "north"] })),
            (Code::FieldsInvalid, "/sites/1".into())
        );
        let backwards = json!({ "since": "2020-01-02T00:00:00Z", "until": "2020-01-01T00:00:00Z" });
        assert_eq!(refused(backwards), (Code::FieldsInvalid, "/until".into()));
        let many: Vec<String> = (0..MOST_LINES).map(|at| format!("Specialty {at}")).collect();
        assert_eq!(
            refused(json!({ "specializations": many })),
            (Code::LimitExceeded, "/specializations".into())
        );

        let gone = doctor().deleted(sourced("doctor", 2), now());
        assert_eq!(
            take(&gone, "role", 1, json!({})).unwrap_err().code,
            Code::ReferenceUnknown
        );
        let mut busy = doctor();
        for at in 0..MOST_TOLD_APART {
            busy = take(&busy, &format!("role-{at}"), 1, json!({})).unwrap();
        }
        assert_eq!(
            take(&busy, "another", 1, json!({})).unwrap_err().code,
            Code::LimitExceeded
        );
        assert!(take(&busy, "role-0", 2, json!({})).is_ok());
    }
}
