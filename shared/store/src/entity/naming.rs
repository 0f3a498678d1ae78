//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | NM1 | what the names of a source stand for | table | `EXTERNAL#{source}#{type}#{system}#{name}` | `EXTERNAL` |

use portal_domain::external::{ExternalId, SourceName};
use portal_domain::ingest::{Naming, RecordType};

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::table::Key;

const SK: &str = "EXTERNAL";

fn key(source: &SourceName, of: RecordType, external: &ExternalId) -> Key {
    Key {
        pk: partition(source, of.as_str(), external),
        sk: SK.to_owned(),
    }
}

/// What the partitions of a source's names begin with; the name of the type keeps apart what different types are called.
pub(crate) fn prefix(source: &SourceName, of: &str) -> String {
    format!("EXTERNAL#{source}#{of}#")
}

/// The partition of what a source calls so.
pub(crate) fn partition(source: &SourceName, of: &str, external: &ExternalId) -> String {
    // What ends a part cannot be in it: no two names run together.
    let part = |text: &str| text.replace('%', "%25").replace('#', "%23");
    let (system, value) = (part(external.system.as_str()), part(external.value.as_str()));
    format!("{}{system}#{value}", prefix(source, of))
}

impl Entity for Naming {
    const KIND: &'static str = "external";

    fn key(&self) -> Key {
        key(&self.source, self.of, &self.external)
    }
}

impl Store {
    /// NM1: what these names of a source stand for, in no order; those that stand for nothing are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`], [`StoreError::OutOfScope`] for another source than the caller's.
    pub async fn namings<'a>(
        &self,
        source: &SourceName,
        names: impl IntoIterator<Item = (RecordType, &'a ExternalId)>,
    ) -> Result<Vec<Naming>, StoreError> {
        let keys: Vec<Key> = names
            .into_iter()
            .map(|(of, external)| key(source, of, external))
            .collect();
        self.get_all(&keys).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(of: RecordType, system: &str, value: &str) -> Key {
        let external = ExternalId {
            system: system.parse().unwrap(),
            value: value.parse().unwrap(),
        };
        key(&"platform".parse().unwrap(), of, &external)
    }

    #[test]
    fn no_two_names_have_one_key() {
        let patient = |system, value| spelled(RecordType::Patients, system, value);
        assert_ne!(patient("a#b", "c"), patient("a", "b#c"));
        assert_ne!(patient("a%23b", "c"), patient("a#b", "c"));
        assert_ne!(patient("a", "b"), spelled(RecordType::Sites, "a", "b"));
        let longest = patient(&"#".repeat(200), &"v".repeat(200));
        assert!(longest.pk.len() < 2_048);
    }
}
