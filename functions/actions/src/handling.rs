//! What the routes that handle an action have in common.

use jiff::Timestamp;
use portal_domain::access::Access;
use portal_domain::action::{Case, Step};
use portal_domain::change::Change;
use portal_domain::code::{Code, Refusal};
use portal_http::Reply;
use portal_store::Sought;

use crate::view::ActionView;

/// The change that `step` makes of what was sought, and the answer once it is made.
pub(crate) fn handled(
    access: &Access,
    sought: Sought<Case>,
    step: Step,
    seen: u64,
    now: Timestamp,
) -> Result<(Change, Reply), Refusal> {
    let case = sought
        .within(&access.sight()?.reach)
        .ok_or(Code::ActionNotFound)?;
    let (case, change) = access.handle(&case, step, seen, now)?;
    let view = ActionView::new(&case, access.organization.id, now);
    Ok((change, Reply::ok(&view).etag(case.rev())))
}
