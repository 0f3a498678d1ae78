//! What is told of an action.

use jiff::Timestamp;
use portal_domain::action::{Case, Dismissal, Field, NextStep};
use portal_domain::id::OrganizationId;
use portal_http::View;
use serde::Serialize;
use utoipa::ToSchema;

/// What an action is about. It is named by its id alone: whoever sees the action may look it up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActionSubjectView {
    /// `patient`, `specialist`, `booking`, `transaction`, `invite`, `organization` or `site`.
    #[schema(example = "booking")]
    kind: &'static str,
    /// Its id.
    #[schema(example = "bok_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
}

/// What is done about an action.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextStepView {
    /// In a sentence.
    #[schema(example = "Say whether it took place.")]
    about: &'static str,
    /// The method of the route that does it, or shows what is to be done elsewhere.
    #[schema(example = "POST")]
    method: &'static str,
    /// Its path. What stands in braces is for people to choose.
    path: String,
    /// The permission that it needs.
    #[schema(example = "bookings.manage")]
    permission: &'static str,
}

impl NextStepView {
    fn new(step: &NextStep, organization: OrganizationId, case: &Case) -> Self {
        Self {
            about: step.about,
            method: step.method,
            path: step.path_for(organization, case.action.subject),
            permission: step.permission.as_str(),
        }
    }
}

/// That an action was dismissed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DismissalView {
    /// The member who did.
    by: String,
    /// Why.
    #[schema(example = "Agreed with the platform.")]
    reason: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<&Dismissal> for DismissalView {
    fn from(dismissal: &Dismissal) -> Self {
        Self {
            by: dismissal.by.to_string(),
            reason: dismissal.reason.as_str().to_owned(),
            at: dismissal.at,
        }
    }
}

/// An action, as the organization sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActionView {
    /// Its id: the same rule about the same thing at the same site always has the same one.
    #[schema(example = "act_0192f0c1-2b3c-5d4e-8f50-61728394a5b6")]
    id: String,
    /// The rule that found it; see the list of rules.
    #[schema(example = "booking_overdue")]
    rule: &'static str,
    /// `critical`, `warning` or `info`.
    #[schema(example = "warning")]
    severity: &'static str,
    /// `open`, `snoozed`, `dismissed` or `closed`. It closes itself when its cause is gone.
    #[schema(example = "open")]
    status: &'static str,
    /// What it means.
    means: &'static str,
    /// What comes of it.
    impact: &'static str,
    /// What is done about it.
    next_step: NextStepView,
    /// What it is about.
    subject: ActionSubjectView,
    /// The site it is at; null for what is about the organization itself.
    site_id: Option<String>,
    /// The instant it is about: when something ends, ended, or is to begin. Null where there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// The fields that are missing: `contact`, `locale`, `languages`, `specializations`, `session_minutes`.
    missing: Vec<&'static str>,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    /// When its cause was gone; null while it is there.
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
    /// The member who sees to it; null if nobody does.
    assignee_id: Option<String>,
    /// Until when it waits, or waited; null if it never did.
    #[schema(value_type = Option<String>, format = DateTime)]
    snoozed_until: Option<Timestamp>,
    /// That it was dismissed; null if it is not.
    dismissal: Option<DismissalView>,
}

impl ActionView {
    pub(crate) fn new(case: &Case, organization: OrganizationId, now: Timestamp) -> Self {
        let (action, handling) = (&case.action, case.handling());
        let rule = action.rule;
        Self {
            id: action.id.to_string(),
            rule: rule.as_str(),
            severity: rule.severity().as_str(),
            status: case.status(now).as_str(),
            means: rule.means(),
            impact: rule.impact(),
            next_step: NextStepView::new(&rule.next_step(), organization, case),
            subject: ActionSubjectView {
                kind: action.subject.kind().as_str(),
                id: action.subject.id(),
            },
            site_id: action.place.site().map(|site| site.to_string()),
            at: action.cause.at,
            missing: action.cause.fields.iter().copied().map(Field::as_str).collect(),
            opened_at: action.opened_at,
            closed_at: action.closed_at,
            assignee_id: case.assignee().map(|assignee| assignee.to_string()),
            snoozed_until: handling.and_then(|handling| handling.snoozed_until),
            dismissal: handling.and_then(|handling| handling.dismissal.as_ref().map(DismissalView::from)),
        }
    }
}

impl View for ActionView {}
