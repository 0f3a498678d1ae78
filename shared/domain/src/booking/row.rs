//! A booking as lists hold it: a copy of what they show and filter by, small whatever the booking holds.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::booking::{Booking, Modality, Status};
use crate::id::{BookingId, PatientId, SiteId, SpecialistId, compact};
use crate::money::Money;
use crate::text::{PersonName, ServiceName};

/// The most bytes of each text in a row: with all keys, a row stays within a kilobyte.
pub const LONGEST_IN_ROW: usize = 48;

/// A booking in a list. Long texts are cut: the booking itself has them whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingRow {
    /// Its id.
    #[serde(with = "compact")]
    pub id: BookingId,
    /// The site it was made at.
    #[serde(with = "compact")]
    pub site: SiteId,
    /// Which of the partitions of its site's collection holds it.
    pub shard: u8,
    /// Whose.
    #[serde(with = "compact")]
    pub patient: PatientId,
    /// The patient's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_name: Option<PersonName>,
    /// With whom.
    #[serde(with = "compact")]
    pub specialist: SpecialistId,
    /// The specialist's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specialist_name: Option<PersonName>,
    /// What it is for.
    pub service: ServiceName,
    /// Its status.
    pub status: Status,
    /// Its first instant; none while that is open.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub start: Option<Timestamp>,
    /// The instant at which it is over; none while that is open.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub end: Option<Timestamp>,
    /// How they meet.
    pub modality: Modality,
    /// What it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// The word of the change that its source was asked for and has not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<String>,
}

impl Booking {
    /// The booking as lists hold it.
    #[must_use]
    pub fn row(&self) -> BookingRow {
        BookingRow {
            id: self.id,
            site: self.site,
            shard: self.shard,
            patient: self.patient,
            patient_name: self.patient_name.as_ref().map(short),
            specialist: self.specialist,
            specialist_name: self.specialist_name.as_ref().map(short),
            service: short(&self.service),
            status: self.status(),
            start: self.start(),
            end: self.end(),
            modality: self.modality,
            price: self.price,
            requested: self
                .pending()
                .map(|request| request.transition.as_str().to_owned()),
        }
    }
}

/// The text, cut to what a row holds.
fn short<T: Clone + Into<String> + TryFrom<String>>(whole: &T) -> T {
    let text: String = whole.clone().into();
    if text.len() <= LONGEST_IN_ROW {
        return whole.clone();
    }
    let end = text.floor_char_boundary(LONGEST_IN_ROW - '…'.len_utf8());
    // What begins a text that can be shown can be shown.
    T::try_from(format!("{}…", &text[..end])).unwrap_or_else(|_| whole.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::booking::sample::{booked, pending_request};

    #[test]
    fn long_texts_are_cut_between_characters() {
        let name = |text: &str| short(&text.parse::<PersonName>().unwrap()).as_str().to_owned();
        assert_eq!(name("Ada Lovelace"), "Ada Lovelace");
        let longest = "x".repeat(LONGEST_IN_ROW);
        assert_eq!(name(&longest), longest);
        for character in ["x", "ü", "字", "🎈"] {
            let cut = name(&character.repeat(100));
            assert!(cut.len() <= LONGEST_IN_ROW && cut.len() > LONGEST_IN_ROW - 4 - '…'.len_utf8());
            assert!(cut.ends_with('…') && cut.starts_with(character));
        }
    }

    #[test]
    fn a_row_reads_back_as_it_was_stored() {
        for booking in [booked(), pending_request()] {
            let row = booking.row();
            let stored = serde_json::to_value(&row).unwrap();
            assert_eq!(serde_json::from_value::<BookingRow>(stored).unwrap(), row);
        }
        assert_eq!(pending_request().row().requested.as_deref(), Some("cancel"));
    }
}
