//! A person who can sign in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::expect_revision;
use crate::audit::{Actor, AuditEvent, Origin, Verb};
use crate::change::{Change, Fact, Write};
use crate::code::{At, Code, Refusal};
use crate::email::EmailAddress;
use crate::id::AccountId;
use crate::membership::Membership;
use crate::organization::Organization;
use crate::text::PersonName;

/// The most memberships whose copies of name and address change in one transaction.
pub const MOST_COPIES: usize = 20;

/// What a verified access token says of the caller: identity only, never rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account of issuer and subject.
    pub account: AccountId,
    /// The address, only if the provider says that it is verified.
    pub verified_email: Option<EmailAddress>,
    /// The name, if the provider gives one that can be shown.
    pub name: Option<PersonName>,
}

impl Identity {
    /// The verified address.
    ///
    /// # Errors
    /// [`Code::EmailUnverified`] without one: an unverified address proves nothing, so it is as if there were none.
    pub fn email(&self) -> Result<&EmailAddress, Refusal> {
        self.verified_email
            .as_ref()
            .ok_or_else(|| Code::EmailUnverified.into())
    }
}

/// An account: made at first sign-in, kept when memberships end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its one verified address, claimed by no other account; none while the provider has not verified one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// The name shown to other members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<PersonName>,
    /// Rises with every change.
    pub rev: u64,
    /// When it first signed in.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

/// What a person's change of their own account is decided by.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Who they proved to be.
    pub identity: &'a Identity,
    /// Their memberships.
    pub memberships: &'a [Membership],
    /// The organizations of these.
    pub organizations: &'a [Organization],
    /// From where they act.
    pub origin: &'a Origin,
}

/// What a person wants changed about themselves.
#[derive(Debug, Clone, Default)]
pub struct AccountUpdate {
    /// A new name.
    pub name: Option<PersonName>,
    /// Adopt this address: it must be the one the identity provider has verified.
    pub email: Option<EmailAddress>,
}

impl Account {
    /// The account of someone seen for the first time.
    #[must_use]
    pub fn first_seen(identity: &Identity, now: Timestamp) -> Self {
        Self {
            id: identity.account,
            email: identity.verified_email.clone(),
            name: identity.name.clone(),
            rev: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The same account with the address it had not proved before, or nothing if there is nothing new.
    #[must_use]
    pub fn with_first_address(&self, identity: &Identity, now: Timestamp) -> Option<Self> {
        match (&self.email, &identity.verified_email) {
            (None, Some(email)) => Some(Self {
                email: Some(email.clone()),
                rev: self.rev + 1,
                updated_at: now,
                ..self.clone()
            }),
            _ => None,
        }
    }

    /// The verified address that both the account and this sign-in have: what invites and memberships are bound to.
    ///
    /// # Errors
    /// [`Code::EmailUnverified`] without one; [`Code::EmailChanged`] when the two differ.
    pub fn proven_email<'a>(&self, identity: &'a Identity) -> Result<&'a EmailAddress, Refusal> {
        let email = identity.email()?;
        if self.email.as_ref() == Some(email) {
            Ok(email)
        } else {
            Err(Code::EmailChanged.into())
        }
    }

    /// The account after `update`, and the change that makes it so: with a new address, the claim on it and the ties of
    /// the memberships go along. Copies in memberships beyond the first 20 are brought up to date by [`Self::copies`].
    ///
    /// # Errors
    /// [`Code::RevisionMismatch`]; [`Code::EmailUnverified`] when the wanted address is not the one that the identity provider
    /// has verified; [`Code::EmailDomainNotAllowed`] when an organization does not allow it. [`Code::EmailClaimed`], and
    /// [`Code::InvitePending`] while the address is invited to an organization of theirs, come from the commit.
    pub fn updated(
        &self,
        update: AccountUpdate,
        seen: u64,
        standing: Standing<'_>,
        now: Timestamp,
    ) -> Result<(Self, Change), Refusal> {
        expect_revision(self.rev, seen)?;
        if update.email.is_some() && update.email != standing.identity.verified_email {
            return Err(Refusal::from(Code::EmailUnverified).at("/email"));
        }
        let new = Self {
            name: update.name.or_else(|| self.name.clone()),
            email: update.email.or_else(|| self.email.clone()),
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        };
        let mut change = new.copied(standing.memberships, standing.origin, now);
        change.writes.push(Write::AccountReplace(new.clone()));
        if let Some(email) = new
            .email
            .clone()
            .filter(|email| self.email.as_ref() != Some(email))
        {
            if !standing
                .organizations
                .iter()
                .all(|organization| organization.settings.allows(&email))
            {
                return Err(Refusal::from(Code::EmailDomainNotAllowed)).at("/email");
            }
            change.writes.push(Write::EmailClaim(email, self.id));
            change
                .writes
                .extend(self.email.clone().map(|old| Write::EmailRelease(old, self.id)));
        }
        Ok((new, change))
    }

