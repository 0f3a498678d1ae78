//! Exports: lists as files, written for whoever asked, by the rights they hold when the file is written and when they take it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::audit::Verb;
use crate::booking::words;
use crate::change::{Change, Write};
use crate::code::{Code, Refusal};
use crate::id::{AccountId, ExportId, OrganizationId};
use crate::lease::{Claim, LEASE, MOST_ATTEMPTS};
use crate::limit::{EXPORTS_PER_ACCOUNT, EXPORTS_PER_ORGANIZATION};
use crate::outbox::{Content, Message};
use crate::permission::Permission;
use crate::role::Role;

/// How long a file can be taken: the bucket deletes it afterwards.
pub const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long what is known of an export is kept.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The most rows of a file.
pub const MOST_ROWS: u64 = 1_000_000;
/// The most characters of all filters together.
const LONGEST_FILTERS: usize = 2_000;
/// What filters by names and addresses: the audit log tells that it was used, never for whom.
const UNTOLD: &str = "search";

words! {
    /// A list that can be exported.
    ExportedList {
        /// Bookings.
        Bookings = "bookings",
        /// Transactions.
        Transactions = "transactions",
        /// Patients.
        Patients = "patients",
        /// Specialists.
        Specialists = "specialists",
        /// Members.
        Members = "members",
        /// Sessions, where the organization shares them.
        Sessions = "sessions",
        /// Audit events.
        AuditEvents = "audit_events",
    }

    /// The form of a file.
    ExportFormat {
        /// A table for spreadsheets (RFC 4180), its cells made harmless.
        Csv = "csv",
        /// A line of JSON for each item, as the list tells it.
        Ndjson = "ndjson",
    }
}

impl ExportedList {
    /// The permission that seeing the list needs.
    #[must_use]
    pub const fn permission(self) -> Permission {
        match self {
            Self::Bookings => Permission::BookingsRead,
            Self::Transactions => Permission::TransactionsRead,
            Self::Patients => Permission::PatientsRead,
            Self::Specialists => Permission::SpecialistsRead,
            Self::Members => Permission::MembersRead,
            Self::Sessions => Permission::SessionsRead,
            Self::AuditEvents => Permission::AuditRead,
        }
    }
}

impl ExportFormat {
    /// The media type of files.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// The filters of a list, as its route takes them: names and values of query parameters.
pub type ExportFilters = BTreeMap<String, String>;

/// What is to be exported.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRequest {
    /// Which list.
    pub list: ExportedList,
    /// In which form.
    pub format: ExportFormat,
    /// What of it.
    pub filters: ExportFilters,
}

impl std::fmt::Debug for ExportRequest {
    /// Without the filters: they may name people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExportRequest({:?}, {:?})", self.list, self.format)
    }
}

/// The right that a file was written by. It is given to nobody whose right is another, even a greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// The role of the one who asked.
    pub role: Role,
    /// The revision of the organization's access configuration, its roles among it.
    pub access_rev: u64,
}

impl Right {
    /// The right of whoever has `access`.
    #[must_use]
    pub const fn of(access: &Access) -> Self {
        Self {
            role: access.membership.role,
            access_rev: access.organization.access_rev,
        }
    }
}

/// What is known of a file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFile {
    /// The attempt that wrote it.
    pub attempt: u32,
    /// How many rows it has, a header not among them.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// When it was finished.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub written_at: Timestamp,
    /// By which right.
    pub right: Right,
}

impl ExportFile {
    /// From when on it is gone.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.written_at + KEPT
    }
}

/// Where an export is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Nobody is at it.
    Waiting,
    /// An attempt has it for itself.
    Running {
        /// Until then; after that, another may try.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        until: Timestamp,
    },
    /// There is a file.
    Done {
        /// The file.
        file: ExportFile,
    },
    /// There is none and will be none.
    Failed {
        /// Why: a code of a refusal.
        code: String,
        /// Since when.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
}

/// An export of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// Whose list.
    pub organization: OrganizationId,
    /// For whom.
    pub requested_by: AccountId,
    /// What.
    pub request: ExportRequest,
    /// Where it is.
    pub state: State,
    /// How often it was begun to be written.
    pub attempts: u32,
    /// Its revision.
    pub rev: u64,
    /// When it was asked for.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
}

impl ExportRequest {
    /// What is to be exported of `list`.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`] for filters that are too long to be anybody's.
    pub fn new(list: ExportedList, format: ExportFormat, filters: ExportFilters) -> Result<Self, Refusal> {
        let length: usize = filters.iter().map(|(name, value)| name.len() + value.len()).sum();
        if length > LONGEST_FILTERS {
            return Err(Refusal::new(Code::QueryInvalid, "the filters are too long"));
        }
        Ok(Self {
            list,
            format,
            filters,
        })
    }
}

