//! What the three answers to a link have in common.

use portal_app::InviteWeb;
use portal_domain::code::Code;
use portal_domain::invite::{Invite, InviteLink};
use portal_domain::limit::{FAILED_LINKS_PER_NETWORK, Use};
use portal_domain::organization::Organization;
use portal_domain::plan::Seats;
use portal_http::{ApiError, Caller, Reply};
use portal_store::{StoreError, request};
use serde::Deserialize;
use utoipa::ToSchema;

/// The answer to an invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InviteAnswer {
    /// The token from the mailed link, after `#token=`.
    token: String,
}

impl std::fmt::Debug for InviteAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InviteAnswer(…)")
    }
}

/// What a link leads to.
pub(crate) type Found = (Option<Invite>, Option<Organization>, Option<Seats>);

/// A link that was opened by a caller, and how often their network tried links that open nothing.
pub(crate) struct Opened<'a> {
    app: &'a InviteWeb,
    pub(crate) link: InviteLink,
    tries: Use,
}

/// Opens the link in `answer`.
///
/// # Errors
/// [`Code::InviteNotFound`] for a token that is none, also counted against the network it came from.
pub(crate) async fn open<'a>(
    app: &'a InviteWeb,
    caller: &Caller,
    answer: &InviteAnswer,
) -> Result<Opened<'a>, ApiError> {
    let tries = FAILED_LINKS_PER_NETWORK.used_by(network(caller.origin.ip.as_deref()), app.web.clock.now());
    // An address that nobody has verified proves nothing, whatever the link says.
    caller.identity.email()?;
    match app.links.verify(&answer.token) {
        Ok(link) => {
            request::enter_organization(link.organization);
            request::open_organization(link.root);
            Ok(Opened { app, link, tries })
        }
        Err(refusal) => {
            app.web.store.within(&tries, app.web.clock.now()).await?;
            app.web.store.used(&tries).await?;
            Err(refusal.into())
        }
    }
}

impl Opened<'_> {
    /// Reads what the link leads to, in one round trip.
    pub(crate) async fn read(&self) -> Result<Found, StoreError> {
        let (store, link) = (&self.app.web.store, &self.link);
        let (invite, organization, seats, ()) = tokio::try_join!(
            store.invite(link.organization, link.invite),
            store.organization(link.organization),
            store.seats(link.root),
            store.within(&self.tries, self.app.web.clock.now())
        )?;
        Ok((invite, organization, seats))
    }

    /// The same for a decision about seats: in a plan that became smaller, those of expired invites are given back first.
    pub(crate) async fn read_with_seats(&self) -> Result<Found, StoreError> {
        let (invite, organization, seats) = self.read().await?;
        let seats = match seats {
            Some(seats) if seats.used > seats.limit => Some(
                self.app
                    .web
                    .store
                    .without_expired(seats, self.app.web.clock.now())
                    .await?,
            ),
            seats => seats,
        };
        Ok((invite, organization, seats))
    }

    /// The answer; one that says that there is nothing for the caller counts against their network.
    pub(crate) async fn counted(&self, answer: Result<Reply, ApiError>) -> Result<Reply, ApiError> {
        if matches!(&answer, Err(ApiError::Refused(refusal)) if refusal.code == Code::InviteNotFound) {
            self.app.web.store.used(&self.tries).await?;
        }
        answer
    }
}

/// The network of an address: IPv4 /24, IPv6 /48, so that nobody escapes the limit inside their own.
fn network(ip: Option<&str>) -> String {
    match ip
        .and_then(|ip| ip.parse::<std::net::IpAddr>().ok())
        .map(|ip| ip.to_canonical())
    {
        Some(std::net::IpAddr::V4(v4)) => format!("{:?}", &v4.octets()[..3]),
        Some(std::net::IpAddr::V6(v6)) => format!("{:?}", &v6.segments()[..3]),
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn addresses_of_one_network_count_together() {
        let same = |one: &str, other: &str| network(Some(one)) == network(Some(other));
        assert!(same("192.0.2.1", "192.0.2.250"));
        assert!(!same("192.0.2.1", "192.0.3.1"));
        assert!(same("2001:db8:1::1", "2001:db8:1:ffff::2"));
        assert!(!same("2001:db8:1::1", "2001:db8:2::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.9"), "IPv4 written as IPv6");
        assert!(!same("::ffff:192.0.2.1", "::ffff:198.51.100.1"));
        assert_eq!(network(Some("nonsense")), network(None));
    }
}
