//! Who did what to what, when, from where and with which outcome.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};
use crate::external::SourceName;
use crate::id::{AccountId, EventId, OrganizationId, TokenId};
use crate::role::Role;

macro_rules! verbs {
    ($($name:ident $wire:literal;)*) => {
        /// What happened, as `object.verb`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Verb {
            $(#[doc = concat!("`", $wire, "`")] #[serde(rename = $wire)] $name,)*
        }

        impl Verb {
            /// All verbs.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The verb as it is sent and stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }
        }
    };
}

verbs! {
    OrganizationCreated "organization.created";
    OrganizationUpdated "organization.updated";
    AccessConfigured "organization.access_configured";
    DissolutionRequested "organization.dissolution_requested";
    DissolutionCancelled "organization.dissolution_cancelled";
    OrganizationDissolved "organization.dissolved";
    CeilingChanged "organization.ceiling_changed";
    SiteBound "site.bound";
    SiteUnbound "site.unbound";
    SiteCreated "site.created";
    SiteUpdated "site.updated";
    BookingTransitionRequested "booking.transition_requested";
    TokenCreated "token.created";
    TokenRotated "token.rotated";
    TokenRevoked "token.revoked";
    RecordsIngested "records.ingested";
    ImportCreated "import.created";
    ImportEnded "import.ended";
    RoleCreated "role.created";
    RoleUpdated "role.updated";
    RoleDeleted "role.deleted";
    InviteCreated "invite.created";
    InviteResent "invite.resent";
    InviteRevoked "invite.revoked";
    InviteAccepted "invite.accepted";
    InviteDeclined "invite.declined";
    InviteExpired "invite.expired";
    InviteVoided "invite.voided";
    InviteUndeliverable "invite.undeliverable";
    MemberUpdated "member.updated";
    MemberRemoved "member.removed";
    MemberLeft "member.left";
    MemberAddressChanged "member.address_changed";
    PatientViewed "patient.viewed";
    PatientUpdated "patient.updated";
    PatientChangeRequested "patient.change_requested";
    NotesListed "notes.listed";
    NoteViewed "note.viewed";
    NoteCreated "note.created";
    NoteUpdated "note.updated";
    SpecialistUpdated "specialist.updated";
    SpecialistChangeRequested "specialist.change_requested";
    SpecialistReviewed "specialist.reviewed";
    ExportCreated "export.created";
    ExportLinkGiven "export.link_given";
    SessionStarted "session.started";
    SessionEnded "session.ended";
    SessionUpdated "session.updated";
    DeviceRegistered "device.registered";
    DeviceRevoked "device.revoked";
    ActionAssigned "action.assigned";
    ActionSnoozed "action.snoozed";
    ActionDismissed "action.dismissed";
    ActionReopened "action.reopened";
}

impl std::str::FromStr for Verb {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL
            .iter()
            .copied()
            .find(|verb| verb.as_str() == text)
            .ok_or_else(|| Refusal::new(Code::QueryInvalid, "there is no such verb"))
    }
}

/// Who acted: a member, or the product itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Actor {
    /// A person, with the role they acted in.
    Account {
        /// The account.
        id: AccountId,
        /// The role at that time; none where the act needs no membership.
        role: Option<Role>,
    },
    /// One of the platform's own systems.
    Service {
        /// The token it called with.
        token: TokenId,
        /// Whose records it feeds.
        source: SourceName,
    },
    /// A scheduled or event-driven function.
    System {
        /// Its name.
        name: String,
    },
}

impl Actor {
    /// The actor as one text, as it is filtered by.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Account { id, .. } => id.to_string(),
            Self::Service { token, .. } => token.to_string(),
            Self::System { name } => format!("system:{name}"),
        }
    }
}

/// From where: what the gateway says of the request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The request's id, as in the answer and the logs.
    pub request_id: String,
    /// The client's address as seen by the gateway, never a forwarded header.
    pub ip: Option<String>,
    /// The client's own name, at most 200 characters.
    pub user_agent: Option<String>,
}