impl Access {
    /// Asks for an export. That the list's own rules allow it, the caller has seen to.
    ///
    /// # Errors
    /// [`Code::PermissionMissing`] for who may not see the list.
    pub fn create_export(&self, request: ExportRequest, now: Timestamp) -> Result<(Export, Change), Refusal> {
        self.must_hold(request.list.permission())?;
        let export = Export {
            id: ExportId::mint(now),
            organization: self.organization.id,
            requested_by: self.account(),
            request,
            state: State::Waiting,
            attempts: 0,
            rev: 1,
            created_at: now,
        };
        let told = |text: &str| Some(text.to_owned());
        let ExportRequest {
            list,
            format,
            filters,
        } = &export.request;
        let event = self
            .event(Verb::ExportCreated, &export.id, now)
            .changed("list", None, told(list.as_str()))
            .changed("format", None, told(format.as_str()));
        let event = filters
            .iter()
            .fold(event, |event, (name, value)| match name.as_str() {
                UNTOLD => event.naming(["filters.search"]),
                name => event.changed(&format!("filters.{name}"), None, told(value)),
            });
        let message = Content::Export {
            organization: export.organization,
            export: export.id,
        };
        let change = Change::audited(event)
            .write(Write::ExportPut(Box::new(export.clone())))
            .fact(self.actor_holds())
            .counted(EXPORTS_PER_ACCOUNT.used_by(self.account().to_string(), now))
            .counted(EXPORTS_PER_ORGANIZATION.used_by(export.organization.to_string(), now))
            .sending(Message::new(message, now));
        Ok((export, change))
    }

    /// Hands out a link to the file of `export`, which is the caller's own: said in the audit log. None where there is no file
    /// for the caller's present right.
    #[must_use]
    pub fn take_export(&self, export: &Export, now: Timestamp) -> Option<Change> {
        let file = export.file_for(self, now)?;
        let event = self
            .event(Verb::ExportLinkGiven, &export.id, now)
            .changed("list", None, Some(export.request.list.as_str().to_owned()))
            .changed("rows", None, Some(file.rows.to_string()));
        let change = Change::audited(event)
            .fact(self.actor_holds())
            .fact(self.organization_active());
        Some(change)
    }
}

impl Export {
    /// The file, if it can be taken by whoever has `access`.
    #[must_use]
    pub fn file_for(&self, access: &Access, now: Timestamp) -> Option<&ExportFile> {
        match &self.state {
            State::Done { file } if now < file.expires_at() && file.right == Right::of(access) => Some(file),
            _ => None,
        }
    }

