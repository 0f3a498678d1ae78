use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::access::Access;
use crate::change::{Change, Write};
use crate::configuration::{BindingRole, Directory, Scope};
use crate::due::Job;
use crate::id::AccountId;
use crate::organization::Organization;
use crate::role::Role;
use crate::sample::{access, add_role_of, binding, member, now, organization, sourced};
use crate::specialist::{Specialist, SpecialistReferences};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The table, as far as actions are in it.
#[derive(Default)]
struct Kept {
    watch: Option<Watch>,
    actions: BTreeMap<ActionId, Action>,
    due: BTreeSet<Timestamp>,
}

impl Kept {
    fn take(&mut self, change: Change) {
        for write in change.writes {
            match write {
                Write::ActionPut(action) => {
                    self.actions.insert(action.id, action);
                }
                Write::WatchPut { new, old } => {
                    assert_eq!(old, self.watch.as_ref().map(|watch| watch.rev));
                    assert!(old.is_none_or(|old| old < new.rev));
                    self.watch = Some(new);
                }
                Write::WatchDelete(old) => {
                    assert_eq!(self.watch.take(), Some(old));
                }
                Write::DuePut(due) => {
                    assert!(matches!(due.job, Job::SweepActions { .. }));
                    assert!(self.due.insert(due.at));
                }
                Write::DueDelete(due) => assert!(self.due.remove(&due.at)),
                other => panic!("{other:?}"),
            }
        }
    }

    fn judge(&mut self, record: &Record, now: Timestamp) -> bool {
        let change = Watch::judged(self.watch.as_ref(), record.subject(), Some(record), now);
        let changed = change.is_some();
        self.take(change.unwrap_or_default());
        changed
    }