/// A field before and after. Only allow-listed fields without personal data are ever given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The old value.
    pub before: Option<String>,
    /// The new value.
    pub after: Option<String>,
}

/// One line of an organization's audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Its id.
    pub id: EventId,
    /// Whose log.
    pub organization: OrganizationId,
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// What.
    pub verb: Verb,
    /// By whom.
    pub actor: Actor,
    /// To what: the id of an invite, account, role or the organization.
    pub object: String,
    /// From where.
    pub origin: Origin,
    /// What became different.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<String, Difference>,
}

impl AuditEvent {
    /// The event that `actor` did `verb` to `object`.
    #[must_use]
    pub fn new(
        organization: OrganizationId,
        verb: Verb,
        actor: Actor,
        object: &impl ToString,
        origin: &Origin,
        now: Timestamp,
    ) -> Self {
        Self {
            id: EventId::mint(now),
            organization,
            at: now,
            verb,
            actor,
            object: object.to_string(),
            origin: origin.clone(),
            changes: BTreeMap::new(),
        }
    }

    /// The same event, with what changed of `field`; nothing if nothing did.
    #[must_use]
    pub fn changed(mut self, field: &str, before: Option<String>, after: Option<String>) -> Self {
        if before != after {
            self.changes
                .insert(field.to_owned(), Difference { before, after });
        }
        self
    }

    /// The same event, with the names of `fields` that changed and whose values are not told: they are personal data.
    #[must_use]
    pub fn naming(mut self, fields: impl IntoIterator<Item = &'static str>) -> Self {
        let untold = fields.into_iter().map(|field| {
            let difference = Difference {
                before: None,
                after: None,
            };
            (field.to_owned(), difference)
        });
        self.changes.extend(untold);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sample::now;

    fn event() -> AuditEvent {
        let organization = OrganizationId::mint(now());
        let actor = Actor::System {
            name: "tests".to_owned(),
        };
        AuditEvent::new(
            organization,
            Verb::OrganizationUpdated,
            actor,
            &organization,
            &Origin::default(),
            now(),
        )
    }

    #[test]
    fn verbs_are_unique_and_read_back() {
        let names: BTreeSet<_> = Verb::ALL.iter().map(|verb| verb.as_str()).collect();
        assert_eq!(names.len(), Verb::ALL.len());
        for verb in Verb::ALL {
            assert_eq!(verb.as_str().parse(), Ok(*verb));
            assert_eq!(serde_json::to_value(verb).unwrap(), verb.as_str());
        }
        assert_eq!(
            "member.eaten".parse::<Verb>().unwrap_err().code,
            Code::QueryInvalid
        );
    }

    #[test]
    fn only_what_became_different_is_told() {
        let text = |text: &str| Some(text.to_owned());
        let event = event()
            .changed("name", text("a"), text("a"))
            .changed("time_zone", text("UTC"), text("Europe/Berlin"))
            .changed("allowed_domains", None, None);
        assert_eq!(event.changes.keys().collect::<Vec<_>>(), ["time_zone"]);
    }

    #[test]
    fn a_field_with_personal_data_is_named_alone() {
        let event = event().naming(["given_name", "time_zone"]);
        assert_eq!(
            event.changes.keys().collect::<Vec<_>>(),
            ["given_name", "time_zone"]
        );
        let untold = Difference {
            before: None,
            after: None,
        };
        assert!(event.changes.values().all(|difference| *difference == untold));
    }

    #[test]
    fn an_actor_is_filtered_by_one_text() {
        let id = AccountId::of("sample", "dana");
        let account = Actor::Account { id, role: None };
        assert_eq!(account.key(), id.to_string());
        assert_eq!(event().actor.key(), "system:tests");
    }

    #[test]
    fn an_event_reads_back_as_it_was_stored() {
        let event = event().changed("name", None, Some("new".to_owned()));
        let stored = serde_json::to_value(&event).unwrap();
        assert_eq!(serde_json::from_value::<AuditEvent>(stored).unwrap(), event);
    }
}