    /// Where it is for whoever has `access`: `waiting`, `running`, `done`, `failed`, `expired`, or `outdated` where the right it
    /// was written by is not the present one.
    #[must_use]
    pub fn status(&self, access: &Access, now: Timestamp) -> &'static str {
        match &self.state {
            State::Waiting => "waiting",
            State::Running { .. } => "running",
            State::Failed { .. } => "failed",
            State::Done { file } if now >= file.expires_at() => "expired",
            State::Done { file } if file.right != Right::of(access) => "outdated",
            State::Done { .. } => "done",
        }
    }

    /// Begins an attempt to write it.
    #[must_use]
    pub fn claim(&self, now: Timestamp) -> Claim<Self> {
        match self.state {
            State::Done { .. } | State::Failed { .. } => Claim::Settled,
            State::Running { until } if now < until => Claim::Taken,
            _ if self.attempts >= MOST_ATTEMPTS => Claim::GivenUp(Box::new(self.failed(Code::Internal, now))),
            _ => {
                let claimed = Self {
                    attempts: self.attempts + 1,
                    ..self.next(State::Running { until: now + LEASE })
                };
                let change = Change::default().write(Write::ExportPut(Box::new(claimed.clone())));
                Claim::Claimed(Box::new(claimed), Box::new(change))
            }
        }
    }

    /// Gives an attempt up, so that the next need not wait until its lease is over.
    #[must_use]
    pub fn released(&self) -> Change {
        Change::default().write(Write::ExportPut(Box::new(self.next(State::Waiting))))
    }

    /// The end of an attempt that wrote `file`, if whoever asked still has the right it was written by.
    #[must_use]
    pub fn done(&self, file: ExportFile, access: &Access) -> Change {
        Change::default()
            .write(Write::ExportPut(Box::new(self.next(State::Done { file }))))
            .fact(access.actor_holds())
            .fact(access.organization_active())
    }

    /// The end of an export that will never have a file.
    #[must_use]
    pub fn failed(&self, code: Code, now: Timestamp) -> Change {
        let state = State::Failed {
            code: code.as_str().to_owned(),
            at: now,
        };
        Change::default().write(Write::ExportPut(Box::new(self.next(state))))
    }

    fn next(&self, state: State) -> Self {
        Self {
            state,
            rev: self.rev + 1,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Fact;
    use crate::sample::{access, add_role, now, organization};

    fn request(filters: &[(&str, &str)]) -> ExportRequest {
        let filters = filters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ExportRequest::new(ExportedList::Patients, ExportFormat::Csv, filters.collect()).unwrap()
    }

    fn asked() -> (Access, Export) {
        let access = access(&organization(), Role::Admin);
        let (export, _) = access.create_export(request(&[]), now()).unwrap();
        (access, export)
    }

    fn claimed(export: &Export, now: Timestamp) -> Export {
        match export.claim(now) {
            Claim::Claimed(export, _) => *export,
            other => panic!("{other:?}"),
        }
    }

    fn file(access: &Access, at: Timestamp) -> ExportFile {
        ExportFile {
            attempt: 1,
            rows: 3,
            bytes: 90,
            sha256: "00".repeat(32),
            written_at: at,
            right: Right::of(access),
        }
    }

    fn written(change: &Change) -> Export {
        match &change.writes[..] {
            [Write::ExportPut(export)] => (**export).clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_log_tells_what_is_exported_and_of_no_person() {
        let access = access(&organization(), Role::Admin);
        let request = request(&[("search", "Okafor"), ("status", "active")]);
        assert!(!format!("{request:?}").contains("Okafor"));
        let (export, change) = access.create_export(request, now()).unwrap();
        let event = serde_json::to_string(&change.audit).unwrap();
        assert!(event.contains("filters.search") && event.contains("active") && !event.contains("Okafor"));
        assert_eq!(change.facts, [access.actor_holds()]);
        assert_eq!((change.messages.len(), change.uses.len()), (1, 2));
        assert_eq!(written(&change), export);
    }

    #[test]
    fn who_may_not_see_a_list_exports_none_of_it() {
        let mut here = organization();
        let role = add_role(
            &mut here,
            [Permission::ExportsCreate, Permission::BookingsRead].into(),
        );
        let access = access(&here, role);
        for list in ExportedList::ALL {
            let request = ExportRequest::new(*list, ExportFormat::Ndjson, ExportFilters::new()).unwrap();
            let made = access.create_export(request, now());
            assert_eq!(made.is_ok(), *list == ExportedList::Bookings);
        }
    }

    #[test]
    fn filters_have_an_end() {
        let filters = |length: usize| {
            let filters = [("search".to_owned(), "x".repeat(length))].into();
            ExportRequest::new(ExportedList::Members, ExportFormat::Csv, filters)
        };
        assert!(filters(LONGEST_FILTERS - 6).is_ok());
        assert_eq!(filters(LONGEST_FILTERS).unwrap_err().code, Code::QueryInvalid);
    }

    #[test]
    fn one_attempt_at_a_time_has_the_file_and_none_after_the_last() {
        let (access, mut export) = asked();
        let mut at = now();
        for attempt in 1..=MOST_ATTEMPTS {
            let running = claimed(&export, at);
            assert_eq!((running.attempts, running.rev), (attempt, export.rev + 1));
            assert_eq!(
                running.claim(at + LEASE - SignedDuration::from_millis(1)),
                Claim::Taken
            );
            // Given up, or dead
            if attempt % 2 == 0 {
                export = written(&running.released());
            } else {
                at += LEASE;
                export = running;
            }
        }
        let Claim::GivenUp(change) = export.claim(at + LEASE) else {
            panic!("there is another attempt")
        };
        let failed = written(&change);
        assert_eq!(failed.status(&access, at), "failed");
        assert_eq!(failed.claim(at), Claim::Settled);
    }

    #[test]
    fn a_file_is_for_the_right_it_was_written_by_and_for_seven_days() {
        let (access, export) = asked();
        assert_eq!(export.status(&access, now()), "waiting");
        assert_eq!(access.take_export(&export, now()), None);
        let running = claimed(&export, now());
        assert_eq!(running.status(&access, now()), "running");
        let change = running.done(file(&access, now()), &access);
        assert_eq!(change.facts, [access.actor_holds(), access.organization_active()]);
        let done = written(&change);
        assert_eq!(done.claim(now()), Claim::Settled);

        let last = now() + KEPT - SignedDuration::from_millis(1);
        let taken = access.take_export(&done, last).unwrap();
        assert_eq!(taken.audit[0].verb, Verb::ExportLinkGiven);
        assert_eq!(taken.audit[0].changes["rows"].after.as_deref(), Some("3"));
        let organization = access.organization.id;
        assert!(taken.facts.contains(&Fact::OrganizationActive(organization, 7)));
        assert_eq!(done.status(&access, last), "done");
        assert_eq!(access.take_export(&done, now() + KEPT), None);
        assert_eq!(done.status(&access, now() + KEPT), "expired");

        // Neither another configuration nor another role, even a stronger one
        let mut other = access.clone();
        other.organization.access_rev += 1;
        assert_eq!(other.take_export(&done, now()), None);
        let mut other = access;
        other.membership.role = Role::Viewer;
        assert_eq!(done.status(&other, now()), "outdated");
    }

    #[test]
    fn an_export_reads_back_as_it_was_stored() {
        let (access, export) = asked();
        let running = claimed(&export, now());
        for export in [
            written(&running.done(file(&access, now()), &access)),
            written(&running.failed(Code::SiteFilterRequired, now())),
            running,
            export,
        ] {
            let stored = serde_json::to_value(&export).unwrap();
            assert_eq!(serde_json::from_value::<Export>(stored).unwrap(), export);
        }
    }
}
