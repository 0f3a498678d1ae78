//! `GET` and `POST /v1/devices`, `GET` and `DELETE /v1/devices/{device_id}`.

use axum::extract::State;
use jiff::Timestamp;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::device::{Device, DeviceDraft, PublicKey};
use portal_domain::id::DeviceId;
use portal_domain::membership::Membership;
use portal_domain::session::Owner;
use portal_domain::text::DeviceName;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, Idempotent, List, ListView, NoFilter, Paging, Path, Reply, View};
use portal_store::{Page, request};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A device of the caller's.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceView {
    /// Its id.
    #[schema(example = "dev_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// What its owner calls it.
    name: String,
    /// Its X25519 public key in base64url without padding.
    public_key: String,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    first_seen_at: Timestamp,
    /// When it last registered itself, to the hour.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
}

impl View for DeviceView {}

impl From<&Device> for DeviceView {
    fn from(device: &Device) -> Self {
        Self {
            id: device.id.to_string(),
            name: device.name.as_str().to_owned(),
            public_key: device.public_key.to_string(),
            first_seen_at: device.first_seen_at,
            last_seen_at: device.last_seen_at,
        }
    }
}

/// What a device says of itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceRegister {
    /// What its owner calls it, 1 to 60 characters.
    #[schema(value_type = String, example = "Ada's phone")]
    name: DeviceName,
    /// Its X25519 public key (RFC 7748): 32 bytes in base64url without padding.
    #[schema(value_type = String, example = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo")]
    public_key: PublicKey,
}

/// The caller as who they are to organizations, whose logs are opened to this request.
fn owner<'a>(caller: &'a Caller, memberships: &'a [Membership]) -> Owner<'a> {
    for membership in memberships {
        request::open_organization(membership.organization);
    }
    Owner {
        memberships,
        origin: &caller.origin,
    }
}

/// List my devices
///
/// Those that were registered first come first.
#[utoipa::path(get, path = "/v1/devices", tag = "devices", params(Paging),
    responses((status = 200, description = "The caller's devices", body = ListView<DeviceView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn list_devices(
    State(web): State<Web>,
    caller: Caller,
    list: List<NoFilter>,
) -> Result<Reply, ApiError> {
    let account = caller.identity.account;
    let after = list.after(&web.cursors, account)?;
    let (_, _, known) = caller.beside(web.store.devices(account)).await?;
    let mut devices = known.devices;
    devices.sort_by_key(|device| device.id);
    let page = Page::of(devices, list.limit, after.as_ref(), |device| {
        device.id.to_string()
    });
    let page = page.map(|device| DeviceView::from(&device));
    Ok(list.reply(&web.cursors, account, page))
}

/// Get a device of mine
#[utoipa::path(get, path = "/v1/devices/{device_id}", tag = "devices", params(("device_id" = String, Path)),
    responses((status = 200, description = "The device", body = DeviceView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(device.id = %device, account.id = %caller.identity.account))]
pub(crate) async fn get_device(
    State(web): State<Web>,
    caller: Caller,
    Path(device): Path<DeviceId>,
) -> Result<Reply, ApiError> {
    let known = web.store.devices(caller.identity.account);
    let (_, _, known) = caller.beside(known).await?;
    let found = known.devices.iter().find(|known| known.id == device);
    let found = found.ok_or(Code::DeviceNotFound)?;
    Ok(Reply::ok(&DeviceView::from(found)))
}

/// Register a device
///
/// By its public key: the private one never leaves it. The same key again is the same device, seen now: clients send it whenever
/// they begin. A key that was revoked never comes back. An account has at most 20 devices.
#[utoipa::path(post, path = "/v1/devices", tag = "devices", request_body = DeviceRegister,
    params(("idempotency-key" = String, Header)),
    responses((status = 200, description = "Known, and seen now", body = DeviceView),
              (status = 201, description = "Registered", body = DeviceView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn register_device(
    State(web): State<Web>,
    caller: Caller,
    request: Idempotent<DeviceRegister>,
) -> Result<Reply, ApiError> {
    let Idempotent { body, key } = request;
    let account = caller.identity.account;
    caller
        .perform(
            Some(&key),
            || web.store.devices_and_revoked(account, body.public_key),
            |_, memberships, (known, is_revoked), now| {
                let draft = DeviceDraft {
                    name: body.name.clone(),
                    public_key: body.public_key,
                };
                let owner = owner(&caller, &memberships);
                let (device, change) = known.register(draft, is_revoked, owner, now)?;
                let is_new = !known.devices.iter().any(|known| known.id == device.id);
                let view = DeviceView::from(&device);
                let reply = if is_new {
                    Reply::created(&view, format!("/v1/devices/{}", device.id))
                } else {
                    Reply::ok(&view)
                };
                Ok::<_, Refusal>((change, reply))
            },
        )
        .await
}

/// Revoke a device
///
/// Nothing is sealed to its key any more, and the key never comes back.
#[utoipa::path(delete, path = "/v1/devices/{device_id}", tag = "devices", params(("device_id" = String, Path)),
    responses((status = 204, description = "Revoked"),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(device.id = %device, account.id = %caller.identity.account))]
pub(crate) async fn revoke_device(
    State(web): State<Web>,
    caller: Caller,
    Path(device): Path<DeviceId>,
) -> Result<Reply, ApiError> {
    let account = caller.identity.account;
    caller
        .perform(
            None,
            || web.store.devices(account),
            |_, memberships, known, now| {
                let change = known.revoke(device, owner(&caller, &memberships), now)?;
                Ok::<_, Refusal>((change, Reply::no_content()))
            },
        )
        .await
}
