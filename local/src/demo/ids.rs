//! The ids that are the same in every demo, so that an event can name them.

use portal_domain::id::{
    BookingId, DeviceId, ExportId, ImportId, InviteId, NoteId, OrganizationId, PatientId, RoleId, SessionId,
    SiteId, SpecialistId, TokenId, TransactionId,
};
use uuid::Uuid;

/// When the clinic began to use the portal, in milliseconds: 2026-09-07T07:30:00Z.
pub(super) const BEGAN: i64 = 1_788_766_200_000;
/// Until when the invites work that events answer: 2036-11-01T00:00:00Z.
pub(super) const FAR: i64 = 2_109_110_400_000;

/// A UUIDv7 of a given time with a number in place of its random part.
pub(super) const fn at(milliseconds: i64, number: u64) -> Uuid {
    let time = (milliseconds.unsigned_abs() as u128) << 80;
    Uuid::from_u128(time | 0x7 << 76 | 0x8 << 60 | number as u128)
}

/// Riverside Family Practice, the clinic: `org_01a07ac6-20c0-7000-8000-000000000001`.
pub const RIVERSIDE: OrganizationId = OrganizationId::from_uuid(at(BEGAN, 1));
/// Harbor Counseling, another practice in which the clinic's admin is a viewer.
pub const HARBOR: OrganizationId = OrganizationId::from_uuid(at(BEGAN, 2));
/// Old Mill Practice, which was merged into the clinic and is being dissolved.
pub const OLD_MILL: OrganizationId = OrganizationId::from_uuid(at(BEGAN, 3));
/// Riverside Trial, in which the clinic's admin tried things out; nobody else is in it.
pub const TRIAL: OrganizationId = OrganizationId::from_uuid(at(BEGAN, 4));

/// Northshore Clinics, a network of three: `org_01a07ac6-20c0-7000-8000-000000000005`.
pub const NORTHSHORE: OrganizationId = OrganizationId::from_uuid(at(BEGAN, 5));
/// Clearbrook Health, which operates two brands: `org_01a07ac6-20c0-7000-8000-000000000006`.
pub const CLEARBROOK: OrganizationId = OrganizationId::from_uuid(at(BEGAN, 6));

/// The clinic's role for those who look after patients.
pub const COORDINATORS: RoleId = RoleId::from_uuid(at(BEGAN, 11));
/// The clinic's role for those who check that rules are kept.
pub const COMPLIANCE: RoleId = RoleId::from_uuid(at(BEGAN, 12));
/// The clinic's role for those who review money.
pub const BILLING: RoleId = RoleId::from_uuid(at(BEGAN, 13));
/// A role of the clinic that nobody holds.
pub const EDITORS: RoleId = RoleId::from_uuid(at(BEGAN, 14));

/// The clinic's online practice: `sit_01a07ac6-20c0-7000-8000-000000000015`.
pub const ONLINE: SiteId = SiteId::from_uuid(at(BEGAN, 21));
/// The clinic's practice in the city.
pub const CITY: SiteId = SiteId::from_uuid(at(BEGAN, 22));
/// A site of the platform that no organization is bound to.
pub const LAKESIDE: SiteId = SiteId::from_uuid(at(BEGAN, 23));

/// The service token of the platform's own systems.
pub const FEEDER: TokenId = TokenId::from_uuid(at(BEGAN, 31));
/// A service token that nobody uses, to be revoked.
pub(super) const SPARE: TokenId = TokenId::from_uuid(at(BEGAN, 32));

/// The admin's export of past bookings, not yet written: `exp_01a07ac6-20c0-7000-8000-00000000012d`.
pub const EXPORT: ExportId = ExportId::from_uuid(at(BEGAN, 301));

/// The platform's import of a few patients: `imp_01a07ac6-20c0-7000-8000-000000000137`.
pub const IMPORT: ImportId = ImportId::from_uuid(at(BEGAN, 311));

/// The admin's device: `dev_01a07ac6-20c0-7000-8000-000000000141`.
pub const DEVICE: DeviceId = DeviceId::from_uuid(at(BEGAN, 321));

/// The demo's session with this number.
#[must_use]
pub const fn session(number: u64) -> SessionId {
    SessionId::from_uuid(at(BEGAN, 0x600 + number))
}

/// The demo's patient with this number.
#[must_use]
pub const fn patient(number: u64) -> PatientId {
    PatientId::from_uuid(at(BEGAN, 0x300 + number))
}

/// The demo's specialist with this number.
#[must_use]
pub const fn specialist(number: u64) -> SpecialistId {
    SpecialistId::from_uuid(at(BEGAN, 0x400 + number))
}

/// The demo's booking with this number.
#[must_use]
pub const fn booking(number: u64) -> BookingId {
    BookingId::from_uuid(at(BEGAN, 3_000 + number))
}

/// The demo's transaction with this number.
#[must_use]
pub const fn transaction(number: u64) -> TransactionId {
    TransactionId::from_uuid(at(BEGAN, 4_000 + number))
}

/// The demo's invite with this number. Later ones have higher numbers.
#[must_use]
pub const fn invite(number: u64) -> InviteId {
    InviteId::from_uuid(at(BEGAN, number))
}

/// The demo's note with this number.
#[must_use]
pub const fn note(number: u64) -> NoteId {
    NoteId::from_uuid(at(BEGAN, 0x500 + number))
}

/// Its time is over, and the seat it held not yet freed.
pub(super) const OVERDUE: InviteId = invite(204);
/// Pending, to be sent again.
pub const RESENT: InviteId = invite(205);
/// Pending, to be revoked.
pub const REVOKED: InviteId = invite(206);
/// Pending, to be looked at.
pub const SHOWN: InviteId = invite(207);
/// Pending, its mail sent and about to bounce.
pub const BOUNCING: InviteId = invite(208);
/// Pending, its mail not yet taken over by the relay.
pub const RELAYED: InviteId = invite(210);
/// Pending, its mail not yet sent.
pub const MAILED: InviteId = invite(211);
/// To the [invitee](super::INVITEE), into the clinic. Works until 2036.
pub const ACCEPTED: InviteId = invite(212);
/// To the [invitee](super::INVITEE), into Harbor Counseling. Works until 2036.
pub const DECLINED: InviteId = invite(213);
