//! Who is in the demo. All addresses are under `.example` (RFC 2606): no mail to them can ever arrive anywhere.

use jiff::Timestamp;
use portal_domain::account::Account;
use portal_domain::code::Refusal;
use portal_domain::email::EmailAddress;
use portal_domain::id::AccountId;
use portal_domain::role::Role;

use super::ids;
use crate::identity::{Identity, SignIn};

/// Somebody in the clinic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    pub(super) name: &'static str,
    /// What stands before the `@`.
    local: &'static str,
    pub(super) role: Role,
}

impl Person {
    pub(super) fn email(&self) -> Result<EmailAddress, Refusal> {
        format!("{}@riverside.example", self.local).parse()
    }
}

const fn admin(name: &'static str, local: &'static str) -> Person {
    Person {
        name,
        local,
        role: Role::Admin,
    }
}

const fn provider(name: &'static str, local: &'static str) -> Person {
    Person {
        name,
        local,
        role: Role::Provider,
    }
}

const fn viewer(name: &'static str, local: &'static str) -> Person {
    Person {
        name,
        local,
        role: Role::Viewer,
    }
}

const fn coordinator(name: &'static str, local: &'static str) -> Person {
    Person {
        name,
        local,
        role: Role::Custom(ids::COORDINATORS),
    }
}

const fn compliance(name: &'static str, local: &'static str) -> Person {
    Person {
        name,
        local,
        role: Role::Custom(ids::COMPLIANCE),
    }
}

const fn billing(name: &'static str, local: &'static str) -> Person {
    Person {
        name,
        local,
        role: Role::Custom(ids::BILLING),
    }
}

/// The admin who also holds sessions.
pub(super) const CARING_ADMIN: &str = "Ngozi Okonkwo";

/// The members of the clinic, in the order in which they joined.
#[rustfmt::skip]
pub(super) const MEMBERS: [Person; 60] = [
    admin("Dana Whitfield", "dana.admin"),
    admin("Ngozi Okonkwo", "ngozi.okonkwo"),
    provider("Amara Diallo", "amara.diallo"),
    provider("José Ibáñez", "jose.ibanez"),
    coordinator("Mei-Ling Chen", "meiling.chen"),
    viewer("Mateo Álvarez", "mateo.alvarez"),
    provider("Saoirse O'Connell", "saoirse.oconnell"),
    billing("Tomáš Dvořák", "tomas.dvorak"),
    coordinator("Aaliyah Hassan", "aaliyah.hassan"),
    viewer("Håkon Berg", "hakon.berg"),
    provider("Priya Raghavan", "priya.raghavan"),
    admin("Luca Moretti", "luca.moretti"),
    compliance("Ingrid Sørensen", "ingrid.sorensen"),
    viewer("Kwame Mensah", "kwame.mensah"),
    coordinator("Zoë van der Berg", "zoe.vanderberg"),
    viewer("Nguyễn Thị Lan", "lan.nguyen"),
    provider("Björn Håkansson", "bjorn.hakansson"),
    viewer("Fatima Zahra Benali", "fatima.benali"),
    billing("Sofía Restrepo", "sofia.restrepo"),
    viewer("Hiroshi Tanaka", "hiroshi.tanaka"),
    coordinator("Aylin Çelik", "aylin.celik"),
    viewer("Chloé Dubois", "chloe.dubois"),
    viewer("Rahul Deshpande", "rahul.deshpande"),
    provider("Katarzyna Wójcik", "katarzyna.wojcik"),
    viewer("Moana Tūhoe", "moana.tuhoe"),
    coordinator("Samuel Adeyemi", "samuel.adeyemi"),
    viewer("Leila Farahani", "leila.farahani"),
    compliance("Jürgen Müller", "juergen.mueller"),
    viewer("Anastasia Volkova", "anastasia.volkova"),
    coordinator("Ivan Petrović", "ivan.petrovic"),
    viewer("Noa Ben-David", "noa.bendavid"),
    viewer("Ximena Quispe", "ximena.quispe"),
    billing("Dimitra Papadopoulou", "dimitra.papadopoulou"),
    viewer("Tariq Al-Masri", "tariq.almasri"),
    coordinator("Hannah Goldberg", "hannah.goldberg"),
    provider("Min-jun Park", "minjun.park"),
    viewer("Élodie Lefèvre", "elodie.lefevre"),
    viewer("Oluwaseun Balogun", "oluwaseun.balogun"),
    coordinator("Carmen Núñez", "carmen.nunez"),
    viewer("Andrzej Kowalski", "andrzej.kowalski"),
    viewer("Siddharth Menon", "siddharth.menon"),
    compliance("Grace Mwangi", "grace.mwangi"),
    viewer("Matteo Ricci", "matteo.ricci"),
    coordinator("Yuki Nakamura", "yuki.nakamura"),
    viewer("Gabriela Silva", "gabriela.silva"),
    viewer("Eoin Gallagher", "eoin.gallagher"),
    billing("Nadia Rahman", "nadia.rahman"),
    viewer("Þóra Jónsdóttir", "thora.jonsdottir"),
    coordinator("Emeka Obi", "emeka.obi"),
    viewer("Lucía Fernández", "lucia.fernandez"),
    viewer("Arjun Kapoor", "arjun.kapoor"),
    viewer("Marta Kovács", "marta.kovacs"),
    coordinator("Liam Fitzgerald", "liam.fitzgerald"),
    viewer("Wanjiru Kamau", "wanjiru.kamau"),
    billing("Pedro Almeida", "pedro.almeida"),
    viewer("Sienna Walker", "sienna.walker"),
    compliance("Omar Haddad", "omar.haddad"),
    viewer("Ruta Kazlauskaitė", "ruta.kazlauskaite"),
    coordinator("Isla MacDonald", "isla.macdonald"),
    viewer("Bao Tran", "bao.tran"),
];

/// The accounts that the development identity provider gives to addresses.
pub(super) struct Accounts<'a>(&'a Identity);

impl<'a> Accounts<'a> {
    pub(super) const fn new(identity: &'a Identity) -> Self {
        Self(identity)
    }

    /// The id of whoever owns an address.
    pub(super) fn id(&self, email: &EmailAddress) -> AccountId {
        self.0.account_of(&SignIn::new(email.as_str()))
    }

    /// The account of somebody who first signed in at `at`.
    pub(super) fn account(
        &self,
        name: &str,
        email: &EmailAddress,
        at: Timestamp,
    ) -> Result<Account, Refusal> {
        Ok(Account {
            id: self.id(email),
            email: Some(email.clone()),
            name: Some(name.parse()?),
            rev: 1,
            created_at: at,
            updated_at: at,
        })
    }
}