    fn open(&self) -> Vec<Rule> {
        let open = self.actions.values().filter(|action| action.closed_at.is_none());
        let mut rules: Vec<Rule> = open.map(|action| action.rule).collect();
        rules.sort();
        rules
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A specialist with these fields at one site, put forward.
fn specialist(fields: &serde_json::Value) -> Specialist {
    let mut record = serde_json::json!({
        "given_name": "Lena", "time_zone": "Europe/Berlin", "languages": ["de"], "specializations": ["Sleep"],
        "session_minutes": 50, "price": { "amount_minor": 9_000, "currency": "EUR" },
        "availability": [{ "day": "monday", "from": "09:00", "until": "12:00" }],
        "assignments": [{ "site": sourced("site", 1).external, "joined_at": now() }],
    });
    for (name, value) in fields.as_object().unwrap() {
        record[name] = value.clone();
    }
    let place = crate::person::Place {
        site: crate::id::SiteId::mint(now()),
        shards: 4,
    };
    let references = SpecialistReferences {
        sites: [(sourced("site", 1).external, place)].into(),
    };
    let record = serde_json::from_value(record).unwrap();
    let mut specialist = Specialist::taken(record, &references, sourced("lena", 1), None, now()).unwrap();
    specialist.review = crate::specialist::Review::Approved(crate::specialist::Decided {
        by: AccountId::of("sample", "dana"),
        at: now(),
        reason: None,
    });
    specialist
}

fn licence(kind: &str, valid_to: &str) -> serde_json::Value {
    serde_json::json!({ "kind": kind, "valid_to": valid_to, "check": "verified", "required": true })
}

#[test]
fn every_rule_is_told_in_sentences_and_reads_back() {
    let mut words = BTreeSet::new();
    let mut last = Severity::Critical;
    for rule in Rule::ALL {
        assert!(words.insert(rule.as_str()));
        assert_eq!(rule.as_str().parse(), Ok(*rule));
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        for sentence in [rule.means(), rule.impact(), rule.next_step().about] {
            assert!(sentence.ends_with('.') && sentence.len() > 10, "{sentence}");
        }
        assert!(last <= rule.severity(), "{rule:?} is not among its like");
        last = rule.severity();
        let is_own = rule.is_own();
        assert_eq!(
            is_own,
            matches!(rule.subject(), SubjectKind::Invite | SubjectKind::Organization)
        );
    }
    assert!(words.len() >= 10);
}

#[test]
fn a_subject_is_known_by_its_id() {
    let invite = InvitePlace {
        organization: OrganizationId::mint(now()),
        invite: crate::id::InviteId::mint(now()),
    };
    for subject in [
        Subject::Patient(PatientId::mint(now())),
        Subject::Specialist(SpecialistId::mint(now())),
        Subject::Booking(BookingId::mint(now())),
        Subject::Transaction(TransactionId::mint(now())),
        Subject::Invite(invite),
        Subject::Organization(invite.organization),
        Subject::Site(SiteId::mint(now())),
    ] {
        assert_eq!(subject.to_string().parse(), Ok(subject));
    }
    assert_eq!(Subject::Invite(invite).id(), invite.invite.to_string());
    assert!("acc_1".parse::<Subject>().is_err());
}

#[test]
fn an_action_has_one_id_for_its_rule_place_and_subject() {
    let (site, subject) = (SiteId::mint(now()), Subject::Patient(PatientId::mint(now())));
    let id = |rule, site, subject| {
        let found = Finding {
            rule,
            place: Place::at(site, 7, 4),
            cause: Cause::default(),
            opened_at: now(),
        };
        Action::of(subject, &found).id
    };
    let one = id(Rule::PatientTimeZoneMissing, site, subject);
    assert_eq!(one, id(Rule::PatientTimeZoneMissing, site, subject));
    let others = [
        id(Rule::PatientProfileIncomplete, site, subject),
        id(Rule::PatientTimeZoneMissing, SiteId::mint(now()), subject),
        id(
            Rule::PatientTimeZoneMissing,
            site,
            Subject::Patient(PatientId::mint(now())),
        ),
    ];
    assert!(!others.contains(&one));
}

#[test]
fn a_credential_expires_by_the_days_of_its_holder_and_is_outlasted_by_another_of_its_kind() {
    // Given a licence until the end of July in Berlin
    let mut kept = Kept::default();
    let record = Record::Specialist(Box::new(specialist(
        &serde_json::json!({ "credentials": [licence("Licence", "2026-07-31")] }),
    )));
    let end = at("2026-07-31T22:00:00Z");

    // Then it is told of 60 days before, and as expired at its end
    assert!(kept.judge(&record, now()));
    assert_eq!(kept.open(), []);
    assert_eq!(kept.due, [end - DAY * 60].into());
    assert!(kept.judge(&record, end - DAY * 60));
    assert_eq!(kept.open(), [Rule::CredentialExpiring]);
    assert_eq!(kept.due, [end].into());
    assert!(kept.judge(&record, end));
    assert_eq!(kept.open(), [Rule::CredentialExpired]);
    assert_eq!(kept.due, [].into());

    // And another one of its kind takes its place, but none of another kind
    for (kind, open) in [("Diploma", vec![Rule::CredentialExpired]), ("Licence", vec![])] {
        let credentials = serde_json::json!([licence("Licence", "2026-07-31"), licence(kind, "2028-07-31")]);
        let mut renewed = specialist(&serde_json::json!({ "credentials": credentials }));
        if let Record::Specialist(old) = &record {
            (renewed.id, renewed.assignments) = (old.id, old.assignments.clone());
        }
        kept.judge(&Record::Specialist(Box::new(renewed)), end + DAY);
        assert_eq!(kept.open(), open, "{kind}");
    }
}

#[test]
fn of_a_specialist_who_does_not_practise_nothing_but_the_review_matters() {
    let mut draft = specialist(&serde_json::json!({ "time_zone": null, "availability": [], "price": null }));
    let mut kept = Kept::default();
    kept.judge(&Record::Specialist(Box::new(draft.clone())), now());
    assert_eq!(
        kept.open(),
        [
            Rule::AvailabilityMissing,
            Rule::PriceMissing,
            Rule::SpecialistTimeZoneMissing
        ]
    );
    draft.review = crate::specialist::Review::Submitted { at: now() };
    kept.judge(&Record::Specialist(Box::new(draft.clone())), now());
    assert_eq!(kept.open(), [Rule::ReviewWaiting]);
    draft.deleted_at = Some(now());
    kept.judge(&Record::Specialist(Box::new(draft)), now());
    assert_eq!(kept.open(), []);
    assert_eq!(kept.watch, None);
}

#[test]
fn what_is_found_again_is_found_since_the_first_time_and_anew_after_it_was_gone() {
    let mut kept = Kept::default();
    let without = Record::Specialist(Box::new(specialist(&serde_json::json!({ "price": null }))));
    let Record::Specialist(mut priced) = without.clone() else {
        panic!()
    };
    priced.price = specialist(&serde_json::json!({})).price;
    let priced = Record::Specialist(priced);

    assert!(kept.judge(&without, now()));
    assert!(!kept.judge(&without, now() + DAY));
    let action = kept.actions.values().next().unwrap().clone();
    assert_eq!((action.opened_at, action.closed_at), (now(), None));

    assert!(kept.judge(&priced, now() + DAY));
    assert!(!kept.judge(&priced, now() + DAY));
    assert_eq!(kept.actions[&action.id].closed_at, Some(now() + DAY));
    assert_eq!(kept.watch, None);

    assert!(kept.judge(&without, now() + DAY * 2));
    let again = &kept.actions[&action.id];
    assert_eq!((again.opened_at, again.closed_at), (now() + DAY * 2, None));
}

#[test]
fn leaving_a_site_closes_what_is_open_there() {
    let mut leaving = specialist(&serde_json::json!({ "price": null }));
    let mut kept = Kept::default();
    kept.judge(&Record::Specialist(Box::new(leaving.clone())), now());
    assert_eq!(kept.open(), [Rule::PriceMissing]);
    leaving.assignments[0].status = crate::person::PresenceStatus::Inactive;
    kept.judge(&Record::Specialist(Box::new(leaving)), now());
    assert_eq!(kept.open(), []);
}

#[test]
fn a_quota_is_warned_of_at_one_level_at_a_time_until_its_month_is_over() {
    let here = organization();
    let month: crate::transaction::Month = "2026-05".parse().unwrap();
    let used = |used| {
        let quota = crate::plan::Quota {
            used,
            limit: 100,
            ..crate::plan::Quota::begun(None, here.id, month).unwrap()
        };
        let standing = Standing {
            admins: 2,
            quota: Some(quota),
        };
        Record::Organization(Box::new(here.clone()), standing)
    };
    let mut kept = Kept::default();
    for (number, open) in [
        (79, None),
        (80, Some(Rule::SessionQuotaNear)),
        (95, Some(Rule::SessionQuotaAlmostReached)),
        (100, Some(Rule::SessionQuotaReached)),
    ] {
        kept.judge(&used(number), now());
        assert_eq!(kept.open(), open.into_iter().collect::<Vec<_>>(), "{number}");
    }
    let end = at("2026-06-01T00:00:00Z");
    assert_eq!(kept.due, [end].into());
    assert!(!kept.judge(&used(100), end - SignedDuration::from_millis(1)));
    assert!(kept.judge(&used(100), end));
    assert_eq!((kept.open(), kept.watch), (vec![], None));
}

#[test]
fn what_is_no_more_has_no_actions() {
    let mut kept = Kept::default();
    let record = Record::Specialist(Box::new(specialist(&serde_json::json!({ "price": null }))));
    kept.judge(&record, now());
    let change = Watch::judged(kept.watch.as_ref(), record.subject(), None, now());
    kept.take(change.unwrap());
    assert_eq!((kept.open(), kept.watch), (vec![], None));
}

proptest! {
    #[test]
    fn rules_find_the_same_however_often_and_late_they_look(ends in prop::collection::vec(0_i64..400, 0..4), looks in prop::collection::vec(0_i64..500, 1..12)) {
        // Given credentials that end on some days, and looks at some times, in order
        let day = |n: i64| (now() + DAY * i32::try_from(n).unwrap()).to_zoned(jiff::tz::TimeZone::UTC).date();
        let credentials: Vec<_> = ends.iter().enumerate().map(|(n, end)| licence(&format!("kind {n}"), &day(*end).to_string())).collect();
        let record = Record::Specialist(Box::new(specialist(&serde_json::json!({ "credentials": credentials }))));
        let mut looks = looks;
        looks.sort_unstable();
        let mut kept = Kept::default();
        for look in looks {
            let now = now() + DAY * i32::try_from(look).unwrap();
            kept.judge(&record, now);
            // Then a second look changes nothing, the next look is to come, and what is open is what a first look would find
            prop_assert!(!kept.judge(&record, now));
            prop_assert!(kept.due.len() <= 1 && kept.due.iter().all(|due| *due > now));
            let mut fresh = Kept::default();
            fresh.judge(&record, now);
            prop_assert_eq!(kept.open(), fresh.open());
            prop_assert_eq!(&kept.due, &fresh.due);
        }
    }
}

// ---- Who sees what --------------------------------------------------------------------------------------------

fn action(rule: Rule, place: Place) -> Action {
    let found = Finding {
        rule,
        place,
        cause: Cause::default(),
        opened_at: now(),
    };
    Action::of(Subject::Booking(BookingId::mint(now())), &found)
}

fn shown(access: &Access, place: Place) -> BTreeSet<Rule> {
    let sight = access.sight().unwrap();
    let all = Rule::ALL.iter().copied();
    all.filter(|rule| sight.shows(&action(*rule, place))).collect()
}

fn of_sphere(spheres: &[Sphere]) -> BTreeSet<Rule> {
    let all = Rule::ALL.iter().copied();
    all.filter(|rule| spheres.contains(&rule.sphere())).collect()
}

/// An organization with a site of its own and a shared one.
fn bound() -> (Organization, Place, Place) {
    let mut organization = organization();
    let bindings = [binding(BindingRole::Owner), binding(BindingRole::Shared)];
    organization.configuration.bindings = bindings.to_vec();
    let [own, shared] = bindings.map(|binding| Place::at(binding.site, 0, 1));
    (organization, own, shared)
}

#[test]
fn an_admin_sees_the_actions_that_the_access_configuration_has() {
    use Sphere::{Events, Owner, Patients, Specialists};
    let (mut here, own, shared) = bound();
    let admin = |here: &Organization| access(here, Role::Admin);
    assert_eq!(
        shown(&admin(&here), own),
        of_sphere(&[Patients, Specialists, Events, Owner])
    );
    assert_eq!(shown(&admin(&here), shared), of_sphere(&[Patients, Events]));
    let elsewhere = Place::at(SiteId::mint(now()), 0, 1);
    assert_eq!(shown(&admin(&here), elsewhere), BTreeSet::new());
    let itself = Place::Organization {
        organization: here.id,
    };
    assert_eq!(shown(&admin(&here), itself), of_sphere(&[Sphere::Organization]));
    let other = Place::Organization {
        organization: OrganizationId::mint(now()),
    };
    assert_eq!(shown(&admin(&here), other), BTreeSet::new());

    here.configuration.scope = Scope::Specialists;
    assert_eq!(
        shown(&admin(&here), own),
        of_sphere(&[Specialists, Events, Owner])
    );
    here.configuration.scope = Scope::Patients;
    assert_eq!(shown(&admin(&here), own), of_sphere(&[Patients, Events, Owner]));
    here.configuration.bindings[0].active = false;
    assert_eq!(shown(&admin(&here), own), BTreeSet::new());
    here.configuration.directory = Directory::Enrolled;
    assert_eq!(shown(&admin(&here), shared), BTreeSet::new());
    assert_eq!(shown(&admin(&here), itself), of_sphere(&[Sphere::Organization]));
    let query = ActionQuery {
        rule: Some(Rule::BookingOverdue),
        ..ActionQuery::default()
    };
    assert_eq!(
        query.sight(&admin(&here)).unwrap_err().code,
        Code::PrivacyModeRequired
    );
}

#[test]
fn a_role_sees_what_it_has_the_permission_for_and_at_its_sites_nothing_of_the_organization() {
    let (mut here, own, shared) = bound();
    let held = ["actions.read", "bookings.read", "invites.read", "sessions.read"];
    let role = add_role_of(&mut here, &held);
    let itself = Place::Organization {
        organization: here.id,
    };
    let holder = access(&here, role);
    let bookings: BTreeSet<Rule> = [Rule::BookingOverdue, Rule::ProposalUnanswered].into();
    assert_eq!(
        shown(&holder, own),
        bookings.union(&of_sphere(&[Sphere::Owner])).copied().collect()
    );
    assert_eq!(shown(&holder, shared), bookings);
    assert_eq!(shown(&holder, itself), of_sphere(&[Sphere::Organization]));
    let actions_alone = add_role_of(&mut here, &["actions.read"]);
    let shown_of_itself = shown(&access(&here, actions_alone), itself);
    assert_eq!(shown_of_itself, [Rule::SingleAdmin].into());

    here.roles[0].sites = shared.site().map(|site| [site].into());
    let limited = access(&here, role);
    assert_eq!(shown(&limited, own), BTreeSet::new());
    assert_eq!(shown(&limited, shared), bookings);
    assert_eq!(shown(&limited, itself), BTreeSet::new());
}

// ---- What is made of it ---------------------------------------------------------------------------------------

fn case(organization: &Organization) -> Case {
    let place = Place::Organization {
        organization: organization.id,
    };
    Case {
        action: action(Rule::SingleAdmin, place),
        handling: None,
    }
}

#[test]
fn an_action_waits_until_its_time_and_is_dismissed_until_it_is_taken_up_or_opened_anew() {
    let here = organization();
    let admin = access(&here, Role::Admin);
    let untouched = case(&here);
    assert_eq!(untouched.status(now()), Status::Open);

    let (waiting, change) = admin
        .handle(&untouched, Step::Snooze(now() + DAY), 0, now())
        .unwrap();
    assert_eq!(
        (waiting.status(now()), waiting.status(now() + DAY)),
        (Status::Snoozed, Status::Open)
    );
    assert_eq!(
        change.audit[0].changes["status"].after.as_deref(),
        Some("snoozed")
    );
    let reason: crate::text::DismissalReason = "Known to the platform".parse().unwrap();
    let (dismissed, change) = admin.handle(&waiting, Step::Dismiss(reason), 1, now()).unwrap();
    assert_eq!(dismissed.status(now() + DAY * 900), Status::Dismissed);
    assert!(!format!("{:?}", change.audit).contains("Known"));
    let (open, _) = admin.handle(&dismissed, Step::Reopen, 2, now()).unwrap();
    assert_eq!((open.status(now()), open.rev()), (Status::Open, 3));

    // Its cause went and came back
    let mut anew = dismissed.clone();
    anew.action.opened_at = now() + DAY;
    assert_eq!(
        (anew.status(now()), anew.handling(), anew.rev()),
        (Status::Open, None, 2)
    );
    let mut gone = dismissed;
    gone.action.closed_at = Some(now());
    let refused = |case: &Case, step, seen| admin.handle(case, step, seen, now()).unwrap_err().code;
    assert_eq!(refused(&gone, Step::Reopen, 2), Code::ActionClosed);
    assert_eq!(refused(&gone, Step::Reopen, 1), Code::RevisionMismatch);
    for until in [now(), now() - DAY] {
        assert_eq!(
            refused(&untouched, Step::Snooze(until), 0),
            Code::FieldsInvalid,
            "{until}"
        );
    }
}

#[test]
fn an_action_is_given_to_members_who_see_it_and_to_nobody_else() {
    let mut here = organization();
    let (reader, blind) = (
        add_role_of(&mut here, &["actions.read"]),
        add_role_of(&mut here, &["members.read"]),
    );
    let admin = access(&here, Role::Admin);
    let untouched = case(&here);
    let give = |name: &str, role| {
        let membership = member(&here, name, role);
        let step = Step::Assign {
            account: Some(membership.account),
            member: Some(Box::new(membership)),
        };
        admin.handle(&untouched, step, 0, now())
    };
    let (given, change) = give("rita", reader).unwrap();
    assert_eq!(given.assignee(), Some(AccountId::of("sample", "rita")));
    assert_eq!(change.facts.len(), 3);
    assert_eq!(give("bob", blind).unwrap_err().code, Code::AssigneeInvalid);
    let to = |account| Step::Assign {
        account,
        member: None,
    };
    let stranger = to(Some(AccountId::of("sample", "eve")));
    let refusal = admin.handle(&untouched, stranger, 0, now()).unwrap_err();
    assert_eq!(refusal.code, Code::AssigneeInvalid);
    let (free, _) = admin.handle(&given, to(None), 1, now()).unwrap();
    assert_eq!(free.assignee(), None);
    let other = access(&organization(), Role::Admin);
    assert_eq!(
        other.handle(&untouched, Step::Reopen, 0, now()).unwrap_err().code,
        Code::ActionNotFound
    );
}