    /// The change that brings the copies of name and address in up to 20 memberships up to date, as long as the account is as
    /// it is; nothing to write when all are.
    #[must_use]
    pub fn copies(&self, memberships: &[Membership], origin: &Origin, now: Timestamp) -> Change {
        self.copied(memberships, origin, now)
            .fact(Fact::AccountIs(self.id, self.rev))
    }

    fn copied(&self, memberships: &[Membership], origin: &Origin, now: Timestamp) -> Change {
        let mut change = Change::default();
        let is_behind = |membership: &&Membership| {
            membership.name != self.name
                || self
                    .email
                    .as_ref()
                    .is_some_and(|email| *email != membership.email)
        };
        for old in memberships.iter().filter(is_behind).take(MOST_COPIES) {
            let new = old.with_copies_of(self, now);
            let moved = new.email != old.email;
            if moved {
                change
                    .writes
                    .push(Write::TieForget(old.email.clone(), old.organization));
                change
                    .writes
                    .push(Write::TieMember(new.email.clone(), old.organization));
            }
            let verb = if moved {
                Verb::MemberAddressChanged
            } else {
                Verb::MemberUpdated
            };
            let actor = Actor::Account {
                id: self.id,
                role: Some(old.role),
            };
            change.audit.push(AuditEvent::new(
                old.organization,
                verb,
                actor,
                &self.id,
                origin,
                now,
            ));
            change.writes.push(Write::MembershipReplace(new));
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::role::Role;
    use crate::sample::{account, email, identity, now, organization};

    /// The account of `name`, signed in with another address than the one it has.
    fn moved(name: &str, to: &str) -> (Account, Identity) {
        let identity = Identity {
            verified_email: Some(email(to)),
            ..identity(name)
        };
        (account(name), identity)
    }

    fn places(account: &Account, number: usize) -> (Vec<Organization>, Vec<Membership>) {
        let organizations: Vec<_> = (0..number).map(|_| organization()).collect();
        let address = account.email.clone().unwrap();
        let join =
            |organization| Membership::new(account, address.clone(), organization, Role::Viewer, now());
        let memberships = organizations.iter().map(join).collect();
        (organizations, memberships)
    }

    fn change(
        account: &Account,
        update: AccountUpdate,
        identity: &Identity,
        (organizations, memberships): &(Vec<Organization>, Vec<Membership>),
    ) -> Result<(Account, Change), Refusal> {
        let origin = Origin::default();
        let standing = Standing {
            identity,
            memberships,
            organizations,
            origin: &origin,
        };
        account.updated(update, account.rev, standing, now())
    }

    fn adopt(to: &str) -> AccountUpdate {
        AccountUpdate {
            email: Some(email(to)),
            ..AccountUpdate::default()
        }
    }

    #[test]
    fn only_an_address_that_account_and_sign_in_share_is_proven() {
        let code = |account: &Account, identity: &Identity| {
            account
                .proven_email(identity)
                .map_err(|refusal| refusal.code)
                .err()
        };
        let unverified = Identity {
            verified_email: None,
            ..identity("eva")
        };
        assert_eq!(code(&account("eva"), &identity("eva")), None);
        assert_eq!(code(&account("eva"), &unverified), Some(Code::EmailUnverified));
        let (eva, elsewhere) = moved("eva", "eva@new.example");
        assert_eq!(code(&eva, &elsewhere), Some(Code::EmailChanged));
    }

    #[test]
    fn an_address_is_given_once_it_is_verified_and_never_replaced_silently() {
        let nameless = Account {
            email: None,
            ..account("eva")
        };
        let given = nameless.with_first_address(&identity("eva"), now()).unwrap();
        assert_eq!(given.email, identity("eva").verified_email);
        assert_eq!(given.rev, nameless.rev + 1);
        let unverified = Identity {
            verified_email: None,
            ..identity("eva")
        };
        assert_eq!(nameless.with_first_address(&unverified, now()), None);
        let (eva, elsewhere) = moved("eva", "eva@new.example");
        assert_eq!(eva.with_first_address(&elsewhere, now()), None);
    }

    #[test]
    fn a_new_address_moves_claim_ties_and_memberships_in_one_change() {
        let (eva, signed_in) = moved("eva", "eva@new.example");
        let places = places(&eva, 2);

        let (new, change) = change(&eva, adopt("eva@new.example"), &signed_in, &places).unwrap();

        let (old, address) = (email("eva@riverside.example"), email("eva@new.example"));
        assert_eq!(new.email.as_ref(), Some(&address));
        assert!(change.writes.contains(&Write::AccountReplace(new)));
        assert!(
            change
                .writes
                .contains(&Write::EmailClaim(address.clone(), eva.id))
        );
        assert!(change.writes.contains(&Write::EmailRelease(old.clone(), eva.id)));
        for organization in &places.0 {
            assert!(
                change
                    .writes
                    .contains(&Write::TieForget(old.clone(), organization.id))
            );
            assert!(
                change
                    .writes
                    .contains(&Write::TieMember(address.clone(), organization.id))
            );
        }
        let told: Vec<_> = change
            .audit
            .iter()
            .map(|event| (event.organization, event.verb))
            .collect();
        assert_eq!(
            told,
            [
                (places.0[0].id, Verb::MemberAddressChanged),
                (places.0[1].id, Verb::MemberAddressChanged)
            ]
        );
    }

    #[test]
    fn an_address_that_is_not_proven_or_not_allowed_is_refused_at_its_field() {
        let (eva, signed_in) = moved("eva", "eva@new.example");
        let mut places = places(&eva, 2);

        let claimed = change(&eva, adopt("dana@riverside.example"), &signed_in, &places).unwrap_err();
        assert_eq!(
            (claimed.code, &*claimed.errors[0].pointer),
            (Code::EmailUnverified, "/email")
        );

        // One organization that does not allow it is enough.
        places.1[1].rev += 1;
        places.0[1].settings.allowed_domains = ["riverside.example".parse().unwrap()].into();
        let refused = change(&eva, adopt("eva@new.example"), &signed_in, &places).unwrap_err();
        assert_eq!(
            (refused.code, &*refused.errors[0].pointer),
            (Code::EmailDomainNotAllowed, "/email")
        );

        let stale = eva.updated(
            AccountUpdate::default(),
            eva.rev + 1,
            Standing {
                identity: &signed_in,
                memberships: &[],
                organizations: &[],
                origin: &Origin::default(),
            },
            now(),
        );
        assert_eq!(stale.unwrap_err().code, Code::RevisionMismatch);
    }

    #[test]
    fn the_present_name_and_address_touch_no_membership() {
        let eva = account("eva");
        let update = AccountUpdate {
            name: eva.name.clone(),
            ..adopt("eva@riverside.example")
        };
        let (new, change) = change(&eva, update, &identity("eva"), &places(&eva, 3)).unwrap();
        assert_eq!(change.writes, [Write::AccountReplace(new)]);
        assert!(change.audit.is_empty());
    }

    proptest! {
        #[test]
        fn copies_come_up_to_date_twenty_at_a_time(number in 0_usize..70) {
            let (eva, _) = moved("eva", "eva@new.example");
            let (_, mut memberships) = places(&eva, number);
            let new = Account { email: Some(email("eva@new.example")), name: Some("Eva Nova".parse().unwrap()), ..eva };
            let mut rounds = 0;
            loop {
                let change = new.copies(&memberships, &Origin::default(), now());
                if change.writes.is_empty() {
                    break;
                }
                rounds += 1;
                // With the account, the claim and its release, it fits into one transaction.
                prop_assert!(change.writes.len() + change.audit.len() <= 97);
                // Copies of what the account was are none.
                prop_assert_eq!(&change.facts, &[Fact::AccountIs(new.id, new.rev)]);
                for write in change.writes {
                    if let Write::MembershipReplace(new) = write {
                        let old = memberships.iter_mut().find(|old| old.organization == new.organization);
                        *old.unwrap() = new;
                    }
                }
            }
            prop_assert_eq!(rounds, number.div_ceil(20));
            prop_assert!(memberships.iter().all(|copy| copy.email == email("eva@new.example") && copy.name == new.name));
        }
    }
}
