//! The one table: its attribute and index names, and its definition, from which the local table is made and with which
//! the SAM template is compared.

use serde_json::{Value, json};

/// Partition key attribute.
pub const PK: &str = "pk";
/// Sort key attribute.
pub const SK: &str = "sk";
/// What an item is.
pub const KIND: &str = "kind";
/// Epoch second from which a throw-away item may be deleted. Never decides anything: deletion may come days late.
pub const TTL: &str = "ttl";

/// A key of the table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Partition.
    pub pk: String,
    /// Sort.
    pub sk: String,
}

/// The four indexes, all sparse, all projecting whole items. What they hold is said by the entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Index {
    /// Collections of an organization.
    ByOrg,
    /// Collections of a site; on invites, the seats held for a root organization.
    BySite,
    /// Collections of a patient; on audit events, those about an object.
    ByPatient,
    /// Collections of a specialist; on audit events, those by an actor.
    BySpecialist,
}

impl Index {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ByOrg, Self::BySite, Self::ByPatient, Self::BySpecialist];

    /// The index's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ByOrg => "by-org",
            Self::BySite => "by-site",
            Self::ByPatient => "by-patient",
            Self::BySpecialist => "by-specialist",
        }
    }

    /// Its partition key attribute.
    #[must_use]
    pub const fn pk(self) -> &'static str {
        match self {
            Self::ByOrg => "by_org_pk",
            Self::BySite => "by_site_pk",
            Self::ByPatient => "by_patient_pk",
            Self::BySpecialist => "by_specialist_pk",
        }
    }

    /// Its sort key attribute.
    #[must_use]
    pub const fn sk(self) -> &'static str {
        match self {
            Self::ByOrg => "by_org_sk",
            Self::BySite => "by_site_sk",
            Self::ByPatient => "by_patient_sk",
            Self::BySpecialist => "by_specialist_sk",
        }
    }
}

/// The `CreateTable` request for the table called `name`.
#[must_use]
pub fn definition(name: &str) -> Value {
    let keys = |pk: &str, sk: &str| json!([{ "AttributeName": pk, "KeyType": "HASH" }, { "AttributeName": sk, "KeyType": "RANGE" }]);
    let text = |attribute: &str| json!({ "AttributeName": attribute, "AttributeType": "S" });
    let attributes: Vec<Value> = [text(PK), text(SK)]
        .into_iter()
        .chain(Index::ALL.iter().flat_map(|i| [text(i.pk()), text(i.sk())]))
        .collect();
    let indexes: Vec<Value> = Index::ALL
        .iter()
        .map(|i| json!({ "IndexName": i.name(), "KeySchema": keys(i.pk(), i.sk()), "Projection": { "ProjectionType": "ALL" } }))
        .collect();
    json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys(PK, SK),
        "AttributeDefinitions": attributes,
        "GlobalSecondaryIndexes": indexes,
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    })
}

/// The `UpdateTimeToLive` request for the table called `name`.
#[must_use]
pub fn time_to_live(name: &str) -> Value {
    json!({ "TableName": name, "TimeToLiveSpecification": { "Enabled": true, "AttributeName": TTL } })
}

/// The instant as a sort key: sorts by time as text.
#[must_use]
pub(crate) fn sortable(at: jiff::Timestamp) -> String {
    format!("{:015}", at.as_millisecond())
}

/// A hash, for keys that must not show what they are about.
#[must_use]
pub(crate) fn hashed(text: &str) -> String {
    use std::fmt::Write;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .take(16)
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
