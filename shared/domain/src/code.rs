//! Every refusal the product can give: one stable code each, with its kind and title.

use std::borrow::Cow;

/// What sort of answer a refusal is; the HTTP layer maps it to a status, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be understood.
    Malformed,
    /// Nobody is signed in.
    Unauthenticated,
    /// Signed in, but not allowed.
    Forbidden,
    /// There is no such thing, or none that the caller may know of.
    NotFound,
    /// The method does not exist here.
    MethodNotAllowed,
    /// The state of things forbids it.
    Conflict,
    /// It was there and is no more.
    Gone,
    /// What the caller had seen has changed.
    PreconditionFailed,
    /// The caller must say what they have seen.
    PreconditionRequired,
    /// Too large.
    TooLarge,
    /// Not a format that is read here.
    UnsupportedMediaType,
    /// Understood, but a rule for the content is broken.
    Invalid,
    /// Too often.
    RateLimited,
    /// Works again soon.
    Unavailable,
    /// Our fault.
    Internal,
}

macro_rules! codes {
    ($($name:ident $code:literal $kind:ident $title:literal;)*) => {
        /// A stable, machine-readable reason. Clients decide by it; texts may change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = concat!("`", $code, "`")] $name,)*
        }

        impl Code {
            /// All codes, in the order of their sections.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it is sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The sort of answer.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    MalformedRequest "malformed_request" Malformed "The request line, a header or the path cannot be understood.";
    MalformedBody "malformed_body" Malformed "The body is not one well-formed JSON document.";
    QueryInvalid "query_invalid" Malformed "A query parameter is unknown, repeated or not valid.";
    CursorInvalid "cursor_invalid" Malformed "The cursor was not made for this list, filter and caller.";
    CursorExpired "cursor_expired" Malformed "The access configuration has changed since the list was begun. Begin it again.";
    IdempotencyKeyMissing "idempotency_key_missing" Malformed "This request needs an Idempotency-Key header.";
    IdempotencyKeyInvalid "idempotency_key_invalid" Malformed "The Idempotency-Key is not 1 to 255 visible ASCII characters.";
    Unauthenticated "unauthenticated" Unauthenticated "Sign in: the access token is missing or not valid.";
    PermissionMissing "permission_missing" Forbidden "Your role in this organization lacks the permission for this.";
    GrantExceedsOwn "grant_exceeds_own" Forbidden "Nobody can give, or act on, more rights than they hold.";
    CeilingExceeded "ceiling_exceeded" Forbidden "The platform operator does not allow that much.";
    SiteNotBound "site_not_bound" Forbidden "The organization is not bound to this site.";
    ScopeExcludes "scope_excludes" Forbidden "The organization's access configuration does not include this.";
    PrivacyModeRequired "privacy_mode_required" Forbidden "Views of single persons whom one sponsors need a privacy mode.";
    OperatorRequired "operator_required" Forbidden "Only the platform operator may do this.";
    EmailUnverified "email_unverified" Forbidden "Verify your e-mail address with your identity provider first.";
    TokenScopeMissing "token_scope_missing" Forbidden "The service token was not given for this.";
    SessionSharingOff "session_sharing_off" Forbidden "The organization does not share its sessions: only their numbers are told.";
    RouteNotFound "route_not_found" NotFound "There is no such route.";
    OrganizationNotFound "organization_not_found" NotFound "There is no such organization, or you are not a member of it.";
    InviteNotFound "invite_not_found" NotFound "There is no such invite for you.";
    MemberNotFound "member_not_found" NotFound "There is no such member.";
    RoleNotFound "role_not_found" NotFound "There is no such role.";
    SiteNotFound "site_not_found" NotFound "There is no such site for you.";
    BookingNotFound "booking_not_found" NotFound "There is no such booking for you.";
    TransactionNotFound "transaction_not_found" NotFound "There is no such transaction for you.";
    PatientNotFound "patient_not_found" NotFound "There is no such patient for you.";
    SpecialistNotFound "specialist_not_found" NotFound "There is no such specialist for you.";
    ExportNotFound "export_not_found" NotFound "There is no such export of yours.";
    ImportNotFound "import_not_found" NotFound "There is no such import of this source.";
    NoteNotFound "note_not_found" NotFound "There is no such note for you.";
    ActionNotFound "action_not_found" NotFound "There is no such action for you.";
    SessionNotFound "session_not_found" NotFound "There is no such session for you.";
    DeviceNotFound "device_not_found" NotFound "There is no such device of yours.";
    TokenNotFound "token_not_found" NotFound "There is no such service token.";
    MethodNotAllowed "method_not_allowed" MethodNotAllowed "This route has no such method.";
    LastAdmin "last_admin" Conflict "An organization always keeps at least one admin.";
    SeatLimitReached "seat_limit_reached" Conflict "All provider seats of the plan are taken.";
    SeatMissing "seat_missing" Conflict "Sessions are held by members who take a provider seat.";
    SessionQuotaReached "session_quota_reached" Conflict "All sessions of the plan's month are used.";
    SessionExpired "session_expired" Conflict "The session has expired.";
    BookingClosed "booking_closed" Conflict "The booking took place already, or will not.";
    DeviceRevoked "device_revoked" Conflict "This key was revoked. Make a new one.";
    AlreadyMember "already_member" Conflict "This person is a member already.";
    InvitePending "invite_pending" Conflict "This address has a pending invite already.";
    InviteAccepted "invite_accepted" Conflict "The invite was accepted already.";
    InviteDeclined "invite_declined" Conflict "The invite was declined.";
    InviteRevoked "invite_revoked" Conflict "The invite was revoked.";
    InviteSuperseded "invite_superseded" Conflict "The link was replaced by a newer one: use the newest mail.";
    InviterWithoutRight "inviter_without_right" Conflict "The person who invited you can no longer give this role. Ask for a new invite.";
    RoleGone "role_gone" Conflict "The role of the invite was deleted meanwhile. Ask for a new invite.";
    SourceOwned "source_owned" Conflict "This belongs to the system that the record comes from.";
    AlreadyEnrolled "already_enrolled" Conflict "The organization has enrolled this patient under another name.";
    ReviewStepImpossible "review_step_impossible" Conflict "The review cannot take this step from where it is.";
    RoleInUse "role_in_use" Conflict "Members hold this role.";
    EmailClaimed "email_claimed" Conflict "Another account has this e-mail address.";
    EmailChanged "email_changed" Conflict "Your account has another address than your sign-in. Adopt the new one first.";
    MembersRemaining "members_remaining" Conflict "Other members remain. Confirm their removal.";
    OrganizationDissolving "organization_dissolving" Conflict "The organization is being dissolved.";
    NotDissolving "not_dissolving" Conflict "The organization is not being dissolved.";
    TransitionForbidden "transition_forbidden" Conflict "The booking's status does not allow this.";
    TransitionPending "transition_pending" Conflict "The booking's source has not answered the last request yet.";
    ActionClosed "action_closed" Conflict "The cause of the action is gone.";
    EntryHasParts "entry_has_parts" Conflict "Refunds or reversals of this entry still count.";
    TooManyEntries "too_many_entries" Conflict "These are too many entries for one answer. Read the list.";
    SumTooLarge "sum_too_large" Conflict "A sum is too large to be told exactly.";
    TokenEnded "token_ended" Conflict "The service token was revoked or has expired.";
    VersionConflict "version_conflict" Conflict "Another content of the same version was taken before.";
    InviteExpired "invite_expired" Gone "The invite has expired. Ask for a new one.";
    ImportFileGone "import_file_gone" Gone "The file of the import is no longer there.";
    RevisionMismatch "revision_mismatch" PreconditionFailed "This was changed meanwhile. Read it again.";
    RevisionMissing "revision_missing" PreconditionRequired "Send the ETag you have seen as If-Match.";
    BodyTooLarge "body_too_large" TooLarge "The body is too large, too deep or has too many parts.";
    MediaTypeUnsupported "media_type_unsupported" UnsupportedMediaType "Send application/json.";
    ExportTooLarge "export_too_large" Invalid "The list has too many rows for one file: filter it.";
    ImportTooLarge "import_too_large" Invalid "The file is too large for one import: split it.";
    ImportHeaderInvalid "import_header_invalid" Invalid "The file's header does not have the columns of the mapping, each once.";
    SiteFilterRequired "site_filter_required" Invalid "This list comes from too many sites at once: filter by site.";
    FieldsInvalid "fields_invalid" Invalid "A field is missing, unknown or not valid.";
    IdInvalid "id_invalid" Invalid "This is not an id.";
    EmailInvalid "email_invalid" Invalid "This is not an e-mail address we can deliver to.";
    EmailDomainNotAllowed "email_domain_not_allowed" Invalid "The organization does not allow this e-mail domain.";
    SiteUnknown "site_unknown" Invalid "There is no such site.";
    DomainInvalid "domain_invalid" Invalid "This is not a domain name.";
    TextInvalid "text_invalid" Invalid "The text is empty, too long or has characters that cannot be shown.";
    RoleUnknown "role_unknown" Invalid "The organization has no such role.";
    RoleNotInvitable "role_not_invitable" Invalid "Admins are promoted from members, not invited.";
    RoleSeatFixed "role_seat_fixed" Invalid "Whether a role creates sessions is fixed when it is made.";
    PublicKeyInvalid "public_key_invalid" Invalid "This is not a public key that can be used.";
    PermissionUnknown "permission_unknown" Invalid "There is no such permission.";
    LimitExceeded "limit_exceeded" Invalid "An organization can have no more of these.";
    NameMismatch "name_mismatch" Invalid "The name is not the organization's.";
    TimeZoneUnknown "time_zone_unknown" Invalid "There is no such time zone.";
    CurrencyUnknown "currency_unknown" Invalid "This is not a currency code.";
    FieldFixed "field_fixed" Invalid "This cannot be changed once it is set.";
    ReasonMissing "reason_missing" Invalid "This needs a reason.";
    AmountInvalid "amount_invalid" Invalid "This is not an amount that such an entry can have.";
    AmountExceedsParent "amount_exceeds_parent" Invalid "Refunds or reversals would be more than what they are of.";
    CurrencyMismatch "currency_mismatch" Invalid "A refund or reversal has the currency of what it is of.";
    ParentMismatch "parent_mismatch" Invalid "The entry does not belong to such a one.";
    StatusInvalid "status_invalid" Invalid "Such an entry cannot have this status now.";
    ElementMissing "element_missing" Invalid "An element is missing.";
    ModifierUnknown "modifier_unknown" Invalid "The resource is modified by an extension or rules that are not known here.";
    InvariantBroken "invariant_broken" Invalid "Elements of the resource do not go together.";
    ParticipantsInvalid "participants_invalid" Invalid "A booking is of one patient with a specialist.";
    ResourceUnsupported "resource_unsupported" Invalid "Resources of this type are not read here.";
    ResourceDuplicate "resource_duplicate" Conflict "Another resource is called so.";
    InteractionUnsupported "interaction_unsupported" Invalid "This is not done here.";
    LanguageTagInvalid "language_tag_invalid" Invalid "This is not a language tag.";
    PhoneInvalid "phone_invalid" Invalid "This is not a telephone number.";
    DateInvalid "date_invalid" Invalid "The date cannot be so here.";
    AssigneeInvalid "assignee_invalid" Invalid "This person is no member, or may not see the action.";
    TokenScopeUnknown "token_scope_unknown" Invalid "There is no such scope of service tokens.";
    ReferenceUnknown "reference_unknown" Invalid "Nothing is known under this external id.";
    LocaleUnsupported "locale_unsupported" Invalid "This language is not supported.";
    IdempotencyKeyReused "idempotency_key_reused" Invalid "The Idempotency-Key was used for another request.";
    RateLimited "rate_limited" RateLimited "Too many of these. Try again later.";
    Busy "busy" Unavailable "Too much happens at once here. Try again.";
    IdentityUnavailable "identity_unavailable" Unavailable "The identity provider's keys cannot be read. Try again.";
    Internal "internal" Internal "Something went wrong on our side.";
}

/// One field that broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body.
    pub pointer: String,
    /// Why.
    pub code: Code,
    /// A sentence for people, without the value.
    pub detail: Cow<'static, str>,
}

