//! The fields that records have, as they say themselves.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use crate::booking::BookingRecord;
use crate::ingest::RecordType;
use crate::note::NoteRecord;
use crate::patient::{EnrollmentRecord, PatientRecord};
use crate::site::SiteRecord;
use crate::specialist::{AssignmentRecord, SpecialistRecord};
use crate::transaction::TransactionRecord;

type Names = &'static [&'static str];

/// Hears which fields a structure wants to be read from.
struct Asked<'a>(&'a mut Names);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only asked for its fields"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn fields<T: for<'de> Deserialize<'de>>() -> Names {
    let mut names: Names = &[];
    // It fails by all means: its fields are all that is wanted of it.
    let _ = T::deserialize(Asked(&mut names));
    names
}

/// The fields of a record of this type.
pub(super) fn of(of: RecordType) -> Names {
    match of {
        RecordType::Sites => fields::<SiteRecord>(),
        RecordType::Patients => fields::<PatientRecord>(),
        RecordType::Specialists => fields::<SpecialistRecord>(),
        RecordType::Enrollments => fields::<EnrollmentRecord>(),
        RecordType::Bookings => fields::<BookingRecord>(),
        RecordType::Transactions => fields::<TransactionRecord>(),
        RecordType::Assignments => fields::<AssignmentRecord>(),
        RecordType::Notes => fields::<NoteRecord>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_tells_its_fields() {
        for (record, field) in [
            (RecordType::Sites, "name"),
            (RecordType::Patients, "registrations"),
            (RecordType::Specialists, "assignments"),
            (RecordType::Enrollments, "sponsor"),
            (RecordType::Bookings, "start"),
            (RecordType::Transactions, "amount_minor"),
            (RecordType::Assignments, "specialist"),
            (RecordType::Notes, "text"),
        ] {
            let names = of(record);
            assert!(names.contains(&field), "{record:?}: {names:?}");
        }
    }
}
