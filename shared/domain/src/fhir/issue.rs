//! What is said of a resource that was refused, or not read as it stands (FHIR `OperationOutcome.issue`).

use std::borrow::Cow;

use crate::code::{Code, Kind, Refusal};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The resource was refused.
    Error,
    /// It was taken; this is how.
    Information,
}

impl Severity {
    /// The severity's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Information => "information",
        }
    }
}

/// What sort of issue it is (FHIR `issue-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueType {
    /// It is not FHIR.
    Structure,
    /// An element is missing.
    Required,
    /// An element's value is none.
    Value,
    /// Elements do not go together.
    Invariant,
    /// It has an extension that may not be passed over.
    Extension,
    /// It is not read here.
    NotSupported,
    /// What it names is not known.
    NotFound,
    /// Another resource is called so.
    Duplicate,
    /// Another content of the same version is known.
    Conflict,
    /// A rule of the product forbids it.
    BusinessRule,
    /// It is too much.
    TooCostly,
    /// The caller may not.
    Forbidden,
    /// Trying again helps.
    Transient,
    /// It went wrong on our side.
    Exception,
    /// Nothing is wrong.
    Informational,
}

impl IssueType {
    /// The type's code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::Invariant => "invariant",
            Self::Extension => "extension",
            Self::NotSupported => "not-supported",
            Self::NotFound => "not-found",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::BusinessRule => "business-rule",
            Self::TooCostly => "too-costly",
            Self::Forbidden => "forbidden",
            Self::Transient => "transient",
            Self::Exception => "exception",
            Self::Informational => "informational",
        }
    }

    /// The type of a refusal with this code.
    #[must_use]
    pub const fn of(code: Code) -> Self {
        match code {
            Code::ElementMissing => Self::Required,
            Code::ParticipantsInvalid | Code::InvariantBroken => Self::Invariant,
            Code::ModifierUnknown => Self::Extension,
            Code::ResourceUnsupported | Code::InteractionUnsupported => Self::NotSupported,
            Code::ResourceDuplicate => Self::Duplicate,
            Code::ReferenceUnknown | Code::SiteUnknown => Self::NotFound,
            Code::VersionConflict => Self::Conflict,
            Code::FieldFixed | Code::ReasonMissing | Code::TransitionForbidden => Self::BusinessRule,
            Code::LimitExceeded => Self::TooCostly,
            code => match code.kind() {
                Kind::Malformed | Kind::UnsupportedMediaType => Self::Structure,
                Kind::Unauthenticated | Kind::Forbidden => Self::Forbidden,
                Kind::NotFound | Kind::Gone => Self::NotFound,
                Kind::MethodNotAllowed => Self::NotSupported,
                Kind::Conflict | Kind::PreconditionFailed | Kind::PreconditionRequired => Self::BusinessRule,
                Kind::TooLarge => Self::TooCostly,
                Kind::Invalid => Self::Value,
                Kind::RateLimited | Kind::Unavailable => Self::Transient,
                Kind::Internal => Self::Exception,
            },
        }
    }
}

/// Something to say of a resource. Nothing of what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// What sort of issue it is.
    pub sort: IssueType,
    /// The stable reason, of a refusal.
    pub code: Option<Code>,
    /// A sentence for people.
    pub text: Cow<'static, str>,
    /// The element it is about, as FHIRPath.
    pub expression: Option<String>,
}

impl Issue {
    /// What a refusal says. Its places are FHIRPath already.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Vec<Self> {
        let issue = |code: Code, text: &Cow<'static, str>, place: Option<&str>| Self {
            severity: Severity::Error,
            sort: IssueType::of(code),
            code: Some(code),
            text: text.clone(),
            expression: place.filter(|place| !place.is_empty()).map(str::to_owned),
        };
        if refusal.errors.is_empty() {
            return vec![issue(refusal.code, &refusal.detail, None)];
        }
        let errors = refusal.errors.iter();
        errors
            .map(|error| issue(error.code, &error.detail, Some(&error.pointer)))
            .collect()
    }

    /// Something that is good to know.
    #[must_use]
    pub fn note(text: &'static str, expression: Option<&str>) -> Self {
        Self {
            severity: Severity::Information,
            sort: IssueType::Informational,
            code: None,
            text: text.into(),
            expression: expression.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::At;

    #[test]
    fn a_refusal_is_an_issue_with_its_code_and_place() {
        let refusal: Refusal = Code::ElementMissing.into();
        let refused: Result<(), Refusal> = Err(refusal.clone());
        let issues = Issue::refused(&refused.at("Patient.name").unwrap_err());
        assert_eq!(issues.len(), 1);
        assert_eq!(issues[0].sort.as_str(), "required");
        assert_eq!(issues[0].severity.as_str(), "error");
        assert_eq!(issues[0].expression.as_deref(), Some("Patient.name"));
        assert_eq!(Issue::refused(&refusal)[0].expression, None);
    }

    #[test]
    fn each_code_is_an_issue_of_fhir() {
        let known = [
            "structure",
            "required",
            "value",
            "invariant",
            "extension",
            "not-supported",
            "not-found",
            "duplicate",
            "conflict",
            "business-rule",
            "too-costly",
            "forbidden",
            "transient",
            "exception",
        ];
        for code in Code::ALL {
            assert!(known.contains(&IssueType::of(*code).as_str()), "{code:?}");
        }
    }
}