/// A typed refusal. Its texts never hold personal data: they end in logs and on screens of others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Refusal {
    /// The stable reason.
    pub code: Code,
    /// What exactly, for people.
    pub detail: Cow<'static, str>,
    /// The fields it is about, if any.
    pub errors: Vec<FieldError>,
    /// Seconds until trying again makes sense.
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// A refusal that says more than the code's title.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// The same refusal, said of the field at `pointer`.
    #[must_use]
    pub fn at(self, pointer: impl Into<String>) -> Self {
        let error = FieldError {
            pointer: pointer.into(),
            code: self.code,
            detail: self.detail.clone(),
        };
        Self {
            errors: vec![error],
            ..self
        }
    }

    /// The same refusal, of a part at `pointer`: the places of its fields are told from the whole.
    #[must_use]
    pub fn within(mut self, pointer: &str) -> Self {
        for error in &mut self.errors {
            error.pointer.insert_str(0, pointer);
        }
        self
    }

    /// The same refusal, with the time after which it may be otherwise.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code, code.title())
    }
}

/// Gives the field's place to the refusal of its parser.
pub trait At<T> {
    /// The same result; a refusal names `pointer`.
    ///
    /// # Errors
    /// The refusal, said of the field at `pointer`.
    fn at(self, pointer: &str) -> Result<T, Refusal>;
}

impl<T> At<T> for Result<T, Refusal> {
    fn at(self, pointer: &str) -> Result<T, Refusal> {
        self.map_err(|refusal| refusal.at(pointer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_snake_case() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} is used twice", code.as_str());
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            assert!(code.title().ends_with('.'), "{} needs a sentence", code.as_str());
        }
    }
}
